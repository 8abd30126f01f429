/** System V's shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). */
import { Permission, pageBytes } from "../../hal/types.ts";
import {
  find,
  getObject,
  highestIndex,
  IpcAccess,
  isPrivileged,
  namespaceOf,
  permits,
} from "../../ipc/sysv/objects.ts";
import {
  attachedAt,
  attachments,
  createSegment,
  noteAttached,
  noteDetached,
  noteUnmapped,
  pagesOf,
  removeSegment,
  SegmentMode,
} from "../../ipc/sysv/shared-memory.ts";
import type { IpcNamespace, Segment } from "../../ipc/sysv/state.ts";
import { alignUp, saturate } from "../../lib/bits.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { mayExpand, mayStoreBytes } from "../../mm/accounting.ts";
import { hasFrames, isFree } from "../../mm/regions.ts";
import { populate } from "../../mm/residency.ts";
import { addRegion, getSpace, unmapRange } from "../../mm/space.ts";
import type { Region, Space } from "../../mm/state.ts";
import { getStored } from "../../mm/stored.ts";
import { hasRoomForRegions } from "../../mm/tally.ts";
import { Cap } from "../../thread/capabilities.ts";
import { numberFor } from "../../thread/pids.ts";
import { Resource, softLimit } from "../../thread/rlimits.ts";
import type { Task } from "../../thread/state.ts";
import { address, choice, flags, inout, int, word } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { Control, changeOwner, readStruct, tell, toControl, toTell } from "./ipc-control.ts";
import { ownerOf, shmInfo, shmidDs, shminfo } from "./ipc-layouts.ts";
import type { LinuxKernel } from "./kernel.ts";
import { MapFlag, placeFor, rangeOf } from "./memory.ts";

/** SHMMAX and SHMALL as Linux has them: what there is of memory is less in any case. */
export const most = 2n ** 64n - 2n ** 24n - 1n;

const Get = { IPC_CREAT: 0o1000, IPC_EXCL: 0o2000, SHM_HUGETLB: 0o4000, SHM_NORESERVE: 0o10000 } as const;
const Attach = { SHM_RDONLY: 0o10000, SHM_RND: 0o20000, SHM_REMAP: 0o40000, SHM_EXEC: 0o100000 } as const;
const Command = {
  ...Control,
  SHM_LOCK: 11,
  SHM_UNLOCK: 12,
  SHM_STAT: 13,
  SHM_INFO: 14,
  SHM_STAT_ANY: 15,
} as const;

const segmentsOf = (k: LinuxKernel, task: Task): IpcNamespace["segments"] => namespaceOf(k, task).segments;

function get(k: LinuxKernel, task: Task, key: number, asked: bigint, wanted: number): Outcome {
  const bytes = saturate(asked);
  const problem = (): Errno | null => {
    if (asked < 1n || asked > most) return "EINVAL";
    // There are no pages but those of 4 KiB.
    if (wanted & Get.SHM_HUGETLB) return "EINVAL";
    const pages = alignUp(Math.min(bytes, 2 * limits.fileBytes), pageBytes);
    return pages > limits.fileBytes || !mayStoreBytes(k, pages) ? "ENOMEM" : null;
  };
  const fits = (segment: Segment): Errno | null => (segment.size < bytes ? "EINVAL" : null);
  const make = (base: Parameters<typeof createSegment>[2]): Segment => createSegment(k, task, base, bytes);
  const id = getObject(k, task, ({ segments }) => segments, { key, flags: wanted }, { fits, problem, make });
  return typeof id === "number" ? done(id) : fail(id);
}

