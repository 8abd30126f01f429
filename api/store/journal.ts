/**
 * The durable gate: journal entries, console output and the answers that go with them.
 *
 * A batch is judged against its machine's row as the batches before it in the group leave it, then all accepted
 * ones are written by a few statements of many rows. A refused batch has written nothing.
 */
import { appendConsoles, bytesBeyond, type ConsoleSpan, grownSpan, readConsole } from "./console.ts";
import { boundOf, position } from "./convert.ts";
import { type Database, Prisma, type Queries } from "./database.ts";
import { GroupCommit } from "./group.ts";
import { saveAnswers } from "./idempotency.ts";
import { BYTES_PER_STATEMENT, JOURNAL_ROWS_PER_READ, ROWS_PER_STATEMENT } from "./limits.ts";
import { pacedRuns } from "./runs.ts";
import {
  type Bytes,
  type CommitBatch,
  type IdempotencyRow,
  type Journal,
  JournalGapError,
  type MachineStatus,
  StaleEpochError,
} from "./types.ts";

/** A machine's row as a group sees it, and what the group adds to it. */
interface Standing {
  id: string;
  epoch: number;
  lastSequence: number;
  instructions: number;
  timeNs: number;
  stored: ConsoleSpan;
  added: Bytes[];
  consoleLength: number;
  status: MachineStatus | null;
}

type Entry = CommitBatch["entries"][number] & { machineId: string };

export interface DrainableJournal extends Journal {
  drain(): Promise<void>;
  /** Batches that wait for a transaction. */
  waiting(): number;
}

export function openJournal(database: Database): DrainableJournal {
  const group = new GroupCommit<CommitBatch>({
    // Machines wait for a database that is away: what they do meanwhile is bounded, and their clients have deadlines.
    write: (batches) => database.write((queries) => writeGroup(queries, batches), { patient: true, shares: true }),
    sizeOf: sizeOfBatch,
  });
  return {
    commit: (batch) => group.commit(batch),
    drain: () => group.drain(),
    waiting: () => group.waiting,
    read: async (machineId, after, upTo, limit) => readEntries(database.client, machineId, after, upTo, limit),
    readConsole: async (machineId, offset, limit) => readConsole(database.client, machineId, offset, limit),
  };
}

function sizeOfBatch({ entries, console, idempotency }: CommitBatch): number {
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  return (
    sum(entries.map(({ payload }) => payload.length)) +
    sum(console.map(({ bytes }) => bytes.length)) +
    sum(idempotency.map(({ response }) => response.length))
  );
}

async function writeGroup(queries: Queries, batches: readonly CommitBatch[]): Promise<(Error | null)[]> {
  const machines = await readStandings(queries, [...new Set(batches.map(({ machineId }) => machineId))]);
  const entries: Entry[] = [];
  const answers: IdempotencyRow[] = [];
  const refusals = batches.map((batch) => {
    const refusal = accept(batch, machines.get(batch.machineId));
    if (refusal !== null) return refusal;
    for (const entry of batch.entries) entries.push({ ...entry, machineId: batch.machineId });
    answers.push(...batch.idempotency);
    return null;
  });
  const changed = [...machines.values()].filter(({ status }) => status !== null);
  await insertEntries(queries, entries);
  await appendConsoles(
    queries,
    changed
      .filter(({ added }) => added.length > 0)
      .map(({ id, stored, added }) => ({ machineId: id, span: stored, bytes: joined(added) })),
  );
  await saveAnswers(queries, answers);
  await updateMachines(queries, changed);
  return refusals;
}

const joined = (parts: readonly Bytes[]): Bytes =>
  parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));

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

