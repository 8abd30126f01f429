/** A server that cannot start says why and ends, so that whoever supervises it can do something about it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settings } from "../../api/config.ts";
import { startError, storeError } from "../../api/start-error.ts";

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

test("settings that only the start itself finds wrong", async () => {
  const failures = await Promise.all([
    failedStart({ OSTLER_TLS_CERT: "/nowhere/chain.pem" }),
    failedStart({ OSTLER_DATA: "/dev/null" }),
    failedStart({ DATABASE_URL: `postgresql://ostler:secret@127.0.0.1:1/ostler` }),
  ]);
  expect(failures).toEqual([
    [1, "ostler: OSTLER_TLS_CERT and OSTLER_TLS_KEY go together: set both\n"],
    [1, expect.stringMatching(/^ostler: OSTLER_DATA=\/dev\/null: this directory cannot be used: .*\n$/)],
    [1, `ostler: DATABASE_URL: this database cannot be used: connect ECONNREFUSED 127.0.0.1:1\n`],
  ]);
});

test("a database that is none", () => {
  const error = new Error("SQLITE_NOTADB: file is not a database");
  expect(startError(storeError(error, { dataDir: "data", databaseUrl: "" }))).toBe(
    "OSTLER_DATA=data: this directory cannot be used: SQLITE_NOTADB: file is not a database",
  );
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