/** Where a segment is attached: where the caller says, or where there is room. */
function placeOf(k: LinuxKernel, space: Space, start: bigint, bytes: number, how: number): number | Errno {
  const remaps = (how & Attach.SHM_REMAP) !== 0;
  if (start === 0n) {
    if (remaps) return "EINVAL";
    return placeFor(k, space, 0n, bytes, 0);
  }
  const rounded = how & Attach.SHM_RND ? start - (start % BigInt(pageBytes)) : start;
  if (rounded % BigInt(pageBytes) !== 0n || (rounded === 0n && remaps)) return "EINVAL";
  if (rounded === 0n) return placeFor(k, space, 0n, bytes, 0);
  const range = rangeOf(k, rounded, bytes);
  if (range === null) return remaps ? "ENOMEM" : "EINVAL";
  if (!remaps && !isFree(space.regions, range.start, range.end)) return "EINVAL";
  return placeFor(k, space, rounded, bytes, MapFlag.MAP_FIXED);
}

function attach(k: LinuxKernel, task: Task, id: number, start: bigint, how: number): Outcome {
  const segment = find(segmentsOf(k, task), id);
  if (segment === null) return fail("EINVAL");
  const readsOnly = (how & Attach.SHM_RDONLY) !== 0;
  const executes = (how & Attach.SHM_EXEC) !== 0;
  const wanted = (readsOnly ? IpcAccess.read : IpcAccess.readWrite) | (executes ? IpcAccess.execute : 0);
  const space = getSpace(k, task.space);
  const bytes = pagesOf(segment) * pageBytes;
  const begin = placeOf(k, space, start, bytes, how);
  if (begin === "EINVAL") return fail(begin);
  if (!permits(k, task, segment, wanted)) return fail("EACCES");
  if (typeof begin === "string" || !hasRoomForRegions(k, space, 2)) return fail("ENOMEM");
  const end = begin + bytes;
  if (hasFrames(space.regions, begin, end)) return fail("EPERM");
  const permissions = Permission.read | (readsOnly ? 0 : Permission.write) | (executes ? Permission.execute : 0);
  const region: Region = {
    ...{ start: begin, end, permissions, name: `/SYSV${(segment.key >>> 0).toString(16).padStart(8, "0")} (deleted)` },
    backing: {
      ...{ kind: "file", file: segment.file, offset: 0, fileBytes: bytes },
      ...{ beyond: "fault", shared: true, writable: !readsOnly },
    },
    ...(space.locksNew !== "no" && { locked: true }),
  };
  if (!mayExpand(k, space, region)) return fail("ENOMEM");
  noteUnmapped(k, task, begin, end);
  unmapRange(k, space, begin, end);
  addRegion(k, space, region);
  if (space.locksNew === "now") populate(k, space, begin, end);
  noteAttached(k, task, segment);
  return done(begin);
}

function detach(k: LinuxKernel, task: Task, start: bigint): Outcome {
  const space = getSpace(k, task.space);
  const begin = saturate(start);
  const found = begin % pageBytes === 0 ? attachedAt(k, space, begin) : null;
  if (found === null) return fail("EINVAL");
  for (const part of found.parts.map(({ start, end }) => ({ start, end }))) unmapRange(k, space, part.start, part.end);
  noteDetached(k, task, found.segment);
  return done(0);
}

const describe = (k: LinuxKernel, reader: Task, segment: Segment) => ({
  ...ownerOf(k, reader, segment),
  segsz: BigInt(segment.size),
  atime: BigInt(segment.attachedAt),
  dtime: BigInt(segment.detachedAt),
  ctime: BigInt(segment.changedAt),
  cpid: numberFor(k, reader, segment.creator),
  lpid: numberFor(k, reader, segment.last),
  nattch: BigInt(attachments(k, segment)),
});

/** Pages of all segments, and those that have a frame. */
function tellAll(k: LinuxKernel, task: Task, where: bigint): Outcome {
  const segments = segmentsOf(k, task);
  spend(k.effort, segments.entries.size, "items");
  let [pages, resident] = [0, 0];
  for (const segment of segments.entries.values()) {
    pages += pagesOf(segment);
    resident += getStored(k, segment.file).pages.size;
  }
  const told = { used_ids: segments.entries.size, shm_tot: BigInt(pages), shm_rss: BigInt(resident) };
  return tell(k, task, where, shmInfo, told, highestIndex(k, segments));
}

