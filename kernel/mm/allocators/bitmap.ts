/**
 * A bit for each frame, set while it is free.
 *
 * Single frames are searched from where the last search ended (next-fit), so that frames come in ascending order and
 * one that was given back rests for a while; runs are searched from the lowest frame. Giving back is constant work,
 * and neighbours that are free are one run without anything being done.
 */
import { type AllocatorOps, lowestBit } from "./allocator.ts";

export interface BitmapState {
  kind: "bitmap";
  /** The zone: [first, end). */
  first: number;
  end: number;
  /** Frame f is bit f % 32 of word f / 32. */
  free: Uint32Array;
  /** Where the search for a single frame goes on. */
  next: number;
}

const allOnes = 0xffff_ffff;
/** Of each order below a word's 5: where in a word an aligned run may begin. */
const beginnings = [allOnes, 0x5555_5555, 0x1111_1111, 0x0101_0101, 0x0001_0001];

function mark(state: BitmapState, frame: number, order: number, free: boolean): void {
  const { free: words } = state;
  if (order >= 5) {
    words.fill(free ? allOnes : 0, frame >>> 5, (frame + 2 ** order) >>> 5);
    return;
  }
  const mask = (2 ** (2 ** order) - 1) << (frame & 31);
  if (free) words[frame >>> 5]! |= mask;
  else words[frame >>> 5]! &= ~mask;
}

/** The first free frame in [from, to), or -1. */
function find(words: Uint32Array, from: number, to: number): number {
  const last = (to + 31) >>> 5;
  let mask = -1 << (from & 31);
  for (let at = from >>> 5; at < last; at++) {
    const word = words[at]! & mask;
    if (word !== 0) {
      const frame = at * 32 + lowestBit(word);
      return frame < to ? frame : -1;
    }
    mask = -1;
  }
  return -1;
}

function takeOne(state: BitmapState): number | null {
  let frame = find(state.free, state.next, state.end);
  if (frame < 0) frame = find(state.free, state.first, state.next);
  if (frame < 0) return null;
  state.free[frame >>> 5]! &= ~(1 << (frame & 31));
  state.next = frame + 1 === state.end ? state.first : frame + 1;
  return frame;
}

/** The lowest aligned run of an order below 5: it lies in one word. */
function findShortRun(words: Uint32Array, order: number): number {
  for (let at = 0; at < words.length; at++) {
    let word = words[at]!;
    // Bit b stays set while the bits from b on, doubling in number, are.
    for (let i = 0; i < order; i++) word &= word >>> (1 << i);
    word &= beginnings[order]!;
    if (word !== 0) return at * 32 + lowestBit(word);
  }
  return -1;
}

/** The lowest aligned run of whole words. */
function findLongRun(words: Uint32Array, order: number): number {
  const step = 2 ** (order - 5);
  for (let at = 0; at + step <= words.length; at += step) {
    let length = 0;
    while (length < step && words[at + length] === allOnes) length += 1;
    if (length === step) return at * 32;
  }
  return -1;
}

function takeRun(state: BitmapState, order: number): number | null {
  const frame = order < 5 ? findShortRun(state.free, order) : findLongRun(state.free, order);
  if (frame < 0) return null;
  mark(state, frame, order, false);
  return frame;
}

export const bitmap: AllocatorOps<BitmapState> = {
  init(first, end) {
    const free = new Uint32Array((end + 31) >>> 5);
    for (let frame = first; frame < end; frame++) free[frame >>> 5]! |= 1 << (frame & 31);
    return { kind: "bitmap", first, end, free, next: first };
  },
  take: (state, order) => (order === 0 ? takeOne(state) : takeRun(state, order)),
  give: (state, frame, order) => mark(state, frame, order, true),
  eachFree(state, visit) {
    const isFree = (frame: number): boolean => (state.free[frame >>> 5]! & (1 << (frame & 31))) !== 0;
    for (let frame = find(state.free, state.first, state.end); frame >= 0; ) {
      const start = frame;
      while (frame < state.end && isFree(frame)) frame += 1;
      visit(start, frame - start);
      frame = find(state.free, frame, state.end);
    }
  },
};
