/** The timing model against a simple one, access by access; and that it changes nothing but cycles. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CacheConfig,
  defaultTiming,
  initTiming,
  type TimingConfig,
  type TlbConfig,
  timingFigures,
  timingProblems,
} from "../../../kernel/hardware/cache/model.ts";
import { PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { bType, iType, jType, sType } from "./encode.ts";
import { addi, CODE, CoreStop, csrr, DATA, EBREAK, NOP, stateOf } from "./fixture.ts";
import { Machine, PAGE, Program, RW, RX } from "./machine.ts";
import { Random, randomProgram } from "./random_program.ts";

const ramPages = 48;
const dataPages = 16;
const codePages = 8;

/** A machine with code and data whose tables are known. */
function machineWith(timing: TimingConfig | null, words: number[]) {
  const machine = new Machine(ramPages, undefined, timing && initTiming(timing, 1, ramPages));
  const code = machine.mapFresh(CODE, codePages, RX);
  const data = machine.mapFresh(DATA, dataPages, RW);
  machine.code(code, words);
  machine.core.setPc(CODE);
  return { machine, core: machine.core, code, data };
}

interface Way {
  key: number;
  dirty: boolean;
}

/** A set-associative table: each set with its ways, the one that was used last (or, not LRU, filled last) first. */
class SimpleCache {
  readonly sets: Way[][];
  hits = 0;
  misses = 0;
  writtenBack = 0;
  readonly ways: number;
  readonly replacement: string;
  #random: number;
  /** `number`: of the table among all, which is what the random ones differ by. */
  constructor(sets: number, ways: number, replacement: string, number: number) {
    this.sets = Array.from({ length: sets }, () => []);
    this.ways = ways;
    this.replacement = replacement;
    this.#random = 0x9e3779b9 ^ number;
  }
  find(key: number, index: number) {
    return this.sets[index % this.sets.length]!.find((way) => way.key === key);
  }
  /** Marsaglia's xorshift. */
  #draw(): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return (this.#random >>> 0) % this.ways;
  }
  /** True for a hit; the changed line that was driven out. */
  access(key: number, index: number, write: boolean): { hit: boolean; writtenBack: number | null } {
    const set = this.sets[index % this.sets.length]!;
    const way = this.find(key, index);
    if (way) {
      this.hits++;
      way.dirty ||= write;
      if (this.replacement === "lru") set.unshift(...set.splice(set.indexOf(way), 1));
      return { hit: true, writtenBack: null };
    }
    this.misses++;
    let out: Way | undefined;
    if (set.length === this.ways) {
      const victim = this.replacement === "random" ? this.#draw() : this.ways - 1;
      [out] = set.splice(victim, 1);
      if (out!.dirty) this.writtenBack++;
    }
    set.unshift({ key, dirty: write });
    return { hit: false, writtenBack: out?.dirty ? out.key : null };
  }
  figures = () => ({ hits: this.hits, misses: this.misses, writtenBack: this.writtenBack });
}

const cacheOf = ({ bytes, ways, lineBytes, replacement }: CacheConfig, number: number) =>
  new SimpleCache(bytes / lineBytes / ways, ways, replacement, number);
const tlbOf = ({ entries, ways, replacement }: TlbConfig, number: number) =>
  new SimpleCache(entries / ways, ways, replacement, number);

/** What the lecture draws: two first-level caches with their TLBs, one second level, memory. */
class SimpleModel {
  readonly config: TimingConfig;
  readonly instructions: SimpleCache;
  readonly data: SimpleCache;
  readonly second: SimpleCache;
  readonly instructionTlb: SimpleCache;
  readonly dataTlb: SimpleCache;
  readonly entries: (va: number) => number[];
  stalls = 0;
  local = 0;
  remote = 0;
  #line = -1;

  /** `entries`: offsets in RAM of the table entries that lead to an address. */
  constructor(config: TimingConfig, entries: (va: number) => number[]) {
    this.config = config;
    this.entries = entries;
    this.instructions = cacheOf(config.instructions, 1);
    this.data = cacheOf(config.data, 2);
    this.second = cacheOf(config.second, 0);
    this.instructionTlb = tlbOf(config.instructionTlb, 3);
    this.dataTlb = tlbOf(config.dataTlb, 4);
  }

