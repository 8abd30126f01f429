/**
 * What seL4's objects have beside memory and slots (which are in cap): threads' control blocks, notifications,
 * address-space numbers. Endpoints have nothing of their own: who waits at one is in the queue of its name, and all
 * of them wait for the same, to send or to receive.
 */
import type { PhysicalAddress, TaskId, ThreadId } from "../../lib/ids.ts";

/** Slots at the beginning of a TCB. */
export const TcbSlot = { cspace: 0, vspace: 1, reply: 2, caller: 3, buffer: 4 } as const;
export const tcbSlotCount = 5;

export interface Tcb {
  thread: ThreadId;
  /** The highest priority that it may give to any thread. */
  maxControlledPriority: number;
  domain: number;
  /** Where its faults go: an address in its own capability space; 0 for nowhere. */
  faultHandler: bigint;
  /** Virtual address; 0 for none. */
  ipcBuffer: number;
  /** The notification that may interrupt its waits. */
  bound: PhysicalAddress | null;
  name: string;
}

export interface Notification {
  active: boolean;
  word: bigint;
  /** The TCB that it is bound to. */
  bound: PhysicalAddress | null;
}

/** A program that holds capabilities to memory, and the memory: it all goes when the program ends. */
export interface World {
  task: TaskId;
  ranges: { address: PhysicalAddress; sizeBits: number }[];
  /** A top table with nothing in it, for threads that have no other. */
  emptyRoot: PhysicalAddress;
}

export interface Sel4State {
  tcbs: Map<PhysicalAddress, Tcb>;
  notifications: Map<PhysicalAddress, Notification>;
  worlds: Map<TaskId, World>;
  /** Pools of address-space numbers, by the first number of each. */
  asidPools: Map<number, PhysicalAddress>;
  /** Interrupt lines that somebody handles. `masked` until the last one is acknowledged. */
  irqs: Map<number, { masked: boolean; pending: boolean }>;
  /** Top tables by address-space number. */
  vspaces: Map<number, PhysicalAddress>;
}

export const initSel4 = (): Sel4State => ({
  tcbs: new Map(),
  notifications: new Map(),
  worlds: new Map(),
  asidPools: new Map(),
  irqs: new Map(),
  vspaces: new Map(),
});
