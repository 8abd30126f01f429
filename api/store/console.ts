/**
 * Console output in blocks: a machine's bytes from consoleStart to consoleLength, in rows that end at multiples of
 * CONSOLE_BLOCK_BYTES. A row is found from its offset alone, so echoing a byte rewrites one row and
 * adds none, and history is dropped in whole rows.
 */

import { Prisma, type Queries } from "./database.ts";
import {
  BYTES_PER_STATEMENT,
  CONSOLE_BLOCK_BYTES,
  CONSOLE_HISTORY_BYTES,
  CONSOLE_TRIMMED_BYTES,
  ROWS_PER_STATEMENT,
} from "./limits.ts";
import { pacedRuns } from "./runs.ts";
import type { Bytes } from "./types.ts";

export interface ConsoleSpan {
  start: number;
  length: number;
}

/** Bytes to add to one machine's console, which begins at `span.length`. */
export interface ConsoleGrowth {
  machineId: string;
  span: ConsoleSpan;
  bytes: Bytes;
}

const blockStart = (offset: number): number => offset - (offset % CONSOLE_BLOCK_BYTES);

/** The part of `chunks` beyond `length`, joined; null if a chunk leaves a hole before it. */
export function bytesBeyond(length: number, chunks: readonly { offset: number; bytes: Bytes }[]): Bytes | null {
  const parts: Bytes[] = [];
  let end = length;
  for (const { offset, bytes } of chunks) {
    if (offset > end) return null;
    if (offset + bytes.length <= end) continue;
    parts.push(bytes.subarray(end - offset));
    end = offset + bytes.length;
  }
  return parts.length === 1 ? parts[0]! : new Uint8Array(Buffer.concat(parts));
}

/** The span after appending `count` bytes: as much of the end as history may keep. */
export function grownSpan({ start, length }: ConsoleSpan, count: number): ConsoleSpan {
  const grown = length + count;
  const isTooLong = grown - start > CONSOLE_HISTORY_BYTES;
  return { start: isTooLong ? Math.max(start, blockStart(grown - CONSOLE_TRIMMED_BYTES)) : start, length: grown };
}

/** Appends for several machines at once. The caller writes the grown spans to their rows. */
export async function appendConsoles(queries: Queries, growths: readonly ConsoleGrowth[]): Promise<void> {
  if (growths.length === 0) return;
  const tails = await readTails(queries, growths);
  const rows: { machineId: string; offset: number; bytes: Bytes }[] = [];
  for (const growth of growths) {
    const { machineId, span, bytes } = growth;
    const { start } = grownSpan(span, bytes.length);
    if (start > span.start) {
      await queries.consoleBlock.deleteMany({ where: { machineId, offset: { lt: BigInt(start) } } });
    }
    rows.push(...blocksOf(growth, tails.get(machineId)).filter((block) => block.offset >= start));
  }
  await putBlocks(queries, rows);
}

/** The last, unfilled block of each machine that has one. */
async function readTails(queries: Queries, growths: readonly ConsoleGrowth[]): Promise<Map<string, Bytes>> {
  const tails = new Map<string, Bytes>();
  const wanted = growths.filter(({ span }) => tailOffset(span) < span.length);
  for await (const run of pacedRuns(wanted, ROWS_PER_STATEMENT)) {
    const keys = Prisma.join(
      run.map(({ machineId, span }) => Prisma.sql`(${machineId}, CAST(${BigInt(tailOffset(span))} AS BIGINT))`),
    );
    const rows = await queries.$queryRaw<{ machineId: string; bytes: Bytes }[]>`
      SELECT "machineId", "bytes" FROM "ConsoleBlock" WHERE ("machineId", "offset") IN (VALUES ${keys})`;
    for (const { machineId, bytes } of rows) tails.set(machineId, bytes);
  }
  return tails;
}

const tailOffset = ({ start, length }: ConsoleSpan): number => Math.max(start, blockStart(length));

