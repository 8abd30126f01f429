/**
 * Who goes when more was promised than there is, and somebody takes the promise at its word: the task with the most
 * frames, because its end gives the most back for one task lost. The choice depends on nothing but the machine's
 * state, so it is the same in every replay.
 */
import { hex } from "../lib/bits.ts";
import { signals } from "../lib/signals.ts";
import { getSpace } from "../mm/space.ts";
import { memoryOom } from "../trace/events/memory.ts";
import { getThread } from "./blocking.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Task, Thread } from "./state.ts";
import { killTask, taskOf } from "./tasks.ts";

const framesOf = (k: ThreadKernel, task: Task): number => getSpace(k, task.space).residentFrames;

/** Programs before tasks that clients drive; those with more frames first, of equals the youngest. */
function goesBefore(k: ThreadKernel, a: Task, b: Task): boolean {
  if (a.kind !== b.kind) return a.kind === "program";
  const [ofA, ofB] = [framesOf(k, a), framesOf(k, b)];
  return ofA === ofB ? a.id > b.id : ofA > ofB;
}

/** `faulted` found no frame for a page: ends a task, which may be its own. */
export function endVictim(k: ThreadKernel, faulted: Thread, address: bigint): void {
  let victim = taskOf(k, faulted);
  for (const task of k.threads.tasks.values()) if (goesBefore(k, task, victim)) victim = task;
  const frames = framesOf(k, victim);
  if (k.trace.on(memoryOom)) k.trace.write(memoryOom, { victim: victim.id, frames, faulted: faulted.task });
  const own = victim.id === faulted.task;
  const thread = own ? faulted : getThread(k, victim.threads[0]!);
  victim.fault = {
    signal: signals.SIGKILL,
    pc: k.hal.contexts.getPc(thread.context),
    address: own ? address : 0n,
    description: own
      ? `out of memory: no frame for ${hex(address)}, and of all tasks this one had the most (${frames} frames)`
      : `out of memory: task ${faulted.task} needed a frame, and of all tasks this one had the most (${frames} frames)`,
  };
  killTask(k, victim, signals.SIGKILL);
}
