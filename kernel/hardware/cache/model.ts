/**
 * What a machine with modelled timing has between its harts and its memory, and what that counted.
 *
 * The model itself runs inside the core, where the accesses are (cpu/rv64/assembly/timing.ts); this file lays out the
 * area of memory that it works on, and reads the figures from it. The area's bytes are the model's whole state.
 */

/** Which line of a full set is driven out. */
export type Replacement = "lru" | "fifo" | "random";

export interface CacheConfig {
  /** All data; a power of two of lines a way. */
  bytes: number;
  ways: number;
  /** A power of two, 16 to 256. */
  lineBytes: number;
  replacement: Replacement;
  /** Which address chooses the set; the tag is always the physical address. */
  indexing: "virtual" | "physical";
  /** Cycles from the access to the data; the first is the instruction's own. */
  latency: number;
}

export interface TlbConfig {
  entries: number;
  ways: number;
  replacement: Replacement;
}

export interface TimingConfig {
  instructions: CacheConfig;
  data: CacheConfig;
  /** Shared by the harts; indexed by the physical address. */
  second: CacheConfig;
  instructionTlb: TlbConfig;
  dataTlb: TlbConfig;
  /** Cycles that memory at distance 10 takes beyond the second-level cache. */
  memoryLatency: number;
  /**
   * Row i: distances from node i to each node, as the ACPI's SLIT has them (10 is the node itself). RAM is divided
   * evenly between the nodes; hart h belongs to node h modulo their number.
   */
  distances: number[][];
}

export const defaultTiming = (): TimingConfig => ({
  instructions: { bytes: 32768, ways: 8, lineBytes: 64, replacement: "lru", indexing: "virtual", latency: 1 },
  data: { bytes: 32768, ways: 8, lineBytes: 64, replacement: "lru", indexing: "virtual", latency: 3 },
  second: { bytes: 1048576, ways: 16, lineBytes: 64, replacement: "lru", indexing: "physical", latency: 14 },
  instructionTlb: { entries: 32, ways: 32, replacement: "lru" },
  dataTlb: { entries: 32, ways: 32, replacement: "lru" },
  memoryLatency: 100,
  distances: [[10]],
});

export interface CacheFigures {
  hits: number;
  misses: number;
  /** Changed lines that went to the next level. */
  writtenBack: number;
}

export interface TimingFigures {
  /** Cycles in which an instruction waited for an access, of all harts. */
  stallCycles: number;
  localAccesses: number;
  remoteAccesses: number;
  second: CacheFigures;
  harts: Record<"instructions" | "data" | "instructionTlb" | "dataTlb", CacheFigures>[];
}

// The area; the map is in cpu/rv64/assembly/timing.ts.
const descriptorBytes = 64;
const sharedAt = 128;
const perHart = ["instructions", "data", "instructionTlb", "dataTlb"] as const;
const maxNodes = 8;
const pageBits = 12;
const wayBytes = 8;

const replacements: readonly Replacement[] = ["lru", "fifo", "random"];

/** A cache or TLB as the model sees it. */
interface Table {
  sets: number;
  ways: number;
  replacement: Replacement;
  lineBits: number;
  stall: number;
  virtual: boolean;
}

const tableOfCache = (cache: CacheConfig): Table => ({
  sets: cache.bytes / cache.lineBytes / cache.ways,
  ways: cache.ways,
  replacement: cache.replacement,
  lineBits: 31 - Math.clz32(cache.lineBytes),
  stall: cache.latency - 1,
  virtual: cache.indexing === "virtual",
});

const tableOfTlb = ({ entries, ways, replacement }: TlbConfig): Table => ({
  sets: entries / ways,
  ways,
  replacement,
  lineBits: pageBits,
  stall: 0,
  virtual: true,
});

/** In the order of their descriptors: the shared one, then each hart's. */
function tablesOf(config: TimingConfig, harts: number): Table[] {
  const own = [
    tableOfCache(config.instructions),
    tableOfCache(config.data),
    tableOfTlb(config.instructionTlb),
    tableOfTlb(config.dataTlb),
  ];
  // What leaves the second level takes its latency behind the first's, whole.
  const second = { ...tableOfCache(config.second), stall: config.second.latency };
  return [second, ...Array.from({ length: harts }, () => own).flat()];
}

const bytesOf = ({ sets, ways }: Table): number => sets * ways * wayBytes;

/** Bytes of the area of a machine. */
export function timingBytes(config: TimingConfig, harts: number): number {
  const tables = tablesOf(config, harts);
  return tables.reduce((sum, table) => sum + descriptorBytes + bytesOf(table), sharedAt);
}

