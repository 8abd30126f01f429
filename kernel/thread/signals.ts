/**
 * Signals: sent, kept pending, and what they do to the task as a whole (signal(7)).
 *
 * A signal goes to a task or to one thread of it. It is dropped if it is ignored; it ends the task at once if that is
 * what it does and nobody holds it back; else it is pending until a thread that does not mask it is about to return to
 * user mode (entry/signals.ts), and a thread that waits is woken for that. Stopping is done then; going on, at once.
 *
 * Of the signals that are pending the lowest number is taken first, a thread's own before its task's, those of one
 * number in the order in which they were sent. Of a standard signal at most one is pending, of others any number.
 */

import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { TaskId, ThreadId } from "../lib/ids.ts";
import { defaultAction, firstRealTime, lastSignal, signalName, signals, stopSignals } from "../lib/signals.ts";
import { signalDropped, signalSend, taskContinue, taskStop } from "../trace/events/signal.ts";
import { getThread, interruptWait, wakeQueue, wakeThread } from "./blocking.ts";
import type { ThreadKernel } from "./kernel.ts";
import { isInitOfPids, numberFor } from "./pids.ts";
import { mayQueueSignal } from "./rlimits.ts";
import { sharers } from "./sharing.ts";
import type { SignalAction, SignalInfo, Task, Thread } from "./state.ts";
import { killTask } from "./tasks.ts";
import { takenFromTimer } from "./timers.ts";
import { stopTracedThreads, tellListeners } from "./tracing.ts";
import { shownUser } from "./users.ts";

type SignalKernel = Pick<ThreadKernel, "effort">;

const ignoreHandler = 1n;
export const unmaskable: readonly number[] = [signals.SIGKILL, signals.SIGSTOP];
export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);
export const unmaskableSet: bigint = signalBit(signals.SIGKILL) | signalBit(signals.SIGSTOP);

/** Numbers of si_code that are nobody's but the kernel's. */
export const SignalCode = { user: 0, kernel: 0x80, queue: -1, timer: -2, thread: -6 } as const;
export const ChildCode = { exited: 1, killed: 2, trapped: 4, stopped: 5, continued: 6 } as const;

/** A signal that the kernel itself sends. */
export const fromKernel = (signal: number): SignalInfo => ({
  signal,
  code: SignalCode.kernel,
  detail: { kind: "none" },
});

/** What a task sends to another one, or to itself. */
export const fromSender = (
  k: Pick<ThreadKernel, "threads">,
  signal: number,
  code: number,
  sender: Task,
  to = sender,
): SignalInfo => ({
  signal,
  code,
  detail: {
    kind: "sender",
    pid: numberFor(k, to, sender.id),
    uid: shownUser(k, to, sender.credentials.uid),
    value: 0n,
  },
});

/** Who reads signals from files waits here. */
export const signalQueue = (task: TaskId): string => `signals of ${task}`;

export type Effect = "end" | "ignore" | "stop" | "continue" | "handler";

/**
 * What a signal does that is delivered now. Nobody ends or stops the first program of all, and those of PID name spaces
 * only SIGKILL and SIGSTOP `fromAbove`, except by handlers that they have themselves.
 */
export function effectOf(k: Pick<ThreadKernel, "threads">, task: Task, signal: number, fromAbove = true): Effect {
  const handler = unmaskable.includes(signal) ? 0n : (task.signalActions.get(signal)?.handler ?? 0n);
  if (handler === ignoreHandler) return "ignore";
  if (handler !== 0n) return "handler";
  const action = defaultAction(signal);
  if (action !== "end" && action !== "stop") return action;
  const isForced = fromAbove && unmaskable.includes(signal);
  return task.id === k.threads.init || (isInitOfPids(k, task) && !isForced) ? "ignore" : action;
}

/** Whether a signal comes from the kernel, or from somebody whom the receiver cannot see. */
const isFromAbove = ({ code, detail }: SignalInfo): boolean =>
  code === SignalCode.kernel || (detail.kind === "sender" && detail.pid === 0);

const isMasked = (thread: Thread, signal: number): boolean =>
  (thread.signalMask & signalBit(signal)) !== 0n && !unmaskable.includes(signal);

/** Forgets what is pending of these signals, wherever it is. */
export function forgetSignals(k: ThreadKernel, task: Task, which: readonly number[]): void {
  const rest = (pending: SignalInfo[]): SignalInfo[] => pending.filter(({ signal }) => !which.includes(signal));
  if (task.pending.length > 0) task.pending = rest(task.pending);
  for (const id of task.threads) {
    const thread = getThread(k, id);
    if (thread.pending.length > 0) thread.pending = rest(thread.pending);
  }
}