const bounds = {
  shmmax: most,
  shmmin: 1n,
  shmmni: BigInt(limits.ipcObjects),
  shmseg: BigInt(limits.ipcObjects),
  shmall: most,
};

/** SHM_LOCK, SHM_UNLOCK: nothing is swapped out here, so it only shows. */
function lock(k: LinuxKernel, task: Task, id: number, locks: boolean): Outcome {
  const segment = find(segmentsOf(k, task), id);
  if (segment === null) return fail("EINVAL");
  if (!isPrivileged(k, task, Cap.IPC_LOCK)) {
    const { euid } = task.credentials;
    if (euid !== segment.uid && euid !== segment.creatorUid) return fail("EPERM");
    if (locks && softLimit(k, task, Resource.RLIMIT_MEMLOCK) === 0) return fail("EPERM");
  }
  segment.mode = locks ? segment.mode | SegmentMode.locked : segment.mode & ~SegmentMode.locked;
  return done(0);
}

function change(k: LinuxKernel, task: Task, id: number, where: bigint): Outcome {
  const wanted = readStruct(k, task, where, shmidDs);
  if (typeof wanted === "string") return fail(wanted);
  const segment = toControl(k, task, segmentsOf(k, task), id);
  if (typeof segment === "string") return fail(segment);
  const errno = changeOwner(k, task, segment, wanted.read);
  return errno === null ? done(0) : fail(errno);
}

function control(k: LinuxKernel, task: Task, id: number, command: number, where: bigint): Outcome {
  if (id < 0) return fail("EINVAL");
  const segments = segmentsOf(k, task);
  switch (command) {
    case Command.IPC_INFO:
      return tell(k, task, where, shminfo, bounds, highestIndex(k, segments));
    case Command.SHM_INFO:
      return tellAll(k, task, where);
    case Command.IPC_STAT:
    case Command.SHM_STAT:
    case Command.SHM_STAT_ANY: {
      const how = { byIndex: command !== Command.IPC_STAT, any: command === Command.SHM_STAT_ANY };
      const found = toTell(k, task, segments, id, how);
      if (typeof found === "string") return fail(found);
      return tell(k, task, where, shmidDs, describe(k, task, found.object), found.value);
    }
    case Command.IPC_SET:
      return change(k, task, id, where);
    case Command.IPC_RMID: {
      const segment = toControl(k, task, segments, id);
      if (typeof segment === "string") return fail(segment);
      removeSegment(k, segment);
      return done(0);
    }
    case Command.SHM_LOCK:
    case Command.SHM_UNLOCK:
      return lock(k, task, id, command === Command.SHM_LOCK);
    default:
      return fail("EINVAL");
  }
}

export const sharedMemoryCalls = [
  syscall({
    name: "shmget",
    nr: { rv64: 194 },
    support: "full",
    args: { key: int, size: word, flags: flags(Get) },
    errors: ["EACCES", "EEXIST", "EINVAL", "ENOENT", "ENOMEM", "ENOSPC"],
    run: (k: LinuxKernel, { key, size, flags }, { task }) => get(k, task, key, size, flags),
  }),
  syscall({
    name: "shmctl",
    nr: { rv64: 195 },
    support: "full",
    args: { id: int, command: choice(Command), buffer: inout("shmid_ds") },
    errors: ["EACCES", "EFAULT", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { id, command, buffer }, { task }) => control(k, task, id, command, buffer),
  }),
  syscall({
    name: "shmat",
    result: "address",
    nr: { rv64: 196 },
    support: "full",
    args: { id: int, start: address, flags: flags(Attach) },
    errors: ["EACCES", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { id, start, flags }, { task }) => attach(k, task, id, start, flags),
  }),
  syscall({
    name: "shmdt",
    nr: { rv64: 197 },
    support: "full",
    args: { start: address },
    errors: ["EINVAL"],
    run: (k: LinuxKernel, { start }, { task }) => detach(k, task, start),
  }),
] as const;
