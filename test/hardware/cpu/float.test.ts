import { describe, expect, test } from "vitest";
import { iType, rType } from "./encode.ts";
import { ECALL, Fixture } from "./fixture.ts";
import { double, Random, single } from "./random_program.ts";

const NX = 1;
const UF = 2;
const OF = 4;
const DZ = 8;
const NV = 16;
const [RNE, RTZ, RDN, RUP, RMM] = [0, 1, 2, 3, 4];
const BOX = 0xffffffff00000000n;
const NAN = 0x7ff8000000000000n;

/** One machine for all: executes an instruction on f1, f2, f3 (and x5), result in f4 and x6. */
const fixture = new Fixture();

function execute(word: number, inputs: bigint[], x5 = 0n, fflags = 0): { f: bigint; x: bigint; flags: number } {
  fixture.core.f.set(inputs, 1);
  fixture.execute([iType(0x73, 5, 0, fflags, 3), word, ECALL], { 5: x5 });
  return { f: fixture.core.f[4]!, x: fixture.core.x[6]!, flags: fixture.core.saveHart().fcsr & 31 };
}

const bitsOf = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0]!;
const singleOf = (value: number): bigint => BOX | BigInt(new Uint32Array(new Float32Array([value]).buffer)[0]!);

const ADD = 0;
const SUB = 1;
const MUL = 2;
const DIV = 3;
const operation = (f5: number, rm: number, isDouble = 1) => rType(0x53, rm, (f5 << 2) | isDouble, 4, 1, 2);
const fused = (opcode: number, rm: number, isDouble = 1) =>
  (3 << 27) | (isDouble << 25) | (2 << 20) | (1 << 15) | (rm << 12) | (4 << 7) | opcode;
const toInteger = (kind: number, rm: number, isDouble = 1) => rType(0x53, rm, (0x18 << 2) | isDouble, 6, 1, kind);

describe("rounding", () => {
  test("one third in every mode", () => {
    const third = (rm: number) => execute(operation(DIV, rm), [bitsOf(1), bitsOf(3)]);
    for (const rm of [RNE, RTZ, RDN, RMM]) expect(third(rm!)).toMatchObject({ f: 0x3fd5555555555555n, flags: NX });
    expect(third(RUP!)).toMatchObject({ f: 0x3fd5555555555556n, flags: NX });
  });

  test("ties", () => {
    const tie = (rm: number, sign: number) => execute(operation(ADD, rm), [bitsOf(sign), bitsOf(sign * 2 ** -53)]).f;
    expect([RNE, RTZ, RDN, RUP, RMM].map((rm) => tie(rm!, 1) - bitsOf(1))).toEqual([0n, 0n, 0n, 1n, 1n]);
    expect([RNE, RTZ, RDN, RUP, RMM].map((rm) => tie(rm!, -1) - bitsOf(-1))).toEqual([0n, 0n, 1n, 0n, 1n]);
  });

  test("overflow goes to infinity or to the greatest finite number", () => {
    const max = bitsOf(Number.MAX_VALUE);
    const twice = (rm: number) => execute(operation(ADD, rm), [max, max]);
    for (const rm of [RNE, RUP, RMM]) expect(twice(rm!)).toMatchObject({ f: bitsOf(Infinity), flags: OF | NX });
    for (const rm of [RTZ, RDN]) expect(twice(rm!)).toMatchObject({ f: max, flags: OF | NX });
  });

  test("underflow is detected after rounding", () => {
    // All of these round up to the least normal number; only the second would with an unbounded exponent, too.
    const least = 0x0010000000000000n;
    const tiny = (factor: bigint) => execute(operation(MUL, RNE!), [0x3fefffffffffffffn, factor]);
    expect(tiny(least)).toMatchObject({ f: least, flags: UF | NX });
    expect(execute(operation(MUL, RNE!), [0x000fffffffffffffn, bitsOf(1 + 2 ** -52)])).toMatchObject({
      f: least,
      flags: NX,
    });
    expect(execute(operation(MUL, RUP!), [0x001fffffffffffffn, 0x3fe0000000000000n])).toMatchObject({
      f: least,
      flags: UF | NX,
    });
    expect(execute(operation(MUL, RNE!), [0x0000000000000001n, bitsOf(3)])).toMatchObject({ f: 3n, flags: 0 });
  });

  test("a sum that cancels is +0, or -0 when rounding down", () => {
    expect(execute(operation(SUB, RNE!), [bitsOf(5), bitsOf(5)]).f).toBe(0n);
    expect(execute(operation(SUB, RDN!), [bitsOf(5), bitsOf(5)]).f).toBe(1n << 63n);
  });

  test("fused multiply-add rounds once", () => {
    const x = bitsOf(1 + 2 ** -52);
    const y = bitsOf(1 - 2 ** -52);
    expect(execute(fused(0x43, RNE!), [x, y, bitsOf(-1)], 0n, NX)).toMatchObject({ f: bitsOf(-(2 ** -104)) });
    expect(execute(fused(0x4b, RNE!), [x, y, bitsOf(1)])).toMatchObject({ f: bitsOf(2 ** -104), flags: 0 });
    expect(execute(fused(0x43, RNE!), [bitsOf(Infinity), bitsOf(0), NAN])).toMatchObject({ f: NAN, flags: NV });
  });
});

