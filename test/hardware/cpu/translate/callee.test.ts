import { expect, test } from "vitest";
import { Translations } from "../../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { copyOf } from "../../../../kernel/hardware/cpu/rv64/translate/region.ts";
import { bType, iType, sType } from "../encode.ts";
import { CoreStop, stateOf } from "../fixture.ts";
import { Machine, PAGE, RW, RWX } from "../machine.ts";

const CODE = 0x10000n;
const DATA = 0x20000n;
const RET = iType(0x67, 0, 0, 1, 0);
const addi = (rd: number, rs1: number, imm: number): number => iType(0x13, 0, rd, rs1, imm);
const jal = (distance: number): number =>
  (((distance >> 1) & 0x3ff) << 21) |
  (((distance >> 11) & 1) << 20) |
  (((distance >> 12) & 0xff) << 12) |
  (1 << 7) |
  0x6f;

/** Everything is translated that is jumped to; tells whether callees were made once more where they are called. */
class Watched extends Translations {
  inlined = 0;

  constructor() {
    super({ jumps: 1, credit: 1e9 });
  }

  override compiled(...[region, reader, entry]: Parameters<Translations["compiled"]>) {
    this.inlined = Math.max(this.inlined, ...region.blocks.map(({ key }) => copyOf(key)));
    return super.compiled(region, reader, entry);
  }
}

const LEAF = PAGE;
const STUB = 2 * PAGE;
const STORE = 20;

/**
 * A loop over a call of a leaf on the second page, and of a stub on the third that jumps to where the first word of data
 * says. In front of it, at STORE, there is a store of x11 to x12. The leaf counts in x9 and x7 and loads from x13.
 */
function start(translations: Translations | undefined) {
  const m = new Machine(64, undefined, null, translations);
  const page = m.mapFresh(CODE, 3, RWX);
  const data = m.mapFresh(DATA, 1, RW);
  m.code(page, [jal(LEAF), jal(STUB - 4), addi(10, 10, -1), bType(1, 10, 0, -12), 0x73, sType(0x23, 2, 12, 11, 0)]);
  m.code(page, [jal(LEAF - 24), bType(0, 0, 0, -28)], STORE + 4);
  m.code(page, [addi(8, 8, 1), RET], 0x100);
  // By a branch over two instructions, every other time.
  m.code(page + 1, [iType(0x13, 7, 5, 10, 1), bType(0, 5, 0, 12), addi(9, 9, 1), iType(0x03, 3, 14, 13, 0)]);
  m.code(page + 1, [addi(7, 7, 1), RET], 16);
  const distance = Number(DATA - CODE) - STUB;
  m.code(page + 2, [distance | (28 << 7) | 0x17, iType(0x03, 3, 28, 28, 0), iType(0x67, 0, 6, 28, 0)]);
  m.core.ramView.setBigUint64(data * PAGE, CODE + 0x100n, true);
  const { core } = m;
  // What is inlined is what has been called before.
  for (const callee of [LEAF, STUB]) {
    core.x[1] = CODE + 16n;
    core.setPc(CODE + BigInt(callee));
    expect(core.run(100)).toBe(CoreStop.ecall);
  }
  for (const register of [7, 8, 9]) core.x[register] = 0n;
  const run = (budget = 10_000, at = 0): CoreStop => {
    core.x[10] = 100n;
    core.x[13] = DATA + 8n;
    core.setPc(CODE + BigInt(at));
    return core.run(budget);
  };
  return { m, core, page, data, run };
}

/** Does the same with a core that interprets and with one that inlines; their states have to be equal. */
function both(act: (machine: ReturnType<typeof start>) => void): void {
  const translations = new Watched();
  const states = [undefined, translations].map((use) => {
    const machine = start(use);
    act(machine);
    return stateOf(machine.core);
  });
  expect(states[1]).toEqual(states[0]);
  expect(translations.inlined).toBeGreaterThanOrEqual(2);
}

test("a small callee and a stub of a linkage table compute what they should where they are inlined", () => {
  both(({ core, run }) => {
    for (let round = 1n; round <= 3n; round++) {
      expect(run()).toBe(CoreStop.ecall);
      expect([core.x[9], core.x[7], core.x[8]]).toEqual([50n * round, 100n * round, 100n * round]);
      expect(core.x[1]).toBe(CODE + 8n);
      expect([core.x[6], core.x[28]]).toEqual([CODE + BigInt(STUB + 12), CODE + 0x100n]);
    }
  });
});

test("a budget ends at any instruction of an inlined callee", () => {
  const translations = new Watched();
  const machines = [undefined, translations].map(start);
  for (let budget = 1; budget < 200; budget++) {
    const [a, b] = machines.map(({ core, run }) => ({
      stop: run(budget),
      executed: core.executed(),
      at: stateOf(core),
    }));
    expect(b).toEqual(a);
  }
  expect(translations.inlined).toBeGreaterThanOrEqual(2);
});

test("an inlined callee that the program changes is another one from then on", () => {
  both(({ core, run }) => {
    run();
    core.x[11] = BigInt(addi(7, 7, 3) >>> 0);
    core.x[12] = CODE + BigInt(LEAF + 16);
    expect(run(10_000, STORE)).toBe(CoreStop.ecall);
    expect(core.x[7]).toBe(100n + 3n * 101n);
  });
});

test("an inlined callee is what its page holds now, and faults where there is none", () => {
  both(({ m, core, page, run }) => {
    run();
    const other = m.allocate();
    m.code(other, [addi(7, 7, 2), RET]);
    m.map(CODE + BigInt(LEAF), other, RWX);
    core.flushTlb(Number(CODE) + LEAF);
    expect(run()).toBe(CoreStop.ecall);
    expect(core.x[7]).toBe(300n);
    m.map(CODE + BigInt(LEAF), other, 0);
    core.flushTlb(Number(CODE) + LEAF);
    expect(run()).toBe(CoreStop.instructionPageFault);
    expect([core.executed(), core.faultValue(), core.x[1]]).toEqual([1, CODE + BigInt(LEAF), CODE + 4n]);
    m.map(CODE + BigInt(LEAF), page + 1, RWX);
    core.flushTlb(Number(CODE) + LEAF);
    expect(run()).toBe(CoreStop.ecall);
  });
});

test("an inlined callee may fault in its middle, and a stub may lead elsewhere", () => {
  both(({ core, data, run }) => {
    run();
    core.x[10] = 100n;
    core.x[13] = 0n;
    core.setPc(CODE);
    expect(core.run(1000)).toBe(CoreStop.loadPageFault);
    expect(core.getPc()).toBe(CODE + BigInt(LEAF + 12));
    core.ramView.setBigUint64(data * PAGE, CODE + BigInt(LEAF + 16), true);
    expect(run()).toBe(CoreStop.ecall);
    // Once more before the fault, and then no more.
    expect(core.x[8]).toBe(101n);
  });
});
