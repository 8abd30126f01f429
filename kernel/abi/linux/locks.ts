/** Advisory locks: flock(2), and the commands of fcntl(2) for ranges. */

import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { numberFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { usableFileOf } from "../../vfs/descriptors.ts";
import { mayRead, mayWrite } from "../../vfs/file-ops.ts";
import { opsOf } from "../../vfs/files.ts";
import {
  dropLock,
  findConflict,
  type Locked,
  lockedAt,
  lockQueue,
  setLock,
  type WantedLock,
  wouldDeadlock,
} from "../../vfs/locks.ts";
import type { FileLock, LockOwner, OpenFile } from "../../vfs/state.ts";
import { fd, flags, pack } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { flock } from "./layouts.ts";
import { placeOf } from "./names.ts";

const Flock = { LOCK_SH: 1, LOCK_EX: 2, LOCK_NB: 4, LOCK_UN: 8 } as const;
const LockType = { F_RDLCK: 0, F_WRLCK: 1, F_UNLCK: 2 } as const;
export const LockCommand = {
  F_GETLK: 5,
  F_SETLK: 6,
  F_SETLKW: 7,
  F_OFD_GETLK: 36,
  F_OFD_SETLK: 37,
  F_OFD_SETLKW: 38,
} as const;
const lockCommands: readonly number[] = Object.values(LockCommand);
export const isLockCommand = (command: number): boolean => lockCommands.includes(command);

/** Behind the last byte that there can be. */
const endOfAll = Number.MAX_SAFE_INTEGER;

/** Gets a lock, or waits for it, or says why not. */
function acquire(k: LinuxKernel, { task }: Call, on: Locked, wanted: WantedLock, waits: boolean): Outcome {
  const conflict = findConflict(k, on, wanted);
  if (conflict === null) {
    const errno = setLock(k, on, wanted);
    return orError(errno);
  }
  if (!waits) return fail("EAGAIN");
  if (wanted.owner.kind === "task" && wouldDeadlock(k, task.id, conflict.owner)) return fail("EDEADLK");
  return {
    kind: "blocked",
    wait: { kind: "lock", queue: lockQueue(on), deadlineNs: null, blocker: { ...conflict.owner } },
  };
}

function lockWhole(k: LinuxKernel, call: Call, number: number, how: number): Outcome {
  const file = usableFileOf(k, call.task, number);
  if (file === null) return fail("EBADF");
  const what = how & ~Flock.LOCK_NB;
  if (what !== Flock.LOCK_SH && what !== Flock.LOCK_EX && what !== Flock.LOCK_UN) return fail("EINVAL");
  const place = placeOf(file);
  if (place === null) return done(0);
  const on = lockedAt(k, place);
  const owner: LockOwner = { kind: "file", id: file.id };
  const wanted: WantedLock = { whole: true, owner, exclusive: what === Flock.LOCK_EX, start: 0, end: endOfAll };
  if (what !== Flock.LOCK_UN) {
    // A lock that becomes another one is given up first, as flock(2) says.
    if (findConflict(k, on, wanted) !== null) dropLock(k, on, wanted);
    return acquire(k, call, on, wanted, (how & Flock.LOCK_NB) === 0);
  }
  dropLock(k, on, wanted);
  return done(0);
}

type Range = Parameters<typeof flock.write>[1];

/** The bytes that a struct flock means: from a place in the file, forwards or backwards, or to the end of all. */
function rangeOf(k: LinuxKernel, file: OpenFile, { l_whence, l_start, l_len }: Range) {
  const base = [0, file.position, opsOf(file).size(k, file)][l_whence];
  if (base === undefined) return null;
  const from = BigInt(base) + l_start;
  const [start, end] = l_len < 0n ? [from + l_len, from] : [from, l_len === 0n ? BigInt(endOfAll) : from + l_len];
  if (start < 0n || end > BigInt(endOfAll)) return null;
  return { start: Number(start), end: Number(end) };
}

function ownerOf(k: LinuxKernel, command: number, task: Task, file: OpenFile): LockOwner {
  const isFiles = command >= LockCommand.F_OFD_GETLK && k.files.open.has(file.id);
  return isFiles ? { kind: "file", id: file.id } : { kind: "task", id: task.id };
}

/** What F_GETLK tells: the lock in the way, or that there is none. */
function told(k: LinuxKernel, reader: Task, asked: Range, conflict: FileLock | null): Range {
  if (conflict === null) return { ...asked, l_type: LockType.F_UNLCK };
  const { exclusive, start, end, owner } = conflict;
  return {
    l_type: exclusive ? LockType.F_WRLCK : LockType.F_RDLCK,
    l_whence: 0,
    l_start: BigInt(start),
    l_len: end === endOfAll ? 0n : BigInt(end - start),
    l_pid: owner.kind === "task" ? numberFor(k, reader, owner.id) : -1,
  };
}

const setProblem = (file: OpenFile, type: number): Errno | null => {
  if (type === LockType.F_RDLCK) return mayRead(file) ? null : "EBADF";
  if (type === LockType.F_WRLCK) return mayWrite(file) ? null : "EBADF";
  return type === LockType.F_UNLCK ? null : "EINVAL";
};

export function lockRange(k: LinuxKernel, call: Call, file: OpenFile, command: number, where: bigint): Outcome {
  const { task } = call;
  const space = getSpace(k, task.space);
  const bytes = copyIn(k, space, where, flock.bytes);
  if (!bytes.ok) return fail(bytes.errno);
  const asked = flock.read(new DataView(bytes.value.buffer, bytes.value.byteOffset, flock.bytes));
  const place = placeOf(file);
  const range = rangeOf(k, file, asked);
  if (place === null || range === null) return fail("EINVAL");
  if (command >= LockCommand.F_OFD_GETLK && asked.l_pid !== 0) return fail("EINVAL");
  const on = lockedAt(k, place);
  const owner = ownerOf(k, command, task, file);
  const wanted: WantedLock = { whole: false, owner, exclusive: asked.l_type === LockType.F_WRLCK, ...range };
  if (command === LockCommand.F_GETLK || command === LockCommand.F_OFD_GETLK) {
    if (asked.l_type !== LockType.F_RDLCK && asked.l_type !== LockType.F_WRLCK) return fail("EINVAL");
    const errno = copyOut(k, space, where, pack(flock, told(k, task, asked, findConflict(k, on, wanted))));
    return orError(errno);
  }
  const problem = setProblem(file, asked.l_type);
  if (problem !== null) return fail(problem);
  if (asked.l_type === LockType.F_UNLCK) {
    dropLock(k, on, wanted);
    return done(0);
  }
  return acquire(k, call, on, wanted, command === LockCommand.F_SETLKW || command === LockCommand.F_OFD_SETLKW);
}

export const lockCalls = [
  syscall({
    name: "flock",
    nr: { rv64: 32 },
    support: "full",
    args: { fd, operation: flags(Flock) },
    errors: ["EAGAIN", "EBADF", "EINTR", "EINVAL", "ENOLCK"],
    run: (k: LinuxKernel, { fd, operation }, call) => lockWhole(k, call, fd, operation),
  }),
] as const;
