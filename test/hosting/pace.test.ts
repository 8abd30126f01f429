/** Virtual time beside the wall clock, for machines whose kernels are never idle. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Pace } from "../../api/hosting/worker/pace.ts";

const ms = 1e6;

test("a machine that is ahead may not go on before the wall clock has come there", () => {
  const pace = new Pace(1000, 0);
  expect(pace.limitNs(1000, 0)).toBe(0);
  expect(pace.limitNs(1010, 0)).toBe(10 * ms);
  expect(pace.limitNs(1010, 10 * ms)).toBe(10 * ms);
  expect(pace.limitNs(1011, 10 * ms)).toBe(11 * ms);
});

test("a machine that was behind does not make up for all of it", () => {
  const pace = new Pace(0, 0);
  expect(pace.limitNs(60_000, 100 * ms)).toBe(150 * ms);
  expect(pace.limitNs(60_000, 150 * ms)).toBe(150 * ms);
  expect(pace.limitNs(60_010, 150 * ms)).toBe(160 * ms);
});

test("virtual time never passes faster than the wall clock, but for the credit", () => {
  const step = fc.record({ wait: fc.integer({ min: 0, max: 5000 }), part: fc.double({ min: 0, max: 1, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const pace = new Pace(0, 0);
      let [wall, time] = [0, 0];
      for (const { wait, part } of steps) {
        wall += wait;
        const limit = pace.limitNs(wall, time);
        expect(Number.isInteger(limit)).toBe(true);
        expect(limit).toBeLessThanOrEqual((wall + 50) * ms);
        if (limit > time) time += Math.floor((limit - time) * part);
      }
    }),
  );
});
