/**
 * Tracing: a task looks at another one's thread whenever that stops for it (ptrace(2)).
 *
 * A thread that has stopped for its tracer is held: it is on no hart and in no queue of one, but ready or blocked as it
 * was, and a wait that ends meanwhile has its effect when it goes on. It stops before it takes a signal, at calls, at
 * events that the tracer asked for, and with its task. What stops come next is a list, because a call can have several.
 *
 * Must hold: who traces lives; a thread of a traced task that is not traced itself is stopped with its task as ever.
 */

import { spend } from "../lib/effort.ts";
import type { TaskId, ThreadId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { signals } from "../lib/signals.ts";
import { inOrder, lastStep } from "./endings.ts";
import type { ThreadKernel } from "./kernel.ts";
import { numberFor, releasePids } from "./pids.ts";
import { ChildCode, fromKernel, sendSignal, tellOf } from "./signals.ts";
import type { ExitStatus, Task, Thread, TracedEnd, TraceStop, Tracing } from "./state.ts";

export const TraceOption = {
  SYSGOOD: 1,
  FORK: 2,
  VFORK: 4,
  CLONE: 8,
  EXEC: 0x10,
  VFORKDONE: 0x20,
  EXIT: 0x40,
  EXITKILL: 0x10_0000,
} as const;

/** Numbers of events; those up to EXIT are at the same place as their options. */
export const TraceEvent = { FORK: 1, VFORK: 2, CLONE: 3, EXEC: 4, VFORKDONE: 5, EXIT: 6, STOP: 128 } as const;

const unmarked = { info: null, message: 0, result: null, reported: false, listening: false } as const;

export const stopOf = (kind: TraceStop["kind"], code: number, more: Partial<TraceStop> = {}): TraceStop => ({
  kind,
  code,
  ...unmarked,
  ...more,
});

export const eventStop = (event: number, message: number): TraceStop =>
  stopOf("event", signals.SIGTRAP | (event << 8), { message });

/** Of a call's entry or exit. */
export const callStop = (tracing: Tracing, kind: "entry" | "exit", result: bigint | null = null): TraceStop =>
  stopOf(kind, signals.SIGTRAP | (tracing.options & TraceOption.SYSGOOD ? 0x80 : 0), { result });

/** With its task, by a signal; or because the tracer wants it. */
export const groupStop = ({ seized }: Tracing, signal: number): TraceStop =>
  stopOf("group", signal | (seized ? TraceEvent.STOP << 8 : 0));

export const wantsEvent = (tracing: Tracing | null, event: number): tracing is Tracing =>
  tracing !== null && (tracing.options & (1 << event)) !== 0;

/** The thread is not to run: its tracer holds it, or, if it has none, its task is stopped. */
export const isHeld = ({ stopSignal }: Task, { tracing }: Thread): boolean =>
  tracing === null ? stopSignal !== 0 : tracing.stop !== null;

export const beginTracing = (tracer: TaskId, seized: boolean, options: number): Tracing => ({
  tracer,
  seized,
  options,
  mode: "free",
  stop: null,
  due: [],
  inCall: false,
  trap: false,
  stepped: false,
  injected: null,
  exiting: false,
});

/** What its tracer calls a task or thread. */
export function numberForTracer(k: ThreadKernel, { tracer }: Tracing, id: number): number {
  const task = k.threads.tasks.get(tracer);
  return task === undefined ? 0 : numberFor(k, task, id);
}

/** The tracer is told that something has become of a thread. */
function tellTracer(k: ThreadKernel, thread: Thread, tracing: Tracing, status: number): void {
  const tracer = k.threads.tasks.get(tracing.tracer);
  const task = k.threads.tasks.get(thread.task);
  if (tracer !== undefined && task !== undefined) tellOf(k, tracer, task, thread.id, ChildCode.trapped, status);
}

/** The thread stops here until its tracer lets it go on. */
export function stopTraced(k: ThreadKernel, thread: Thread, tracing: Tracing, stop: TraceStop): void {
  tracing.stop = stop;
  if (thread.state === "ready") k.readyQueue.stopped(thread);
  tellTracer(k, thread, tracing, stop.code & 0xff);
}

/** The next of the stops that are due. Of a call's exit only if it was let go that far. False: there is none. */
export function takeDueStop(k: ThreadKernel, thread: Thread, tracing: Tracing): boolean {
  for (let next = tracing.due.shift(); next !== undefined; next = tracing.due.shift()) {
    if (next.kind === "exit" && tracing.mode !== "syscall") continue;
    stopTraced(k, thread, tracing, next);
    return true;
  }
  return false;
}

/** A thread that stood still goes on. */
export function letGo(k: ThreadKernel, thread: Thread): void {
  if (thread.tracing !== null) thread.tracing.stop = null;
  const task = k.threads.tasks.get(thread.task)!;
  if (thread.state === "ready" && !isHeld(task, thread)) k.readyQueue.ready(thread);
}

/** Nobody traces the thread any more: it is as its task is. */
export function endTracing(k: ThreadKernel, thread: Thread): void {
  const { tracing } = thread;
  if (tracing === null) return;
  const wasHeld = tracing.stop !== null;
  const task = k.threads.tasks.get(thread.task)!;
  if (tracing.injected !== null) thread.pending.unshift(tracing.injected);
  thread.tracing = null;
  if (thread.state !== "ready") return;
  if (wasHeld && task.stopSignal === 0) k.readyQueue.ready(thread);
  else if (!wasHeld && task.stopSignal !== 0) k.readyQueue.stopped(thread);
}

/** Every thread that a task traces, in order. */
export function tracedBy(k: Pick<ThreadKernel, "threads" | "effort">, tracer: TaskId): Thread[] {
  spend(k.effort, k.threads.threads.size, "items");
  const traced: Thread[] = [];
  for (const thread of k.threads.threads.values()) if (thread.tracing?.tracer === tracer) traced.push(thread);
  return traced;
}

/** Its tracer has asked how it ended, or will not. */
export function forgetTracedEnd(k: ThreadKernel, ended: TracedEnd): void {
  spend(k.effort, k.threads.tracedEnds.length, "items");
  k.threads.tracedEnds = k.threads.tracedEnds.filter((other) => other !== ended);
  releasePids(k, [ended.id]);
}

/** A tracer has ended: what it traced goes on, or, if it said so, ends with it. */
export function leaveTraced(k: ThreadKernel, tracer: TaskId): void {
  for (const end of k.threads.tracedEnds) if (end.tracer === tracer) forgetTracedEnd(k, end);
  const leave = ({ id }: Thread): void => {
    const thread = k.threads.threads.get(id);
    if (thread === undefined) return;
    const endsToo = ((thread.tracing?.options ?? 0) & TraceOption.EXITKILL) !== 0;
    endTracing(k, thread);
    const task = k.threads.tasks.get(thread.task)!;
    if (endsToo) sendSignal(k, task, fromKernel(signals.SIGKILL));
  };
  inOrder(
    k,
    tracedBy(k, tracer).map((thread) => lastStep(() => leave(thread))),
  );
}

/** A traced thread has ended that no parent will be told of, or another one than who traced it. */
export function noteTracedEnd(k: ThreadKernel, task: Task, thread: Thread, status: ExitStatus): void {
  const { tracing } = thread;
  if (tracing === null || (thread.id === (task.id as number as ThreadId) && task.parent === tracing.tracer)) return;
  if (!k.threads.tasks.has(tracing.tracer) || tracing.tracer === task.id) return;
  const usage = { userNs: thread.instructions, peakFrames: 0, pageFaults: 0 };
  const { uid: userId } = task.credentials;
  k.threads.tracedEnds.push({ tracer: tracing.tracer, id: thread.id, status: { ...status }, userId, usage });
  if (k.threads.tracedEnds.length > limits.tracedEnds) forgetTracedEnd(k, k.threads.tracedEnds[0]!);
  tellTracer(k, thread, tracing, status.kind === "exited" ? status.code : status.signal);
}

/** Each traced thread of a task that was stopped tells its own tracer; the rest of it is no business of theirs. */
export function stopTracedThreads(k: ThreadKernel, task: Task, signal: number): void {
  for (const id of [...task.threads]) {
    const thread = k.threads.threads.get(id)!;
    const { tracing } = thread;
    if (tracing !== null && tracing.stop === null) stopTraced(k, thread, tracing, groupStop(tracing, signal));
  }
}

/** The task goes on: tracers that listen for that are told, and others as soon as they do. */
export function tellListeners(k: ThreadKernel, task: Task): void {
  for (const id of task.threads) {
    const thread = k.threads.threads.get(id)!;
    const { tracing } = thread;
    if (tracing?.stop?.kind !== "group") continue;
    if (tracing.stop.listening) stopAnew(k, thread, tracing);
    else if (tracing.seized) tracing.trap = true;
  }
}

/** A thread that stands still tells its tracer once more that it does, and what its task does now. */
function stopAnew(k: ThreadKernel, thread: Thread, tracing: Tracing): void {
  const { stopSignal } = k.threads.tasks.get(thread.task)!;
  tracing.trap = false;
  tracing.stop = groupStop(tracing, stopSignal || signals.SIGTRAP);
  tellTracer(k, thread, tracing, tracing.stop.code & 0xff);
}

/** The tracer leaves a thread where it is until there is something new; there may be already. */
export function listenTo(k: ThreadKernel, thread: Thread, tracing: Tracing): void {
  if (tracing.trap) stopAnew(k, thread, tracing);
  else if (tracing.stop !== null) tracing.stop.listening = true;
}
