/** Going through everything: the rows that name content, and the content itself. In pages, so that no step is long. */
import { compressUntried } from "./compressed.ts";
import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma, type Queries } from "./database.ts";
import { BLOBS_PER_DELETE, JOURNAL_BYTES_PER_SCAN, JOURNAL_ROWS_PER_SCAN, NAMINGS_PER_PAGE } from "./limits.ts";
import { pacedRuns } from "./runs.ts";
import { unsoundRows } from "./soundness.ts";
import type { Bytes, Contents, Hash, HistoryFigures, Naming } from "./types.ts";

export const contentsIn = (database: Database): Contents => ({
  async namings(kind, cursor, mark) {
    if (kind === "entry") return entriesWith(database, cursor, mark);
    const items = await readers[kind](database.client, cursor);
    return { items, cursor: items.length < NAMINGS_PER_PAGE ? null : items.at(-1)!.id };
  },

  histories: async (after, limit) => readHistories(database.client, after, limit),

  integrity: () => database.provider.integrity(),

  unsound: (rest) => unsoundRows(database, rest),

  async hashes(after, limit) {
    // What is no hash at all is among them, too.
    const from = after === null ? Prisma.sql`1 = 1` : Prisma.sql`"hash" > ${Buffer.from(after, "hex")}`;
    const rows = await database.client.$queryRaw<{ hash: Bytes }[]>`
      SELECT "hash" FROM "Blob" WHERE ${from} ORDER BY "hash" LIMIT ${limit}`;
    return rows.map(({ hash }) => hashText(hash));
  },

  async inPieces() {
    const rows = await database.client.pieces.findMany({ select: { hash: true } });
    return new Set(rows.map(({ hash }) => hashText(hash)));
  },

  compress: (hashes) => compressUntried(database, hashes),

  async delete(hashes, isGarbage) {
    const deleted = { blobs: 0, bytes: 0 };
    for await (const run of pacedRuns(hashes, BLOBS_PER_DELETE)) {
      const rows = await database.write(async (queries) => deleteBlobs(queries, run.filter(isGarbage)));
      deleted.blobs += rows.length;
      deleted.bytes += rows.reduce((sum, { size }) => sum + Number(size), 0);
    }
    return deleted;
  },
});

/** Who holds content from now on finds it gone, and stores it again: stores wait for this transaction. */
async function deleteBlobs(queries: Queries, garbage: readonly Hash[]): Promise<{ size: bigint }[]> {
  if (garbage.length === 0) return [];
  return queries.$queryRaw<{ size: bigint }[]>`
    DELETE FROM "Blob" WHERE "hash" IN (${Prisma.join(garbage.map(hashBytes))}) RETURNING length("data") AS "size"`;
}

type Reader = (queries: Queries, cursor: string | null) => Promise<Naming[]>;

const after = (cursor: string | null) => ({
  where: cursor === null ? {} : { id: { gt: cursor } },
  orderBy: { id: "asc" } as const,
  take: NAMINGS_PER_PAGE,
});

const readers: Record<Exclude<Naming["kind"], "entry">, Reader> = {
  async machine(queries, cursor) {
    const rows = await queries.machine.findMany({ ...after(cursor), select: { id: true, spec: true, labels: true } });
    return rows.map(({ id, spec, labels }) => ({ kind: "machine", id, spec, labels }));
  },
  async snapshot(queries, cursor) {
    const rows = await queries.snapshot.findMany({ ...after(cursor), select: { id: true, root: true, spec: true } });
    return rows.map(({ id, root, spec }) => ({ kind: "snapshot", id, root: hashText(root), spec }));
  },
  /** One content may be many owners' program: its hash is the key. */
  async program(queries, cursor) {
    const from = cursor === null ? Prisma.sql`1 = 1` : Prisma.sql`"hash" > ${hashBytes(cursor)}`;
    const rows = await queries.$queryRaw<{ hash: Bytes }[]>`
      SELECT DISTINCT "hash" FROM "Program" WHERE ${from} ORDER BY "hash" LIMIT ${NAMINGS_PER_PAGE}`;
    return rows.map(({ hash }) => ({ kind: "program", id: hashText(hash), content: hashText(hash) }));
  },
  async submission(queries, cursor) {
    const rows = await queries.submission.findMany({ ...after(cursor), select: { id: true, contentHash: true } });
    return rows.map(({ id, contentHash }) => ({ kind: "submission", id, content: hashText(contentHash) }));
  },
  async assignment(queries, cursor) {
    const rows = await queries.assignment.findMany({ ...after(cursor), select: { id: true, spec: true } });
    return rows.map(({ id, spec }) => ({ kind: "assignment", id, spec }));
  },
};

interface EntryKey {
  machineId: string;
  sequence: bigint;
}

