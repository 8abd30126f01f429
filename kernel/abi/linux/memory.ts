/**
 * Address spaces: brk(2), mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2). Pages that were put there through a
 * capability are as if sealed (mseal(2)): changing or replacing them is EPERM.
 */
import { Permission, pageBytes } from "../../hal/types.ts";
import { alignUp, saturate } from "../../lib/bits.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { isStack, mayCommit } from "../../mm/accounting.ts";
import { covers, findGap, findRegion, hasFrames, isFree, showsReadOnly } from "../../mm/regions.ts";
import {
  addRegion,
  discardPages,
  getSpace,
  lowestAddress,
  movePages,
  protectPages,
  unmapRange,
} from "../../mm/space.ts";
import type { Backing, Region, Space } from "../../mm/state.ts";
import { createStored, releaseStored } from "../../mm/stored.ts";
import type { Task } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { deviceOf } from "../../vfs/devices.ts";
import { mayRead, mayWrite } from "../../vfs/file-ops.ts";
import { nameOfFile } from "../../vfs/filesystem.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { address, choice, fd, flags, long, size } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Protection = { PROT_NONE: 0, PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4 } as const;
const allProtections = Protection.PROT_READ | Protection.PROT_WRITE | Protection.PROT_EXEC;
const MapFlag = {
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_STACK: 0x20000,
  MAP_FIXED_NOREPLACE: 0x100000,
} as const;

/** On this hardware what can be written can be read. */
const permissionsOf = (protection: number): number =>
  protection & Protection.PROT_WRITE ? protection | Protection.PROT_READ : protection;

/** A page-aligned range of user addresses, or null. An empty length is null, too. */
function rangeOf(k: LinuxKernel, start: bigint, length: number): { start: number; end: number } | null {
  const from = saturate(start);
  const bytes = alignUp(Math.min(length, 2 ** 48), pageBytes);
  if (from % pageBytes !== 0 || bytes === 0 || from + bytes > k.hal.mmu.userEnd) return null;
  return { start: from, end: from + bytes };
}

function brk(k: LinuxKernel, space: Space, wanted: bigint): number {
  const target = saturate(wanted);
  if (target < space.heapStart || target > space.mapTop) return space.heapEnd;
  const oldEnd = alignUp(space.heapEnd, pageBytes);
  const newEnd = alignUp(target, pageBytes);
  if (newEnd > oldEnd) {
    if (!isFree(space.regions, oldEnd, newEnd) || !mayCommit(k, space, newEnd - oldEnd)) return space.heapEnd;
    if (space.regions.length >= limits.regions) return space.heapEnd;
    const permissions = Permission.read | Permission.write;
    addRegion(k, space, { start: oldEnd, end: newEnd, permissions, backing: { kind: "anonymous" }, name: "[heap]" });
  } else if (newEnd < oldEnd) {
    if (hasFrames(space.regions, newEnd, oldEnd)) return space.heapEnd;
    unmapRange(k, space, newEnd, oldEnd);
  }
  space.heapEnd = target;
  return target;
}

interface MapArguments {
  start: bigint;
  length: number;
  protection: number;
  flags: number;
  fd: number;
  offset: bigint;
}

const isZeros = ({ target }: OpenFile): boolean =>
  target.kind === "device" && deviceOf(target.major, target.minor)?.name === "zero";

/** What backs a mapping: nothing but zeros, or a file. */
function backingFor(
  k: LinuxKernel,
  task: Task,
  { flags, fd, offset, length, protection }: MapArguments,
): { backing: Backing; name: string } | Errno {
  if (flags & MapFlag.MAP_ANONYMOUS)
    return { backing: { kind: "anonymous" }, name: flags & MapFlag.MAP_STACK ? "[stack:thread]" : "" };
  if (offset < 0n || offset % BigInt(pageBytes) !== 0n) return "EINVAL";
  const file = fileOf(k, task, fd);
  if (file === null) return "EBADF";
  if (file.target.kind === "path") return "EBADF";
  if (!mayRead(file)) return "EACCES";
  const shared = (flags & MapFlag.MAP_SHARED) !== 0;
  if (shared && protection & Protection.PROT_WRITE && !mayWrite(file)) return "EACCES";
  if (isZeros(file)) return { backing: { kind: "anonymous" }, name: "" };
  if (file.target.kind !== "regular") return "ENODEV";
  const { file: stored } = file.target;
  const name = nameOfFile(k, task, file) ?? "";
  return {
    backing: {
      kind: "file",
      file: stored,
      offset: saturate(offset),
      fileBytes: length,
      beyond: "fault",
      shared,
      writable: mayWrite(file),
    },
    name,
  };
}

