/**
 * Capabilities as data.
 *
 * A capability names a kernel object (or a range of memory) and says what its holder may do with it. It lives in a
 * slot; slots are 32 bytes of physical memory in a CNode or a TCB, so a slot's address is its name. A slot that is
 * not in the table is empty. Slots below zero are the kernel's own: graves count down from -1, the slots of interrupt
 * lines (ipc/sel4/irq.ts), of memory (memory.ts) and of descriptors (vfs/descriptors.ts) are far below.
 *
 * Every capability is in one list, the mapping database, in which each is followed by all that were derived from it.
 * What is whose child follows from what the capabilities are, and from two marks (relations.ts); the list's order
 * does the rest. So the derivation tree costs two links a capability, and taking one out is constant work.
 * (Elphinstone and Heiser, "From L3 to seL4", 2013; the seL4 Reference Manual 13.0.0, section 3.)
 */
import type { PhysicalAddress, SlotAddress, TaskId, ThreadId } from "../lib/ids.ts";

/** What a capability permits; the bits are those of seL4_CapRights. */
export const Right = { write: 1, read: 2, grant: 4, grantReply: 8 } as const;
export type Rights = number;
export const allRights: Rights = 15;

/** Where a frame or a page table is mapped; the address space may have gone since. */
export interface MappedAt {
  asid: number;
  address: number;
}

export type Capability =
  /**
   * A range of 2^sizeBits bytes, of which the first `used` have been given to objects; a pool (memory.ts) is given out
   * by an allocator instead, to all who ask or to who asks for it by name.
   */
  | {
      type: "untyped";
      address: PhysicalAddress;
      sizeBits: number;
      device: boolean;
      used: number;
      pool?: "general" | "kept";
    }
  /** What one task has of a pool, or the page cache has. */
  | { type: "bank"; address: PhysicalAddress; sizeBits: number; task: TaskId }
  | { type: "cnode"; address: PhysicalAddress; radix: number; guard: bigint; guardBits: number }
  | { type: "tcb"; address: PhysicalAddress }
  | { type: "endpoint"; address: PhysicalAddress; badge: bigint; rights: Rights }
  | { type: "notification"; address: PhysicalAddress; badge: bigint; rights: Rights }
  /** The right to answer one caller, once. The master, in the caller's own TCB, is what they derive from. */
  | { type: "reply"; tcb: PhysicalAddress; master: boolean; rights: Rights }
  | {
      type: "frame";
      address: PhysicalAddress;
      sizeBits: number;
      rights: Rights;
      device: boolean;
      mapped: MappedAt | null;
    }
  | { type: "pageTable"; address: PhysicalAddress; mapped: MappedAt | null }
  | { type: "asidControl" }
  | { type: "asidPool"; address: PhysicalAddress; base: number }
  | { type: "irqControl" }
  | { type: "irqHandler"; irq: number }
  | { type: "domain" }
  /** An open file of the Linux side, by its id. */
  | { type: "file"; file: number }
  /**
   * What is left of a CNode or TCB that is being deleted: slots from `address` on, `count` of them not yet empty, and
   * the graves of what was in the others.
   */
  | { type: "zombie"; address: PhysicalAddress; sizeBits: number; count: number; graves: SlotAddress[] };

export type CapabilityType = Capability["type"];
export type CapabilityOf<T extends CapabilityType> = Extract<Capability, { type: T }>;

export interface Slot {
  capability: Capability;
  /** Neighbours in the mapping database; null at its ends. */
  previous: SlotAddress | null;
  next: SlotAddress | null;
  /** Others can be derived from it as its children. */
  revocable: boolean;
  /** The first of those with its badge: not a child of the one before it, which has the same. */
  firstBadged: boolean;
  /** The thread that passed it on in a message; nobody, when it came in another way. */
  delegatedBy?: Delegator;
}

export interface Delegator {
  task: TaskId;
  thread: ThreadId;
}

export interface CapState {
  slots: Map<SlotAddress, Slot>;
  /** The slot of the kernel's own for the next zombie whose slot goes. */
  nextGrave: number;
}

export const initCap = (): CapState => ({ slots: new Map(), nextGrave: -1 });

/** A slot's size in memory: 32 bytes, capability and links. */
export const slotBits = 5;

export const slotAt = (base: PhysicalAddress, index: number): SlotAddress =>
  (base + index * 2 ** slotBits) as number as SlotAddress;
