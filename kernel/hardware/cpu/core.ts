/**
 * The seam between the machine and whatever executes guest instructions.
 *
 * There are two uses of a core. A user core executes programs of our own kernel: every trap is a stop. A privileged core
 * is a machine of the guest's own: all modes, traps lead to the guest's handlers, and what is left as a reason to stop is
 * the budget, a page that is missing, a hart that waits, and a device that wants the machine's attention.
 *
 * Contract, for every implementation (interpreter, and translated code):
 * - `run(budget)` executes exactly `budget` instructions unless it stops earlier for a reason below;
 *   `executed()` tells how many. An `ecall`/`ebreak` counts as executed and leaves pc ON the instruction;
 *   a faulting instruction does not count, changes nothing, and leaves pc on it.
 * - In a privileged core an instruction that traps counts as executed; taking an interrupt costs nothing.
 * - run(a) then run(b) leaves the same bits as run(a + b). Nothing a host does between two calls
 *   (flushing the TLB, clearing dirty flags, taking a snapshot) changes a result.
 * - Guest RAM is one flat array; page n covers bytes [n*4096, n*4096+4096) from `ramBase` (physical).
 * - A page whose PRESENT flag is clear has not been fetched: touching it stops with `needPage`.
 */

/** Why `run` came back. Values are shared with the WebAssembly core; never renumber. */
export const CoreStop = {
  /** The budget is used up. */
  budget: 0,
  /** Environment call; pc is on the ecall. */
  ecall: 1,
  /** ebreak; pc is on it. */
  breakpoint: 2,
  /** Undefined or not permitted instruction; `faultValue` holds its bits. */
  illegalInstruction: 3,
  /** Sv39 page faults; `faultValue` holds the virtual address of the first byte that could not be accessed. */
  instructionPageFault: 4,
  loadPageFault: 5,
  storePageFault: 6,
  /** A page of RAM that is not present was touched; `faultPage` holds its number. */
  needPage: 7,
  /** The translation led to where neither RAM nor a device is; `faultValue` holds the virtual address. */
  accessFault: 8,
  /** LR/SC/AMO at a misaligned address; `faultValue` holds the virtual address. */
  misalignedAtomic: 9,
  /** Privileged cores: a wfi was executed and no enabled interrupt pends; pc is behind it. */
  waitForInterrupt: 10,
  /**
   * `attention` was called during an access to a device; the access is done, pc is behind it. Or the run has cost the host
   * so much besides executing (`workNs`) that it should see whether it goes on.
   */
  attention: 11,
} as const;
export type CoreStop = (typeof CoreStop)[keyof typeof CoreStop];

/** Bits of `pageFlags[n]`. */
export const PageFlag = {
  /** The page's bytes are in RAM (not waiting to be fetched by content hash). */
  present: 1,
  /** Written since `clearDirty`, which alone clears it. Set by the core when it grants write access, and by `wrote`. */
  dirty: 2,
  /** The core holds decoded or translated instructions of this page. Owned by the core. */
  code: 4,
} as const;

/** The architectural state of one hart; plain data, part of the machine's state. */
export interface HartState {
  /** x0..x31 (x0 is 0). */
  x: BigUint64Array;
  /** f0..f31, raw bits; single precision values are NaN-boxed. */
  f: BigUint64Array;
  pc: bigint;
  /** fflags | frm << 5. */
  fcsr: number;
  /** Virtual address of the LR/SC reservation, or -1n for none. */
  reservation: bigint;
  /** Of a privileged core's hart. */
  privileged?: PrivilegedState;
}

export interface PrivilegedState {
  /** 0 user, 1 supervisor, 3 machine. */
  mode: number;
  /** Instructions that this hart has executed. */
  executed: bigint;
  /** Control and status registers by name, as the core keeps them. */
  registers: Map<string, bigint>;
}

/** The harts of a privileged core take turns: registers, `saveHart` and `run` are those of the selected one. */
export interface Harts {
  readonly count: number;
  readonly selected: number;
  /** The reservation of the one that loses its turn is lost. */
  select(hart: number): void;
  /** Which interrupts lines from outside assert, as bits of mip. */
  setLines(hart: number, bits: number): void;
  /** An enabled interrupt pends: what wfi waits for, whether it can be taken or not. */
  isAwake(hart: number): boolean;
  /** When the hart's own timer (stimecmp) is going to pend, in virtual time; Infinity when it has none, or pends. */
  timerDueNs(hart: number): number;
  /** Virtual time. Each run moves it on by what it executes, so it has to be told only when time jumps. */
  setTime(ns: number): void;
  /** What mtime, which the time CSR shows, is ahead of virtual time, in ticks; from the next instruction on. */
  setTimeOffset(ticks: bigint): void;
  /** Takes an interrupt that can be taken now: nothing is left to do at this position. */
  settle(): void;
}

