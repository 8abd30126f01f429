/** What grading leaves behind goes when it is of no use to anybody, and not before. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { snapshotIdOf } from "../../api/grading/prepared.ts";
import { dropKept, dropPrepared, KEPT_PREFIX } from "../../api/grading/retention.ts";
import { Pacer } from "../../api/hosting/collection/pace.ts";
import { freshId, freshStore, newMachine, newSnapshot } from "../store/fixtures.ts";

const store = await freshStore();
const DAY_MS = 86_400_000;
const awake = new Set<string>();
const hosting = {
  peek: (id: string) => (awake.has(id) ? {} : undefined),
  delete: (id: string) => store.machines.delete(id),
};
const parts = { store, hosting: hosting as never };
const pacer = () => new Pacer({ share: 1, signal: new AbortController().signal });

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());
const later = (ms: number) => vi.setSystemTime(Date.now() + ms);

async function prepared(assignmentId: string, version: number) {
  const id = `m-a${freshId("x")}`;
  await store.machines.create(newMachine({ id, labels: { assignment: assignmentId, version: String(version) } }));
  const machine = (await store.machines.acquire(id))!;
  await store.snapshots.create(newSnapshot(machine, 0, { id: snapshotIdOf(assignmentId, version) }), machine.epoch);
  return id;
}

async function assignment(versions: number): Promise<string> {
  const id = freshId("a");
  const spec = new Uint8Array(0);
  await store.assignments.create({ id, ownerId: "owner", displayName: "", spec });
  for (let version = 1; version < versions; version++) await store.assignments.update(id, { displayName: "", spec });
  return id;
}

test("a kept machine goes when nothing happened to it for long, and nobody has it open", async () => {
  const ids = ["old", "open", "used"].map((name) => `${KEPT_PREFIX}-${name}`);
  for (const id of ids) await store.machines.create(newMachine({ id }));
  await store.machines.create(newMachine({ id: "m-other" }));
  awake.add(ids[1]!);
  later(5 * DAY_MS);
  const { epoch } = (await store.machines.acquire(ids[2]!))!;
  const status = { run: "paused", reason: "", consoleLength: 0, taskCount: 0, traceSequence: 0 } as const;
  const at = { instructions: 1, timeNs: 1 };
  await store.journal.commit({
    machineId: ids[2]!,
    epoch,
    entries: [],
    console: [],
    idempotency: [],
    reached: at,
    status,
  });
  later(6 * DAY_MS);
  expect(await dropKept(parts, 30 * DAY_MS, pacer())).toBe(0);
  expect(await dropKept(parts, 10 * DAY_MS, pacer())).toBe(1);
  const left = await Promise.all([...ids, "m-other"].map((id) => store.machines.get(id)));
  expect(left.map((row) => row !== null)).toEqual([false, true, true, true]);
});

test("a prepared machine goes with its version, when nothing stands on it or waits for it", async () => {
  const id = await assignment(4);
  const [old, stoodOn, waitedFor, present] = [1, 2, 3, 4].map((version) => prepared(id, version));
  const machines = await Promise.all([old, stoodOn, waitedFor, present]);
  const gone = await prepared("of no assignment", 1);
  await store.machines.create(newMachine({ id: `${KEPT_PREFIX}-fork`, originSnapshotId: snapshotIdOf(id, 2) }));
  const content = new Uint8Array(0);
  const contentHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  await store.blobs.put([{ hash: contentHash, data: content }], store.holds.open());
  const submission = { id: "sub", assignmentId: id, assignmentVersion: 3, ownerId: "owner", contentHash };
  await store.submissions.create({ ...submission, contentKind: "c", state: "queued", report: content, error: "" });
  const left = async () =>
    (await Promise.all([...machines, gone].map((machine) => store.machines.get(machine!)))).map((row) => row !== null);
  expect(await dropPrepared(parts, pacer())).toBe(0);
  later(DAY_MS);
  expect(await dropPrepared(parts, pacer())).toBe(2);
  expect(await left()).toEqual([false, true, true, true, false]);
  expect(await store.snapshots.get(snapshotIdOf(id, 1))).toBeNull();
  await store.submissions.update("sub", { state: "graded" });
  await store.machines.delete(`${KEPT_PREFIX}-fork`);
  expect(await dropPrepared(parts, pacer())).toBe(2);
  expect(await left()).toEqual([false, false, false, true, false]);
});
