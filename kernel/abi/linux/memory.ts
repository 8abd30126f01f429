/**
 * Address spaces: brk(2), mmap(2), munmap(2), mprotect(2), msync(2). Pages that were put there through a capability are
 * as if sealed (mseal(2)): changing or replacing them is EPERM.
 */
import { Permission, pageBytes } from "../../hal/types.ts";
import { noteUnmapped } from "../../ipc/sysv/shared-memory.ts";
import { alignUp, saturate } from "../../lib/bits.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { mayBecomeData, mayCommit, mayExpand } from "../../mm/accounting.ts";
import { covers, findGap, findRegion, hasFrames, isFree, partsOf, showsData, showsReadOnly } from "../../mm/regions.ts";
import { lockedBytes, populate } from "../../mm/residency.ts";
import { addRegion, getSpace, lowestAddress, protectPages, stackGuardBytes, unmapRange } from "../../mm/space.ts";
import type { Backing, Region, Space } from "../../mm/state.ts";
import { createStored, getStored, releaseStored } from "../../mm/stored.ts";
import { hasRoomForRegions, isStack } from "../../mm/tally.ts";
import { isUnbound, Resource, softLimit } from "../../thread/rlimits.ts";
import type { Task } from "../../thread/state.ts";
import { usableFileOf } from "../../vfs/descriptors.ts";
import { deviceOf } from "../../vfs/devices.ts";
import { mayRead, mayWrite } from "../../vfs/file-ops.ts";
import { nameOfFile } from "../../vfs/filesystem.ts";
import { hasFlag, MountFlag } from "../../vfs/mount-flags.ts";
import { isSealedForWriting } from "../../vfs/seals.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { address, fd, flags, long, size } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Protection = { PROT_NONE: 0, PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4 } as const;
const allProtections = Protection.PROT_READ | Protection.PROT_WRITE | Protection.PROT_EXEC;
export const MapFlag = {
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_GROWSDOWN: 0x100,
  MAP_LOCKED: 0x2000,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_NONBLOCK: 0x10000,
  MAP_STACK: 0x20000,
  MAP_FIXED_NOREPLACE: 0x100000,
} as const;

/** What MAP_SHARED_VALIDATE (both bits of the type) knows for a file: of other flags it says so, where MAP_SHARED overlooks them. */
const validated =
  MapFlag.MAP_SHARED |
  MapFlag.MAP_PRIVATE |
  MapFlag.MAP_FIXED |
  MapFlag.MAP_ANONYMOUS |
  MapFlag.MAP_GROWSDOWN |
  0x0800 | // MAP_DENYWRITE
  0x1000 | // MAP_EXECUTABLE
  MapFlag.MAP_LOCKED |
  MapFlag.MAP_NORESERVE |
  MapFlag.MAP_POPULATE |
  MapFlag.MAP_NONBLOCK |
  MapFlag.MAP_STACK |
  0x4_0000; // MAP_HUGETLB
const validates = (flags: number): boolean => (flags & 3) === 3;

/** On this hardware what can be written can be read. */
const permissionsOf = (protection: number): number =>
  protection & Protection.PROT_WRITE ? protection | Protection.PROT_READ : protection;

/** A page-aligned range of user addresses, or null. An empty length is null, too. */
export function rangeOf(k: LinuxKernel, start: bigint, length: number): { start: number; end: number } | null {
  const from = saturate(start);
  const bytes = alignUp(Math.min(length, 2 ** 48), pageBytes);
  if (from % pageBytes !== 0 || bytes === 0 || from + bytes > k.hal.mmu.userEnd) return null;
  return { start: from, end: from + bytes };
}

/** What is mapped now is locked if everything is that comes. */
const lockOf = ({ locksNew }: Space): { locked?: true } => (locksNew === "no" ? {} : { locked: true });