/** The cursor is the key of the last row that was looked at: "<sequence> <machine>". */
async function entriesWith({ client, provider }: Database, cursor: string | null, mark: Bytes) {
  const gap = cursor?.indexOf(" ") ?? 0;
  const [sequence, machineId] = cursor === null ? [-1n, ""] : [BigInt(cursor.slice(0, gap)), cursor.slice(gap + 1)];
  const isAfter = Prisma.sql`("machineId", "sequence") > (${machineId}, ${sequence})`;
  const last = await lastOfScan(client, isAfter);
  const isWithin =
    last === undefined
      ? Prisma.sql`1 = 1`
      : Prisma.sql`("machineId", "sequence") <= (${last.machineId}, ${last.sequence})`;
  const rows = await client.$queryRaw<(EntryKey & { payload: Bytes })[]>`
    SELECT "machineId", "sequence", "payload" FROM "JournalEntry"
    WHERE ${isAfter} AND ${isWithin} AND ${provider.positionIn("payload", mark)} > 0
    ORDER BY "machineId", "sequence"`;
  const items = rows.map((row): Naming => {
    return { kind: "entry", id: row.machineId, sequence: Number(row.sequence), payload: row.payload };
  });
  return { items, cursor: last === undefined ? null : `${last.sequence} ${last.machineId}` };
}

/**
 * The last row of a step that is not the last step. Asked for first: whatever others delete meanwhile, the next step begins
 * where this one ended. Most entries are small, but one may be all that a program is given to read.
 */
async function lastOfScan(queries: Queries, isAfter: Prisma.Sql): Promise<EntryKey | undefined> {
  let count = JOURNAL_ROWS_PER_SCAN;
  while (count > 1 && (await bytesOf(queries, isAfter, count)) > JOURNAL_BYTES_PER_SCAN) count >>= 1;
  const [last] = await queries.$queryRaw<EntryKey[]>`
    SELECT "machineId", "sequence" FROM "JournalEntry" WHERE ${isAfter}
    ORDER BY "machineId", "sequence" LIMIT 1 OFFSET ${count - 1}`;
  return last;
}

/** Lengths are known without reading what is so long. */
async function bytesOf(queries: Queries, isAfter: Prisma.Sql, count: number): Promise<number> {
  const [sum] = await queries.$queryRaw<{ bytes: bigint | null }[]>`
    SELECT SUM("bytes") AS "bytes" FROM (
      SELECT length("payload") AS "bytes" FROM "JournalEntry" WHERE ${isAfter}
      ORDER BY "machineId", "sequence" LIMIT ${count}
    ) AS "page"`;
  return Number(sum?.bytes ?? 0);
}

type Counts = { [Name in keyof HistoryFigures]: Name extends "machineId" ? string : bigint | null };

async function readHistories(queries: Queries, after: string, limit: number): Promise<HistoryFigures[]> {
  const rows = await queries.$queryRaw<Counts[]>`
    SELECT m."id" AS "machineId", m."lastSequence", m."consoleStart", m."consoleLength",
      CASE WHEN m."originSnapshotId" IS NULL THEN 0 ELSE s."sequence" END AS "originSequence",
      (SELECT COUNT(*) FROM "JournalEntry" e WHERE e."machineId" = m."id") AS "entries",
      (SELECT MIN("sequence") FROM "JournalEntry" e WHERE e."machineId" = m."id") AS "firstSequence",
      (SELECT MAX("sequence") FROM "JournalEntry" e WHERE e."machineId" = m."id") AS "newestSequence",
      (SELECT COUNT(*) FROM "JournalEntry" e JOIN "JournalEntry" n
        ON n."machineId" = e."machineId" AND n."sequence" = e."sequence" + 1
        WHERE e."machineId" = m."id" AND (n."instructions" < e."instructions" OR n."timeNs" < e."timeNs"))
        AS "misplaced",
      (SELECT MIN("offset") FROM "ConsoleBlock" b WHERE b."machineId" = m."id") AS "consoleFirst",
      (SELECT SUM(length("bytes")) FROM "ConsoleBlock" b WHERE b."machineId" = m."id") AS "consoleBytes"
    FROM "Machine" m LEFT JOIN "Snapshot" s ON s."id" = m."originSnapshotId"
    WHERE m."id" > ${after} ORDER BY m."id" LIMIT ${limit}`;
  const count = (value: bigint | null): number => Number(value ?? 0);
  return rows.map((row) => ({
    machineId: row.machineId,
    originSequence: row.originSequence === null ? null : Number(row.originSequence),
    lastSequence: count(row.lastSequence),
    entries: count(row.entries),
    firstSequence: count(row.firstSequence),
    newestSequence: count(row.newestSequence),
    misplaced: count(row.misplaced),
    consoleStart: count(row.consoleStart),
    consoleLength: count(row.consoleLength),
    consoleFirst: count(row.consoleFirst),
    consoleBytes: count(row.consoleBytes),
  }));
}
