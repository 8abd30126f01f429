/**
 * The machine as its host sees it: what goes in (spec, inputs), what comes out (outputs, stops, trace).
 *
 *     state(position) = run(spec, inputs stamped up to position)
 *
 * Contract:
 * - Nothing enters but `Input`s, each at a `Position`; nothing leaves but results, `Output`s and trace records.
 * - `Position` = (instructions executed, virtual time). Virtual time is instructions x nsPerInstruction plus
 *   the idleness that was skipped, so time alone orders everything and both numbers only grow.
 * - After `apply` and after `run` the state is *settled*: no event that is due at the current time is pending.
 *   Hence a replay that runs to an entry's position and applies it there meets the same state as the first run.
 * - `apply` that returns an error has changed nothing and need not be journalled.
 */

import type { TimingConfig } from "../hardware/cache/model.ts";
import type { DiskSpec } from "../hardware/disk/state.ts";
import type { NetworkSpec } from "../hardware/network/state.ts";
import type { CallId, TaskId, ThreadId } from "../lib/ids.ts";
import type { AllocatorKind } from "../mm/allocators/allocator.ts";
import type { FrameOwner } from "../mm/frames.ts";
import type { CommitPolicy, FreeFigures, PhysicalMemoryConfig, RamKind, ZoneKind } from "../mm/physical.ts";
import type { InvocationAnswer } from "../thread/remote-call.ts";
import type { ExitStatus, FaultInfo, TaskLimits } from "../thread/state.ts";

export type {
  CacheConfig,
  CacheFigures,
  Replacement,
  TimingConfig,
  TimingFigures,
  TlbConfig,
} from "../hardware/cache/model.ts";
export type { AllocatorKind } from "../mm/allocators/allocator.ts";
export type {
  CommitPolicy,
  FreeFigures,
  PhysicalMemoryConfig,
  RamKind,
  SetAside,
  SetAsideKind,
  ZoneKind,
} from "../mm/physical.ts";
export type { InvocationAnswer } from "../thread/remote-call.ts";
export type { ExitStatus, FaultInfo, TaskLimits } from "../thread/state.ts";
export type * from "./graph-types.ts";

export interface Position {
  /** Instructions executed by all harts. */
  instructions: number;
  /** Virtual nanoseconds since the machine was created. */
  timeNs: number;
}

/** Lower-case hexadecimal SHA-256 of content that the host keeps. */
export type ContentHash = string;

export interface FileSpec {
  /** Absolute path inside the machine, no "." or "..". */
  path: string;
  content: ContentHash;
  size: number;
  /** Permission bits, for example 0o755. */
  mode: number;
}

/** A boot image, by content. */
export interface ImageSpec {
  content: ContentHash;
  size: number;
}

/**
 * A machine that boots bare: no kernel of ours, but the board's devices, and firmware that owns machine mode. Inputs
 * are those of a console, of control and of a debugger.
 */
export interface BareBoot {
  /** Raw, for the start of RAM, or ELF. */
  firmware: ImageSpec;
  /** What the firmware goes on to: raw, for 2 MiB behind the start of RAM, or ELF. */
  kernel: ImageSpec | null;
  initrd: ImageSpec | null;
  disks: DiskSpec[];
  commandLine: string;
  /** 1 to 8. */
  harts: number;
  /** null: no network device. */
  network: NetworkSpec | null;
  /** Which device gets what is typed at the console; both can write to it. */
  console: "uart" | "virtio";
}

