/** What commits cost the thread that makes them is told to those for whom they are made. */
import { expect, test } from "vitest";
import { startWatch } from "../../api/processor-time.ts";
import { GroupCommit } from "../../api/store/group.ts";

const COST_MS = 2;

/** Takes processor time, however long that lasts. */
function spend(): void {
  for (const watch = startWatch(); watch() < COST_MS; );
}

test("of what a group costs each batch bears a part by its size, also of one that fails", async () => {
  const told = new Map<number, number>();
  const groups: number[][] = [];
  let isBroken = false;
  const group = new GroupCommit<number>({
    async write(sizes) {
      groups.push([...sizes]);
      spend();
      if (isBroken) throw new Error("broken");
      return sizes.map(() => null);
    },
    sizeOf: (size) => size,
    took: (size, ms) => told.set(size, (told.get(size) ?? 0) + ms),
  });
  await Promise.all([group.commit(0), group.commit(3 * 512)]);
  expect(groups).toEqual([[0, 3 * 512]]);
  expect(told.get(3 * 512)! / told.get(0)!).toBeCloseTo(4, 6);
  expect(told.get(0)! + told.get(3 * 512)!).toBeGreaterThanOrEqual(COST_MS);
  isBroken = true;
  await expect(group.commit(1)).rejects.toThrow("broken");
  expect(told.get(1)).toBeGreaterThanOrEqual(COST_MS);
});
