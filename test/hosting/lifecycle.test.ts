/** Restoring, deleting and forking at the same time as other things happen, and of machines that are damaged. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { newId } from "../../api/hosting/ids.ts";
import type { MachineRow } from "../../api/store/types.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import {
  barrier,
  outcome,
  pause,
  reasonOf,
  resume,
  startHosting,
  startOf,
  type TestHosting,
  typed,
} from "../support/hosting.ts";

let bench: TestHosting;
beforeEach(async () => {
  bench = await startHosting();
});
afterEach(() => bench.close());

const userSnapshot = () => ({ id: newId("s"), displayName: "", labels: {}, kind: "user" as const });
const newest = { instructions: Number.MAX_SAFE_INTEGER, traceSequence: Number.MAX_SAFE_INTEGER };

/** A machine with one input, a snapshot, another input; asleep. */
async function sleeper() {
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  await machine.apply(typed("x"));
  const sound = await bench.hosting.snapshot(id, userSnapshot());
  await machine.apply(typed("y"));
  await bench.hosting.hibernate(id);
  return { id, sound };
}

/** Writes an entry that no kernel takes: what a journal looks like that the machine does not follow any more. */
async function spoilJournal(id: string): Promise<void> {
  const row = (await bench.store.machines.acquire(id))!;
  const entry = { sequence: row.lastSequence + 1, at: row.reached, payload: new Uint8Array([0xff]) };
  await bench.store.journal.commit({ ...nothingNew(row), entries: [entry] });
}

/** Makes the newest snapshot one whose content is not in the store. */
async function spoilSnapshot(id: string): Promise<void> {
  const row = (await bench.store.machines.acquire(id))!;
  const good = (await bench.store.snapshots.latestBefore(id, newest))!;
  const at = { ...good.at, instructions: good.at.instructions + 1 };
  await bench.store.journal.commit({ ...nothingNew(row), reached: at });
  await bench.store.snapshots.create({ ...good, at, id: newId("s"), root: "f".repeat(64) }, row.epoch);
}

const nothingNew = ({ id, epoch, reached, status }: MachineRow) => ({
  machineId: id,
  epoch,
  entries: [],
  console: [],
  idempotency: [],
  reached,
  status,
});

for (const [damage, spoil] of [
  ["a journal that it does not follow", spoilJournal],
  ["a newest snapshot that is damaged", spoilSnapshot],
] as const) {
  test(`a machine with ${damage} can be restored to a sound snapshot`, async () => {
    const { id, sound } = await sleeper();
    await spoil(id);
    expect(reasonOf(await outcome(bench.hosting.use(id)))).not.toBe("ok");
    await bench.hosting.restore(id, sound);
    const machine = await bench.hosting.use(id);
    expect(machine.visible.sequence).toBe(1);
    await machine.apply(typed("z"));
  });

  test(`a machine with ${damage} can be deleted`, async () => {
    const { id } = await sleeper();
    await spoil(id);
    expect(reasonOf(await outcome(bench.hosting.use(id)))).not.toBe("ok");
    expect(await bench.hosting.delete(id)).toBe(true);
    expect(reasonOf(await outcome(bench.hosting.use(id)))).toBe("MACHINE_NOT_FOUND");
  });
}

test("restoring does not wake the machine, and what is missing is named", async () => {
  const { id, sound } = await sleeper();
  await bench.hosting.restore(id, sound);
  expect(bench.hosting.peek(id)).toBeUndefined();
  const missing = { ...sound, id: newId("s") };
  expect(reasonOf(await outcome(bench.hosting.restore(id, missing)))).toBe("SNAPSHOT_NOT_FOUND");
  expect(reasonOf(await outcome(bench.hosting.restore("m-none", sound)))).toBe("MACHINE_NOT_FOUND");
  expect((await bench.hosting.use(id)).visible.sequence).toBe(1);
});

test("a machine that is deleted while it wakes is gone, not damaged", async () => {
  const { id } = await sleeper();
  const door = barrier();
  bench.faults.acquire = door.stop;
  const waking = outcome(bench.hosting.use(id));
  await door.reached;
  const deleted = bench.hosting.delete(id);
  door.open();
  expect(reasonOf(await waking)).toBe("ok");
  expect(await deleted).toBe(true);
  expect(reasonOf(await outcome(bench.hosting.use(id)))).toBe("MACHINE_NOT_FOUND");
});

test("a snapshot that is being stored when its machine is restored does not bring the old future back", async () => {
  const { id, sound } = await sleeper();
  await bench.hosting.use(id);
  const door = barrier();
  bench.faults.createSnapshot = door.stop;
  const taken = outcome(bench.hosting.snapshot(id, userSnapshot()));
  await door.reached;
  const restored = bench.hosting.restore(id, sound);
  door.open();
  await Promise.all([taken, restored]);
  expect((await bench.hosting.use(id)).visible.sequence).toBe(1);
});

