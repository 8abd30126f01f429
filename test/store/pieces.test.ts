/** Content in pieces: stored as it comes, in parts of any size, and verified whenever any of it is read. */
import { hash as digest } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PieceWriter } from "../../api/store/pieces.ts";
import type { Pieces, Store } from "../../api/store/types.ts";
import { behindItsBack, onPostgresql, openTestStore } from "../support/store.ts";
import { temporaryFolder } from "./fixtures.ts";

const folder = temporaryFolder();
let store: Store;
beforeAll(async () => {
  store = await openTestStore(folder.path);
});
afterAll(() => store.close());

const pieceBytes = 256 * 1024;
const wholeBytes = 4 * 1024 * 1024;
const sha256 = (data: Uint8Array): string => digest("sha256", data, "hex");
/** No two pieces are the same. */
const content = (length: number, seed: number) =>
  new Uint8Array(
    Uint32Array.from({ length: Math.ceil(length / 4) }, (_, index) => index * 2654435761 + seed).buffer,
    0,
    length,
  );

async function write(data: Uint8Array, step: number, expected = "") {
  const writer = new PieceWriter(store.blobs, store.holds.open());
  for (let at = 0; at < data.length; at += step) await writer.write(data.subarray(at, at + step));
  return writer.end(expected);
}
/** Bytes that are made base64 meanwhile: as strings, they are many times their size. */
async function encodedDuring(work: () => Promise<unknown>): Promise<number> {
  const encode = Buffer.prototype.toString;
  let bytes = 0;
  const counting = vi.spyOn(Buffer.prototype, "toString").mockImplementation(function (this: Buffer, ...how) {
    if (how[0] === "base64") bytes += this.length;
    return encode.apply(this, how);
  });
  await work();
  counting.mockRestore();
  return bytes;
}
const storedAs = async (hash: string): Promise<Uint8Array | Pieces | undefined> =>
  (await store.blobs.look([hash])).get(hash);

test.each([
  [1, 1],
  [pieceBytes, 100_000],
  [wholeBytes, 1 << 20],
])("%d bytes are stored in one", async (length, step) => {
  const data = content(length, length);
  expect(await write(data, step)).toEqual({ hash: sha256(data), size: length, newBytes: length });
  expect(sha256((await storedAs(sha256(data))) as Uint8Array)).toBe(sha256(data));
});

test.skipIf(onPostgresql)("an upload reaches the database as bytes", async () => {
  const data = content(wholeBytes + 6 * pieceBytes, 17);
  expect(await encodedDuring(() => write(data, pieceBytes))).toBeLessThan(100_000);
  expect((await store.blobs.get([sha256(data)])).get(sha256(data))).toEqual(data);
});

test.each([
  [wholeBytes + 1001, 1 << 20],
  [wholeBytes + 3 * pieceBytes, 700_001],
])("%d bytes are stored in pieces, once, and read as what they were", async (length, step) => {
  const data = content(length, length);
  const hash = sha256(data);
  expect(await write(data, step)).toEqual({ hash, size: length, newBytes: length });
  expect(await write(data, 1 << 22)).toEqual({ hash, size: length, newBytes: 0 });
  const stored = (await storedAs(hash)) as Pieces;
  expect(stored).toMatchObject({ size: length, pieceBytes });
  const pieces = Array.from({ length: Math.ceil(length / pieceBytes) }, (_, index) =>
    data.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  );
  expect(stored.hashes).toEqual(pieces.map(sha256));
  expect(sha256((await store.blobs.get([hash])).get(hash)!)).toBe(hash);
  expect(await store.contents.inPieces()).toContain(hash);
  expect(await store.blobs.damaged([hash, ...stored.hashes])).toEqual([]);
});

test("content that is not what was expected has no name", async () => {
  const data = content(wholeBytes + 10, 1);
  expect(await write(data, 1 << 20, sha256(content(5, 5)))).toMatchObject({ hash: sha256(data), newBytes: 0 });
  expect(await storedAs(sha256(data))).toBeUndefined();
});

test("a list of pieces that is damaged is told, and made whole by who has the content", async () => {
  const data = content(wholeBytes + 7, 2);
  const hash = sha256(data);
  await write(data, 1 << 20);
  await behindItsBack(folder.path, [`UPDATE "Pieces" SET "size" = "size" + 1000000`]);
  expect(await store.blobs.damaged([hash])).toEqual([hash]);
  await expect(store.blobs.look([hash])).rejects.toMatchObject({ name: "CorruptBlobError", hash });
  await write(data, 1 << 20);
  expect(sha256((await store.blobs.get([hash])).get(hash)!)).toBe(hash);
});

test("the server goes on between the pieces of content that is read", async () => {
  const data = content(wholeBytes + 1, 3);
  const { hash } = await write(data, 1 << 20);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  await store.blobs.get([hash]);
  clearImmediate(counting);
  expect(turns).toBeGreaterThan(10);
});
