/** Who runs, and who may run next. */
import type { ThreadId } from "../lib/ids.ts";

export interface SchedState {
  current: ThreadId | null;
  /** Instructions that the current thread may still execute before others get their turn. */
  quantumLeft: number;
  /** Who was on the hart before, and why it left; for the trace. 0 is nobody. */
  last: number;
  leftBecause: string;
  /** Ready threads but the current one, next first. */
  queue: ThreadId[];
}

export const initSched = (): SchedState => ({ current: null, quantumLeft: 0, last: 0, leftBecause: "", queue: [] });
