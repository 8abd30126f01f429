import { describe, expect, test } from "vitest";
import { PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { iType, sType } from "./encode.ts";
import { addi, CODE, CoreStop, DATA, ECALL, Fixture, load, NOP } from "./fixture.ts";
import { Machine, PAGE, Pte, RAM_BASE, RO, RW, RWX, RX } from "./machine.ts";

const LOAD = load(3, 7, 5);
const STORE = sType(0x23, 3, 5, 6, 0);
const SPARE = 0x30000n;

/** Runs one load, store or fetch at `va`. */
function touch(fixture: Fixture, kind: "load" | "store" | "fetch", va: bigint): CoreStop {
  if (kind === "fetch") {
    fixture.core.setPc(va);
    return fixture.core.run(1);
  }
  return fixture.execute([kind === "load" ? LOAD : STORE], { 5: va, 6: 0x1122n }, 1);
}

const faults = { load: CoreStop.loadPageFault, store: CoreStop.storePageFault, fetch: CoreStop.instructionPageFault };
const kinds = ["load", "store", "fetch"] as const;

function withEntry(bits: number, high = 0n): Fixture {
  const fixture = new Fixture();
  const page = fixture.machine.mapFresh(SPARE, 1, bits);
  fixture.core.ramView.setUint32(page * PAGE, NOP, true);
  if (high) {
    const at = fixture.machine.entryAddress(SPARE);
    fixture.core.ramView.setBigUint64(at, fixture.core.ramView.getBigUint64(at, true) | high, true);
  }
  return fixture;
}

describe("a translation", () => {
  const cases: [string, number, Partial<Record<"load" | "store" | "fetch", true>>][] = [
    ["of read-only pages", RO, { load: true }],
    ["of read-write pages", RW, { load: true, store: true }],
    ["of read-execute pages", RX, { load: true, fetch: true }],
    ["of pages with everything", RWX, { load: true, store: true, fetch: true }],
    ["of execute-only pages", Pte.V | Pte.U | Pte.A | Pte.X, { fetch: true }],
    ["without V", RWX & ~Pte.V, {}],
    ["without U", RWX & ~Pte.U, {}],
    ["without A", RWX & ~Pte.A, {}],
    ["without D", RWX & ~Pte.D, { load: true, fetch: true }],
    ["with W but not R", RWX & ~Pte.R, {}],
    ["that is a pointer at the last level", Pte.V, {}],
  ];
  for (const [name, bits, allowed] of cases) {
    test(`${name} allows ${Object.keys(allowed).join(", ") || "nothing"}`, () => {
      for (const kind of kinds) {
        const fixture = withEntry(bits);
        const stop = touch(fixture, kind, SPARE);
        expect(stop, kind).toBe(allowed[kind] ? CoreStop.budget : faults[kind]);
        if (stop) expect([fixture.core.faultValue(), fixture.core.executed()]).toEqual([SPARE, 0]);
      }
    });
  }

  test("with a reserved bit faults", () => {
    for (const bit of [54n, 60n, 61n, 63n]) {
      for (const kind of kinds) expect(touch(withEntry(RWX, 1n << bit), kind, SPARE)).toBe(faults[kind]);
    }
  });

  test("of a non-canonical address faults, also when its low bits are cached", () => {
    const fixture = withEntry(RWX);
    expect(touch(fixture, "load", SPARE)).toBe(CoreStop.budget);
    for (const kind of kinds) {
      for (const high of [1n << 39n, 1n << 63n, 1n << 38n])
        expect(touch(fixture, kind, SPARE | high)).toBe(faults[kind]);
    }
  });

  test("through a non-leaf entry with A, D or U set faults", () => {
    const fixture = withEntry(RWX);
    const at = fixture.machine.entryAddress(SPARE, 1);
    fixture.core.ramView.setUint8(at, Pte.V | Pte.A);
    fixture.core.flushTlb();
    expect(touch(fixture, "load", SPARE)).not.toBe(CoreStop.budget);
  });

  test("that leads outside RAM, at any level, is an access fault", () => {
    const outside = 0x10_0000;
    for (const kind of kinds) {
      for (const level of [0, 1, 2]) {
        const fixture = new Fixture();
        const va = SPARE + (level ? 1n << BigInt(12 + 9 * level) : 0n);
        fixture.machine.map(va, outside, level ? Pte.V : RWX, level);
        expect(touch(fixture, kind, va), `${kind} at level ${level}`).toBe(CoreStop.accessFault);
        expect(fixture.core.faultValue()).toBe(va);
      }
    }
  });

  test("in the high half works", () => {
    const fixture = new Fixture();
    const high = 0xffff_ffff_ffff_f000n;
    fixture.machine.mapFresh(high, 1, RW);
    expect(touch(fixture, "store", high + 0xff8n)).toBe(CoreStop.budget);
    expect(touch(fixture, "load", high + 0xffcn)).toBe(CoreStop.loadPageFault);
    expect(fixture.core.faultValue()).toBe(0n);
  });
});

describe("superpages", () => {
  // RAM begins at 2 GiB, so its first frame is aligned for both sizes.
  for (const [level, va] of [
    [1, 0x4000_0000n],
    [2, 0x8_0000_0000n],
  ] as const) {
    test(`at level ${level} translate every page, and must be aligned`, () => {
      const fixture = new Fixture();
      const { core, machine } = fixture;
      machine.map(va, 0, RW, level);
      const offset = 100 * PAGE + 8;
      expect(touch(fixture, "store", va + BigInt(offset))).toBe(CoreStop.budget);
      expect(core.ramView.getBigUint64(offset, true)).toBe(0x1122n);
      machine.map(va, 1, RW, level);
      core.flushTlb(Number(va));
      expect(touch(fixture, "store", va + BigInt(offset))).toBe(CoreStop.storePageFault);
    });
  }
});

describe("pages that are not present", () => {
  for (const kind of kinds) {
    test(`stop a ${kind} with their number, be they the target or a table on the way`, () => {
      const far = 0x1_4000_0000n;
      const fixture = new Fixture();
      const { core, machine } = fixture;
      const page = machine.mapFresh(far, 1, RWX);
      core.ramView.setUint32(page * PAGE, NOP, true);
      const tables = [0, 1].map((level) => Math.floor(machine.entryAddress(far, level) / PAGE));
      for (const missing of [page, ...tables]) {
        core.flushTlb();
        core.pageFlags[missing]! &= ~PageFlag.present;
        expect(touch(fixture, kind, far)).toBe(CoreStop.needPage);
        expect([core.faultPage(), core.executed()]).toEqual([missing, 0]);
        core.pageFlags[missing]! |= PageFlag.present;
        expect(touch(fixture, kind, far)).toBe(CoreStop.budget);
      }
    });
  }
});

describe("dirty flags", () => {
  const dirty = (fixture: Fixture) =>
    [0, 1, 2].map((i) => (fixture.core.pageFlags[fixture.dataPage + i]! & PageFlag.dirty) !== 0);

  test("are set by the first write after they were cleared, and by that only", () => {
    const fixture = new Fixture();
    expect(dirty(fixture)).toEqual([false, false, false]);
    touch(fixture, "load", DATA);
    expect(dirty(fixture)).toEqual([false, false, false]);
    touch(fixture, "store", DATA + 0x1000n);
    expect(dirty(fixture)).toEqual([false, true, false]);
    fixture.core.clearDirty();
    expect(dirty(fixture)).toEqual([false, false, false]);
    touch(fixture, "store", DATA + 0x1ffcn);
    expect(dirty(fixture)).toEqual([false, true, true]);
  });

  test("are set again after clearing in another address space that comes back", () => {
    const fixture = new Fixture();
    const { core, machine } = fixture;
    const other = machine.allocate();
    core.ram.copyWithin(other * PAGE, machine.root * PAGE, (machine.root + 1) * PAGE);
    touch(fixture, "store", DATA);
    core.setAddressSpace(RAM_BASE / PAGE + other, 2);
    touch(fixture, "store", DATA + 0x1000n);
    core.clearDirty();
    core.setAddressSpace(RAM_BASE / PAGE + machine.root, 1);
    touch(fixture, "store", DATA);
    expect(dirty(fixture)).toEqual([true, false, false]);
  });

  test("wrote marks a page", () => {
    const fixture = new Fixture();
    fixture.core.wrote(fixture.dataPage);
    expect(dirty(fixture)).toEqual([true, false, false]);
  });
});

describe("address spaces", () => {
  test("switch without a flush, more of them than the core keeps", () => {
    const fixture = new Fixture();
    const { core, machine } = fixture;
    const spaces = Array.from({ length: 20 }, (_, i) => {
      const root = machine.allocate();
      machine.map(CODE, fixture.codePage, RX, 0, root);
      const page = machine.allocate();
      machine.map(DATA, page, RW, 0, root);
      core.ramView.setBigUint64(page * PAGE, BigInt(1000 + i), true);
      return RAM_BASE / PAGE + root;
    });
    for (const i of [0, 1, 0, 1, 5, ...spaces.keys(), 3, 19, 3]) {
      core.setAddressSpace(spaces[i]!, i);
      touch(fixture, "load", DATA);
      expect(core.x[7]).toBe(BigInt(1000 + i));
    }
  });

  test("see a changed entry after a flush of the page", () => {
    const fixture = new Fixture();
    touch(fixture, "store", DATA);
    fixture.machine.map(DATA, fixture.dataPage, RO);
    fixture.core.flushTlb(Number(DATA));
    expect(touch(fixture, "store", DATA)).toBe(CoreStop.storePageFault);
    expect(touch(fixture, "load", DATA)).toBe(CoreStop.budget);
  });
});

test("what is asked of a core between two runs is part of what the next has cost", () => {
  const { core, codePage } = new Fixture([NOP, NOP, NOP, NOP, NOP, ECALL]);
  const cost = (before: () => void): number => {
    before();
    expect(core.run(1)).toBe(CoreStop.budget);
    return core.workNs();
  };
  cost(() => {});
  const alone = cost(() => {});
  for (const act of [() => core.flushTlb(), () => core.wrote(codePage)])
    expect(cost(act)).toBeGreaterThan(alone + 1000);
  expect(cost(() => {})).toBe(alone);
});

describe("self-modifying code", () => {
  const patch = (fixture: Fixture) => {
    // sw x6, 12(x5): replaces the instruction after the next by the one in x6, in the same straight line.
    fixture.machine.map(CODE, fixture.codePage, RWX);
    fixture.machine.map(CODE + 0x1000n, fixture.codePage + 1, RWX);
    fixture.core.flushTlb();
  };

  test("takes effect at the next instruction, without fence.i, at every budget", () => {
    const words = [addi(7, 0, 0), sType(0x23, 2, 5, 6, 8), addi(7, 7, 1), addi(7, 7, 1), ECALL];
    for (const pieces of [[100], [1, 99], [2, 98], [3, 97], [1, 1, 1, 97]]) {
      const fixture = new Fixture(words, { 5: CODE, 6: BigInt(addi(7, 7, 40)) });
      patch(fixture);
      // Decode everything first.
      fixture.core.run(100);
      expect(fixture.core.x[7]).toBe(41n);
      fixture.machine.code(fixture.codePage, words);
      fixture.core.setPc(CODE);
      let executed = 0;
      for (const piece of pieces) {
        fixture.core.run(piece);
        executed += fixture.core.executed();
      }
      expect([fixture.core.x[7], executed]).toEqual([41n, 5]);
    }
  });

  test("sees a store through another mapping, and one to the far half of a straddling instruction", () => {
    const fixture = new Fixture([addi(7, 0, 1), ECALL], {}, PAGE - 2);
    patch(fixture);
    fixture.core.run(10);
    expect(fixture.core.x[7]).toBe(1n);
    fixture.machine.map(SPARE, fixture.codePage + 1, RW);
    // The upper half of addi x7, x0, 5, stored through the alias by code elsewhere.
    const elsewhere = fixture.machine.mapFresh(0x40000n, 1, RX);
    fixture.machine.code(elsewhere, [sType(0x23, 1, 5, 6, 0), ECALL]);
    fixture.core.x[5] = SPARE;
    fixture.core.x[6] = BigInt((addi(7, 0, 5) >>> 16) & 0xffff);
    fixture.core.setPc(0x40000n);
    expect(fixture.core.run(10)).toBe(CoreStop.ecall);
    fixture.core.setPc(CODE + BigInt(PAGE) - 2n);
    fixture.core.run(10);
    expect(fixture.core.x[7]).toBe(5n);
  });

  test("a page that becomes code loses its fast writes", () => {
    const fixture = new Fixture();
    const page = fixture.machine.mapFresh(SPARE, 1, RWX);
    const { core } = fixture;
    const run = (value: number): bigint => {
      fixture.execute([sType(0x23, 2, 5, 6, 0), sType(0x23, 2, 5, 8, 4), (0x0002_8067 | (1 << 7)) >>> 0], {
        5: SPARE,
        6: BigInt(addi(7, 0, value)),
        8: BigInt(ECALL),
      });
      return core.x[7]!;
    };
    expect([run(1), run(2), run(3)]).toEqual([1n, 2n, 3n]);
    expect(core.pageFlags[page]! & PageFlag.code).toBe(PageFlag.code);
    core.wrote(page);
    expect(core.pageFlags[page]! & PageFlag.code).toBe(0);
  });

  test("more pages of code than there are slots still run", () => {
    const machine = new Machine(2048);
    const count = 1200;
    const first = machine.mapFresh(0x100000n, count, RX);
    // Each page adds one and goes on in the next.
    const onward = [addi(7, 7, 1), 0x0000_1317, iType(0x67, 0, 0, 6, -4)];
    for (let i = 0; i < count; i++) machine.code(first + i, i === count - 1 ? [addi(7, 7, 1), ECALL] : onward);
    for (let round = 0; round < 2; round++) {
      machine.core.x[7] = 0n;
      machine.core.setPc(0x100000n);
      expect(machine.core.run(10_000)).toBe(CoreStop.ecall);
      expect(machine.core.x[7]).toBe(BigInt(count));
    }
  });
});
