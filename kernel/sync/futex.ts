/**
 * Fast user-space mutexes (futex(2)): threads wait on a word of memory.
 *
 * Queues are named by what the word is in: the file of a shared mapping and the place in it, or else the address space
 * and the address. Waking is first come, first served.
 */
import type { Errno } from "../lib/errno.ts";
import { findRegion } from "../mm/regions.ts";
import type { Space } from "../mm/state.ts";
import { copyIn } from "../mm/user.ts";
import { requeue, wakeQueue } from "../thread/blocking.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import type { Wait } from "../thread/wait.ts";

export function futexQueue(space: Space, address: bigint): string {
  const region = address < 1n << 52n ? findRegion(space.regions, Number(address)) : null;
  if (region?.backing.kind === "file" && region.backing.shared) {
    const offset = region.backing.offset + Number(address) - region.start;
    return `futex file ${region.backing.file}:0x${offset.toString(16)}`;
  }
  return `futex ${space.id}:0x${address.toString(16)}`;
}

export function readWord(k: ThreadKernel, space: Space, address: bigint): { value: number } | { errno: Errno } {
  if (address % 4n !== 0n) return { errno: "EINVAL" };
  const bytes = copyIn(k, space, address, 4);
  if (!bytes.ok) return { errno: bytes.errno };
  return { value: new DataView(bytes.value.buffer, bytes.value.byteOffset).getUint32(0, true) };
}

/** The wait that a thread begins if the word still has the value that it saw. */
export function futexWait(
  k: ThreadKernel,
  space: Space,
  address: bigint,
  expected: number,
  bitset: number,
  deadlineNs: number | null,
): { wait: Wait } | { errno: Errno } {
  if (bitset === 0) return { errno: "EINVAL" };
  const word = readWord(k, space, address);
  if ("errno" in word) return word;
  if (word.value !== expected) return { errno: "EAGAIN" };
  return { wait: { kind: "futex", queue: futexQueue(space, address), deadlineNs, bitset } };
}

export function futexWake(k: ThreadKernel, space: Space, address: bigint, most: number, bitset: number): number {
  return wakeQueue(
    k,
    futexQueue(space, address),
    most,
    (wait) => wait.kind === "futex" && (wait.bitset & bitset) !== 0,
  );
}

export function futexRequeue(
  k: ThreadKernel,
  space: Space,
  from: bigint,
  to: bigint,
  wake: number,
  move: number,
): number {
  const woken = wakeQueue(k, futexQueue(space, from), wake);
  return woken + (from === to ? 0 : requeue(k, futexQueue(space, from), futexQueue(space, to), move));
}