describe("special values", () => {
  test("NaN results are canonical, and only signalling NaNs are invalid", () => {
    expect(execute(operation(ADD, RNE!), [0xfff8000000001234n, bitsOf(1)])).toMatchObject({ f: NAN, flags: 0 });
    expect(execute(operation(ADD, RNE!), [0x7ff0000000001234n, bitsOf(1)])).toMatchObject({ f: NAN, flags: NV });
    expect(execute(operation(SUB, RNE!), [bitsOf(Infinity), bitsOf(Infinity)])).toMatchObject({ f: NAN, flags: NV });
    expect(execute(operation(DIV, RNE!), [bitsOf(-1), bitsOf(0)])).toMatchObject({ f: bitsOf(-Infinity), flags: DZ });
    expect(execute(operation(0x0b, RNE!) & ~(31 << 20), [bitsOf(-1), 0n])).toMatchObject({ f: NAN, flags: NV });
    expect(execute(operation(0x0b, RNE!) & ~(31 << 20), [bitsOf(-0), 0n])).toMatchObject({ f: bitsOf(-0), flags: 0 });
  });

  test("a single that is not NaN-boxed reads as NaN", () => {
    expect(execute(operation(ADD, RNE!, 0), [0x3f800000n, singleOf(1)])).toMatchObject({
      f: BOX | 0x7fc00000n,
      flags: 0,
    });
  });

  test("fmin and fmax prefer numbers and order zeros", () => {
    const pick = (f3: number, a: bigint, b: bigint) => execute(operation(5, f3), [a, b]);
    expect(pick(0, bitsOf(0), bitsOf(-0)).f).toBe(bitsOf(-0));
    expect(pick(1, bitsOf(-0), bitsOf(0)).f).toBe(bitsOf(0));
    expect(pick(0, 0x7ff0000000000001n, bitsOf(3))).toMatchObject({ f: bitsOf(3), flags: NV });
    expect(pick(1, NAN | 5n, NAN | 6n)).toMatchObject({ f: NAN, flags: 0 });
  });

  test("feq is quiet, flt and fle are not", () => {
    const compare = (f3: number) => execute(rType(0x53, f3, 0x51, 6, 1, 2), [NAN, bitsOf(1)]);
    expect([compare(2), compare(1), compare(0)].map(({ x, flags }) => [x, flags])).toEqual([
      [0n, 0],
      [0n, NV],
      [0n, NV],
    ]);
  });

  test("fclass tells ten classes apart", () => {
    const values = [-Infinity, -1, -5e-324, -0, 0, 5e-324, 1, Infinity].map(bitsOf);
    const classes = [...values, 0x7ff0000000000001n, NAN].map((v) => execute(rType(0x53, 1, 0x71, 6, 1, 0), [v]).x);
    expect(classes).toEqual(Array.from({ length: 10 }, (_, i) => 1n << BigInt(i)));
  });
});

describe("conversions", () => {
  test("to integers saturate, and are invalid then", () => {
    const ONES = 2n ** 64n - 1n;
    const cases: [number, number, bigint][] = [
      [0, 2 ** 31, 0x7fffffffn],
      [0, -(2 ** 31) - 1, 0xffffffff80000000n],
      [0, Number.NaN, 0x7fffffffn],
      [1, 2 ** 32, ONES],
      [1, -1, 0n],
      [2, 2 ** 63, 2n ** 63n - 1n],
      [2, -Infinity, 2n ** 63n],
      [3, 2 ** 64, ONES],
      [3, -1, 0n],
    ];
    for (const [kind, value, result] of cases) {
      expect(execute(toInteger(kind, RTZ!), [bitsOf(value)]), `${kind} ${value}`).toMatchObject({
        x: result,
        flags: NV,
      });
    }
    expect(execute(toInteger(1, RTZ!), [bitsOf(-0.9)])).toMatchObject({ x: 0n, flags: NX });
    expect(execute(toInteger(0, RNE!), [bitsOf(2.5)])).toMatchObject({ x: 2n, flags: NX });
    expect(execute(toInteger(0, RMM!), [bitsOf(2.5)])).toMatchObject({ x: 3n, flags: NX });
    expect(execute(toInteger(0, RUP!), [bitsOf(2147483646.5)])).toMatchObject({ x: 0x7fffffffn, flags: NX });
    expect(execute(toInteger(0, RUP!), [bitsOf(2147483647.5)])).toMatchObject({ x: 0x7fffffffn, flags: NV });
  });

  test("from integers round", () => {
    const from = (kind: number, rm: number, x: bigint) => execute(rType(0x53, rm, 0x69, 4, 5, kind), [0n], x);
    expect(from(2, RNE!, 2n ** 63n - 1n)).toMatchObject({ f: bitsOf(2 ** 63), flags: NX });
    expect(from(2, RTZ!, 2n ** 63n - 1n)).toMatchObject({ f: bitsOf(2 ** 63) - 1n, flags: NX });
    expect(from(0, RNE!, 0xffffffffn)).toMatchObject({ f: bitsOf(-1), flags: 0 });
    expect(from(1, RNE!, 0xffffffffn)).toMatchObject({ f: bitsOf(2 ** 32 - 1), flags: 0 });
  });
});

describe("the paths through the host's instructions", () => {
  test("give what the exact path gives, whatever the inexact flag was", () => {
    const random = new Random(20_000);
    for (let n = 0; n < 20_000; n++) {
      const isDouble = random.below(2);
      const value = () => (isDouble ? double(random) : single(random));
      const a = value();
      const b = value();
      const word = random.chance(40)
        ? fused(random.pick([0x43, 0x47, 0x4b, 0x4f]), RNE!, isDouble)
        : operation(random.pick([ADD, SUB, MUL, DIV]), RNE!, isDouble);
      const inputs = [a, b, random.chance(30) ? a ^ (1n << 63n) : value()];
      const clear = execute(word, inputs);
      const set = execute(word, inputs, 0n, NX);
      expect([set.f, set.flags], `${word.toString(16)} on ${inputs.map((v) => v.toString(16))}`).toEqual([
        clear.f,
        clear.flags | NX,
      ]);
    }
  });
});
