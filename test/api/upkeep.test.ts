/** Answers under idempotency keys do not gather for ever. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ANSWERS_KEPT_MS, startUpkeep } from "../../api/services/upkeep.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("old answers are forgotten at the start and ever after, whatever fails in between", async () => {
  const errors: unknown[] = [];
  const ages: number[] = [];
  const prune = async (before: Date) => {
    ages.push(Date.now() - before.getTime());
    if (ages.length === 2) throw new Error("the disk is full");
    return 0;
  };
  const stop = startUpkeep({ idempotency: { prune }, audit: { prune } }, 0, (error) => errors.push(error));
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(ages.length).toBeGreaterThan(3);
  expect(new Set(ages)).toEqual(new Set([ANSWERS_KEPT_MS]));
  expect(errors).toMatchObject([{ message: "the disk is full" }]);
  stop();
  const { length } = ages;
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(ages).toHaveLength(length);
});