async function readStandings(queries: Queries, ids: readonly string[]): Promise<Map<string, Standing>> {
  const rows = await queries.$queryRaw<StandingRow[]>`
    SELECT "id", "epoch", "lastSequence", "reachedInstructions" AS "instructions", "reachedTimeNs" AS "timeNs",
      "consoleStart", "consoleLength"
    FROM "Machine" WHERE "id" IN (${Prisma.join(ids)})`;
  const standings = rows.map(
    (row): Standing => ({
      id: row.id,
      epoch: Number(row.epoch),
      lastSequence: Number(row.lastSequence),
      ...position(row),
      stored: { start: Number(row.consoleStart), length: Number(row.consoleLength) },
      added: [],
      consoleLength: Number(row.consoleLength),
      status: null,
    }),
  );
  return new Map(standings.map((standing) => [standing.id, standing]));
}

async function insertEntries(queries: Queries, entries: readonly Entry[]): Promise<void> {
  for await (const run of pacedRuns(
    entries,
    ROWS_PER_STATEMENT,
    BYTES_PER_STATEMENT,
    ({ payload }) => payload.length,
  )) {
    const values = Prisma.join(
      run.map(
        ({ machineId, sequence, at, payload }) =>
          Prisma.sql`(${machineId}, ${BigInt(sequence)}, ${BigInt(at.instructions)}, ${BigInt(at.timeNs)}, ${payload})`,
      ),
    );
    await queries.$executeRaw`
      INSERT INTO "JournalEntry" ("machineId", "sequence", "instructions", "timeNs", "payload") VALUES ${values}`;
  }
}

/** PostgreSQL takes what stands in VALUES alone, without a column to go to, for text. */
const big = (value: number) => Prisma.sql`CAST(${BigInt(value)} AS BIGINT)`;

async function updateMachines(queries: Queries, machines: readonly Standing[]): Promise<void> {
  const now = new Date();
  for await (const run of pacedRuns(machines, ROWS_PER_STATEMENT)) {
    const values = Prisma.join(
      run.map((machine) => {
        const status = machine.status!;
        const span = grownSpan(machine.stored, machine.consoleLength - machine.stored.length);
        return Prisma.sql`(${machine.id}, ${big(machine.lastSequence)}, ${big(machine.instructions)},
          ${big(machine.timeNs)}, ${status.run}, ${status.reason}, CAST(${status.taskCount} AS INTEGER),
          ${big(span.start)}, ${big(span.length)}, ${big(status.traceSequence)})`;
      }),
    );
    await queries.$executeRaw`
      WITH "next" ("id", "lastSequence", "instructions", "timeNs", "run", "reason", "taskCount", "consoleStart",
        "consoleLength", "traceSequence")
        AS (VALUES ${values})
      UPDATE "Machine" SET "updatedAt" = ${now}, "lastSequence" = "next"."lastSequence",
        "reachedInstructions" = "next"."instructions", "reachedTimeNs" = "next"."timeNs",
        "run" = "next"."run", "reason" = "next"."reason", "taskCount" = "next"."taskCount",
        "consoleStart" = "next"."consoleStart", "consoleLength" = "next"."consoleLength",
        "traceSequence" = "next"."traceSequence"
      FROM "next" WHERE "Machine"."id" = "next"."id"`;
  }
}

async function readEntries(queries: Queries, machineId: string, after: number, upTo: number, limit: number) {
  const rows: Awaited<ReturnType<typeof readRun>> = [];
  const last = boundOf(upTo);
  for (let from = BigInt(after); rows.length < limit; from = rows.at(-1)!.sequence) {
    const take = Math.min(JOURNAL_ROWS_PER_READ, limit - rows.length);
    const run = await readRun(queries, machineId, from, last, take);
    rows.push(...run);
    if (run.length < take) break;
  }
  return rows.map((row) => ({
    machineId,
    sequence: Number(row.sequence),
    at: position(row),
    payload: row.payload,
  }));
}

const readRun = (queries: Queries, machineId: string, after: bigint, upTo: bigint, take: number) =>
  queries.journalEntry.findMany({
    where: { machineId, sequence: { gt: after, lte: upTo } },
    orderBy: { sequence: "asc" },
    take,
  });
