import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Bytes, CommitBatch, Hash, MachineRow, MachineStatus, SnapshotRow, Store } from "../../api/store/types.ts";
import { openTestStore } from "../support/store.ts";

export const sha256 = (data: Uint8Array): Hash => createHash("sha256").update(data).digest("hex");
export const bytes = (text: string): Bytes => new Uint8Array(Buffer.from(text));
export const text = (data: Uint8Array): string => Buffer.from(data).toString();

export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "ostler-store-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A store of its own for one test file. */
export async function freshStore(): Promise<Store> {
  const folder = temporaryFolder();
  const store = await openTestStore(folder.path);
  afterAll(async () => {
    await store.close();
    folder.remove();
  });
  return store;
}

let count = 0;
export const freshId = (prefix: string): string => `${prefix}-${String(++count).padStart(6, "0")}`;

export const idle: MachineStatus = { run: "idle", reason: "", consoleLength: 0, taskCount: 0, traceSequence: 0 };

export function newMachine(change: Partial<MachineRow> = {}) {
  return {
    id: freshId("m"),
    ownerId: "owner",
    displayName: "a machine",
    labels: {},
    spec: bytes("spec"),
    originSnapshotId: null,
    lastSequence: 0,
    reached: { instructions: 0, timeNs: 0 },
    status: idle,
    ...change,
  };
}

/** A machine that is held, ready for commits. */
export async function heldMachine(store: Store, change: Partial<MachineRow> = {}): Promise<MachineRow> {
  const row = await store.machines.create(newMachine(change));
  return (await store.machines.acquire(row.id))!;
}

/** Entries from `first` to `last` (none if last < first), each at ten instructions a number. */
export function batch(
  machine: MachineRow,
  first: number,
  last: number,
  change: Partial<CommitBatch> = {},
): CommitBatch {
  const entries = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => ({
    sequence: first + index,
    at: { instructions: (first + index) * 10, timeNs: (first + index) * 100 },
    payload: bytes(`entry ${first + index}`),
  }));
  return {
    machineId: machine.id,
    epoch: machine.epoch,
    entries,
    console: [],
    idempotency: [],
    reached: { instructions: last * 10, timeNs: last * 100 },
    status: { ...idle, run: "running" },
    ...change,
  };
}

export function newSnapshot(
  machine: { id: string; ownerId: string },
  sequence: number,
  change: Partial<SnapshotRow> = {},
) {
  return {
    id: freshId("s"),
    machineId: machine.id,
    ownerId: machine.ownerId,
    displayName: "a snapshot",
    labels: { week: "3" },
    root: sha256(bytes(`root ${sequence}`)),
    at: { instructions: sequence * 10, timeNs: sequence * 100 },
    sequence,
    traceSequence: sequence * 5,
    consoleLength: 0,
    kind: "user" as const,
    newBytes: 1,
    totalBytes: 2,
    ...change,
  };
}

export const outcome = (results: PromiseSettledResult<unknown>[]): string[] =>
  results.map((result) => (result.status === "fulfilled" ? "ok" : (result.reason as Error).name));
