/** kill -9 in the middle of collections that never pause, while snapshots, forks and programs come and go. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AdminService } from "../../proto/gen/ostler/v1/admin_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import type { Client } from "../support/client.ts";
import { closureOf } from "../support/closure.ts";
import { ServerProcess } from "../support/process.ts";
import { openTestStore } from "../support/store.ts";

const KILLS = Number(process.env["OSTLER_KILLS"] ?? 25) / 5;
const environment = { OSTLER_COLLECT_EVERY_MS: "5" };
let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), "ostler-collection-"));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** One round; its number decides what is in the pages, so that contents come back again and again. */
async function churn(client: Client, machineId: string, round: number): Promise<void> {
  const data = new Uint8Array(3 * 4096).fill(1 + (round % 5));
  const address = BigInt(0x8100_0000 + (round % 7) * 4096);
  await client.call(MemoryService, "writePhysicalMemory", { machineId, address, data });
  const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
  const { snapshotId } = snapshot!;
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "p", data: data.subarray(0, 99) });
  const fork = await client.call(SnapshotService, "forkMachine", { snapshotId });
  await client.call(MemoryService, "writePhysicalMemory", { machineId: fork.machine!.machineId, address, data });
  await client.call(MachineService, "hibernateMachine", { machineId: fork.machine!.machineId });
  if (round % 3 !== 0) await client.call(MachineService, "deleteMachine", { machineId: fork.machine!.machineId });
  if (round % 3 === 1) await client.call(SnapshotService, "deleteSnapshot", { snapshotId });
  if (round % 2 === 0) await client.call(ProgramService, "deleteProgram", { programHash: program!.programHash });
}

async function load(client: Client, machineId: string, state: { round: number }): Promise<unknown> {
  try {
    for (;;) await churn(client, machineId, ++state.round);
  } catch (error) {
    return error;
  }
}

test(`${KILLS} x kill -9 in the middle of collections: everything that a row leads to is there`, {
  timeout: 60_000 * Math.max(KILLS, 10),
}, async () => {
  const state = { round: 0 };
  let machineId = "";
  let examinedBlobs = 0n;
  for (let kill = 0; kill <= KILLS; kill++) {
    const server = await ServerProcess.start(dataDir, environment);
    const client = server.client();
    if (machineId === "") machineId = (await client.call(MachineService, "createMachine", {})).machine!.machineId;
    const loading = load(client, machineId, state);
    await sleep(700 + Math.random() * 700);
    if (kill === KILLS) examinedBlobs = (await client.call(AdminService, "collectContent", {})).examinedBlobs;
    await server.kill("SIGKILL");
    expect(await loading).toMatchObject({ code: "UNAVAILABLE" });
    client.close();
    const store = await openTestStore(dataDir);
    try {
      expect((await closureOf(store)).missing).toEqual([]);
    } finally {
      await store.close();
    }
  }
  expect(state.round).toBeGreaterThan(KILLS);
  expect(examinedBlobs).toBeGreaterThan(0n);
});
