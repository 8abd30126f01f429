/** Content by its SHA-256. Reading proves it: what comes back is what its hash names, or CorruptBlobError. */
import { hash as digest } from "node:crypto";
import { unpacked } from "./compressed.ts";
import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma, type Queries } from "./database.ts";
import { isDamage } from "./failures.ts";
import {
  BLOBS_PER_READ,
  BYTES_PER_STATEMENT,
  BYTES_PER_TRANSACTION,
  HASHES_PER_QUERY,
  ROWS_PER_STATEMENT,
  WHOLE_BYTES,
} from "./limits.ts";
import { cut, EMPTY_HASH, joinPieces, readPieces, writePieces } from "./pieces.ts";
import { pacedRuns } from "./runs.ts";
import { type Blobs, type Bytes, CorruptBlobError, type Hash, type Pieces } from "./types.ts";

interface Blob {
  hash: Hash;
  data: Bytes;
}

const sizeOf = ({ data }: Blob): number => data.length;

export function blobsIn(database: Database): Blobs {
  /** Found damaged; stored anew by the next who has the content. */
  const damaged = new Set<Hash>();
  const look = (hashes: readonly Hash[]) => lookAt(database, damaged, hashes);
  const read = async (hashes: readonly Hash[]) => (await look(hashes)) as Map<Hash, Bytes>;

  const putPieces: Blobs["putPieces"] = async (hash, pieces, hold) => {
    hold.add([{ kind: "leaf", hash }]);
    const mend = damaged.has(hash);
    await database.write((queries) => writePieces(queries, hash, pieces, mend));
    damaged.delete(hash);
  };

  return {
    async put(blobs, hold) {
      const large = blobs.filter(({ data }) => data.length > WHOLE_BYTES).map(({ hash, data }) => cut(hash, data));
      const rows = [...blobs.filter(({ data }) => data.length <= WHOLE_BYTES), ...large.flatMap(({ parts }) => parts)];
      // First of all: a collection that is under way must know before it looks at what is here already.
      hold.add([...rows, ...large].map(({ hash }) => ({ kind: "leaf", hash })));
      const distinct = [...new Map(rows.map((blob) => [blob.hash, blob])).values()];
      let newBytes = 0;
      for await (const run of pacedRuns(distinct, Infinity, BYTES_PER_TRANSACTION, sizeOf)) {
        const mended = run.filter(({ hash }) => damaged.has(hash));
        newBytes += await database.write(async (queries) => {
          for (const blob of mended) await replace(queries, blob);
          return insertAbsent(database, queries, run);
        });
        for (const { hash } of mended) damaged.delete(hash);
      }
      for (const { hash, pieces } of large) await putPieces(hash, pieces, hold);
      return { newBytes };
    },

    putPieces,

    async get(hashes) {
      const found = new Map<Hash, Bytes>();
      for (const [hash, data] of await look(hashes))
        found.set(hash, data instanceof Uint8Array ? data : await joinPieces(read, hash, data));
      return found;
    },

    look,

    async has(hashes) {
      return stored(database.client, [...new Set(hashes)]);
    },

    async damaged(hashes) {
      const found = await damagedAmong(database, hashes);
      for (const hash of found) damaged.add(hash);
      return found;
    },
  };
}

/** What is found damaged is noted. */
async function lookAt(
  database: Database,
  damaged: Set<Hash>,
  hashes: readonly Hash[],
): Promise<Map<Hash, Bytes | Pieces>> {
  const refuse = (hash: Hash): never => {
    damaged.add(hash);
    throw new CorruptBlobError(hash);
  };
  const found = new Map<Hash, Bytes | Pieces>();
  const inPieces: Hash[] = [];
  for await (const { hash, data } of readBlobs(database, hashes)) {
    if (data === null) refuse(hash);
    else if (isInPieces(hash, data)) inPieces.push(hash);
    else found.set(hash, isWhole(hash, data) ? data : refuse(hash));
  }
  if (inPieces.length === 0) return found;
  const lists = await readPieces(database, inPieces);
  for (const hash of inPieces) found.set(hash, lists.get(hash) ?? refuse(hash));
  return found;
}

