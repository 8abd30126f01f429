/** mremap(2): a mapping gets longer or shorter, or goes elsewhere. */
import { pageBytes } from "../../hal/types.ts";
import { noteMapped, noteUnmapped } from "../../ipc/sysv/shared-memory.ts";
import { alignUp } from "../../lib/bits.ts";
import type { Errno } from "../../lib/errno.ts";
import { mayCommit, mayExpand } from "../../mm/accounting.ts";
import { findRegion, hasFrames, isFree } from "../../mm/regions.ts";
import { lockedBytes, populate } from "../../mm/residency.ts";
import { addRegion, getSpace, movePages, unmapRange } from "../../mm/space.ts";
import type { Backing, Region, Space } from "../../mm/state.ts";
import { hasRoomForRegions, isShared } from "../../mm/tally.ts";
import { isUnbound, Resource, softLimit } from "../../thread/rlimits.ts";
import type { Task } from "../../thread/state.ts";
import { address, flags, size } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { MapFlag, placeFor, rangeOf } from "./memory.ts";

const Remap = { MREMAP_MAYMOVE: 1, MREMAP_FIXED: 2, MREMAP_DONTUNMAP: 4 } as const;

interface Range {
  start: number;
  end: number;
}

interface Wanted {
  old: Range;
  region: Region;
  bytes: number;
  flags: number;
  target: bigint;
}

/** Backing of a region's part that starts at `start`, for a mapping that may be longer than the region. */
function backingAt(region: Region, start: number, length: number): Backing {
  if (region.backing.kind !== "file") return { kind: "anonymous" };
  const delta = start - region.start;
  const { offset, fileBytes, beyond } = region.backing;
  const shown = beyond === "fault" ? length : Math.max(0, Math.min(fileBytes - delta, length));
  return { ...region.backing, offset: offset + delta, fileBytes: shown };
}

/** What is wrong with the request as such. `old` may be empty: then what is shown there is shown once more. */
function problemOf(old: Range | null, newLength: number, how: number, target: bigint): Errno | null {
  const moves = (how & Remap.MREMAP_MAYMOVE) !== 0;
  if (old === null || newLength === 0) return "EINVAL";
  if (how & ~(Remap.MREMAP_MAYMOVE | Remap.MREMAP_FIXED | Remap.MREMAP_DONTUNMAP)) return "EINVAL";
  if (how & (Remap.MREMAP_FIXED | Remap.MREMAP_DONTUNMAP) && !moves) return "EINVAL";
  const goes = (how & (Remap.MREMAP_FIXED | Remap.MREMAP_DONTUNMAP)) !== 0;
  if (goes && target % BigInt(pageBytes) !== 0n) return "EINVAL";
  if (how & Remap.MREMAP_DONTUNMAP && old.end - old.start !== alignUp(newLength, pageBytes)) return "EINVAL";
  return null;
}

function regionProblem(region: Region | null, { start, end }: Range): Errno | null {
  if (region === null || region.end < end) return "EFAULT";
  if (region.backing.kind === "frame") return "EPERM";
  if (region.backing.kind === "vdso") return "EFAULT";
  return start === end && !isShared(region) ? "EINVAL" : null;
}

/** Whether the mapping may become so many bytes longer. */
function growthProblem(k: LinuxKernel, task: Task, space: Space, region: Region, more: number): Errno | null {
  if (more <= 0) return null;
  const grown = { ...region, end: region.start + more };
  if (!mayCommit(k, space, more) || !mayExpand(k, space, grown)) return "ENOMEM";
  const locks = region.locked === true && !isUnbound(task);
  return locks && lockedBytes(space) + more > softLimit(k, task, Resource.RLIMIT_MEMLOCK) ? "EAGAIN" : null;
}

/** The mapping becomes longer where it is; false when something is in the way. */
function growInPlace(k: LinuxKernel, space: Space, { old, region, bytes }: Wanted): boolean {
  const end = old.start + bytes;
  if (region.end !== old.end || !isFree(space.regions, old.end, end) || end > space.mapTop) return false;
  const more = backingAt(region, old.end, end - old.end);
  addRegion(k, space, { ...region, start: old.end, end, backing: more });
  if (region.locked) populate(k, space, old.end, end);
  return true;
}