/** Where a mapping goes: where it must, where it was hinted if that is free, or where there is room. */
function placeFor(k: LinuxKernel, space: Space, start: bigint, bytes: number, wanted: number): number | Errno {
  const hint = rangeOf(k, start, bytes);
  const fixed = wanted & (MapFlag.MAP_FIXED | MapFlag.MAP_FIXED_NOREPLACE);
  if (fixed) {
    if (hint === null) return saturate(start) % pageBytes === 0 ? "ENOMEM" : "EINVAL";
    if (hint.start < lowestAddress) return "EPERM";
    if (wanted & MapFlag.MAP_FIXED_NOREPLACE && !isFree(space.regions, hint.start, hint.end)) return "EEXIST";
    return hint.start;
  }
  if (hint !== null && hint.start >= lowestAddress && isFree(space.regions, hint.start, hint.end)) return hint.start;
  return findGap(space.regions, bytes, lowestAddress, space.mapTop) ?? "ENOMEM";
}

function map(k: LinuxKernel, task: Task, args: MapArguments): Outcome {
  const space = getSpace(k, task.space);
  if (args.length === 0 || (args.flags & 3) === 0 || args.protection & ~allProtections) return fail("EINVAL");
  if (args.length > k.hal.mmu.userEnd) return fail("ENOMEM");
  const backed = backingFor(k, task, args);
  if (typeof backed === "string") return fail(backed);
  const bytes = alignUp(args.length, pageBytes);
  if (space.regions.length + 2 > limits.regions) return fail("ENOMEM");
  const shows = backed.backing.kind === "file" && backed.backing.shared;
  const writes = args.protection & Protection.PROT_WRITE && !shows;
  const own = writes || (args.flags & MapFlag.MAP_ANONYMOUS && args.protection !== 0);
  if (own && !(args.flags & MapFlag.MAP_STACK) && !mayCommit(k, space, bytes)) return fail("ENOMEM");
  const start = placeFor(k, space, args.start, bytes, args.flags);
  if (typeof start === "string") return fail(start);
  if (hasFrames(space.regions, start, start + bytes)) return fail("EPERM");
  if (args.flags & MapFlag.MAP_FIXED) unmapRange(k, space, start, start + bytes);
  const permissions = permissionsOf(args.protection);
  if (args.flags & MapFlag.MAP_ANONYMOUS && args.flags & MapFlag.MAP_SHARED)
    mapShared(k, space, { start, end: start + bytes, permissions });
  else addRegion(k, space, { start, end: start + bytes, permissions, ...backed });
  return done(start);
}

/** Memory that forked processes have in common is a file without a name, which goes with its last mapping. */
function mapShared(k: LinuxKernel, space: Space, at: Pick<Region, "start" | "end" | "permissions">): void {
  const file = createStored(k, null);
  const bytes = at.end - at.start;
  file.size = bytes;
  const how = { offset: 0, fileBytes: bytes, beyond: "fault", shared: true, writable: true } as const;
  addRegion(k, space, { ...at, backing: { kind: "file", file: file.id, ...how }, name: "/dev/zero (deleted)" });
  releaseStored(k, file.id);
}