/** Everything that a machine is made from. Plain data; part of the state. */
export interface MachineConfig {
  /** Bytes of RAM; a multiple of 1 MiB. */
  memoryBytes: number;
  /** How RAM is divided and given out. Default: all of it is available, in one zone, by a bitmap. */
  physicalMemory?: PhysicalMemoryConfig;
  /** Default: the kernel of ours runs, beside the processor. */
  boot?: BareBoot;
  /** Harts of a machine of our own kernel: 1 to 8, default 1. A bare machine's are in `boot`. */
  harts?: number;
  /** Caches, TLBs and memory nodes, of which cycles are counted. Default: none; an instruction is a cycle. */
  timing?: TimingConfig;
  /** False: hot code is interpreted like all other. Nobody can tell from results. */
  translate?: boolean;
  /** Seed of the machine's random numbers (getrandom, AT_RANDOM, ASLR is off). */
  seed: bigint;
  /** Round-robin quantum in instructions. */
  quantumInstructions: number;
  /** CLOCK_REALTIME at virtual time 0, ns since 1970. */
  realtimeEpochNs: bigint;
  hostname: string;
  /** "NAME=value" given to programs that bring no environment of their own. */
  environment: string[];
  /**
   * The first program, which the machine begins with: the first of the paths that can be started, as root, with the
   * console as its controlling terminal. Without one the console is a line of bytes that nothing is done to.
   */
  init?: { paths: string[]; arguments: string[] };
  /** The tar archive that the root file system begins as; default: an empty one. */
  root?: ContentHash;
  /** Files that the root file system has besides. */
  files: FileSpec[];
  /** Begins paused: runs nothing before a `resume`. Default: runs at once. */
  startsPaused?: boolean;
  /** Upper bounds that guests run into as errors. */
  limits: { tasks: number; threads: number; openFiles: number };
}

/** Standard input of a program: the machine's console, or bytes known beforehand (then end of file). */
export type StandardInput =
  | { kind: "console" }
  | { kind: "bytes"; bytes: Uint8Array }
  /** A terminal of its own, whose other side is the host's: for output, too. It is known by the program's task. */
  | { kind: "terminal"; rows: number; columns: number };

export type CallArgument =
  | { kind: "integer"; value: bigint }
  /** Copied into the task's memory, NUL-terminated; the call sees its address. */
  | { kind: "string"; value: string }
  /** Copied into the task's memory; the call sees its address. */
  | { kind: "bytes"; value: Uint8Array }
  /** `size` zeroed bytes in the task's memory whose content after the call comes back in the result. */
  | { kind: "buffer"; size: number };

export type Input =
  /** Bytes received by the console's UART. */
  | { kind: "console"; bytes: Uint8Array }
  /** An Ethernet frame, without its checksum, comes over the cable of a bare machine's network device. */
  | { kind: "frame"; bytes: Uint8Array }
  /** End of file on the console: readers get 0 once what was typed has been read. */
  | { kind: "consoleEnd" }
  /** Let the machine run, until a limit if one is given. Runs on even when already running. */
  | { kind: "resume"; untilInstructions: number | null; untilTimeNs: number | null }
  /** `reason`: in some words, for people, why the host wants that; absent: somebody requested it. */
  | { kind: "pause"; reason?: string }
  /** Makes a file known, and its content loadable. Same path again: replaces it for later opens. */
  | { kind: "addFile"; file: FileSpec }
  | {
      kind: "startProgram";
      /** Path of a file of the machine. */
      path: string;
      arguments: string[];
      /** null: the machine's own. */
      environment: string[] | null;
      input: StandardInput;
      limits: TaskLimits;
    }
  /** `capabilities`: it is the root task of a world of its own, and holds half of the free memory. */
  | { kind: "createRemoteTask"; name: string; limits: TaskLimits; capabilities?: boolean }
  /** A system call by a remote-driven task. The result comes as the output `callDone` (possibly at once). */
  | { kind: "call"; call: CallId; task: TaskId; number: number; arguments: CallArgument[] }
  /** One of seL4's calls by a remote-driven task that holds capabilities. Its result is a `callDone` with an answer. */
  | {
      kind: "invoke";
      call: CallId;
      task: TaskId;
      operation: InvokeOperation;
      /** Address in the task's capability space; of no meaning to `reply` and `yieldHart`. */
      capability: bigint;
      /** Of a kernel object the method's number; else whatever the receiver is to see. */
      label: bigint;
      words: bigint[];
      /** Addresses of capabilities that go with the message. */
      capabilities: bigint[];
      /** Where a capability that comes with a message is to go; null: nowhere. */
      receive: { root: bigint; index: bigint; depth: bigint } | null;
    }
  /** Ends a call that is blocked: it returns EINTR. */
  | { kind: "cancelCall"; call: CallId }
  | { kind: "killTask"; task: TaskId; signal: number }
  /** Keys at the terminal that a program was started on. */
  | { kind: "terminalInput"; task: TaskId; bytes: Uint8Array }
  | { kind: "terminalWindow"; task: TaskId; rows: number; columns: number }
  /** Hangs up. */
  | { kind: "terminalClose"; task: TaskId }
  /**
   * Deletes what was derived from the capability in one of the kernel's own slots, which has this id in the graph of
   * capabilities; with `itself` that one, too. A task whose bank goes ends.
   */
  | { kind: "revokeSlot"; slot: string; itself: boolean }
  | { kind: "writePhysical"; address: number; bytes: Uint8Array }
  | { kind: "writeVirtual"; task: TaskId; address: number; bytes: Uint8Array };

