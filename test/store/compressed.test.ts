/** Content that is stored compressed is what it was to everybody who reads it. */
import { randomFillSync } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore, type Store } from "../../api/store/index.ts";
import { readMigrations } from "../../api/store/migrate.ts";
import { migrateFile } from "../../api/store/sqlite/migrate.ts";
import { sha256, temporaryFolder } from "./fixtures.ts";

const folder = temporaryFolder();
const dataDir = join(folder.path, "data");
let store: Store;
beforeAll(async () => {
  store = await openStore({ dataDir });
});
afterAll(async () => {
  await store.close();
  folder.remove();
});

type Blob = { hash: string; data: Uint8Array<ArrayBuffer> };
const blobOf = (data: Uint8Array<ArrayBuffer>): Blob => ({ hash: sha256(data), data });
/** Words, as programs and their data have them; `seed` makes it another. */
const words = (length: number, seed: number): Blob =>
  blobOf(new Uint8Array(length).map((_, at) => (at % 97 < 60 ? (at * seed) & 7 : seed)));
const noise = (length: number): Blob => blobOf(randomFillSync(new Uint8Array(length)));

async function rows(file = join(dataDir, "ostler.db")): Promise<Map<string, { length: number; size: number | null }>> {
  const raw = await new PrismaLibSql({ url: `file:${file}` }).connect();
  const found = await raw.queryRaw({
    sql: 'SELECT lower(hex("hash")), length("data"), "size" FROM "Blob"',
    args: [],
    argTypes: [],
  });
  await raw.dispose();
  return new Map(
    found.rows.map(([hash, length, size]) => [
      String(hash),
      { length: Number(length), size: size === null ? null : Number(size) },
    ]),
  );
}

async function script(sql: string): Promise<void> {
  const raw = await new PrismaLibSql({ url: `file:${join(dataDir, "ostler.db")}` }).connect();
  await raw.executeScript(sql);
  await raw.dispose();
}

async function put(blobs: readonly Blob[]): Promise<void> {
  await store.blobs.put(blobs, store.holds.open());
}

async function compress(hashes: readonly string[]): Promise<{ blobs: number; savedBytes: number }> {
  const total = { blobs: 0, savedBytes: 0 };
  for await (const { blobs, savedBytes } of store.contents.compress(hashes)) {
    total.blobs += blobs;
    total.savedBytes += savedBytes;
  }
  return total;
}

async function expectReadable(blobs: readonly Blob[], from: Store = store): Promise<void> {
  const found = await from.blobs.get(blobs.map(({ hash }) => hash));
  for (const { hash, data } of blobs) expect(Buffer.compare(found.get(hash)!, data)).toBe(0);
  expect(await from.blobs.damaged(blobs.map(({ hash }) => hash))).toEqual([]);
}

test("what gets smaller by a quarter is compressed, once; the rest is as it came", async () => {
  const good = [words(4096, 3), words(100_000, 5), words(4096, 7)];
  const bad = [noise(4096), noise(70_000)];
  const small = words(100, 9);
  const all = [...good, ...bad, small];
  await put(all);
  const hashes = all.map(({ hash }) => hash);
  const saved = await compress(hashes);
  expect(saved.blobs).toBe(good.length);
  const stored = await rows();
  for (const { hash, data } of good) {
    expect(stored.get(hash)!.size).toBe(data.length);
    expect(stored.get(hash)!.length).toBeLessThanOrEqual(data.length * 0.75);
  }
  for (const { hash, data } of bad) expect(stored.get(hash)).toEqual({ length: data.length, size: data.length });
  expect(stored.get(small.hash)).toEqual({ length: 100, size: null });
  const length = good.reduce((sum, { hash }) => sum + stored.get(hash)!.length, 0);
  expect(saved.savedBytes).toBe(good.reduce((sum, { data }) => sum + data.length, 0) - length);
  expect(await compress(hashes)).toEqual({ blobs: 0, savedBytes: 0 });
  await expectReadable(all);
  expect(await store.blobs.put(all, store.holds.open())).toEqual({ newBytes: 0 });
});

test("whatever is stored, and however often, reads the same", async () => {
  const content = fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 60 }))
    .map(([part, times]) => blobOf(new Uint8Array(Buffer.concat(Array.from({ length: times }, () => part)))));
  await fc.assert(
    fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 8 }), async (blobs) => {
      await put(blobs);
      await compress(blobs.map(({ hash }) => hash));
      await put(blobs);
      await expectReadable(blobs);
    }),
    { numRuns: 12 },
  );
});

describe("damage", () => {
  const spoilt = async (change: (hash: string) => string): Promise<Blob> => {
    const blob = words(4096, 101 + spoiltSoFar++);
    await put([blob]);
    expect((await compress([blob.hash])).blobs).toBe(1);
    await script(`UPDATE "Blob" SET ${change(blob.hash)} WHERE "hash" = X'${blob.hash}'`);
    return blob;
  };
  let spoiltSoFar = 0;

  test.each([
    ["bytes that are no frame", () => `"data" = X'0011223344'`],
    ["a frame that was cut off", () => `"data" = substr("data", 1, length("data") - 3)`],
    ["a size that is another", () => `"size" = "size" - 1`],
    ["a size that is larger", () => `"size" = "size" + 1`],
    ["a size beyond all content", () => `"size" = 9000000000000`],
    ["a negative size", () => `"size" = -1`],
    ["no size", () => `"size" = NULL`],
    ["no data", () => `"data" = X''`],
    ["the data of another", () => `"data" = (SELECT "data" FROM "Blob" WHERE length("data") < "size" LIMIT 1)`],
  ])("%s: named, not compressed again, and mended by who has the content", async (_, change) => {
    const blob = await spoilt(change);
    expect(await store.blobs.damaged([blob.hash])).toEqual([blob.hash]);
    await expect(store.blobs.get([blob.hash])).rejects.toMatchObject({ name: "CorruptBlobError", hash: blob.hash });
    expect((await compress([blob.hash])).blobs).toBe(0);
    await put([blob]);
    await expectReadable([blob]);
    await compress([blob.hash]);
    await expectReadable([blob]);
  });

  test("of raw content is not hidden by compressing it", async () => {
    const blob = words(4096, 77);
    await put([blob]);
    await script(`UPDATE "Blob" SET "data" = zeroblob(4096) WHERE "hash" = X'${blob.hash}'`);
    expect((await compress([blob.hash])).blobs).toBe(0);
    expect((await rows()).get(blob.hash)).toEqual({ length: 4096, size: null });
    expect(await store.blobs.damaged([blob.hash])).toEqual([blob.hash]);
  });
});

test("a data directory of a release that compressed nothing goes on", async () => {
  const old = join(folder.path, "old");
  const file = join(old, "ostler.db");
  mkdirSync(old);
  await migrateFile(
    file,
    readMigrations("sqlite").filter(({ name }) => name < "0010"),
  );
  const blob = words(4096, 31);
  const raw = await new PrismaLibSql({ url: `file:${file}` }).connect();
  await raw.executeScript(
    `INSERT INTO "Blob" ("hash", "data") VALUES (X'${blob.hash}', X'${Buffer.from(blob.data).toString("hex")}')`,
  );
  await raw.dispose();
  const reopened = await openStore({ dataDir: old });
  await expectReadable([blob], reopened);
  for await (const { blobs } of reopened.contents.compress([blob.hash])) expect(blobs).toBe(1);
  await expectReadable([blob], reopened);
  await reopened.close();
});
