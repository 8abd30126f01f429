import { describe, expect, test } from "vitest";
import { assertPlain, NotPlainError } from "../../kernel/lib/plain.ts";

const refusal = (value: unknown): NotPlainError => {
  try {
    assertPlain(value);
  } catch (error) {
    if (error instanceof NotPlainError) return error;
    throw error;
  }
  throw new Error("was accepted");
};

test("plain state passes", () => {
  assertPlain({
    version: 1,
    threads: new Map([[1, { wait: null, x: new BigUint64Array(32), name: "init" }]]),
    list: [1n, "a", true, [[]]],
  });
});

describe("refused, with the path", () => {
  class Thing {
    value = 1;
  }
  const shared = { a: 1 };
  const buffer = new ArrayBuffer(16);
  test.each<[string, unknown, string, RegExp]>([
    ["a class instance", { a: { b: new Thing() } }, "a.b", /instance of Thing/],
    ["a function", [() => 1], "[0]", /function/],
    ["a symbol", { s: Symbol("x") }, "s", /symbol/],
    ["a promise", { p: Promise.resolve() }, "p", /Promise/],
    ["undefined", { u: undefined }, "u", /undefined/],
    [
      "an accessor",
      {
        get x() {
          return 1;
        },
      },
      "x",
      /accessor/,
    ],
    ["a hidden property", Object.defineProperty({}, "h", { value: 1 }), "h", /enumerable/],
    ["a name that is a symbol", { [Symbol("x")]: 1 }, "", /symbol/],
    ["no prototype", { o: Object.create(null) }, "o", /without a prototype/],
    ["a prototype with values", { o: Object.create({ inherited: 1 }) }, "o", /instance of Object|prototype/],
    ["a subclass of Map", { m: new (class Table extends Map {})() }, "m", /Table/],
    ["a host's Buffer", { b: Buffer.from("x") }, "b", /Buffer/],
    ["an object key", new Map([[{}, 1]]), "", /not a scalar/],
    ["a hole", Object.assign([], { length: 2 }), "[0]", /hole/],
    ["an array with a name", Object.assign([1], { extra: 1 }), "", /named/],
    ["a record keyed by number", { table: { 12: "x" } }, "table.12", /Map/],
    ["one object in two places", { first: shared, second: [shared] }, "second[0]", /same object as first/],
    [
      "two views of one buffer",
      { a: new Uint8Array(buffer), b: new Uint8Array(buffer) },
      "b",
      /shares its buffer with a/,
    ],
  ])("%s", (_, value, path, reason) => {
    const error = refusal(value);
    expect(error.path).toBe(path);
    expect(error.reason).toMatch(reason);
  });

  test("a cycle", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = { loop };
    expect(refusal(loop).message).toBe("self.loop is the same object as the root");
  });
});