/** A new area: every cache is empty, nothing is counted. */
export function initTiming(config: TimingConfig, harts: number, ramPages: number): Uint8Array {
  const area = new Uint8Array(timingBytes(config, harts));
  const view = new DataView(area.buffer);
  const nodes = config.distances.length;
  view.setBigInt64(24, -1n, true);
  view.setInt32(32, config.memoryLatency, true);
  view.setInt32(36, Math.ceil(ramPages / nodes), true);
  view.setInt32(40, nodes, true);
  view.setInt32(44, harts, true);
  view.setInt32(48, 1, true);
  for (const [from, row] of config.distances.entries()) area.set(row, 64 + from * maxNodes);
  const tables = tablesOf(config, harts);
  let table = sharedAt + tables.length * descriptorBytes;
  for (const [i, each] of tables.entries()) {
    writeDescriptor(view, sharedAt + i * descriptorBytes, each, table, i);
    table += bytesOf(each);
  }
  return area;
}

function writeDescriptor(view: DataView, at: number, each: Table, table: number, number: number): void {
  view.setInt32(at, table, true);
  view.setInt32(at + 4, each.sets - 1, true);
  view.setInt32(at + 8, each.ways, true);
  view.setInt32(at + 12, replacements.indexOf(each.replacement), true);
  view.setInt32(at + 16, each.lineBits, true);
  view.setInt32(at + 20, each.stall, true);
  view.setInt32(at + 24, each.virtual ? 1 : 0, true);
  // Any number but 0 does: xorshift stays at 0 for ever.
  view.setUint32(at + 28, 0x9e3779b9 ^ number, true);
}

/** What was counted, from the area. */
export function timingFigures(area: Uint8Array, harts: number): TimingFigures {
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  const count = (at: number): number => Number(view.getBigInt64(at, true));
  const figures = (number: number): CacheFigures => {
    const at = sharedAt + number * descriptorBytes;
    return { hits: count(at + 32), misses: count(at + 40), writtenBack: count(at + 48) };
  };
  const ofHart = (hart: number) =>
    Object.fromEntries(
      perHart.map((name, i) => [name, figures(1 + hart * perHart.length + i)]),
    ) as TimingFigures["harts"][number];
  return {
    stallCycles: count(0),
    localAccesses: count(8),
    remoteAccesses: count(16),
    second: figures(0),
    harts: Array.from({ length: harts }, (_, hart) => ofHart(hart)),
  };
}

const isPowerOfTwo = (value: number): boolean => Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;

/** A problem of one field, for people: what would be right. */
export interface TimingProblem {
  field: string;
  message: string;
}

/** What of a configuration cannot be modelled; none if all can. */
export function timingProblems(config: TimingConfig): TimingProblem[] {
  const problems: TimingProblem[] = [];
  const check = (holds: boolean, field: string, message: string) => {
    if (!holds) problems.push({ field, message });
  };
  for (const name of ["instructions", "data", "second"] as const) {
    const { bytes, ways, lineBytes, latency } = config[name];
    check(
      isPowerOfTwo(lineBytes) && lineBytes >= 16 && lineBytes <= 256,
      `${name}.lineBytes`,
      "a power of two from 16 to 256",
    );
    check(Number.isInteger(ways) && ways >= 1 && ways <= 64, `${name}.ways`, "1 to 64");
    check(
      bytes <= 16 * 2 ** 20 && isPowerOfTwo(bytes / lineBytes / ways),
      `${name}.bytes`,
      "ways times line bytes times a power of two, at most 16 MiB",
    );
    check(Number.isInteger(latency) && latency >= 1 && latency <= 10_000, `${name}.latency`, "1 to 10000 cycles");
  }
  check(
    config.second.indexing === "physical",
    "second.indexing",
    "physical: the second level sees no virtual addresses",
  );
  for (const name of ["instructionTlb", "dataTlb"] as const) {
    const { entries, ways } = config[name];
    check(Number.isInteger(ways) && ways >= 1 && ways <= 64, `${name}.ways`, "1 to 64");
    check(
      entries <= 4096 && isPowerOfTwo(entries / ways),
      `${name}.entries`,
      "ways times a power of two, at most 4096",
    );
  }
  check(
    Number.isInteger(config.memoryLatency) && config.memoryLatency >= 1 && config.memoryLatency <= 100_000,
    "memoryLatency",
    "1 to 100000 cycles",
  );
  const nodes = config.distances.length;
  const rowsFit = config.distances.every(
    (row, i) =>
      row.length === nodes &&
      row.every((d, j) => Number.isInteger(d) && d >= 10 && d <= 254 && (i === j) === (d === 10)),
  );
  check(
    nodes >= 1 && nodes <= maxNodes && rowsFit,
    "distances",
    "1 to 8 rows, each with a distance to every node: 10 to itself, 11 to 254 to others",
  );
  return problems;
}
