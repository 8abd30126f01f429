/**
 * Content that is stored compressed (zstd), where that pays. SQLite only: PostgreSQL compresses rows by itself.
 *
 * Nobody who stores content waits for it: new rows are as they came, and a collection, which goes through all content
 * anyway, tries each of them once. A row whose data is shorter than its `size` is compressed; one without a size has not
 * been tried; in all others it did not pay. Both databases read all three, and so does whoever copies rows between them.
 *
 * Must hold: a hash names the content, never its compressed form, and what is compressed was verified before. So damage is
 * found as ever: what does not unpack, or to other bytes, is not what its hash names.
 */
import { hash as digest } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma } from "./database.ts";
import {
  BLOBS_PER_COMPRESSION,
  BYTES_PER_COMPRESSION,
  COMPRESSED_PER_TURN,
  LEAST_COMPRESSED_BYTES,
  WHOLE_BYTES,
} from "./limits.ts";
import { nextTurn, runsOf } from "./runs.ts";
import type { Bytes, Hash } from "./types.ts";

/** What is read often costs time each time it is unpacked: a few bytes are not worth that. */
const LARGEST_SHARE = 3 / 4;
/** Above this it is done in a thread of the pool. Below, handing it over costs more of this thread than doing it. */
const HERE_BYTES = 16 * 1024;
/** Room for what does not get smaller, so that one buffer is enough. */
const SPARE_BYTES = 256;

const compressLarge = promisify<Bytes, object, Uint8Array>(zstdCompress);

export interface StoredContent {
  data: Bytes;
  size: bigint | null;
}

/** The content, or null where what is stored is damaged. It is still to be hashed. */
export function unpacked({ data, size }: StoredContent): Bytes | null {
  if (size === null || data.length >= size || data.length === 0) return data;
  if (size > WHOLE_BYTES) return null;
  try {
    const length = Number(size);
    const content = zstdDecompressSync(data, { chunkSize: Math.max(length, 64), maxOutputLength: length });
    return content.length === length ? new Uint8Array(content.buffer, content.byteOffset, length) : null;
  } catch {
    return null;
  }
}

export interface Compressed {
  blobs: number;
  savedBytes: number;
}

/** Tries those that nobody has tried, in steps; what each made smaller. */
export async function* compressUntried(database: Database, hashes: readonly Hash[]): AsyncGenerator<Compressed> {
  if (hashes.length === 0 || !database.provider.compresses) return;
  const untried = await database.client.$queryRaw<{ hash: Bytes; bytes: bigint }[]>`
    SELECT "hash", length("data") AS "bytes" FROM "Blob"
    WHERE "hash" IN (${Prisma.join(hashes.map(hashBytes))}) AND "size" IS NULL
      AND length("data") BETWEEN ${LEAST_COMPRESSED_BYTES} AND ${WHOLE_BYTES}`;
  const sizeOf = ({ bytes }: { bytes: bigint }) => Number(bytes);
  for (const run of runsOf(untried, BLOBS_PER_COMPRESSION, BYTES_PER_COMPRESSION, sizeOf))
    yield await compressRun(
      database,
      run.map(({ hash }) => hash),
    );
}

/** In one transaction. Damaged ones are left as they are. */
async function compressRun(database: Database, run: readonly Bytes[]): Promise<Compressed> {
  const rows = await database.client.$queryRaw<{ hash: Bytes; data: Bytes }[]>`
    SELECT "hash", "data" FROM "Blob" WHERE "hash" IN (${Prisma.join([...run])}) AND "size" IS NULL`;
  const smaller: { hash: Bytes; data: Bytes; size: number }[] = [];
  const others: Bytes[] = [];
  for (const [index, { hash, data }] of rows.entries()) {
    if (index % COMPRESSED_PER_TURN === COMPRESSED_PER_TURN - 1) await nextTurn();
    if (digest("sha256", data, "hex") !== hashText(hash)) continue;
    const packed = await compress(data);
    if (packed.length > data.length * LARGEST_SHARE) others.push(hash);
    else smaller.push({ hash, data: packed, size: data.length });
  }
  if (smaller.length > 0 || others.length > 0) await keep(database, smaller, others);
  return { blobs: smaller.length, savedBytes: smaller.reduce((sum, { data, size }) => sum + size - data.length, 0) };
}

async function compress(data: Bytes): Promise<Bytes> {
  const options = {
    chunkSize: data.length + SPARE_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: 1 },
  };
  const packed = data.length > HERE_BYTES ? await compressLarge(data, options) : zstdCompressSync(data, options);
  return new Uint8Array(packed);
}

/** Rows that are gone by now, or were stored anew, stay as they are. */
function keep(
  database: Database,
  smaller: readonly { hash: Bytes; data: Bytes; size: number }[],
  others: readonly Bytes[],
): Promise<void> {
  return database.write(async (queries) => {
    if (smaller.length > 0) {
      const values = Prisma.join(
        smaller.map(({ hash, data, size }) => Prisma.sql`(${hash}, ${data}, ${BigInt(size)})`),
      );
      await queries.$executeRaw`
        WITH "next" ("hash", "data", "size") AS (VALUES ${values})
        UPDATE "Blob" SET "data" = "next"."data", "size" = "next"."size"
        FROM "next" WHERE "Blob"."hash" = "next"."hash" AND length("Blob"."data") = "next"."size"`;
    }
    if (others.length > 0)
      await queries.$executeRaw`
        UPDATE "Blob" SET "size" = length("data") WHERE "hash" IN (${Prisma.join([...others])}) AND "size" IS NULL`;
  });
}
