/** Capabilities and address spaces as hosts see them. Addresses and words are unsigned 64-bit. */
import type { CapabilityType } from "../cap/state.ts";
import type { TaskId, ThreadId } from "../lib/ids.ts";

export type { CapabilityType } from "../cap/state.ts";

/** A thread whose capability space reaches something. */
export interface HolderInfo {
  task: TaskId;
  thread: ThreadId;
}

/** Where a frame or table is mapped; `live`: that address space exists. */
export interface MappedInfo {
  asid: number;
  address: bigint;
  live: boolean;
}

export type KernelObjectKind = Exclude<CapabilityType, "reply">;

/** What an object has besides memory. */
export type KernelObjectDetail =
  /** `pool`: frames are taken from it and given back in any order. */
  | { kind: "untyped"; device: boolean; bytesUsed: bigint; bytesLeft: bigint; pool: boolean }
  /** 0 is the page cache. In frames; `shared`: of pages that other tasks have, too. */
  | { kind: "bank"; task: TaskId; pages: bigint; tables: bigint; shared: bigint }
  | { kind: "cnode"; radix: number; filled: number }
  | {
      kind: "tcb";
      task: TaskId;
      thread: ThreadId;
      name: string;
      priority: number;
      maxControlledPriority: number;
      domain: number;
      /** "ready", "running", "blocked", "inactive", "ended". */
      state: string;
      /** For people, as in ThreadInfo. */
      wait: string;
      faultHandler: bigint;
      ipcBuffer: bigint;
      /** Address of the notification that is bound to it; 0 for none. */
      boundNotification: bigint;
    }
  /** Waiters wait all for the same: to send, or to receive. */
  | { kind: "endpoint"; waitingTo: "" | "send" | "receive"; waiters: ThreadId[] }
  | { kind: "notification"; active: boolean; word: bigint; boundTcb: bigint; waiters: ThreadId[] }
  | { kind: "frame"; device: boolean; mappings: MappedInfo[] }
  | { kind: "pageTable"; mappings: MappedInfo[]; isRoot: boolean }
  | { kind: "asidPool"; base: number; used: number }
  | { kind: "irqHandler"; irq: number; masked: boolean; pending: boolean }
  | { kind: "zombie"; slotsLeft: number }
  | { kind: "asidControl" | "irqControl" | "domain" };

export interface KernelObjectInfo {
  /** "tcb@0x80042000", "irqControl". */
  id: string;
  /** 0 for what is in no memory. */
  address: bigint;
  bytes: bigint;
  /** Capabilities to it. */
  capabilities: number;
  detail: KernelObjectDetail;
}

/** Which slot it is. */
export type SlotPlace =
  | { kind: "cnode" | "zombie"; address: bigint; index: number }
  | { kind: "tcb"; address: bigint; name: string }
  /** One of the kernel's own: a pool, a bank, a descriptor, the notification of an interrupt line, a grave. */
  | { kind: "kernel"; name: string };

export interface CapabilitySlotInfo {
  /** "slot@0x80001020", "grave 3". */
  id: string;
  place: SlotPlace;
  type: CapabilityType;
  object: string;
  /** "rwgp" of read, write, grant, grant reply; "-" for each that is not there; "" for what has no rights. */
  rights: string;
  /** Of endpoints and notifications. */
  badge: bigint | null;
  /** Of CNodes. */
  guard: { value: bigint; bits: number } | null;
  /** Of frames and page tables. */
  mapped: MappedInfo | null;
  /** Of untyped memory: how far it has been given away. */
  bytesUsed: bigint | null;
  /** Of replies: the one that the others derive from. */
  master: boolean;
  /** The slot that it was derived from. */
  parent: string | null;
  /** Others can be derived from it as its children. */
  revocable: boolean;
  /** Who passed it on in a message; the object is that thread's TCB, as long as there is one. */
  delegatedBy: (HolderInfo & { object: string | null }) | null;
  /** By thread, at most `maxHolders` of them; `holderCount` is how many there are. */
  holders: HolderInfo[];
  holderCount: number;
}

export interface CapabilityFilter {
  /** Only what this task's threads reach. */
  task: TaskId | null;
  /** Empty: all. */
  types: CapabilityType[];
  /** Only capabilities to objects at this address. */
  object: number | null;
}

export interface CapabilityGraphInfo {
  /** By address of the slot. */
  slots: CapabilitySlotInfo[];
  /** Those that the slots refer to or are in. */
  objects: KernelObjectInfo[];
  /** Slots that the filter takes. */
  total: number;
  /** The slot at which the list goes on; null: it is complete. */
  next: number | null;
}

/** The address space that is meant. */
export type SpaceSelector = { task: TaskId } | { thread: ThreadId } | { asid: number };

/** One level of a walk. */
export interface WalkStepInfo {
  /** 2 at the top, 0 for pages of 4 KiB. */
  level: number;
  /** log2 of the bytes that the entry covers. */
  coversBits: number;
  /** Where the entry is in physical memory, and what it is. */
  entryAddress: bigint;
  entry: bigint;
  kind: "empty" | "table" | "page";
  /** Of the table or page, in physical memory. */
  address: bigint;
  permissions: string;
}

export interface WalkInfo {
  steps: WalkStepInfo[];
  /** What the address is in physical memory; null when nothing is mapped there. */
  physical: bigint | null;
}

/** Neighbouring pages of one size with the same permissions and neighbouring frames. */
export interface MappedRangeInfo {
  start: bigint;
  pages: number;
  pageBits: number;
  physical: bigint;
  permissions: string;
}

export interface AddressSpaceInfo {
  asid: number;
  /** Of the top table, in physical memory. */
  root: bigint;
  /** Whose own it is; null for one that was made by hand. */
  task: TaskId | null;
  walk: WalkInfo | null;
  ranges: MappedRangeInfo[];
  /** The address at which the list goes on; null: it is complete. */
  next: number | null;
}
