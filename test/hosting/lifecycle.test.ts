/** Waking, putting away, restoring and deleting at the same time, and the bound on machines in memory. */
import { afterEach, expect, test } from "vitest";
import { newId } from "../../api/hosting/hosting.ts";
import { OstlerError } from "../../api/errors.ts";
import { outcome, resume, startHosting, type TestHosting, typed } from "../support/hosting.ts";

let bench: TestHosting;
afterEach(() => bench.close());

const userSnapshot = () => ({ id: newId("s"), displayName: "", labels: {}, kind: "user" as const });
const reasonOf = (result: object): string => {
  if (!("error" in result)) return "ok";
  return result.error instanceof OstlerError ? result.error.reason : String(result.error);
};

test("no more machines are in memory than may be; the one unused for longest makes room", async () => {
  bench = await startHosting({ maxResident: 2 });
  const ids: string[] = [];
  for (let i = 0; i < 4; i++) {
    const { id } = await bench.machine();
    ids.push(id);
    await (await bench.hosting.use(id)).apply(typed(`${i}`));
    expect(ids.filter((each) => bench.hosting.isResident(each)).length).toBeLessThanOrEqual(2);
  }
  expect(ids.map((id) => bench.hosting.isResident(id))).toEqual([false, false, true, true]);
  expect((await bench.hosting.use(ids[0]!)).visible.sequence).toBe(1);
});

test("machines that run are not put away: the next one is told to try again", async () => {
  bench = await startHosting({ maxResident: 1 });
  const { compileC, hasCompiler, sources } = await import("../support/guest.ts");
  if (!hasCompiler) return;
  const { startOf } = await import("../support/hosting.ts");
  const busy = await bench.machine({ "/bin/spin": compileC(sources.spin) });
  const machine = await bench.hosting.use(busy.id);
  await machine.apply(startOf("/bin/spin"));
  await machine.apply(resume);
  const other = await bench.machine();
  const refused = await outcome(bench.hosting.use(other.id));
  expect(reasonOf(refused)).toBe("TOO_MANY_ACTIVE_MACHINES");
  await machine.apply({ kind: "pause" });
  expect(reasonOf(await outcome(bench.hosting.use(other.id)))).toBe("ok");
});

test("many machines woken at once under a small limit come to no other error than overload", async () => {
  bench = await startHosting({ maxResident: 3 });
  const ids: string[] = [];
  for (let i = 0; i < 9; i++) ids.push((await bench.machine()).id);
  for (let round = 0; round < 3; round++) {
    const results = await Promise.all(ids.map((id) => outcome(bench.hosting.use(id))));
    expect(new Set(results.map(reasonOf).filter((reason) => reason !== "ok" && reason !== "TOO_MANY_ACTIVE_MACHINES"))).toEqual(
      new Set(),
    );
    expect(ids.filter((id) => bench.hosting.isResident(id)).length).toBeLessThanOrEqual(3);
  }
});

test("putting a machine away twice at once, while others use it, harms nobody", async () => {
  bench = await startHosting({ workers: 1 });
  const { id } = await bench.machine();
  for (let round = 1; round <= 5; round++) {
    const machine = await bench.hosting.use(id);
    await machine.apply(typed("x"));
    const first = bench.hosting.hibernate(id);
    const second = bench.hosting.hibernate(id);
    const used = first.then(() => bench.hosting.use(id));
    await Promise.all([first, second]);
    const again = await used;
    expect(again.visible.sequence).toBe(round);
    expect(reasonOf(await outcome(again.query({ kind: "summary" })))).toBe("ok");
    expect([...again.worker.machines]).toHaveLength(1);
  }
});

test("hibernating a machine that is only just waking waits for it", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  const waking = bench.hosting.use(id);
  while (bench.hosting.peek(id) === undefined) await new Promise((resolve) => setImmediate(resolve));
  expect(reasonOf(await outcome(bench.hosting.hibernate(id)))).toBe("ok");
  await waking.catch(() => {});
  expect(bench.hosting.isResident(id)).toBe(false);
  expect((await bench.hosting.use(id)).visible.sequence).toBe(0);
});

