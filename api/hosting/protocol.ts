/**
 * What the server's main thread and its workers say to each other. Plain data, structured-cloned.
 *
 * The main thread owns the database and every client; a worker owns the kernels. A worker never waits for
 * the main thread except in `FetchChannel` (content by hash, synchronous for the kernel's own accesses), and
 * the main thread never waits synchronously for a worker, so the two cannot lock each other up.
 *
 * Every message of a worker about a machine carries where the machine stood (`mark`); the main thread makes
 * that durable before anything in the message reaches a client (output commit).
 */

import type {
  AddressSpaceInfo,
  ApplyResult,
  CapabilityFilter,
  CapabilityGraphInfo,
  ContentHash,
  FrameOwnerName,
  FrameRuns,
  Input,
  MachineConfig,
  MachineSummary,
  MemoryMapInfo,
  Output,
  Position,
  RegionInfo,
  SpaceSelector,
  StateDifference,
  TaskId,
  TaskInfo,
  TerminalInfo,
  TerminalOutput,
  TimingFigures,
} from "../../kernel/index.ts";
import type { Pieces } from "../store/types.ts";
import type { CompiledCpu } from "./cpu.ts";
import type { PauseInput } from "./pauses.ts";
import type { Share, Use } from "./worker/shares.ts";
import type { WeightRow } from "./worker/weights.ts";

/** A snapshot's root, or the config of a machine that has none yet. */
export type Origin =
  | { kind: "config"; config: MachineConfig }
  /** `ahead`: pages that machines which began there asked for before. They are brought along with it. */
  | { kind: "snapshot"; root: ContentHash; ahead?: Uint32Array };

/** One journal entry as stored. */
export interface StoredEntry {
  sequence: number;
  at: Position;
  payload: Uint8Array<ArrayBuffer>;
}

/** How to come to a state: start somewhere, apply these entries, run to there. */
export interface Route {
  origin: Origin;
  /** Sequence of the last entry that the origin includes. */
  sequence: number;
  entries: StoredEntry[];
  /** Where to stop after the last entry: a position that was reached before, or an instruction count on the way there. */
  end: { kind: "position"; position: Position } | { kind: "instructions"; instructions: number };
}

/** Batches of a replay that may be on their way at once. */
export const REPLAY_WINDOW = 8;

/**
 * `machine` names one life of a machine, from its load to its unload: what a worker still says of an earlier life must
 * not be taken for news of the present one.
 */
export type Command =
  /**
   * `pause`: clients were told that it is paused. One that comes from a snapshot of a running machine is not; this
   * pause is then an entry like any other, before the machine executes anything. `traceMask`: watched from the beginning.
   */
  | { kind: "load"; machine: string; share: Share; route: Route; pause: PauseInput | null; traceMask: number }
  | { kind: "unload"; machine: string }
  /** The last that it does here is a `Captured`, the reply. */
  | { kind: "depart"; machine: string }
  | { kind: "apply"; machine: string; input: Input }
  | { kind: "query"; machine: string; query: Query }
  | { kind: "capture"; machine: string }
  | { kind: "setTraceMask"; machine: string; mask: number }
  /** The oldest `event` of the machine that was not answered so yet is durable; the worker lets few of them gather. */
  | { kind: "released"; machine: string }
  /**
   * Re-executes a stretch beside the live machine; trace batches come as `replayBatch`, then the reply. The
   * worker pauses when REPLAY_WINDOW batches have not been answered with a `credit`.
   */
  | { kind: "replay"; job: string; share: Share; route: Route; mask: number; fromInstructions: number }
  | { kind: "credit"; job: string }
  /** Walks to the end of a route beside the live machine; progress as for a replay; the reply is a `Captured`. */
  | { kind: "visit"; job: string; share: Share; route: Route }
  /** Walks to the ends of two routes; progress as for a replay; the reply is a `Comparison`. */
  | { kind: "compare"; job: string; share: Share; left: Route; right: Route; most: number }
  /** Runs a throw-away machine; the reply is an `ExecutionResult`. */
  | { kind: "execute"; execution: Execution }
  | { kind: "cancel"; job: string }
  /** What the main thread did for a machine: its share waits for that as if it had been a turn. */
  | { kind: "charge"; machine: string; ms: number }
  /** All that are set, from the next turn on. */
  | { kind: "reweigh"; weights: readonly WeightRow[] }
  /** Receiving it is a sign of life. */
  | { kind: "ping" };

/** Commands that take effect at once and have no answer. */
export type Signal = Extract<Command, { kind: "cancel" | "credit" | "released" | "charge" | "reweigh" | "ping" }>;

export type Query =
  | { kind: "summary" }
  | { kind: "tasks" }
  | { kind: "regions"; task: TaskId }
  | { kind: "memoryMap" }
  | { kind: "timing" }
  | { kind: "terminals" }
  | { kind: "terminalOutput"; task: TaskId; from: number }
  | { kind: "frameRuns"; from: number; limit: number; owner: FrameOwnerName | null }
  | { kind: "capabilities"; from: number | null; limit: number; filter: CapabilityFilter }
  | { kind: "addressSpace"; which: SpaceSelector; address: number | null; from: number; limit: number }
  | { kind: "readPhysical"; address: number; length: number }
  | { kind: "readVirtual"; task: TaskId; address: number; length: number };

