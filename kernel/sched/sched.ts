/**
 * Round robin by instructions: each ready thread runs for a quantum, then goes to the end of the queue.
 *
 * The rest of the quantum is state, so where a host cuts a run changes nothing. Switching is by need: the hart
 * keeps the registers of the thread that ran last until another one is to run.
 */
import { assert } from "../lib/assert.ts";
import type { FrameNumber } from "../lib/ids.ts";
import { getSpace } from "../mm/space.ts";
import { getThread } from "../thread/blocking.ts";
import type { ReadyQueue, ThreadKernel } from "../thread/kernel.ts";
import type { Thread } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import { schedSwitch } from "../trace/events/sched.ts";
import type { SchedState } from "./state.ts";

/** A top table and the number that its translations are known by. */
export interface Tables {
  root: FrameNumber;
  asid: number;
}

export interface SchedKernel extends ThreadKernel {
  /** The address space of a thread with a control block. */
  readonly tablesOf: (thread: Thread) => Tables;
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
  k.sched.current = thread.id;
  k.sched.quantumLeft = k.config.quantumInstructions;
  noteSwitch(k, thread.id);
}

/** Makes the hart see the thread's memory. */
function activateSpace(k: SchedKernel, thread: Thread): void {
  const { root, asid } = tablesOf(k, thread);
  k.hal.mmu.activate(root, asid);
}

/** Its task's, or, of a thread that capabilities control, those that it was given. */
const tablesOf = (k: SchedKernel, thread: Thread): Tables =>
  thread.tcb === null ? getSpace(k, taskOf(k, thread).space) : k.tablesOf(thread);

/** It runs in an address space that is not its task's: the kernel's copies to and from its memory do not reach it. */
export const runsAbroad = (k: SchedKernel, thread: Thread): boolean =>
  thread.tcb !== null && k.tablesOf(thread).root !== getSpace(k, taskOf(k, thread).space).root;

/** Behind those of its priority, before all of lower ones. `first`: before those of its own, too. */
function enqueue(k: SchedKernel, thread: Thread, first = false): void {
  const { queue } = k.sched;
  let at = queue.length;
  // Mostly all have the same priority, and the last place is the one.
  const goesBefore = (other: Thread): boolean =>
    other.priority < thread.priority || (first && other.priority === thread.priority);
  while (at > 0 && goesBefore(getThread(k, queue[at - 1]!))) at -= 1;
  queue.splice(at, 0, thread.id);
}

/** A thread that can run gets another priority. */
export function setPriority(k: SchedKernel, thread: Thread, priority: number): void {
  thread.priority = priority;
  if (!k.sched.queue.includes(thread.id)) return;
  k.sched.queue = k.sched.queue.filter((id) => id !== thread.id);
  enqueue(k, thread);
}

const reasonOf = (k: SchedKernel, thread: Thread): string => (taskOf(k, thread).stopSignal === 0 ? "ended" : "stopped");

export const createReadyQueue = (k: () => SchedKernel): ReadyQueue => ({
  ready(thread) {
    // Of a task that was stopped nobody runs.
    if (taskOf(k(), thread).stopSignal === 0) enqueue(k(), thread);
  },
  stopped(thread) {
    const kernel = k();
    if (kernel.sched.current === thread.id)
      leave(kernel, thread.state === "blocked" ? "blocked" : reasonOf(kernel, thread));
    else kernel.sched.queue = kernel.sched.queue.filter((id) => id !== thread.id);
  },
});

/** Who runs now; null when nobody can. Costs nothing when it is who ran before. */
export function schedule(k: SchedKernel): Thread | null {
  const { sched } = k;
  if (sched.current !== null && sched.queue.length > 0) {
    const current = getThread(k, sched.current);
    const next = getThread(k, sched.queue[0]!);
    if (next.priority > current.priority) {
      const left = sched.quantumLeft;
      leave(k, "priority");
      enqueue(k, current, left > 0);
    } else if (sched.quantumLeft === 0 && next.priority === current.priority) yieldHart(k, "quantum");
  }
  if (sched.current !== null && sched.quantumLeft === 0) sched.quantumLeft = k.config.quantumInstructions;
  if (sched.current === null) {
    const next = sched.queue.shift();
    if (next === undefined) {
      noteSwitch(k, 0);
      return null;
    }
    enter(k, getThread(k, next));
  }
  const thread = getThread(k, sched.current!);
  // Also when it is who ran before: what says where it runs may have been changed, or taken away, by somebody else.
  activateSpace(k, thread);
  return thread;
}

/** The current thread goes to the end of the queue. */
export function yieldHart(k: SchedKernel, reason: string): void {
  const { current } = k.sched;
  assert(current !== null, "somebody is on the hart");
  leave(k, reason);
  enqueue(k, getThread(k, current));
}
