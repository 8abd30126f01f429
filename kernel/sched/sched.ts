/**
 * Round robin by instructions: each ready thread runs for a quantum, then goes to the end of the queue.
 *
 * The rest of the quantum is state, so where a host cuts a run changes nothing. Switching is by need: the hart
 * keeps the registers of the thread that ran last until another one is to run.
 */
import { assert } from "../lib/assert.ts";
import { getSpace } from "../mm/space.ts";
import { getThread } from "../thread/blocking.ts";
import type { ReadyQueue, ThreadKernel } from "../thread/kernel.ts";
import type { Thread } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import { schedSwitch } from "../trace/events/sched.ts";
import type { SchedState } from "./state.ts";

export interface SchedKernel extends ThreadKernel {
  readonly sched: SchedState;
  readonly config: ThreadKernel["config"] & { readonly quantumInstructions: number };
}

/** Puts the current thread's registers away. */
function leave(k: SchedKernel, reason: string): void {
  const { current } = k.sched;
  assert(current !== null, "somebody is on the hart");
  getThread(k, current).context = k.hal.contexts.save();
  k.sched.current = null;
  k.sched.last = current;
  k.sched.leftBecause = reason;
}

/** Tells who follows whom; nothing when the same thread goes on. */
function noteSwitch(k: SchedKernel, to: number): void {
  const { last: from, leftBecause: reason } = k.sched;
  k.sched.last = to;
  if (from !== to && k.trace.on(schedSwitch)) k.trace.write(schedSwitch, { from, to, reason });
}

function enter(k: SchedKernel, thread: Thread): void {
  assert(thread.state === "ready" && thread.context !== null, "a ready thread gets the hart");
  k.hal.contexts.load(thread.context);
  thread.context = null;
  activateSpace(k, thread);
  k.sched.current = thread.id;
  k.sched.quantumLeft = k.config.quantumInstructions;
  noteSwitch(k, thread.id);
}

/** Makes the hart see the thread's memory; also after a restore. */
export function activateSpace(k: SchedKernel, thread: Thread): void {
  const space = getSpace(k, taskOf(k, thread).space);
  k.hal.mmu.activate(space.root, space.asid);
}

export const createReadyQueue = (k: () => SchedKernel): ReadyQueue => ({
  ready: (thread) => void k().sched.queue.push(thread.id),
  stopped(thread) {
    const kernel = k();
    if (kernel.sched.current === thread.id) leave(kernel, thread.state === "blocked" ? "blocked" : "ended");
    else kernel.sched.queue = kernel.sched.queue.filter((id) => id !== thread.id);
  },
});

/** Who runs now; null when nobody can. Costs nothing when it is who ran before. */
export function schedule(k: SchedKernel): Thread | null {
  const { sched } = k;
  if (sched.current !== null && sched.quantumLeft === 0) {
    if (sched.queue.length === 0) sched.quantumLeft = k.config.quantumInstructions;
    else yieldHart(k, "quantum");
  }
  if (sched.current === null) {
    const next = sched.queue.shift();
    if (next === undefined) {
      noteSwitch(k, 0);
      return null;
    }
    enter(k, getThread(k, next));
  }
  return getThread(k, sched.current!);
}

/** The current thread goes to the end of the queue. */
export function yieldHart(k: SchedKernel, reason: string): void {
  const { current } = k.sched;
  assert(current !== null, "somebody is on the hart");
  leave(k, reason);
  k.sched.queue.push(current);
}