/** The mapping goes elsewhere, or what it shows is shown there, too. */
function moveTo(k: LinuxKernel, task: Task, space: Space, wanted: Wanted): Outcome {
  const { old, region, bytes, flags: how, target } = wanted;
  // Where what is there stays, the target is a wish.
  const isWish = (how & Remap.MREMAP_FIXED) === 0;
  const wish = how & Remap.MREMAP_DONTUNMAP ? target : 0n;
  const place = isWish ? placeFor(k, space, wish, bytes, 0) : placeFor(k, space, target, bytes, MapFlag.MAP_FIXED);
  if (typeof place === "string") return fail(place);
  if (place < old.end && old.start < place + bytes) return fail("EINVAL");
  if (hasFrames(space.regions, place, place + bytes)) return fail("EPERM");
  const backing = backingAt(region, old.start, bytes);
  const moved = { ...region, start: place, end: place + bytes, backing };
  const locked = region.locked === true;
  const kept = Math.min(old.end - old.start, bytes);
  noteUnmapped(k, task, place, place + bytes);
  unmapRange(k, space, place, place + bytes);
  if (!movePages(k, space, old.start, place, kept)) return fail("ENOMEM");
  addRegion(k, space, moved);
  noteMapped(k, task, moved);
  if (!(how & Remap.MREMAP_DONTUNMAP)) {
    noteUnmapped(k, task, old.start, old.end);
    unmapRange(k, space, old.start, old.end);
  }
  if (locked) populate(k, space, place, place + bytes);
  return done(place);
}

function remap(
  k: LinuxKernel,
  task: Task,
  args: { start: bigint; oldLength: number; newLength: number; flags: number; target: bigint },
): Outcome {
  const space = getSpace(k, task.space);
  const { start, oldLength, newLength, flags: how, target } = args;
  const whole = rangeOf(k, start, Math.max(oldLength, 1));
  const old = whole === null || oldLength > 0 ? whole : { start: whole.start, end: whole.start };
  const problem = problemOf(old, newLength, how, target);
  if (problem !== null || old === null) return fail(problem ?? "EINVAL");
  if (newLength > k.hal.mmu.userEnd) return fail("ENOMEM");
  const bytes = alignUp(newLength, pageBytes);
  const region = findRegion(space.regions, old.start);
  const unfit = regionProblem(region, old);
  if (unfit !== null || region === null) return fail(unfit ?? "EFAULT");
  const oldBytes = old.end - old.start;
  const stays = (how & (Remap.MREMAP_FIXED | Remap.MREMAP_DONTUNMAP)) === 0 && oldBytes > 0;
  if (stays && bytes <= oldBytes) {
    if (bytes < oldBytes) {
      noteUnmapped(k, task, old.start + bytes, old.end);
      unmapRange(k, space, old.start + bytes, old.end);
    }
    return done(old.start);
  }
  if (!hasRoomForRegions(k, space, 3)) return fail("ENOMEM");
  const more = how & Remap.MREMAP_DONTUNMAP ? bytes : bytes - oldBytes;
  const refused = growthProblem(k, task, space, region, more);
  if (refused !== null) return fail(refused);
  const wanted = { old, region, bytes, flags: how, target };
  if (stays && growInPlace(k, space, wanted)) return done(old.start);
  return how & Remap.MREMAP_MAYMOVE ? moveTo(k, task, space, wanted) : fail("ENOMEM");
}

export const remapCalls = [
  syscall({
    name: "mremap",
    result: "address",
    nr: { rv64: 216 },
    support: "full",
    args: { start: address, oldLength: size, newLength: size, flags: flags(Remap), target: address },
    errors: ["EAGAIN", "EFAULT", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, args, { task }) => remap(k, task, args),
  }),
] as const;
