import { describe, expect, it } from "vitest";
import { CONSOLE_HISTORY_BYTES } from "../../api/store/limits.ts";
import type { MachineRow, Store } from "../../api/store/types.ts";
import { batch, bytes, freshStore, heldMachine, idle, newMachine, newSnapshot, text } from "./fixtures.ts";

const store = await freshStore();

const list = (query: Partial<Parameters<Store["machines"]["list"]>[0]>) =>
  store.machines.list({
    ownerId: null,
    labels: {},
    nameContains: "",
    run: null,
    pageSize: 500,
    pageToken: "",
    ...query,
  });
const idsOf = (page: { items: MachineRow[] }) => page.items.map(({ id }) => id);
const say = (machine: MachineRow, offset: number, words: string, first = 1, last = 0) =>
  store.journal.commit(batch(machine, first, last, { console: [{ offset, bytes: bytes(words) }] }));
const heard = async (id: string, offset = 0) => {
  const read = await store.journal.readConsole(id, offset, 10_000_000);
  return { offset: read.offset, text: text(read.bytes) };
};

describe("machine rows", () => {
  it("come back as they were written", async () => {
    const row = newMachine({
      labels: { course: "os", "a b": 'quote"d' },
      status: { run: "paused", reason: "new", consoleLength: 0, taskCount: 3, traceSequence: 7 },
    });
    const made = await store.machines.create(row);
    expect(made).toMatchObject({ ...row, epoch: 0 });
    expect(await store.machines.get(row.id)).toEqual(made);
    expect(await store.machines.get("none")).toBeNull();
  });

  it("keep the largest safe integers", async () => {
    const reached = { instructions: Number.MAX_SAFE_INTEGER, timeNs: Number.MAX_SAFE_INTEGER };
    const row = await store.machines.create(newMachine({ reached }));
    expect((await store.machines.get(row.id))!.reached).toEqual(reached);
  });

  it("refuse an id that is taken and an origin that is missing", async () => {
    const row = await store.machines.create(newMachine());
    await expect(store.machines.create(newMachine({ id: row.id }))).rejects.toMatchObject({
      name: "AlreadyExistsError",
    });
    await expect(store.machines.create(newMachine({ originSnapshotId: "none" }))).rejects.toMatchObject({
      name: "MissingReferenceError",
    });
  });

  it("that ended workers are frozen, until they are thawed or taken back to a snapshot", async () => {
    const machine = await heldMachine(store);
    const blame = () => store.machines.blame(machine.id, 2, "ended its worker");
    expect(await blame()).toMatchObject({ workersEnded: 1, status: { run: "idle" } });
    expect(await blame()).toMatchObject({ workersEnded: 2, status: { run: "frozen", reason: "ended its worker" } });
    // What it had said before was still on its way.
    await store.journal.commit(batch(machine, 1, 1, { status: { ...idle, run: "running" } }));
    expect(await store.machines.thaw(machine.id)).toMatchObject({ workersEnded: 0, status: { run: "paused" } });
    await blame();
    await blame();
    const snapshot = await store.snapshots.create(newSnapshot(machine, 1), machine.epoch);
    expect(await store.machines.rewind(machine.id, machine.epoch, snapshot)).toMatchObject({
      workersEnded: 0,
      status: { run: "paused", reason: "restored" },
    });
  });

  it("that run are paused, and what they still say from before is refused", async () => {
    const machine = await heldMachine(store);
    const running = { status: { ...idle, run: "running" } } as const;
    expect(await store.machines.pause(machine.id, "enough")).toBe(false);
    await store.journal.commit(batch(machine, 1, 1, running));
    expect(await store.machines.pause(machine.id, "enough")).toBe(true);
    await expect(store.journal.commit(batch(machine, 2, 2, running))).rejects.toMatchObject({
      name: "StaleEpochError",
    });
    expect((await store.machines.get(machine.id))!.status).toMatchObject({ run: "paused", reason: "enough" });
    expect(await store.machines.pause("none", "enough")).toBe(false);
  });

  it("rise by one epoch with each acquisition", async () => {
    const { id } = await store.machines.create(newMachine());
    expect((await store.machines.acquire(id))!.epoch).toBe(1);
    expect((await store.machines.acquire(id))!.epoch).toBe(2);
    expect(await store.machines.acquire("none")).toBeNull();
  });

  it("are found by owner, labels, state and part of the name, % and _ being letters", async () => {
    const odd = await store.machines.create(
      newMachine({ ownerId: "finder", displayName: "Étude 100%_x", labels: { a: "1", b: "2" } }),
    );
    const even = await store.machines.create(
      newMachine({
        ownerId: "finder",
        displayName: "etude 100 xx",
        labels: { a: "1" },
        status: { ...idle, run: "paused" },
      }),
    );
    expect(await store.machines.count({ ownerId: "finder" }, [])).toBe(2);
    expect(idsOf(await list({ ownerId: "finder" }))).toEqual([odd.id, even.id]);
    expect(idsOf(await list({ ownerId: "finder", nameContains: "%_X" }))).toEqual([odd.id]);
    expect(idsOf(await list({ ownerId: "finder", nameContains: "éTUDE" }))).toEqual([odd.id]);
    expect(idsOf(await list({ ownerId: "finder", labels: { a: "1" } }))).toEqual([odd.id, even.id]);
    expect(idsOf(await list({ ownerId: "finder", labels: { a: "1", b: "2" } }))).toEqual([odd.id]);
    expect(idsOf(await list({ ownerId: "finder", labels: { a: "2" } }))).toEqual([]);
    expect(idsOf(await list({ ownerId: "finder", run: "paused" }))).toEqual([even.id]);
  });
});

