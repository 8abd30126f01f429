/**
 * A group of batches in one statement: PostgreSQL is a round trip away, and a transaction would take six.
 *
 * A statement is a transaction by itself. Lists come as arrays, so that its text, and with it the plan that the session
 * keeps, is the same however many rows there are.
 */
import { piecesOf } from "../console.ts";
import { hashBytes } from "../convert.ts";
import { Prisma } from "../database.ts";
import type { Append, SqlFragment } from "../provider.ts";
import { addedTo, type Judged, type Standing, spanOf } from "../standings.ts";
import type { MachineStatus } from "../types.ts";

export const append: Append = async (queries, accepted) => {
  const rows = await queries.$queryRaw<{ id: string }[]>`
    WITH "given" AS (${given(accepted.machines)}),
    "held" AS (
      UPDATE "Machine" AS m SET "updatedAt" = ${new Date()}, "lastSequence" = g."lastSequence",
        "reachedInstructions" = g."instructions", "reachedTimeNs" = g."timeNs", "run" = g."run", "reason" = g."reason",
        "taskCount" = g."taskCount", "consoleLength" = g."consoleLength", "traceSequence" = g."traceSequence"
      FROM "given" AS g
      WHERE m."id" = g."id" AND m."epoch" = g."epoch" AND m."lastSequence" = g."storedSequence"
        AND m."consoleStart" = g."storedStart" AND m."consoleLength" = g."storedLength"
      RETURNING m."id"),
    "journalled" AS (
      INSERT INTO "JournalEntry" ("machineId", "sequence", "instructions", "timeNs", "payload")
      SELECT r.* FROM (${entryRows(accepted)}) AS r WHERE r."machineId" IN (SELECT "id" FROM "held")),
    "printed" AS (
      INSERT INTO "ConsoleBlock" AS b ("machineId", "offset", "bytes")
      SELECT r.* FROM (${consoleRows(accepted)}) AS r WHERE r."machineId" IN (SELECT "id" FROM "held")
      ON CONFLICT ("machineId", "offset") DO UPDATE SET "bytes" = b."bytes" || excluded."bytes"),
    "answered" AS (
      INSERT INTO "Idempotency" ("ownerId", "method", "key", "requestHash", "response", "createdAt")
      SELECT r."ownerId", r."method", r."key", r."requestHash", r."response", ${new Date()}
      FROM (${answerRows(accepted)}) AS r WHERE r."machineId" IN (SELECT "id" FROM "held")
      ON CONFLICT DO NOTHING)
    SELECT "id" FROM "held"`;
  return new Set(rows.map(({ id }) => id));
};

type Column<T> = readonly [name: string, type: "TEXT" | "BIGINT" | "INTEGER" | "BYTEA", cellOf: (row: T) => unknown];

/** A table with a row for each of `list`. */
function rowsOf<T>(list: readonly T[], columns: readonly Column<T>[]): SqlFragment {
  const arrays = columns.map(([, type, cellOf]) => Prisma.sql`CAST(${list.map(cellOf)} AS ${Prisma.raw(`${type}[]`)})`);
  const names = Prisma.raw(columns.map(([name]) => `"${name}"`).join(", "));
  return Prisma.sql`SELECT * FROM unnest(${Prisma.join(arrays)}) AS list (${names})`;
}

const big = <T>(name: string, cellOf: (row: T) => number): Column<T> => [name, "BIGINT", (row) => BigInt(cellOf(row))];

const given = (machines: readonly Standing[]): SqlFragment =>
  rowsOf<Standing>(machines, [
    ["id", "TEXT", ({ id }) => id],
    big("epoch", ({ epoch }) => epoch),
    big("storedSequence", ({ before }) => before.lastSequence),
    big("storedStart", ({ before }) => before.span.start),
    big("storedLength", ({ before }) => before.span.length),
    big("lastSequence", ({ lastSequence }) => lastSequence),
    big("instructions", ({ instructions }) => instructions),
    big("timeNs", ({ timeNs }) => timeNs),
    ["run", "TEXT", (machine) => statusOf(machine).run],
    ["reason", "TEXT", (machine) => statusOf(machine).reason],
    ["taskCount", "INTEGER", (machine) => statusOf(machine).taskCount],
    big("consoleLength", (machine) => spanOf(machine).length),
    big("traceSequence", (machine) => statusOf(machine).traceSequence),
  ]);

/** Those that nothing is added to are not among the accepted. */
const statusOf = ({ status }: Standing): MachineStatus => status!;

const entryRows = ({ entries }: Judged): SqlFragment =>
  rowsOf<Judged["entries"][number]>(entries, [
    ["machineId", "TEXT", ({ machineId }) => machineId],
    big("sequence", ({ sequence }) => sequence),
    big("instructions", ({ at }) => at.instructions),
    big("timeNs", ({ at }) => at.timeNs),
    ["payload", "BYTEA", ({ payload }) => payload],
  ]);

const consoleRows = ({ machines }: Judged): SqlFragment =>
  rowsOf<ReturnType<typeof piecesOf>[number]>(
    machines.filter(({ added }) => added.length > 0).flatMap((machine) => piecesOf(addedTo(machine))),
    [
      ["machineId", "TEXT", ({ machineId }) => machineId],
      big("offset", ({ offset }) => offset),
      ["bytes", "BYTEA", ({ bytes }) => bytes],
    ],
  );

const answerRows = ({ answers }: Judged): SqlFragment =>
  rowsOf<Judged["answers"][number]>(answers, [
    ["machineId", "TEXT", ({ machineId }) => machineId],
    ["ownerId", "TEXT", ({ ownerId }) => ownerId],
    ["method", "TEXT", ({ method }) => method],
    ["key", "TEXT", ({ key }) => key],
    ["requestHash", "BYTEA", ({ requestHash }) => hashBytes(requestHash)],
    ["response", "BYTEA", ({ response }) => response],
  ]);