function protect(k: LinuxKernel, space: Space, start: bigint, length: number, protection: number): Outcome {
  if (start % BigInt(pageBytes) !== 0n || protection & ~allProtections) return fail("EINVAL");
  if (length === 0) return done(0);
  const range = rangeOf(k, start, length);
  if (range === null || !covers(space.regions, range.start, range.end)) return fail("ENOMEM");
  if (space.regions.length + 2 > limits.regions) return fail("ENOMEM");
  if (hasFrames(space.regions, range.start, range.end)) return fail("EPERM");
  const region = findRegion(space.regions, range.start)!;
  const grows = protection & Protection.PROT_WRITE && (region.permissions & Permission.write) === 0 && !isStack(region);
  if (grows && !mayCommit(k, space, range.end - range.start)) return fail("ENOMEM");
  if (protection & Protection.PROT_WRITE && showsReadOnly(space.regions, range.start, range.end)) return fail("EACCES");
  protectPages(k, space, range.start, range.end, permissionsOf(protection));
  return done(0);
}

const Remap = { MREMAP_MAYMOVE: 1, MREMAP_FIXED: 2, MREMAP_DONTUNMAP: 4 } as const;

/** Backing of a region's part that starts at `start`, for a mapping that may be longer than the region. */
function backingAt(region: Region, start: number, length: number): Backing {
  if (region.backing.kind !== "file") return { kind: "anonymous" };
  const delta = start - region.start;
  const { offset, fileBytes, beyond } = region.backing;
  const shown = beyond === "fault" ? length : Math.max(0, Math.min(fileBytes - delta, length));
  return { ...region.backing, offset: offset + delta, fileBytes: shown };
}

function remap(
  k: LinuxKernel,
  space: Space,
  start: bigint,
  oldLength: number,
  newLength: number,
  how: number,
  target: bigint,
): Outcome {
  const old = rangeOf(k, start, oldLength);
  if (old === null || newLength === 0 || how & ~(Remap.MREMAP_MAYMOVE | Remap.MREMAP_FIXED)) return fail("EINVAL");
  if (how & Remap.MREMAP_FIXED && !(how & Remap.MREMAP_MAYMOVE)) return fail("EINVAL");
  if (newLength > k.hal.mmu.userEnd) return fail("ENOMEM");
  const bytes = alignUp(newLength, pageBytes);
  const region = findRegion(space.regions, old.start);
  if (region === null || region.end < old.end) return fail("EFAULT");
  if (region.backing.kind === "frame") return fail("EPERM");
  if (region.backing.kind === "vdso") return fail("EFAULT");
  const oldBytes = old.end - old.start;
  if (!(how & Remap.MREMAP_FIXED) && bytes <= oldBytes) {
    if (bytes < oldBytes) unmapRange(k, space, old.start + bytes, old.end);
    return done(old.start);
  }
  if (space.regions.length + 3 > limits.regions || !mayCommit(k, space, Math.max(0, bytes - oldBytes)))
    return fail("ENOMEM");
  const { permissions, name } = region;
  const backing = backingAt(region, old.start, bytes);
  if (
    !(how & Remap.MREMAP_FIXED) &&
    region.end === old.end &&
    isFree(space.regions, old.end, old.start + bytes) &&
    old.start + bytes <= space.mapTop
  ) {
    const more = backingAt(region, old.end, bytes - oldBytes);
    addRegion(k, space, { start: old.end, end: old.start + bytes, permissions, backing: more, name });
    return done(old.start);
  }
  if (!(how & Remap.MREMAP_MAYMOVE)) return fail("ENOMEM");
  const place =
    how & Remap.MREMAP_FIXED
      ? placeFor(k, space, target, bytes, MapFlag.MAP_FIXED)
      : (findGap(space.regions, bytes, lowestAddress, space.mapTop) ?? "ENOMEM");
  if (typeof place === "string") return fail(place);
  if (place < old.end && old.start < place + bytes) return fail("EINVAL");
  if (hasFrames(space.regions, place, place + bytes)) return fail("EPERM");
  return move(k, space, old, { start: place, end: place + bytes, permissions, backing, name });
}

function move(k: LinuxKernel, space: Space, old: { start: number; end: number }, region: Region): Outcome {
  const kept = Math.min(old.end - old.start, region.end - region.start);
  unmapRange(k, space, region.start, region.end);
  if (!movePages(k, space, old.start, region.start, kept)) return fail("ENOMEM");
  addRegion(k, space, region);
  unmapRange(k, space, old.start, old.end);
  return done(region.start);
}

const Advice = {
  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 8,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_DODUMP: 17,
} as const;