/** Sends a signal to a task, or to one thread of it; EAGAIN when too many are pending. The task may be gone afterwards. */
export function sendSignal(k: ThreadKernel, task: Task, info: SignalInfo, to: Thread | null = null): Errno | null {
  const { signal } = info;
  if (k.trace.on(signalSend)) {
    const thread = to?.id ?? 0;
    k.trace.write(signalSend, { task: task.id, thread, signal, name: signalName(signal), code: BigInt(info.code) });
  }
  const effect = effectOf(k, task, signal, isFromAbove(info));
  const isEnd = signal === signals.SIGKILL && effect === "end";
  if (signal === signals.SIGCONT || isEnd) continueTask(k, task, signal);
  if (signal === signals.SIGCONT) forgetSignals(k, task, stopSignals);
  if (stopSignals.includes(signal)) forgetSignals(k, task, [signals.SIGCONT]);
  const leader = to ?? firstThread(k, task);
  if (leader === null) return null;
  // Who traces it is told of what it ignores, too.
  const held = isMasked(leader, signal) || (leader.tracing !== null && signal !== signals.SIGKILL);
  if (!held && (effect === "ignore" || effect === "continue")) return null;
  if (task.kind === "remote" && (effect === "handler" || effect === "stop")) return dropSignal(k, task, leader, signal);
  return queueSignal(k, task, info, to, effect);
}

const firstThread = (k: ThreadKernel, task: Task): Thread | null => k.threads.threads.get(task.threads[0]!) ?? null;

/** A client's task has no instructions that could handle anything. */
function dropSignal(k: ThreadKernel, task: Task, thread: Thread, signal: number): null {
  if (k.trace.on(signalDropped))
    k.trace.write(signalDropped, { task: task.id, thread: thread.id, signal, name: signalName(signal) });
  return null;
}

function queueSignal(k: ThreadKernel, task: Task, info: SignalInfo, to: Thread | null, effect: Effect): Errno | null {
  const { signal } = info;
  const queue = to?.pending ?? task.pending;
  spend(k.effort, queue.length + task.threads.length, "items");
  const isPending = queue.some((other) => other.signal === signal);
  if (signal < firstRealTime && isPending) return null;
  if (signal >= firstRealTime && !mayQueueSignal(k, task)) return "EAGAIN";
  const receiver = to === null ? receiverOf(k, task, signal) : takes(to, signal) ? to : null;
  const isTraced = receiver !== null && receiver.tracing !== null && signal !== signals.SIGKILL;
  if (effect === "end" && receiver !== null && !waitsFor(receiver, signal) && !isTraced) {
    killTask(k, task, signal);
    return null;
  }
  queue.push(info);
  task.signalsSent += 1;
  if (receiver !== null) tell(k, receiver, signal);
  wakeQueue(k, signalQueue(task.id), Number.POSITIVE_INFINITY);
  return null;
}

/** It waits for this very signal (sigtimedwait(2)), masked or not. */
const waitsFor = ({ state, wait }: Thread, signal: number): boolean =>
  state === "blocked" && wait?.kind === "signals" && (wait.set & signalBit(signal)) !== 0n;

const takes = (thread: Thread, signal: number): boolean => !isMasked(thread, signal) || waitsFor(thread, signal);

/** The first thread that a task's signal can go to. */
function receiverOf(k: ThreadKernel, task: Task, signal: number): Thread | null {
  spend(k.effort, 2 * task.threads.length, "items");
  for (const id of task.threads) {
    const thread = getThread(k, id);
    if (takes(thread, signal)) return thread;
  }
  return null;
}

/** A thread that waits goes on, to take the signal. */
function tell(k: ThreadKernel, thread: Thread, signal: number): void {
  if (thread.state !== "blocked") return;
  if (waitsFor(thread, signal)) wakeThread(k, thread, "signal");
  else interruptWait(k, thread);
}

/** What a thread would have taken, or has been told to. */
export const wouldTake = (thread: Thread): bigint =>
  deliverableSet(thread) | (thread.wait?.kind === "signals" ? thread.wait.set : 0n);

/** A thread will not take these signals any more, which others could take that wait. */
export function passOn(k: ThreadKernel, task: Task, set: bigint): void {
  const nobodys = new Set<number>();
  for (const { signal } of [...task.pending]) {
    if ((set & signalBit(signal)) === 0n || nobodys.has(signal)) continue;
    const receiver = receiverOf(k, task, signal);
    if (receiver === null) nobodys.add(signal);
    else tell(k, receiver, signal);
  }
}

