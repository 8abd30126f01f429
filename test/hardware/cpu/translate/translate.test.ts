import { describe, expect, test } from "vitest";
import type { Core } from "../../../../kernel/hardware/cpu/core.ts";
import { Translations } from "../../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { bType, iType, rType, sType } from "../encode.ts";
import { CoreStop, stateOf } from "../fixture.ts";
import { Machine, PAGE, RW, RWX } from "../machine.ts";
import { double, Random, single } from "../random_program.ts";

const CODE = 0x10000n;
const DATA = 0x20000n;
const ECALL = 0x73;
const RET = iType(0x67, 0, 0, 1, 0);
const addi = (rd: number, rs1: number, imm: number): number => iType(0x13, 0, rd, rs1, imm);
const jal = (rd: number, distance: number): number =>
  (((distance >> 20) & 1) << 31) |
  (((distance >> 1) & 0x3ff) << 21) |
  (((distance >> 11) & 1) << 20) |
  (((distance >> 12) & 0xff) << 12) |
  (rd << 7) |
  0x6f;

/** Two pages of code and one of data, with everything translated that is jumped to. */
function machine(
  words: number[],
  translations: Translations | undefined,
  offset = 0,
): { m: Machine; core: Core; page: number } {
  const m = new Machine(64, undefined, null, translations);
  const page = m.mapFresh(CODE, 2, RWX);
  m.mapFresh(DATA, 1, RW);
  m.code(page, words, offset);
  m.core.setPc(CODE + BigInt(offset));
  return { m, core: m.core, page };
}

const eager = (): Translations => new Translations({ jumps: 1, credit: 1e9 });

describe("a translation is given up", () => {
  // A loop over the end of the first page: add x5 in the first, then x6 in the second, and back.
  const offset = PAGE - 8;
  const loop = [addi(5, 5, 1), addi(6, 6, 1), addi(7, 7, 1), addi(10, 10, -1), bType(1, 10, 0, -16), ECALL];

  test("when its second page is written by the program", () => {
    for (const translations of [undefined, eager()]) {
      const { core } = machine(loop, translations, offset);
      core.x[10] = 100n;
      expect(core.run(10_000)).toBe(CoreStop.ecall);
      expect(core.x[7]).toBe(100n);
      // sw x11, 0(x12): the instruction at the start of the second page becomes addi x7, x7, 3.
      core.x[11] = BigInt(addi(7, 7, 3));
      core.x[12] = CODE + BigInt(PAGE);
      core.ramView.setUint32(2 * PAGE, 0, true);
      core.x[10] = 100n;
      core.setPc(CODE);
      expect(core.run(1)).toBe(CoreStop.illegalInstruction);
      store(core);
      core.setPc(CODE + BigInt(offset));
      expect(core.run(10_000)).toBe(CoreStop.ecall);
      expect(core.x[7]).toBe(400n);
      expect(core.x[6]).toBe(200n);
    }
  });

  /** Executes a store by an instruction that the program has nowhere else. */
  function store(core: Core): void {
    const at = core.ram.findIndex((byte, index) => index % PAGE === PAGE - 8 && byte === (addi(5, 5, 1) & 0xff));
    const page = Math.floor(at / PAGE);
    core.ramView.setUint32(page * PAGE, sType(0x23, 2, 12, 11, 0), true);
    core.wrote(page);
    core.setPc(CODE);
    expect(core.run(1)).toBe(CoreStop.budget);
  }

  test("when its second page is another one, and when it is none", () => {
    for (const translations of [undefined, eager()]) {
      const { m, core, page } = machine(loop, translations, offset);
      core.x[10] = 100n;
      core.run(10_000);
      const other = m.allocate();
      m.code(other, [addi(7, 7, 2), addi(10, 10, -1), bType(1, 10, 0, -16), ECALL]);
      m.map(CODE + BigInt(PAGE), other, RWX);
      core.flushTlb(Number(CODE) + PAGE);
      core.x[10] = 100n;
      core.setPc(CODE + BigInt(offset));
      expect(core.run(10_000)).toBe(CoreStop.ecall);
      expect(core.x[7]).toBe(300n);
      m.map(CODE + BigInt(PAGE), other, 0);
      core.flushTlb(Number(CODE) + PAGE);
      core.setPc(CODE + BigInt(offset));
      expect(core.run(10_000)).toBe(CoreStop.instructionPageFault);
      expect(core.executed()).toBe(2);
      expect(core.faultValue()).toBe(CODE + BigInt(PAGE));
      m.map(CODE + BigInt(PAGE), page + 1, RWX);
      core.flushTlb(Number(CODE) + PAGE);
      expect(core.run(3)).toBe(CoreStop.budget);
    }
  });
});

