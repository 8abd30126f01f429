/** Machines are counted as they are, whenever what was counted before, made and deleted is through. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { freshId, freshStore, newMachine } from "./fixtures.ts";

const store = await freshStore();
const COURSES = ["first", "second"];
for (const id of COURSES) await store.courses.create({ id, displayName: "" });

const place = { courseId: fc.constantFrom(...COURSES), owner: fc.constantFrom("a", "b") };
const step = fc.oneof(
  fc.record({ kind: fc.constant("make" as const), machine: fc.nat(5), ...place }),
  fc.record({ kind: fc.constant("delete" as const), machine: fc.nat(5) }),
  fc.record({ kind: fc.constant("count" as const), ...place }),
);

it("in each scope, but for those with a prefix", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { maxLength: 6 }), async (rounds) => {
      const run = freshId("");
      const model = new Map<string, { courseId: string; ownerId: string }>();
      const idOf = (machine: number) => `${machine < 2 ? "g-" : "m-"}${run}-${machine}`;
      const countIn = (courseId: string, ownerId: string | null) =>
        store.machines.count({ courseIds: [courseId], ownerId }, ["g-"]);
      for (const steps of rounds) {
        const asked = steps.map((each) => {
          if (each.kind === "count") return countIn(each.courseId, each.owner + run);
          const id = idOf(each.machine);
          if (each.kind === "delete") {
            model.delete(id);
            return store.machines.delete(id);
          }
          const row = { id, courseId: each.courseId, ownerId: each.owner + run };
          if (!model.has(id)) model.set(id, row);
          return store.machines.create(newMachine(row));
        });
        await Promise.allSettled(asked);
        for (const courseId of COURSES) {
          for (const ownerId of [`a${run}`, `b${run}`]) {
            const counted = [...model].filter(
              ([id, row]) => !id.startsWith("g-") && row.courseId === courseId && row.ownerId === ownerId,
            );
            expect(await countIn(courseId, ownerId)).toBe(counted.length);
          }
        }
      }
      const whole = async () => (await Promise.all(COURSES.map((courseId) => countIn(courseId, null)))).join();
      const [before, made] = [await whole(), await store.machines.create(newMachine({ courseId: "first" }))];
      expect(await whole()).not.toBe(before);
      await store.machines.delete(made.id);
      expect(await whole()).toBe(before);
    }),
    { numRuns: 12 },
  );
});
