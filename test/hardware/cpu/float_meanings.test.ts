/**
 * The rows of floating point, one by one: what interpreter and translator make of them, against the host's arithmetic and
 * exact arithmetic of fractions. Flags and the other rounding modes: float.test.ts, and the comparison with QEMU.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FloatInstruction, floatInstructions } from "../../../kernel/hardware/cpu/rv64/instructions/float.ts";
import { CODE, CoreStop } from "./fixture.ts";
import { Machine, RX } from "./machine.ts";
import { loop, ways } from "./ways.ts";

const BOX = 0xffffffff00000000n;
const bytes = new DataView(new ArrayBuffer(8));

/** Values of a format as the bits of a register, and back; all NaNs are the canonical one. */
interface Format {
  bits: (value: number) => bigint;
  value: (bits: bigint) => number;
  round: (value: number) => number;
}
const double: Format = {
  bits: (value) => {
    bytes.setFloat64(0, value);
    return Number.isNaN(value) ? 0x7ff8000000000000n : bytes.getBigUint64(0);
  },
  value: (bits) => {
    bytes.setBigUint64(0, bits);
    return bytes.getFloat64(0);
  },
  round: (value) => value,
};
const isBoxed = (bits: bigint): boolean => bits >> 32n === 0xffffffffn;
const single: Format = {
  bits: (value) => {
    bytes.setFloat32(0, value);
    return BOX | (Number.isNaN(value) ? 0x7fc00000n : BigInt(bytes.getUint32(0)));
  },
  value: (bits) => {
    bytes.setUint32(0, Number(bits & 0xffffffffn));
    return isBoxed(bits) ? bytes.getFloat32(0) : Number.NaN;
  },
  round: Math.fround,
};

const SIGN = { double: 1n << 63n, single: 1n << 31n };
const isSmaller = (a: number, b: number): boolean => a < b || (a === b && Object.is(a, -0));

/** mantissa * 2^exponent. */
function parts(value: number): [mantissa: bigint, exponent: number] {
  bytes.setFloat64(0, value);
  const bits = bytes.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = field === 0 ? fraction : fraction | (1n << 52n);
  return [bits >> 63n ? -mantissa : mantissa, Math.max(field, 1) - 1075];
}

/** To nearest, ties to even, with so many bits, none of them below 2^least. */
function nearest(exact: bigint, exponent: number, width: number, least: number): number {
  let magnitude = exact < 0n ? -exact : exact;
  const dropped = Math.max(magnitude.toString(2).length - width, least - exponent, 0);
  const rest = BigInt.asUintN(dropped, magnitude);
  const half = dropped === 0 ? 1n : 1n << BigInt(dropped - 1);
  magnitude >>= BigInt(dropped);
  if (rest > half || (rest === half && (magnitude & 1n) === 1n)) magnitude++;
  const value = Number(magnitude) * 2 ** (exponent + dropped);
  return exact < 0n ? -value : value;
}

function fused(a: number, b: number, c: number, isDouble: boolean): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return a * b + c;
  if (!Number.isFinite(c)) return c;
  const [[ma, ea], [mb, eb], [mc, ec]] = [parts(a), parts(b), parts(c)];
  const exponent = Math.min(ea + eb, ec);
  const exact = ((ma * mb) << BigInt(ea + eb - exponent)) + (mc << BigInt(ec - exponent));
  if (exact === 0n) return a * b + c;
  return isDouble ? nearest(exact, exponent, 53, -1074) : Math.fround(nearest(exact, exponent, 24, -149));
}

function toInteger(value: number, width: number, signed: boolean): bigint {
  const top = signed ? 2n ** BigInt(width - 1) - 1n : 2n ** BigInt(width) - 1n;
  const least = signed ? -top - 1n : 0n;
  if (Number.isNaN(value)) return top;
  if (!Number.isFinite(value)) return value > 0 ? top : least;
  const below = Math.floor(value);
  const isUp = value - below > 0.5 || (value - below === 0.5 && below % 2 !== 0);
  const whole = BigInt(below) + (isUp ? 1n : 0n);
  return whole > top ? top : whole < least ? least : whole;
}

function classOf(bits: bigint, value: number, isDouble: boolean): bigint {
  if (Number.isNaN(value)) return (bits >> (isDouble ? 51n : 22n)) & 1n ? 1n << 9n : 1n << 8n;
  const magnitude = Math.abs(value);
  const least = isDouble ? 2 ** -1022 : 2 ** -126;
  const size = magnitude === 0 ? 3 : magnitude < least ? 2 : magnitude < Infinity ? 1 : 0;
  return 1n << BigInt(value < 0 || Object.is(value, -0) ? size : 7 - size);
}

/** By mnemonic, of values; what is given to rd. */
const arithmetic: Record<string, (a: number, b: number, c: number, isDouble: boolean) => number> = {
  fadd: (a, b) => a + b,
  fsub: (a, b) => a - b,
  fmul: (a, b) => a * b,
  fdiv: (a, b) => a / b,
  fsqrt: (a) => Math.sqrt(a),
  fmin: (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) || isSmaller(a, b) ? a : b),
  fmax: (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) || isSmaller(b, a) ? a : b),
  fmadd: fused,
  fmsub: (a, b, c, isDouble) => fused(a, b, -c, isDouble),
  fnmsub: (a, b, c, isDouble) => fused(-a, b, c, isDouble),
  fnmadd: (a, b, c, isDouble) => fused(-a, b, -c, isDouble),
  "fcvt.d": (a) => a,
  "fcvt.s": (a) => a,
};
const comparisons: Record<string, (a: number, b: number) => boolean> = {
  feq: (a, b) => a === b,
  flt: (a, b) => a < b,
  fle: (a, b) => a <= b,
};
const signs: Record<string, (a: bigint, b: bigint) => bigint> = {
  fsgnj: (_, b) => b,
  fsgnjn: (_, b) => ~b,
  fsgnjx: (a, b) => a ^ b,
};