  #through(cache: SimpleCache, { lineBytes, latency, indexing }: CacheConfig, va: number, pa: number, write: boolean) {
    this.stalls += latency - 1;
    const index = Math.floor((indexing === "virtual" ? va : pa) / lineBytes);
    const { hit, writtenBack } = cache.access(Math.floor(pa / lineBytes), index, write);
    if (hit) return;
    const { second } = this.config;
    if (writtenBack !== null) {
      const key = Math.floor((writtenBack * lineBytes) / second.lineBytes);
      const way = this.second.find(key, key);
      if (way) way.dirty = true;
    }
    this.stalls += second.latency;
    const key = Math.floor(pa / second.lineBytes);
    if (this.second.access(key, key, false).hit) return;
    const { memoryLatency, distances } = this.config;
    const node = Math.min(Math.floor(pa / PAGE / Math.ceil(ramPages / distances.length)), distances.length - 1);
    if (node === 0) this.local++;
    else this.remote++;
    this.stalls += Math.floor((memoryLatency * distances[0]![node]!) / 10);
  }

  #walk(tlb: SimpleCache, va: number): void {
    const page = Math.floor(va / PAGE);
    if (tlb.access(page, page, false).hit) return;
    for (const at of this.entries(va)) this.#through(this.data, this.config.data, at, at, false);
  }

  fetch(va: number, pa: number): void {
    const line = Math.floor(va / this.config.instructions.lineBytes);
    if (line === this.#line) return;
    this.#line = line;
    this.#walk(this.instructionTlb, va);
    this.#through(this.instructions, this.config.instructions, va, pa, false);
  }

  access(va: number, pa: number, size: number, write: boolean): void {
    this.#walk(this.dataTlb, va);
    this.#through(this.data, this.config.data, va, pa, write);
    const { lineBytes } = this.config.data;
    const last = size - 1;
    if (Math.floor(pa / lineBytes) !== Math.floor((pa + last) / lineBytes))
      this.#through(this.data, this.config.data, va + last, pa + last, write);
  }
}

interface Access {
  offset: number;
  log2Size: number;
  write: boolean;
}

/** Accesses to one page, one behind the other; then code goes on behind a gap, or in another page. */
interface Visit {
  page: number;
  accesses: Access[];
  gap: number;
  leaves: boolean;
}

/** Most are aligned, and so are done by the dispatch loop, some of them as one with the next. */
const accessArbitrary: fc.Arbitrary<Access> = fc
  .record({
    offset: fc.oneof(fc.constant(64), fc.nat(2047)),
    log2Size: fc.nat(3),
    write: fc.boolean(),
    aligned: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ offset, log2Size, write, aligned }) => ({
    offset: aligned ? offset & -(2 ** log2Size) : offset,
    log2Size: aligned === 3 ? 0 : log2Size,
    write,
  }));
const visitArbitrary: fc.Arbitrary<Visit> = fc.record({
  page: fc.oneof(fc.constant(0), fc.nat(dataPages - 2)),
  accesses: fc.array(accessArbitrary, { minLength: 1, maxLength: 6 }),
  gap: fc.nat(4),
  leaves: fc.boolean(),
});

/** li of the page's address, the accesses, and addi and bne, which may be one with each other. */
const wordsOf = ({ page, accesses, gap, leaves }: Visit, toOther: number): number[] => [
  (Number(DATA) + page * PAGE) | (10 << 7) | 0x37,
  ...accesses.map(({ offset, log2Size, write }) =>
    write ? sType(0x23, log2Size, 10, 11, offset) : iType(0x03, log2Size, 12, 10, offset),
  ),
  addi(13, 13, 1),
  leaves ? jType(0, toOther - 4 * (accesses.length + 2)) : bType(1, 13, 0, 4 + 4 * gap),
];

/** The offset of each visit in the code, which is in two places by turns; the words; and where it ends. */
function codeOf(visits: Visit[]): { starts: number[]; words: number[]; end: number } {
  const words: number[] = Array.from({ length: (codePages * PAGE) / 4 }, () => NOP);
  const places: [number, number] = [0, (codePages * PAGE) / 2];
  let here: 0 | 1 = 0;
  const starts = visits.map((visit) => {
    const start = places[here];
    const other = here === 0 ? 1 : 0;
    const own = wordsOf(visit, places[other] - start);
    words.splice(start / 4, own.length, ...own);
    places[here] += 4 * (own.length + (visit.leaves ? 0 : visit.gap));
    if (visit.leaves) here = other;
    return start;
  });
  words[places[here] / 4] = EBREAK;
  return { starts, words, end: places[here] };
}

