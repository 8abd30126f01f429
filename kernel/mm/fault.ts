/**
 * Page faults: what a page should be becomes what it is.
 *
 * A region's backing says where a page comes from; `backingKinds` has the behaviour for each kind. Pages of
 * files are shared read-only until somebody stores to one: then the task gets its own copy, or, if the mapping is a
 * shared one, the file a page of its own.
 */
import { type Access, Permission, pageBytes } from "../hal/types.ts";
import { alignDown } from "../lib/bits.ts";
import type { FrameNumber } from "../lib/ids.ts";
import { memoryFrame } from "../trace/events/memory.ts";
import { mayCommit, mayExpand } from "./accounting.ts";
import { dropFrame, shareFrame } from "./frames.ts";
import { takeUserFrame } from "./images.ts";
import type { MmKernel } from "./kernel.ts";
import { findRegion, firstBehind } from "./regions.ts";
import { entryPermissions, mapPage, mayGrow, mayStore, remapPage, stackGuardBytes } from "./space.ts";
import { type Backing, FrameOwner, type Region, type Space } from "./state.ts";
import { frameToMap, getStored, ownPage } from "./stored.ts";
import { changeRegions, isShared, isStack } from "./tally.ts";

/** `outOfMemory`: the machine has no frame for it; `overLimit`: the space's own limit does not permit one. */
export type FaultResult = "resolved" | "unmapped" | "forbidden" | "beyondFile" | "outOfMemory" | "overLimit";

const needed: Record<Access, number> = { read: Permission.read, write: Permission.write, execute: Permission.execute };

interface BackingOps {
  /** A frame for a page of the region, with a reference for the new mapping. `own`: one that may be stored to. */
  frameFor(k: MmKernel, region: Region, page: number, own: boolean): FrameNumber | "beyondFile" | "outOfMemory";
}

function zeroFrame(k: MmKernel): FrameNumber | "outOfMemory" {
  const frame = takeUserFrame(k, FrameOwner.anonymous);
  if (frame === null) return "outOfMemory";
  k.hal.memory.clear(frame);
  return frame;
}

/** A task's own frame with the first `length` bytes of another one, then zeros. */
function copyFrame(k: MmKernel, from: FrameNumber, length: number): FrameNumber | "outOfMemory" {
  shareFrame(k.mm.frames, from); // or making room could give it up
  const frame = zeroFrame(k);
  if (frame !== "outOfMemory") k.hal.memory.write(frame).set(k.hal.memory.read(from).subarray(0, length));
  dropFrame(k.mm.frames, from);
  return frame;
}

/** The same of a frame that a reference was taken to; the copy takes its place. */
function copyShown(k: MmKernel, from: FrameNumber, length: number): FrameNumber | "outOfMemory" {
  const frame = copyFrame(k, from, length);
  dropFrame(k.mm.frames, from);
  return frame;
}

/** The frame of the page that all programs have, with a reference for one more mapping: cached, as those of files are. */
function vdsoFrame(k: MmKernel): FrameNumber | "outOfMemory" {
  if (k.mm.vdso === null) {
    const frame = takeUserFrame(k, FrameOwner.image);
    if (frame === null) return "outOfMemory";
    k.hal.memory.write(frame).set(k.hal.vdso.bytes);
    k.mm.vdso = frame;
  }
  shareFrame(k.mm.frames, k.mm.vdso);
  return k.mm.vdso;
}

const backingKinds: Record<Backing["kind"], BackingOps> = {
  anonymous: { frameFor: (k) => zeroFrame(k) },
  vdso: {
    frameFor(k, _region, _page, own) {
      const shown = vdsoFrame(k);
      return typeof shown === "number" && own ? copyShown(k, shown, pageBytes) : shown;
    },
  },
  // They are there from the beginning to the end.
  frame: { frameFor: () => "beyondFile" },
  file: {
    frameFor(k, region, page, own) {
      const backing = region.backing as Backing & { kind: "file" };
      const within = page - region.start;
      const file = getStored(k, backing.file);
      const index = (backing.offset + within) / pageBytes;
      if (backing.beyond === "fault") {
        const shown = frameToMap(k, file, index, own && backing.shared);
        return typeof shown === "number" && own && !backing.shared ? copyShown(k, shown, pageBytes) : shown;
      }
      const inFile = Math.min(pageBytes, backing.fileBytes - within);
      if (inFile <= 0 || index * pageBytes >= file.size) return zeroFrame(k);
      const shown = frameToMap(k, file, index, false);
      return typeof shown === "number" && (own || inFile < pageBytes) ? copyShown(k, shown, inFile) : shown;
    },
  },
};

