/**
 * Buddies: free memory as aligned blocks of 2^order frames. A block that is too large is halved until it fits; a half
 * that comes back is joined with the other half, if that is free, and so on upwards.
 * (Knuth, The Art of Computer Programming, volume 1, section 2.5.)
 *
 * Must hold: no two free blocks are buddies. So the state follows from which frames are free, however that came about.
 * The lowest block of the smallest order that will do is taken.
 */
import { type AllocatorOps, alignedOrder, largestOrder, lowestBit } from "./allocator.ts";

/**
 * The free blocks of one order: block b, the frames from b * 2^order on, is bit b % 32 of word b / 32 of the first
 * level. A bit of each further level says of a word below that it is not 0, up to a level of one word.
 */
type Blocks = Uint32Array[];

export interface BuddyState {
  kind: "buddy";
  /** The zone: [first, end). */
  first: number;
  end: number;
  /** By order. */
  orders: Blocks[];
}

function noBlocks(count: number): Blocks {
  const levels: Blocks = [];
  do {
    count = Math.ceil(count / 32);
    levels.push(new Uint32Array(count));
  } while (count > 1);
  return levels;
}

const isEmpty = (levels: Blocks): boolean => levels[levels.length - 1]![0] === 0;
const has = (levels: Blocks, block: number): boolean => ((levels[0]![block >>> 5] ?? 0) & (1 << (block & 31))) !== 0;

function add(levels: Blocks, block: number): void {
  for (let level = 0, bit = block; level < levels.length; level++, bit >>>= 5) {
    const words = levels[level]!;
    const before = words[bit >>> 5]!;
    words[bit >>> 5] = before | (1 << (bit & 31));
    if (before !== 0) return;
  }
}

function remove(levels: Blocks, block: number): void {
  for (let level = 0, bit = block; level < levels.length; level++, bit >>>= 5) {
    const words = levels[level]!;
    words[bit >>> 5]! &= ~(1 << (bit & 31));
    if (words[bit >>> 5] !== 0) return;
  }
}

function lowest(levels: Blocks): number {
  let block = 0;
  for (let level = levels.length - 1; level >= 0; level--) block = block * 32 + lowestBit(levels[level]![block]!);
  return block;
}

export const buddy: AllocatorOps<BuddyState> = {
  init(first, end) {
    const orders: Blocks[] = [];
    for (let order = 0; order <= largestOrder && 2 ** order <= end; order++)
      orders.push(noBlocks(Math.ceil(end / 2 ** order)));
    for (let frame = first; frame < end; ) {
      const order = alignedOrder(frame, end);
      add(orders[order]!, frame >>> order);
      frame += 2 ** order;
    }
    return { kind: "buddy", first, end, orders };
  },

  take({ orders }, order) {
    let from = order;
    while (from < orders.length && isEmpty(orders[from]!)) from += 1;
    if (from >= orders.length) return null;
    let block = lowest(orders[from]!);
    remove(orders[from]!, block);
    for (; from > order; from--) {
      block *= 2;
      add(orders[from - 1]!, block + 1);
    }
    return block * 2 ** order;
  },

  give({ orders }, frame, order) {
    let block = frame >>> order;
    for (; order + 1 < orders.length && has(orders[order]!, block ^ 1); order++) {
      remove(orders[order]!, block ^ 1);
      block >>>= 1;
    }
    add(orders[order]!, block);
  },

  eachFree({ orders }, visit) {
    orders.forEach(([words], order) => {
      for (let at = 0; at < words!.length; at++)
        for (let word = words![at]!; word !== 0; word &= word - 1)
          visit((at * 32 + lowestBit(word)) * 2 ** order, 2 ** order);
    });
  },
};
