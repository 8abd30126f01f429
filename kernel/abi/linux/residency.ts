/** Which pages are there, and stay: madvise(2), mincore(2), mlock(2) and its like. */
import { Permission, pageBytes } from "../../hal/types.ts";
import { alignDown, alignUp, saturate } from "../../lib/bits.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { changeRange, covers, hasFrames, partsOf } from "../../mm/regions.ts";
import { bringIn, lockedBytes, populate, setLocked } from "../../mm/residency.ts";
import { discardPages, getSpace } from "../../mm/space.ts";
import type { Region, Space } from "../../mm/state.ts";
import { getStored, punchStored } from "../../mm/stored.ts";
import { changeRegions, hasRoomForRegions } from "../../mm/tally.ts";
import { copyOut } from "../../mm/user.ts";
import { isUnbound, Resource, softLimit } from "../../thread/rlimits.ts";
import type { Task } from "../../thread/state.ts";
import { isSealedForWriting } from "../../vfs/seals.ts";
import { address, choice, flags, inout, size } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { rangeOf } from "./memory.ts";

const Advice = {
  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 8,
  MADV_REMOVE: 9,
  MADV_DONTFORK: 10,
  MADV_DOFORK: 11,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_DODUMP: 17,
  MADV_WIPEONFORK: 18,
  MADV_KEEPONFORK: 19,
  MADV_COLD: 20,
  MADV_PAGEOUT: 21,
  MADV_POPULATE_READ: 22,
  MADV_POPULATE_WRITE: 23,
} as const;

interface Part {
  start: number;
  end: number;
  region: Region;
}

const isPlain = ({ backing }: Region): boolean => backing.kind === "anonymous";

/** Advice about what a forked process finds: of which regions it can be, and what becomes of theirs. */
const forkAdvice = new Map<
  number,
  { takes(region: Region): boolean; change(before: Region["atFork"]): Region["atFork"] }
>([
  [Advice.MADV_DONTFORK, { takes: () => true, change: () => "nothing" }],
  [Advice.MADV_DOFORK, { takes: () => true, change: (before) => (before === "nothing" ? undefined : before) }],
  [Advice.MADV_WIPEONFORK, { takes: isPlain, change: () => "zeros" }],
  [Advice.MADV_KEEPONFORK, { takes: () => true, change: (before) => (before === "zeros" ? undefined : before) }],
]);

/** All at once, for there can be very many regions; up to the first that does not take it. */
function adviseFork(k: LinuxKernel, space: Space, start: number, end: number, advice: number): Errno | null {
  const { takes, change } = forkAdvice.get(advice)!;
  const bad = partsOf(space.regions, start, end).find(({ region }) => !takes(region));
  spend(k.effort, 32 * space.regions.length, "items");
  const to = bad?.start ?? end;
  if (to > start)
    changeRegions(k, space, start, to, () =>
      changeRange(space.regions, start, to, ({ atFork: before, ...region }) => {
        const atFork = change(before);
        return atFork === undefined ? region : { ...region, atFork };
      }),
    );
  return bad === undefined ? null : "EINVAL";
}

/** A hole in the file that a shared mapping shows. */
function remove(k: LinuxKernel, { start, end, region }: Part): Errno | null {
  const { backing } = region;
  if (backing.kind !== "file" || !backing.shared || region.locked) return "EINVAL";
  if (!backing.writable) return "EACCES";
  const file = getStored(k, backing.file);
  if (isSealedForWriting(file)) return "EPERM";
  const from = backing.offset + start - region.start;
  return punchStored(k, file, from, from + end - start) ? null : "ENOMEM";
}

function touchAll(k: LinuxKernel, space: Space, { start, end, region }: Part, access: "read" | "write"): Errno | null {
  const needed = access === "write" ? Permission.write : Permission.read;
  if (!(region.permissions & needed)) return "EINVAL";
  const result = bringIn(k, space, start, end, access);
  return result === "resolved" ? null : result === "beyondFile" ? "EFAULT" : "ENOMEM";
}

