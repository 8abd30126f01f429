/** Machine specs: from the wire to the kernel's config, with the defaults that the proto files name. */
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { leastAvailableBytes } from "../../kernel/catalogue.ts";
import type {
  AllocatorKind,
  CommitPolicy as CommitName,
  MachineConfig,
  PhysicalMemoryConfig,
  SetAsideKind,
} from "../../kernel/index.ts";
import {
  CommitPolicy,
  FrameAllocator,
  type InitProgram,
  MachineLimitsSchema,
  type MachineSpec,
  MachineSpecSchema,
  MemoryRangeKind,
  type PhysicalMemorySpec,
} from "../../proto/gen/ostler/v1/machines_pb.js";
import { invalid } from "../errors.ts";
import { contentIn } from "../hosting/collection/references.ts";
import type { Hold, MachineRow, Owner, Store } from "../store/types.ts";
import { bareBootOf, bareWithDefaults, checkBoot, completeImages } from "./bare.ts";
import { toDate } from "./common.ts";
import { rootProblem } from "./roots.ts";
import { checkTiming, timingOf } from "./timing.ts";
import { sizeOfUpload } from "./uploads.ts";

const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024;
export const DEFAULT_QUANTUM = 100_000;
const DEFAULT_EPOCH = Date.UTC(2026, 0, 1);
const DEFAULT_FILE_MODE = 0o755;
const ALLOCATORS: Record<FrameAllocator, AllocatorKind> = {
  [FrameAllocator.UNSPECIFIED]: "bitmap",
  [FrameAllocator.BITMAP]: "bitmap",
  [FrameAllocator.FREE_LIST]: "free_list",
  [FrameAllocator.BUDDY]: "buddy",
};
const COMMIT_POLICIES: Record<CommitPolicy, CommitName> = {
  [CommitPolicy.UNSPECIFIED]: "strict",
  [CommitPolicy.STRICT]: "strict",
  [CommitPolicy.OVERCOMMIT]: "overcommit",
};
/** What the contract lets be set aside. */
const SET_ASIDE_KINDS: Partial<Record<MemoryRangeKind, SetAsideKind>> = {
  [MemoryRangeKind.RESERVED]: "reserved",
  [MemoryRangeKind.FIRMWARE]: "firmware",
  [MemoryRangeKind.KERNEL]: "kernel",
  [MemoryRangeKind.PERSISTENT]: "persistent",
};
const DEFAULT_ENVIRONMENT = ["PATH=/bin", "HOME=/", "LANG=C"];

/**
 * Fills in what the server knows (sizes of files) and checks what only it can check. Defaults are written down, too:
 * a machine is what its spec says, also for a later release with others.
 */
export async function completeSpec(
  store: Store,
  owner: Owner,
  given: MachineSpec | undefined,
  field: string,
  hold: Hold,
): Promise<MachineSpec> {
  const spec = given ?? create(MachineSpecSchema);
  // A program that is there now may be deleted before the row that names it is written.
  hold.add(contentIn(spec));
  checkMemoryIsLeft(spec, field);
  checkTiming(spec.timing, field);
  if (spec.realtimeEpoch !== undefined) toDate(spec.realtimeEpoch, `${field}.realtime_epoch`);
  if (spec.init !== undefined && spec.bare !== undefined)
    throw invalid(`${field}.init`, "a machine that boots bare has no kernel that could start it");
  const seen = new Set<string>();
  for (const [index, file] of spec.files.entries()) {
    const at = `${field}.files[${index}]`;
    if (/\/\.\.?(\/|$)/.test(file.path)) throw invalid(`${at}.path`, 'must not contain "." or ".." as a part');
    if (seen.has(file.path)) throw invalid(`${at}.path`, `${file.path} is named twice`);
    seen.add(file.path);
    file.size = await sizeOfUpload(store, owner, file.contentHash, at);
  }
  await checkRoot(store, owner, spec.rootHash, `${field}.root_hash`);
  await completeBare(store, owner, spec, `${field}.bare`);
  return withDefaults(spec);
}

/** Whether the root's archive was uploaded, and is a tree of files. */
async function checkRoot(store: Store, owner: Owner, hash: string, field: string): Promise<void> {
  if (hash === "") return;
  await sizeOfUpload(store, owner, hash, field);
  const problem = await rootProblem(store, hash);
  if (problem !== null) throw invalid(field, `cannot be a root file system: ${problem}`);
}

