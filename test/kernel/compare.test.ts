/** Where two states differ, held against a model that flattens them; and where two page trees do. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { differingPages, PageTree, stateDifferences } from "../../kernel/index.ts";
import { encodePlain } from "../../kernel/lib/codec.ts";

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());

type Plain = unknown;

const plain: fc.Arbitrary<Plain> = fc.letrec<{ value: Plain }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom(null, true, "a", "b", 5n, 2n ** 63n),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("x", "y", "z"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc.array(fc.tuple(fc.nat(3), tie("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.uint8Array({ maxLength: 3 }),
  ),
})).value;

/** Every scalar with the way to it, and what there is of each compound: enough to tell any two values apart. */
function flatten(value: Plain, way = "", into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== "object" || value === null) return into.set(way, `${typeof value} ${value}`);
  const entries: [string, Plain][] =
    value instanceof Map
      ? [...value].map(([key, item]) => [`.get(${key})`, item])
      : ArrayBuffer.isView(value) || Array.isArray(value)
        ? Array.from(value as unknown[]).map((item, index) => [`[${index}]`, item])
        : Object.entries(value).map(([name, item]) => [way === "" ? name : `.${name}`, item]);
  const order = value instanceof Map ? entries.map(([key]) => key).join() : "";
  into.set(`${way}!`, `${Object.prototype.toString.call(value)} ${entries.length} ${order}`);
  for (const [step, item] of entries) flatten(item, way + step, into);
  return into;
}

function differingWays(left: Plain, right: Plain): string[] {
  const [a, b] = [flatten(left), flatten(right)];
  return [...new Set([...a.keys(), ...b.keys()])].filter((way) => a.get(way) !== b.get(way));
}

describe("differences of states", () => {
  test("are there exactly when there are any, and lie where the model sees them", () => {
    fc.assert(
      fc.property(plain, plain, (left, right) => {
        const found = stateDifferences(encodePlain(left), encodePlain(right), 1000);
        const ways = differingWays(left, right);
        expect(found.length === 0).toBe(ways.length === 0);
        for (const { path } of found) {
          const place = path.replace(/\.(length|keys\(\)\[\d+\])$/, "");
          expect(ways.some((way) => way.startsWith(place))).toBe(true);
        }
        // And nothing differs that lies below none of them.
        const places = found.map(({ path }) => path.replace(/\.(length|keys\(\)\[\d+\])$/, ""));
        for (const way of ways)
          expect(places.some((place) => way.startsWith(place) || place.startsWith(way.replace("!", "")))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("are the same from the other side, and no more than were asked for", () => {
    fc.assert(
      fc.property(plain, plain, fc.nat(3), (left, right, most) => {
        const [a, b] = [encodePlain(left), encodePlain(right)];
        const found = stateDifferences(a, b, most);
        expect(found.length).toBeLessThanOrEqual(most);
        expect(found).toEqual(stateDifferences(a, b, 1000).slice(0, most));
        const paths = (all: typeof found) =>
          new Set(all.map(({ path }) => path).filter((path) => !path.includes("keys()")));
        expect(paths(stateDifferences(b, a, 1000))).toEqual(paths(stateDifferences(a, b, 1000)));
      }),
      { numRuns: 200 },
    );
  });

  test("are told in words", () => {
    const left = { clock: { now: 5 }, tasks: new Map([[3, { name: "sh", registers: new BigUint64Array([1n, 2n]) }]]) };
    const right = {
      clock: { now: 5 },
      tasks: new Map([[3, { name: "ls", registers: new BigUint64Array([1n, 255n]) }]]),
    };
    expect(stateDifferences(encodePlain(left), encodePlain(right), 10)).toEqual([
      { path: "tasks.get(3).name", left: '"sh"', right: '"ls"' },
      { path: "tasks.get(3).registers[1]", left: "0x2", right: "0xff" },
    ]);
    expect(stateDifferences(encodePlain({ a: 1 }), encodePlain({ b: [1, 2] }), 10)).toEqual([
      { path: "a", left: "1", right: null },
      { path: "b", left: null, right: "an array of 2" },
    ]);
  });
});

describe("differing pages", () => {
  const trees = (pages: number, contents: Record<number, number>) =>
    PageTree.empty(pages).update(
      new Map(
        Object.entries(contents)
          .filter(([page, value]) => Number(page) < pages && value > 0)
          .map(([page, value]) => [Number(page), sha256(new Uint8Array([value]))]),
      ),
      sha256,
      () => {},
    );

  test("are those that a page by page comparison finds, also between machines of unequal size", () => {
    const size = fc.constantFrom(1, 127, 128, 129, 20_000);
    const content = fc.dictionary(fc.constantFrom("0", "1", "126", "127", "128", "16383", "16384", "19999"), fc.nat(2));
    fc.assert(
      fc.property(size, size, content, content, fc.nat(4), (sizeA, sizeB, a, b, most) => {
        const [left, right] = [trees(sizeA, a), trees(sizeB, b)];
        const both = Math.min(sizeA, sizeB);
        const expected = [0, 1, 126, 127, 128, 16383, 16384, 19999].filter(
          (page) => page < both && (a[page] ?? 0) !== (b[page] ?? 0),
        );
        expect(differingPages(left, right, most)).toEqual({ pages: expected.slice(0, most), count: expected.length });
      }),
      { numRuns: 100 },
    );
  });
});
