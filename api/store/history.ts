/** What changes a machine's past: rewinding it, copying its console to a fork, deleting it. */
import type { Machine as StoredMachine, Snapshot as StoredSnapshot } from "../../prisma/gen/sqlite/client.ts";
import { appendConsoles, cutConsole, dropConsole, grownSpan, readConsole } from "./console.ts";
import type { CountedMachine } from "./counts.ts";
import type { Database, Queries } from "./database.ts";
import { CONSOLE_HISTORY_BYTES, JOURNAL_ROWS_PER_READ } from "./limits.ts";
import { nextTurn } from "./runs.ts";
import { collectable } from "./snapshots.ts";
import { MissingReferenceError, type SnapshotRow, StaleEpochError } from "./types.ts";

/**
 * A snapshot of the machine's present line: entries after it are dropped, those before it stay.
 * Any other: the journal so far does not lead to it, so it becomes the origin of an empty one.
 * Raises the epoch: commits of the old future that are still on their way are refused. Workers that it ended in that
 * future are forgiven, or nothing could be done with it any more.
 */
export async function rewindMachine(
  queries: Queries,
  id: string,
  epoch: number,
  target: SnapshotRow,
): Promise<StoredMachine> {
  const machine = await queries.machine.findUnique({ where: { id } });
  if (machine === null) throw new StaleEpochError(`machine ${id} has been deleted`);
  if (machine.epoch !== BigInt(epoch)) throw new StaleEpochError(`machine ${id} has been taken since epoch ${epoch}`);
  const snapshot = await queries.snapshot.findUnique({ where: { id: target.id } });
  if (snapshot === null) throw new MissingReferenceError(`snapshot ${target.id} has been deleted`);

  const isOnLine = snapshot.machineId === id && snapshot.onLine;
  const after = isOnLine ? snapshot.sequence : -1n;
  await dropEntries(queries, id, after);
  const stored = { start: Number(machine.consoleStart), length: Number(machine.consoleLength) };
  const length = Number(snapshot.consoleLength);
  const span = isOnLine ? await cutConsole(queries, id, stored, length) : await dropConsole(queries, id, length);
  await leaveLine(queries, id, isOnLine ? snapshot : null);
  return queries.machine.update({
    where: { id },
    data: {
      epoch: { increment: 1 },
      updatedAt: new Date(),
      originSnapshotId: isOnLine ? machine.originSnapshotId : snapshot.id,
      lastSequence: snapshot.sequence,
      reachedInstructions: snapshot.instructions,
      reachedTimeNs: snapshot.timeNs,
      run: "paused",
      reason: "restored",
      workersEnded: 0,
      consoleStart: span.start,
      consoleLength: span.length,
      traceSequence: snapshot.traceSequence,
    },
  });
}

/** Takes what lies after `kept` (null: everything) off the machine's line. */
async function leaveLine(
  queries: Queries,
  machineId: string,
  kept: Pick<StoredSnapshot, "id" | "instructions" | "timeNs" | "sequence" | "traceSequence"> | null,
) {
  // Each of these only grows, and an idle machine may get on in time alone.
  const isLater =
    kept === null
      ? {}
      : {
          id: { not: kept.id },
          OR: [
            { instructions: { gt: kept.instructions } },
            { timeNs: { gt: kept.timeNs } },
            { sequence: { gt: kept.sequence } },
            { traceSequence: { gt: kept.traceSequence } },
          ],
        };
  const where = { machineId, onLine: true, ...isLater };
  await queries.snapshot.updateMany({ where, data: { onLine: false } });
  await queries.snapshot.deleteMany({ where: { machineId, onLine: false, ...collectable } });
}

/** In runs, with a turn of the event loop between them: a long journal must not stop the server. */
async function dropEntries(queries: Queries, machineId: string, after: bigint): Promise<void> {
  const newest = await queries.journalEntry.findFirst({ where: { machineId }, orderBy: { sequence: "desc" } });
  const first = await queries.journalEntry.findFirst({
    where: { machineId, sequence: { gt: after } },
    orderBy: { sequence: "asc" },
  });
  if (newest === null || first === null) return;
  for (let from = first.sequence; from <= newest.sequence; from += BigInt(JOURNAL_ROWS_PER_READ)) {
    await queries.journalEntry.deleteMany({
      where: { machineId, sequence: { gte: from, lt: from + BigInt(JOURNAL_ROWS_PER_READ) } },
    });
    await nextTurn();
  }
}

/** Snapshots stay that a user asked for or that a fork stands on; the others go with the machine. Null: there is none. */
export const deleteMachine = (database: Database, id: string): Promise<CountedMachine | null> =>
  database.change(async (queries) => {
    const select = { id: true, courseId: true, ownerId: true };
    const machine = await queries.machine.findUnique({ where: { id }, select });
    if (machine === null) return null;
    await dropEntries(queries, id, -1n);
    // First the row, which may itself stand on one of its own automatic snapshots.
    await queries.machine.delete({ where: { id } });
    await queries.snapshot.updateMany({ where: { machineId: id }, data: { onLine: false } });
    await queries.snapshot.deleteMany({ where: { machineId: id, ...collectable } });
    return machine;
  });

export async function copyConsole(
  queries: Queries,
  fromId: string,
  toId: string,
  length: number,
  maxBytes: number,
): Promise<void> {
  const target = await queries.machine.findUnique({ where: { id: toId } });
  if (target === null) throw new MissingReferenceError(`machine ${toId} has been deleted`);
  if (target.consoleStart !== target.consoleLength || target.consoleLength > BigInt(length)) {
    throw new Error(`machine ${toId} has console output of its own already`);
  }
  const from = Math.max(0, length - Math.min(maxBytes, CONSOLE_HISTORY_BYTES));
  const history = await readConsole(queries, fromId, from, length - from);
  const bytes = history.bytes.subarray(0, Math.max(0, length - history.offset));
  // Bytes that do not reach up to `length` would leave a hole before the fork's own output.
  const isWhole = bytes.length > 0 && history.offset + bytes.length === length;
  const empty = isWhole ? { start: history.offset, length: history.offset } : { start: length, length };
  const span = grownSpan(empty, isWhole ? bytes.length : 0);
  if (isWhole) await appendConsoles(queries, [{ machineId: toId, span: empty, bytes }]);
  await queries.machine.update({
    where: { id: toId },
    data: { consoleStart: span.start, consoleLength: span.length },
  });
}
