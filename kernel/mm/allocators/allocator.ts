/**
 * What every frame allocator does, whatever its structure: it hands out aligned runs of 2^order frames of one zone and
 * takes them back. Whose a frame is, and how often it is referred to, is kept above it (frames.ts).
 *
 * State is plain data. The caller gives back only what it took, once; in which pieces does not matter.
 */
import type { BitmapState } from "./bitmap.ts";
import type { BuddyState } from "./buddy.ts";
import type { FreeListState } from "./free-list.ts";

export type AllocatorState = BitmapState | FreeListState | BuddyState;
export type AllocatorKind = AllocatorState["kind"];

/** The largest run is 2^18 frames, 1 GiB. */
export const largestOrder = 18;

export interface AllocatorOps<State extends AllocatorState> {
  /** All frames of [first, end) are free. */
  init(first: number, end: number): State;
  /** The first of 2^order frames, aligned to as many, or null when there is no such run. */
  take(state: State, order: number): number | null;
  give(state: State, frame: number, order: number): void;
  /** The pieces in which it keeps what is free, in no particular order. */
  eachFree(state: State, visit: (first: number, frames: number) => void): void;
}

/** floor(log2(count)) of a count of frames. */
export const orderOf = (count: number): number => 31 - Math.clz32(count);

/** Number of the lowest bit that is set in a word that is not 0. */
export const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/** Order of the largest aligned run that begins at a frame and ends before `end`. */
export const alignedOrder = (frame: number, end: number): number =>
  Math.min(frame === 0 ? largestOrder : lowestBit(frame), orderOf(end - frame), largestOrder);
