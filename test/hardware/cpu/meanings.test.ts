/**
 * The rows of the table of instructions, one by one: what interpreter and translator make of a meaning, against the
 * specification in arithmetic of whole numbers.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forms } from "../../../kernel/hardware/cpu/rv64/instructions/form.ts";
import {
  type IntegerInstruction,
  integerInstructions,
  jumpInstructions,
} from "../../../kernel/hardware/cpu/rv64/instructions/table.ts";
import { addi, CODE, CoreStop, ECALL } from "./fixture.ts";
import { Machine, RX } from "./machine.ts";
import { loop, ways } from "./ways.ts";

const EBREAK = 0x100073;
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s32 = (value: bigint): bigint => BigInt.asIntN(32, value);
const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);
const leading = (value: bigint, width: number): bigint => BigInt(width - (value === 0n ? 0 : value.toString(2).length));
const trailing = (value: bigint, width: number): bigint =>
  value === 0n ? BigInt(width) : BigInt(value.toString(2).length - value.toString(2).lastIndexOf("1") - 1);
const ones = (value: bigint): bigint => BigInt([...value.toString(2)].filter((digit) => digit === "1").length);
const bytes = (value: bigint): bigint[] => Array.from({ length: 8 }, (_, i) => (value >> BigInt(8 * i)) & 0xffn);
const packed = (of: readonly bigint[]): bigint => of.reduce((sum, byte, i) => sum | (byte << BigInt(8 * i)), 0n);
const rotated = (value: bigint, by: bigint, width: bigint): bigint => (value >> by) | (value << (width - by));
const divided = (a: bigint, b: bigint): bigint => (b === 0n ? -1n : a / b);
const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b);

/** By mnemonic, of two registers as signed numbers; the second is the immediate where there is one. */
const specified: Record<string, (a: bigint, b: bigint) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => (a < b ? 1n : 0n),
  sltu: (a, b) => (u64(a) < u64(b) ? 1n : 0n),
  xor: (a, b) => a ^ b,
  srl: (a, b) => u64(a) >> (b & 63n),
  sra: (a, b) => a >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  addw: (a, b) => s32(a + b),
  subw: (a, b) => s32(a - b),
  sllw: (a, b) => s32(a << (b & 31n)),
  srlw: (a, b) => s32(u32(a) >> (b & 31n)),
  sraw: (a, b) => s32(a) >> (b & 31n),
  mul: (a, b) => a * b,
  mulh: (a, b) => (a * b) >> 64n,
  mulhsu: (a, b) => (a * u64(b)) >> 64n,
  mulhu: (a, b) => (u64(a) * u64(b)) >> 64n,
  div: divided,
  divu: (a, b) => divided(u64(a), u64(b)),
  rem: remainder,
  remu: (a, b) => remainder(u64(a), u64(b)),
  mulw: (a, b) => s32(a * b),
  divw: (a, b) => s32(divided(s32(a), s32(b))),
  divuw: (a, b) => s32(divided(u32(a), u32(b))),
  remw: (a, b) => s32(remainder(s32(a), s32(b))),
  remuw: (a, b) => s32(remainder(u32(a), u32(b))),
  sh1add: (a, b) => (a << 1n) + b,
  sh2add: (a, b) => (a << 2n) + b,
  sh3add: (a, b) => (a << 3n) + b,
  "add.uw": (a, b) => u32(a) + b,
  "sh1add.uw": (a, b) => (u32(a) << 1n) + b,
  "sh2add.uw": (a, b) => (u32(a) << 2n) + b,
  "sh3add.uw": (a, b) => (u32(a) << 3n) + b,
  "slli.uw": (a, b) => u32(a) << (b & 63n),
  andn: (a, b) => a & ~b,
  orn: (a, b) => a | ~b,
  xnor: (a, b) => ~(a ^ b),
  clz: (a) => leading(u64(a), 64),
  ctz: (a) => trailing(u64(a), 64),
  cpop: (a) => ones(u64(a)),
  clzw: (a) => leading(u32(a), 32),
  ctzw: (a) => trailing(u32(a), 32),
  cpopw: (a) => ones(u32(a)),
  max: (a, b) => ([a, b] as const)[a > b ? 0 : 1],
  maxu: (a, b) => (u64(a) > u64(b) ? a : b),
  min: (a, b) => ([a, b] as const)[a < b ? 0 : 1],
  minu: (a, b) => (u64(a) < u64(b) ? a : b),
  "sext.b": (a) => BigInt.asIntN(8, a),
  "sext.h": (a) => BigInt.asIntN(16, a),
  "zext.h": (a) => a & 0xffffn,
  rol: (a, b) => rotated(u64(a), (64n - (b & 63n)) & 63n, 64n),
  ror: (a, b) => rotated(u64(a), b & 63n, 64n),
  rolw: (a, b) => s32(rotated(u32(a), (32n - (b & 31n)) & 31n, 32n)),
  rorw: (a, b) => s32(rotated(u32(a), b & 31n, 32n)),
  "orc.b": (a) => packed(bytes(u64(a)).map((byte) => (byte === 0n ? 0n : 0xffn))),
  lui: (_, b) => b,
  auipc: (_, b) => CODE + b,
  rev8: (a) => packed(bytes(u64(a)).reverse()),
  bclr: (a, b) => a & ~(1n << (b & 63n)),
  bext: (a, b) => (a >> (b & 63n)) & 1n,
  binv: (a, b) => a ^ (1n << (b & 63n)),
  bset: (a, b) => a | (1n << (b & 63n)),
};

