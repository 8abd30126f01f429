/** Output commit: what is acknowledged is in the journal, whatever fails and whoever is put away meanwhile. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { outcome, startHosting, type TestHosting, typed } from "../support/hosting.ts";

let bench: TestHosting;
beforeEach(async () => {
  bench = await startHosting();
});
afterEach(() => bench.close());

test("an input under way when a commit fails is not acknowledged", async () => {
  const row = await bench.machine();
  const machine = await bench.hosting.use(row.id);
  let second: ReturnType<typeof outcome> | undefined;
  bench.faults.commit = () => {
    bench.faults.commit = null;
    second = outcome(machine.apply(typed("second")));
    throw new Error("the disk is full");
  };
  const first = await outcome(machine.apply(typed("first")));
  expect(first).toMatchObject({ error: { message: "the disk is full" } });
  expect(await second).toHaveProperty("error");
  expect((await bench.store.machines.get(row.id))?.lastSequence).toBe(0);
});

test("an input that comes while its machine is put away is in the journal if it was acknowledged", async () => {
  const row = await bench.machine();
  const machine = await bench.hosting.use(row.id);
  await machine.apply(typed("before"));
  let late: ReturnType<typeof outcome> | undefined;
  bench.faults.snapshotCreated = () => {
    bench.faults.snapshotCreated = null;
    late = outcome(machine.apply(typed("late")));
  };
  await bench.hosting.hibernate(row.id);
  const acknowledged = "value" in (await late!) ? 2 : 1;
  expect((await bench.store.machines.get(row.id))?.lastSequence).toBe(acknowledged);
  expect((await bench.hosting.use(row.id)).visible.sequence).toBe(acknowledged);
});

test("a machine whose commit failed is let go by its worker, and comes back as the journal has it", async () => {
  const row = await bench.machine();
  const machine = await bench.hosting.use(row.id);
  await machine.apply(typed("kept"));
  bench.faults.commit = () => {
    bench.faults.commit = null;
    throw new Error("the disk is full");
  };
  await outcome(machine.apply(typed("lost")));
  const again = await bench.hosting.use(row.id);
  expect(again).not.toBe(machine);
  expect(again.visible.sequence).toBe(1);
  expect([...machine.worker.machines, ...again.worker.machines].length).toBe(again.worker === machine.worker ? 2 : 1);
  const queried = await outcome(machine.query({ kind: "summary" }));
  expect(queried).toMatchObject({ error: { message: expect.stringContaining("disk is full") } });
});