/** What an advice does to one mapping. */
function adviseOne(k: LinuxKernel, space: Space, part: Part, advice: number): Errno | null {
  const { start, end, region } = part;
  switch (advice) {
    case Advice.MADV_FREE:
      if (!isPlain(region)) return "EINVAL";
      discardPages(k, space, start, end);
      return null;
    case Advice.MADV_DONTNEED:
      if (region.locked) return "EINVAL";
      discardPages(k, space, start, end);
      return null;
    case Advice.MADV_COLD:
    case Advice.MADV_PAGEOUT:
      return region.locked ? "EINVAL" : null;
    case Advice.MADV_REMOVE:
      return remove(k, part);
    case Advice.MADV_POPULATE_READ:
      return touchAll(k, space, part, "read");
    case Advice.MADV_POPULATE_WRITE:
      return touchAll(k, space, part, "write");
    default:
      return null;
  }
}

const populates = (advice: number): boolean =>
  advice === Advice.MADV_POPULATE_READ || advice === Advice.MADV_POPULATE_WRITE;

/** What is mapped takes the advice, up to one that cannot; ENOMEM in the end if not all of it was mapped. */
function advise(k: LinuxKernel, space: Space, start: bigint, length: number, advice: number): Outcome {
  if (!(Object.values(Advice) as number[]).includes(advice) || start % BigInt(pageBytes) !== 0n) return fail("EINVAL");
  if (length === 0) return done(0);
  const range = rangeOf(k, start, length);
  if (range === null || !hasRoomForRegions(k, space, 2)) return fail("ENOMEM");
  if (hasFrames(space.regions, range.start, range.end)) return fail("EPERM");
  const isWhole = covers(space.regions, range.start, range.end);
  if (populates(advice) && !isWhole) return fail("ENOMEM");
  if (forkAdvice.has(advice)) {
    const errno = adviseFork(k, space, range.start, range.end, advice);
    return errno !== null ? fail(errno) : isWhole ? done(0) : fail("ENOMEM");
  }
  for (const part of partsOf(space.regions, range.start, range.end)) {
    const errno = adviseOne(k, space, part, advice);
    if (errno !== null) return fail(errno);
  }
  return isWhole ? done(0) : fail("ENOMEM");
}

/** Pages that are asked about at a time. */
const chunkPages = 65536;

/** A byte for each page: whether it is there. */
function inCore(k: LinuxKernel, space: Space, start: bigint, length: number, vector: bigint): Outcome {
  if (start % BigInt(pageBytes) !== 0n) return fail("EINVAL");
  if (length === 0) return done(0);
  const range = rangeOf(k, start, length);
  if (range === null) return fail("ENOMEM");
  for (let from = range.start; from < range.end; from += chunkPages * pageBytes) {
    const to = Math.min(range.end, from + chunkPages * pageBytes);
    if (!covers(space.regions, from, to)) return fail("ENOMEM");
    const there = new Uint8Array((to - from) / pageBytes);
    k.hal.mmu.forEach(space.root, from, to, (page) => {
      there[(page - from) / pageBytes] = 1;
    });
    spend(k.effort, there.length, "characters");
    const errno = copyOut(k, space, vector + BigInt((from - range.start) / pageBytes), there);
    if (errno !== null) return fail(errno);
  }
  return done(0);
}

/** The pages that a range touches, whatever it begins and ends with. */
function pagesOf(k: LinuxKernel, start: bigint, length: number): { start: number; end: number } | null {
  const from = saturate(start);
  const first = alignDown(from, pageBytes);
  const bytes = alignUp(Math.min(length, 2 ** 48) + (from - first), pageBytes);
  return first + bytes > k.hal.mmu.userEnd ? null : { start: first, end: first + bytes };
}

/** Why so many bytes more may not be locked; null: they may. */
function lockProblem(k: LinuxKernel, task: Task, bytes: number): Errno | null {
  if (isUnbound(task)) return null;
  const most = softLimit(k, task, Resource.RLIMIT_MEMLOCK);
  if (most === 0) return "EPERM";
  return bytes > most ? "ENOMEM" : null;
}

const onFault = 1;

function lock(k: LinuxKernel, task: Task, start: bigint, length: number, whenTouched: boolean): Outcome {
  const space = getSpace(k, task.space);
  const none = lockProblem(k, task, 0);
  if (none !== null) return fail(none);
  const range = pagesOf(k, start, length);
  if (range === null) return fail("EINVAL");
  const { start: from, end } = range;
  const more = end - from - lockedBytes(space, from, end);
  const problem = lockProblem(k, task, lockedBytes(space) + more);
  if (problem !== null) return fail(problem);
  if (from === end) return done(0);
  if (!covers(space.regions, from, end) || !hasRoomForRegions(k, space, 2)) return fail("ENOMEM");
  setLocked(k, space, from, end, true);
  return whenTouched || populate(k, space, from, end) ? done(0) : fail("ENOMEM");
}

