/** What the privileged specification asks for that bare programs cannot be compared in: QEMU leaves it out, or has no such model. */
import { describe, expect, test } from "vitest";
import { defaultTiming, initTiming, timingFigures } from "../../../kernel/hardware/cache/model.ts";
import { type Core, PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { createRv64Core } from "../../../kernel/hardware/cpu/rv64/core.ts";
import { iType, rType } from "./encode.ts";
import { csrr, load, NOP } from "./fixture.ts";
import { PAGE, RAM_BASE, rv64Modules } from "./machine.ts";

const PAGES = 16;
/** Pages of RAM. */
const page = { code: 0, handler: 1, root: 2, middle: 3, leaf: 4, data: 5, other: 6 } as const;
const VIRTUAL = 0x4000_0000n;
const mode = { supervisor: 1, machine: 3 } as const;

const physical = (number: number): bigint => BigInt(RAM_BASE + number * PAGE);
const entry = (number: number, bits: number): bigint => (physical(number) >> 2n) | BigInt(bits);
const sv39 = (asid: bigint): bigint => (8n << 60n) | (asid << 44n) | (physical(page.root) >> 12n);

const csrw = (number: number, rs1: number): number => iType(0x73, 1, 0, rs1, number);
const sfence = (rs1: number, rs2: number): number => rType(0x73, 0, 9, 0, rs1, rs2);
const store = (rs1: number, rs2: number): number => (rs2 << 20) | (rs1 << 15) | (3 << 12) | 0x23;
const reserve = (rd: number, rs1: number): number => rType(0x2f, 3, 2 << 2, rd, rs1, 0);
const conditional = (rd: number, rs1: number, rs2: number): number => rType(0x2f, 3, 3 << 2, rd, rs1, rs2);

interface Start {
  words: number[];
  mode?: number;
  /** Of the entry for VIRTUAL, and of the first that leads to it. */
  bits?: number;
  upperBits?: number;
  registers?: Record<string, bigint>;
  x?: Record<number, bigint>;
  timed?: boolean;
}

/** A hart before these instructions, with RAM as it is for S mode by a gigapage, and one page at VIRTUAL. */
function hartBefore({
  words,
  mode: at = mode.supervisor,
  bits = 0xcf,
  upperBits = 1,
  registers = {},
  x = {},
  timed,
}: Start): Core {
  const timing = timed ? initTiming(defaultTiming(), 1, PAGES) : null;
  const core = createRv64Core(rv64Modules, { ramPages: PAGES, ramBase: RAM_BASE, harts: 1, timing });
  core.pageFlags.fill(PageFlag.present);
  for (const [index, word] of words.entries()) core.ramView.setUint32(4 * index, word, true);
  const put = (table: number, index: number, value: bigint): void =>
    core.ramView.setBigUint64(table * PAGE + 8 * index, value, true);
  put(page.root, 1, entry(page.middle, upperBits));
  put(page.root, 2, (BigInt(RAM_BASE) >> 2n) | 0xcfn);
  put(page.middle, 0, entry(page.leaf, 1));
  put(page.leaf, 0, entry(page.data, bits));
  put(page.data, 0, BigInt(NOP));
  const hart = core.saveHart();
  const given = {
    mtvec: physical(page.handler),
    satp: sv39(0n),
    pmpcfg0: 0x1fn,
    pmpaddr0: 2n ** 54n - 1n,
    ...registers,
  };
  for (const [name, value] of Object.entries(given)) hart.privileged!.registers.set(name, value);
  hart.privileged!.mode = at;
  hart.pc = physical(page.code);
  for (const [register, value] of Object.entries(x)) hart.x[Number(register)] = value;
  core.loadHart(hart);
  return core;
}

const register = (core: Core, name: string): bigint => core.saveHart().privileged!.registers.get(name)!;

describe("marks of a page-table entry", () => {
  /** Entry 0 is the page of the last table, entry 1 everything. */
  const protectedTable = (allowed: bigint): Record<string, bigint> => ({
    pmpaddr0: (physical(page.leaf) >> 2n) | 511n,
    pmpaddr1: 2n ** 54n - 1n,
    pmpcfg0: 0x1f18n | allowed,
  });

  test.each([
    ["load", load(3, 11, 10), 1, 0x0f, 5n],
    ["store", store(10, 11), 1, 0x4f, 7n],
    ["jump", iType(0x67, 0, 0, 10, 0), 2, 0x0f, 1n],
  ])("are written only where protection lets them be: a %s", (_, word, count, bits, cause) => {
    const start = { words: [word], bits, x: { 10: VIRTUAL } };
    const refused = hartBefore({ ...start, registers: protectedTable(1n) });
    refused.run(count);
    expect([register(refused, "mcause"), register(refused, "mtval")]).toEqual([cause, VIRTUAL]);
    expect(refused.ramView.getBigUint64(page.leaf * PAGE, true)).toBe(entry(page.data, bits));
    const marked = hartBefore({ ...start, registers: protectedTable(3n) });
    marked.run(count);
    expect(register(marked, "mcause")).toBe(0n);
    // One that is marked already is not written.
    const clean = hartBefore({ ...start, bits: 0xcf, registers: protectedTable(1n) });
    clean.run(count);
    expect(register(clean, "mcause")).toBe(0n);
  });
});

describe("a reservation", () => {
  test("is of memory, not of an address that means other memory now", () => {
    const words = [reserve(12, 10), store(13, 14), sfence(0, 0), conditional(15, 10, 11)];
    const x = { 10: VIRTUAL, 11: 0x77n, 13: physical(page.leaf), 14: entry(page.other, 0xcf) };
    const core = hartBefore({ words, x });
    core.run(words.length);
    expect(core.x[15]).toBe(1n);
    expect(core.ramView.getBigUint64(page.other * PAGE, true)).toBe(0n);
  });

  test("ends when data is accessed in another mode", () => {
    // mstatus.MPRV, with MPP user.
    const words = [reserve(12, 10), iType(0x73, 2, 0, 13, 0x300), conditional(15, 10, 11)];
    const core = hartBefore({
      words,
      mode: mode.machine,
      bits: 0xdf,
      x: { 10: physical(page.data), 11: 1n, 13: 1n << 17n },
    });
    core.run(words.length);
    expect(core.x[15]).toBe(1n);
  });
});

describe("registers of what is not there", () => {
  test.each([
    ["triggers", [0x7a0, 0x7a1, 0x7a2, 0x7a3, 0x7a4, 0x7a5, 0x7a8, 0x5a8]],
    ["debug mode", [0x7b0, 0x7b1, 0x7b2]],
    ["hypervisors", [0x200, 0x600, 0x602, 0x605, 0x680, 0xe12, 0x34a, 0x34b]],
    ["state enables", [0x30c, 0x10c, 0x60c]],
    ["vectors", [0x008, 0x00f, 0xc20, 0xc22]],
    ["security and entropy", [0x747, 0x015]],
    ["advanced interrupts, and overflows of counters", [0x308, 0x350, 0x35c, 0xfb0, 0xda0]],
    ["registers of 32 bits", [0x3a1, 0x3a3, 0xb80, 0xc80, 0xc81, 0x310, 0x31a]],
  ])("cannot be read in M mode: %s", (_, numbers) => {
    for (const number of numbers) {
      const core = hartBefore({ words: [csrr(12, number)], mode: mode.machine });
      core.run(1);
      expect([number, register(core, "mcause"), core.x[12]]).toEqual([number, 2n, 0n]);
    }
  });
});

describe("the cycle counter of a timed hart", () => {
  test("reads as it was written, plus what was executed and stalled since", () => {
    const words = [load(3, 11, 10), csrw(0xb00, 0), csrr(12, 0xb00), csrr(13, 0xb00)];
    const core = hartBefore({ words, mode: mode.machine, timed: true, x: { 10: physical(page.data) } });
    core.run(words.length);
    expect(timingFigures(core.timing!, 1).stallCycles).toBeGreaterThan(100);
    expect([core.x[12], core.x[13]]).toEqual([0n, 1n]);
  });

  test("stands while it is inhibited, and goes on from there", () => {
    const words = [
      load(3, 11, 10),
      csrw(0x320, 14),
      csrr(12, 0xb00),
      load(3, 11, 15),
      csrr(13, 0xb00),
      csrw(0x320, 0),
      csrr(16, 0xb00),
      NOP,
    ];
    const core = hartBefore({
      words,
      mode: mode.machine,
      timed: true,
      x: { 10: physical(page.data), 14: 1n, 15: physical(page.other) },
    });
    core.run(2);
    const stalled = BigInt(timingFigures(core.timing!, 1).stallCycles);
    core.run(words.length - 2);
    expect([core.x[12], core.x[13], core.x[16]]).toEqual([stalled + 2n, stalled + 2n, stalled + 2n]);
  });
});

describe("sfence.vma in the timing model", () => {
  const x = { 10: VIRTUAL, 12: VIRTUAL + BigInt(PAGE), 13: 1n, 14: 2n, 20: sv39(1n), 21: sv39(2n) };

  /** Misses of the data TLB by these instructions. */
  const missesOf = (words: number[], start: Partial<Start> = {}, isKept = true): number => {
    const core = hartBefore({ ...start, words, x, timed: true });
    if (!isKept) core.timing!.fill(0, 48, 52);
    core.run(words.length);
    expect(register(core, "mcause")).toBe(0n);
    return timingFigures(core.timing!, 1).harts[0]!.dataTlb.misses;
  };
  /** The page is loaded from, something is fenced, and it is loaded from again. */
  const around = (fence: number): number[] => [
    csrw(0x180, 20),
    load(3, 11, 10),
    csrw(0x180, 21),
    fence,
    csrw(0x180, 20),
    load(3, 11, 10),
  ];

  test.each([
    ["everything", sfence(0, 0), 2],
    ["one page, in all spaces", sfence(10, 0), 2],
    ["one page, in its space", sfence(10, 13), 2],
    ["one page, in another space", sfence(10, 14), 1],
    ["another page", sfence(12, 0), 1],
    ["a space", sfence(0, 13), 2],
    ["another space", sfence(0, 14), 1],
  ])("forgets %s", (_, fence, expected) => {
    expect(missesOf(around(fence))).toBe(expected);
  });

  describe.each([
    ["its own entry", { bits: 0xef }],
    ["an entry above", { upperBits: 0x21 }],
  ])("of a page that %s says is global", (_, start) => {
    test.each([
      ["everything", sfence(0, 0), 2],
      ["the page, in all spaces", sfence(10, 0), 2],
    ])("forgets %s", (__, fence, expected) => {
      expect(missesOf(around(fence), start)).toBe(expected);
    });

    test.each([
      ["a space", sfence(0, 13)],
      ["the page in a space", sfence(10, 13)],
      ["another page", sfence(12, 0)],
    ])("does not forget it with %s", (__, fence) => {
      expect(missesOf(around(fence), start)).toBe(1);
    });

    test("is not needed in another space", () => {
      const words = [csrw(0x180, 20), load(3, 11, 10), csrw(0x180, 21), load(3, 11, 10)];
      expect(missesOf(words)).toBe(2);
      expect(missesOf(words, start)).toBe(1);
    });

    test("forgets it with its space where a machine is older than the difference", () => {
      expect(missesOf(around(sfence(0, 13)), start, false)).toBe(2);
    });
  });
});