describe("a translation is given up when the program stores", () => {
  const shared = eager();
  /** Runs a loop a hundred times; what comes behind it stores x11 to x12. */
  function loop(core: Core, at: number, registers: Record<number, bigint>): void {
    for (const [register, value] of Object.entries(registers)) core.x[Number(register)] = value;
    core.x[10] = 100n;
    core.setPc(CODE + BigInt(at));
    expect(core.run(10_000)).toBe(CoreStop.ecall);
  }

  test("to code that only another machine has executed", () => {
    // What is done when x13 is not zero lies behind the end.
    const words = [
      ...[bType(1, 13, 0, 20), addi(10, 10, -1), bType(1, 10, 0, -8), sType(0x23, 2, 12, 11, 0), ECALL],
      ...[addi(7, 7, 1), jal(0, -20)],
    ];
    loop(machine(words, shared).core, 0, { 12: DATA, 13: 1n });
    for (const translations of [undefined, shared]) {
      const { core } = machine(words, translations);
      loop(core, 0, { 11: BigInt(addi(7, 7, 3)), 12: CODE + 20n });
      loop(core, 0, { 12: DATA, 13: 1n });
      expect(core.x[7]).toBe(300n);
    }
  });

  test("to the end of an instruction that straddles two pages", () => {
    const at = PAGE - 6;
    const [before, after] = [addi(7, 7, 1), addi(7, 7, 3)];
    const words = [addi(5, 5, 1), before, addi(10, 10, -1), bType(1, 10, 0, -12), sType(0x23, 1, 12, 11, 0), ECALL];
    for (const translations of [undefined, eager()]) {
      const { core } = machine(words, translations, at);
      loop(core, at, { 11: BigInt(after >>> 16), 12: CODE + BigInt(PAGE) });
      loop(core, at, { 12: DATA });
      expect(core.x[7]).toBe(400n);
    }
  });
});

const doubles = new DataView(new ArrayBuffer(8));
function numberOf(bits: bigint): number {
  doubles.setBigUint64(0, bits);
  return doubles.getFloat64(0);
}
function bitsOf(value: number): bigint {
  doubles.setFloat64(0, value);
  return doubles.getBigUint64(0);
}

/** Calls itself x10 times deep, with a stack, and counts the returns in x11. */
const recursion = [
  jal(1, 8),
  ECALL,
  addi(2, 2, -16),
  sType(0x23, 3, 2, 1, 0),
  addi(10, 10, -1),
  bType(0, 10, 0, 8),
  jal(1, -16),
  iType(0x03, 3, 1, 2, 0),
  addi(2, 2, 16),
  addi(11, 11, 1),
  RET,
];

test("calls nest as deep as a program likes, in slices of any size", () => {
  const results = [undefined, eager()].flatMap((translations) =>
    [100_000, 777, 13].map((slice) => {
      const { m, core } = machine(recursion, translations);
      m.mapFresh(0x400000n - 20n * BigInt(PAGE), 20, RW);
      core.x[2] = 0x400000n;
      core.x[10] = 5000n;
      let executed = 0;
      for (let stop: CoreStop = CoreStop.budget; stop === CoreStop.budget; executed += core.executed())
        stop = core.run(slice);
      return { executed, state: stateOf(core) };
    }),
  );
  expect(results[0]?.state.hart.x[11]).toBe(5000n);
  for (const result of results) expect(result).toEqual(results[0]);
});