/** What an instruction with an immediate does is what its register form does. */
const registerForms: Record<string, string> = {
  sltiu: "sltu",
  addiw: "addw",
  slliw: "sllw",
  srliw: "srlw",
  sraiw: "sraw",
  roriw: "rorw",
};
const formOf = (mnemonic: string): string => {
  if (specified[mnemonic]) return mnemonic;
  return registerForms[mnemonic] ?? mnemonic.replace(/i$/, "");
};

/** The row's instruction: x12 becomes something of x10 and x11, of x10 and the immediate, or of the immediate alone. */
function encoded({ form, match }: IntegerInstruction, immediate: number): number {
  if (form.rs1 === undefined) return match | (12 << 7) | immediate;
  const second = form.rs2 === undefined ? (form.imm === undefined ? 0 : immediate << 20) : 11 << 20;
  return match | (12 << 7) | (10 << 15) | second;
}

function immediates({ form, mask }: IntegerInstruction): fc.Arbitrary<number> {
  if (form === forms.shift) return fc.nat({ max: mask & (1 << 25) ? 31 : 63 });
  if (form.rs1 === undefined) return fc.integer({ min: -(2 ** 19), max: 2 ** 19 - 1 }).map((upper) => upper << 12);
  return fc.integer({ min: -2048, max: 2047 });
}

const special = [
  0n,
  1n,
  -1n,
  2n ** 31n,
  2n ** 31n - 1n,
  -(2n ** 31n),
  2n ** 63n - 1n,
  -(2n ** 63n),
  0x0102030405060708n,
];
const value = fc.oneof(fc.constantFrom(...special), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));

describe.each(Object.entries(ways))("the %s", (_way, made) => {
  const translations = made();
  const machine = new Machine(64, undefined, null, translations);
  const page = machine.mapFresh(CODE, 1, RX);
  const { core } = machine;

  test.each(integerInstructions.map((row) => [row.mnemonic, row] as const))("%s", (_, row) => {
    const before = translations?.count ?? 0;
    const expected = specified[formOf(row.mnemonic)]!;
    const cases = fc.tuple(immediates(row), fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 8 }));
    fc.assert(
      fc.property(cases, ([immediate, operands]) => {
        machine.code(page, loop(encoded(row, immediate)));
        for (const [a, b] of operands) {
          for (const [register, start] of [
            [10, a],
            [11, b],
            [12, 0n],
            [13, 3n],
          ] as const)
            core.x[register] = u64(start);
          core.setPc(CODE);
          expect(core.run(100)).toBe(CoreStop.ecall);
          const second = row.form.rs2 ? b : BigInt(immediate);
          expect(core.x[12]).toBe(u64(expected(a, second)));
        }
      }),
      { numRuns: 12 },
    );
    expect(translations === undefined || translations.count > before).toBe(true);
  });

  test("jal and jalr link and lead on", () => {
    const far = {
      distance: fc.integer({ min: 2, max: 400 }),
      odd: fc.boolean(),
      offset: fc.integer({ min: -2048, max: 2047 }),
    };
    fc.assert(
      fc.property(fc.record(far), ({ distance, odd, offset }) => {
        // To a loop that decides where to go on, over what must not be executed.
        const [jal, jalr] = jumpInstructions.map(({ match }) => match | (1 << 7)) as [number, number];
        const forward = 4 * distance;
        machine.code(page, new Array(1024).fill(EBREAK));
        machine.code(page, [jal | ((forward & 0x7fe) << 20) | ((forward & 0x800) << 9)]);
        machine.code(page, [addi(6, 1, 0), jalr | (10 << 15) | (offset << 20)], forward);
        machine.code(page, [ECALL], forward + 8 + 4 * distance);
        const target = CODE + BigInt(forward + 8 + 4 * distance);
        for (let round = 0; round < 3; round++) {
          core.x[10] = u64(target - BigInt(offset) + (odd ? 1n : 0n));
          core.setPc(CODE);
          expect(core.run(100)).toBe(CoreStop.ecall);
          expect([core.x[6], core.x[1]]).toEqual([CODE + 4n, CODE + BigInt(forward + 8)]);
          expect(core.saveHart().pc).toBe(target);
        }
      }),
      { numRuns: 20 },
    );
  });
});
