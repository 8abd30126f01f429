/** What a collection keeps and what it takes, with real machines. */

import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, expect, test } from "vitest";
import { Collector } from "../../api/hosting/collection/collector.ts";
import { newId } from "../../api/hosting/ids.ts";
import { newMachineRow } from "../../api/services/machines.ts";
import { AssignmentSpecSchema } from "../../proto/gen/ostler/v1/grading_pb.js";
import { closureOf } from "../support/closure.ts";
import { OWNER, outcome, startHosting, type TestHosting } from "../support/hosting.ts";
import { sha256Hex } from "../support/machine.ts";
import { behindItsBack } from "../support/store.ts";

let bench: TestHosting;
afterEach(() => bench.close());

const atOnce = { share: 1, signal: new AbortController().signal };
const collect = () => new Collector(bench.store).collect(atOnce);
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const snapshot = (id: string) =>
  bench.hosting.snapshot(id, { id: newId("s"), displayName: "", labels: {}, kind: "user" });

const upload = (text: string): Promise<string> => uploadBytes(bytes(text));

async function uploadBytes(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = sha256Hex(data);
  await bench.store.holds.during(async (hold) => {
    await bench.store.blobs.put([{ hash, data }], hold);
    await bench.store.programs.put({ ownerId: OWNER, hash, name: "p", size: data.length });
  });
  return hash;
}

const isStored = async (hash: string) => (await bench.store.blobs.has([hash])).has(hash);
const poke = async (id: string, address: number, text: string) =>
  (await bench.hosting.use(id)).apply({ kind: "writePhysical", address, bytes: bytes(text) });
const peek = async (id: string, address: number, length: number) =>
  Buffer.from((await (await bench.hosting.use(id)).query({ kind: "readPhysical", address, length })).bytes!).toString();

test("a program goes when nobody has it any more, and its bytes are counted", async () => {
  bench = await startHosting();
  const hash = await upload("a program");
  expect(await collect()).toMatchObject({ examinedBlobs: 1, deletedBlobs: 0 });
  await bench.store.programs.delete({ ownerId: OWNER }, hash);
  expect(await collect()).toMatchObject({ examinedBlobs: 1, deletedBlobs: 1, deletedBytes: 9, missingBlobs: 0 });
  expect(await isStored(hash)).toBe(false);
});

test("content whose name is no SHA-256 is counted and left alone, and keeps nothing else from going", async () => {
  bench = await startHosting();
  const hash = await upload("a program");
  await bench.store.programs.delete({ ownerId: OWNER }, hash);
  const names = ["", "00", `${"ff".repeat(33)}`];
  await behindItsBack(
    bench.dataDir,
    names.map((name) => `INSERT INTO "Blob" (hash, data) VALUES (X'${name}', X'')`),
  );
  for (const deletedBlobs of [1, 0])
    expect(await collect()).toMatchObject({ examinedBlobs: 3 + deletedBlobs, misnamedBlobs: 3, deletedBlobs });
  expect(await bench.store.contents.hashes(null, 10)).toEqual(names);
});