function brk(k: LinuxKernel, space: Space, wanted: bigint): number {
  const target = saturate(wanted);
  if (target < space.heapStart || target > space.mapTop) return space.heapEnd;
  const oldEnd = alignUp(space.heapEnd, pageBytes);
  const newEnd = alignUp(target, pageBytes);
  if (newEnd > oldEnd) {
    if (!isFree(space.regions, oldEnd, newEnd) || !mayCommit(k, space, newEnd - oldEnd)) return space.heapEnd;
    if (!hasRoomForRegions(k, space, 1)) return space.heapEnd;
    const permissions = Permission.read | Permission.write;
    const at = { start: oldEnd, end: newEnd, permissions };
    const region: Region = { ...at, backing: { kind: "anonymous" }, name: "[heap]", ...lockOf(space) };
    if (target - space.heapStart > space.bounds.data || !mayExpand(k, space, region)) return space.heapEnd;
    addRegion(k, space, region);
    if (space.locksNew === "now") populate(k, space, oldEnd, newEnd);
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
  if (flags & MapFlag.MAP_ANONYMOUS) {
    if (validates(flags)) return "EINVAL";
    return { backing: { kind: "anonymous" }, name: flags & MapFlag.MAP_STACK ? "[stack:thread]" : "" };
  }
  if (offset < 0n || offset % BigInt(pageBytes) !== 0n) return "EINVAL";
  const file = usableFileOf(k, task, fd);
  if (file === null) return "EBADF";
  if (validates(flags) && flags & ~validated) return "EOPNOTSUPP";
  if (!mayRead(file)) return "EACCES";
  const shared = (flags & MapFlag.MAP_SHARED) !== 0;
  if (shared && protection & Protection.PROT_WRITE && !mayWrite(file)) return "EACCES";
  const isData = file.opened !== null && hasFlag(k, file.opened.mount, MountFlag.noExecute);
  if (isData && protection & Protection.PROT_EXEC) return "EPERM";
  if (file.target.kind !== "regular" && !isZeros(file)) return "ENODEV";
  if (flags & MapFlag.MAP_GROWSDOWN) return "EINVAL";
  if (file.target.kind !== "regular") return { backing: { kind: "anonymous" }, name: "" };
  if (offset + BigInt(length) > BigInt(limits.fileBytes)) return "EOVERFLOW";
  const { file: stored } = file.target;
  const isSealed = isSealedForWriting(getStored(k, stored));
  if (shared && isSealed && protection & Protection.PROT_WRITE) return "EPERM";
  return {
    backing: {
      kind: "file",
      file: stored,
      offset: saturate(offset),
      fileBytes: length,
      beyond: "fault",
      shared,
      writable: mayWrite(file) && !isSealed,
      ...(isData ? { data: true } : {}),
    },
    name: nameOfFile(k, task, file) ?? "",
  };
}

/** Where a mapping goes: where it must, where it was hinted if that is free, or where there is room. */
export function placeFor(k: LinuxKernel, space: Space, start: bigint, bytes: number, wanted: number): number | Errno {
  const hint = rangeOf(k, start, bytes);
  const fixed = wanted & (MapFlag.MAP_FIXED | MapFlag.MAP_FIXED_NOREPLACE);
  if (fixed) {
    if (hint === null) return saturate(start) % pageBytes === 0 ? "ENOMEM" : "EINVAL";
    if (hint.start < lowestAddress) return "EPERM";
    if (wanted & MapFlag.MAP_FIXED_NOREPLACE && !isFree(space.regions, hint.start, hint.end)) return "EEXIST";
    return hint.start;
  }
  if (hint !== null && hint.start >= lowestAddress && isFree(space.regions, hint.start, hint.end)) return hint.start;
  return findGap(space.regions, bytes, lowestAddress, space.mapTop, stackGuardBytes) ?? "ENOMEM";
}

/** Bytes that a mapping at a place of the caller's would take the place of. */
const replaced = ({ regions }: Space, start: number, end: number): number =>
  partsOf(regions, start, end).reduce((sum, part) => sum + part.end - part.start, 0);

/** Locks that a mapping begins with: EPERM where nothing may be locked, EAGAIN where not so much. */
function lockProblem(k: LinuxKernel, task: Task, space: Space, bytes: number, wanted: number): Errno | null {
  if (!(wanted & MapFlag.MAP_LOCKED) && space.locksNew === "no") return null;
  if (isUnbound(task)) return null;
  const most = softLimit(k, task, Resource.RLIMIT_MEMLOCK);
  if (most === 0 && wanted & MapFlag.MAP_LOCKED) return "EPERM";
  return lockedBytes(space) + bytes > most ? "EAGAIN" : null;
}

/** What a new region has besides its place and content. */
function traitsOf(space: Space, wanted: number): Pick<Region, "growsDown" | "locked"> {
  const locked: { locked?: true } = wanted & MapFlag.MAP_LOCKED ? { locked: true } : lockOf(space);
  return wanted & MapFlag.MAP_GROWSDOWN ? { growsDown: true, ...locked } : locked;
}

function map(k: LinuxKernel, task: Task, args: MapArguments): Outcome {
  const space = getSpace(k, task.space);
  if (args.length === 0 || (args.flags & 3) === 0 || args.protection & ~allProtections) return fail("EINVAL");
  if (args.length > k.hal.mmu.userEnd) return fail("ENOMEM");
  const backed = backingFor(k, task, args);
  if (typeof backed === "string") return fail(backed);
  const bytes = alignUp(args.length, pageBytes);
  if (!hasRoomForRegions(k, space, 2)) return fail("ENOMEM");
  const shows = backed.backing.kind === "file" && backed.backing.shared;
  const writes = args.protection & Protection.PROT_WRITE && !shows;
  const own = writes || (args.flags & MapFlag.MAP_ANONYMOUS && args.protection !== 0);
  if (own && !(args.flags & MapFlag.MAP_STACK) && !mayCommit(k, space, bytes)) return fail("ENOMEM");
  const locks = lockProblem(k, task, space, bytes, args.flags);
  if (locks !== null) return fail(locks);
  const start = placeFor(k, space, args.start, bytes, args.flags);
  if (typeof start === "string") return fail(start);
  const end = start + bytes;
  if (hasFrames(space.regions, start, end)) return fail("EPERM");
  const region = { start, end, permissions: permissionsOf(args.protection), ...backed, ...traitsOf(space, args.flags) };
  const sharesZeros = (args.flags & MapFlag.MAP_ANONYMOUS) !== 0 && (args.flags & MapFlag.MAP_SHARED) !== 0;
  if (sharesZeros && region.growsDown) return fail("EINVAL");
  if (!mayExpand(k, space, region, replaced(space, start, end))) return fail("ENOMEM");
  if (args.flags & MapFlag.MAP_FIXED) {
    noteUnmapped(k, task, start, end);
    unmapRange(k, space, start, end);
  }
  if (sharesZeros) mapShared(k, space, region);
  else addRegion(k, space, region);
  const isWanted = (args.flags & (MapFlag.MAP_POPULATE | MapFlag.MAP_NONBLOCK)) === MapFlag.MAP_POPULATE;
  if (isWanted || args.flags & MapFlag.MAP_LOCKED || space.locksNew === "now") populate(k, space, start, end);
  return done(start);
}

/** Memory that forked processes have in common is a file without a name, which goes with its last mapping. */
function mapShared(k: LinuxKernel, space: Space, at: Region): void {
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
  if (!hasRoomForRegions(k, space, 2)) return fail("ENOMEM");
  if (hasFrames(space.regions, range.start, range.end)) return fail("EPERM");
  const region = findRegion(space.regions, range.start)!;
  const grows = protection & Protection.PROT_WRITE && (region.permissions & Permission.write) === 0 && !isStack(region);
  const bytes = range.end - range.start;
  if (grows && !(mayCommit(k, space, bytes) && mayBecomeData(k, space, bytes))) return fail("ENOMEM");
  if (protection & Protection.PROT_WRITE && showsReadOnly(space.regions, range.start, range.end)) return fail("EACCES");
  if (protection & Protection.PROT_EXEC && showsData(space.regions, range.start, range.end)) return fail("EACCES");
  protectPages(k, space, range.start, range.end, permissionsOf(protection));
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
    errors: ["EACCES", "EAGAIN", "EBADF", "EEXIST", "EINVAL", "ENODEV", "ENOMEM", "EOPNOTSUPP", "EOVERFLOW", "EPERM"],
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
      const first = findRegion(space.regions, range.start);
      const splits = first !== null && first.start < range.start && first.end > range.end;
      if (splits && !hasRoomForRegions(k, space, 1)) return fail("ENOMEM");
      if (hasFrames(space.regions, range.start, range.end)) return fail("EPERM");
      noteUnmapped(k, task, range.start, range.end);
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
] as const;