async function damagedAmong(database: Database, hashes: readonly Hash[]): Promise<Hash[]> {
  const found: Hash[] = [];
  const inPieces: Hash[] = [];
  for await (const { hash, data } of readBlobs(database, hashes)) {
    if (data === null) found.push(hash);
    else if (isInPieces(hash, data)) inPieces.push(hash);
    else if (!isWhole(hash, data)) found.push(hash);
  }
  const lists = await readPieces(database, inPieces);
  return [...found, ...inPieces.filter((hash) => !lists.has(hash))];
}

const isInPieces = (hash: Hash, data: Bytes): boolean => data.length === 0 && hash !== EMPTY_HASH;
const isWhole = (hash: Hash, data: Bytes): boolean => digest("sha256", data, "hex") === hash;

/** Null: the database itself finds that it is damaged, and gives nothing of it; or it is compressed, and does not unpack. */
type Found = { hash: Hash; data: Bytes | null };

async function* readBlobs(database: Database, hashes: readonly Hash[]): AsyncGenerator<Found> {
  for await (const run of pacedRuns([...new Set(hashes)], BLOBS_PER_READ)) yield* await readRun(database, run);
}

/** One that is damaged would fail the whole statement: it is searched for by halves, and costs the others nothing. */
async function readRun(database: Database, run: readonly Hash[]): Promise<Found[]> {
  try {
    const rows = await database.client.$queryRaw<{ hash: Bytes; data: Bytes; size: bigint | null }[]>`
      SELECT "hash", "data", "size" FROM "Blob" WHERE "hash" IN (${Prisma.join(run.map(hashBytes))})`;
    return rows.map(({ hash, ...stored }) => ({ hash: hashText(hash), data: unpacked(stored) }));
  } catch (error) {
    if (!isDamage(error)) throw error;
    if (run.length === 1) return [{ hash: run[0]!, data: null }];
    const half = run.length >> 1;
    return [...(await readRun(database, run.slice(0, half))), ...(await readRun(database, run.slice(half)))];
  }
}

async function replace(queries: Queries, { hash, data }: Blob): Promise<void> {
  await queries.$executeRaw`UPDATE "Blob" SET "data" = ${data}, "size" = NULL WHERE "hash" = ${hashBytes(hash)}`;
}

async function insertAbsent({ provider }: Database, queries: Queries, blobs: readonly Blob[]): Promise<number> {
  const known = await stored(
    queries,
    blobs.map(({ hash }) => hash),
  );
  const absent = blobs.filter(({ hash }) => !known.has(hash));
  for await (const run of pacedRuns(absent, ROWS_PER_STATEMENT, BYTES_PER_STATEMENT, sizeOf)) {
    const values = Prisma.join(run.map(({ hash, data }) => Prisma.sql`(${hashBytes(hash)}, ${data})`));
    const insert = Prisma.sql`INSERT INTO "Blob" ("hash", "data") VALUES ${values} ON CONFLICT DO NOTHING`;
    if (provider.execute === null) await queries.$executeRaw(insert);
    else await provider.execute(insert.sql, insert.values as Bytes[]);
  }
  return absent.reduce((total, blob) => total + sizeOf(blob), 0);
}

async function stored(queries: Queries, hashes: readonly Hash[]): Promise<Set<Hash>> {
  const found = new Set<Hash>();
  for await (const run of pacedRuns(hashes, HASHES_PER_QUERY)) {
    const rows = await queries.$queryRaw<{ hash: Bytes }[]>`
      SELECT "hash" FROM "Blob" WHERE "hash" IN (${Prisma.join(run.map(hashBytes))})`;
    for (const { hash } of rows) found.add(hashText(hash));
  }
  return found;
}
