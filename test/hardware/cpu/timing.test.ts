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
import { iType, sType } from "./encode.ts";
import { CODE, CoreStop, csrr, DATA, EBREAK, stateOf } from "./fixture.ts";
import { Machine, PAGE, Program, RW, RX } from "./machine.ts";
import { Random, randomProgram } from "./random_program.ts";

const ramPages = 256;
const dataPages = 16;

/** A machine with code and data whose tables are known. */
function machineWith(timing: TimingConfig | null, words: number[]) {
  const machine = new Machine(ramPages, undefined, timing && initTiming(timing, 1, ramPages));
  const code = machine.mapFresh(CODE, 2, RX);
  const data = machine.mapFresh(DATA, dataPages, RW);
  machine.code(code, words);
  machine.core.setPc(CODE);
  return { machine, core: machine.core, code, data };
}

/** A set-associative table: each way with its key, and when it was used and filled. */
class SimpleCache {
  readonly sets: { key: number; dirty: boolean; time: number }[][];
  hits = 0;
  misses = 0;
  writtenBack = 0;
  readonly ways: number;
  readonly isLru: boolean;
  #clock = 0;
  constructor(sets: number, ways: number, replacement: string) {
    this.sets = Array.from({ length: sets }, () => []);
    this.ways = ways;
    this.isLru = replacement === "lru";
  }
  find(key: number, index: number) {
    return this.sets[index % this.sets.length]!.find((way) => way.key === key);
  }
  /** True for a hit; the changed line that was driven out. */
  access(key: number, index: number, write: boolean): { hit: boolean; writtenBack: number | null } {
    const set = this.sets[index % this.sets.length]!;
    const way = this.find(key, index);
    this.#clock++;
    if (way) {
      this.hits++;
      way.dirty ||= write;
      if (this.isLru) way.time = this.#clock;
      return { hit: true, writtenBack: null };
    }
    this.misses++;
    let out: number | null = null;
    if (set.length === this.ways) {
      const victim = set.reduce((oldest, each) => (each.time < oldest.time ? each : oldest));
      if (victim.dirty) {
        out = victim.key;
        this.writtenBack++;
      }
      set.splice(set.indexOf(victim), 1);
    }
    set.push({ key, dirty: write, time: this.#clock });
    return { hit: false, writtenBack: out };
  }
  figures = () => ({ hits: this.hits, misses: this.misses, writtenBack: this.writtenBack });
}

const cacheOf = ({ bytes, ways, lineBytes, replacement }: CacheConfig) =>
  new SimpleCache(bytes / lineBytes / ways, ways, replacement);
const tlbOf = ({ entries, ways, replacement }: TlbConfig) => new SimpleCache(entries / ways, ways, replacement);

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
  memory = 0;
  #line = -1;

  /** `entries`: offsets in RAM of the table entries that lead to an address. */
  constructor(config: TimingConfig, entries: (va: number) => number[]) {
    this.config = config;
    this.entries = entries;
    this.instructions = cacheOf(config.instructions);
    this.data = cacheOf(config.data);
    this.second = cacheOf(config.second);
    this.instructionTlb = tlbOf(config.instructionTlb);
    this.dataTlb = tlbOf(config.dataTlb);
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
    this.memory++;
    this.stalls += this.config.memoryLatency;
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
  page: number;
  offset: number;
  log2Size: number;
  write: boolean;
}

const accessArbitrary: fc.Arbitrary<Access> = fc.record({
  page: fc.nat(dataPages - 2),
  offset: fc.nat(2047),
  log2Size: fc.nat(3),
  write: fc.boolean(),
});

/** li of the page's address, then the access. */
const wordsOf = ({ page, offset, log2Size, write }: Access): number[] => [
  (Number(DATA) + page * PAGE) | (10 << 7) | 0x37,
  write ? sType(0x23, log2Size, 10, 11, offset) : iType(0x03, log2Size, 12, 10, offset),
];

const cacheArbitrary = (indexing: fc.Arbitrary<CacheConfig["indexing"]>): fc.Arbitrary<CacheConfig> =>
  fc
    .record({
      sets: fc.nat(4),
      ways: fc.integer({ min: 1, max: 4 }),
      line: fc.integer({ min: 4, max: 8 }),
      replacement: fc.constantFrom("lru" as const, "fifo" as const),
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
  .record({ sets: fc.nat(2), ways: fc.integer({ min: 1, max: 4 }), replacement: fc.constantFrom("lru", "fifo") })
  .map(({ sets, ways, replacement }) => ({ entries: 2 ** sets * ways, ways, replacement }));

const configArbitrary: fc.Arbitrary<TimingConfig> = fc.record({
  instructions: cacheArbitrary(fc.constantFrom("virtual", "physical")),
  data: cacheArbitrary(fc.constantFrom("virtual", "physical")),
  second: cacheArbitrary(fc.constant("physical")),
  instructionTlb: tlbArbitrary,
  dataTlb: tlbArbitrary,
  memoryLatency: fc.integer({ min: 1, max: 200 }),
  distances: fc.constant([[10]]),
});

describe("the timing model", () => {
  test("counts what a simple model counts, for any caches and any accesses", () => {
    const run = (config: TimingConfig, accesses: Access[], pieces: number[]) => {
      expect(timingProblems(config)).toEqual([]);
      const words = [...accesses.flatMap(wordsOf), EBREAK];
      const { machine, core, code, data } = machineWith(config, words);
      const entries = (va: number) => [2, 1, 0].map((level) => machine.entryAddress(BigInt(va), level));
      const model = new SimpleModel(config, entries);
      for (const [i, { page, offset, log2Size, write }] of accesses.entries()) {
        for (const at of [8 * i, 8 * i + 4]) model.fetch(Number(CODE) + at, code * PAGE + at);
        model.access(Number(DATA) + page * PAGE + offset, (data + page) * PAGE + offset, 2 ** log2Size, write);
      }
      model.fetch(Number(CODE) + 8 * accesses.length, code * PAGE + 8 * accesses.length);
      for (const piece of pieces) core.run(Math.min(piece, 2 * accesses.length));
      core.run(1);
      while (core.run(1000) !== CoreStop.breakpoint);
      const figures = timingFigures(core.timing!, 1);
      expect(figures).toEqual({
        stallCycles: model.stalls,
        localAccesses: model.memory,
        remoteAccesses: 0,
        second: { ...model.second.figures(), writtenBack: expect.any(Number) },
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
        fc.array(accessArbitrary, { minLength: 1, maxLength: 400 }),
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
