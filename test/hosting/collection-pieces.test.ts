/** Collections and checks of content in pieces, whatever it is to whoever names it. */
import { expect, test } from "vitest";
import { Check } from "../../api/hosting/collection/check.ts";
import { Collector } from "../../api/hosting/collection/collector.ts";
import { Pacer } from "../../api/hosting/collection/pace.ts";
import { PieceWriter } from "../../api/store/pieces.ts";
import type { Pieces, Store } from "../../api/store/types.ts";
import { PageTree } from "../../kernel/index.ts";
import { encodePlain } from "../../kernel/lib/codec.ts";
import { encodeRoot } from "../../kernel/snapshot/root.ts";
import { freshStore, newMachine, newSnapshot } from "../store/fixtures.ts";
import { sha256 as digest, sha256Hex } from "../support/machine.ts";

const store = await freshStore();
const ownerId = "owner";
const pace = { share: 1, signal: new AbortController().signal };
const collect = (from: Store = store) => new Collector(from).collect(pace);
/** Its pieces are the same but for the last. */
const large = (byte: number): Uint8Array<ArrayBuffer> => new Uint8Array((4 << 20) + 1).fill(byte);

async function upload(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = sha256Hex(data);
  await store.holds.during(async (hold) => {
    const writer = new PieceWriter(store.blobs, hold);
    await writer.write(data);
    await writer.end(hash);
    await store.programs.put({ ownerId, hash, name: "p", size: data.length });
  });
  return hash;
}

async function problems(): Promise<string[]> {
  const found = [];
  for await (const { text } of new Check(store, { share: 1, pacer: new Pacer(pace) }).run()) found.push(text);
  return found;
}

test("who takes hold of content while a collection begins has all of its pieces", async () => {
  const hash = await upload(large(3));
  const hold = store.holds.open();
  const contents: Store["contents"] = {
    ...store.contents,
    async inPieces() {
      const found = await store.contents.inPieces();
      hold.add([{ kind: "leaf", hash }]);
      await store.programs.delete({ ownerId }, hash);
      return found;
    },
  };
  expect(await collect({ ...store, contents })).toMatchObject({ deletedBlobs: 0 });
  expect(sha256Hex((await store.blobs.get([hash])).get(hash)!)).toBe(hash);
  hold.release();
  await collect();
  expect(await store.contents.hashes(null, 1)).toEqual([]);
});

test("a state that somebody uploaded as a program leads to what it leads to", async () => {
  const file = new Uint8Array(10).fill(7);
  const page = new Uint8Array(4096).fill(9);
  const state = encodePlain({ version: 7, file: sha256Hex(file), much: large(5) });
  await store.users.create({ id: ownerId, name: "", role: "user" });
  await upload(state);
  const blobs = [file, page, state];
  const tree = PageTree.empty(1024).update(
    new Map([[3, digest(page)]]),
    digest,
    (_hash, data) => void blobs.push(data),
  );
  const root = encodeRoot(1024 * 4096, tree.root, sha256Hex(state));
  const machine = (await store.machines.acquire(
    (
      await store.machines.create(newMachine({ spec: new Uint8Array(0) }))
    ).id,
  ))!;
  await store.holds.during(async (hold) => {
    await store.blobs.put(
      [...blobs, root].map((data) => ({ hash: sha256Hex(data), data })),
      hold,
    );
    const fields = newSnapshot(machine, 0, { root: sha256Hex(root), kind: "user" });
    await store.snapshots.create(fields, machine.epoch);
  });
  expect((await store.blobs.look([sha256Hex(state)])).get(sha256Hex(state))).not.toBeInstanceOf(Uint8Array);
  expect(await collect()).toMatchObject({ deletedBlobs: 0, missingBlobs: 0 });
  await store.programs.delete({ ownerId }, sha256Hex(state));
  expect(await collect()).toMatchObject({ deletedBlobs: 0, missingBlobs: 0 });
  expect(await problems()).toEqual([]);
  await store.contents.delete([sha256Hex(file)], () => true);
  expect(await problems()).toEqual([expect.stringContaining(`not stored: ${sha256Hex(file)}`)]);
});

test("content that is put in one keeps its pieces, though they are just being collected", async () => {
  const data = large(7);
  const hash = await upload(data);
  const { hashes } = (await store.blobs.look([hash])).get(hash) as Pieces;
  const hold = store.holds.open();
  await store.programs.delete({ ownerId }, hash);
  const contents: Store["contents"] = {
    ...store.contents,
    // It comes when all of it has been found to be garbage, and some of it is gone.
    async delete(found, isGarbage) {
      const gone = await store.contents.delete(
        found.filter((each) => each === hashes[0]),
        isGarbage,
      );
      const put = store.blobs.put([{ hash, data }], hold);
      const { blobs, bytes } = await store.contents.delete(found, isGarbage);
      await put;
      return { blobs: blobs + gone.blobs, bytes: bytes + gone.bytes };
    },
  };
  await collect({ ...store, contents });
  expect(sha256Hex((await store.blobs.get([hash])).get(hash)!)).toBe(hash);
});
