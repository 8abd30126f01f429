/**
 * The machine that ran a test, kept: a fork of the prepared snapshot with the run's journal and console, that
 * stands where the run ended. Opening it replays the run; nothing of its memory needs to be stored.
 */
import type { ExecutionResult } from "../hosting/protocol.ts";
import { AlreadyExistsError, type Bytes, type MachineRow, type MachineStatus, type Store } from "../store/types.ts";
import type { Prepared } from "./prepared.ts";

export interface Keeping {
  id: string;
  ownerId: string;
  displayName: string;
  labels: Record<string, string>;
  prepared: Prepared;
  result: ExecutionResult;
}

/** A machine with this id that has a history is left as it is: its owner may have gone on with it. */
export async function keepMachine(store: Store, keeping: Keeping): Promise<void> {
  const { prepared, result } = keeping;
  const existing = (await store.machines.get(keeping.id)) ?? (await createRow(store, keeping));
  if (existing.lastSequence > prepared.snapshot.sequence) return;
  const held = await store.machines.acquire(keeping.id);
  if (held === null) return;
  await store.journal.commit({
    machineId: held.id,
    epoch: held.epoch,
    entries: result.entries.map((entry, index) => ({ ...entry, sequence: prepared.snapshot.sequence + 1 + index })),
    console: result.consoleTruncated
      ? []
      : [{ offset: prepared.snapshot.consoleLength, bytes: result.console as Bytes }],
    idempotency: [],
    reached: result.summary.position,
    status: statusOf(result),
  });
}

async function createRow(store: Store, keeping: Keeping): Promise<MachineRow> {
  const { id, ownerId, displayName, labels, prepared, result } = keeping;
  const { snapshot } = prepared;
  // Console output that is not all there is not stored at all: stored output must have no holes.
  const consoleLength = result.consoleTruncated ? result.summary.consoleLength : snapshot.consoleLength;
  const row = {
    id,
    courseId: snapshot.courseId,
    ownerId,
    displayName: displayName.slice(0, 128),
    labels,
    spec: prepared.machineSpec,
    originSnapshotId: snapshot.id,
    lastSequence: snapshot.sequence,
    reached: snapshot.at,
    status: {
      run: "paused" as const,
      reason: `forked from ${snapshot.id}`,
      consoleLength,
      taskCount: 0,
      traceSequence: snapshot.traceSequence,
    },
  };
  try {
    return await store.machines.create(row);
  } catch (error) {
    const other = error instanceof AlreadyExistsError ? await store.machines.get(id) : null;
    if (other === null) throw error;
    return other;
  }
}

const statusOf = ({ summary }: ExecutionResult): MachineStatus => ({
  run: summary.run,
  reason: summary.reason,
  consoleLength: summary.consoleLength,
  taskCount: summary.taskCount,
  traceSequence: summary.traceSequence,
});
