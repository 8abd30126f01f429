/** How many of its own snapshots a machine keeps, and how far back it can go with them. */
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { Pacer } from "../../api/hosting/collection/pace.ts";
import { NEWEST_KEPT, type Point, superfluous, thinSnapshots } from "../../api/hosting/collection/retention.ts";
import { newId } from "../../api/hosting/ids.ts";
import type { SnapshotRow } from "../../api/store/types.ts";
import { startHosting, type TestHosting, typed } from "../support/hosting.ts";

let bench: TestHosting | null = null;
afterEach(async () => {
  await bench?.close();
  bench = null;
});

const BILLION = 1_000_000_000;
const point = (number: number, instructions: number, kind: Point["kind"] = "automatic"): Point => ({
  id: `s-${number}`,
  kind,
  at: { instructions, timeNs: instructions },
  sequence: 0,
});
const without = (line: readonly Point[], ids: readonly string[]) => line.filter(({ id }) => !ids.includes(id));

test("a machine that hibernates again and again keeps the newest and a seek point every two billion instructions", () => {
  const line = Array.from({ length: 1000 }, (_, index) => point(index, index * 1000));
  const kept = without(line, superfluous(line));
  expect(kept.map(({ id }) => id)).toEqual(["s-0", "s-997", "s-998", "s-999"]);
});

test("entries count as work: a machine that only listens has seek points, too", () => {
  const line = Array.from({ length: 100 }, (_, index) => ({ ...point(index, 0), sequence: index * 2_000 }));
  expect(without(line, superfluous(line)).length).toBeGreaterThan(10);
});

test("however a machine ran: users' snapshots stay, going back costs an eighth, and few are kept", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 * BILLION }), fc.nat(9)), {
    minLength: 1,
    maxLength: 400,
  });
  fc.assert(
    fc.property(steps, (parts) => {
      let line: Point[] = [];
      let at = 0;
      for (const [index, [step, chance]] of parts.entries()) {
        at += step;
        line.push(point(index, at, chance === 0 ? "user" : "automatic"));
        // As it goes on, now and then: what was thinned before must not be thinned into a hole.
        if (index % 7 === 0) line = without(line, superfluous(line));
      }
      const users = line.filter(({ kind }) => kind === "user").length;
      line = without(line, superfluous(line));
      expect(line.filter(({ kind }) => kind === "user")).toHaveLength(users);
      expect(superfluous(line)).toEqual([]);
      const newest = line.at(-1)!.at.instructions;
      for (const [index, { at: here }] of line.entries()) {
        const next = line[index + 1];
        if (next === undefined) break;
        // A step of the run itself may be wider than a seek point's distance.
        const allowed = Math.max(5 * BILLION, (newest - next.at.instructions) / 8 + 3 * BILLION);
        expect(next.at.instructions - here.instructions).toBeLessThanOrEqual(allowed);
      }
      const automatic = line.length - users;
      expect(automatic).toBeLessThan(
        NEWEST_KEPT + 2 * users + 2 + (2 * Math.log(newest / BILLION + 2)) / Math.log(1.125),
      );
    }),
    { numRuns: 200 },
  );
});

test("snapshots that a fork stands on stay, and those that the last fork left go", async () => {
  bench = await startHosting();
  const { store, hosting } = bench;
  const { id, spec, ownerId } = await bench.machine();
  const automatic = () => hosting.snapshot(id, { id: newId("s"), displayName: "", labels: {}, kind: "automatic" });
  const made: SnapshotRow[] = [];
  for (let count = 0; count < 8; count++) {
    await (await hosting.use(id)).apply(typed("x"));
    made.push(await automatic());
  }
  const base = made[3]!;
  const fork = await store.machines.create({
    id: newId("m"),
    ownerId,
    displayName: "",
    labels: {},
    spec,
    originSnapshotId: base.id,
    lastSequence: base.sequence,
    reached: base.at,
    status: { run: "paused", reason: "", consoleLength: 0, taskCount: 0, traceSequence: 0 },
  });
  const thin = () => thinSnapshots(store, hosting.inUse, new Pacer({ share: 1, signal: new AbortController().signal }));
  const left = async () => (await store.snapshots.line(id)).map((snapshot) => snapshot.id);
  // Somebody is about to fork one of them.
  expect(hosting.inUse.hold(made[1]!.id)).toBe(true);
  expect(await thin()).toBe(2);
  expect(await store.snapshots.get(made[1]!.id)).not.toBeNull();
  hosting.inUse.letGo(made[1]!.id);
  expect(await thin()).toBe(1);
  expect(await left()).toEqual([0, 3, 5, 6, 7].map((index) => made[index]!.id));
  await hosting.restore(id, made[0]!);
  expect(await store.snapshots.get(base.id)).not.toBeNull();
  await store.machines.delete(fork.id);
  expect(await thin()).toBe(1);
  expect(await store.snapshots.get(base.id)).toBeNull();
});