function note(k: MmKernel, space: Space, page: number, frame: FrameNumber, reason: string): void {
  if (k.trace.on(memoryFrame)) k.trace.write(memoryFrame, { space: space.id, address: BigInt(page), frame, reason });
}

function bringIn(k: MmKernel, space: Space, region: Region, page: number, own: boolean): FaultResult {
  if (!mayGrow(space)) return "overLimit";
  const frame = backingKinds[region.backing.kind].frameFor(k, region, page, own);
  if (typeof frame !== "number") return frame;
  if (!mapPage(k, space, page, frame, entryPermissions(k, region, frame))) {
    dropFrame(k.mm.frames, frame);
    return mayGrow(space) ? "outOfMemory" : "overLimit";
  }
  note(k, space, page, frame, region.backing.kind);
  return "resolved";
}

/** A store through a shared mapping to a page that is not the file's own yet: from now on it is, for all who map it. */
function makeOwn(k: MmKernel, space: Space, region: Region, page: number): FaultResult {
  const { file, offset } = region.backing as Backing & { kind: "file" };
  if (ownPage(k, getStored(k, file), (offset + page - region.start) / pageBytes) === null) return "outOfMemory";
  return bringIn(k, space, region, page, true);
}

/** The page is there but its frame is seen by others: this space gets a copy. */
function makePrivate(k: MmKernel, space: Space, region: Region, page: number, frame: FrameNumber): FaultResult {
  if (mayStore(k, region, frame)) {
    remapPage(k, space, page, frame, region.permissions);
    return "resolved";
  }
  if (isShared(region)) return makeOwn(k, space, region, page);
  const copy = copyFrame(k, frame, pageBytes);
  if (copy === "outOfMemory") return "outOfMemory";
  remapPage(k, space, page, copy, region.permissions);
  dropFrame(k.mm.frames, frame);
  note(k, space, page, copy, "copy");
  return "resolved";
}

/**
 * A stack becomes longer so that a page is in it: as far as its limit permits, and not too close to what lies below.
 * null: what is above the page is no stack, or may not.
 */
function growDown(k: MmKernel, space: Space, page: number): Region | null {
  const { regions, bounds } = space;
  const index = firstBehind(regions, page);
  const stack = regions[index];
  if (stack === undefined || stack.growsDown !== true || stack.end - page > bounds.stack) return null;
  const below = regions[index - 1];
  const isClose = below !== undefined && page - below.end < stackGuardBytes;
  if (isClose && below.growsDown !== true && below.permissions !== 0) return null;
  const more = stack.start - page;
  if (!mayExpand(k, space, { ...stack, start: page, end: stack.start })) return null;
  if (!isStack(stack) && !mayCommit(k, space, more)) return null;
  changeRegions(k, space, page, stack.start, () => {
    stack.start = page;
  });
  return stack;
}

/**
 * Makes one access possible, or says why it is not. `force` is the debugger's: it reads and stores whatever the
 * region permits, a store going to the task's own copy.
 */
export function resolveFault(k: MmKernel, space: Space, address: number, access: Access, force = false): FaultResult {
  const region =
    findRegion(space.regions, address) ?? (force ? null : growDown(k, space, alignDown(address, pageBytes)));
  if (region === null) return "unmapped";
  if (!force && (region.permissions & needed[access]) === 0) return "forbidden";
  const page = alignDown(address, pageBytes);
  const mapping = k.hal.mmu.lookup(space.root, page);
  const store = access === "write";
  const given = region.backing.kind === "frame" && mapping !== null;
  if (mapping === null) return bringIn(k, space, region, page, store);
  if (store && !given && (!mayStore(k, region, mapping.frame) || (mapping.permissions & Permission.write) === 0)) {
    return makePrivate(k, space, region, page, mapping.frame);
  }
  k.hal.mmu.flush(page);
  return "resolved";
}
