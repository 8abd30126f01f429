/**
 * Robust mutexes (set_robust_list(2)): a thread that ends while it holds some leaves word of that in each, and who
 * waits for one goes on. The list is the program's own memory, so any of it may be nonsense, and it may have no end.
 */
import { getSpace } from "../mm/space.ts";
import type { Space } from "../mm/state.ts";
import { copyIn, copyOut } from "../mm/user.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import { numberFor } from "../thread/pids.ts";
import type { Task, Thread } from "../thread/state.ts";
import { getTask } from "../thread/tasks.ts";
import { futexWake, readWord } from "./futex.ts";

/** Linux's ROBUST_LIST_LIMIT. */
const mostEntries = 2048;
const ownerMask = 0x3fff_ffff;
const waiters = 0x8000_0000;
const ownerDied = 0x4000_0000;

const wordBytes = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** Pointers have a mark in their lowest bit, of locks that pass priorities on. */
const unmarked = (pointer: bigint): bigint => pointer & ~1n;

function readPointers(k: ThreadKernel, space: Space, at: bigint, count: number): bigint[] | null {
  const bytes = copyIn(k, space, at, 8 * count);
  if (!bytes.ok) return null;
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  return Array.from({ length: count }, (_, i) => view.getBigUint64(8 * i, true));
}

function release(k: ThreadKernel, space: Space, thread: Thread, word: bigint): void {
  const held = readWord(k, space, word);
  const owner = numberFor(k, getTask(k, thread.task), thread.id);
  if ("errno" in held || (held.value & ownerMask) !== owner) return;
  const left = ((held.value & waiters) | ownerDied) >>> 0;
  if (copyOut(k, space, word, wordBytes(left)) !== null) return;
  if (held.value & waiters) futexWake(k, space, word, 1, -1);
}

/**
 * A thread ends, however it does, or becomes another program: what it holds is released, and who waits for its end
 * (pthread_join) sees its word become 0, unless nobody is left in its memory who could look.
 */
export function leaveMemory(k: ThreadKernel, task: Task, thread: Thread): void {
  const space = getSpace(k, task.space);
  releaseRobust(k, space, thread);
  const word = thread.clearOnExit;
  if (word === 0n || (space.users === 1 && task.threads.length === 1)) return;
  if (copyOut(k, space, word, wordBytes(0)) === null) futexWake(k, space, word, 1, -1);
}

function releaseRobust(k: ThreadKernel, space: Space, thread: Thread): void {
  if (thread.robustList === 0n) return;
  const head = readPointers(k, space, thread.robustList, 3);
  if (head === null) return;
  const [first, offset, pending] = head as [bigint, bigint, bigint];
  const wordOf = (entry: bigint): bigint => BigInt.asUintN(64, unmarked(entry) + offset);
  let entry = first;
  for (let count = 0; count < mostEntries && unmarked(entry) !== thread.robustList; count++) {
    const next = readPointers(k, space, unmarked(entry), 1);
    if (unmarked(entry) !== unmarked(pending)) release(k, space, thread, wordOf(entry));
    if (next === null) break;
    entry = next[0]!;
  }
  if (unmarked(pending) !== 0n) release(k, space, thread, wordOf(pending));
}
