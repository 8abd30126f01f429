/** Snapshots that are taken at once, of one user's machines: no more of them than there is room for. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Quotas } from "../../api/admission/quotas.ts";
import { readConfig } from "../../api/config.ts";
import { newId } from "../../api/hosting/ids.ts";
import type { Reserve } from "../../api/hosting/snapshots.ts";
import { outcome, reasonOf, startHosting, type TestHosting, typed } from "../support/hosting.ts";

let bench: TestHosting;
beforeAll(async () => {
  bench = await startHosting();
});
afterAll(() => bench.close());

const userSnapshot = () => ({ id: newId("s"), displayName: "", labels: {}, kind: "user" as const });

/** A machine with something in it that no other has. */
async function machineWith(text: string) {
  const row = await bench.machine();
  await (await bench.hosting.use(row.id)).apply(typed(text));
  return row;
}

test("what a snapshot will add is known before it is stored", async () => {
  const { id } = await machineWith("a");
  let measured = 0;
  const reserve: Reserve = async (measure, work) => {
    measured = await measure();
    return work();
  };
  expect((await bench.hosting.snapshot(id, userSnapshot(), reserve)).newBytes).toBe(measured);
  expect(measured).toBeGreaterThan(0);
});

test("of those that are taken at once none goes beyond the limit, and the machines go on", async () => {
  const rows = await Promise.all(["a", "b", "c", "d"].map(machineWith));
  const [first] = rows;
  const scope = { courseIds: [first!.courseId], ownerId: first!.ownerId };
  await bench.hosting.snapshot(first!.id, userSnapshot());
  const limit = (await bench.store.usage(scope)) + 1_000;
  const quotas = new Quotas(bench.store, readConfig({}, { storagePerUserBytes: limit }));
  const take = (row: (typeof rows)[number]) =>
    outcome(
      bench.hosting.snapshot(row.id, userSnapshot(), (measure, work) => quotas.storingMeasured(row, measure, work)),
    );
  const outcomes = await Promise.all(rows.map(take));
  expect(await bench.store.usage(scope)).toBeLessThanOrEqual(limit);
  expect(outcomes.map(reasonOf)).toContain("TOO_MUCH_STORAGE");
  for (const { id } of rows) {
    await (await bench.hosting.use(id)).apply(typed("more"));
    await bench.hosting.hibernate(id);
    expect((await bench.hosting.use(id)).visible.sequence).toBe(2);
  }
});
