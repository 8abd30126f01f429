/**
 * The door between kernel and hardware. Everything above sees these interfaces and no register name.
 *
 * The implementation for one instruction set lives in hal/<isa>; machine/ picks it. A second instruction set is
 * another folder with the same file names.
 */
import type { HartState } from "../hardware/cpu/core.ts";
import type { FrameNumber } from "../lib/ids.ts";

export const pageBytes = 4096;

/** Permission bits of a page or region. */
export const Permission = { read: 1, write: 2, execute: 4 } as const;
export type Permissions = number;
export type Access = "read" | "write" | "execute";

/** Physical memory by frame. */
export interface PhysicalMemory {
  readonly frames: number;
  read(frame: FrameNumber): Uint8Array;
  write(frame: FrameNumber): Uint8Array;
  /** One of the frame's 512 words (64 bits, below 2^53). */
  getWord(frame: FrameNumber, index: number): number;
  setWord(frame: FrameNumber, index: number, value: number): void;
  /** The first of the words [from, to) that is not zero; `to` when all are. */
  nextWord(frame: FrameNumber, from: number, to: number): number;
  /** Copies bytes [from, to) of the frame to `target` at `at`. */
  copyOut(frame: FrameNumber, from: number, to: number, target: Uint8Array, at: number): void;
  /** Copies `count` bytes of `source` from `at` on to the frame, at byte `to`. */
  copyIn(frame: FrameNumber, to: number, source: Uint8Array, at: number, count: number): void;
  clear(frame: FrameNumber): void;
}

/** What the MMU's structures say about one page. */
export interface Mapping {
  frame: FrameNumber;
  permissions: Permissions;
}

export type EntryTarget = { kind: "table"; frame: FrameNumber } | ({ kind: "page" } & Mapping);

/** The deepest entry that a walk comes to. */
export interface WalkStep {
  /** log2 of the bytes that the entry covers. */
  bits: number;
  kind: "empty" | "table" | "page";
  /** Of a table or page. */
  frame: FrameNumber;
  permissions: Permissions;
  /** The entry itself, and which one of its table it is. */
  entry: number;
  index: number;
}

/** Page tables in physical memory. `root` is the frame of the top table. */
export interface Mmu {
  /** First address that a program can never have. */
  readonly userEnd: number;
  /** Prepares an empty top table in a frame. */
  initRoot(root: FrameNumber): void;
  lookup(root: FrameNumber, address: number): Mapping | null;
  /** Sets a page's entry; false when `allocateTable` gave no frame for a table on the way. */
  map(root: FrameNumber, address: number, mapping: Mapping, allocateTable: () => FrameNumber | null): boolean;
  /** Clears a page's entry and says what it was. */
  unmap(root: FrameNumber, address: number): Mapping | null;
  /** Calls back for every mapped 4 KiB page of [start, end), ascending; skips what has no tables. */
  forEach(root: FrameNumber, start: number, end: number, visit: (address: number, mapping: Mapping) => void): void;
  /** Calls back for every frame with a table, the root last; that of a table after those of the ones below it. */
  eachTable(root: FrameNumber, visit: (frame: FrameNumber) => void): void;
  /** Entries from the root to where the walk ends; the last one is empty or a page. */
  walk(root: FrameNumber, address: number): WalkStep[];
  /** Sets the entry at which the walk ends: a table, or a page of the size that the entry covers. null empties it. */
  setEntry(root: FrameNumber, address: number, bits: number, to: EntryTarget | null): void;
  /**
   * Empties a table whose entries cover 2^bits bytes each, and the tables below it; tells of each entry that led
   * somewhere, of a table's after all that was in it.
   */
  empty(table: FrameNumber, bits: number, left: (entry: WalkStep) => void): void;
  /** Makes the hart translate by these tables. */
  activate(root: FrameNumber, asid: number): void;
  /** Forgets cached translations: of one page of the active space, or all of all spaces. */
  flush(address?: number): void;
}

/** The registers of a thread that is not on the hart. Plain data; its content is the instruction set's own. */
export type SavedContext = HartState;

/** null stands for the registers that are live on the hart. */
export type ContextRef = SavedContext | null;

export interface Contexts {
  /** A program's first instruction: everything zero but these. */
  create(pc: number, stackPointer: number): SavedContext;
  /** Takes the live registers off the hart. */
  save(): SavedContext;
  /** Puts a context on the hart and takes it over: the caller uses it no more. */
  load(context: SavedContext): void;
  getPc(context: ContextRef): bigint;
  getStackPointer(context: ContextRef): bigint;
  /** Number of the call that the context stands on. */
  getCallNumber(context: ContextRef): bigint;
  /** The first `count` of its arguments. */
  getCallArguments(context: ContextRef, count: number): bigint[];
  getCallArgument(context: ContextRef, index: number): bigint;
  setCall(context: ContextRef, number: bigint, args: readonly bigint[]): void;
  /** One of the registers that arguments come in and results go out in. */
  setCallArgument(context: ContextRef, index: number, value: bigint): void;
  /** `count` of these registers, from the `first` on, go from one context to another. */
  copyArguments(from: ContextRef, to: ContextRef, first: number, count: number): void;
  /** Program counter and integer registers in the order of seL4_UserContext. */
  getUserRegisters(context: ContextRef): bigint[];
  /** The first ones of them. */
  setUserRegisters(context: ContextRef, values: readonly bigint[]): void;
  setThreadPointer(context: ContextRef, value: bigint): void;
  /** Puts a call's result in place and goes past the call. */
  finishCall(context: ContextRef, result: bigint): void;
  /** How many bytes a call is: what goes on behind it is so much further. */
  readonly callBytes: number;
  /** Goes past a call that has no result: the registers stay as they are. */
  passCall(context: ContextRef): void;
  /** A copy for a new thread of the same program: past the call, result 0, own stack and thread pointer. */
  fork(context: ContextRef, stackPointer: bigint | null, threadPointer: bigint | null): SavedContext;
}