/** What rd becomes of three registers as bits, and an integer. */
function specified(row: FloatInstruction, registers: readonly bigint[], x: bigint): bigint {
  const isDouble = row.double;
  const to = isDouble ? double : single;
  const source = row.mnemonic === "fcvt.s.d" ? double : row.mnemonic === "fcvt.d.s" ? single : to;
  const [a, b, c] = registers.map(source.value) as [number, number, number];
  const verb = row.mnemonic.replace(/\.[sd]$/, "");
  const compare = comparisons[verb];
  if (compare) return compare(a, b) ? 1n : 0n;
  if (verb === "fclass") return classOf(isDouble || isBoxed(registers[0]!) ? registers[0]! : 0x7fc00000n, a, isDouble);
  if (row.integer && row.form.name === "toInteger")
    return BigInt.asUintN(64, BigInt.asIntN(row.integer.width, toInteger(a, row.integer.width, row.integer.signed)));
  if (row.integer) {
    const { width, signed } = row.integer;
    const whole = signed ? BigInt.asIntN(width, x) : BigInt.asUintN(width, x);
    return to.bits(isDouble ? Number(whole) : nearest(whole, 0, 24, -149));
  }
  const sign = signs[verb];
  if (sign) {
    const top = isDouble ? SIGN.double : SIGN.single;
    const [p, q] = registers.map((bits) => (isDouble || isBoxed(bits) ? bits : BOX | 0x7fc00000n)) as [bigint, bigint];
    return BigInt.asUintN(64, (p & ~top) | (sign(p, q) & top));
  }
  return to.bits(to.round(arithmetic[verb]!(a, b, c, isDouble)));
}

const special = [
  0,
  -0,
  1,
  -1,
  0.5,
  1.5,
  2.5,
  Infinity,
  -Infinity,
  Number.NaN,
  5e-324,
  2 ** -1022,
  2 ** -126,
  Number.MAX_VALUE,
  2 ** 31,
  2 ** 63,
  -(2 ** 31),
  1 / 3,
];
const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const doubles = fc.oneof(
  fc.constantFrom(...special).map(double.bits),
  word,
  fc.double({ min: -1e6, max: 1e6 }).map(double.bits),
);
const singles = fc.oneof(
  fc.constantFrom(...special).map(single.bits),
  word.map((bits) => BOX | bits),
  word,
  fc.double({ min: -1e6, max: 1e6 }).map(single.bits),
);

/** f14 or x14 becomes something of f10, f11, f12 or x10. */
function encoded({ form, match }: FloatInstruction, mode: number): number {
  const fields = (14 << 7) | (10 << 15) | (form.rs2 ? 11 << 20 : 0) | (form.rs3 ? 12 << 27 : 0);
  return match | fields | (form.text.includes("rm") ? mode << 12 : 0);
}

describe.each(Object.entries(ways))("floating point in the %s", (_way, made) => {
  const translations = made();
  const machine = new Machine(64, undefined, null, translations);
  const page = machine.mapFresh(CODE, 1, RX);
  const { core } = machine;

  const again = ([a, b, c]: readonly bigint[], x: bigint, fcsr: number): CoreStop => {
    core.loadHart({ ...core.saveHart(), fcsr });
    core.f.set([a!, b!, c!], 10);
    core.x.set([x], 10);
    core.x.set([3n, 0n], 13);
    core.setPc(CODE);
    return core.run(100);
  };
  const run = (instruction: number, registers: readonly bigint[], x: bigint, fcsr = 0): CoreStop => {
    machine.code(page, loop(instruction));
    return again(registers, x, fcsr);
  };

  test("every row", () => {
    for (const row of floatInstructions) {
      const value = (row.mnemonic === "fcvt.s.d" || row.double) && row.mnemonic !== "fcvt.d.s" ? doubles : singles;
      const integers = fc.oneof(
        word,
        fc.bigInt({ min: -20n, max: 20n }).map((of) => BigInt.asUintN(64, of)),
      );
      fc.assert(
        fc.property(
          fc.tuple(value, value, value),
          integers,
          fc.constantFrom(0, 7),
          fc.constantFrom(0, 1),
          (registers, x, mode, flags) => {
            const stop = run(encoded(row, mode), registers, x, flags);
            const result = typeof row.form.rd === "object" && row.form.rd.file === "x" ? core.x[14] : core.f[14];
            expect([row.mnemonic, stop, result]).toEqual([row.mnemonic, CoreStop.ecall, specified(row, registers, x)]);
          },
        ),
        { numRuns: 40 },
      );
    }
    if (translations) expect(translations.count).toBeGreaterThan(floatInstructions.length);
  });

  test("a reserved dynamic rounding mode is illegal, also where nothing is rounded", () => {
    const rounding = floatInstructions.filter(({ form }) => form.text.includes("rm"));
    const one = [double.bits(1), double.bits(1), double.bits(1)];
    const done = rounding.filter((row) => {
      run(encoded(row, 7), one, 1n);
      return again(one, 1n, 5 << 5) !== CoreStop.illegalInstruction;
    });
    expect(done.map(({ mnemonic }) => mnemonic)).toEqual([]);
  });
});
