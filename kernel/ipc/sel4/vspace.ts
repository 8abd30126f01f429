/**
 * Address spaces built by hand: tables and frames put into tables through capabilities (seL4 Reference Manual 13.0.0,
 * section 7; RISC-V's Sv39: 1 GiB, 2 MiB and 4 KiB a level).
 *
 * The top table of a program's own space can be named, too. There Linux's regions and these mappings live side by
 * side: a frame that is mapped by hand is a region of its own, which Linux's side leaves alone, and each entry counts
 * as a reference to what it leads to, so nothing is given back while a table still shows it.
 */

import { type CapabilityOf, Right, type Rights } from "../../cap/state.ts";
import type { EntryTarget, Permissions } from "../../hal/types.ts";
import { Permission, pageBytes } from "../../hal/types.ts";
import { spend } from "../../lib/effort.ts";
import type { FrameNumber, PhysicalAddress } from "../../lib/ids.ts";
import { orderOf } from "../../mm/allocators/allocator.ts";
import { dropFrame, FrameOwner, shareFrame } from "../../mm/frames.ts";
import { firstBehind, isFree } from "../../mm/regions.ts";
import { addRegion, discardPages, unmapRange } from "../../mm/space.ts";
import type { Space } from "../../mm/state.ts";
import type { Tables } from "../../sched/sched.ts";
import type { Thread } from "../../thread/state.ts";
import { capOf, isVspace } from "./access.ts";
import type { Sel4Kernel } from "./kernel.ts";

export const pageBits = 12;
/** Of an entry of a top table. */
const topBits = 30;
export const asidPoolBits = 12;
/** Address-space numbers of one pool, and pools. The first pool is the kernel's, for programs' own spaces. */
export const asidsPerPool = 512;
export const asidPoolCount = 128;
/** Pools of one root task, the one that it begins with among them; and those that are only for new root tasks. */
export const asidPoolsEach = 16;
export const asidPoolsForWorlds = 64;

export const frameAt = (k: Sel4Kernel, address: PhysicalAddress): FrameNumber =>
  ((address - k.ramBase) / pageBytes) as FrameNumber;
export const addressOf = (k: Sel4Kernel, frame: FrameNumber): PhysicalAddress =>
  (k.ramBase + frame * pageBytes) as PhysicalAddress;

/** A device's registers: their frames have numbers outside RAM, and no accounts. */
const isDevice = (k: Sel4Kernel, frame: FrameNumber): boolean => frame < 0 || frame >= k.mm.frames.owner.length;

/** What was made of untyped memory, and is none of Linux's. */
export const isGiven = (k: Sel4Kernel, frame: FrameNumber): boolean =>
  isDevice(k, frame) || k.mm.frames.owner[frame] === FrameOwner.untyped;

/** The Linux side of a space, when there is one. */
export function spaceOfRoot(k: Sel4Kernel, root: FrameNumber): Space | null {
  if (isGiven(k, root)) return null;
  for (const space of k.mm.spaces.values()) if (space.root === root) return space;
  return null;
}

/** Where a walk for an address ends: what the entry covers, and what it is. */
export const entryAt = (k: Sel4Kernel, root: FrameNumber, address: number) => k.hal.mmu.walk(root, address).at(-1)!;

function eachFrame(k: Sel4Kernel, first: FrameNumber, sizeBits: number, visit: (frame: FrameNumber) => void): void {
  if (isDevice(k, first)) return;
  const count = 2 ** (sizeBits - pageBits);
  spend(k.effort, count, "items");
  for (let i = 0; i < count; i++) visit((first + i) as FrameNumber);
}

const share = (k: Sel4Kernel, first: FrameNumber, sizeBits: number): void =>
  eachFrame(k, first, sizeBits, (frame) => shareFrame(k.mm.frames, frame));
const drop = (k: Sel4Kernel, first: FrameNumber, sizeBits: number): void =>
  eachFrame(k, first, sizeBits, (frame) => dropFrame(k.mm.frames, frame));

/** What a frame's rights, and whether its content may be executed, permit. */
export const permissionsOf = (rights: Rights, executable: boolean): Permissions =>
  (rights & Right.read ? Permission.read : 0) |
  (rights & Right.write ? Permission.write : 0) |
  (executable ? Permission.execute : 0);

export function putTable(k: Sel4Kernel, root: FrameNumber, address: number, bits: number, table: FrameNumber): void {
  k.hal.mmu.setEntry(root, address, bits, { kind: "table", frame: table });
  shareFrame(k.mm.frames, table);
  k.hal.mmu.flush();
}

/** Whether a page can be put there beside what Linux has. */
export function isFreeForPage(space: Space | null, address: number, sizeBits: number): boolean {
  return space === null || isFree(space.regions, address, address + 2 ** sizeBits);
}

export interface PagePlace {
  root: FrameNumber;
  address: number;
  sizeBits: number;
  permissions: Permissions;
}

export function putPage(k: Sel4Kernel, place: PagePlace, first: FrameNumber): void {
  const { root, address, sizeBits, permissions } = place;
  const target: EntryTarget = { kind: "page", frame: first, permissions };
  k.hal.mmu.setEntry(root, address, sizeBits, target);
  share(k, first, sizeBits);
  const space = spaceOfRoot(k, root);
  if (space !== null) {
    const backing = { kind: "frame", first } as const;
    addRegion(k, space, {
      start: address,
      end: address + 2 ** sizeBits,
      permissions,
      backing,
      name: `[frame ${first}]`,
    });
  }
  k.hal.mmu.flush();
}

