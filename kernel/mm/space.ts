/**
 * Address spaces: regions, and the page tables that follow them.
 *
 * Every function leaves table and regions agreeing: no page of the table lies outside the regions, and none
 * permits more than its region does. Ranges are page-aligned and checked by the caller (below mmu.userEnd).
 */
import { Permission, type Permissions, pageBytes } from "../hal/types.ts";
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { FrameNumber, SpaceId, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { memoryMap, memoryProtect, memoryUnmap } from "../trace/events/memory.ts";
import { endExecution } from "./executing.ts";
import { dropFrame, takeFrame } from "./frames.ts";
import type { MmKernel } from "./kernel.ts";
import { findRegion, insertRegion, protectRange, removeRange } from "./regions.ts";
import { FrameOwner, type Region, type Space, type SpaceBounds } from "./state.ts";
import { forgetRegions } from "./stored.ts";
import { changeRegions, isGiven, isShared, tallyRegion } from "./tally.ts";

export const getSpace = (k: Pick<MmKernel, "mm">, id: SpaceId): Space => must(k.mm.spaces.get(id), "the space exists");

/** Programs may not map pages below this one, so that a null pointer with an offset faults. */
export const lowestAddress = 0x10000;
/** What is left free below a stack, so that who runs over its end meets nothing (stack_guard_gap). */
export const stackGuardBytes = 1024 * 1024;
/** No limit of stacks permits more: a machine has not more memory. */
export const mostStackBytes = 2 ** 30;

export const stackTop = (k: Pick<MmKernel, "hal">): number => k.hal.mmu.userEnd - pageBytes;

function freeAsid(k: MmKernel): number {
  const used = new Set<number>();
  for (const space of k.mm.spaces.values()) used.add(space.asid);
  let asid = 1;
  while (used.has(asid)) asid += 1;
  assert(asid < 65536, "fewer spaces than address-space numbers");
  return asid;
}

/** mmap chooses addresses below this one. */
export const mapTopOf = (k: Pick<MmKernel, "hal">): number => stackTop(k) - mostStackBytes - stackGuardBytes;

/** Of a space whose task has set no limits. */
export const usualBounds: SpaceBounds = {
  total: Number.MAX_SAFE_INTEGER,
  data: Number.MAX_SAFE_INTEGER,
  stack: limits.stackBytes,
};

/** Where a program's page of the kernel's code is: behind what mmap gives out, far from the stack. */
export const vdsoAddress = (space: Space): number => space.mapTop;

/** An empty space; null when there is no frame for its top table. */
export function createSpace(k: MmKernel, task: TaskId, frameLimit: number): Space | null {
  const root = takeFrame(k.mm.frames, FrameOwner.table);
  if (root === null) return null;
  k.hal.mmu.initRoot(root);
  const space: Space = {
    id: k.mm.nextSpace++ as SpaceId,
    task,
    users: 1,
    asid: freeAsid(k),
    root,
    regions: [],
    promised: 0,
    residentFrames: 1,
    tableFrames: 1,
    peakFrames: 1,
    executable: null,
    frameLimit,
    heapStart: 0,
    heapEnd: 0,
    argumentsStart: 0,
    argumentsEnd: 0,
    environmentEnd: 0,
    auxiliary: new Uint8Array(0),
    mapTop: mapTopOf(k),
    bounds: { ...usualBounds },
    locksNew: "no",
  };
  k.mm.spaces.set(space.id, space);
  return space;
}

/** One more task runs in the space. */
export function shareSpace(k: MmKernel, id: SpaceId): void {
  getSpace(k, id).users += 1;
}

/** A task leaves the space; with the last one it ends. */
export function leaveSpace(k: MmKernel, id: SpaceId): void {
  const space = getSpace(k, id);
  space.users -= 1;
  if (space.users === 0) destroySpace(k, space);
}

function destroySpace(k: MmKernel, space: Space): void {
  spend(k.effort, space.residentFrames, "pages");
  k.hal.mmu.forEach(space.root, 0, k.hal.mmu.userEnd, (_address, mapping) => dropFrame(k.mm.frames, mapping.frame));
  k.hal.mmu.eachTable(space.root, (frame) => dropFrame(k.mm.frames, frame));
  k.hal.mmu.flush();
  k.mm.spaces.delete(space.id);
  endExecution(k, space);
  for (const region of space.regions) tallyRegion(k, space, region, -1);
  forgetRegions(k, space.regions);
  forgetVdso(k);
}

/** The page of code that programs share goes with the last one that has used it. */
function forgetVdso(k: MmKernel): void {
  const { vdso, frames } = k.mm;
  if (vdso === null || frames.references[vdso] !== 1) return;
  dropFrame(frames, vdso);
  k.mm.vdso = null;
}

/** Room for one more frame under the space's own limit. */
export const mayGrow = (space: Space): boolean => space.frameLimit === 0 || space.residentFrames < space.frameLimit;

function charge(space: Space): void {
  space.residentFrames += 1;
  if (space.residentFrames > space.peakFrames) space.peakFrames = space.residentFrames;
}

/** A frame for one of the space's page tables, in its accounts; null when there is none. */
export function takeTableFor(k: MmKernel, space: Space): FrameNumber | null {
  const table = takeFrame(k.mm.frames, FrameOwner.table);
  if (table === null) return null;
  charge(space);
  space.tableFrames += 1;
  return table;
}

/** Puts a frame (whose reference the caller holds) at a page; false when there is no memory for it or its tables. */
export function mapPage(
  k: MmKernel,
  space: Space,
  address: number,
  frame: FrameNumber,
  permissions: Permissions,
): boolean {
  if (!mayGrow(space)) return false;
  const allocateTable = () => (mayGrow(space) ? takeTableFor(k, space) : null);
  if (!k.hal.mmu.map(space.root, address, { frame, permissions }, allocateTable)) return false;
  charge(space);
  k.hal.mmu.flush(address);
  return true;
}

/** Changes the frame or the permissions of a page that is mapped. */
export function remapPage(
  k: MmKernel,
  space: Space,
  address: number,
  frame: FrameNumber,
  permissions: Permissions,
): void {
  const done = k.hal.mmu.map(space.root, address, { frame, permissions }, () => null);
  assert(done, "the page had its tables");
  k.hal.mmu.flush();
}

export function addRegion(k: MmKernel, space: Space, region: Region): void {
  spend(k.effort, space.regions.length, "items");
  changeRegions(k, space, region.start, region.end, () => insertRegion(space.regions, region));
  if (!k.trace.on(memoryMap)) return;
  const { start, end, permissions, name } = region;
  k.trace.write(memoryMap, {
    space: space.id,
    start: BigInt(start),
    end: BigInt(end),
    permissions: permissionText(permissions),
    name,
  });
}

export function unmapRange(k: MmKernel, space: Space, start: number, end: number): void {
  spend(k.effort, space.regions.length, "items");
  const removed = changeRegions(k, space, start, end, () => removeRange(space.regions, start, end));
  if (removed.length === 0) return;
  discardPages(k, space, start, end);
  forgetRegions(k, removed);
  if (k.trace.on(memoryUnmap)) k.trace.write(memoryUnmap, { space: space.id, start: BigInt(start), end: BigInt(end) });
}

/** Whether a store may go to this frame without a copy. */
export const isPrivate = (k: Pick<MmKernel, "mm">, frame: FrameNumber): boolean =>
  k.mm.frames.owner[frame] === FrameOwner.anonymous && k.mm.frames.references[frame] === 1;

/** Whether a store in the region may go to this frame: it is nobody else's, or the file's that all are to see. */
export const mayStore = (k: Pick<MmKernel, "mm">, region: Region, frame: FrameNumber): boolean =>
  isPrivate(k, frame) || (isShared(region) && k.mm.frames.owner[frame] === FrameOwner.file);

/** What a page's entry may permit: its region's permissions, but no store to a frame that others see. */
export const entryPermissions = (k: MmKernel, region: Region, frame: FrameNumber): Permissions =>
  mayStore(k, region, frame) ? region.permissions : region.permissions & ~Permission.write;

export function protectPages(k: MmKernel, space: Space, start: number, end: number, permissions: Permissions): void {
  // A region that changes is made anew.
  spend(k.effort, 16 * space.regions.length, "items");
  changeRegions(k, space, start, end, () => protectRange(space.regions, start, end, permissions));
  const pages: { address: number; frame: FrameNumber }[] = [];
  k.hal.mmu.forEach(space.root, start, end, (address, { frame }) => pages.push({ address, frame }));
  for (const { address, frame } of pages) {
    const allowed = entryPermissions(k, must(findRegion(space.regions, address), "the page is in a region"), frame);
    k.hal.mmu.map(space.root, address, { frame, permissions: allowed }, () => null);
  }
  spend(k.effort, 2 * pages.length, "pages");
  if (pages.length > 0) k.hal.mmu.flush();
  if (!k.trace.on(memoryProtect)) return;
  k.trace.write(memoryProtect, {
    space: space.id,
    start: BigInt(start),
    end: BigInt(end),
    permissions: permissionText(permissions),
  });
}

/** Page tables that mapping a range could need. */
export const tablesFor = (length: number): number => Math.ceil(length / 2 ** 21) + Math.ceil(length / 2 ** 30) + 3;

/**
 * Moves pages that are mapped to other addresses (mremap); the frames and what they hold stay. False, and
 * nothing moved, when tables for them might be lacking.
 */
export function movePages(k: MmKernel, space: Space, from: number, to: number, length: number): boolean {
  const tables = tablesFor(length);
  if (k.mm.frames.free < tables || (space.frameLimit !== 0 && space.residentFrames + tables > space.frameLimit))
    return false;
  const pages: { address: number; frame: FrameNumber; permissions: Permissions }[] = [];
  k.hal.mmu.forEach(space.root, from, from + length, (address, mapping) => pages.push({ address, ...mapping }));
  spend(k.effort, 4 * pages.length, "pages");
  for (const { address, frame, permissions } of pages) {
    k.hal.mmu.unmap(space.root, address);
    space.residentFrames -= 1;
    assert(mapPage(k, space, address - from + to, frame, permissions), "there was room for the tables");
  }
  k.hal.mmu.flush();
  return true;
}

/** Gives the frames of a range back, but not its addresses: what is touched again begins anew. */
export function discardPages(k: MmKernel, space: Space, start: number, end: number): void {
  const pages: number[] = [];
  k.hal.mmu.forEach(space.root, start, end, (address) => pages.push(address));
  spend(k.effort, 2 * pages.length, "pages");
  for (const page of pages) {
    dropFrame(k.mm.frames, k.hal.mmu.unmap(space.root, page)!.frame);
    space.residentFrames -= 1;
  }
  if (pages.length > 0) k.hal.mmu.flush();
}

/** Bytes of a region that have a frame. */
export function residentBytes(k: MmKernel, space: Space, region: Region): number {
  const { start, end } = region;
  if (isGiven(region)) return end - start;
  let bytes = 0;
  k.hal.mmu.forEach(space.root, start, end, () => {
    bytes += pageBytes;
  });
  spend(k.effort, 16 + bytes / pageBytes, "pages");
  return bytes;
}

export const permissionText = (permissions: Permissions): string =>
  `${permissions & Permission.read ? "r" : "-"}${permissions & Permission.write ? "w" : "-"}${permissions & Permission.execute ? "x" : "-"}`;
