/**
 * Whose turn it is, held against the ideal that fair shares are made after: a processor that is divided without end among
 * those who can run. No clock takes part: what a turn costs is drawn.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LENT_MS, type Share, Shares, type WeightOf } from "../../api/hosting/worker/shares.ts";
import { Weights } from "../../api/hosting/worker/weights.ts";

const MOST_COST = 5;

interface Runner {
  name: string;
  path: { name: string; weight: number }[];
}

const weight = fc.integer({ min: 1, max: 4 });
/** Courses of users of machines, with weights. */
const population: fc.Arbitrary<Runner[]> = fc
  .array(fc.tuple(weight, fc.array(fc.tuple(weight, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 3 })), {
    minLength: 1,
    maxLength: 3,
  })
  .map((courses) =>
    courses.flatMap(([courseWeight, users], c) =>
      users.flatMap(([userWeight, machines], u) =>
        Array.from({ length: machines }, (_, m) => ({
          name: `m${c}.${u}.${m}`,
          path: [
            { name: `course${c}`, weight: courseWeight },
            { name: `user${c}.${u}`, weight: userWeight },
          ],
        })),
      ),
    ),
  );

const shareOf = ({ path }: Runner): Share => path.map(({ name }) => name);
const keyOf = (share: Share): string => share.join("/");

function weightsOf(runners: readonly Runner[]): WeightOf {
  const weights = new Map<string, number>();
  for (const runner of runners)
    for (const [level, { weight }] of runner.path.entries())
      weights.set(keyOf(shareOf(runner).slice(0, level + 1)), weight);
  return (share) => weights.get(keyOf(share))!;
}

const sharesOf = (runners: readonly Runner[]): Shares => {
  const shares = new Shares(weightsOf(runners));
  for (const runner of runners) shares.add(runner.name, shareOf(runner));
  return shares;
};

/** What of one unit of time each can have who can run: divided by weight on every level, among those that are there. */
function ideal(runners: readonly Runner[]): Map<string, number> {
  const portions = new Map<string, number>();
  const divide = (of: readonly Runner[], level: number, portion: number): void => {
    if (of.length === 0) return;
    if (level === of[0]!.path.length) {
      for (const { name } of of) portions.set(name, portion / of.length);
      return;
    }
    const groups = Map.groupBy(of, (runner) => keyOf(shareOf(runner).slice(0, level + 1)));
    const weights = [...groups.values()].map(([first]) => first!.path[level]!.weight);
    const all = weights.reduce((sum, each) => sum + each, 0);
    for (const [index, group] of [...groups.values()].entries())
      divide(group, level + 1, (portion * weights[index]!) / all);
  };
  divide(runners, 0, 1);
  return portions;
}

/** A generator of costs that a failing run can be repeated with. */
function costsFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 1 + (state % MOST_COST);
  };
}

/** Lets them take turns; returns what each has had. `favoured` are typed at before every turn. */
function take(
  shares: Shares,
  able: ReadonlySet<string>,
  turns: number,
  cost: () => number,
  favoured: readonly string[],
) {
  const had = new Map<string, number>();
  for (let turn = 0; turn < turns; turn++) {
    for (const name of favoured) shares.favour(name);
    const name = shares.next((each) => able.has(each))!;
    expect(able.has(name)).toBe(true);
    const charged = cost();
    shares.charge(name, charged);
    had.set(name, (had.get(name) ?? 0) + charged);
  }
  return had;
}