const cacheArbitrary = (indexing: fc.Arbitrary<CacheConfig["indexing"]>): fc.Arbitrary<CacheConfig> =>
  fc
    .record({
      sets: fc.nat(4),
      ways: fc.integer({ min: 1, max: 4 }),
      line: fc.integer({ min: 4, max: 8 }),
      replacement: fc.constantFrom("lru" as const, "fifo" as const, "random" as const),
      indexing,
      latency: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ sets, ways, line, ...rest }) => ({
      bytes: 2 ** (sets + line) * ways,
      ways,
      lineBytes: 2 ** line,
      ...rest,
    }));

const tlbArbitrary: fc.Arbitrary<TlbConfig> = fc
  .record({
    sets: fc.nat(2),
    ways: fc.integer({ min: 1, max: 4 }),
    replacement: fc.constantFrom("lru", "fifo", "random"),
  })
  .map(({ sets, ways, replacement }) => ({ entries: 2 ** sets * ways, ways, replacement }));

const configArbitrary: fc.Arbitrary<TimingConfig> = fc.record({
  instructions: cacheArbitrary(fc.constantFrom("virtual", "physical")),
  data: cacheArbitrary(fc.constantFrom("virtual", "physical")),
  second: cacheArbitrary(fc.constant("physical")),
  instructionTlb: tlbArbitrary,
  dataTlb: tlbArbitrary,
  memoryLatency: fc.integer({ min: 1, max: 200 }),
  distances: fc.constantFrom(
    [[10]],
    [
      [10, 21],
      [15, 10],
    ],
    [
      [10, 13, 254],
      [11, 10, 12],
      [13, 14, 10],
    ],
  ),
});

const distancesOf = (nodes: number): number[][] =>
  Array.from({ length: nodes }, (_, i) => Array.from({ length: nodes }, (__, j) => (i === j ? 10 : 20)));