test("a snapshot of an earlier life is not taken for one of the present", async () => {
  const { id, sound } = await sleeper();
  const machine = await bench.hosting.use(id);
  const door = barrier();
  bench.faults.createSnapshot = door.stop;
  const taken = outcome(bench.hosting.snapshot(id, userSnapshot()));
  await door.reached;
  bench.faults.createSnapshot = null;
  // Another life begins and ends while the snapshot is on its way: what only a server's second process could do.
  const row = (await bench.store.machines.acquire(id))!;
  await bench.store.machines.rewind(id, row.epoch, sound);
  door.open();
  expect(await taken).toMatchObject({ error: { name: "StaleEpochError" } });
  expect((await bench.store.snapshots.latestBefore(id, newest))?.id).toBe(sound.id);
  expect(reasonOf(await outcome(machine.apply(typed("!"))))).not.toBe("ok");
  expect((await bench.hosting.use(id)).visible.sequence).toBe(1);
});

test("a machine that is restored goes on from that state, whatever it was before", async () => {
  const { id, sound } = await sleeper();
  const snapshots = [];
  for (const text of ["a", "bb", "a"]) {
    await bench.hosting.restore(id, sound);
    await (await bench.hosting.use(id)).apply(typed(text));
    snapshots.push(await bench.hosting.snapshot(id, userSnapshot()));
  }
  expect(snapshots[2]!.root).toBe(snapshots[0]!.root);
  expect(snapshots[1]!.root).not.toBe(snapshots[0]!.root);
  await bench.hosting.restore(id, snapshots[1]!);
  await (await bench.hosting.use(id)).apply(typed("c"));
  await bench.hosting.hibernate(id);
  await bench.hosting.restore(id, snapshots[0]!);
  expect((await bench.hosting.snapshot(id, userSnapshot())).root).toBe(snapshots[0]!.root);
});

test("a snapshot that cannot be stored is an error, and the machine goes on", async () => {
  const { id } = await sleeper();
  await (await bench.hosting.use(id)).apply(typed("z"));
  bench.faults.putBlobs = () => {
    bench.faults.putBlobs = null;
    throw new Error("the disk is full");
  };
  expect(reasonOf(await outcome(bench.hosting.snapshot(id, userSnapshot())))).toContain("disk is full");
  const { root } = await bench.hosting.snapshot(id, userSnapshot());
  await bench.hosting.hibernate(id);
  const woken = await bench.hosting.use(id);
  expect(woken.visible.sequence).toBe(3);
  expect((await woken.capture()).root).toBe(root);
});

test("a hibernation that cannot store its snapshot loses nothing", async () => {
  const { id } = await sleeper();
  await (await bench.hosting.use(id)).apply(typed("z"));
  bench.faults.putBlobs = () => {
    throw new Error("the disk is full");
  };
  expect(reasonOf(await outcome(bench.hosting.hibernate(id)))).toContain("disk is full");
  bench.faults.putBlobs = null;
  expect((await bench.hosting.use(id)).visible.sequence).toBe(3);
});

const failNextCommit = () => {
  bench.faults.commit = () => {
    bench.faults.commit = null;
    throw new Error("the disk is full");
  };
};

test.skipIf(!hasCompiler)("a running machine that breaks is taken out of its worker at once, and told of", async () => {
  const { id } = await bench.machine({ "/bin/count": compileC(sources.count) });
  const machine = await bench.hosting.use(id);
  await machine.apply(startOf("/bin/count"));
  failNextCommit();
  expect(reasonOf(await outcome(machine.apply(resume)))).toContain("disk is full");
  // Is done behind what the breaking caused; nobody has used the machine since.
  await bench.hosting.hibernate(id);
  expect(machine.worker.machines.size).toBe(0);
  expect(bench.errors).toMatchObject([{ machineId: id, error: { message: "the disk is full" } }]);
});

test.skipIf(!hasCompiler)("what a running machine still says when it broke is not heard in its next life", async () => {
  const { id } = await bench.machine({ "/bin/count": compileC(sources.count) });
  await (await bench.hosting.use(id)).apply(startOf("/bin/count"));
  for (let life = 1; life <= 5; life++) {
    const machine = await bench.hosting.use(id);
    await machine.apply(resume);
    failNextCommit();
    await outcome(machine.apply(typed("lost")));
  }
  const last = await bench.hosting.use(id);
  await last.apply(pause);
  const { root } = await bench.hosting.snapshot(id, userSnapshot());
  await last.worker.kill();
  // Comes back by its journal alone as it was.
  await bench.store.snapshots.delete((await bench.store.snapshots.latestBefore(id, newest))!.id);
  expect((await (await bench.hosting.use(id)).capture()).root).toBe(root);
});