test("two shifts and an or are a rotation only if they are its halves", () => {
  const slliw = (rd: number, rs1: number, by: number): number => iType(0x1b, 1, rd, rs1, by);
  const srliw = (rd: number, rs1: number, by: number): number => iType(0x1b, 5, rd, rs1, by);
  const or = (rd: number, rs1: number, rs2: number): number => rType(0x33, 6, 0, rd, rs1, rs2);
  const lines = [
    [slliw(5, 12, 25), srliw(6, 12, 7), or(14, 5, 6)],
    [srliw(5, 12, 31), slliw(6, 12, 1), or(15, 5, 6)],
    // Of different values, by other distances, and with one half computed anew in between.
    [slliw(5, 12, 9), srliw(6, 13, 23), or(16, 5, 6)],
    [slliw(5, 12, 9), srliw(6, 12, 24), or(17, 5, 6)],
    [slliw(5, 12, 25), srliw(6, 12, 7), rType(0x33, 0, 0, 5, 5, 13), or(18, 5, 6)],
    [srliw(6, 12, 0), slliw(12, 12, 16), srliw(13, 12, 16), or(12, 12, 13)],
  ];
  const words = [addi(10, 10, -1), ...lines.flat()];
  words.push(bType(1, 10, 0, -4 * words.length), ECALL);
  const states = [undefined, eager()].map((translations) => {
    const { core } = machine(words, translations);
    core.x[10] = 100n;
    core.x[12] = 0xfedcba9876543210n;
    core.x[13] = 0x8899aabbccddeeffn;
    expect(core.run(10_000)).toBe(CoreStop.ecall);
    return stateOf(core);
  });
  expect(states[1]).toEqual(states[0]);
});

test("at any budget a core stops after as many instructions, wherever that is on the ways through a loop", () => {
  // A loop of two ways, the second through a call; behind it a hundred instructions in one block.
  const long = Array.from({ length: 100 }, () => addi(9, 9, 1));
  const words = [
    ...[addi(10, 10, -1), iType(0x13, 7, 5, 10, 1), bType(0, 5, 0, 12), addi(6, 6, 1), jal(0, 12)],
    ...[addi(7, 7, 1), jal(1, 8 + 4 * (1 + long.length)), bType(1, 10, 0, -28), ...long, ECALL, addi(8, 8, 1), RET],
  ];
  const { core: interpreting } = machine(words, undefined);
  const { core: translating } = machine(words, eager());
  for (let budget = 1; budget < 250; budget++) {
    const states = [interpreting, translating].map((core) => {
      core.x[10] = 20n;
      core.setPc(CODE);
      const stop = core.run(budget);
      return { stop, executed: core.executed(), state: stateOf(core) };
    });
    expect(states[1]).toEqual(states[0]);
  }
});

/** A bytecode interpreter: jumps to table[program[i]], in 32 cases of two instructions that jump back. */
function interpreter(): number[] {
  const cases = Array.from({ length: 32 }, (_, n) => [addi(6, 6, n), jal(0, -4 * (7 + 2 * n))]).flat();
  return [
    bType(0, 10, 0, 4 * (6 + cases.length)),
    addi(10, 10, -1),
    iType(0x13, 7, 5, 10, 31),
    rType(0x33, 1, 0, 5, 5, 13),
    rType(0x33, 0, 0, 5, 5, 12),
    iType(0x67, 0, 0, 5, 0),
    ...cases,
    ECALL,
  ];
}

test("the cases of a switch become known by and by", () => {
  const results = [undefined, eager(), new Translations({ jumps: 9 })].map((translations) => {
    const { core } = machine(interpreter(), translations);
    core.x[10] = 20_000n;
    core.x[12] = CODE + 24n;
    core.x[13] = 3n;
    let executed = 0;
    for (let stop: CoreStop = CoreStop.budget; stop === CoreStop.budget; executed += core.executed())
      stop = core.run(5000);
    return { executed, x: [...core.x] };
  });
  expect(results[0]?.x[6]).toBe(BigInt((20_000 / 32) * ((31 * 32) / 2)));
  for (const result of results) expect(result).toEqual(results[0]);
});

test("machines with the same code share its modules, wherever the code is", () => {
  const translations = eager();
  const run = (offset: number): void => {
    const { core } = machine([addi(5, 5, 1), bType(1, 5, 10, -4), ECALL], translations, offset);
    core.x[10] = 50n;
    expect(core.run(1000)).toBe(CoreStop.ecall);
  };
  run(0);
  const count = translations.count;
  expect(count).toBeGreaterThan(0);
  run(0);
  expect(translations.count).toBe(count);
});

test("modules that are kept are bounded", () => {
  const translations = new Translations({ jumps: 1, credit: 1e9, limit: 4000 });
  for (let n = 0; n < 60; n++) {
    const { core } = machine([addi(5, 5, n + 1), addi(6, 6, 1), bType(1, 6, 10, -8), ECALL], translations);
    core.x[10] = 50n;
    expect(core.run(1000)).toBe(CoreStop.ecall);
    expect(core.x[5]).toBe(BigInt(50 * (n + 1)));
    expect(translations.bytes).toBeLessThanOrEqual(4000);
  }
});

