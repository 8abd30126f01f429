/** How many machines are in memory at once, and what happens when all want to be. */
import { afterEach, expect, test } from "vitest";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import {
  barrier,
  eventually,
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
afterEach(() => bench.close());

async function machines(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push((await bench.machine()).id);
  return ids;
}

const awake = (ids: string[]) => ids.map((id) => bench.hosting.peek(id) !== undefined);

test("the machine that was unused for longest makes room", async () => {
  bench = await startHosting({ maxResident: 2, workers: 1 });
  const ids = await machines(4);
  for (const id of ids) {
    const machine = await bench.hosting.use(id);
    await machine.apply(typed("x"));
    expect(machine.worker.machines.size).toBeLessThanOrEqual(2);
  }
  expect(awake(ids)).toEqual([false, false, true, true]);
  await bench.hosting.use(ids[2]!);
  expect((await bench.hosting.use(ids[0]!)).visible.sequence).toBe(1);
  expect(awake(ids)).toEqual([true, false, true, false]);
});

test("machines that are waking count: no more are let in at once than may be in memory", async () => {
  bench = await startHosting({ maxResident: 3 });
  const ids = await machines(9);
  const door = barrier();
  let waking = 0;
  bench.faults.acquire = () => {
    waking += 1;
    return door.stop();
  };
  const used = ids.map((id) => outcome(bench.hosting.use(id)));
  const refused = await Promise.all(used.slice(3));
  expect(new Set(refused.map(reasonOf))).toEqual(new Set(["TOO_MANY_ACTIVE_MACHINES"]));
  await eventually(() => waking === 3);
  door.open();
  expect((await Promise.all(used.slice(0, 3))).map(reasonOf)).toEqual(["ok", "ok", "ok"]);
});

test("many that come again and again get in by and by, and see no other error than overload", async () => {
  bench = await startHosting({ maxResident: 3, workers: 1 });
  const ids = await machines(9);
  const { worker } = await bench.hosting.use(ids[0]!);
  for (let round = 0; round < 3; round++) {
    const reasons = (await Promise.all(ids.map((id) => outcome(bench.hosting.use(id))))).map(reasonOf);
    expect(reasons.filter((reason) => reason !== "ok" && reason !== "TOO_MANY_ACTIVE_MACHINES")).toEqual([]);
    expect(reasons).toContain("ok");
    expect(worker.machines.size).toBeLessThanOrEqual(3);
  }
});

test("one that comes while another leaves waits for its place", async () => {
  bench = await startHosting({ maxResident: 1 });
  const [first, second] = (await machines(2)) as [string, string];
  await (await bench.hosting.use(first)).apply(typed("x"));
  const door = barrier();
  bench.faults.putBlobs = door.stop;
  const leaving = bench.hosting.hibernate(first);
  await door.reached;
  const used = outcome(bench.hosting.use(second));
  door.open();
  expect(reasonOf(await used)).toBe("ok");
  await leaving;
});

test("a machine that is used while it is being saved stays, and the other is told to try again", async () => {
  bench = await startHosting({ maxResident: 1 });
  const [first, second] = (await machines(2)) as [string, string];
  const machine = await bench.hosting.use(first);
  await machine.apply(typed("x"));
  const door = barrier();
  bench.faults.putBlobs = door.stop;
  const other = outcome(bench.hosting.use(second));
  await door.reached;
  await machine.apply(typed("y"));
  door.open();
  expect(reasonOf(await other)).toBe("TOO_MANY_ACTIVE_MACHINES");
  expect(await bench.hosting.use(first)).toBe(machine);
});

test("a machine that somebody was just given is not put away before the first word", async () => {
  bench = await startHosting({ maxResident: 1 });
  const [first, second] = (await machines(2)) as [string, string];
  await (await bench.hosting.use(first)).apply(typed("x"));
  await bench.hosting.hibernate(first);
  await bench.hosting.use(first);
  const other = outcome(bench.hosting.use(second));
  const applied = bench.hosting.use(first).then(async (machine) => {
    // A service has awaits of its own on the way, none of which leaves the turn.
    for (let i = 0; i < 20; i++) await null;
    return machine.apply(typed("y"));
  });
  expect(reasonOf(await outcome(applied))).toBe("ok");
  expect(reasonOf(await other)).toBe("TOO_MANY_ACTIVE_MACHINES");
});

test.skipIf(!hasCompiler)("machines that run are not put away: the next one is told what to do", async () => {
  bench = await startHosting({ maxResident: 1 });
  const busy = await bench.machine({ "/bin/spin": compileC(sources.spin) });
  const machine = await bench.hosting.use(busy.id);
  await machine.apply(startOf("/bin/spin"));
  await machine.apply(resume);
  const [other] = (await machines(1)) as [string];
  const refused = await outcome(bench.hosting.use(other));
  expect(reasonOf(refused)).toBe("TOO_MANY_ACTIVE_MACHINES");
  expect(refused).toMatchObject({ error: { message: expect.stringContaining("try again"), retryAfterMs: 2_000 } });
  await machine.apply(pause);
  expect(reasonOf(await outcome(bench.hosting.use(other)))).toBe("ok");
});

test("all who come for a machine that is waking get the same", async () => {
  bench = await startHosting();
  const [id] = (await machines(1)) as [string];
  let acquired = 0;
  bench.faults.acquire = () => {
    acquired += 1;
  };
  const got = await Promise.all([bench.hosting.use(id), bench.hosting.use(id), bench.hosting.use(id)]);
  expect(new Set(got).size).toBe(1);
  expect(acquired).toBe(1);
});

test("hibernating a machine that is only just waking waits for it; who comes behind gets another wake", async () => {
  bench = await startHosting();
  const [id] = (await machines(1)) as [string];
  const door = barrier();
  bench.faults.acquire = door.stop;
  const waking = bench.hosting.use(id);
  await door.reached;
  const hibernating = bench.hosting.hibernate(id);
  const again = bench.hosting.use(id);
  door.open();
  const first = await waking;
  await hibernating;
  expect(reasonOf(await outcome(first.query({ kind: "summary" })))).toBe("MACHINE_MOVED");
  const second = await again;
  expect(second).not.toBe(first);
  await second.apply(typed("x"));
});

test("putting a machine away twice at once, while others use it, harms nobody", async () => {
  bench = await startHosting({ workers: 1 });
  const [id] = (await machines(1)) as [string];
  for (let round = 1; round <= 5; round++) {
    await (await bench.hosting.use(id)).apply(typed("x"));
    const putAway = [bench.hosting.hibernate(id), bench.hosting.hibernate(id)];
    const again = await bench.hosting.use(id);
    await Promise.all(putAway);
    expect(again.visible.sequence).toBe(round);
    expect(reasonOf(await outcome(again.query({ kind: "summary" })))).toBe("ok");
    expect(again.worker.machines.size).toBe(1);
  }
});

test("a server that shuts down wakes nobody any more, waits for no wake, and saves who is awake", async () => {
  bench = await startHosting();
  const [first, second] = (await machines(2)) as [string, string];
  await (await bench.hosting.use(first)).apply(typed("x"));
  const door = barrier();
  bench.faults.acquire = door.stop;
  const waking = outcome(bench.hosting.use(second));
  await door.reached;
  const closing = bench.hosting.close();
  expect(reasonOf(await outcome(bench.hosting.use(first)))).toBe("SHUTTING_DOWN");
  door.open();
  await closing;
  expect(["ok", "MACHINE_MOVED", "SHUTTING_DOWN"]).toContain(reasonOf(await waking));
  const newest = { instructions: Number.MAX_SAFE_INTEGER, traceSequence: Number.MAX_SAFE_INTEGER };
  expect(await bench.store.snapshots.latestBefore(first, newest)).toMatchObject({ sequence: 1 });
});

test.each([["before it is in a worker"], ["while it is loaded"]])(
  "a machine that is brought back when the server is asked to end is no error: %s",
  async (when) => {
    bench = await startHosting();
    const { id } = await bench.machine();
    await (await bench.hosting.use(id)).apply(resume);
    await bench.hosting.hibernate(id);
    const row = (await bench.store.machines.acquire(id))!;
    const status = { ...row.status, run: "running" as const };
    const nothing = { machineId: id, entries: [], console: [], idempotency: [], reached: row.reached };
    await bench.store.journal.commit({ ...nothing, epoch: row.epoch, status });
    const door = barrier();
    bench.faults.acquire = door.stop;
    const resumed = bench.hosting.resumeRunning();
    await door.reached;
    if (when === "while it is loaded") door.open();
    const closing = bench.hosting.close();
    door.open();
    await Promise.all([closing, resumed]);
    expect(bench.errors).toEqual([]);
  },
);
