/**
 * A list of free runs, each as long as it can be, with its length at both of its ends (boundary tags), so that what
 * comes back is joined with its neighbours in constant time. (Knuth, volume 1, section 2.5, algorithm C.)
 *
 * A single frame is the last one of the first run of the list; what came back is at the front and used again first.
 * A run of frames is searched along the list (first-fit).
 */
import { assert } from "../../lib/assert.ts";
import { alignUp } from "../../lib/bits.ts";
import type { AllocatorOps } from "./allocator.ts";

/** Ends the list. */
const none = -1;

export interface FreeListState {
  kind: "free_list";
  /** The zone: [first, end). All below is by frame - first. */
  first: number;
  end: number;
  /** At the first and the last frame of a free run: its length. Else 0. */
  length: Int32Array;
  /** At the first frame of a free run: its neighbours in the list. Else none. */
  next: Int32Array;
  previous: Int32Array;
  head: number;
}

function setLength({ length }: FreeListState, start: number, frames: number): void {
  length[start] = frames;
  length[start + frames - 1] = frames;
}

function clearLength({ length }: FreeListState, start: number, frames: number): void {
  length[start] = 0;
  length[start + frames - 1] = 0;
}

function push(state: FreeListState, start: number, frames: number): void {
  setLength(state, start, frames);
  state.next[start] = state.head;
  if (state.head !== none) state.previous[state.head] = start;
  state.head = start;
}

function unlink(state: FreeListState, start: number): void {
  const next = state.next[start]!;
  const previous = state.previous[start]!;
  if (previous === none) state.head = next;
  else state.next[previous] = next;
  if (next !== none) state.previous[next] = previous;
  state.next[start] = none;
  state.previous[start] = none;
  clearLength(state, start, state.length[start]!);
}

/** Takes [start, start + frames) out of the free run at `run`; what is left of it stays or becomes runs of its own. */
function cut(state: FreeListState, run: number, start: number, frames: number): void {
  const end = run + state.length[run]!;
  assert(run <= start && start + frames <= end, "the cut is in the run");
  if (start > run) {
    // The lower part keeps its place in the list.
    clearLength(state, run, end - run);
    setLength(state, run, start - run);
  } else unlink(state, run);
  if (start + frames < end) push(state, start + frames, end - start - frames);
}

export const freeList: AllocatorOps<FreeListState> = {
  init(first, end) {
    const table = (): Int32Array => new Int32Array(end - first).fill(none);
    const length = new Int32Array(end - first);
    const state: FreeListState = {
      kind: "free_list",
      first,
      end,
      length,
      next: table(),
      previous: table(),
      head: none,
    };
    push(state, 0, end - first);
    return state;
  },

  take(state, order) {
    const frames = 2 ** order;
    for (let run = state.head; run !== none; run = state.next[run]!) {
      const end = run + state.length[run]!;
      const start = order === 0 ? end - 1 : alignUp(state.first + run, frames) - state.first;
      if (start + frames > end) continue;
      cut(state, run, start, frames);
      return state.first + start;
    }
    return null;
  },

  give(state, frame, order) {
    let start = frame - state.first;
    let end = start + 2 ** order;
    const before = start === 0 ? 0 : state.length[start - 1]!;
    const after = state.length[end] ?? 0;
    if (after > 0) {
      unlink(state, end);
      end += after;
    }
    if (before > 0) {
      start -= before;
      unlink(state, start);
    }
    push(state, start, end - start);
  },

  eachFree(state, visit) {
    for (let run = state.head; run !== none; run = state.next[run]!) visit(state.first + run, state.length[run]!);
  },
};