function unlock(k: LinuxKernel, space: Space, start: bigint, length: number): Outcome {
  const range = pagesOf(k, start, length);
  if (range === null) return fail("EINVAL");
  if (range.start === range.end) return done(0);
  if (!covers(space.regions, range.start, range.end) || !hasRoomForRegions(k, space, 2)) return fail("ENOMEM");
  setLocked(k, space, range.start, range.end, false);
  return done(0);
}

const LockAll = { MCL_CURRENT: 1, MCL_FUTURE: 2, MCL_ONFAULT: 4 } as const;

function lockAll(k: LinuxKernel, task: Task, how: number): Outcome {
  const known = LockAll.MCL_CURRENT | LockAll.MCL_FUTURE | LockAll.MCL_ONFAULT;
  if (how === 0 || how & ~known || how === LockAll.MCL_ONFAULT) return fail("EINVAL");
  const space = getSpace(k, task.space);
  const total = space.regions.reduce((sum, { start, end }) => sum + end - start, 0);
  const problem = lockProblem(k, task, how & LockAll.MCL_CURRENT ? total : 0);
  if (problem !== null) return fail(problem);
  const whenTouched = (how & LockAll.MCL_ONFAULT) !== 0;
  space.locksNew = how & LockAll.MCL_FUTURE ? (whenTouched ? "touched" : "now") : "no";
  if (how & LockAll.MCL_CURRENT) setLocked(k, space, 0, k.hal.mmu.userEnd, true);
  // What cannot be brought in is no error here.
  if (how & LockAll.MCL_CURRENT && !whenTouched)
    for (const { start, end } of [...space.regions]) populate(k, space, start, end);
  return done(0);
}

export const residencyCalls = [
  syscall({
    name: "madvise",
    nr: { rv64: 233 },
    support: "partial",
    note: "MADV_DONTNEED and MADV_FREE discard at once; nothing is merged, collapsed, or poisoned.",
    args: { start: address, length: size, advice: choice(Advice) },
    errors: ["EACCES", "EFAULT", "EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { start, length, advice }, { task }) =>
      advise(k, getSpace(k, task.space), start, length, advice),
  }),
  syscall({
    name: "mincore",
    nr: { rv64: 232 },
    support: "full",
    note: "Of a file's pages those that this process has touched.",
    args: { start: address, length: size, vector: inout("char") },
    errors: ["EFAULT", "EINVAL", "ENOMEM"],
    run: (k: LinuxKernel, { start, length, vector }, { task }) =>
      inCore(k, getSpace(k, task.space), start, length, vector),
  }),
  syscall({
    name: "mlock",
    nr: { rv64: 228 },
    support: "full",
    args: { start: address, length: size },
    errors: ["EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { start, length }, { task }) => lock(k, task, start, length, false),
  }),
  syscall({
    name: "mlock2",
    nr: { rv64: 284 },
    support: "full",
    args: { start: address, length: size, flags: flags({ MLOCK_ONFAULT: onFault }) },
    errors: ["EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { start, length, flags }, { task }) =>
      flags & ~onFault ? fail("EINVAL") : lock(k, task, start, length, flags === onFault),
  }),
  syscall({
    name: "munlock",
    nr: { rv64: 229 },
    support: "full",
    args: { start: address, length: size },
    errors: ["EINVAL", "ENOMEM"],
    run: (k: LinuxKernel, { start, length }, { task }) => unlock(k, getSpace(k, task.space), start, length),
  }),
  syscall({
    name: "mlockall",
    nr: { rv64: 230 },
    support: "full",
    args: { flags: flags(LockAll) },
    errors: ["EINVAL", "ENOMEM", "EPERM"],
    run: (k: LinuxKernel, { flags }, { task }) => lockAll(k, task, flags),
  }),
  syscall({
    name: "munlockall",
    nr: { rv64: 231 },
    support: "full",
    args: {},
    run(k: LinuxKernel, _args, { task }) {
      const space = getSpace(k, task.space);
      space.locksNew = "no";
      setLocked(k, space, 0, k.hal.mmu.userEnd, false);
      return done(0);
    },
  }),
] as const;
