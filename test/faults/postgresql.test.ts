/**
 * What happens to PostgreSQL under a server: it is backed up in mid-load, its disk fills up, and it stops, in an orderly way
 * and as in a crash, and comes back, while the server goes on.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { type Snapshot, SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import type { Client } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { hasCompiler, sources } from "../support/guest.ts";
import { eventually } from "../support/hosting.ts";
import {
  checkWriter,
  consoleOf,
  numbersIn,
  remoteWriter,
  startProgram,
  type Writer,
  writeThrough,
} from "../support/ledger.ts";
import { Cluster, postgresqlPrograms, withoutPostgresql } from "../support/postgresql.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isLong } from "./long.ts";

const cli = join(import.meta.dirname, "../../api/cli/main.ts");
const available = postgresqlPrograms !== null && hasCompiler;

async function startPaused(client: Client): Promise<{ machineId: string }> {
  const machineId = await startProgram(client, sources.count);
  await client.call(MachineService, "pauseMachine", { machineId });
  return { machineId };
}

/** A snapshot as a file, from one server to another. */
async function carried(from: Client, to: TestServer, { snapshotId }: Snapshot): Promise<Snapshot> {
  const parts = await gather(from.stream(SnapshotService, "exportSnapshot", { snapshotId }));
  const body = parts.map(({ data }) => `${JSON.stringify({ data: Buffer.from(data).toString("base64") })}\n`).join("");
  const headers = { authorization: `Bearer ${to.adminKey}`, "content-type": "application/x-ndjson" };
  const response = await fetch(`${to.http}/v1/snapshots:import`, { method: "POST", headers, body });
  return ((await response.json()) as { snapshot: Snapshot }).snapshot;
}

