/** The canonical codec: what goes in comes out, equal states give equal bytes, and no bytes can do harm. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodecError, decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import { NotPlainError } from "../../kernel/lib/plain.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (...values: number[]): Uint8Array => new Uint8Array([0x4f, 1, ...values]);

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
);
const view = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.uint16Array(),
  fc.int16Array(),
  fc.uint32Array(),
  fc.int32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
);
const name = fc.string().filter((text) => text !== "__proto__");
const { plain } = fc.letrec((tie) => ({
  plain: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    view,
    fc.array(tie("plain"), { maxLength: 5 }),
    fc.dictionary(name, tie("plain"), { maxKeys: 5, noNullPrototype: true }),
    fc
      .array(fc.tuple(scalar, tie("plain")), { maxLength: 5 })
      .map((entries) => new Map(entries as [unknown, unknown][])),
  ),
}));

describe("what goes in comes out", () => {
  test("for any plain value", () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(decodePlain(encodePlain(value))).toStrictEqual(value);
      }),
    );
  });

  test("with the sign of zero and the order of a Map", () => {
    const map = new Map<unknown, number>([
      ["b", 1],
      ["a", 2],
      [3, 3],
      [1n, -0],
    ]);
    const back = decodePlain(encodePlain(map)) as Map<unknown, number>;
    expect([...back.keys()]).toEqual(["b", "a", 3, 1n]);
    expect(Object.is(back.get(1n), -0)).toBe(true);
  });

  test("with a lone surrogate, which no UTF-8 could hold", () => {
    for (const text of ["\ud800", "x\udc00y", "\udc00\ud800", "\ud800\ud800\udc00"]) {
      expect(decodePlain(encodePlain(text))).toBe(text);
    }
  });

  test("for a megabyte of state", () => {
    const threads = Array.from(
      { length: 2500 },
      (_, id) => [id, { id, x: new BigUint64Array(32).fill(BigInt(id)) }] as const,
    );
    const state = { threads: new Map(threads), text: "é".repeat(100_000) };
    expect(decodePlain(encodePlain(state))).toStrictEqual(state);
  });
});

describe("equal states give equal bytes", () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (value instanceof Map) return new Map([...value].map(([key, element]) => [key, shuffled(element)]));
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, element]) => [key, shuffled(element)]),
    );
  };

  test("whatever the order of a record's names", () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(hex(encodePlain(shuffled(value)))).toBe(hex(encodePlain(value)));
      }),
    );
  });

  test("whatever the bits of a NaN", () => {
    const odd = new Float64Array(new BigUint64Array([0xfff8000000000001n, 0x3ff0000000000000n]).buffer);
    expect(hex(encodePlain(odd))).toBe(hex(encodePlain(new Float64Array([Number.NaN, 1]))));
    expect(hex(encodePlain(odd[0]))).toBe(hex(encodePlain(Number.NaN)));
    const short = new Float32Array(new Uint32Array([0xffc00001]).buffer);
    expect(hex(encodePlain(short))).toBe(hex(encodePlain(new Float32Array([Number.NaN]))));
  });

  test("and different states different bytes", () => {
    const different = [
      0,
      -0,
      0n,
      "0",
      false,
      null,
      [],
      {},
      new Map(),
      new Uint8Array(),
      new Int8Array(),
      [0],
      [[]],
      "",
      0.5,
    ];
    expect(new Set(different.map((value) => hex(encodePlain(value)))).size).toBe(different.length);
  });

  test("and the bytes themselves stay what they are", () => {
    const value = {
      b: [1, -1, 0.5, 300],
      a: new Map<number, unknown>([[7, 2n ** 64n]]),
      c: new Uint16Array([1, 2]),
      d: "hé",
    };
    const written =
      "4f010a0401610b010307060900000000000000000101620904030104000500000000" +
      "0000e03f03ac0201630c0402010002000164080368c3a9";
    expect(hex(encodePlain(value))).toBe(written);
  });
});

describe("what cannot be saved is refused with its place", () => {
  class Thing {}
  test.each([
    ["a function", { a: [{ f: () => 1 }] }, "a[0].f"],
    ["undefined", { a: undefined }, "a"],
    ["a class instance", { list: new Map([[3, new Thing()]]) }, "list.get(3)"],
    ["a symbol", [Symbol("s")], "[0]"],
    ["a Date", { when: new Date(0) }, "when"],
    ["a Set", { s: new Set() }, "s"],
    ["a DataView", { v: new DataView(new ArrayBuffer(1)) }, "v"],
  ])("%s", (_, value, path) => {
    expect(() => encodePlain(value)).toThrow(NotPlainError);
    expect(() => encodePlain(value)).toThrow(path);
  });

  test("a cycle", () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => encodePlain(loop)).toThrow(/same object as/);
  });
});

describe("hostile bytes give a typed error", () => {
  const error = (bytes: Uint8Array): CodecError => {
    try {
      decodePlain(bytes);
    } catch (thrown) {
      if (thrown instanceof CodecError) return thrown;
      throw thrown;
    }
    throw new Error("was accepted");
  };

  test("whatever they are; what is accepted is exactly what encoding it gives", () => {
    const damaged = fc
      .tuple(plain, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }))
      .map(([value, edits]) => {
        const bytes = encodePlain(value);
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
        return bytes;
      });
    const random = fc.uint8Array({ maxLength: 60 }).map((bytes) => bytesOf(...bytes));
    fc.assert(
      fc.property(fc.oneof(damaged, random), (bytes) => {
        let value: unknown;
        try {
          value = decodePlain(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(CodecError);
          return;
        }
        expect(hex(encodePlain(value))).toBe(hex(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  test("cut short anywhere", () => {
    const whole = encodePlain({ a: [1, "text", 5n, 0.5], m: new Map([[1, new Uint32Array(3)]]) });
    for (let length = 0; length < whole.length; length++) expect(error(whole.subarray(0, length)).code).toBe("corrupt");
    expect(error(new Uint8Array([...whole, 0])).message).toContain("left over");
  });

  test.each([
    ["a count beyond the bytes", bytesOf(9, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ["a number beyond 2^53", bytesOf(3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)],
    ["a long form of a small number", bytesOf(3, 0x80, 0)],
    ["an integer as float", bytesOf(5, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)],
    ["another NaN", bytesOf(5, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f)],
    ["names out of order", bytesOf(10, 2, 1, 98, 0, 1, 97, 0)],
    ["a name twice", bytesOf(10, 2, 1, 97, 0, 1, 97, 0)],
    ["a prototype", bytesOf(10, 1, 9, ...Buffer.from("__proto__"), 10, 0)],
    ["a Map's key twice", bytesOf(11, 2, 0, 0, 0, 0)],
    ["a Map keyed by an array", bytesOf(11, 1, 9, 0, 0)],
    ["overlong UTF-8", bytesOf(8, 2, 0xc0, 0x80)],
    ["a pair in two pieces", bytesOf(8, 6, 0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80)],
    ["an unknown kind of array", bytesOf(12, 11, 0)],
    ["an unknown tag", bytesOf(13)],
  ])("%s", (_, bytes) => {
    expect(error(bytes).code).toBe("corrupt");
  });

  test("nesting without end, as a limit", () => {
    const nested = new Uint8Array(200_002).fill(1);
    nested.set([0x4f, 1]);
    for (let at = 2; at < nested.length; at += 2) nested[at] = 9;
    expect(error(nested).code).toBe("limit");
  });

  test("a newer codec, as a version", () => {
    expect(error(new Uint8Array([0x4f, 2, 0])).code).toBe("version");
  });
});
