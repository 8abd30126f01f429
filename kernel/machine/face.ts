/** The machine's methods as hosts and tests use them. Implemented in machine.ts. */
import type { CoreFactory } from "../hardware/cpu/core.ts";
import type { TaskId } from "../lib/ids.ts";
import type { Archive } from "../vfs/kernel.ts";
import type { AddressSpaceInfo, CapabilityFilter, CapabilityGraphInfo, SpaceSelector } from "./graph-types.ts";
import type {
  ApplyResult,
  ContentSource,
  FrameOwnerName,
  FrameRuns,
  Input,
  MachineConfig,
  MachineSummary,
  MemoryMapInfo,
  Output,
  PartSource,
  Position,
  RegionInfo,
  RunStop,
  TaskInfo,
  TerminalInfo,
  TerminalOutput,
  TimingFigures,
} from "./types.ts";

/** What the host lends to a machine. All of it is a pure function of its arguments, so none of it can change a run. */
export interface MachinePorts {
  createCore: CoreFactory;
  sha256(bytes: Uint8Array): Uint8Array;
  /** Bytes of files by hash; called while an input that names them is applied. Throws nothing: the host made sure. */
  content: ContentSource;
  /** A part of such content, for hosts that do not keep all of it in one piece; shorter where the content ends. */
  contentPart?: PartSource;
  /** The tree of an archive by its hash, if the host keeps those that were read (`readArchive`) for many machines. */
  archive?: (hash: string) => Archive;
  /** Kernel code met RAM pages that are not present and cannot stop half-way: bring their bytes now, synchronously. */
  fetchPages(pages: readonly number[]): Uint8Array[];
}

/** Where a `run` has to stop at the latest; whichever comes first. Absolute, in the machine's own counts. */
export interface RunLimit {
  instructions: number;
  timeNs: number;
}

export interface Machine {
  readonly config: MachineConfig;
  position(): Position;
  summary(): MachineSummary;

  apply(input: Input): ApplyResult;
  /** Runs to exactly the limit unless it stops before for another reason. Splitting a run in two changes nothing. */
  run(limit: RunLimit): RunStop;
  /** Brings the bytes of a page that `needPages` named (a page that is already present is left alone). */
  providePage(page: number, bytes: Uint8Array): void;

  /** Outputs since the last drain. */
  drainOutputs(): Output[];
  /** Bit mask of watched trace categories (`1 << categories.indexOf(c)`); not part of the state. */
  setTraceMask(mask: number): void;
  /** Packed records since the last drain (kernel/trace/record). */
  drainTrace(): Uint8Array<ArrayBuffer>;

  tasks(): TaskInfo[];
  regions(task: TaskId): RegionInfo[] | null;
  memoryMap(): MemoryMapInfo;
  /** What the timing model counted; null where none is modelled. */
  timing(): TimingFigures | null;
  /** Who has which frames, from frame `from` on; `owner`: only these. */
  frameRuns(from: number, limit: number, owner: FrameOwnerName | null): FrameRuns;
  /** Capabilities from the slot at address `from` on (null: the first), and the objects that they are about. */
  capabilities(from: number | null, limit: number, filter: CapabilityFilter): CapabilityGraphInfo;
  /** null when there is no such space; `address`: the walk of it, `from` and `limit`: of what is mapped. */
  addressSpace(
    which: SpaceSelector,
    query: { address: number | null; from: number; limit: number },
  ): AddressSpaceInfo | null;
  /** Terminals that programs were started on. */
  terminals(): TerminalInfo[];
  /** What was printed on one from an offset on, as far as it is kept; null: there is no such terminal. */
  terminalOutput(task: TaskId, from: number): TerminalOutput | null;
  /** null when any byte of the range is outside RAM. At most 1 MiB. */
  readPhysical(address: number, length: number): Uint8Array | null;
  /** As the task would read it (unmapped demand-zero pages of a region read as zeros); null when not readable. */
  readVirtual(task: TaskId, address: number, length: number): Uint8Array | null;

  /** The whole state except RAM bytes, in the canonical codec. */
  encodeState(): Uint8Array<ArrayBuffer>;
  readonly memory: MachineMemory;
}

/** RAM as the snapshot code sees it. */
export interface MachineMemory {
  readonly pages: number;
  readonly pageBytes: 4096;
  isPresent(page: number): boolean;
  isDirty(page: number): boolean;
  /** All that are, in order: of disks, which may have millions of pages, without looking at the others. */
  dirtyPages(): number[];
  /** A byte for each page of RAM, which comes first: as long as it is the same, both of the above are. Valid until the next run. */
  readonly flags: Uint8Array;
  /** Pages of disks that take memory. */
  readonly diskPagesHeld: number;
  /** A view, valid until the next run. */
  page(page: number): Uint8Array;
  clearDirty(): void;
  /** Whether clean pages may hold something: flags were cleared before, or the machine was restored. */
  readonly needsBase: boolean;
}