describe("deleting a machine", () => {
  it("takes journal, console and automatic snapshots, and leaves those asked for", async () => {
    const machine = await heldMachine(store, { labels: { a: "1" } });
    await store.journal.commit(batch(machine, 1, 1200, { console: [{ offset: 0, bytes: bytes("output") }] }));
    const automatic = await store.snapshots.create(newSnapshot(machine, 1, { kind: "automatic" }), machine.epoch);
    const asked = await store.snapshots.create(newSnapshot(machine, 2), machine.epoch);
    expect(await store.machines.delete(machine.id)).toBe(true);
    expect(await store.machines.delete(machine.id)).toBe(false);
    expect(await store.machines.get(machine.id)).toBeNull();
    expect(await store.journal.read(machine.id, 0, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    expect((await heard(machine.id)).text).toBe("");
    expect(await store.snapshots.get(automatic.id)).toBeNull();
    expect(await store.snapshots.get(asked.id)).toEqual(asked);
  });

  it("keeps what a fork stands on, also when it is automatic", async () => {
    const machine = await heldMachine(store);
    const origin = await store.snapshots.create(newSnapshot(machine, 0, { kind: "automatic" }), machine.epoch);
    const fork = await store.machines.create(newMachine({ originSnapshotId: origin.id }));
    expect(await store.machines.delete(machine.id)).toBe(true);
    expect(await store.snapshots.get(origin.id)).toEqual(origin);
    expect(await store.snapshots.delete(origin.id)).toBe("inUse");
    expect(await store.machines.delete(fork.id)).toBe(true);
    expect(await store.snapshots.delete(origin.id)).toBe("deleted");
    expect(await store.snapshots.delete(origin.id)).toBe("missing");
  });
});

describe("rewinding", () => {
  it("drops what came after the snapshot and refuses what the old future still sends", async () => {
    const machine = await heldMachine(store);
    await say(machine, 0, "before,", 1, 3);
    const earlier = await store.snapshots.create(newSnapshot(machine, 2, { consoleLength: 4 }), machine.epoch);
    const target = await store.snapshots.create(newSnapshot(machine, 3, { consoleLength: 7 }), machine.epoch);
    await say(machine, 7, "after", 4, 900);
    const later = await store.snapshots.create(newSnapshot(machine, 5, { consoleLength: 12 }), machine.epoch);
    const laterAutomatic = await store.snapshots.create(
      newSnapshot(machine, 6, { kind: "automatic", consoleLength: 12 }),
      machine.epoch,
    );

    const row = await store.machines.rewind(machine.id, machine.epoch, target);
    expect(row).toMatchObject({
      lastSequence: 3,
      reached: target.at,
      epoch: machine.epoch + 1,
      originSnapshotId: null,
    });
    expect(row.status).toMatchObject({ run: "paused", consoleLength: 7 });
    expect((await store.journal.read(machine.id, 0, 1000, 1000)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(await heard(machine.id)).toEqual({ offset: 0, text: "before," });
    await expect(store.journal.commit(batch(machine, 4, 4))).rejects.toMatchObject({ name: "StaleEpochError" });
    await expect(store.machines.rewind(machine.id, machine.epoch, target)).rejects.toMatchObject({
      name: "StaleEpochError",
    });

    const newest = { instructions: Number.POSITIVE_INFINITY, traceSequence: Number.POSITIVE_INFINITY };
    expect((await store.snapshots.latestBefore(machine.id, newest))!.id).toBe(target.id);
    expect((await store.snapshots.latestBefore(machine.id, { ...newest, traceSequence: 14 }))!.id).toBe(earlier.id);
    expect((await store.snapshots.latestBefore(machine.id, { ...newest, instructions: 29 }))!.id).toBe(earlier.id);
    expect(await store.snapshots.get(later.id)).toEqual(later);
    expect(await store.snapshots.get(laterAutomatic.id)).toBeNull();

    await say(row, 7, "again", 4, 4);
    expect((await heard(machine.id)).text).toBe("before,again");

    const back = await store.machines.rewind(machine.id, row.epoch, later);
    expect(back).toMatchObject({ lastSequence: 5, originSnapshotId: later.id });
    expect(await store.journal.read(machine.id, 0, 1000, 10)).toEqual([]);
    expect(await store.snapshots.latestBefore(machine.id, newest)).toBeNull();
    expect(await heard(machine.id)).toEqual({ offset: 0, text: "" });
    await say(back, 12, "!", 6, 6);
    expect(await heard(machine.id)).toEqual({ offset: 12, text: "!" });
  });

  it("takes also what is later in time alone off the line: an idle machine gets on without executing", async () => {
    const machine = await heldMachine(store);
    await say(machine, 0, "", 1, 1);
    const target = await store.snapshots.create(newSnapshot(machine, 1), machine.epoch);
    const at = { instructions: target.at.instructions, timeNs: target.at.timeNs + 1 };
    await store.snapshots.create(newSnapshot(machine, 1, { at }), machine.epoch);
    await store.machines.rewind(machine.id, machine.epoch, target);
    const newest = { instructions: Number.POSITIVE_INFINITY, traceSequence: Number.POSITIVE_INFINITY };
    expect((await store.snapshots.latestBefore(machine.id, newest))!.id).toBe(target.id);
  });

  it("refuses a snapshot that is gone", async () => {
    const machine = await heldMachine(store);
    const snapshot = await store.snapshots.create(newSnapshot(machine, 0), machine.epoch);
    await store.snapshots.delete(snapshot.id);
    await expect(store.machines.rewind(machine.id, machine.epoch, snapshot)).rejects.toMatchObject({
      name: "MissingReferenceError",
    });
    await expect(store.machines.rewind("none", 1, snapshot)).rejects.toMatchObject({ name: "StaleEpochError" });
  });
});

describe("a fork's console", () => {
  it("begins with the end of its parent's, up to the snapshot", async () => {
    const parent = await heldMachine(store);
    await say(parent, 0, "0123456789".repeat(1000));
    const fork = await heldMachine(store, { status: { ...idle, consoleLength: 9_995 } });
    await store.machines.copyConsole(parent.id, fork.id, 9_995, 20);
    expect(await heard(fork.id)).toEqual({ offset: 9_975, text: "56789012345678901234" });
    await say(fork, 9_995, "new");
    expect(await heard(fork.id, 9_990)).toEqual({ offset: 9_990, text: "01234new" });
    await expect(store.machines.copyConsole(parent.id, fork.id, 9_995, 20)).rejects.toThrow("of its own already");
  });

  it("is empty when the parent's history does not reach the snapshot any more", async () => {
    const parent = await heldMachine(store);
    await store.journal.commit(
      batch(parent, 1, 0, { console: [{ offset: 0, bytes: new Uint8Array(2 * CONSOLE_HISTORY_BYTES) }] }),
    );
    const fork = await heldMachine(store, { status: { ...idle, consoleLength: 10 } });
    await store.machines.copyConsole(parent.id, fork.id, 10, 1000);
    expect(await heard(fork.id)).toEqual({ offset: 0, text: "" });
    await say(fork, 10, "x");
    expect(await heard(fork.id)).toEqual({ offset: 10, text: "x" });
  });
});

describe("a snapshot row", () => {
  it("is refused when it is ahead of what its machine has committed", async () => {
    const machine = await heldMachine(store);
    await expect(store.snapshots.create(newSnapshot(machine, 1), machine.epoch)).rejects.toMatchObject({
      name: "JournalGapError",
    });
    await expect(
      store.snapshots.create(newSnapshot(machine, 0, { consoleLength: 1 }), machine.epoch),
    ).rejects.toMatchObject({
      name: "JournalGapError",
    });
  });

  it("is refused when its machine was rewound since, was taken by another, or is gone", async () => {
    const machine = await heldMachine(store);
    const first = await store.snapshots.create(newSnapshot(machine, 0), machine.epoch);
    const { epoch } = await store.machines.rewind(machine.id, machine.epoch, first);
    const stale = { name: "StaleEpochError" };
    await expect(store.snapshots.create(newSnapshot(machine, 0), machine.epoch)).rejects.toMatchObject(stale);
    await store.machines.acquire(machine.id);
    await expect(store.snapshots.create(newSnapshot(machine, 0), epoch)).rejects.toMatchObject(stale);
    await store.machines.delete(machine.id);
    await expect(store.snapshots.create(newSnapshot(machine, 0), epoch + 1)).rejects.toMatchObject(stale);
  });

  it("is listed by owner, machine and kind", async () => {
    const machine = await heldMachine(store, { ownerId: "lister" });
    const asked = await store.snapshots.create(newSnapshot(machine, 0), machine.epoch);
    const automatic = await store.snapshots.create(newSnapshot(machine, 0, { kind: "automatic" }), machine.epoch);
    const query = { pageSize: 10, pageToken: "", ownerId: "lister", machineId: null, kind: null };
    expect((await store.snapshots.list(query)).items).toEqual([asked, automatic]);
    expect((await store.snapshots.list({ ...query, kind: "automatic" })).items).toEqual([automatic]);
    expect(
      (await store.snapshots.list({ ...query, ownerId: null, machineId: machine.id, kind: "user" })).items,
    ).toEqual([asked]);
  });
});