describe("shares of a worker", () => {
  test("are as ideal ones but for a few turns, on every level, whatever happened before", () => {
    fc.assert(
      fc.property(population, fc.integer(), fc.array(fc.nat(), { maxLength: 6 }), (runners, seed, before) => {
        const shares = sharesOf(runners);
        const cost = costsFrom(seed);
        // Some time in which only some could run: it gives nobody anything to make up for.
        for (const pick of before) take(shares, new Set([runners[pick % runners.length]!.name]), 7, cost, []);
        const able = new Set(runners.map(({ name }) => name));
        const had = take(shares, able, 400, cost, []);
        const all = [...had.values()].reduce((sum, each) => sum + each, 0);
        for (const [name, portion] of ideal(runners)) {
          const missing = portion * all - (had.get(name) ?? 0);
          // What the others may be ahead on each of three levels: a turn each, and what one had alone before counts as had.
          expect(missing).toBeLessThanOrEqual(3 * (MOST_COST * (runners.length + 1) + 7 * MOST_COST * before.length));
        }
      }),
      { numRuns: 60 },
    );
  });

  test("are by new weights from the next turn on, whoever was ahead when they came", () => {
    fc.assert(
      fc.property(
        population,
        fc.integer(),
        fc.infiniteStream(fc.constantFrom(1, 10, 1_000)),
        (runners, seed, drawn) => {
          const shares = sharesOf(runners);
          const cost = costsFrom(seed);
          const able = new Set(runners.map(({ name }) => name));
          take(shares, able, 50, cost, []);
          const drawnOf = new Map<string, number>();
          const redraw = (key: string): number => {
            if (!drawnOf.has(key)) drawnOf.set(key, drawn.next().value);
            return drawnOf.get(key)!;
          };
          const reweighed = runners.map((runner) => {
            const keys = runner.path.map((_, level) => keyOf(shareOf(runner).slice(0, level + 1)));
            return { ...runner, path: runner.path.map(({ name }, level) => ({ name, weight: redraw(keys[level]!) })) };
          });
          shares.reweigh(weightsOf(reweighed));
          const had = take(shares, able, 400, cost, []);
          const all = [...had.values()].reduce((sum, each) => sum + each, 0);
          for (const [name, portion] of ideal(reweighed)) {
            const missing = portion * all - (had.get(name) ?? 0);
            // A turn's worth that each was ahead, and a turn each, on each of three levels.
            expect(missing).toBeLessThanOrEqual(3 * 2 * MOST_COST * (runners.length + 1));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("are the same for the others, but for what is lent, however much somebody types", () => {
    fc.assert(
      fc.property(population, fc.integer(), fc.nat(), (runners, seed, pick) => {
        const shares = sharesOf(runners);
        const typist = runners[pick % runners.length]!;
        const had = take(shares, new Set(runners.map(({ name }) => name)), 2_000, costsFrom(seed), [typist.name]);
        const all = [...had.values()].reduce((sum, each) => sum + each, 0);
        const portion = ideal(runners).get(typist.name)!;
        const ahead = (had.get(typist.name) ?? 0) - portion * all;
        expect(ahead).toBeLessThanOrEqual(4 * LENT_MS + 3 * MOST_COST * (runners.length + 1));
      }),
      { numRuns: 30 },
    );
  });

  test("somebody's turn comes exactly when somebody can run", () => {
    fc.assert(
      fc.property(population, fc.array(fc.tuple(fc.nat(), fc.boolean()), { maxLength: 40 }), (runners, changes) => {
        const shares = sharesOf(runners);
        const able = new Set<string>();
        for (const [pick, can] of changes) {
          const { name } = runners[pick % runners.length]!;
          if (can) able.add(name);
          else able.delete(name);
          const next = shares.next((each) => able.has(each));
          expect(next === null).toBe(able.size === 0);
          if (next !== null) {
            expect(able.has(next)).toBe(true);
            shares.charge(next, 1);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("tell what everybody had, and what was charged while he could run", () => {
    fc.assert(
      fc.property(population, fc.integer(), fc.array(fc.array(fc.nat(), { minLength: 1 })), (runners, seed, phases) => {
        const shares = sharesOf(runners);
        const cost = costsFrom(seed);
        const expected = new Map(runners.map(({ name }) => [name, { chargedMs: 0, wantedMs: 0 }]));
        for (const picks of phases) {
          const able = new Set(picks.map((pick) => runners[pick % runners.length]!.name));
          for (const [name, charged] of take(shares, able, 5, cost, [])) {
            expected.get(name)!.chargedMs += charged;
            for (const each of able) expected.get(each)!.wantedMs += charged;
          }
        }
        const all = { chargedMs: 0, wantedMs: 0 };
        for (const [name, use] of expected) {
          expect(shares.takeUse(name)).toMatchObject(use);
          all.chargedMs += use.chargedMs;
          all.wantedMs += use.wantedMs;
        }
        expect(shares.use).toMatchObject(all);
      }),
      { numRuns: 60 },
    );
  });

  test("one student's hundred endless loops leave another half", () => {
    const path = (name: string) => [{ name, weight: 1 }];
    const loops = Array.from({ length: 100 }, (_, index) => ({ name: `loop${index}`, path: path("greedy") }));
    const shares = sharesOf([...loops, { name: "modest", path: path("modest") }]);
    const able = new Set([...loops.map(({ name }) => name), "modest"]);
    const had = take(shares, able, 2_000, () => 1, []);
    expect(Math.abs(had.get("modest")! - 1_000)).toBeLessThanOrEqual(2);
  });

  test("who is typed at goes first, and who has gone is forgotten", () => {
    const path = (name: string) => [{ name, weight: 1 }];
    const shares = sharesOf(["a", "b", "c"].map((name) => ({ name, path: path(name) })));
    const able = () => true;
    for (let turn = 0; turn < 30; turn++) shares.charge(shares.next(able)!, 1);
    shares.favour("c");
    for (let turn = 0; turn < 20; turn++) {
      expect(shares.next(able)).toBe("c");
      shares.charge("c", 1);
    }
    shares.delete("c");
    expect(["a", "b"]).toContain(shares.next(able));
    shares.delete("a");
    shares.delete("b");
    expect(shares.next(able)).toBeNull();
  });
});

test("a weight is the member's own, or what the course gives each, or an ordinary one; a course's is no member's", () => {
  const weights = new Weights([
    { courseId: "os", userId: "", weight: 300 },
    { courseId: "os", userId: "*", weight: 50 },
    { courseId: "os", userId: "ada", weight: 200 },
    { courseId: "db", userId: "eve", weight: 1 },
  ]);
  const of = (...share: string[]) => weights.of(share);
  expect([of("os"), of("db"), of("ai")]).toEqual([300, 100, 100]);
  expect([of("os", "ada"), of("os", "eve"), of("db", "ada"), of("db", "eve")]).toEqual([200, 50, 100, 1]);
});
