/**
 * Timers of tasks: setitimer(2) and timer_create(2). One that expires sends a signal; one that repeats is set again when
 * that signal is taken, and what was missed until then is its overrun. So a timer never has two signals pending, and
 * one whose signal nobody takes costs nothing.
 *
 * A timer counts virtual time, or the instructions that its task executes, or one of its threads; those are looked at
 * whenever the task is about to run, and bound how far it runs. So is the processor time that it may use (RLIMIT_CPU).
 */
import { spend } from "../lib/effort.ts";
import type { TaskId, ThreadId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { signals } from "../lib/signals.ts";
import type { ThreadKernel } from "./kernel.ts";
import { applyBounds, processorLimits, raiseProcessorLimit } from "./rlimits.ts";
import { fromKernel, SignalCode, sendSignal } from "./signals.ts";
import type { ResourceLimit, SignalInfo, Task, Thread, Timer } from "./state.ts";
import { killTask } from "./tasks.ts";

/** An interval timer's number, below those of a program's own: ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF. */
export const intervalTimer = (which: number): number => -1 - which;
const intervalSignals = [signals.SIGALRM, signals.SIGVTALRM, signals.SIGPROF] as const;

/** What nobody listens to expires at most this often. */
const leastIgnoredNs = 4_000_000;

/** Timers of all tasks, to be gone through. */
function allTimers(k: Pick<ThreadKernel, "threads" | "effort">): Iterable<Timer> {
  const { timers } = k.threads;
  spend(k.effort, timers.size, "items");
  return timers.values();
}

export function findTimer(k: Pick<ThreadKernel, "threads" | "effort">, task: TaskId, number: number): Timer | null {
  for (const timer of allTimers(k)) if (timer.task === task && timer.number === number) return timer;
  return null;
}

/** A number for one more timer of a task's own; null: it has as many as it may, or all have. */
export function freeTimerNumber(k: ThreadKernel, task: Task): number | null {
  const used = new Set<number>();
  let all = 0;
  for (const timer of allTimers(k)) {
    if (timer.number >= 0) all += 1;
    if (timer.task === task.id) used.add(timer.number);
  }
  if (all >= limits.allTimers) return null;
  for (let number = 0; number < limits.timers; number++) if (!used.has(number)) return number;
  return null;
}

export interface NewTimer {
  number: number;
  counts: Timer["counts"];
  counted: ThreadId | null;
  realtime: boolean;
  signal: number;
  value: bigint;
  thread: ThreadId | null;
}

const notSet = { dueNs: null, intervalNs: 0, expiredNs: null, overrun: 0 };

export function createTimer(k: ThreadKernel, task: Task, wanted: NewTimer): Timer {
  const timer: Timer = { id: k.threads.nextTimer++, task: task.id, ...wanted, ...notSet };
  k.threads.timers.set(timer.id, timer);
  return timer;
}

/** The interval timer of a task, made when it is first asked for. */
export function intervalTimerOf(k: ThreadKernel, task: Task, which: 0 | 1 | 2): Timer {
  const number = intervalTimer(which);
  const counts = which === 0 ? "time" : "instructions";
  const signal = intervalSignals[which];
  const wanted = { number, counts, counted: null, realtime: false, signal, value: 0n, thread: null } as const;
  return findTimer(k, task.id, number) ?? createTimer(k, task, wanted);
}

export function timerNow(k: ThreadKernel, { counts, counted, task }: Timer): number {
  if (counts === "time") return k.hal.timer.nowNs();
  return counted === null
    ? k.threads.tasks.get(task)!.instructions
    : (k.threads.threads.get(counted)?.instructions ?? 0);
}

/** Nanoseconds until it expires, at least 1; 0 when it is not set. Of one that sends nothing, as if it had repeated. */
export function timerLeft(k: ThreadKernel, timer: Timer): number {
  if (timer.dueNs === null) return 0;
  const left = timer.dueNs - timerNow(k, timer);
  if (left > 0) return left;
  if (timer.intervalNs === 0) return timer.signal === 0 ? 0 : 1;
  return timer.intervalNs - (-left % timer.intervalNs);
}

/** Sets a timer, or with null stops it; a signal of it that is pending stays. */
export function setTimer(k: ThreadKernel, timer: Timer, dueNs: number | null, intervalNs: number): void {
  arm(k, timer, null);
  timer.intervalNs = intervalNs;
  timer.overrun = 0;
  arm(k, timer, dueNs);
}

function arm(k: ThreadKernel, timer: Timer, dueNs: number | null): void {
  if (timer.dueNs !== null && timer.counts === "time") k.hal.timer.cancelTimer(timer.id, timer.dueNs);
  timer.dueNs = dueNs;
  if (dueNs !== null && timer.counts === "time" && timer.signal !== 0) k.hal.timer.setTimer(timer.id, dueNs);
  if (timer.counts === "instructions") findNext(k, timer.task);
}

const earlier = (due: number | null, other: number): number => Math.min(due ?? other, other);

/** When the next timer expires that counts instructions: the task's, and each thread's own. */
export function findNext(k: ThreadKernel, id: TaskId): void {
  const task = k.threads.tasks.get(id);
  if (task === undefined) return;
  const { softNs, hardNs } = processorLimits(task);
  const limit = Math.min(softNs, hardNs);
  task.timerDue = limit < limits.timeNs ? limit : null;
  spend(k.effort, task.threads.length, "items");
  for (const thread of task.threads) k.threads.threads.get(thread)!.timerDue = null;
  for (const { task: owner, counts, counted, dueNs, signal } of allTimers(k)) {
    if (owner !== id || counts !== "instructions" || dueNs === null || signal === 0) continue;
    const whose = counted === null ? task : k.threads.threads.get(counted);
    if (whose !== undefined) whose.timerDue = earlier(whose.timerDue, dueNs);
  }
}

/** Whether the thread, or its task, has executed what a timer of instructions was set to. */
export const isTimerDue = (task: Task, thread: Thread): boolean =>
  (task.timerDue !== null && task.timerDue <= task.instructions) ||
  (thread.timerDue !== null && thread.timerDue <= thread.instructions);

/** How many instructions the thread may execute until then. */
export const instructionsToTimer = (task: Task, thread: Thread): number =>
  Math.min(
    task.timerDue === null ? Number.POSITIVE_INFINITY : task.timerDue - task.instructions,
    thread.timerDue === null ? Number.POSITIVE_INFINITY : thread.timerDue - thread.instructions,
  );

/** A thread has ended: what counts its instructions will never be due. */
export function stopTimersOf(k: ThreadKernel, task: Task, thread: ThreadId): void {
  for (const timer of allTimers(k))
    if (timer.task === task.id && timer.counted === thread && timer.dueNs !== null) arm(k, timer, null);
}

/** A task gets other limits than it had; those of memory and of processor time count from now on. */
export function setLimit(k: ThreadKernel, task: Task, resource: number, limit: ResourceLimit): void {
  task.resourceLimits.set(resource, limit);
  applyBounds(k, task);
  findNext(k, task.id);
}

export function deleteTimer(k: ThreadKernel, timer: Timer): void {
  arm(k, timer, null);
  k.threads.timers.delete(timer.id);
}

/** A task ends, or (`own`: all but its interval timers) becomes another program. */
export function deleteTimers(k: ThreadKernel, task: TaskId, which: "all" | "own"): void {
  for (const timer of [...allTimers(k)])
    if (timer.task === task && (which === "all" || timer.number >= 0)) deleteTimer(k, timer);
}

const infoOf = ({ number, signal, value }: Timer): SignalInfo =>
  number < 0
    ? { signal, code: SignalCode.kernel, detail: { kind: "none" } }
    : { signal, code: SignalCode.timer, detail: { kind: "timer", timer: number, overrun: 0, value } };

/** The clock has come to what a timer was set to. */
export function expireTimer(k: ThreadKernel, id: number): void {
  const timer = k.threads.timers.get(id)!;
  const task = k.threads.tasks.get(timer.task)!;
  const due = timer.dueNs!;
  timer.dueNs = null;
  if (timer.counts === "instructions") findNext(k, task.id);
  const thread = timer.thread === null ? null : (k.threads.threads.get(timer.thread) ?? null);
  if (timer.thread !== null && thread === null) return;
  timer.expiredNs = due;
  const info = infoOf(timer);
  sendSignal(k, task, info, thread);
  if (!k.threads.timers.has(id) || timer.intervalNs === 0) return;
  const waits = (thread?.pending ?? task.pending).some(({ signal }) => signal === timer.signal);
  if (!waits) repeat(k, timer, Math.max(timer.intervalNs, leastIgnoredNs));
}

/** Sets one that repeats again; how often it would have expired in between. */
function repeat(k: ThreadKernel, timer: Timer, intervalNs: number): number {
  const from = timer.expiredNs ?? timerNow(k, timer);
  const missed = Math.floor(Math.max(0, timerNow(k, timer) - from) / intervalNs);
  arm(k, timer, from + (missed + 1) * intervalNs);
  return missed;
}

/** A signal is taken that a timer may have sent: it is told of its overrun, and the timer goes on. */
export function takenFromTimer(k: ThreadKernel, task: Task, info: SignalInfo): void {
  const number = numberOf(info);
  const timer = number === null ? null : findTimer(k, task.id, number);
  if (timer === null || timer.dueNs !== null || timer.expiredNs === null) return;
  timer.overrun = timer.intervalNs === 0 ? 0 : repeat(k, timer, timer.intervalNs);
  timer.expiredNs = timer.intervalNs === 0 ? null : timer.expiredNs;
  if (info.detail.kind === "timer") info.detail.overrun = timer.overrun;
}

function numberOf({ signal, code, detail }: SignalInfo): number | null {
  if (detail.kind === "timer") return detail.timer;
  const which = code === SignalCode.kernel ? intervalSignals.indexOf(signal as 14) : -1;
  return which < 0 ? null : intervalTimer(which);
}

/** A task has used its processor time: at the hard limit it ends, at the soft one it is told, every second anew. */
function checkProcessorTime(k: ThreadKernel, task: Task): void {
  const { softNs, hardNs } = processorLimits(task);
  if (task.instructions >= hardNs) killTask(k, task, signals.SIGKILL);
  else if (task.instructions >= softNs) {
    raiseProcessorLimit(task);
    findNext(k, task.id);
    sendSignal(k, task, fromKernel(signals.SIGXCPU));
  }
}

/** Timers that count instructions and are due now. */
export function expireTaskTimers(k: ThreadKernel, task: Task): void {
  for (const timer of [...allTimers(k)]) {
    const { dueNs, counts, signal } = timer;
    if (timer.task !== task.id || counts !== "instructions" || dueNs === null || signal === 0) continue;
    if (k.threads.tasks.has(task.id) && dueNs <= timerNow(k, timer)) expireTimer(k, timer.id);
  }
  if (k.threads.tasks.has(task.id)) checkProcessorTime(k, task);
}