/** What a signal handler's end restores, besides registers. */
export interface SignalContext {
  mask: bigint;
  stack: { address: bigint; flags: number; size: bigint };
}

/** How a program is interrupted by a handler, and goes on where it was. */
export interface SignalFrames {
  /** Room for what is put on the stack, used again for each frame; and how much of it tells about the signal. */
  readonly room: Uint8Array;
  readonly infoBytes: number;
  /** In the room. */
  encode(context: ContextRef, info: Uint8Array, signalContext: SignalContext): Uint8Array;
  /** Makes the handler be called: its frame lies at `frame`. */
  enter(context: ContextRef, call: { handler: bigint; frame: bigint; signal: number; returnTo: bigint }): void;
  /** Puts the registers of the frame in the room back; null, and nothing done, when it is none. */
  leave(context: ContextRef): SignalContext | null;
}

/** A thread's registers in the sets that debuggers ask for, each a row of bytes (PTRACE_GETREGSET). */
export interface RegisterSets {
  /** How long a set is; null: there is none of the number. */
  sizeOf(set: number): number | null;
  read(context: ContextRef, set: number): Uint8Array | null;
  /** The first ones of a set that is there. */
  write(context: ContextRef, set: number, bytes: Uint8Array): void;
  /** Where set 1 has the program counter, and the register that a call's result is in. */
  readonly pcAt: number;
  readonly resultAt: number;
}

/** The page of code that every program has: handlers return to an offset in it. */
export interface VdsoPage {
  readonly bytes: Uint8Array;
  readonly returnOffset: number;
}

/** Why user mode was left. */
export type Trap =
  | { kind: "budget" }
  | { kind: "systemCall" }
  | { kind: "breakpoint" }
  | { kind: "illegalInstruction"; bits: bigint }
  | { kind: "pageFault"; address: bigint; access: Access }
  | { kind: "busError"; address: bigint; description: string; misaligned: boolean }
  | { kind: "needPage"; page: number };

export interface Hart {
  /** User mode, for at most `budget` instructions. */
  run(
    budget: number,
    counters: { instructions: number; timeNs: number; hart: number },
  ): { trap: Trap; executed: number; workNs: number };
  /** A trap was taken, or a client has written to memory: what the hart had reserved for an atomic update is lost. */
  dropReservation(): void;
}

/** Virtual time, as the kernel uses it. */
export interface Timer {
  nowNs(): number;
  /** How long so many instructions take. */
  nsOf(instructions: number): number;
  instructions(): number;
  /** One timeout per thread. */
  setThreadTimeout(thread: number, dueNs: number): void;
  cancelThreadTimeout(thread: number, dueNs: number): void;
  /** One event per timer. */
  setTimer(timer: number, dueNs: number): void;
  cancelTimer(timer: number, dueNs: number): void;
}

/** The console's line. */
export interface Serial {
  available(): number;
  ended(): boolean;
  /** The oldest bytes, which stay until they are dropped. */
  peek(most: number): Uint8Array;
  drop(count: number): void;
  /** Returns the offset of the first byte in all output. */
  write(bytes: Uint8Array): number;
}

/** The instruction sets that there are. */
export type IsaName = "rv64";

/** Facts about the instruction set that programs are told or that files must match. */
export interface InstructionSet {
  /** Which number of a system call's row counts. */
  readonly name: IsaName;
  /** e_machine of executables. */
  readonly elfMachine: number;
  readonly elfMachineName: string;
  /** utsname.machine. */
  readonly machineName: string;
  /** What /proc/cpuinfo says a processor can do. */
  readonly description: string;
  /** AT_HWCAP. */
  readonly hardwareCapabilities: number;
  /** What a program learns that asks for more than that, by the keys of the call it asks with. */
  readonly features: ReadonlyMap<bigint, bigint>;
}

export interface Hal {
  readonly isa: InstructionSet;
  readonly memory: PhysicalMemory;
  readonly mmu: Mmu;
  readonly contexts: Contexts;
  readonly signalFrames: SignalFrames;
  readonly registerSets: RegisterSets;
  readonly vdso: VdsoPage;
  readonly hart: Hart;
  readonly timer: Timer;
  readonly serial: Serial;
}
