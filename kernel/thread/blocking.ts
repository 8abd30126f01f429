/**
 * Blocking and waking: the only code that changes `Thread.state`.
 *
 * Invariant: a blocked thread is in its wait's queues (wait.ts, `queuesOf`) and has a timeout (if it has a deadline);
 * a thread that is not blocked is in no queue and has none.
 */
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import { type Errno, errnoResult } from "../lib/errno.ts";
import type { ThreadId } from "../lib/ids.ts";
import { threadBlock, threadWake } from "../trace/events/task.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Resume, Thread } from "./state.ts";
import { describeWait, interrupted, interruptedOf, onSignal, queuesOf, type Wait, waitKinds } from "./wait.ts";

export const getThread = (k: Pick<ThreadKernel, "threads">, id: ThreadId): Thread =>
  must(k.threads.threads.get(id), "the thread exists");

export function block(k: ThreadKernel, thread: Thread, wait: Wait): void {
  assert(thread.state === "ready", "a running thread blocks");
  thread.state = "blocked";
  thread.wait = wait;
  for (const name of queuesOf(wait)) {
    const queue = k.threads.queues.get(name);
    if (queue === undefined) k.threads.queues.set(name, [thread.id]);
    else queue.push(thread.id);
  }
  if (wait.deadlineNs !== null) k.hal.timer.setThreadTimeout(thread.id, wait.deadlineNs);
  k.readyQueue.stopped(thread);
  if (thread.call !== null) k.threads.remoteReady = k.threads.remoteReady.filter((id) => id !== thread.id);
  if (wait.kind !== "remote" && k.trace.on(threadBlock))
    k.trace.write(threadBlock, { thread: thread.id, wait: describeWait(wait) });
}

/** Takes a blocked thread out of whatever it waits in. */
function detach(k: ThreadKernel, thread: Thread): void {
  const wait = must(thread.wait, "a blocked thread has a wait");
  for (const name of queuesOf(wait)) {
    const queue = must(k.threads.queues.get(name), "the queue of a waiting thread exists");
    // Who is woken is the first in most queues, however many follow.
    const at = queue.indexOf(thread.id);
    spend(k.effort, 32 + at / 4, "items");
    if (queue.length === 1) k.threads.queues.delete(name);
    else queue.splice(at, 1);
  }
  if (wait.deadlineNs !== null) k.hal.timer.cancelThreadTimeout(thread.id, wait.deadlineNs);
}

function wake(k: ThreadKernel, thread: Thread, resume: Resume, how: string): void {
  assert(thread.state === "blocked", "a blocked thread is woken");
  detach(k, thread);
  thread.state = "ready";
  thread.resume = { ...resume };
  if (thread.wait!.kind !== "remote" && k.trace.on(threadWake)) {
    k.trace.write(threadWake, { thread: thread.id, wait: describeWait(thread.wait!), how });
  }
  if (thread.call === null) k.readyQueue.ready(thread);
  else k.threads.remoteReady.push(thread.id);
}

/** Ends a wait of which nothing is left to do: the thread goes on from the registers that it has. */
export function release(k: ThreadKernel, thread: Thread, how: string): void {
  wake(k, thread, { kind: "restart" }, how);
  thread.wait = null;
  thread.resume = null;
}

/** The first `most` threads of a queue that the filter takes go on. */
export function wakeQueue(
  k: ThreadKernel,
  name: string,
  most: number,
  wanted: (wait: Wait) => boolean = () => true,
): number {
  let count = 0;
  const waiting = k.threads.queues.get(name);
  if (waiting === undefined) return 0;
  spend(k.effort, waiting.length, "items");
  for (const id of [...waiting]) {
    if (count >= most) break;
    const thread = getThread(k, id);
    if (!wanted(thread.wait!)) continue;
    wake(k, thread, waitKinds[thread.wait!.kind].woken, "woken");
    count += 1;
  }
  return count;
}

/** The threads that wait in a queue, first come first. */
export const blockedThreads = (k: Pick<ThreadKernel, "threads">, name: string): Thread[] =>
  (k.threads.queues.get(name) ?? []).map((id) => getThread(k, id));

/** Ends a wait with what the waker made of the call. */
export function wakeWith(k: ThreadKernel, thread: Thread, result: number | Errno): void {
  const value = typeof result === "number" ? BigInt(result) : errnoResult(result);
  wake(k, thread, { kind: "complete", value }, "woken");
}

export function timeOut(k: ThreadKernel, id: ThreadId): void {
  const thread = getThread(k, id);
  wake(k, thread, waitKinds[must(thread.wait, "a timeout ends a wait").kind].timeout, "timeout");
}

/** Ends a wait so that the call looks again. */
export const wakeThread = (k: ThreadKernel, thread: Thread, how: string): void =>
  wake(k, thread, { kind: "restart" }, how);

/** A signal came: the thread goes on to take it, unless what it waits for comes first in any case. */
export function interruptWait(k: ThreadKernel, thread: Thread): void {
  if (onSignal(must(thread.wait, "a blocked thread has a wait")) !== "wait")
    wake(k, thread, { kind: "interrupted" }, "signal");
}

/** Ends a wait with EINTR, or with what was done before it; or a client's long call, between two of its steps. */
export function interrupt(k: ThreadKernel, thread: Thread): void {
  // Of a thread that was redirected in the middle of a long call nothing is left of that.
  const resume = thread.wait === null ? interrupted : interruptedOf(thread.wait);
  if (thread.state === "blocked") {
    wake(k, thread, resume, "interrupted");
    return;
  }
  k.readyQueue.stopped(thread);
  thread.resume = { ...resume };
  k.threads.remoteReady.push(thread.id);
}

/** The thread of a remote task is to make a call: it is not blocked any more, and no one schedules it. */
export function beginRemoteCall(thread: Thread): void {
  assert(thread.state === "blocked" && thread.wait?.kind === "remote", "a remote task makes one call at a time");
  thread.state = "ready";
  thread.wait = null;
}

/** Moves up to `most` waiting threads to another queue without waking them. */
export function requeue(k: ThreadKernel, from: string, to: string, most: number): number {
  const moved = (k.threads.queues.get(from) ?? []).slice(0, most);
  for (const id of moved) {
    const thread = getThread(k, id);
    const wait = thread.wait!;
    detach(k, thread);
    thread.state = "ready";
    block(k, thread, { ...wait, queue: to });
  }
  return moved.length;
}

/** The thread ends: whatever it waited for forgets it. */
export function abandon(k: ThreadKernel, thread: Thread): void {
  if (thread.state === "blocked") detach(k, thread);
  k.threads.remoteReady = k.threads.remoteReady.filter((id) => id !== thread.id);
  k.readyQueue.stopped(thread);
}