function blocksOf({ machineId, span, bytes }: ConsoleGrowth, tail: Bytes = new Uint8Array(0)) {
  const from = tailOffset(span);
  const all = tail.length === 0 ? bytes : new Uint8Array(Buffer.concat([tail, bytes]));
  const blocks: { machineId: string; offset: number; bytes: Bytes }[] = [];
  for (let offset = from; offset < from + all.length; ) {
    const end = Math.min(blockStart(offset) + CONSOLE_BLOCK_BYTES, from + all.length);
    blocks.push({ machineId, offset, bytes: all.subarray(offset - from, end - from) });
    offset = end;
  }
  return blocks;
}

/** The same as what is to be added to each block, of which there may be something already. */
export function piecesOf({ machineId, span, bytes }: ConsoleGrowth) {
  const pieces: { machineId: string; offset: number; bytes: Bytes }[] = [];
  const last = span.length + bytes.length;
  for (let at = span.length, offset = tailOffset(span); at < last; ) {
    const end = Math.min(blockStart(at) + CONSOLE_BLOCK_BYTES, last);
    pieces.push({ machineId, offset, bytes: bytes.subarray(at - span.length, end - span.length) });
    at = end;
    offset = end;
  }
  return pieces;
}

async function putBlocks(queries: Queries, rows: readonly { machineId: string; offset: number; bytes: Bytes }[]) {
  for await (const run of pacedRuns(rows, ROWS_PER_STATEMENT, BYTES_PER_STATEMENT, ({ bytes }) => bytes.length)) {
    const values = Prisma.join(
      run.map(({ machineId, offset, bytes }) => Prisma.sql`(${machineId}, ${BigInt(offset)}, ${bytes})`),
    );
    await queries.$executeRaw`
      INSERT INTO "ConsoleBlock" ("machineId", "offset", "bytes") VALUES ${values}
      ON CONFLICT ("machineId", "offset") DO UPDATE SET "bytes" = excluded."bytes"`;
  }
}

/** Stored bytes from `offset` on, at most `limit`; later ones if the first are gone. */
export async function readConsole(
  queries: Queries,
  machineId: string,
  offset: number,
  limit: number,
): Promise<{ offset: number; bytes: Bytes }> {
  const bounded = Math.max(0, Math.min(limit, CONSOLE_HISTORY_BYTES + CONSOLE_BLOCK_BYTES));
  const rows = await queries.consoleBlock.findMany({
    where: { machineId, offset: { gt: BigInt(offset - CONSOLE_BLOCK_BYTES) } },
    orderBy: { offset: "asc" },
    take: Math.ceil(bounded / CONSOLE_BLOCK_BYTES) + 2,
    select: { offset: true, bytes: true },
  });
  const useful = rows.filter((row) => Number(row.offset) + row.bytes.length > offset);
  if (useful.length === 0) return { offset, bytes: new Uint8Array(0) };
  const first = Number(useful[0]!.offset);
  const begin = Math.max(offset, first);
  const joined = Buffer.concat(useful.map(({ bytes }) => bytes));
  return { offset: begin, bytes: new Uint8Array(joined.subarray(begin - first, begin - first + bounded)) };
}

/** Drops what was written from `length` on. The caller writes the returned span to the machine's row. */
export async function cutConsole(
  queries: Queries,
  machineId: string,
  span: ConsoleSpan,
  length: number,
): Promise<ConsoleSpan> {
  if (length >= span.length) return span;
  if (length <= span.start) return dropConsole(queries, machineId, length);
  const { offset, bytes } = await readConsole(
    queries,
    machineId,
    tailOffset({ start: span.start, length }),
    CONSOLE_BLOCK_BYTES,
  );
  await queries.consoleBlock.deleteMany({ where: { machineId, offset: { gte: BigInt(offset) } } });
  const tail = bytes.subarray(0, length - offset);
  if (tail.length > 0) await putBlocks(queries, [{ machineId, offset, bytes: tail }]);
  return { start: span.start, length };
}

/** Forgets all output; what comes next is at `length`. */
export async function dropConsole(queries: Queries, machineId: string, length: number): Promise<ConsoleSpan> {
  await queries.consoleBlock.deleteMany({ where: { machineId } });
  return { start: length, length };
}