/** Of a machine that goes on from the snapshot for a while. */
async function rootAfterMore(client: Client, { snapshotId }: Snapshot): Promise<string> {
  const { machineId } = (await client.call(SnapshotService, "forkMachine", { snapshotId })).machine!;
  await client.call(MachineService, "stepMachine", { machineId, instructions: 300_000n });
  return (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!.rootHash;
}

/** All the room that there is on a disk. */
function fillUp(file: string): void {
  const descriptor = openSync(file, "w");
  try {
    for (const size of [1 << 20, 4096]) {
      const block = Buffer.alloc(size);
      try {
        while (writeSync(descriptor, block) === size);
      } catch (error) {
        expect(error).toMatchObject({ code: "ENOSPC" });
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

const incompressible = (length: number): Uint8Array<ArrayBuffer> => {
  const words = new Uint32Array(length / 4);
  for (let at = 0, word = 1; at < words.length; at++)
    words[at] = word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
  return new Uint8Array(words.buffer);
};

describe.skipIf(!available)(`PostgreSQL under a server (${withoutPostgresql})`, () => {
  let cluster: Cluster;
  let server: TestServer;
  let client: Client;
  beforeAll(async () => {
    cluster = Cluster.start();
    cluster.sql("postgres", "CREATE DATABASE ostler");
    server = await startServer({ databaseUrl: cluster.url("ostler"), log: "none" });
    client = server.client("grpc");
  });
  afterAll(async () => {
    await server.stop();
    cluster.remove();
  });

  const readiness = async () => (await fetch(`${server.http}/readyz`)).status;
  const grows = async (writer: Writer): Promise<void> => {
    const before = writer.acknowledged.length;
    await eventually(() => writer.acknowledged.length > before + 3);
  };

  it("is dumped while machines run: what is restored is whole, and has all that was acknowledged before", async () => {
    const writers = [await remoteWriter(client), await remoteWriter(client)];
    const stop = new AbortController();
    const loads = writers.map((writer) => writeThrough(writer, client, stop.signal));
    for (const writer of writers) await grows(writer);
    const before = writers.map(({ acknowledged }) => [...acknowledged]);
    cluster.copyByDump("ostler", "restored");
    for (const writer of writers) await grows(writer);
    stop.abort();
    await Promise.all(loads);

    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "fsck", cluster.url("restored")], {
      encoding: "utf8",
    });
    expect({ status, stdout, stderr }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("nothing is wrong"),
    });
    const second = await startServer({ databaseUrl: cluster.url("restored"), log: "none" });
    try {
      const other = second.client("grpc", server.adminKey);
      for (const [at, { machineId, sent }] of writers.entries()) {
        const kept = numbersIn(await consoleOf(other, machineId));
        expect(kept.slice(0, before[at]!.length)).toEqual(before[at]);
        expect(kept.length).toBeLessThan(sent);
        await other.call(SnapshotService, "createSnapshot", { machineId });
      }
    } finally {
      await second.stop();
    }
  });

  it("gives a snapshot to SQLite and gets it back: the machine goes on the same in both", async () => {
    const sqlite = await startServer({ databaseUrl: "", log: "none" });
    try {
      const { machineId } = await startPaused(client);
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
      const there = await carried(client, sqlite, snapshot!);
      const back = await carried(sqlite.client("grpc"), server, there);
      expect([there.rootHash, back.rootHash]).toEqual([snapshot!.rootHash, snapshot!.rootHash]);
      const roots = await Promise.all([
        rootAfterMore(client, snapshot!),
        rootAfterMore(sqlite.client("grpc"), there),
        rootAfterMore(client, back),
      ]);
      expect(new Set(roots).size).toBe(1);
      expect(roots[0]).not.toBe(snapshot!.rootHash);
    } finally {
      await sqlite.stop();
    }
  });

  it("says that its disk is full, keeps what it acknowledged, and goes on when there is room", async (context) => {
    const disk = cluster.createOnSmallDisk("small", 48);
    if (disk === false) return context.skip("a disk that fills up needs the right to mount one");
    const second = await startServer({ databaseUrl: cluster.url("small"), log: "none" });
    try {
      const other = second.client("grpc");
      const writer = await remoteWriter(other);
      const stop = new AbortController();
      const load = writeThrough(writer, other, stop.signal);
      await grows(writer);
      fillUp(join(disk, "filler"));
      const data = incompressible(4 << 20);
      const upload = () => other.call(ProgramService, "uploadProgram", { name: "large", data });
      for (const _ of ["once", "and again"])
        await expect(upload()).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "STORE_FULL" });
      rmSync(join(disk, "filler"));
      await grows(writer);
      await upload();
      stop.abort();
      expect([...(await load)].filter((each) => !each.startsWith("UNAVAILABLE "))).toEqual([]);
      checkWriter(writer, numbersIn(await consoleOf(other, writer.machineId)));
    } finally {
      await second.stop();
    }
  });

  for (const mode of isLong ? (["fast", "immediate"] as const) : (["immediate"] as const)) {
    it(`loses nothing that was acknowledged, refuses in between, and goes on by itself (${mode})`, async () => {
      const writers = [await remoteWriter(client), await remoteWriter(client)];
      const counter = await startProgram(client, sources.count);
      const stop = new AbortController();
      const loads = writers.map((writer) => writeThrough(writer, client, stop.signal));
      for (const writer of writers) await grows(writer);

      cluster.stop(mode);
      // Also what reads nothing before it writes, and comes while a machine's commit waits.
      const upload = client.call(ProgramService, "uploadProgram", { name: "p", data: new Uint8Array(9) });
      await expect(upload).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "STORE_AWAY" });
      await eventually(async () => (await readiness()) === 503);
      const away = { code: "UNAVAILABLE", reason: "STORE_AWAY" };
      await expect(client.call(MachineService, "createMachine", {})).rejects.toMatchObject(away);
      await expect(server.client("rest").call(MachineService, "listMachines", {})).rejects.toMatchObject(away);
      const response = await fetch(`${server.http}/v1/machines`, {
        headers: { authorization: `Bearer ${server.adminKey}` },
      });
      expect(response.status).toBe(503);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);

      cluster.start();
      for (const writer of writers) await grows(writer);
      stop.abort();
      const refusals = new Set((await Promise.all(loads)).flatMap((each) => [...each]));
      expect([...refusals].filter((each) => !each.startsWith("UNAVAILABLE "))).toEqual([]);
      await eventually(async () => (await readiness()) === 200);
      for (const writer of writers) checkWriter(writer, numbersIn(await consoleOf(client, writer.machineId)));
      const printed = (await consoleOf(client, counter)).length;
      await eventually(async () => (await consoleOf(client, counter)).length > printed);
      for (const machineId of [...writers.map((writer) => writer.machineId), counter])
        await client.call(SnapshotService, "createSnapshot", { machineId });
      await client.call(MachineService, "pauseMachine", { machineId: counter });
    });
  }
});