export type InvokeOperation = "call" | "replyRecv" | "send" | "nbSend" | "recv" | "reply" | "yieldHart" | "nbRecv";

/** Why an input was refused. `code` is stable; `field` names the part of the input. */
export interface InputError {
  code:
    | "notFound"
    | "invalid"
    | "exhausted"
    | "failedPrecondition"
    /** The program's file is not an executable that can be run; `message` says what is wrong with it. */
    | "badExecutable"
    | "badAddress";
  field: string;
  message: string;
}

export type ApplyResult = { ok: true; task?: TaskId } | { ok: false; error: InputError };

export type Output =
  /** Console output; `offset` counts all bytes since the machine was created. */
  | { kind: "console"; offset: number; bytes: Uint8Array; task: TaskId }
  /** So many bytes were printed on a terminal of the host's so far; they are asked for (`terminalOutput`). */
  | { kind: "terminal"; task: TaskId; length: number; ended: boolean }
  /** A frame has left through the network device, whose cable leads outside; `sequence` counts those from 1. */
  | { kind: "frame"; sequence: number; at: Position; bytes: Uint8Array }
  | { kind: "taskStarted"; task: TaskId; name: string }
  | {
      kind: "taskExited";
      task: TaskId;
      status: ExitStatus;
      instructions: number;
      peakMemoryBytes: number;
      fault: FaultInfo | null;
    }
  | {
      kind: "callDone";
      call: CallId;
      /** As the kernel returns it: negative errno on failure. */
      value: bigint;
      /** Contents of the `buffer` arguments, in order. */
      buffers: Uint8Array[];
      /** The call as strace would show it. */
      text: string;
      /** Of an `invoke`; null for a `call`. */
      answer: InvocationAnswer | null;
    }
  /** The machine went from running to paused. */
  | { kind: "paused"; reason: string }
  /** A machine that booted bare has switched itself off (code 0: all was well), or reset itself. */
  | { kind: "power"; event: "off" | "reset"; code: number };

export type RunStop =
  /**
   * Reached the given limit; or came back before it for the host's sake, because much kernel work was done or
   * many outputs wait to be drained (lib/limits.ts). `position` tells; run again.
   */
  | { kind: "limit" }
  /** All threads wait and no event is pending: only an input can change anything. */
  | { kind: "idle" }
  /** Paused by control (pause, or the limit of a resume). */
  | { kind: "paused" }
  /** RAM pages whose bytes the host must bring (`providePage`) before the run can go on. */
  | { kind: "needPages"; pages: number[] }
  /** An invariant of the kernel broke: the state is kept as it is and will not run again. */
  | { kind: "frozen"; message: string };

