/**
 * The machine's memory as capabilities: what everything that takes frames has them from.
 *
 * Memory that frames are taken from is one untyped range for each block of a zone, in slots of the kernel's own. Such
 * a range is a pool: no watermark says what is left of it, an allocator gives its frames out and takes them back in any
 * order (mm/frames.ts). From a pool derive the ranges and first objects of root tasks, and banks. A bank is whatever a
 * task of Linux's side has of one pool, pages and page tables, or the page cache has: one capability, however many frames
 * it is, and to take it away is to end the task. (KeyKOS and EROS had space banks for the same.)
 *
 * Must hold: each frame of a pool is free, or is counted in exactly one of these (mm/holdings.ts counts). A task that
 * lives has a bank of each pool for general use; they end together.
 */
import type { PhysicalAddress, SlotAddress, TaskId } from "../lib/ids.ts";
import { blocksOf } from "../mm/physical.ts";
import type { MmState } from "../mm/state.ts";
import { deleteSlot } from "./delete.ts";
import type { CapKernel } from "./kernel.ts";
import { extentOf } from "./relations.ts";
import { placeChild, placeDerived, placeRoot } from "./slots.ts";
import type { Capability, CapabilityOf } from "./state.ts";

/** Between the slots of interrupt lines and those of descriptors. All of these are in snapshots. */
const firstPool = -(2 ** 40) - 2 ** 30;
const firstBank = -(2 ** 40) - 2 ** 33;
/** As many as there can be pools for general use. */
export const banksPerTask = 128;
const lastBank = -(2 ** 41);
/** In the place of a task: the bank of the page cache. */
export const pageCache = 0 as TaskId;

const poolSlot = (index: number): SlotAddress => (firstPool - index) as SlotAddress;
export const bankSlot = (task: TaskId, pool: number): SlotAddress =>
  (firstBank - task * banksPerTask - pool) as SlotAddress;

/** Which pool a slot of the kernel's own is of, and whose bank it is, if it is one. */
export function poolOf(slot: SlotAddress): { pool: number; task: TaskId | null } | null {
  if (slot > firstPool || slot <= lastBank) return null;
  if (slot > firstBank) return { pool: firstPool - slot, task: null };
  const number = firstBank - slot;
  return { pool: number % banksPerTask, task: Math.floor(number / banksPerTask) as TaskId };
}

export interface Pool extends CapabilityOf<"untyped"> {
  slot: SlotAddress;
  index: number;
}

/** All of them, those for general use first. */
export function poolsOf(k: Pick<CapKernel, "cap">): Pool[] {
  const pools: Pool[] = [];
  for (let index = 0; ; index++) {
    const capability = k.cap.slots.get(poolSlot(index))?.capability;
    if (capability?.type !== "untyped") return pools;
    pools.push({ ...capability, slot: poolSlot(index), index });
  }
}

/** The pools of a new machine, and the page cache's banks. */
export function placePools(k: CapKernel, { frames }: MmState, addressOf: (frame: number) => PhysicalAddress): void {
  for (const [index, { first, order, general }] of blocksOf(frames.zones).entries()) {
    const sizeBits = order + pageBits;
    const extent = { address: addressOf(first), sizeBits, device: false } as const;
    placeRoot(k, poolSlot(index), {
      type: "untyped",
      ...extent,
      used: 2 ** sizeBits,
      pool: general ? "general" : "kept",
    });
  }
  openBanks(k, pageCache);
}

const pageBits = 12;

/** A task begins, or the page cache: from now on it may take frames. */
export function openBanks(k: CapKernel, task: TaskId): void {
  for (const { slot, index, address, sizeBits, pool } of poolsOf(k))
    if (pool === "general") placeDerived(k, slot, bankSlot(task, index), { type: "bank", address, sizeBits, task });
}

/** The task has ended, and has given back what it had. */
export function closeBanks(k: CapKernel, task: TaskId): void {
  for (const { index } of poolsOf(k)) deleteSlot(k, bankSlot(task, index));
}

/** The first capability of something in memory that was taken from a pool; of what is in no memory, of nothing. */
export function placeFirst(k: CapKernel, at: SlotAddress, capability: Capability): void {
  const extent = extentOf(capability, k.objectSizes);
  const pool =
    extent === null
      ? undefined
      : poolsOf(k).find(
          ({ address, sizeBits }) => extent.address >= address && extent.address < address + 2 ** sizeBits,
        );
  if (pool === undefined) placeRoot(k, at, capability);
  else placeChild(k, pool.slot, at, capability);
}
