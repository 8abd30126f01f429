/** Content that went bad on the disk: found when it is read, named, gone around, and mended when it is made again. */
import { afterEach, expect, test } from "vitest";
import { newId } from "../../api/hosting/ids.ts";
import type { SnapshotRow } from "../../api/store/types.ts";
import { pageHashesOf } from "../support/closure.ts";
import { outcome, reasonOf, startHosting, type TestHosting } from "../support/hosting.ts";
import { behindItsBack } from "../support/store.ts";

let bench: TestHosting;
afterEach(() => bench.close());

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const take = (id: string, kind: SnapshotRow["kind"] = "automatic") =>
  bench.hosting.snapshot(id, { id: newId("s"), displayName: "", labels: {}, kind });
const poke = async (id: string, address: number, text: string) =>
  (await bench.hosting.use(id)).apply({ kind: "writePhysical", address, bytes: bytes(text) });
const peek = async (id: string, address: number, length: number) =>
  Buffer.from((await (await bench.hosting.use(id)).query({ kind: "readPhysical", address, length })).bytes!).toString();

/** Behind the server's back, in the file. */
async function spoil(...hashes: string[]): Promise<void> {
  const statements = hashes.map((hash) => `UPDATE "Blob" SET data = X'00' WHERE hash = X'${hash}'`);
  await behindItsBack(bench.dataDir, statements);
}

const isNews = (text: RegExp) =>
  expect.objectContaining({ error: expect.objectContaining({ message: expect.stringMatching(text) }) });

/** Pages that only the later of two snapshots has. */
async function newPages(before: SnapshotRow, after: SnapshotRow): Promise<string[]> {
  const known = new Set(await pageHashesOf(bench.store, before.root));
  return (await pageHashesOf(bench.store, after.root)).filter((hash) => !known.has(hash));
}

test("a machine whose newest snapshot cannot be loaded wakes from the one before and the journal, and says so", async () => {
  bench = await startHosting({ workers: 1 });
  const { id } = await bench.machine();
  await poke(id, 0x8080_0000, "one");
  const older = await take(id);
  await poke(id, 0x8090_0000, "two");
  const newest = await take(id);
  await bench.hosting.hibernate(id);
  // Content that a worker has in its memory already would hide it.
  await bench.restart();
  await spoil(newest.root);
  expect(await peek(id, 0x8090_0000, 3)).toBe("two");
  expect(await peek(id, 0x8080_0000, 3)).toBe("one");
  expect(bench.errors).toContainEqual(
    isNews(new RegExp(`snapshot ${newest.id} of machine ${id} is damaged.*${newest.root}`)),
  );
  expect(bench.errors).not.toContainEqual(isNews(new RegExp(older.id)));
});

test("a damaged page stops its machine when it is touched, and the machine comes back around it and mends it", async () => {
  bench = await startHosting({ workers: 1 });
  const { id } = await bench.machine();
  await poke(id, 0x8080_0000, "one");
  const older = await take(id);
  await poke(id, 0x8090_0000, "two");
  const newest = await take(id);
  await bench.hosting.hibernate(id);
  const other = await bench.machine();
  await poke(other.id, 0x8090_0000, "else");
  const pages = await newPages(older, newest);
  expect(pages).toHaveLength(1);
  await bench.restart();
  await spoil(...pages);
  expect(await peek(other.id, 0x8090_0000, 4)).toBe("else");
  expect(reasonOf(await outcome(peek(id, 0x8090_0000, 3)))).toBe("MACHINE_DAMAGED");
  expect(await peek(id, 0x8090_0000, 3)).toBe("two");
  expect(bench.errors).toContainEqual(
    isNews(new RegExp(`snapshot ${newest.id} of machine ${id} is damaged.*${pages[0]}`)),
  );
  expect(await peek(other.id, 0x8090_0000, 4)).toBe("else");
  await take(id);
  expect(await bench.store.blobs.damaged(pages)).toEqual([]);
});

test("a fork of a damaged snapshot is damaged, and says what is", async () => {
  bench = await startHosting({ workers: 1 });
  const { id, spec, ownerId } = await bench.machine();
  await poke(id, 0x8080_0000, "one");
  const base = await take(id, "user");
  const fork = await bench.store.machines.create({
    id: newId("m"),
    ownerId,
    displayName: "",
    labels: {},
    spec,
    originSnapshotId: base.id,
    lastSequence: base.sequence,
    reached: base.at,
    status: { run: "paused", reason: "", consoleLength: 0, taskCount: 0, traceSequence: base.traceSequence },
  });
  await bench.restart();
  await spoil(base.root);
  for (const _ of ["once", "and again"]) {
    const result = await outcome(bench.hosting.use(fork.id));
    expect(reasonOf(result)).toBe("MACHINE_DAMAGED");
    expect(result).toMatchObject({ error: { message: expect.stringContaining(base.root) } });
  }
  expect(await peek(id, 0x8080_0000, 3)).toBe("one");
});
