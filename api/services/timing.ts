/** The timing model: what a spec says of it, and what it counted. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { defaultTiming, timingProblems } from "../../kernel/catalogue.ts";
import type {
  CacheConfig,
  CacheFigures,
  Position,
  Replacement,
  TimingConfig,
  TimingFigures,
  TlbConfig,
} from "../../kernel/index.ts";
import {
  CacheIndexing,
  CacheReplacement,
  type CacheSpec,
  type TimingSpec,
  type TlbSpec,
} from "../../proto/gen/ostler/v1/machines_pb.js";
import type { CacheStatisticsSchema, GetTimingResponseSchema } from "../../proto/gen/ostler/v1/memory_pb.js";
import { invalid } from "../errors.ts";
import { toPosition } from "./common.ts";

const REPLACEMENTS: Record<CacheReplacement, Replacement | undefined> = {
  [CacheReplacement.UNSPECIFIED]: undefined,
  [CacheReplacement.LRU]: "lru",
  [CacheReplacement.FIFO]: "fifo",
  [CacheReplacement.RANDOM]: "random",
};
const INDEXINGS: Record<CacheIndexing, CacheConfig["indexing"] | undefined> = {
  [CacheIndexing.UNSPECIFIED]: undefined,
  [CacheIndexing.VIRTUAL]: "virtual",
  [CacheIndexing.PHYSICAL]: "physical",
};

const cacheOf = (given: CacheSpec | undefined, usual: CacheConfig): CacheConfig => ({
  bytes: Number(given?.bytes ?? 0) || usual.bytes,
  ways: given?.ways || usual.ways,
  lineBytes: given?.lineBytes || usual.lineBytes,
  replacement: REPLACEMENTS[given?.replacement ?? 0] ?? usual.replacement,
  indexing: INDEXINGS[given?.indexing ?? 0] ?? usual.indexing,
  latency: given?.latency || usual.latency,
});

/** Who says how many entries and not how many ways means a fully associative one. */
function tlbOf(given: TlbSpec | undefined, usual: TlbConfig): TlbConfig {
  const entries = given?.entries || usual.entries;
  const ways = given?.ways || (given?.entries ? entries : usual.ways);
  return { entries, ways, replacement: REPLACEMENTS[given?.replacement ?? 0] ?? usual.replacement };
}

export function timingOf(spec: TimingSpec): TimingConfig {
  const usual = defaultTiming();
  return {
    instructions: cacheOf(spec.instructions, usual.instructions),
    data: cacheOf(spec.data, usual.data),
    second: cacheOf(spec.second, usual.second),
    instructionTlb: tlbOf(spec.instructionTlb, usual.instructionTlb),
    dataTlb: tlbOf(spec.dataTlb, usual.dataTlb),
    memoryLatency: spec.memoryLatency || usual.memoryLatency,
    distances: spec.nodes.length > 0 ? spec.nodes.map(({ distances }) => [...distances]) : usual.distances,
  };
}

/** Fields of the contract whose names are others than the configuration's. */
const FIELDS: Record<string, string> = {
  lineBytes: "line_bytes",
  instructionTlb: "instruction_tlb",
  dataTlb: "data_tlb",
  memoryLatency: "memory_latency",
  distances: "nodes",
};

export function checkTiming(spec: TimingSpec | undefined, field: string): void {
  if (spec === undefined) return;
  const [problem] = timingProblems(timingOf(spec));
  if (problem === undefined) return;
  const path = problem.field.split(".").map((part) => FIELDS[part] ?? part);
  throw invalid(`${field}.timing.${path.join(".")}`, `must be ${problem.message}`);
}

const toStatistics = (figures: CacheFigures): MessageInitShape<typeof CacheStatisticsSchema> => ({
  hits: BigInt(figures.hits),
  misses: BigInt(figures.misses),
  writtenBack: BigInt(figures.writtenBack),
});

export function toTiming(figures: TimingFigures, position: Position): MessageInitShape<typeof GetTimingResponseSchema> {
  const { instructions } = position;
  return {
    instructions: BigInt(instructions),
    stallCycles: BigInt(figures.stallCycles),
    cycles: BigInt(instructions + figures.stallCycles),
    harts: figures.harts.map((hart) => ({
      instructions: toStatistics(hart.instructions),
      data: toStatistics(hart.data),
      instructionTlb: toStatistics(hart.instructionTlb),
      dataTlb: toStatistics(hart.dataTlb),
    })),
    second: toStatistics(figures.second),
    localAccesses: BigInt(figures.localAccesses),
    remoteAccesses: BigInt(figures.remoteAccesses),
    position: toPosition(position),
  };
}
