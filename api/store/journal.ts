/**
 * The durable gate: journal entries, console output and the answers that go with them.
 *
 * A batch is judged against its machine's row as the batches before it in the group leave it, then all accepted
 * ones are written by a few statements of many rows. A refused batch has written nothing.
 */
import { appendConsoles, readConsole } from "./console.ts";
import { boundOf, position } from "./convert.ts";
import { type Database, LOST_IN_COMMIT, Prisma, type Queries } from "./database.ts";
import { GroupCommit } from "./group.ts";
import { saveAnswers } from "./idempotency.ts";
import { KnownStandings } from "./known.ts";
import { BYTES_PER_STATEMENT, JOURNAL_ROWS_PER_READ, ROWS_PER_STATEMENT } from "./limits.ts";
import { pacedRuns } from "./runs.ts";
import {
  addedTo,
  type Entry,
  type Judged,
  judge,
  readStandings,
  type Standing,
  sizeOfBatch,
  spanOf,
} from "./standings.ts";
import { type CommitBatch, type Journal, JournalGapError, StoreUnavailableError } from "./types.ts";

export interface DrainableJournal extends Journal {
  drain(): Promise<void>;
  /** Batches that wait for a transaction. */
  waiting(): number;
}

export function openJournal(database: Database): DrainableJournal {
  const known = new KnownStandings(database);
  const group = new GroupCommit<CommitBatch>({
    write: (batches) => writeBatches(database, known, batches),
    sizeOf: sizeOfBatch,
    took: (batch, ms) => batch.took?.(ms),
  });
  return {
    commit: (batch) => group.commit(batch),
    drain: () => group.drain(),
    waiting: () => group.waiting,
    read: async (machineId, after, upTo, limit) => readEntries(database.client, machineId, after, upTo, limit),
    readConsole: async (machineId, offset, limit) => readConsole(database.client, machineId, offset, limit),
  };
}

/** By the short way what gets through so, the rest in a transaction. */
async function writeBatches(
  database: Database,
  known: KnownStandings,
  batches: readonly CommitBatch[],
): Promise<(Error | null)[]> {
  const { written, lost } = await known.append(batches);
  const others = batches.filter(({ machineId }) => !written.has(machineId));
  if (others.length === 0) return [];
  // Machines wait for a database that is away: what they do meanwhile is bounded, and their clients have deadlines.
  const manners = { patient: true, shares: true };
  const { refusals, machines } = await database.write((queries) => writeGroup(queries, others), manners);
  known.keep(machines);
  const refusalOf = new Map(others.map((batch, index) => [batch, refusals[index] ?? null]));
  return batches.map((batch) => {
    const refusal = refusalOf.get(batch) ?? null;
    // What is in its place may be the batch itself.
    const isLost = lost && refusal instanceof JournalGapError;
    return isLost ? new StoreUnavailableError("away", LOST_IN_COMMIT, { cause: refusal }) : refusal;
  });
}

async function writeGroup(queries: Queries, batches: readonly CommitBatch[]): Promise<Judged> {
  const ids = [...new Set(batches.map(({ machineId }) => machineId))];
  const judged = judge(batches, await readStandings(queries, ids));
  await insertEntries(queries, judged.entries);
  await appendConsoles(queries, judged.machines.filter(({ added }) => added.length > 0).map(addedTo));
  await saveAnswers(queries, judged.answers);
  await updateMachines(queries, judged.machines);
  return judged;
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
        const span = spanOf(machine);
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
