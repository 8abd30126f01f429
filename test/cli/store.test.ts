/** What operators type: snapshots as files, backup and restore, collection and check, as processes against a server. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { startServer, type TestServer } from "../support/server.ts";
import { onPostgresql } from "../support/store.ts";

const cli = join(import.meta.dirname, "../../api/cli/main.ts");
let server: TestServer;
let work: string;
let machineId: string;
beforeAll(async () => {
  server = await startServer();
  work = mkdtempSync(join(tmpdir(), "ostler-store-cli-"));
  const client = server.client("grpc");
  machineId = (await client.call(MachineService, "createMachine", { displayName: "kept" })).machine!.machineId;
  await client.call(MemoryService, "writePhysicalMemory", {
    machineId,
    address: 0x8180_0000n,
    data: Buffer.from("here"),
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

const { OSTLER_KEY: _, ...environment } = process.env;

function ostler(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: work,
      env: { ...environment, OSTLER_SERVER: server.grpc, OSTLER_DATA: server.dataDir },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.on("close", (status) => resolve({ status, out: out.trim(), err: err.trim() }));
  });
}

test("a snapshot goes into a file and comes out of it", async () => {
  const { out: snapshotId } = await ostler("snapshot", "create", machineId, "--quiet", "--name", "to a file");
  expect(await ostler("snapshot", "export", snapshotId, "s.ostler")).toMatchObject({ status: 0 });
  expect(readdirSync(work)).toEqual(["s.ostler"]);
  const { out: imported } = await ostler("snapshot", "import", "s.ostler", "--quiet");
  const { out: list } = await ostler("snapshot", "list");
  expect(list.split("\n").find((line) => line.startsWith(imported))).toMatch(/\(imported\)\s+to a file/);
  const { out: fork } = await ostler("snapshot", "fork", imported, "--quiet");
  expect((await ostler("memory", "read", fork, "0x81800000", "4")).out).toContain("68 65 72 65");
  writeFileSync(join(work, "bad.ostler"), readFileSync(join(work, "s.ostler")).subarray(0, -10));
  expect(await ostler("snapshot", "import", "bad.ostler")).toMatchObject({
    status: 1,
    err: expect.stringContaining("cut short"),
  });
  expect(await ostler("snapshot", "import", "none.ostler")).toMatchObject({
    status: 1,
    err: expect.stringContaining("none.ostler: there is no such file"),
  });
  expect(await ostler("snapshot", "export", "s-none", "none")).toMatchObject({ status: 1 });
  expect(existsSync(join(work, "none"))).toBe(false);
});

const inOneFile = "a backup is taken while the server works, and a server on what is restored of it knows everything";
test.skipIf(onPostgresql)(inOneFile, async () => {
  expect(await ostler("backup", "all.db")).toMatchObject({ status: 0 });
  const client = server.client("grpc");
  const { machine } = await client.call(MachineService, "createMachine", { displayName: "after the backup" });
  const restored = join(work, "restored");
  expect(await ostler("restore", "all.db", restored)).toMatchObject({ status: 0 });
  expect(await ostler("fsck", restored)).toMatchObject({ status: 0, out: expect.stringContaining("nothing is wrong") });
  const second = await startServer({ dataDir: restored });
  try {
    const other = second.client("grpc", server.adminKey);
    const { data } = await other.call(MemoryService, "readPhysicalMemory", {
      machineId,
      address: 0x8180_0000n,
      length: 4,
    });
    expect(Buffer.from(data).toString()).toBe("here");
    const missing = other.call(MachineService, "getMachine", { machineId: machine!.machineId });
    await expect(missing).rejects.toMatchObject({ code: "NOT_FOUND" });
  } finally {
    await second.stop();
  }
  expect(await ostler("restore", "all.db", restored)).toMatchObject({
    status: 1,
    err: expect.stringContaining("has a database already"),
  });
  writeFileSync(join(work, "text.db"), "no database");
  expect(await ostler("restore", "text.db", join(work, "other"))).toMatchObject({
    status: 1,
    err: expect.stringContaining("text.db is no"),
  });
  writeFileSync(join(work, "empty.db"), "");
  expect(await ostler("restore", "empty.db", join(work, "other"))).toMatchObject({
    status: 1,
    err: expect.stringContaining("empty.db is not"),
  });
  expect(readdirSync(join(work, "other"))).toEqual([]);
  for (const [file, place, why] of [
    ["all.db", join(work, "text.db"), /text\.db cannot be used: .* is not a directory \(ENOTDIR/],
    ["none.db", join(work, "other"), /there is no file none\.db/],
    ["other", join(work, "third"), /other is not a file/],
  ] as const)
    expect(await ostler("restore", file, place)).toMatchObject({ status: 1, err: expect.stringMatching(why) });
  expect(readdirSync(server.dataDir).filter((name) => name.includes("backup"))).toEqual([]);
});

test.skipIf(!onPostgresql)(
  "a backup of what is in PostgreSQL is refused, with the name of what makes one",
  async () => {
    expect(await ostler("backup", "all.db")).toMatchObject({ status: 1, err: expect.stringContaining("pg_dump") });
    expect(existsSync(join(work, "all.db"))).toBe(false);
  },
);

test("collecting and checking say what they did, and end with a status", async () => {
  const collected = await ostler("store", "collect");
  expect(collected).toMatchObject({ status: 0, out: expect.stringMatching(/looked at\s+\d+/) });
  const checked = await ostler("fsck", "--share", "50%");
  expect(checked).toMatchObject({ status: 0, out: expect.stringMatching(/machines, .*nothing is wrong$/) });
  const json = await ostler("fsck", "--json");
  expect(JSON.parse(json.out)).toMatchObject({ findings: 0 });
});