test("what a machine's spec, its journal, its snapshot's state, a submission or an assignment names stays", async () => {
  bench = await startHosting();
  const { store } = bench;
  const inSpec = await bench.machine({ "/etc/spec": bytes("in the spec") });
  const inJournal = await bench.machine();
  const journalled = await upload("in the journal");
  await (await bench.hosting.use(inJournal.id)).apply({
    kind: "addFile",
    file: { path: "/a", content: journalled, size: 14, mode: 0o644 },
  });
  const inState = await bench.machine();
  const stated = await upload("in the state");
  const before = await snapshot(inState.id);
  await (await bench.hosting.use(inState.id)).apply({
    kind: "addFile",
    file: { path: "/b", content: stated, size: 12, mode: 0o644 },
  });
  await snapshot(inState.id);
  // Its journal does not name it any more.
  await bench.hosting.restore(inState.id, before);
  const submitted = await upload("submitted");
  const submission = { id: "sub", assignmentId: "a", assignmentVersion: 1, ownerId: OWNER, contentHash: submitted };
  await store.submissions.create({ ...submission, contentKind: "c", state: "graded", report: bytes(""), error: "" });
  const assigned = await upload("of an assignment");
  const spec = create(AssignmentSpecSchema, { machine: { files: [{ path: "/f", contentHash: assigned }] } });
  await store.assignments.create({
    id: "a",
    ownerId: OWNER,
    displayName: "",
    spec: new Uint8Array(toBinary(AssignmentSpecSchema, spec)),
  });
  const labelled = await upload("in a label");
  await store.machines.create(
    newMachineRow("m-labelled", { ownerId: OWNER }, { displayName: "", labels: { spec: labelled } }, new Uint8Array(0)),
  );
  const inPieces = await uploadBytes(new Uint8Array(5 * 1024 * 1024));
  const specified = sha256Hex(bytes("in the spec"));
  const named = [specified, journalled, stated, submitted, assigned, labelled];
  for (const hash of named) await store.programs.delete({ ownerId: OWNER }, hash);
  for (const { id } of [inSpec, inJournal, inState]) await bench.hosting.hibernate(id);
  await collect();
  expect(await store.blobs.has(named)).toEqual(new Set(named));
  expect(await closureOf(store)).toEqual({ unreachable: [], missing: [] });
  await store.machines.delete(inSpec.id);
  await store.assignments.delete("a");
  await store.programs.delete({ ownerId: OWNER }, inPieces);
  await collect();
  expect(await closureOf(store)).toEqual({ unreachable: [], missing: [] });
  expect(await store.blobs.has(named)).toEqual(new Set([journalled, stated, submitted, labelled]));
});

test("a machine in memory keeps the snapshot that it stands on, whoever deletes it", async () => {
  bench = await startHosting({ workers: 1 });
  const { id } = await bench.machine();
  await poke(id, 0x8080_0000, "early");
  const first = await snapshot(id);
  await bench.hosting.hibernate(id);
  const fork = await bench.store.machines.create({
    ...newMachineRow(
      newId("m"),
      { ownerId: OWNER },
      { displayName: "", labels: {} },
      (await bench.store.machines.get(id))!.spec,
    ),
    originSnapshotId: first.id,
    lastSequence: first.sequence,
    reached: first.at,
  });
  await bench.hosting.use(fork.id);
  await poke(fork.id, 0x8090_0000, "late");
  const own = await snapshot(fork.id);
  // A seek point that nothing stands on but the machine's memory.
  expect(await bench.store.snapshots.delete(own.id)).toBe("deleted");
  await collect();
  await poke(fork.id, 0x80a0_0000, "later");
  await snapshot(fork.id);
  await bench.hosting.hibernate(fork.id);
  await collect();
  expect(await peek(fork.id, 0x8080_0000, 5)).toBe("early");
  expect(await peek(fork.id, 0x8090_0000, 4)).toBe("late");
  expect(await peek(fork.id, 0x80a0_0000, 5)).toBe("later");
});

test("content that cannot be followed stops the collection before it deletes anything", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  const { root } = await snapshot(id);
  await bench.hosting.hibernate(id);
  const garbage = await upload("garbage");
  await bench.store.programs.delete({ ownerId: OWNER }, garbage);
  bench.faults.damaged.add(root);
  expect(await outcome(collect())).toMatchObject({ error: { name: "CorruptBlobError", hash: root } });
  expect(await isStored(garbage)).toBe(true);
  bench.faults.damaged.clear();
  expect(await collect()).toMatchObject({ deletedBlobs: 1 });
});

test("two who ask at once get one collection", async () => {
  bench = await startHosting();
  const collector = new Collector(bench.store);
  const [first, second] = await Promise.all([collector.collect(atOnce), collector.collect(atOnce)]);
  expect(first).toBe(second);
});

test("one that is told to end ends between two steps, and can begin anew", async () => {
  bench = await startHosting();
  await upload("a");
  const stop = new AbortController();
  const collector = new Collector(bench.store);
  const collecting = outcome(collector.collect({ share: 0.000_1, signal: stop.signal }));
  stop.abort(new Error("enough"));
  expect(await collecting).toMatchObject({ error: { message: "enough" } });
  expect(await collector.collect(atOnce)).toMatchObject({ examinedBlobs: 1 });
});