test("without credit nothing is translated, and it is earned by executing", () => {
  const translations = new Translations({ jumps: 1, credit: -5 });
  const { core } = machine([addi(5, 5, 1), bType(1, 5, 10, -4), ECALL], translations);
  core.x[10] = 1_000_000n;
  core.run(10_000);
  expect(translations.count).toBe(0);
  for (let n = 0; n < 20; n++) core.run(10_000);
  expect(translations.count).toBeGreaterThan(0);
});

test("what is looked at for a translation is paid for, although nothing comes of it", () => {
  const translations = new Translations({ jumps: 1, credit: 1000 });
  // Calls of a function that is too large to be inlined, which is found out for each of them.
  const [calls, last] = [380, 381 * 4];
  const words = [...Array.from({ length: calls }, (_, n) => jal(1, last - 4 * n)), ECALL];
  words.push(...Array.from({ length: 60 }, () => addi(5, 5, 1)), RET);
  words.push(addi(6, 6, 1), bType(1, 6, 10, -4), ECALL);
  const { core } = machine(words, translations);
  core.x[1] = CODE + BigInt(4 * calls);
  core.x[10] = 100n;
  const counts = [last, 0, last + 61 * 4].map((from) => {
    core.setPc(CODE + BigInt(from));
    expect(core.run(100_000)).toBe(CoreStop.ecall);
    return translations.count;
  });
  expect(core.x[5]).toBe(60n * 381n);
  expect(counts).toEqual([1, 2, 2]);
});

test("where many places are hot at once they are translated later, but they are", () => {
  /** How many are translated when each of so many functions has been called 300, and 3000 times. */
  const translated = (functions: number): number[] => {
    const translations = new Translations({ jumps: 256, credit: 1e9 });
    // Calls, and a loop over them; then functions that are too large to be inlined.
    const body = (n: number): number[] => [...Array.from({ length: 40 }, () => addi(5, 5, n)), RET];
    const calls = Array.from({ length: functions }, (_, n) => jal(1, 4 * (functions + 3 + 41 * n - n)));
    const words = [...calls, addi(10, 10, -1), bType(1, 10, 0, -4 * (functions + 1)), ECALL];
    words.push(...Array.from({ length: functions }, (_, n) => body(n + 1)).flat());
    const { core } = machine(words, translations);
    return [300, 2700].map((times) => {
      core.setPc(CODE);
      core.x[10] = BigInt(times);
      expect(core.run(10_000_000)).toBe(CoreStop.ecall);
      return translations.count;
    });
  };
  const [one, many] = [translated(1), translated(24)];
  expect(one[0]).toBeGreaterThan(0);
  expect(many[0]).toBeLessThan(24);
  expect(many[1]).toBeGreaterThanOrEqual(24);
});

test("another thread can read how much is kept", () => {
  const figures = new Int32Array(new SharedArrayBuffer(8));
  const translations = new Translations({ jumps: 1, credit: 1e9, figures });
  const { core } = machine([addi(5, 5, 1), bType(1, 5, 10, -4), ECALL], translations);
  core.x[10] = 100n;
  core.run(10_000);
  expect([...figures]).toEqual([translations.count, translations.bytes]);
  expect(translations.count).toBeGreaterThan(0);
});

test("what was translated is found again by its bytes, all of them", () => {
  const translations = eager();
  const loop = (last: number): number[] => [addi(5, 5, 1), bType(1, 5, 10, -4), addi(6, 6, last), ECALL];
  for (const [last, known] of [
    [1, 1],
    [1, 1],
    [2, 2],
  ] as const) {
    const { core } = machine(loop(last), translations);
    core.x[10] = 100n;
    expect(core.run(10_000)).toBe(CoreStop.ecall);
    expect([core.x[6], translations.count]).toEqual([BigInt(last), known]);
  }
});

test("code is compared with a few translations only, however many begin like it", () => {
  let compared = 0;
  class Watched extends Translations {
    override find(...[reader, entry]: Parameters<Translations["find"]>) {
      const before = reader.looked;
      const found = super.find(reader, entry);
      compared = Math.max(compared, reader.looked - before);
      return found;
    }
  }
  const translations = new Watched({ jumps: 1, credit: 1e9, patience: 0 });
  const same = Array.from({ length: 255 }, () => addi(5, 5, 1));
  const { m, core, page } = machine([], translations);
  for (let n = 1; n <= 48; n++) {
    m.code(page, [...same, addi(6, 6, n), bType(1, 6, 6, -4), ECALL]);
    core.x[6] = 0n;
    core.setPc(CODE);
    expect([core.run(10_000), core.x[6]]).toEqual([CoreStop.ecall, BigInt(n)]);
  }
  expect(translations.count).toBe(48);
  // A kilobyte each.
  expect(compared).toBeGreaterThan(10);
  expect(compared).toBeLessThan(80);
});

