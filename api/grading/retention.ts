/**
 * Machines that grading leaves behind. One that ran a test is kept so that people can look at it: it goes when nobody
 * has done anything with it for a long time. The prepared machine of an assignment's version goes when the version is
 * not the present one, nothing of it waits to be graded, and no kept machine stands on it.
 */
import type { Pacer } from "../hosting/collection/pace.ts";
import type { Hosting } from "../hosting/hosting.ts";
import type { MachineRow, Store } from "../store/types.ts";
import { PREPARED_PREFIX, snapshotIdOf } from "./prepared.ts";

/** Of derivedId in run.ts. */
export const KEPT_PREFIX = "m-g";
const ROWS_PER_PAGE = 100;
/** Nobody who began with a version that is the present one no more is still at it. */
const SUPERSEDED_MS = 3_600_000;

interface Parts {
  store: Store;
  hosting: Hosting;
}

async function* unusedMachines(store: Store, prefix: string, before: Date): AsyncGenerator<MachineRow> {
  for (let after = ""; ; ) {
    const rows = await store.machines.unused(prefix, before, after, ROWS_PER_PAGE);
    yield* rows;
    if (rows.length < ROWS_PER_PAGE) return;
    after = rows.at(-1)!.id;
  }
}

/** Deletes those that nothing happened to for so long. Returns how many. */
export async function dropKept({ store, hosting }: Parts, unusedMs: number, pacer: Pacer): Promise<number> {
  let deleted = 0;
  for await (const { id } of unusedMachines(store, KEPT_PREFIX, new Date(Date.now() - unusedMs))) {
    if (hosting.peek(id) === undefined && (await hosting.delete(id))) deleted += 1;
    await pacer.rest();
  }
  return deleted;
}

/** Returns how many were deleted. */
export async function dropPrepared({ store, hosting }: Parts, pacer: Pacer): Promise<number> {
  const waiting = new Set(
    (await store.submissions.unfinished()).map((row) => keyOf(row.assignmentId, row.assignmentVersion)),
  );
  let deleted = 0;
  for await (const machine of unusedMachines(store, PREPARED_PREFIX, new Date(Date.now() - SUPERSEDED_MS))) {
    const assignmentId = machine.labels["assignment"] ?? "";
    const version = Number(machine.labels["version"]);
    const isPresent = (await store.assignments.get(assignmentId))?.version === version;
    if (!isPresent && !waiting.has(keyOf(assignmentId, version))) {
      const outcome = await store.snapshots.delete(snapshotIdOf(assignmentId, version));
      if (outcome !== "inUse" && (await hosting.delete(machine.id))) deleted += 1;
    }
    await pacer.rest();
  }
  return deleted;
}

const keyOf = (assignmentId: string, version: number): string => `${version} ${assignmentId}`;
