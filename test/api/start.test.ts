/** A server that cannot start says why and ends, so that whoever supervises it can do something about it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createFirstAdmin, hashSecret } from "../../api/auth/identity.ts";
import { settings } from "../../api/config.ts";
import { makeDirectory } from "../../api/directories.ts";
import { startError, storeError } from "../../api/start-error.ts";
import { NoLocksError } from "../../api/store/sqlite/directory.ts";
import { StoreUnavailableError } from "../../api/store/types.ts";
import { openTestStore } from "../support/store.ts";

/** What a server says that ends at once, and its exit code. */
async function failedStart(environment: Record<string, string>): Promise<[number, string]> {
  const data = mkdtempSync(join(tmpdir(), "ostler-start-"));
  const env = { ...process.env, OSTLER_DATA: data, OSTLER_HTTP_PORT: "0", OSTLER_GRPC_PORT: "0", ...environment };
  const child = spawn(process.execPath, ["api/main.ts"], { cwd: root, env });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const [code] = await once(child, "close");
  rmSync(data, { recursive: true, force: true });
  return [code, said];
}

const root = join(import.meta.dirname, "../..");

test("options of the server itself are those of `ostler serve`: help is printed, nothing is started", async () => {
  for (const [argument, status, words] of [
    ["--help", 0, /Usage: ostler serve .*--worker-stuck-ms/s],
    ["--nonsense", 2, /unknown option '--nonsense'/],
  ] as const) {
    const child = spawn(process.execPath, ["api/main.ts", argument], { cwd: root });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    const [code] = await once(child, "close");
    expect(said).toMatch(words);
    expect(code).toBe(status);
  }
});

test.each(["OSTLER_HTTP_PORT", "OSTLER_GRPC_PORT"])("a port of %s that is taken", async (variable) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  const failure = await failedStart({ [variable]: `${port}` });
  taken.close();
  const advice = `ostler: port ${port} is taken; set OSTLER_HTTP_PORT or OSTLER_GRPC_PORT to another\n`;
  expect(failure).toEqual([1, expect.stringContaining(advice)]);
});

const UNUSABLE = (directory: string) => `OSTLER_DATA=${directory}: this directory cannot be used`;
const NO_DIRECTORY = "ENOTDIR: not a directory, /dev/null";

test("settings that only the start itself finds wrong", async () => {
  const failures = await Promise.all([
    failedStart({ OSTLER_TLS_CERT: "/nowhere/chain.pem" }),
    failedStart({ OSTLER_DATA: "/dev/null" }),
    failedStart({ OSTLER_DATA: "/proc/ostler/data" }),
    failedStart({ DATABASE_URL: `postgresql://ostler:secret@127.0.0.1:1/ostler` }),
  ]);
  expect(failures).toEqual([
    [1, "ostler: OSTLER_TLS_CERT and OSTLER_TLS_KEY go together: set both\n"],
    [1, `ostler: ${UNUSABLE("/dev/null")}: it, or what it is to be in, is not a directory (${NO_DIRECTORY})\n`],
    [1, expect.stringMatching(/^ostler: OSTLER_DATA=\/proc\/ostler\/data: this directory cannot be used: .*\n$/)],
    [1, `ostler: DATABASE_URL: this database cannot be used: connect ECONNREFUSED 127.0.0.1:1\n`],
  ]);
});

test("what is wrong with a data directory is said by what the operating system and SQLite say", () => {
  const full = new StoreUnavailableError("full", "the disk of the database is full");
  for (const [error, why] of [
    [new Error("SQLITE_NOTADB: file is not a database"), /its ostler.db is damaged, or no database: restore a backup/],
    [
      new Error("the migration failed", { cause: new Error("SQLITE_FULL: disk is full") }),
      /no room left .*SQLITE_FULL/,
    ],
    [full, /no room left on its disk/],
    [Object.assign(new Error("EDQUOT: quota exceeded, write"), { code: "EDQUOT" }), /no room left on its disk/],
    [Object.assign(new Error("EROFS: read-only, open"), { code: "EROFS" }), /can only be read/],
    [
      Object.assign(new Error("EACCES: permission denied, mkdir '/x'"), { code: "EACCES" }),
      /user .* may not write there/,
    ],
    [
      Object.assign(new Error("ENOENT: no such file or directory, stat '/x'"), { code: "ENOENT" }),
      /a link to what there is not/,
    ],
    [new Error("SQLITE_READONLY: attempt to write a readonly database"), /user .* may not write there/],
    [new NoLocksError("the file system of /mnt has no locks"), /has no locks, .*: take a local one, or DATABASE_URL/],
    [new Error("SQLITE_IOERR: disk I/O error"), /its file system fails, or has no locks/],
    [Object.assign(new Error("ELOOP: too many links, open"), { code: "ELOOP" }), /: ELOOP: too many links, open$/],
  ] as const) {
    const told = startError(storeError(error, { dataDir: "data", databaseUrl: "" }));
    expect(told.startsWith(`${UNUSABLE("data")}: `)).toBe(true);
    expect(told).toMatch(why);
  }
  const ours = new TypeError("x is not a function");
  expect(storeError(ours, { dataDir: "data", databaseUrl: "" })).toBe(ours);
});

test("directories are made for their owner alone, one in the other, and those that are there stay as they are", () => {
  const top = mkdtempSync(join(tmpdir(), "ostler-start-"));
  makeDirectory(join(top, "a/b"));
  makeDirectory(join(top, "a/b"));
  expect(statSync(join(top, "a/b")).mode & 0o777).toBe(0o700);
  writeFileSync(join(top, "file"), "");
  for (const path of ["file", "file/below"])
    expect(() => makeDirectory(join(top, path))).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
  symlinkSync(join(top, "unmounted"), join(top, "link"));
  expect(() => makeDirectory(join(top, "link"))).toThrow(expect.objectContaining({ code: "ENOENT" }));
  rmSync(top, { recursive: true });
});

test("a host that there is not", () => {
  const error = new Error("getaddrinfo ENOTFOUND 999.1.1.1");
  expect(startError(error)).toBe("OSTLER_HOST=999.1.1.1: there is no such host");
});

test("a number that is written otherwise than in digits", () => {
  for (const text of ["1e3", "0x10", " 7", "", "7.0"])
    expect(settings.workers.read(text)).toBe("must be a whole number from 1 to 64");
  expect(settings.workers.read("7")).toBe(7);
});

test("there is no first admin whose key could not be kept, and the next start makes one", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "ostler-start-"));
  const store = await openTestStore(dataDir);
  const full = () => {
    throw new Error("no room");
  };
  await expect(createFirstAdmin(store, full)).rejects.toThrow("no room");
  let kept = "";
  expect(await createFirstAdmin(store, (key) => void (kept = key))).toBe(kept);
  expect((await store.users.findByKey(hashSecret(kept)))!.user.role).toBe("admin");
  await store.close();
  rmSync(dataDir, { recursive: true });
});
