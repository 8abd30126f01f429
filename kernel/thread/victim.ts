/**
 * Who goes when more was promised than there is, and somebody takes the promise at its word: the program with the most
 * frames, because its end gives the most back for one task lost. The choice depends on nothing but the machine's
 * state, so it is the same in every replay. Tasks that clients drive are spared: no client expects its task to go.
 */
import { hex } from "../lib/bits.ts";
import { signals } from "../lib/signals.ts";
import { getSpace } from "../mm/space.ts";
import { memoryOom } from "../trace/events/memory.ts";
import { getThread } from "./blocking.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Task, Thread } from "./state.ts";
import { killTask } from "./tasks.ts";

const framesOf = (k: ThreadKernel, task: Task): number => getSpace(k, task.space).residentFrames;

/** The program with the most frames, of equals the youngest. */
function findVictim(k: ThreadKernel): Task | null {
  let victim: Task | null = null;
  for (const task of k.threads.tasks.values()) {
    if (task.kind !== "program") continue;
    const more = victim === null ? 1 : framesOf(k, task) - framesOf(k, victim);
    if (more > 0 || (more === 0 && task.id > victim!.id)) victim = task;
  }
  return victim;
}

/**
 * A thread found no frame for a page (in a call: for what the call copies, where `address` is null). Ends a task, which
 * may be the thread's own; false when there is none that may go.
 */
export function endVictim(k: ThreadKernel, faulted: Thread, address: bigint | null): boolean {
  const victim = findVictim(k);
  if (victim === null) return false;
  const frames = framesOf(k, victim);
  if (k.trace.on(memoryOom)) k.trace.write(memoryOom, { victim: victim.id, frames, faulted: faulted.task });
  const own = victim.id === faulted.task;
  const thread = own ? faulted : getThread(k, victim.threads[0]!);
  const page = address === null ? "what a system call copies" : hex(address);
  const why = own ? `no frame for ${page}` : `task ${faulted.task} needed a frame`;
  victim.fault = {
    signal: signals.SIGKILL,
    pc: k.hal.contexts.getPc(thread.context),
    address: own && address !== null ? address : 0n,
    description: `out of memory: ${why}, and of all programs this one had the most (${frames} frames)`,
  };
  killTask(k, victim, signals.SIGKILL);
  return true;
}