/** What it holds back from now on; nothing that cannot be held. */
export function setSignalMask(k: ThreadKernel, task: Task, thread: Thread, mask: bigint): void {
  const before = thread.signalMask;
  thread.signalMask = BigInt.asUintN(64, mask) & ~unmaskableSet;
  const masked = thread.signalMask & ~before;
  if (task.kind === "remote") takeForClient(k, task, thread);
  else if (masked !== 0n && task.pending.length > 0 && task.threads.length > 1) passOn(k, task, masked);
}

/** A client's task does not return to user mode: what it does not mask any more it takes at once. */
function takeForClient(k: ThreadKernel, task: Task, thread: Thread): void {
  for (;;) {
    const info = takeSignal(k, task, thread, deliverableSet(thread));
    if (info === null) return;
    if (effectOf(k, task, info.signal) !== "end") continue;
    killTask(k, task, info.signal);
    return;
  }
}

/** For as long as the call takes that the thread makes, it has this mask instead (ppoll(2), sigsuspend(2)). */
export function holdSignalMask(k: ThreadKernel, task: Task, thread: Thread, mask: bigint): void {
  thread.savedMask ??= thread.signalMask;
  setSignalMask(k, task, thread, mask);
}

/** Faults of the thread's own come before anything else, then the lowest number. */
const synchronous: readonly number[] = [
  signals.SIGSEGV,
  signals.SIGBUS,
  signals.SIGILL,
  signals.SIGTRAP,
  signals.SIGFPE,
  signals.SIGSYS,
];

const urgencies = Uint8Array.from({ length: lastSignal + 1 }, (_, signal) =>
  synchronous.includes(signal) ? signal : signal + lastSignal,
);

/** Which of those that are pending comes first; looked at before every way out of the kernel. */
function nextOf(k: SignalKernel, pending: readonly SignalInfo[], set: bigint): number {
  if (pending.length === 0) return -1;
  spend(k.effort, pending.length, "items");
  const [low, high] = [Number(set & 0xffff_ffffn), Number(set >> 32n)];
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < pending.length; i++) {
    const bit = pending[i]!.signal - 1;
    if ((((bit < 32 ? low : high) >>> (bit & 31)) & 1) === 0 || urgencies[bit + 1]! >= least) continue;
    best = i;
    least = urgencies[bit + 1]!;
  }
  return best;
}

/** Signals of a set that would be taken next, at most so many, in that order. */
export function pendingIn(k: SignalKernel, task: Task, thread: Thread, set: bigint, most: number): SignalInfo[] {
  const found: SignalInfo[] = [];
  for (const queue of [thread.pending, task.pending]) {
    const pending = [...queue];
    for (let index = nextOf(k, pending, set); index >= 0 && found.length < most; index = nextOf(k, pending, set))
      found.push(...pending.splice(index, 1));
  }
  return found;
}

/** Takes the next pending signal of a set, or null. */
export function takeSignal(k: ThreadKernel, task: Task, thread: Thread, set: bigint): SignalInfo | null {
  for (const { pending } of [thread, task]) {
    const index = nextOf(k, pending, set);
    if (index < 0) continue;
    const info = pending.splice(index, 1)[0]!;
    takenFromTimer(k, task, info);
    return info;
  }
  return null;
}

const everySignal = (1n << 64n) - 1n;

/** What the thread would take now. */
export const deliverableSet = (thread: Thread): bigint => everySignal & ~thread.signalMask;

export function hasSignals(k: SignalKernel, task: Task, thread: Thread): boolean {
  if (thread.pending.length === 0 && task.pending.length === 0) return false;
  const set = deliverableSet(thread);
  return nextOf(k, thread.pending, set) >= 0 || nextOf(k, task.pending, set) >= 0;
}

/** Signals that are pending for the thread, as a set (sigpending(2)). */
export const pendingSet = (task: Task, thread: Thread): bigint =>
  [...thread.pending, ...task.pending].reduce((set, { signal }) => set | signalBit(signal), 0n);

/** Sets what a signal does; what is pending of one that is ignored from now on is forgotten. */
export function setAction(k: ThreadKernel, task: Task, signal: number, action: SignalAction): void {
  for (const each of [task, ...sharers(k, task, "actions")]) {
    each.signalActions.set(signal, { ...action, mask: action.mask & ~unmaskableSet });
    const effect = effectOf(k, each, signal);
    if (effect === "ignore" || effect === "continue") forgetSignals(k, each, [signal]);
  }
}