test("a machine that is deleted while it wakes is gone, not damaged", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  await (await bench.hosting.use(id)).apply(typed("x"));
  await bench.hosting.hibernate(id);
  let waking: Promise<object> | undefined;
  let deleted: Promise<boolean> | undefined;
  bench.faults.acquire = async () => {
    bench.faults.acquire = null;
    deleted = bench.hosting.delete(id);
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  waking = outcome(bench.hosting.use(id));
  await waking;
  expect(await deleted).toBe(true);
  expect(["ok", "MACHINE_NOT_FOUND", "MACHINE_MOVED"]).toContain(reasonOf(await waking));
  expect(reasonOf(await outcome(bench.hosting.use(id)))).toBe("MACHINE_NOT_FOUND");
  expect(bench.hosting.isResident(id)).toBe(false);
});

test("a snapshot that is being taken when its machine is restored does not bring the old future back", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  await machine.apply(typed("x"));
  const snapshot = await bench.hosting.snapshot(id, userSnapshot());
  await machine.apply(typed("y"));
  let restoring: Promise<unknown> | undefined;
  bench.faults.putBlobs = async () => {
    bench.faults.putBlobs = null;
    restoring = bench.hosting.restore(id, snapshot);
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  const taken = await outcome(bench.hosting.snapshot(id, userSnapshot()));
  await restoring;
  expect(["ok", "MACHINE_MOVED"]).toContain(reasonOf(taken));
  expect((await bench.hosting.use(id)).visible.sequence).toBe(1);
});

test("a snapshot of an earlier life of the machine is not taken for one of its present", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  const early = await bench.hosting.snapshot(id, userSnapshot());
  // The worker dies with the snapshot's blobs on their way; the machine comes back and is restored meanwhile.
  let release: () => void = () => {};
  bench.faults.createSnapshot = () => new Promise((resolve) => (release = resolve));
  const taken = outcome(bench.hosting.snapshot(id, userSnapshot()));
  while (String(release) === "() => {}") await new Promise((resolve) => setImmediate(resolve));
  bench.faults.createSnapshot = null;
  await machine.worker.thread.terminate();
  await bench.hosting.restore(id, early);
  release();
  expect(reasonOf(await taken)).not.toBe("ok");
});

test("a machine that cannot be brought back can still be restored to a snapshot that is sound", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  const sound = await bench.hosting.snapshot(id, userSnapshot());
  await machine.apply(typed("x"));
  await bench.hosting.hibernate(id);
  // An entry that the kernel refuses: what a divergence looks like.
  const row = (await bench.store.machines.acquire(id))!;
  await bench.store.journal.commit({
    machineId: id,
    epoch: row.epoch,
    entries: [{ sequence: 2, at: { instructions: 5, timeNs: 0 }, payload: new Uint8Array([0xff]) }],
    console: [],
    idempotency: [],
    reached: row.reached,
    status: row.status,
  });
  expect(reasonOf(await outcome(bench.hosting.use(id)))).not.toBe("ok");
  await bench.hosting.restore(id, sound);
  expect((await bench.hosting.use(id)).visible.sequence).toBe(0);
});

test("a snapshot that cannot be stored is an error, and the machine goes on", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  await (await bench.hosting.use(id)).apply(typed("x"));
  bench.faults.putBlobs = () => {
    bench.faults.putBlobs = null;
    throw new Error("the disk is full");
  };
  expect(reasonOf(await outcome(bench.hosting.snapshot(id, userSnapshot())))).toContain("disk is full");
  const again = await bench.hosting.use(id);
  await again.apply(typed("y"));
  const { root } = await bench.hosting.snapshot(id, userSnapshot());
  await bench.hosting.hibernate(id);
  const woken = await bench.hosting.use(id);
  expect(woken.visible.sequence).toBe(2);
  expect((await woken.capture()).root).toBe(root);
});

test("a hibernation that cannot store its snapshot loses nothing", async () => {
  bench = await startHosting();
  const { id } = await bench.machine();
  await (await bench.hosting.use(id)).apply(typed("x"));
  bench.faults.putBlobs = () => {
    throw new Error("the disk is full");
  };
  expect(reasonOf(await outcome(bench.hosting.hibernate(id)))).toContain("disk is full");
  bench.faults.putBlobs = null;
  expect((await bench.hosting.use(id)).visible.sequence).toBe(1);
});
