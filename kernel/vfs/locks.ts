/**
 * Advisory locks: whole files by flock(2), ranges by fcntl(2). Each kind knows only its own.
 *
 * A range is a task's, or (F_OFD_*) an open file's; a whole file's lock is always an open file's. Ranges of one owner in
 * one file never overlap: a new one takes the place of what it covers. Who must wait does so in the file's queue and
 * looks again when any lock of the file goes.
 */
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { FilesystemId, InodeNumber, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { getThread, wakeQueue } from "../thread/blocking.ts";
import type { Place } from "../thread/state.ts";
import { filesystemOf } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import type { FileLock, LockOwner } from "./state.ts";

/** What locks are on: an inode, whatever mount or name led to it. */
export interface Locked {
  filesystem: FilesystemId;
  inode: InodeNumber;
}

export interface WantedLock {
  whole: boolean;
  owner: LockOwner;
  exclusive: boolean;
  start: number;
  end: number;
}

export const lockedAt = (k: FileKernel, { mount, inode }: Place): Locked => ({
  filesystem: filesystemOf(k, mount).id,
  inode,
});

export const lockQueue = ({ filesystem, inode }: Locked): string => `lock ${filesystem}:${inode}`;

const isOn = (lock: FileLock, { filesystem, inode }: Locked): boolean =>
  lock.filesystem === filesystem && lock.inode === inode;
const sameOwner = (a: LockOwner, b: LockOwner): boolean => a.kind === b.kind && a.id === b.id;

/** Of the locks that keep somebody from getting one the lowest. */
export function findConflict(k: FileKernel, on: Locked, wanted: WantedLock): FileLock | null {
  spend(k.effort, k.files.locks.length, "items");
  const conflicts = k.files.locks.filter(
    (lock) =>
      isOn(lock, on) &&
      lock.whole === wanted.whole &&
      !sameOwner(lock.owner, wanted.owner) &&
      (lock.exclusive || wanted.exclusive) &&
      lock.start < wanted.end &&
      wanted.start < lock.end,
  );
  return conflicts.reduce<FileLock | null>((low, lock) => (low === null || lock.start < low.start ? lock : low), null);
}

/** What is left of the owner's locks in the file when a range is taken out. */
function without(k: FileKernel, on: Locked, { whole, owner, start, end }: WantedLock): FileLock[] {
  const left: FileLock[] = [];
  for (const lock of k.files.locks) {
    const isOwn = isOn(lock, on) && lock.whole === whole && sameOwner(lock.owner, owner);
    if (!isOwn || lock.end <= start || end <= lock.start) {
      left.push(lock);
      continue;
    }
    if (lock.start < start) left.push({ ...lock, owner: { ...lock.owner }, end: start });
    if (end < lock.end) left.push({ ...lock, owner: { ...lock.owner }, start: end });
  }
  return left;
}

/** Joins a lock with what touches it and is alike. */
function joined(locks: FileLock[], lock: FileLock): FileLock[] {
  const isAlike = (other: FileLock): boolean =>
    isOn(other, lock) &&
    other.whole === lock.whole &&
    other.exclusive === lock.exclusive &&
    sameOwner(other.owner, lock.owner) &&
    other.start <= lock.end &&
    lock.start <= other.end;
  const near = locks.filter(isAlike);
  const start = Math.min(lock.start, ...near.map((other) => other.start));
  const end = Math.max(lock.end, ...near.map((other) => other.end));
  return [...locks.filter((other) => !isAlike(other)), { ...lock, start, end }];
}

/** Gets the lock; the caller has looked for conflicts. */
export function setLock(k: FileKernel, on: Locked, wanted: WantedLock): Errno | null {
  if (k.files.locks.length >= limits.locks) return "ENOLCK";
  spend(k.effort, 4 * k.files.locks.length, "items");
  const { filesystem, inode } = on;
  k.files.locks = joined(without(k, on, wanted), { filesystem, inode, ...wanted, owner: { ...wanted.owner } });
  // An exclusive lock may have become a shared one.
  wakeQueue(k, lockQueue(on), Number.POSITIVE_INFINITY);
  return null;
}

export function dropLock(k: FileKernel, on: Locked, wanted: WantedLock): void {
  spend(k.effort, 4 * k.files.locks.length, "items");
  k.files.locks = without(k, on, wanted);
  wakeQueue(k, lockQueue(on), Number.POSITIVE_INFINITY);
}

/** An owner has no locks any more, in one file or in any. */
export function dropLocksOf(k: FileKernel, owner: LockOwner, on: Locked | null): void {
  const isGone = (lock: FileLock): boolean => sameOwner(lock.owner, owner) && (on === null || isOn(lock, on));
  if (k.files.locks.length === 0) return;
  spend(k.effort, k.files.locks.length, "items");
  const gone = k.files.locks.filter(isGone);
  if (gone.length === 0) return;
  spend(k.effort, 4 * k.files.locks.length, "items");
  k.files.locks = k.files.locks.filter((lock) => !isGone(lock));
  for (const queue of new Set(gone.map(lockQueue))) wakeQueue(k, queue, Number.POSITIVE_INFINITY);
}

/** Whether a task that waits for another would, over any number of others that wait, wait for itself. */
export function wouldDeadlock(k: FileKernel, task: TaskId, blocker: LockOwner): boolean {
  const seen = new Set<number>();
  for (let next: LockOwner | null = blocker; next !== null; ) {
    if (next.kind !== "task" || seen.has(next.id)) return false;
    if (next.id === task) return true;
    seen.add(next.id);
    next = waitsFor(k, next.id as TaskId);
  }
  return false;
}

function waitsFor(k: FileKernel, id: TaskId): LockOwner | null {
  const threads = k.threads.tasks.get(id)?.threads ?? [];
  spend(k.effort, 2 + threads.length, "items");
  for (const thread of threads) {
    const { wait } = getThread(k, thread);
    if (wait?.kind === "lock") return { ...wait.blocker };
  }
  return null;
}
