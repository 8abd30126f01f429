/**
 * How machines stand: what their rows say that a batch of the journal has to go on from, and what batches add to it.
 *
 * Judging has no effect on the database. A refused batch leaves its machine's standing as it was.
 */
import { bytesBeyond, type ConsoleGrowth, type ConsoleSpan, grownSpan } from "./console.ts";
import { position } from "./convert.ts";
import { Prisma, type Queries } from "./database.ts";
import {
  type Bytes,
  type CommitBatch,
  type IdempotencyRow,
  JournalGapError,
  type MachineStatus,
  StaleEpochError,
} from "./types.ts";

/** A machine's row as a group sees it, and what the group adds to it. */
export interface Standing {
  id: string;
  epoch: number;
  /** As it is stored. */
  before: { lastSequence: number; span: ConsoleSpan };
  lastSequence: number;
  instructions: number;
  timeNs: number;
  added: Bytes[];
  consoleLength: number;
  /** Null: nothing was added. */
  status: MachineStatus | null;
}

export type Entry = CommitBatch["entries"][number] & { machineId: string };

/** What a group of batches comes to. */
export interface Judged {
  /** For each batch null, or why it is left out. */
  refusals: (Error | null)[];
  /** Those that something is added to. */
  machines: Standing[];
  entries: Entry[];
  answers: (IdempotencyRow & { machineId: string })[];
}

/** Each batch against its machine as the batches before it leave it. */
export function judge(batches: readonly CommitBatch[], standings: ReadonlyMap<string, Standing>): Judged {
  const entries: Judged["entries"] = [];
  const answers: Judged["answers"] = [];
  const refusals = batches.map((batch) => {
    const { machineId } = batch;
    const refusal = accept(batch, standings.get(machineId));
    if (refusal !== null) return refusal;
    for (const entry of batch.entries) entries.push({ ...entry, machineId });
    for (const answer of batch.idempotency) answers.push({ ...answer, machineId });
    return null;
  });
  return { refusals, machines: [...standings.values()].filter(({ status }) => status !== null), entries, answers };
}

/** The span of what is kept of its console with what was added. */
export const spanOf = ({ before: { span }, consoleLength }: Standing): ConsoleSpan =>
  grownSpan(span, consoleLength - span.length);

/** What was added to its console. */
export const addedTo = ({ id, before: { span }, added }: Standing): ConsoleGrowth => ({
  machineId: id,
  span,
  bytes: added.length === 1 ? added[0]! : new Uint8Array(Buffer.concat(added)),
});

export function sizeOfBatch({ entries, console, idempotency }: CommitBatch): number {
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  return (
    sum(entries.map(({ payload }) => payload.length)) +
    sum(console.map(({ bytes }) => bytes.length)) +
    sum(idempotency.map(({ response }) => response.length))
  );
}

/** How it stands when what was added to it is stored. */
export const settled = (standing: Standing): Standing => ({
  ...standing,
  before: { lastSequence: standing.lastSequence, span: spanOf(standing) },
  added: [],
  status: null,
});

/** Adds the batch to its machine's standing, or returns why not and leaves the standing as it was. */
function accept(batch: CommitBatch, machine: Standing | undefined): Error | null {
  const { machineId, epoch, entries, reached, status } = batch;
  if (machine === undefined) return new StaleEpochError(`machine ${machineId} has been deleted`);
  if (machine.epoch !== epoch) {
    return new StaleEpochError(
      `machine ${machineId} has been taken since: epoch ${epoch} is over, it is ${machine.epoch} now`,
    );
  }
  const misplaced = entries.findIndex(({ sequence }, index) => sequence !== machine.lastSequence + 1 + index);
  if (misplaced >= 0) {
    const expected = machine.lastSequence + 1 + misplaced;
    return new JournalGapError(
      `machine ${machineId}: journal entry ${entries[misplaced]!.sequence} where ${expected} comes next`,
    );
  }
  const bytes = bytesBeyond(machine.consoleLength, batch.console);
  if (bytes === null) {
    return new JournalGapError(
      `machine ${machineId}: console output is stored up to ${machine.consoleLength} and does not go on there`,
    );
  }
  machine.lastSequence += entries.length;
  machine.instructions = Math.max(machine.instructions, reached.instructions);
  machine.timeNs = Math.max(machine.timeNs, reached.timeNs);
  machine.consoleLength += bytes.length;
  if (bytes.length > 0) machine.added.push(bytes);
  machine.status = status;
  return null;
}

interface StandingRow {
  id: string;
  epoch: bigint;
  lastSequence: bigint;
  instructions: bigint;
  timeNs: bigint;
  consoleStart: bigint;
  consoleLength: bigint;
}

export async function readStandings(queries: Queries, ids: readonly string[]): Promise<Map<string, Standing>> {
  const rows = await queries.$queryRaw<StandingRow[]>`
    SELECT "id", "epoch", "lastSequence", "reachedInstructions" AS "instructions", "reachedTimeNs" AS "timeNs",
      "consoleStart", "consoleLength"
    FROM "Machine" WHERE "id" IN (${Prisma.join(ids)})`;
  const standings = rows.map(
    (row): Standing => ({
      id: row.id,
      epoch: Number(row.epoch),
      before: {
        lastSequence: Number(row.lastSequence),
        span: { start: Number(row.consoleStart), length: Number(row.consoleLength) },
      },
      lastSequence: Number(row.lastSequence),
      ...position(row),
      added: [],
      consoleLength: Number(row.consoleLength),
      status: null,
    }),
  );
  return new Map(standings.map((standing) => [standing.id, standing]));
}
