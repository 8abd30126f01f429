/** Clocks of processor time: the caller's own, and by number anybody's (clock_getcpuclockid(3), pthread_getcpuclockid(3)). */

import { taskFor, threadFor } from "../../thread/pids.ts";
import type { Task, Thread } from "../../thread/state.ts";
import type { Call } from "../define/outcome.ts";
import type { LinuxKernel } from "./kernel.ts";

const ofProcess = 2;
const ofThread = 3;
/** Of a number below zero: the id, inverted, then whether it is a thread's, and which time is meant; all are one here. */
const threadBit = 4;
const kindMask = 3;
const descriptorKind = 3;

/** Whose processor time a clock counts: a task's, or one thread's of it. null: the clock is none of these. */
export function processorClock(
  k: LinuxKernel,
  { task, thread }: Call,
  clock: number,
): { task: Task; thread: Thread | null } | null {
  if (clock === ofProcess) return { task, thread: null };
  if (clock === ofThread) return { task, thread };
  if (clock >= 0 || (clock & kindMask) === descriptorKind) return null;
  const id = ~(clock >> 3);
  if (clock & threadBit) {
    const found = id === 0 ? thread : threadFor(k, task, id);
    return found?.task === task.id ? { task, thread: found } : null;
  }
  const found = id === 0 ? task : taskFor(k, task, id);
  return found === undefined ? null : { task: found, thread: null };
}
