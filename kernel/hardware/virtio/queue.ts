/**
 * Split virtqueues (virtio 1.2, 2.7): rings and descriptors in the guest's memory.
 *
 * All of it is the guest's to write at any time, so nothing read here is believed: addresses go through the DMA window,
 * chains have at most `mostDescriptors` descriptors, requests at most `mostBytes` bytes. What breaks the rules is
 * `null`, and the transport then asks the driver for a reset.
 */
import type { Dma } from "../bus/dma.ts";
import type { QueueState } from "./state.ts";

export const mostEntries = 256;
const mostDescriptors = 1024;
/** Of a table, what a chain that runs through it in order can be in. */
export const mostTableBytes = mostDescriptors * 16;
export const mostBytes = 4 * 1024 * 1024;

const Flag = { next: 1, write: 2, indirect: 4 } as const;
const descriptorBytes = 16;
const noInterrupt = 1;

export interface Segment {
  address: number;
  length: number;
}

/** A chain of descriptors: what the device may read, then what it may write. */
export interface Chain {
  head: number;
  readable: Segment[];
  writable: Segment[];
}

export const addressOf = ([low, high]: readonly [number, number]): number => high * 2 ** 32 + low;

const next16 = (count: number): number => (count + 1) & 0xffff;

/** Index of the next available chain's first descriptor; "empty", or null when the ring makes no sense. */
export function peekAvailable(queue: QueueState, dma: Dma): number | "empty" | null {
  const ring = addressOf(queue.available);
  const index = dma.get(ring + 2, 2);
  if (index === null) return null;
  const waiting = (index - queue.taken) & 0xffff;
  if (waiting === 0) return "empty";
  if (waiting > queue.size) return null;
  const head = dma.get(ring + 4 + 2 * (queue.taken % queue.size), 2);
  return head === null || head >= queue.size ? null : head;
}

export function take(queue: QueueState): void {
  queue.taken = next16(queue.taken);
}

/** The table of their own that a chain's descriptors are in, when its first descriptor says so. */
export function indirectTable(queue: QueueState, dma: Dma, head: number): Segment | null {
  const at = addressOf(queue.descriptors) + head * descriptorBytes;
  const [address, length, flags] = [dma.get(at, 8), dma.get(at + 8, 4), dma.get(at + 12, 2)];
  const isIndirect = address !== null && length !== null && ((flags ?? 0) & Flag.indirect) !== 0;
  return isIndirect ? { address, length } : null;
}

/** Walks a chain; null when it makes no sense. */
export function readChain(queue: QueueState, dma: Dma, head: number): Chain | null {
  const chain: Chain = { head, readable: [], writable: [] };
  let table = addressOf(queue.descriptors);
  let size = queue.size;
  let isIndirect = false;
  let index = head;
  let bytes = 0;
  for (let count = 0; count < mostDescriptors; count++) {
    const at = table + index * descriptorBytes;
    const [address, length, flags] = [dma.get(at, 8), dma.get(at + 8, 4), dma.get(at + 12, 2)];
    if (address === null || length === null || flags === null) return null;
    if ((flags & Flag.indirect) !== 0) {
      // A table of its own takes the place of the whole chain.
      if (isIndirect || (flags & Flag.next) !== 0 || length === 0 || length % descriptorBytes !== 0) return null;
      [table, size, index, isIndirect] = [address, length / descriptorBytes, 0, true];
      continue;
    }
    const writable = (flags & Flag.write) !== 0;
    if (!writable && chain.writable.length > 0) return null;
    bytes += length;
    if (bytes > mostBytes || !dma.contains(address, length)) return null;
    (writable ? chain.writable : chain.readable).push({ address, length });
    if ((flags & Flag.next) === 0) return chain;
    index = dma.get(at + 14, 2)!;
    if (index >= size) return null;
  }
  return null;
}

/** Gives a chain back; whether the driver wants an interrupt for it, or null when the ring is no memory. */
export function giveBack(queue: QueueState, dma: Dma, head: number, written: number): boolean | null {
  const ring = addressOf(queue.used);
  const at = ring + 4 + 8 * (queue.returned % queue.size);
  if (!dma.set(at, 4, head) || !dma.set(at + 4, 4, written)) return null;
  queue.returned = next16(queue.returned);
  if (!dma.set(ring + 2, 2, queue.returned)) return null;
  const flags = dma.get(addressOf(queue.available), 2);
  return flags === null ? null : (flags & noInterrupt) === 0;
}

const lengthOf = (segments: readonly Segment[]): number => segments.reduce((sum, { length }) => sum + length, 0);
export const readableBytes = ({ readable }: Chain): number => lengthOf(readable);
export const writableBytes = ({ writable }: Chain): number => lengthOf(writable);

/** Calls back with the pieces of bytes [from, from + length) of a list of segments. */
function eachPiece(
  segments: readonly Segment[],
  from: number,
  length: number,
  visit: (address: number, length: number, at: number) => void,
): void {
  let start = 0;
  for (const segment of segments) {
    const first = Math.max(from, start);
    const end = Math.min(from + length, start + segment.length);
    if (first < end) visit(segment.address + first - start, end - first, first - from);
    start += segment.length;
  }
}

/** Bytes of what the device may read, from offset `from` on; fewer when there are fewer. */
export function gather(chain: Chain, dma: Dma, from: number, most: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(most, readableBytes(chain) - from)));
  eachPiece(chain.readable, from, bytes.length, (address, length, at) =>
    dma.read(address, bytes.subarray(at, at + length)),
  );
  return bytes;
}

/** Writes into what the device may write, from offset `from` on, as much as fits; how much that was. */
export function scatter(chain: Chain, dma: Dma, from: number, bytes: Uint8Array): number {
  const fits = Math.max(0, Math.min(bytes.length, writableBytes(chain) - from));
  eachPiece(chain.writable, from, fits, (address, length, at) => dma.write(address, bytes.subarray(at, at + length)));
  return fits;
}
