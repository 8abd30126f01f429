/**
 * Robust mutexes (set_robust_list(2)): a thread that ends while it holds some leaves word of that in each, and who
 * waits for one goes on. The list is the program's own memory, so any of it may be nonsense, and it may have no end.
 */
import type { Space } from "../mm/state.ts";
import { copyIn, copyOut } from "../mm/user.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import type { Thread } from "../thread/state.ts";
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
  if ("errno" in held || (held.value & ownerMask) !== thread.id) return;
  const left = ((held.value & waiters) | ownerDied) >>> 0;
  if (copyOut(k, space, word, wordBytes(left)) !== null) return;
  if (held.value & waiters) futexWake(k, space, word, 1, -1);
}

/** The thread ends: what it holds is released. */
export function releaseRobust(k: ThreadKernel, space: Space, thread: Thread): void {
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
