/**
 * Random programs with loops, calls, indirect jumps, faults and stores into their own code, executed by a core that
 * interprets and by one that translates, side by side.
 */
import { type Core, CoreStop } from "../../../../kernel/hardware/cpu/core.ts";
import { Translations } from "../../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { bType, iType, rType, sType } from "../encode.ts";
import { Machine, PAGE, RW, RWX } from "../machine.ts";
import { double, instruction, type Mix, type Random, single } from "../random_program.ts";

export const CODE = 0x10000n;
export const CODE_PAGES = 3;
export const DATA = 0x20000n;
const DATA_PAGES = 3;

/** Registers that only the generator's own sequences use: an address in the code, and a word to store there. */
const ADDRESS = 28;
const WORD = 26;
/** What `instruction` takes for pointers to memory. */
const POINTERS = [2, 9, 31];

interface Item {
  words: number[];
  /** Makes the words again once the places of all items are known. */
  place?: (at: number, target: number) => number[];
  target: number;
}

const size = (words: number[]): number => words.reduce((sum, word) => sum + ((word & 3) === 3 ? 4 : 2), 0);

const jal = (rd: number, distance: number): number =>
  (((distance >> 20) & 1) << 31) |
  (((distance >> 1) & 0x3ff) << 21) |
  (((distance >> 11) & 1) << 20) |
  (((distance >> 12) & 0xff) << 12) |
  (rd << 7) |
  0x6f;

/** auipc and addi: the address `distance` from here. */
const address = (distance: number): number[] => [
  ((distance + 0x800) & ~0xfff) | (ADDRESS << 7) | 0x17,
  iType(0x13, 0, ADDRESS, ADDRESS, distance & 0xfff),
];

function control(random: Random): Item {
  const placed = (place: NonNullable<Item["place"]>): Item => ({
    words: place(0, 0),
    place,
    target: random.u64() ? random.below(1 << 30) : 0,
  });
  const x = (): number => random.pick([0, 5, 6, 7, 8, 10, 11, 12, 13]);
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const [f3, a, b] = [random.pick([0, 1, 4, 5, 6, 7]), x(), x()];
      return placed((at, to) => [bType(f3, a, b, to - at)]);
    }
    case 4:
      return placed((at, to) => [jal(0, to - at)]);
    case 5:
    case 6: {
      const link = random.pick([1, 1, 1, 5, 7]);
      return placed((at, to) => [jal(link, to - at)]);
    }
    case 7: {
      const link = random.pick([0, 0, 1, 5]);
      const odd = random.below(2);
      return placed((at, to) => [...address(to - at), iType(0x67, 0, link, ADDRESS, odd)]);
    }
    case 8:
      return { words: [random.pick([0x8082, iType(0x67, 0, 0, 1, 0), iType(0x67, 0, 0, 5, 0)])], target: 0 };
    case 9: {
      const word = random.pick([
        0x00100013,
        iType(0x13, 0, random.pick([5, 8]), 6, 77),
        0x0001,
        0x73,
        0,
        random.below(2 ** 32),
      ]);
      const li = [((word + 0x800) & ~0xfff) | (WORD << 7) | 0x37, iType(0x1b, 0, WORD, WORD, word & 0xfff)];
      const width = random.pick([0, 1, 2, 2, 3]);
      return placed((at, to) => [...li, ...address(to - at - 8), sType(0x23, width, ADDRESS, WORD, 0)]);
    }
    case 10:
      return {
        words: [random.pick([0x73, 0x100073, 0x0000100f, iType(0x73, 2, 11, 0, 0xc00), 0xffffffff | 0, 0])],
        target: 0,
      };
    case 11:
    case 12: {
      const [funct3, number] = [random.pick([1, 2, 3, 5, 6, 7]), random.pick([1, 1, 1, 2, 3])];
      // Most only read, so that the rounding mode stays for a while.
      const source = number === 1 || random.chance(10) ? random.pick([0, 8, 10, 31]) : 0;
      return { words: [iType(0x73, source ? funct3 : funct3 | 2, x(), source, number)], target: 0 };
    }
    default:
      return { words: [rType(0x33, 0, 0, random.pick(POINTERS), random.pick(POINTERS), 0)], target: 0 };
  }
}