/** A signal does what it does at first; the flags and the mask of its action stay, as in Linux. */
export function resetAction(k: ThreadKernel, task: Task, signal: number): void {
  for (const { signalActions } of [task, ...sharers(k, task, "actions")]) {
    const action = signalActions.get(signal);
    if (action !== undefined) signalActions.set(signal, { ...action, handler: 0n });
  }
}

/** Signals that had handlers are as they were at first; what is ignored stays ignored. */
export function resetHandlers(task: Task): void {
  for (const [signal, { handler }] of task.signalActions)
    if (handler !== ignoreHandler) task.signalActions.delete(signal);
}

/**
 * A fault of the thread's own goes to its handler; false when there is none, or it is held back: nobody survives that.
 */
export function forceSignal(k: ThreadKernel, task: Task, thread: Thread, info: SignalInfo): boolean {
  if (thread.tracing !== null) return forceOnTraced(k, task, thread, info);
  if (isMasked(thread, info.signal) || effectOf(k, task, info.signal) !== "handler" || task.kind === "remote")
    return false;
  thread.pending.push(info);
  task.signalsSent += 1;
  return true;
}

/** Who traces the thread sees the fault first; what held it back holds no more. */
function forceOnTraced(k: ThreadKernel, task: Task, thread: Thread, info: SignalInfo): boolean {
  const { signal } = info;
  if (isMasked(thread, signal) || effectOf(k, task, signal) === "ignore") {
    resetAction(k, task, signal);
    thread.signalMask &= ~signalBit(signal);
  }
  thread.pending.push(info);
  task.signalsSent += 1;
  return true;
}

export const noStopSignal = 1n;

/** A parent that traces its child is told by that. */
const isTracedBy = (k: ThreadKernel, task: Task, parent: TaskId): boolean =>
  firstThread(k, task)?.tracing?.tracer === parent;

/** Tells a parent that its child was stopped or goes on: who waits, and by a signal if it wants one. */
function tellChange(k: ThreadKernel, task: Task, code: number, status: number): void {
  const parent = task.parent === null ? undefined : k.threads.tasks.get(task.parent);
  if (parent !== undefined && !isTracedBy(k, task, parent.id)) tellOf(k, parent, task, task.id, code, status);
}

/** A task learns what has become of another one, or of a thread of it: if it waits for that, and by a signal. */
export function tellOf(k: ThreadKernel, to: Task, of: Task, id: TaskId | ThreadId, code: number, status: number): void {
  wakeQueue(k, childrenQueue(to.id), Number.POSITIVE_INFINITY);
  if (((to.signalActions.get(signals.SIGCHLD)?.flags ?? 0n) & noStopSignal) !== 0n) return;
  const pid = numberFor(k, to, id);
  const detail = {
    kind: "child",
    pid,
    uid: shownUser(k, to, of.credentials.uid),
    status,
    userNs: of.instructions,
  } as const;
  sendSignal(k, to, { signal: signals.SIGCHLD, code, detail });
}

/** Who waits for children of a task waits here. */
export const childrenQueue = (parent: TaskId): string => `children of ${parent}`;

/** No thread of the task runs any more, until it is continued. */
export function stopTask(k: ThreadKernel, task: Task, signal: number): void {
  task.stopSignal = signal;
  task.change = task.parent !== null && isTracedBy(k, task, task.parent) ? null : "stopped";
  for (const id of task.threads) {
    const thread = getThread(k, id);
    if (thread.state === "ready" && thread.tracing === null) k.readyQueue.stopped(thread);
  }
  stopTracedThreads(k, task, signal);
  if (k.trace.on(taskStop)) k.trace.write(taskStop, { task: task.id, signal, name: signalName(signal) });
  tellChange(k, task, ChildCode.stopped, signal);
}

/** A task that was stopped goes on. `signal`: what made it; one that is to end tells nobody that it goes on. */
function continueTask(k: ThreadKernel, task: Task, signal: number): void {
  if (task.stopSignal === 0) return;
  task.stopSignal = 0;
  task.change = null;
  for (const id of task.threads) {
    const thread = getThread(k, id);
    if (thread.state === "ready" && thread.tracing === null) k.readyQueue.ready(thread);
  }
  if (signal !== signals.SIGCONT) return;
  tellListeners(k, task);
  task.change = "continued";
  if (k.trace.on(taskContinue)) k.trace.write(taskContinue, { task: task.id });
  tellChange(k, task, ChildCode.continued, signals.SIGCONT);
}