function advise(k: LinuxKernel, space: Space, start: bigint, length: number, advice: number): Outcome {
  if (!(Object.values(Advice) as number[]).includes(advice) || start % BigInt(pageBytes) !== 0n) return fail("EINVAL");
  if (length === 0) return done(0);
  const range = rangeOf(k, start, length);
  if (range === null || !covers(space.regions, range.start, range.end)) return fail("ENOMEM");
  if (advice !== Advice.MADV_DONTNEED && advice !== Advice.MADV_FREE) return done(0);
  if (hasFrames(space.regions, range.start, range.end)) return fail("EPERM");
  discardPages(k, space, range.start, range.end);
  return done(0);
}

/** msync(2): memory and file are the same here; it says whether all of the range is mapped. */
const Sync = { MS_ASYNC: 1, MS_INVALIDATE: 2, MS_SYNC: 4 } as const;

function sync(k: LinuxKernel, space: Space, start: bigint, length: number, how: number): Outcome {
  const both = Sync.MS_ASYNC | Sync.MS_SYNC;
  if (how & ~(both | Sync.MS_INVALIDATE) || (how & both) === both || start % BigInt(pageBytes) !== 0n)
    return fail("EINVAL");
  if (length === 0) return done(0);
  const range = rangeOf(k, start, length);
  return range === null || !covers(space.regions, range.start, range.end) ? fail("ENOMEM") : done(0);
}

export const memoryCalls = [
  syscall({
    name: "msync",
    nr: { rv64: 227 },
    support: "full",
    args: { start: address, length: size, flags: flags(Sync) },
    errors: ["EINVAL", "ENOMEM"],
    run: (k: LinuxKernel, { start, length, flags }, { task }) => sync(k, getSpace(k, task.space), start, length, flags),
  }),
  syscall({
    name: "brk",
    result: "address",
    nr: { rv64: 214 },
    support: "full",
    args: { end: address },
    run: (k: LinuxKernel, { end }, { task }) => done(brk(k, getSpace(k, task.space), end)),
  }),
  syscall({
    name: "mmap",
    result: "address",
    nr: { rv64: 222 },
    support: "full",
    args: { start: address, length: size, protection: flags(Protection), flags: flags(MapFlag), fd, offset: long },
    errors: ["EACCES", "EBADF", "EEXIST", "EINVAL", "ENODEV", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, args, { task }) => map(k, task, args),
  }),
  syscall({
    name: "munmap",
    nr: { rv64: 215 },
    support: "full",
    args: { start: address, length: size },
    errors: ["EINVAL", "ENOMEM", "EPERM"],
    run(k: LinuxKernel, { start, length }, { task }) {
      const space = getSpace(k, task.space);
      const range = rangeOf(k, start, length);
      if (range === null) return fail("EINVAL");
      if (space.regions.length >= limits.regions) return fail("ENOMEM");
      if (hasFrames(space.regions, range.start, range.end)) return fail("EPERM");
      unmapRange(k, space, range.start, range.end);
      return done(0);
    },
  }),
  syscall({
    name: "mprotect",
    nr: { rv64: 226 },
    support: "full",
    args: { start: address, length: size, protection: flags(Protection) },
    errors: ["EACCES", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { start, length, protection }, { task }) =>
      protect(k, getSpace(k, task.space), start, length, protection),
  }),
  syscall({
    name: "mremap",
    result: "address",
    nr: { rv64: 216 },
    support: "partial",
    note: "The old range must lie in one mapping; MREMAP_DONTUNMAP is not there.",
    args: { start: address, oldLength: size, newLength: size, flags: flags(Remap), target: address },
    errors: ["EFAULT", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { start, oldLength, newLength, flags, target }, { task }) =>
      remap(k, getSpace(k, task.space), start, oldLength, newLength, flags, target),
  }),
  syscall({
    name: "madvise",
    nr: { rv64: 233 },
    support: "partial",
    note: "MADV_DONTNEED and MADV_FREE discard at once; other advice changes nothing.",
    args: { start: address, length: size, advice: choice(Advice) },
    errors: ["EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { start, length, advice }, { task }) =>
      advise(k, getSpace(k, task.space), start, length, advice),
  }),
] as const;
