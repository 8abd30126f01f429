/**
 * Content in pieces: larger content is stored as blobs of PIECE_BYTES, each under its own hash, and a row that lists them
 * under the hash of the whole. So nobody needs to have all of it in memory: not who stores it, and not who reads parts.
 * It is so whatever the content is to whoever names it: a user may upload what is the state of somebody's machine.
 *
 * Must hold: a piece is verified by its hash when it is read, and the list by its own; together they are the content
 * whose hash they stand under. The length of pieces never changes: the same content has the same pieces for ever, and so
 * who stores it anew holds those that the row which is there already leads to.
 */
import { createHash, hash as digest } from "node:crypto";
import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma, type Queries } from "./database.ts";
import { HASHES_PER_QUERY, PIECE_BYTES, WHOLE_BYTES } from "./limits.ts";
import { nextTurn, pacedRuns } from "./runs.ts";
import { type Blobs, type Bytes, CorruptBlobError, type Hash, type Hold, type Pieces } from "./types.ts";

const HASH_BYTES = 32;
const PIECES_PER_PUT = 8;
const ENTIRELY_IN_MEMORY = WHOLE_BYTES / PIECE_BYTES;

/** Who has a row there has content in pieces: in Blob its row is empty. */
export const EMPTY_HASH: Hash = digest("sha256", new Uint8Array(0), "hex");

interface Row {
  hash: Bytes;
  size: bigint;
  list: Bytes;
  listHash: Bytes;
}

/** Of those that are in pieces, where the list is what was stored. */
export async function readPieces(database: Database, hashes: readonly Hash[]): Promise<Map<Hash, Pieces>> {
  const found = new Map<Hash, Pieces>();
  for await (const run of pacedRuns(hashes, HASHES_PER_QUERY)) {
    const rows = await database.client.$queryRaw<Row[]>`
      SELECT "hash", "size", "list", "listHash" FROM "Pieces" WHERE "hash" IN (${Prisma.join(run.map(hashBytes))})`;
    for (const row of rows) {
      const pieces = piecesOf(row);
      if (pieces !== null) found.set(hashText(row.hash), pieces);
    }
  }
  return found;
}

function piecesOf({ size, list, listHash }: Row): Pieces | null {
  const count = list.length / HASH_BYTES;
  if (digest("sha256", list, "hex") !== hashText(listHash) || count !== Math.ceil(Number(size) / PIECE_BYTES))
    return null;
  const hashes = Array.from({ length: count }, (_, index) =>
    hashText(list.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)),
  );
  return { size: Number(size), pieceBytes: PIECE_BYTES, hashes };
}

/** Names content by its pieces, which are stored. Content that is there stays as it is stored, unless that is damaged. */
export async function writePieces(
  queries: Queries,
  hash: Hash,
  { size, hashes }: Pieces,
  mend: boolean,
): Promise<void> {
  const key = hashBytes(hash);
  const empty = new Uint8Array(0);
  const isNew = await queries.$executeRaw`
    INSERT INTO "Blob" ("hash", "data") VALUES (${key}, ${empty}) ON CONFLICT DO NOTHING`;
  if (isNew === 0 && !mend) return;
  if (mend) await queries.$executeRaw`UPDATE "Blob" SET "data" = ${empty}, "size" = NULL WHERE "hash" = ${key}`;
  const list = new Uint8Array(Buffer.concat(hashes.map(hashBytes)));
  const row = { size: BigInt(size), list, listHash: hashBytes(digest("sha256", list, "hex")) };
  await queries.pieces.upsert({ where: { hash: key }, create: { hash: key, ...row }, update: row });
}

/** The pieces of content that is in memory. */
export function cut(hash: Hash, data: Bytes): { hash: Hash; pieces: Pieces; parts: { hash: Hash; data: Bytes }[] } {
  const parts = Array.from({ length: Math.ceil(data.length / PIECE_BYTES) }, (_, index) => {
    const part = data.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES);
    return { hash: digest("sha256", part, "hex"), data: part };
  });
  const pieces = { size: data.length, pieceBytes: PIECE_BYTES, hashes: parts.map((part) => part.hash) };
  return { hash, pieces, parts };
}

/** Content as it comes: stored piece by piece, or whole if it turns out to be small. Nothing of it leads anywhere yet. */
export class PieceWriter {
  readonly #blobs: Pick<Blobs, "put" | "putPieces">;
  readonly #hold: Hold;
  readonly #whole = createHash("sha256");
  readonly #hashes: Hash[] = [];
  /** Pieces that are complete and not stored. */
  #waiting: { hash: Hash; data: Bytes }[] = [];
  #stored = 0;
  #piece: Bytes = new Uint8Array(PIECE_BYTES);
  #filled = 0;
  #size = 0;
  #newBytes = 0;

  constructor(blobs: Pick<Blobs, "put" | "putPieces">, hold: Hold) {
    this.#blobs = blobs;
    this.#hold = hold;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#whole.update(bytes);
    this.#size += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_BYTES - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === PIECE_BYTES) await this.#complete();
    }
  }

  /** Once all of it was written; `expected`: what it should be, or empty. Stores nothing under a name that is not expected. */
  async end(expected: Hash): Promise<{ hash: Hash; size: number; newBytes: number }> {
    const hash = this.#whole.digest("hex");
    const outcome = { hash, size: this.#size, newBytes: 0 };
    if (expected !== "" && expected !== hash) return outcome;
    if (this.#size <= WHOLE_BYTES) {
      const parts = [...this.#waiting.map(({ data }) => data), this.#piece.subarray(0, this.#filled)];
      return {
        ...outcome,
        ...(await this.#blobs.put([{ hash, data: new Uint8Array(Buffer.concat(parts)) }], this.#hold)),
      };
    }
    if (this.#filled > 0) this.#keep(this.#piece.slice(0, this.#filled));
    await this.#flush();
    const pieces = { size: this.#size, pieceBytes: PIECE_BYTES, hashes: this.#hashes };
    await this.#blobs.putPieces(hash, pieces, this.#hold);
    return { ...outcome, newBytes: this.#newBytes };
  }

  async #complete(): Promise<void> {
    this.#keep(this.#piece);
    this.#piece = new Uint8Array(PIECE_BYTES);
    this.#filled = 0;
    // Until it is known to be large, it may have to be stored in one.
    if (this.#stored === 0 && this.#waiting.length <= ENTIRELY_IN_MEMORY) return;
    if (this.#waiting.length >= PIECES_PER_PUT) await this.#flush();
  }

  #keep(data: Bytes): void {
    const hash = digest("sha256", data, "hex");
    this.#hashes.push(hash);
    this.#waiting.push({ hash, data });
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#stored += waiting.length;
    this.#newBytes += (await this.#blobs.put(waiting, this.#hold)).newBytes;
  }
}

/** All of some content that is in pieces, with turns of the event loop between them. */
export async function joinPieces(
  read: (hashes: readonly Hash[]) => Promise<Map<Hash, Bytes>>,
  hash: Hash,
  pieces: Pieces,
): Promise<Bytes> {
  const whole = new Uint8Array(pieces.size);
  for (const [index, piece] of pieces.hashes.entries()) {
    await nextTurn();
    const data = (await read([piece])).get(piece);
    if (data === undefined) throw new CorruptBlobError(hash);
    whole.set(data, index * pieces.pieceBytes);
  }
  return whole;
}