/** The words of a program that starts with the code's first page, and where its items are. */
export function program(random: Random, mix: Mix): { words: number[]; places: number[] } {
  const items: Item[] = [];
  const most = PAGE * random.pick([1, 2, 3]) - 64;
  for (let length = 0; length < most; ) {
    const item = random.chance(25) ? control(random) : { words: instruction(random, mix), target: 0 };
    items.push(item);
    length += size(item.words);
  }
  const places: number[] = [];
  let at = 0;
  for (const { words } of items) {
    places.push(at);
    at += size(words);
  }
  // Most jumps stay near, so that there are loops.
  const words = items.flatMap((item, index) => {
    if (!item.place) return item.words;
    const near = index + (item.target % 40) - 25;
    const target = item.target % 7 ? Math.min(Math.max(near, 0), items.length - 1) : item.target % items.length;
    const to = places[target] as number;
    const from = places[index] as number;
    return Math.abs(to - from) < 4000 ? item.place(from, to) : item.place(from, from + 4);
  });
  return { words, places };
}

function start(translations: Translations | undefined, words: number[]): { machine: Machine; core: Core } {
  const machine = new Machine(64, undefined, null, translations);
  const page = machine.mapFresh(CODE, CODE_PAGES, RWX);
  machine.mapFresh(DATA, DATA_PAGES, RW);
  machine.code(page, words);
  for (let n = 0; n < CODE_PAGES; n++) machine.core.wrote(page + n);
  return { machine, core: machine.core };
}

function registers(random: Random, cores: Core[]): void {
  const x = Array.from({ length: 32 }, () => (random.chance(40) ? BigInt(random.below(20)) : random.u64()));
  for (const pointer of POINTERS) x[pointer] = DATA + BigInt(random.pick([0, 0x800, 0xf80, 0x1f83, 0x2f80]));
  for (const link of [1, 5]) x[link] = CODE + BigInt(random.below(PAGE));
  const f = Array.from({ length: 32 }, (_, n) => (n % 12 < 6 ? double(random) : single(random)));
  const fcsr = random.pick([0, 1, 1, 1, 0x21, 0x61]);
  for (const core of cores) {
    const hart = core.saveHart();
    x.forEach((value, n) => {
      if (n) hart.x[n] = value;
    });
    f.forEach((value, n) => {
      hart.f[n] = value;
    });
    core.loadHart({ ...hart, fcsr });
  }
}

/** What two cores have to agree on after every run. */
const result = (core: Core, stop: CoreStop) => ({
  stop,
  executed: core.executed(),
  hart: core.saveHart(),
  value: stop === CoreStop.budget ? 0n : core.faultValue(),
});

const sameRam = (a: Core, b: Core): boolean => Buffer.compare(a.ram, b.ram) === 0;

/** Runs both for a number of rounds; gives the first difference as two values, or undefined. */
export function lockstep(random: Random, mix: Mix, jumps: number, rounds: number): [unknown, unknown] | undefined {
  const { words, places } = program(random, mix);
  const interpreting = start(undefined, words);
  const translating = start(new Translations({ jumps, credit: 1e9, patience: 0 }), words);
  const cores = [interpreting.core, translating.core] as const;
  const jump = (): void => {
    const pc = CODE + BigInt(random.pick(places));
    for (const core of cores) core.setPc(pc);
  };
  registers(random, [...cores]);
  jump();
  for (let round = 0; round < rounds; round++) {
    const budget = random.chance(60) ? random.below(60) : random.below(3000);
    const [a, b] = cores.map((core) => result(core, core.run(budget))) as [
      ReturnType<typeof result>,
      ReturnType<typeof result>,
    ];
    const pages = cores.map((core) => core.pageFlags.map((flags) => flags & 3));
    if (!same(a, b)) return [a, b];
    if (!same(pages[0], pages[1])) return [pages[0], pages[1]];
    if (round % 8 === 0 && !sameRam(...cores)) return ["RAM", "differs"];
    if (a.stop !== CoreStop.budget || random.chance(20)) {
      if (random.chance(70)) registers(random, [...cores]);
      jump();
    }
    disturb(random, cores);
  }
  return sameRam(...cores) ? undefined : ["RAM", "differs"];
}

/** What a host may do between two runs without changing anything; only a page's write by the host is to be seen. */
function disturb(random: Random, [interpreting, translating]: readonly [Core, Core]): void {
  const what = random.below(40);
  const page = random.below(8);
  if (what === 0) translating.flushTlb();
  if (what === 1) translating.flushTlb(Number(translating.getPc()));
  if (what === 2) for (const core of [interpreting, translating]) core.wrote(page);
  if (what === 3) for (const core of [interpreting, translating]) core.clearDirty();
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, part) => {
    if (typeof part === "bigint") return part.toString(16);
    return part instanceof BigUint64Array ? [...part].map((word) => word.toString(16)) : part;
  });
const same = (a: unknown, b: unknown): boolean => text(a) === text(b);
