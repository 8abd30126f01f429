import { join } from "node:path";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { expect, it } from "vitest";
import { blobsIn } from "../../api/store/blobs.ts";
import { openStore } from "../../api/store/index.ts";
import { freshStore, sha256, temporaryFolder } from "./fixtures.ts";

const store = await freshStore();
const hold = store.holds.open();
const blob = (seed: number, size: number) => {
  const data = new Uint8Array(size).map((_, index) => (index * seed) >> 3);
  new DataView(data.buffer).setUint32(0, seed);
  return { hash: sha256(data), data };
};

it("stores content once and counts only what is new", async () => {
  const blobs = Array.from({ length: 1500 }, (_, index) => blob(index, 4096));
  expect(await store.blobs.put([...blobs.slice(0, 700), ...blobs.slice(0, 700)], hold)).toEqual({
    newBytes: 700 * 4096,
  });
  expect(await store.blobs.put(blobs, hold)).toEqual({ newBytes: 800 * 4096 });
  expect(await store.blobs.put(blobs, hold)).toEqual({ newBytes: 0 });
  const hashes = [...blobs.map(({ hash }) => hash), sha256(new Uint8Array(7))];
  const found = await store.blobs.get(hashes);
  expect(found.size).toBe(1500);
  for (const { hash, data } of blobs) expect(Buffer.compare(found.get(hash)!, data)).toBe(0);
  expect(await store.blobs.has(hashes)).toEqual(new Set(blobs.map(({ hash }) => hash)));
  expect(await store.blobs.put([], hold)).toEqual({ newBytes: 0 });
  expect((await store.blobs.get([])).size).toBe(0);
});

it("takes the empty blob and a large one", async () => {
  const empty = { hash: sha256(new Uint8Array(0)), data: new Uint8Array(0) };
  const large = blob(9, 5_000_000);
  await store.blobs.put([empty, large], hold);
  const found = await store.blobs.get([empty.hash, large.hash]);
  expect(found.get(empty.hash)).toEqual(empty.data);
  expect(Buffer.compare(found.get(large.hash)!, large.data)).toBe(0);
});

it("lets two calls put the same content at once", async () => {
  const blobs = Array.from({ length: 50 }, (_, index) => blob(100_000 + index, 512));
  const results = await Promise.all([store.blobs.put(blobs, hold), store.blobs.put(blobs, hold)]);
  expect(results.map(({ newBytes }) => newBytes)).toEqual([50 * 512, 0]);
});

it("lets a commit through while a large put is under way", async () => {
  const order: string[] = [];
  const blobs = Array.from({ length: 3000 }, (_, index) => blob(200_000 + index, 4096));
  await Promise.all([
    store.blobs.put(blobs, hold).then(() => order.push("put")),
    store.check().then(() => order.push("check")),
  ]);
  expect(order).toEqual(["check", "put"]);
});

it("names damaged content by its hash", async () => {
  const folder = temporaryFolder();
  const first = await openStore({ dataDir: folder.path });
  const good = blob(1, 4096);
  const damaged = blob(2, 4096);
  await first.blobs.put([good, damaged], first.holds.open());
  await first.close();
  const raw = await new PrismaLibSql({ url: `file:${join(folder.path, "ostler.db")}` }).connect();
  await raw.executeScript(`UPDATE "Blob" SET data = X'00' WHERE hash = X'${damaged.hash}'`);
  await raw.dispose();
  const second = await openStore({ dataDir: folder.path });
  expect((await second.blobs.get([good.hash])).size).toBe(1);
  await expect(second.blobs.get([good.hash, damaged.hash])).rejects.toMatchObject({
    name: "CorruptBlobError",
    hash: damaged.hash,
  });
  await second.close();
  folder.remove();
});

it("names all that the database cannot read, whatever it was read together with, and no more", async () => {
  const blobs = Array.from({ length: 100 }, (_, index) => blob(index + 1, 64));
  const bad = [3, 50, 51, 99].map((index) => blobs[index]!.hash);
  const corrupt = { cause: { originalCode: "XX001", originalMessage: "invalid page in block 7" } };
  let failure: object = { meta: { driverAdapterError: corrupt } };
  const $queryRaw = async (text: readonly string[], list: { values: Uint8Array[] }) => {
    if (!text.join("").includes('FROM "Blob"')) return [];
    const asked = list.values.map((each) => Buffer.from(each).toString("hex"));
    if (asked.some((hash) => bad.includes(hash))) throw Object.assign(new Error("failed"), failure);
    return blobs
      .filter(({ hash }) => asked.includes(hash))
      .map(({ hash, data }) => ({ hash: Buffer.from(hash, "hex"), data, size: null }));
  };
  const read = blobsIn({ client: { $queryRaw } } as never);
  const hashes = blobs.map(({ hash }) => hash);
  expect((await read.damaged(hashes)).sort()).toEqual([...bad].sort());
  await expect(read.get(hashes)).rejects.toMatchObject({ name: "CorruptBlobError", hash: bad[0] });
  const good = hashes.filter((hash) => !bad.includes(hash));
  expect([...(await read.get(good)).keys()].sort()).toEqual([...good].sort());
  failure = { code: "ECONNRESET" };
  await expect(read.damaged(hashes)).rejects.toThrow("failed");
});

it("refuses what is not a hash", async () => {
  await expect(store.blobs.get(["A".repeat(64)])).rejects.toThrow("not a SHA-256");
});