/** A page that is mapped gets other permissions, or makes room. */
export function changePage(k: Sel4Kernel, place: PagePlace, first: FrameNumber): void {
  takePage(k, place, entryAt(k, place.root, place.address).frame);
  putPage(k, place, first);
}

/** Takes a page out, if it is (still) this one that is there. */
export function takePage(
  k: Sel4Kernel,
  { root, address, sizeBits }: Omit<PagePlace, "permissions">,
  first: FrameNumber,
): void {
  const entry = entryAt(k, root, address);
  if (entry.kind !== "page" || entry.bits !== sizeBits || entry.frame !== first) return;
  k.hal.mmu.setEntry(root, address, sizeBits, null);
  drop(k, first, sizeBits);
  const space = spaceOfRoot(k, root);
  if (space !== null) unmapRange(k, space, address, address + 2 ** sizeBits);
  k.hal.mmu.flush();
}

/** Takes a table out, if it is this one that is there, with all that it leads to. */
export function takeTable(k: Sel4Kernel, root: FrameNumber, address: number, table: FrameNumber): void {
  const steps = k.hal.mmu.walk(root, address);
  const step = steps.find(({ kind, frame }) => kind === "table" && frame === table);
  if (step === undefined) return;
  const start = address - (address % 2 ** step.bits);
  const space = spaceOfRoot(k, root);
  if (space !== null) leaveRange(k, space, start, start + 2 ** step.bits);
  emptyTable(k, table, step.bits - 9, space);
  k.hal.mmu.setEntry(root, start, step.bits, null);
  dropFrame(k.mm.frames, table);
  k.hal.mmu.flush();
}

/** What was mapped by hand there is gone; what Linux mapped begins anew when it is touched. */
function leaveRange(k: Sel4Kernel, space: Space, start: number, end: number): void {
  for (const { start: address, end: behind, backing } of space.regions.slice(firstBehind(space.regions, start))) {
    if (address >= end) break;
    if (backing.kind !== "frame") continue;
    takePage(k, { root: space.root, address, sizeBits: orderOf(behind - address) }, backing.first);
  }
  discardPages(k, space, start, end);
}

/** A table of entries of `bits` leads nowhere any more; what it led to lives on, if others hold it. */
function emptyTable(k: Sel4Kernel, table: FrameNumber, bits: number, space: Space | null): void {
  spend(k.effort, 512, "items");
  k.hal.mmu.empty(table, bits, (entry) => {
    if (entry.kind === "page") drop(k, entry.frame, entry.bits);
    else {
      spend(k.effort, 512, "items");
      forgetTable(k, entry.frame, space);
    }
  });
}

/** A table is not where it was any more; Linux's own ones are in the space's accounts. */
function forgetTable(k: Sel4Kernel, table: FrameNumber, space: Space | null): void {
  if (space !== null && !isGiven(k, table)) {
    space.residentFrames -= 1;
    space.tableFrames -= 1;
  }
  dropFrame(k.mm.frames, table);
}

/** Takes a frame's mapping out; what it was mapped into may be gone. */
export function unmapFrame(k: Sel4Kernel, cap: CapabilityOf<"frame">): void {
  const root = cap.mapped === null ? undefined : k.sel4.vspaces.get(cap.mapped.asid);
  if (root === undefined || cap.mapped === null) return;
  const { address } = cap.mapped;
  takePage(k, { root: frameAt(k, root), address, sizeBits: cap.sizeBits }, frameAt(k, cap.address));
}

/** Takes a table out of where it is, or, if it is a top table, takes its number away. */
export function unmapTable(k: Sel4Kernel, cap: CapabilityOf<"pageTable">): void {
  if (cap.mapped === null) return;
  const root = k.sel4.vspaces.get(cap.mapped.asid);
  if (root === undefined) return;
  if (root !== cap.address) {
    takeTable(k, frameAt(k, root), cap.mapped.address, frameAt(k, cap.address));
    return;
  }
  dropVspace(k, cap.mapped.asid);
}

/** An address space ends: whatever it shows is shown there no more. A program's own one goes with the program. */
export function dropVspace(k: Sel4Kernel, asid: number): void {
  const root = k.sel4.vspaces.get(asid);
  if (root === undefined || spaceOfRoot(k, frameAt(k, root)) !== null) return;
  k.sel4.vspaces.delete(asid);
  emptyTable(k, frameAt(k, root), topBits, null);
  k.hal.mmu.flush();
}

/**
 * Where a thread with a TCB runs. Without an address space of its own it runs in none: in an empty table, which it
 * leaves with a fault at once.
 */
export function tablesOfTcb(k: Sel4Kernel, thread: Thread): Tables {
  const cap = capOf(k, thread.tcb!, "vspace");
  if (cap?.type === "pageTable" && cap.mapped !== null && isVspace(k, cap))
    return { root: frameAt(k, cap.address), asid: cap.mapped.asid };
  return { root: frameAt(k, k.sel4.worlds.get(thread.task)!.emptyRoot), asid: 0 };
}
