/**
 * Round robin by instructions: each ready thread runs for a quantum, then goes to the end of its hart's queue; how long
 * a quantum is, and who has one at all, says its policy (thread/scheduling.ts). What is left of its quantum when it
 * waits, or somebody more important comes, is still its own when it goes on.
 *
 * A thread with a control block that lets another one go on, and waits, in one call, hands the hart over: the other goes
 * before those of its priority (seL4's direct switch). So a client's call and its answer take place in its own time.
 *
 * Harts take turns on the one core that there is, so many instructions each; those of all together make the machine's
 * time. A thread that gets ready goes to the hart that it was on, or to one that has nothing to do; a hart that runs
 * out of threads takes one that waits for another, and so does one that has time for who waits behind a real-time
 * thread. What a hart has reserved is lost at the end of its turn.
 *
 * The rests of quantum and turn are state, so where a host cuts a run changes nothing. Switching is by need: the core
 * keeps the registers of the thread that ran last until another one is to run.
 */

import { assert } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { FrameNumber, ThreadId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { getSpace } from "../mm/space.ts";
import { getThread } from "../thread/blocking.ts";
import type { ReadyQueue, ThreadKernel } from "../thread/kernel.ts";
import { releasePids } from "../thread/pids.ts";
import { highestPriority, isRealTime, quantumOf, type Scheduling } from "../thread/scheduling.ts";
import type { Thread } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import { isHeld } from "../thread/tracing.ts";
import { schedSwitch } from "../trace/events/sched.ts";
import type { HartQueue, SchedState } from "./state.ts";

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
  const thread = getThread(k, current);
  thread.context = k.hal.contexts.save();
  thread.quantumLeft = k.sched.quantumLeft;
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
  k.sched.quantumLeft = thread.quantumLeft > 0 ? thread.quantumLeft : quantumOf(k.config.quantumInstructions, thread);
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

type Sched = Pick<SchedKernel, "sched">;

/** Of all harts, by number. */
export const hartQueues = ({ sched }: Sched): HartQueue[] => sched.parked.map((parked) => parked ?? sched);

/** The hart whose turn it is has executed some instructions. */
export function countUsage({ sched }: Sched, executed: number): void {
  const { hart, parked, usage } = sched;
  usage[hart]!.executed += executed;
  if (parked.length === 1) return;
  for (const [other, queue] of parked.entries())
    if (queue !== null && (queue.current !== null || queue.queue.length > 0)) usage[other]!.stolen += executed;
}

const allows = ({ affinity }: Thread, hart: number): boolean => (affinity & (1 << hart)) !== 0;

/** The hart that a thread is on, whether it is that one's turn or not; null when it is on none. */
export function hartOf(k: Sched, thread: ThreadId): number | null {
  const hart = hartQueues(k).findIndex(({ current }) => current === thread);
  return hart < 0 ? null : hart;
}

/** Threads that run or could run. */
export const runnable = (k: Sched): number =>
  hartQueues(k).reduce((sum, { current, queue }) => sum + queue.length + (current === null ? 0 : 1), 0);

/** Where somebody of a real-time policy goes: to the hart that does what matters least. */
function leastImportant(k: SchedKernel, thread: Thread): number {
  const ranks = hartQueues(k).map(({ current, queue }) => {
    const first = current ?? queue[0];
    return first === undefined ? -1 : getThread(k, first).priority;
  });
  const allowed = [...ranks.keys()].filter((hart) => allows(thread, hart));
  const least = Math.min(...allowed.map((hart) => ranks[hart]!));
  return ranks[thread.hart] === least && allowed.includes(thread.hart)
    ? thread.hart
    : allowed.find((hart) => ranks[hart] === least)!;
}

/** Where a thread goes that can run: where it was, if nobody is there, or to who has the least to do. */
function hartFor(k: SchedKernel, thread: Thread): number {
  if (k.sched.parked.length === 1) return 0;
  if (isRealTime(thread.scheduling)) return leastImportant(k, thread);
  const loads = hartQueues(k).map(({ current, queue }) => queue.length + (current === null ? 0 : 1));
  const allowed = [...loads.keys()].filter((hart) => allows(thread, hart));
  const least = Math.min(...allowed.map((hart) => loads[hart]!));
  const was = allowed.includes(thread.hart) && (loads[thread.hart] === least || least > 0);
  return was ? thread.hart : allowed.find((hart) => loads[hart] === least)!;
}

const enqueue = (k: SchedKernel, thread: Thread): void => enqueueOn(k, hartFor(k, thread), thread);

/** On the hart that it was on, as long as it may. */
function enqueueHere(k: SchedKernel, thread: Thread, first = false): void {
  if (allows(thread, k.sched.hart)) enqueueOn(k, k.sched.hart, thread, first);
  else enqueue(k, thread);
}

/** Behind those of its priority, before all of lower ones. `first`: before those of its own, too. */
function enqueueOn(k: SchedKernel, hart: number, thread: Thread, first = false): void {
  const { queue } = k.sched.parked[hart] ?? k.sched;
  thread.hart = hart;
  let at = queue.length;
  // Mostly all have the same priority, and the last place is the one.
  const goesBefore = (other: Thread): boolean =>
    other.priority < thread.priority || (first && other.priority === thread.priority);
  while (at > 0 && goesBefore(getThread(k, queue[at - 1]!))) at -= 1;
  if (at < queue.length) spend(k.effort, queue.length - at, "items");
  queue.splice(at, 0, thread.id);
}

/** A thread that can run gets another priority. `first`: it goes before those that have it. */
export function setPriority(k: SchedKernel, thread: Thread, priority: number, first = false): void {
  thread.priority = priority;
  const queued = hartQueues(k).find(({ queue }) => queue.includes(thread.id));
  if (queued === undefined) return;
  queued.queue = queued.queue.filter((id) => id !== thread.id);
  enqueueOn(k, isRealTime(thread.scheduling) ? hartFor(k, thread) : thread.hart, thread, first);
}

/**
 * A thread is scheduled otherwise from now on; `realTime`: by a real-time policy with this priority. Who is raised waits
 * behind its equals, who is lowered before them.
 */
export function setScheduling(k: SchedKernel, thread: Thread, scheduling: Scheduling, realTime: number): void {
  const priority = highestPriority + realTime;
  thread.scheduling = scheduling;
  if (priority !== thread.priority) setPriority(k, thread, priority, priority < thread.priority);
}

/** A thread may run on these harts only, of which there is one at least; it leaves another one at once. */
export function setAffinity(k: SchedKernel, thread: Thread, affinity: number): void {
  thread.affinity = affinity;
  const on = hartQueues(k).findIndex(({ current, queue }) => current === thread.id || queue.includes(thread.id));
  if (on < 0 || allows(thread, on)) return;
  k.readyQueue.stopped(thread);
  enqueue(k, thread);
}

const reasonOf = (k: SchedKernel, thread: Thread): string => (isHeld(taskOf(k, thread), thread) ? "stopped" : "ended");

/** Takes a thread off a hart whose turn it is not, or out of its queue. */
function take(hart: HartQueue, thread: Thread, reason: string): void {
  const { id } = thread;
  if (hart.current === id) {
    thread.quantumLeft = hart.quantumLeft;
    Object.assign(hart, { current: null, last: id, leftBecause: reason });
  } else if (hart.queue.includes(id)) hart.queue = hart.queue.filter((other) => other !== id);
}

/** The hart goes to who was let go on in this call, if that is one thread only and may run here. */
function handOver(k: SchedKernel): void {
  const { handTo, queue, hart } = k.sched;
  if (handTo === null || !queue.includes(handTo)) return;
  k.sched.queue = queue.filter((id) => id !== handTo);
  enqueueOn(k, hart, getThread(k, handTo), true);
}

export const createReadyQueue = (k: () => SchedKernel): ReadyQueue => ({
  ready(thread) {
    // Of a task that was stopped nobody runs, but whom a tracer has let go.
    const kernel = k();
    if (isHeld(taskOf(kernel, thread), thread)) return;
    enqueue(kernel, thread);
    if (thread.tcb !== null) kernel.sched.handTo = thread.id;
  },
  stopped(thread) {
    const kernel = k();
    const reason = thread.state === "blocked" ? "blocked" : reasonOf(kernel, thread);
    if (kernel.sched.current !== thread.id) {
      spend(kernel.effort, runnable(kernel) / 4, "items");
      for (const queue of hartQueues(kernel)) take(queue, thread, reason);
    } else {
      leave(kernel, reason);
      if (thread.tcb !== null && thread.state === "blocked") handOver(kernel);
    }
  },
});

/** The next hart's turn: the core changes hands, with the registers of who is on it. */
function nextTurn(k: SchedKernel): void {
  const { sched } = k;
  const { current, quantumLeft, last, leftBecause, queue } = sched;
  if (current !== null) getThread(k, current).context = k.hal.contexts.save();
  sched.parked[sched.hart] = { current, quantumLeft, last, leftBecause, queue };
  sched.hart = (sched.hart + 1) % sched.parked.length;
  Object.assign(sched, sched.parked[sched.hart]);
  sched.parked[sched.hart] = null;
  sched.turnLeft = limits.hartTurnInstructions;
  if (sched.current === null) return;
  const thread = getThread(k, sched.current);
  k.hal.contexts.load(thread.context!);
  thread.context = null;
}

/** A thread that waits for another hart, which is busy: the first of the highest priority that may run here. */
function pull(k: SchedKernel): ThreadId | undefined {
  let best: Thread | null = null;
  for (const { current, queue } of hartQueues(k)) {
    if (current === null) continue;
    const at = queue.findIndex((id) => allows(getThread(k, id), k.sched.hart));
    spend(k.effort, 2 * (at < 0 ? queue.length : at), "items");
    const first = at < 0 ? null : getThread(k, queue[at]!);
    if (first !== null && first.priority > (best?.priority ?? -1)) best = first;
  }
  if (best === null) return undefined;
  for (const hart of hartQueues(k)) take(hart, best, "");
  best.hart = k.sched.hart;
  return best.id;
}

const isUrgent = (k: Sched & ThreadKernel, id: ThreadId): boolean => isRealTime(getThread(k, id).scheduling);

/** Of those who wait behind a real-time thread: the first who has such a policy, too, and comes before all here; or all. */
function heldUp(k: SchedKernel, { current, queue }: HartQueue): Thread[] {
  const waiting: Thread[] = [];
  if (current === null || queue.length === 0 || !isUrgent(k, current)) return waiting;
  const own = k.sched.current ?? k.sched.queue[0];
  const least = own !== undefined && isUrgent(k, own) ? getThread(k, own).priority + 1 : 0;
  spend(k.effort, queue.length, "items");
  for (const id of queue) {
    const thread = getThread(k, id);
    if (thread.priority < least) break;
    if (!allows(thread, k.sched.hart)) continue;
    waiting.push(thread);
    if (isRealTime(thread.scheduling)) break;
  }
  return waiting;
}

/** Real-time threads can have a hart for good: whoever waits for that one comes here, where there is time for it. */
function takeOver(k: SchedKernel): void {
  for (const hart of k.sched.parked) {
    if (hart === null) continue;
    for (const thread of heldUp(k, hart)) {
      take(hart, thread, "");
      enqueueOn(k, k.sched.hart, thread);
    }
  }
}

/** Who runs now; null when nobody can. Costs nothing when it is who ran before. */
export function schedule(k: SchedKernel): Thread | null {
  const { sched } = k;
  sched.handTo = null;
  const harts = sched.parked.length;
  if (harts > 1 && sched.turnLeft <= 0) nextTurn(k);
  for (let tried = 0; tried < harts; tried++) {
    const thread = scheduleHart(k);
    if (thread !== null) {
      // Also when it is who ran before: what says where it runs may have been changed, or taken away, by somebody else.
      activateSpace(k, thread);
      return thread;
    }
    if (harts > 1) nextTurn(k);
  }
  return null;
}

/** A quantum that has run out changes nothing. */
const runsOn = ({ scheduling }: Thread): boolean => scheduling.policy === "fifo";

/** On the hart whose turn it is. */
function scheduleHart(k: SchedKernel): Thread | null {
  const { sched } = k;
  if (sched.parked.length > 1) takeOver(k);
  if (sched.current !== null && sched.queue.length > 0) {
    const current = getThread(k, sched.current);
    const next = getThread(k, sched.queue[0]!);
    if (next.priority > current.priority) {
      const isNext = sched.quantumLeft > 0 || runsOn(current);
      leave(k, "priority");
      if (isRealTime(current.scheduling)) enqueueOn(k, hartFor(k, current), current, isNext);
      else enqueueHere(k, current, isNext);
    } else if (sched.quantumLeft === 0 && next.priority === current.priority && !runsOn(current))
      yieldHart(k, "quantum");
  }
  if (sched.current !== null && sched.quantumLeft === 0)
    sched.quantumLeft = quantumOf(k.config.quantumInstructions, getThread(k, sched.current));
  if (sched.current === null) {
    const next = sched.queue.shift() ?? pull(k);
    if (next === undefined) {
      noteSwitch(k, 0);
      return null;
    }
    enter(k, getThread(k, next));
  }
  return getThread(k, sched.current!);
}

/** The thread on the hart takes its task's number, which is nobody's any more: it is the first thread from now on. */
export function renameCurrent(k: SchedKernel, thread: Thread, id: ThreadId): void {
  assert(k.sched.current === thread.id && !k.threads.threads.has(id), "the number is free");
  const task = taskOf(k, thread);
  const former = thread.id;
  k.threads.threads.delete(former);
  task.threads = task.threads.map((other) => (other === former ? id : other));
  thread.id = id;
  k.threads.threads.set(id, thread);
  k.sched.current = id;
  releasePids(k, [former]);
}

/** Work that the kernel did for the current thread is taken off its quantum: as if it had taken so many instructions. */
export function chargeQuantum(k: SchedKernel, instructions: number): void {
  k.sched.quantumLeft = Math.max(0, k.sched.quantumLeft - instructions);
}

/** The current thread goes to the end of the queue. */
export function yieldHart(k: SchedKernel, reason: string): void {
  const { current } = k.sched;
  assert(current !== null, "somebody is on the hart");
  leave(k, reason);
  enqueueHere(k, getThread(k, current));
}