describe("the timing model", () => {
  test("counts what a simple model counts, for any caches and any accesses", () => {
    const run = (config: TimingConfig, visits: Visit[], pieces: number[]) => {
      expect(timingProblems(config)).toEqual([]);
      const { starts, words, end } = codeOf(visits);
      const { machine, core, code, data } = machineWith(config, words);
      const entries = (va: number) => [2, 1, 0].map((level) => machine.entryAddress(BigInt(va), level));
      const model = new SimpleModel(config, entries);
      const fetch = (at: number) => model.fetch(Number(CODE) + at, code * PAGE + at);
      for (const [i, { page, accesses }] of visits.entries()) {
        let at = starts[i]!;
        fetch(at);
        for (const { offset, log2Size, write } of accesses) {
          fetch((at += 4));
          model.access(Number(DATA) + page * PAGE + offset, (data + page) * PAGE + offset, 2 ** log2Size, write);
        }
        fetch(at + 4);
        fetch(at + 8);
      }
      fetch(end);
      for (const piece of pieces) core.run(piece);
      core.run(1);
      while (core.run(1000) !== CoreStop.breakpoint);
      const figures = timingFigures(core.timing!, 1);
      expect(figures).toEqual({
        stallCycles: model.stalls,
        localAccesses: model.local,
        remoteAccesses: model.remote,
        second: model.second.figures(),
        harts: [
          {
            instructions: model.instructions.figures(),
            data: model.data.figures(),
            instructionTlb: model.instructionTlb.figures(),
            dataTlb: model.dataTlb.figures(),
          },
        ],
      });
    };
    fc.assert(
      fc.property(
        configArbitrary,
        fc.array(visitArbitrary, { minLength: 4, maxLength: 200 }),
        fc.array(fc.nat(3), { maxLength: 5 }),
        run,
      ),
      { numRuns: 60, seed: 4 },
    );
  });

  test("changes nothing but cycles, wherever a host cuts the run", () => {
    const directory = mkdtempSync(join(tmpdir(), "cpu-timing-"));
    const path = join(directory, "program");
    writeFileSync(path, randomProgram(7, 60, "all").elf);
    const outcome = (timing: Uint8Array | null, random: Random | null) => {
      const program = new Program(path, 8192, timing);
      while (program.exitCode === undefined) {
        program.run(random === null ? undefined : program.executed + random.below(50) + 1);
        if (random?.chance(10)) program.core.loadHart(structuredClone(program.core.saveHart()));
        if (random?.chance(10)) program.core.clearDirty();
      }
      const { core, executed, output } = program;
      return { state: stateOf(core), executed, output, timing: core.timing?.slice() };
    };
    const { timing: none, ...functional } = outcome(null, null);
    expect(none).toBeUndefined();
    for (const replacement of ["lru", "random"] as const) {
      const config = defaultTiming();
      config.data = { ...config.data, bytes: 2048, ways: 4, replacement };
      const area = () => initTiming(config, 1, 8192);
      const { timing, ...whole } = outcome(area(), null);
      expect(whole).toEqual(functional);
      expect(timingFigures(timing!, 1).harts[0]!.data.misses).toBeGreaterThan(100);
      const { timing: cut, ...inPieces } = outcome(area(), new Random(3));
      expect(inPieces).toEqual(functional);
      expect(cut).toEqual(timing);
    }
    rmSync(directory, { recursive: true });
  });

  test("an instruction behind the end of the budget has not been fetched", () => {
    const { instructions } = defaultTiming();
    const perLine = instructions.lineBytes / 4;
    const nop = iType(0x13, 0, 0, 0, 0);
    const { core } = machineWith(defaultTiming(), [...Array.from({ length: 2 * perLine }, () => nop), EBREAK]);
    const fetched = () => {
      const { hits, misses } = timingFigures(core.timing!, 1).harts[0]!.instructions;
      return hits + misses;
    };
    core.run(perLine);
    expect(fetched()).toBe(1);
    core.run(1);
    expect(fetched()).toBe(2);
  });

  test("an access to two pages is one to each; a page that the host had to fetch is counted once", () => {
    const words = [(Number(DATA) + PAGE) | (10 << 7) | 0x37, iType(0x03, 3, 12, 10, -4), EBREAK];
    const counted = (absent: boolean) => {
      const { core, data } = machineWith(defaultTiming(), words);
      if (absent) core.pageFlags[data + 1]! &= ~PageFlag.present;
      if (absent) {
        expect(core.run(10)).toBe(CoreStop.needPage);
        core.pageFlags[core.faultPage()]! |= PageFlag.present;
      }
      expect(core.run(10)).toBe(CoreStop.breakpoint);
      return timingFigures(core.timing!, 1);
    };
    const figures = counted(false);
    expect(figures.harts[0]!.dataTlb).toEqual({ hits: 0, misses: 2, writtenBack: 0 });
    // Two lines of data, and those of the tables: two that all walks share, the last table's for code and for data.
    expect(figures.harts[0]!.data.misses).toBe(2 + 4);
    expect(counted(true)).toEqual(figures);
  });

  test("adds up more stalls in a run than fit in 32 bits", () => {
    const config = defaultTiming();
    config.data.latency = 10_000;
    const loads = 0x50000;
    // The address, the number of loads, and a loop.
    const words = [
      Number(DATA) | (10 << 7) | 0x37,
      loads | (5 << 7) | 0x37,
      iType(0x03, 3, 12, 10, 0),
      addi(5, 5, -1),
      bType(1, 5, 0, -8),
      EBREAK,
    ];
    const { core } = machineWith(config, words);
    expect(core.run(10 * loads)).toBe(CoreStop.breakpoint);
    const { stallCycles, localAccesses, second, harts } = timingFigures(core.timing!, 1);
    const accesses = ({ hits, misses }: { hits: number; misses: number }) => hits + misses;
    expect(accesses(harts[0]!.data)).toBeGreaterThan(loads);
    expect(stallCycles).toBe(
      accesses(harts[0]!.data) * (config.data.latency - 1) +
        accesses(second) * config.second.latency +
        localAccesses * config.memoryLatency,
    );
  });

  test("the cycle counter shows the stalls, instret does not", () => {
    const { core } = machineWith(defaultTiming(), [csrr(5, 0xc00), csrr(6, 0xc02), EBREAK]);
    core.setCounters(1000, 1000);
    core.run(10);
    expect(core.x[6]).toBe(1001n);
    expect(core.x[5]).toBe(1000n + BigInt(timingFigures(core.timing!, 1).stallCycles));
  });

  test("memory of another node is further away", () => {
    const load = [(Number(DATA) | (10 << 7) | 0x37) >>> 0, iType(0x03, 3, 12, 10, 0), EBREAK];
    const run = (far: boolean) => {
      const distances = [
        [10, 25],
        [25, 10],
      ];
      const { machine, core } = machineWith({ ...defaultTiming(), distances }, load);
      if (far) machine.map(DATA, ramPages - 1, RW);
      expect(core.run(10)).toBe(CoreStop.breakpoint);
      return timingFigures(core.timing!, 1);
    };
    const near = run(false);
    const far = run(true);
    expect(near.remoteAccesses).toBe(0);
    expect(far.remoteAccesses).toBe(1);
    expect(far.localAccesses).toBe(near.localAccesses - 1);
    expect(far.stallCycles - near.stallCycles).toBe(1.5 * defaultTiming().memoryLatency);
  });
});