export interface Queried {
  summary: MachineSummary;
  tasks?: TaskInfo[];
  regions?: RegionInfo[] | null;
  memoryMap?: MemoryMapInfo;
  timing?: TimingFigures | null;
  terminals?: TerminalInfo[];
  terminalOutput?: TerminalOutput | null;
  frameRuns?: FrameRuns;
  capabilities?: CapabilityGraphInfo;
  addressSpace?: AddressSpaceInfo | null;
  bytes?: Uint8Array | null;
}

/** A machine that is never stored: inputs applied at once, then run until a task ends or a limit. For grading. */
export interface Execution {
  job: string;
  share: Share;
  origin: Origin;
  inputs: Input[];
  /** Index into `inputs` of the program whose end ends the run. */
  watch: number;
  maxInstructions: number;
  /** Trace categories wanted; 0 for none. Records beyond the byte limit are dropped from the front. */
  traceMask: number;
  traceBytes: number;
  outputBytes: number;
}

export interface ExecutionResult {
  applied: ApplyResult[];
  /** The entries as they would stand in a journal that starts at the origin's sequence + 1. */
  entries: StoredEntry[];
  exit: Extract<Output, { kind: "taskExited" }> | null;
  /** Why it ended when the task did not exit. */
  stop: string;
  console: Uint8Array<ArrayBuffer>;
  consoleTruncated: boolean;
  trace: Uint8Array<ArrayBuffer>;
  /** Trace records that fell to the limit. */
  traceTruncated: boolean;
  summary: MachineSummary;
}

export interface Captured {
  root: ContentHash;
  blobs: { hash: ContentHash; data: Uint8Array<ArrayBuffer> }[];
  totalBytes: number;
  summary: MachineSummary;
  sequence: number;
  /** The snapshot that it was restored from when it came into memory; null: it began there. */
  origin: ContentHash | null;
  /** Pages that it was brought since then, those that came first; not all if they are many. */
  workingSet: Uint32Array;
}

/** Where two states differ. What is listed is bounded, what is counted is not. */
export interface Comparison {
  /** Root hashes: equal ones, equal machines. */
  roots: { left: ContentHash; right: ContentHash };
  positions: { left: Position; right: Position };
  state: StateDifference[];
  /** There are more differences in the state than are listed. */
  more: boolean;
  /** Pages that both have and that differ. */
  differingPages: number;
  pages: PageDifference[];
}

/** A page of RAM, or behind RAM's of a disk, with what is around the first byte that differs. */
export interface PageDifference {
  page: number;
  /** Where in RAM, as a physical address; null for a page of a disk. */
  physicalAddress: number | null;
  /** First byte that differs, from the page's start. */
  offset: number;
  left: Uint8Array<ArrayBuffer>;
  right: Uint8Array<ArrayBuffer>;
}

/** Where a machine stands, and what has to be durable before the message may take effect outside. */
export interface Mark {
  sequence: number;
  summary: MachineSummary;
  /** Entries applied since the last message, encoded for the journal. */
  entries: StoredEntry[];
  outputs: Output[];
  /** Packed trace records since the last message. */
  trace: Uint8Array<ArrayBuffer>;
}

export type CommandMessage = { id: number; command: Exclude<Command, Signal> } | { id: null; command: Signal };

/** `memoryBytes`: what the machine takes of the worker's memory (see worker/footprint.ts). */
export type WorkerMessage =
  | { kind: "reply"; id: number; machine: string | null; mark: Mark | null; memoryBytes: number; result: unknown }
  | { kind: "failed"; id: number; error: WorkerFailure }
  /** `slices`: what it executed since the last event, and how long that took; `use`: what it had of its worker since then. */
  | {
      kind: "event";
      machine: string;
      mark: Mark;
      memoryBytes: number;
      slices: { count: number; durationMs: number };
      use: Use;
    }
  | { kind: "replayBatch"; job: string; trace: Uint8Array<ArrayBuffer>; instructions: number }
  /** The machine cannot go on: content that it stands on could not be had. */
  | { kind: "lost"; machine: string; error: WorkerFailure };

/** Why a worker could not carry out a command, in words that may be shown. */
export interface WorkerFailure {
  code: "notResident" | "corrupt" | "diverged" | "cancelled" | "incompatible" | "internal";
  message: string;
  /** Content that is to blame. */
  content?: ContentHash;
}

/** What a worker writes where the main thread can read it when the worker is gone: whom it was executing. */
export const EXECUTING_BYTES = 128;

/** On the worker's fetch port. `signal` words: [0] answers so far. */
export interface FetchRequest {
  ticket: number;
  hashes: ContentHash[];
}
export interface FetchAnswer {
  ticket: number;
  /** In the order asked; null: not in the store, or damaged there. */
  blobs: (Uint8Array<ArrayBuffer> | Pieces | null)[];
}

/** Handed to a worker when it starts. */
export interface WorkerStart {
  cpu: CompiledCpu;
  signal: SharedArrayBuffer;
  /** Its name in Latin-1, behind a byte that says how long it is; 0: nobody. */
  executing: SharedArrayBuffer;
  /** See worker/heart.ts. */
  heart: SharedArrayBuffer;
  /** See worker/meter.ts. */
  meter: SharedArrayBuffer;
  weights: readonly WeightRow[];
}
