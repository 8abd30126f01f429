/** Who runs, and who may run next. */
import type { ThreadId } from "../lib/ids.ts";

/** One hart's. */
export interface HartQueue {
  current: ThreadId | null;
  /** Instructions that the current thread may still execute before others get their turn. */
  quantumLeft: number;
  /** Who was on the hart before, and why it left; for the trace. 0 is nobody. */
  last: number;
  leftBecause: string;
  /** Ready threads but the current one, next first. */
  queue: ThreadId[];
}

/** What a hart did with its time, in instructions; the rest it was idle. */
export interface HartUsage {
  executed: number;
  /** It had something to do, and it was another one's turn. */
  stolen: number;
}

/** What is here is the hart's whose turn it is; the others' is put away. */
export interface SchedState extends HartQueue {
  hart: number;
  /** Instructions until the next hart's turn; of no meaning where there is one hart. */
  turnLeft: number;
  /** The latest thread that was let go on in the call that is being made; nobody between two of them. */
  handTo: ThreadId | null;
  /** By number of the hart; null for the one whose turn it is. */
  parked: (HartQueue | null)[];
  /** By number of the hart. */
  usage: HartUsage[];
}

const idle = (): HartQueue => ({ current: null, quantumLeft: 0, last: 0, leftBecause: "", queue: [] });

export const initSched = (harts: number): SchedState => ({
  ...idle(),
  hart: 0,
  turnLeft: 0,
  handTo: null,
  parked: Array.from({ length: harts }, (_, hart) => (hart === 0 ? null : idle())),
  usage: Array.from({ length: harts }, () => ({ executed: 0, stolen: 0 })),
});