describe("a configuration", () => {
  const problemsOf = (change: (config: TimingConfig) => void): string[] => {
    const config = defaultTiming();
    change(config);
    return timingProblems(config).map(({ field }) => field);
  };

  test.each<[string, (config: TimingConfig) => void]>([
    ["of one line", ({ data }) => Object.assign(data, { bytes: 16, ways: 1, lineBytes: 16 })],
    ["of one set", ({ instructions }) => Object.assign(instructions, { bytes: 64 * 256, ways: 64, lineBytes: 256 })],
    ["of 16 MiB", ({ second }) => Object.assign(second, { bytes: 2 ** 24, ways: 1 })],
    ["of three ways", ({ second }) => Object.assign(second, { bytes: 3 * 2 ** 16, ways: 3 })],
    ["of a TLB of one entry", ({ dataTlb }) => Object.assign(dataTlb, { entries: 1, ways: 1 })],
    ["of eight nodes", (config) => Object.assign(config, { distances: distancesOf(8) })],
  ])("%s can be modelled", (_, change) => {
    expect(problemsOf(change)).toEqual([]);
  });

  test.each<[string, (config: TimingConfig) => void]>([
    ["data.bytes", ({ data }) => Object.assign(data, { bytes: 0 })],
    ["data.bytes", ({ data }) => Object.assign(data, { bytes: 48 * 1024 })],
    ["second.bytes", ({ second }) => Object.assign(second, { bytes: 2 ** 25 })],
    ["instructions.ways", ({ instructions }) => Object.assign(instructions, { bytes: 64 * 128, ways: 128 })],
    ["instructions.lineBytes", ({ instructions }) => Object.assign(instructions, { lineBytes: 4096 })],
    ["data.lineBytes", ({ data }) => Object.assign(data, { lineBytes: 8 })],
    ["data.latency", ({ data }) => Object.assign(data, { latency: 0 })],
    ["second.latency", ({ second }) => Object.assign(second, { latency: 10_001 })],
    ["second.indexing", ({ second }) => Object.assign(second, { indexing: "virtual" })],
    ["instructionTlb.entries", ({ instructionTlb }) => Object.assign(instructionTlb, { entries: 48 })],
    ["dataTlb.entries", ({ dataTlb }) => Object.assign(dataTlb, { entries: 8192 })],
    ["dataTlb.ways", ({ dataTlb }) => Object.assign(dataTlb, { entries: 128, ways: 128 })],
    ["memoryLatency", (config) => Object.assign(config, { memoryLatency: Number.NaN })],
    ["distances", (config) => Object.assign(config, { distances: [] })],
    ["distances", (config) => Object.assign(config, { distances: distancesOf(9) })],
    ["distances", (config) => Object.assign(config, { distances: [[11]] })],
    [
      "distances",
      (config) =>
        Object.assign(config, {
          distances: [
            [10, 255],
            [20, 10],
          ],
        }),
    ],
  ])("that cannot be modelled names %s", (field, change) => {
    expect(problemsOf(change)).toEqual([field]);
  });
});