/** Checks what a machine is to boot, now that its images are at hand. */
async function completeBare(store: Store, owner: Owner, spec: MachineSpec, field: string): Promise<void> {
  if (spec.bare === undefined) return;
  await completeImages(store, owner, spec.bare, field);
  await checkBoot(store, memoryBytesOf(spec), spec.bare, field);
}

function withDefaults(spec: MachineSpec): MachineSpec {
  const { memoryBytes, quantumInstructions, realtimeEpochNs, hostname, environment, files, limits } = configOf(spec);
  return create(MachineSpecSchema, {
    ...spec,
    memoryBytes: BigInt(memoryBytes),
    quantumInstructions,
    realtimeEpoch: timestampFromMs(Number(realtimeEpochNs / 1_000_000n)),
    hostname,
    environment: [...environment],
    files: spec.files.map((file, index) => ({ ...file, mode: files[index]!.mode })),
    limits: create(MachineLimitsSchema, limits),
    ...(spec.bare !== undefined ? { bare: bareWithDefaults(spec.bare) } : { harts: spec.harts || 1 }),
  });
}

const memoryBytesOf = (spec: MachineSpec): number => Number(spec.memoryBytes) || DEFAULT_MEMORY_BYTES;

function checkMemoryIsLeft(spec: MachineSpec, field: string): void {
  const parts = spec.physicalMemory?.setAside ?? [];
  let left = memoryBytesOf(spec);
  for (const [index, { bytes }] of parts.entries()) {
    left -= Number(bytes);
    if (left >= leastAvailableBytes) continue;
    throw invalid(
      `${field}.physical_memory.set_aside[${index}].bytes`,
      `leaves less than ${leastAvailableBytes} of the machine's ${memoryBytesOf(spec)} bytes of RAM for general use`,
    );
  }
}

const physicalMemoryOf = ({ allocator, setAside, dmaBytes, commit }: PhysicalMemorySpec): PhysicalMemoryConfig => ({
  allocator: ALLOCATORS[allocator],
  setAside: setAside.map(({ kind, bytes, atEnd }) => ({
    kind: SET_ASIDE_KINDS[kind] ?? "reserved",
    bytes: Number(bytes),
    at: atEnd ? "end" : "start",
  })),
  dmaBytes: Number(dmaBytes),
  commit: COMMIT_POLICIES[commit],
});

/** Where Linux looks for the first program. */
const usualInits = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

const initOf = ({ path, arguments: args }: InitProgram): NonNullable<MachineConfig["init"]> => ({
  paths: path === "" ? usualInits : [path],
  arguments: [...args],
});

export function configOf(spec: MachineSpec): MachineConfig {
  const { limits } = spec;
  return {
    memoryBytes: memoryBytesOf(spec),
    ...(spec.bare !== undefined && { boot: bareBootOf(spec.bare) }),
    ...(spec.rootHash !== "" && { root: spec.rootHash }),
    ...(spec.bare === undefined && spec.harts > 1 && { harts: spec.harts }),
    ...(spec.init !== undefined && { init: initOf(spec.init) }),
    ...(spec.physicalMemory !== undefined && { physicalMemory: physicalMemoryOf(spec.physicalMemory) }),
    ...(spec.timing !== undefined && { timing: timingOf(spec.timing) }),
    ...(spec.noTranslation && { translate: false }),
    seed: spec.seed,
    quantumInstructions: spec.quantumInstructions || DEFAULT_QUANTUM,
    realtimeEpochNs:
      BigInt(spec.realtimeEpoch === undefined ? DEFAULT_EPOCH : timestampDate(spec.realtimeEpoch).getTime()) *
      1_000_000n,
    startsPaused: true,
    hostname: spec.hostname || "ostler",
    environment: spec.environment.length > 0 ? spec.environment : DEFAULT_ENVIRONMENT,
    files: spec.files.map((file) => ({
      path: file.path,
      content: file.contentHash,
      size: Number(file.size),
      mode: file.mode || DEFAULT_FILE_MODE,
    })),
    limits: { tasks: limits?.tasks || 64, threads: limits?.threads || 256, openFiles: limits?.openFiles || 256 },
  };
}

export const configOfRow = (row: MachineRow): MachineConfig => configOf(fromBinary(MachineSpecSchema, row.spec));