export interface Core {
  /** Guest RAM; `ram.length` is fixed for the core's life, so the view never detaches. */
  readonly ram: Uint8Array;
  readonly ramView: DataView;
  /** Physical address of ram[0]. */
  readonly ramBase: number;
  /** One byte of `PageFlag` bits per RAM page. */
  readonly pageFlags: Uint8Array;
  /** Live registers of the hart, read and written in place by the kernel between runs (index 0 must stay 0). */
  readonly x: BigUint64Array;
  readonly f: BigUint64Array;
  getPc(): bigint;
  setPc(value: bigint): void;
  /** Adds to it. */
  advancePc(bytes: number): void;
  /** Into a state that is not needed any more, or into a new one. */
  saveHart(into?: HartState): HartState;
  loadHart(state: HartState): void;
  /** Drops the LR/SC reservation: on every trap and context switch, and when others than harts write to RAM. */
  clearReservation(): void;

  /** Selects the Sv39 root table (physical page number as in satp) and address-space id; does not flush. */
  setAddressSpace(rootPpn: number, asid: number): void;
  /**
   * Forgets cached translations: all (of every space), or of one virtual page of the current space. Needed after a
   * table entry changed or a page's PRESENT flag was cleared; not after a switch, nor after PRESENT was set.
   */
  flushTlb(virtualAddress?: number): void;
  /** Clears every DIRTY flag, and sees to it that the next write to a page sets it again. */
  clearDirty(): void;
  /** The kernel wrote this RAM page behind the core's back: marks it dirty and drops decoded code. */
  wrote(page: number): void;

  /**
   * Sets the base of the user-visible counters for the next run: instructions retired and virtual time. Each run moves
   * both on by what it executed (one instruction is one nanosecond), so a host sets them only when time jumps.
   */
  setCounters(instret: number, timeNs: number): void;

  /** Whose caches the next runs go through, where the kernel takes turns; bare harts have their own when they are selected. */
  setTimedHart(hart: number): void;
  /** The live area of the timing model (hardware/cache/model.ts); null where none is modelled. */
  readonly timing: Uint8Array | null;

  /** Executes up to `budget` instructions (an integer, 0 <= budget <= 2^31-1). */
  run(budget: number): CoreStop;
  /** Instructions executed by the last `run`. */
  executed(): number;
  /**
   * What the last `run` has cost besides executing, and what was asked of the core since the one before (other harts,
   * spaces, flushes, writes to code), in about nanoseconds of a slow host; no part of the state.
   */
  workNs(): number;
  /** During an access to a device: instructions that this `run` has executed before the present one. */
  executedNow(): number;
  /** During an access to a device: `run` comes back right behind the instruction, with `CoreStop.attention`. */
  attention(): void;
  /** Of a privileged core. */
  readonly harts: Harts | null;
  /** See `CoreStop`; valid until the next run. */
  faultValue(): bigint;
  faultPage(): number;
}

/**
 * Everything in the physical address space that is not RAM. The core asks once an instruction, for whole aligned
 * registers. What answers may change its own state, and call the core's `attention` if the machine has to look at
 * interrupts or due times before the next instruction.
 */
export interface Bus {
  /** null: nothing is there. */
  read(address: number, size: AccessSize): bigint | null;
  /** `value` is below 2^(8 * size). False: nothing is there. */
  write(address: number, size: AccessSize, value: bigint): boolean;
}
export type AccessSize = 1 | 2 | 4 | 8;

export interface CoreOptions {
  ramPages: number;
  /** Physical address of the first byte of RAM; a multiple of 4096. */
  ramBase: number;
  /** Without one, everything outside RAM is an access fault. */
  bus?: Bus;
  /** The timing model's area to begin with; without one an instruction is a cycle, whatever it does. */
  timing?: Uint8Array | null;
  /** A privileged core, with so many harts (1 to 8). Default: a user core. */
  harts?: number;
  /** False: everything is interpreted. Nobody can tell from results. */
  translate?: boolean;
}

/** Host-supplied, so that the kernel names neither WebAssembly nor files: builds a core with `ramPages` of 4 KiB. */
export type CoreFactory = (options: CoreOptions) => Core;