export interface TaskInfo {
  task: TaskId;
  name: string;
  kind: "program" | "remote";
  state: "running" | "exited";
  status: ExitStatus | null;
  threads: ThreadInfo[];
  instructions: number;
  /** Frames now and at most, in bytes. */
  memoryBytes: number;
  peakMemoryBytes: number;
  outputBytes: number;
  systemCalls: number;
  pageFaults: number;
}

export interface ThreadInfo {
  thread: ThreadId;
  state: "ready" | "running" | "blocked" | "exited";
  /** What a blocked thread waits for, for people: "console read", "sleep until 2000000 ns". */
  wait: string;
  pc: bigint;
  instructions: number;
  /** The call that a client is making through it, if it belongs to a remote-driven task. */
  call: CallId | null;
}

export interface RegionInfo {
  start: number;
  end: number;
  /** For example "r-x". */
  permissions: string;
  name: string;
  residentBytes: number;
}

export type FrameOwnerName = keyof typeof FrameOwner;

/** A range of the physical address space; between ranges there is nothing. */
export interface MemoryRangeInfo {
  kind: RamKind | "device";
  start: number;
  bytes: number;
  /** "ram", or the device's. */
  name: string;
}

export interface MemoryMapInfo {
  /** Ascending. */
  ranges: MemoryRangeInfo[];
  /** Those for general use in the order in which they are tried, then the others. */
  zones: { kind: ZoneKind; start: number; bytes: number; free: FreeFigures }[];
  allocator: AllocatorKind;
  frameBytes: number;
  /** Frames of RAM. */
  frames: number;
  /** Of the zones for general use. */
  free: FreeFigures;
  /** Adds up to `frames`; none without a frame. */
  owners: { owner: FrameOwnerName; frames: number }[];
  accounting: MemoryAccounting;
  /** Untyped memory that all frames are taken from; those for general use first. */
  pools: PoolInfo[];
}

/** `frames` is the sum of `free`, `cached`, `untyped`, `shared`, and of what each bank has of its own. */
export interface PoolInfo {
  start: number;
  bytes: number;
  /** For all who need memory, or for who asks for it by name. */
  general: boolean;
  frames: number;
  free: number;
  /** In the page cache. */
  cached: number;
  /** Given to root tasks. */
  untyped: number;
  /** Pages that several tasks have, and none of them alone. */
  shared: number;
  /** Of tasks that have something. `shared`: of the pages above those that this one sees. */
  banks: { task: TaskId; pages: number; tables: number; shared: number }[];
}

export interface MemoryAccounting {
  policy: CommitPolicy;
  /** Private memory of all address spaces, whether there is a frame behind it or not. */
  promisedBytes: number;
  /** Frames for general use that somebody has, in bytes. */
  usedBytes: number;
  /** What is bounded by this: promises (strict), or use (overcommit). */
  limitBytes: number;
}

export interface FrameRuns {
  /** By address; `references` of each frame. */
  runs: { start: number; frames: number; owner: FrameOwnerName; references: number }[];
  /** The frame at which the list goes on; null: it is complete. */
  next: number | null;
}

/** Content by hash, given by the host when an input or spec names files. */
export type ContentSource = (hash: ContentHash) => Uint8Array;
export type PartSource = (hash: ContentHash, offset: number, length: number) => Uint8Array;

export interface MachineSummary {
  position: Position;
  run: "running" | "paused" | "idle" | "frozen";
  reason: string;
  consoleLength: number;
  /** By a bare machine's network device. */
  framesSent: number;
  traceSequence: number;
  taskCount: number;
}

/** A terminal that a program was started on. */
export interface TerminalInfo {
  task: TaskId;
  /** N of /dev/pts/N; null: it has ended. */
  number: number | null;
  rows: number;
  columns: number;
  /** Bytes that were printed in all. */
  length: number;
}

export interface TerminalOutput {
  /** Later than asked when older output is no longer kept. */
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
  length: number;
  ended: boolean;
}