describe("floating point in a loop gives the bits and flags of the interpreter", () => {
  const arithmetic = [0, 1, 2, 3].flatMap((f5) =>
    [0, 1].map((format) => rType(0x53, 7, (f5 << 2) | format, 10, 11, 12)),
  );
  const roots = [0, 1].map((format) => rType(0x53, 0, (0x0b << 2) | format, 10, 11, 0));
  const fused = [0x43, 0x47, 0x4b, 0x4f].flatMap((opcode) =>
    [0, 1].map((format) => (13 << 27) | rType(opcode, 7, format, 10, 11, 12)),
  );
  const conversions = [0, 1, 2, 3].flatMap((kind) =>
    [0, 1].flatMap((format) => [
      ...[0, 1, 2, 3, 4, 7].map((mode) => rType(0x53, mode, (0x18 << 2) | format, 10, 11, kind)),
      rType(0x53, 7, (0x1a << 2) | format, 10, 11, kind),
    ]),
  );
  const rest = [
    rType(0x53, 7, 0x20, 10, 11, 1),
    rType(0x53, 7, 0x21, 10, 11, 0),
    ...[0, 1].flatMap((format) => [
      ...[0, 1, 2].map((f3) => rType(0x53, f3, 0x10 | format, 10, 11, 12)),
      ...[0, 1].map((f3) => rType(0x53, f3, 0x14 | format, 10, 11, 12)),
      ...[0, 1, 2].map((f3) => rType(0x53, f3, 0x50 | format, 10, 11, 12)),
    ]),
  ];

  test.each([
    ["arithmetic", arithmetic],
    ["roots", roots],
    ["fused", fused],
    ["conversions", conversions],
    ["the rest", rest],
  ])("%s", (_, instructions) => {
    const random = new Random(7);
    for (const instruction of instructions) {
      const words = [instruction, jal(0, -4)];
      const cores = [undefined, eager()].map((translations) => machine(words, translations).core);
      for (let n = 0; n < 400; n++) compare(cores, operands(random, n), random);
    }
  });

  /** Results near the ends of the exponents' range are as likely as others. */
  function operands(random: Random, n: number): bigint[] {
    const isDouble = random.chance(50);
    const out = [0, 1, 2].map(() => (isDouble ? double(random) : single(random)));
    if (n % 4 === 0) out[1] = BigInt.asUintN(64, 0x7fe0000000000000n - (out[0] as bigint) + BigInt(random.below(3)));
    if (n % 4 === 1)
      out[1] = BigInt.asUintN(64, 0x3ff0000000000000n - (out[0] as bigint) + BigInt(random.below(2 ** 54)));
    // The addend nearly cancels the product, or all are small integers, so that ties are likely.
    if (n % 8 === 3)
      out[2] = BigInt.asUintN(
        64,
        bitsOf(-numberOf(out[0] as bigint) * numberOf(out[1] as bigint)) + BigInt(random.below(5)) - 2n,
      );
    if (n % 8 === 7)
      for (let k = 0; k < 3; k++) out[k] = bitsOf((random.below(2 ** 27) - 2 ** 26) * 2 ** (random.below(60) - 30));
    if (n % 4 === 2 && !isDouble) {
      const exponents = 0x3f800000 - Number((out[0] as bigint) & 0x7f800000n);
      out[1] = 0xffffffff00000000n | BigInt((exponents + random.below(2 ** 24)) >>> 0);
    }
    return out;
  }

  function compare(cores: Core[], values: bigint[], random: Random): void {
    const fcsr = random.pick([0, 0, 0, 1, 1, 0x21]);
    const x = random.u64() >> BigInt(random.below(64));
    const states = cores.map((core) => {
      const hart = core.saveHart();
      values.forEach((value, n) => {
        hart.f[11 + n] = value;
      });
      hart.x[11] = x;
      core.loadHart({ ...hart, fcsr, pc: CODE });
      core.run(6);
      return { executed: core.executed(), hart: core.saveHart() };
    });
    expect(states[1]).toEqual(states[0]);
  }
});
