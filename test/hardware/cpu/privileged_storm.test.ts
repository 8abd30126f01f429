/**
 * Hostile guests on the privileged core: random streams of instructions that know what to aim at (registers of every
 * mode, page tables that they rewrite while they stand on them, code that they overwrite, returns and traps into anywhere).
 * However a run is cut, whatever the host does in between, and whichever pages have to be fetched first: the same bits.
 */
import { describe, expect, test } from "vitest";
import { defaultTiming, initTiming } from "../../../kernel/hardware/cache/model.ts";
import { type Core, CoreStop, PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { createRv64Core } from "../../../kernel/hardware/cpu/rv64/core.ts";
import { Translations } from "../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { stateOf } from "./fixture.ts";
import { PAGE, RAM_BASE, rv64Modules } from "./machine.ts";
import { FREE, instruction, POINTERS } from "./random_privileged.ts";
import { Random } from "./random_program.ts";

const PAGES = 48;
const CODE_PAGES = 6;
/** Page tables: root, middle, last level; the last one maps the pages of RAM at VIRTUAL, in no order. */
const TABLES = 8;
const VIRTUAL = 0x4000_0000n;
const INSTRUCTIONS = 3000;

const physical = (page: number): bigint => BigInt(RAM_BASE + page * PAGE);
const entry = (page: number, bits: number): bigint => (physical(page) >> 2n) | BigInt(bits);

function fillMemory(ram: DataView, random: Random): void {
  for (let page = 0; page < CODE_PAGES; page++) {
    for (let at = 0; at < PAGE - 4; ) {
      const word = instruction(random);
      const long = (word & 3) === 3;
      if (long) ram.setUint32(page * PAGE + at, word, true);
      else ram.setUint16(page * PAGE + at, word & 0xffff, true);
      at += long ? 4 : 2;
    }
  }
  const put = (page: number, index: number, value: bigint): void =>
    ram.setBigUint64(page * PAGE + index * 8, value, true);
  put(TABLES, 1, entry(TABLES + 1, 1));
  // RAM where it is, as a gigapage with or without marks, for S or for U mode.
  put(TABLES, 2, (BigInt(RAM_BASE) >> 2n) | BigInt(random.pick([0x0f, 0xcf, 0xdf, 0x1f])));
  put(TABLES + 1, 0, entry(TABLES + 2, 1));
  put(TABLES + 1, 1, entry(random.pick([TABLES, TABLES + 2, 0]), random.pick([1, 0xcf, 0x0f])));
  for (let index = 0; index < 64; index++) {
    const page = index < CODE_PAGES ? index : random.below(PAGES + 2);
    const bits = random.chance(80) ? random.pick([0x0f, 0x1f, 0xcf, 0xdf, 0x4b, 0x5b, 0x17, 0x07]) : random.below(256);
    put(TABLES + 2, index, entry(page, bits));
  }
}

interface Guest {
  core: Core;
  /** What is in the pages that are not there yet. */
  absent: Map<number, Uint8Array>;
}

/** Sets registers of all modes to what gives the next instructions something to hit. */
function aim(core: Core, random: Random): void {
  const root = (8n << 60n) | (physical(TABLES) >> 12n);
  const places = [0, 1, CODE_PAGES - 1, TABLES, TABLES + 1, TABLES + 2, PAGES - 1].map(physical);
  for (const pointer of POINTERS) {
    const at = random.chance(50) ? random.pick(places) : VIRTUAL + BigInt(random.below(64) * PAGE);
    core.x[pointer] = at + BigInt(random.chance(50) ? 0 : random.below(PAGE));
  }
  for (const register of FREE)
    core.x[register] = random.pick([root, random.u64(), 0x1888n, 0x222n, VIRTUAL, physical(0), 0n]);
  core.x[POINTERS[0]!] = BigInt(0x10000000);
  const hart = core.saveHart();
  const vector = physical(random.below(CODE_PAGES)) + BigInt(random.below(512) * 4);
  const virtual = VIRTUAL + BigInt(random.below(CODE_PAGES) * PAGE + random.below(512) * 4);
  const registers: [string, bigint][] = [
    ["mtvec", vector | BigInt(random.below(2))],
    ["stvec", random.chance(50) ? virtual : vector],
    ["mepc", random.pick([virtual, physical(1)])],
    ["sepc", random.pick([virtual, physical(2)])],
    ["medeleg", random.u64() & 0xb3ffn],
    ["mideleg", random.u64() & 0x222n],
    ["mie", random.u64() & 0xaaan],
    ["satp", random.chance(60) ? root : 0n],
    ["mstatus", (random.u64() & 0x7e61aan) | random.pick([0n, 0x800n, 0x1800n])],
    ["pmpcfg0", random.chance(80) ? 0x1fn : random.u64() & 0x1f1f1fn],
    ["pmpaddr0", random.chance(80) ? 2n ** 54n - 1n : (physical(1) >> 2n) | BigInt(random.below(512))],
  ];
  for (const [name, value] of registers) hart.privileged!.registers.set(name, value);
  hart.privileged!.mode = random.pick([0, 1, 3]);
  const low = random.chance(60) || hart.privileged!.mode === 3;
  hart.pc = (low ? physical(0) : VIRTUAL) + BigInt(random.below(CODE_PAGES) * PAGE + random.below(PAGE / 2) * 2);
  core.loadHart(hart);
}

function create(seed: number, absence: number, translations?: Translations, timing: Uint8Array | null = null): Guest {
  const random = new Random(seed);
  const core = createRv64Core(
    { ...rv64Modules, translations },
    { ramPages: PAGES, ramBase: RAM_BASE, bus: device, harts: 1, timing },
  );
  core.pageFlags.fill(PageFlag.present);
  fillMemory(core.ramView, random);
  aim(core, random);
  const absent = new Map<number, Uint8Array>();
  for (let page = 0; page < PAGES; page++) {
    if (random.below(100) >= absence) continue;
    absent.set(page, core.ram.slice(page * PAGE, (page + 1) * PAGE));
    core.ram.fill(0, page * PAGE, (page + 1) * PAGE);
    core.pageFlags[page] = 0;
  }
  return { core, absent };
}

/** Something at the console's address; what it answers is always the same. */
const device = {
  read: (address: number) =>
    address >= 0x10000000 && address < 0x10000100 ? (BigInt(address) * 0x9e3779b97f4a7c15n) & (2n ** 64n - 1n) : null,
  write: (address: number) => address >= 0x10000000 && address < 0x10000100,
};

function fetch({ core, absent }: Guest, page: number): void {
  core.ram.set(absent.get(page)!, page * PAGE);
  core.pageFlags[page]! |= PageFlag.present;
  absent.delete(page);
}

function disturb(guest: Guest, random: Random): void {
  const { core } = guest;
  switch (random.below(7)) {
    case 0:
      // The timing model's own TLBs would be emptied, too.
      if (core.timing === null) core.flushTlb();
      break;
    case 1:
      core.clearDirty();
      break;
    case 2: {
      const page = random.below(PAGES);
      if (!guest.absent.has(page)) core.wrote(page);
      break;
    }
    case 3:
      core.loadHart(structuredClone(core.saveHart()));
      break;
    case 4:
      core.harts!.settle();
      break;
    default:
  }
}

/** At some positions a line is raised or dropped, in every run of the same seed. */
const linesAt = (seed: number, turn: number): number =>
  (seed * 31 + turn * 17) % 5 === 0 ? 0x80 : (seed + turn) % 7 === 0 ? 0x208 : 0;
const TURN = 60;

function run(guest: Guest, seed: number, cuts: Random | null, look: (core: Core) => void = () => {}): void {
  const { core } = guest;
  for (let executed = 0; executed < INSTRUCTIONS; ) {
    if (executed % TURN === 0) {
      const turn = executed / TURN;
      if (turn % 2 === 0) aim(core, new Random(seed * 1000 + turn));
      core.harts!.setLines(0, linesAt(seed, turn));
      core.harts!.settle();
    }
    const left = TURN - (executed % TURN);
    const budget = cuts ? Math.min(left, cuts.below(40)) : left;
    const stop = core.run(budget);
    executed += core.executed();
    expect(core.executed()).toBeLessThanOrEqual(budget);
    if (stop === CoreStop.needPage) fetch(guest, core.faultPage());
    else if (stop === CoreStop.budget) expect(core.executed()).toBe(budget);
    else expect([CoreStop.waitForInterrupt, CoreStop.attention]).toContain(stop);
    look(core);
    if (cuts) disturb(guest, cuts);
  }
  for (const page of [...guest.absent.keys()]) fetch(guest, page);
}

describe("a storm of privileged instructions", () => {
  test("leaves the same state however it is cut and disturbed, and whatever was there", () => {
    const eager = new Translations({ jumps: 1, credit: 1e9, patience: 0 });
    const causes = new Set<string>();
    const look = (core: Core): void => {
      const { registers, mode } = core.saveHart().privileged!;
      causes
        .add(`m${registers.get("mcause")}`)
        .add(`s${registers.get("scause")}`)
        .add(`mode ${mode}`);
    };
    for (let seed = 1; seed <= 25; seed++) {
      const whole = create(seed, 0);
      run(whole, seed, null);
      const expected = stateOf(whole.core);
      for (const [absence, translations] of [[0], [60], [60, eager]] as const) {
        const cut = create(seed, absence, translations);
        run(cut, seed, new Random(seed + 1000), look);
        const case_ = { seed, absence, translated: translations !== undefined };
        expect({ ...case_, state: stateOf(cut.core) }).toEqual({ ...case_, state: expected });
      }
    }
    expect(eager.count).toBeGreaterThan(1000);
    // It was a storm: all modes, and every kind of fault, in M and in S mode.
    const exceptions = [1, 2, 4, 5, 6, 7, 12, 13, 15];
    const expected = ["mode 0", "mode 1", "mode 3", ...exceptions.flatMap((cause) => [`m${cause}`, `s${cause}`])];
    expect(expected.filter((cause) => !causes.has(cause))).toEqual([]);
  });

  test("leaves the same cycles however it is cut and disturbed", () => {
    const area = (): Uint8Array => initTiming(defaultTiming(), 1, PAGES);
    for (let seed = 101; seed <= 110; seed++) {
      const whole = create(seed, 0, undefined, area());
      run(whole, seed, null);
      const cut = create(seed, 60, undefined, area());
      run(cut, seed, new Random(seed + 1000));
      expect(stateOf(cut.core)).toEqual(stateOf(whole.core));
      expect(cut.core.timing).toEqual(whole.core.timing);
      expect(whole.core.timing).not.toEqual(area());
    }
  });
});
