/**
 * Sets of semaphores: operations that are done all at once or not at all (semop(2)).
 *
 * Who cannot go on waits in the set's queue with its operations. Whenever something changes, those who wait are tried
 * first come first, those that only wait for zeros before the others; for who can go on the operations are done right
 * then, so nobody who comes later gets before it.
 *
 * Must hold: nobody waits whose operations could be done.
 */
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import { blockedThreads, wakeQueue, wakeWith } from "../../thread/blocking.ts";
import type { Task, Thread } from "../../thread/state.ts";
import type { Wait } from "../../thread/wait.ts";
import { removeObject, type SysvKernel, secondsNow } from "./objects.ts";
import type { IpcTable, SemaphoreOperation, SemaphoreSet } from "./state.ts";

/** SEMVMX; an adjustment is at most that, too (SEMAEM). */
export const mostValue = 32767;

export const setQueue = (space: number, { id }: SemaphoreSet): string => `semaphores ${space}:${id}`;

type Tried =
  | { kind: "possible"; values: Map<number, number> }
  | { kind: "waits"; operation: SemaphoreOperation }
  | { kind: "fails"; errno: Errno };

/** What would become of the set, changing nothing. */
function attempt(set: SemaphoreSet, task: TaskId, operations: readonly SemaphoreOperation[]): Tried {
  const values = new Map<number, number>();
  const adjustments = new Map<number, number>();
  for (const operation of operations) {
    const { semaphore, change, noWait, undo } = operation;
    const now = values.get(semaphore) ?? set.values[semaphore]!;
    const value = now + change;
    if (value < 0 || (change === 0 && now !== 0))
      return noWait ? { kind: "fails", errno: "EAGAIN" } : { kind: "waits", operation };
    if (value > mostValue) return { kind: "fails", errno: "ERANGE" };
    if (undo) {
      const before = adjustments.get(semaphore) ?? set.undo.get(task)?.get(semaphore) ?? 0;
      if (before - change < -mostValue - 1 || before - change > mostValue) return { kind: "fails", errno: "ERANGE" };
      adjustments.set(semaphore, before - change);
    }
    values.set(semaphore, value);
  }
  return { kind: "possible", values };
}

function noteUndo(set: SemaphoreSet, task: TaskId, { semaphore, change }: SemaphoreOperation): void {
  const own = set.undo.get(task) ?? new Map<number, number>();
  set.undo.set(task, own);
  own.set(semaphore, (own.get(semaphore) ?? 0) - change);
}

const changes = (operations: readonly SemaphoreOperation[]): boolean => operations.some(({ change }) => change !== 0);

function perform(
  k: SysvKernel,
  set: SemaphoreSet,
  task: TaskId,
  operations: readonly SemaphoreOperation[],
  values: ReadonlyMap<number, number>,
): void {
  for (const [semaphore, value] of values) {
    set.values[semaphore] = value;
    set.pids[semaphore] = task;
  }
  for (const operation of operations) if (operation.undo && operation.change !== 0) noteUndo(set, task, operation);
  set.usedAt = secondsNow(k);
}

const operationsOf = ({ wait }: Thread): readonly SemaphoreOperation[] =>
  wait?.kind === "semaphores" ? wait.operations : [];

/** Tries one who waits: whether it goes on, having changed something. */
function tryWaiter(k: SysvKernel, set: SemaphoreSet, thread: Thread): boolean {
  const operations = operationsOf(thread);
  spend(k.effort, 4 + operations.length, "items");
  const tried = attempt(set, thread.task, operations);
  if (tried.kind === "waits") return false;
  if (tried.kind === "possible") perform(k, set, thread.task, operations, tried.values);
  wakeWith(k, thread, tried.kind === "fails" ? tried.errno : 0);
  return tried.kind === "possible" && changes(operations);
}

/** The set has changed: whoever can go on does. */
export function wakeWaiters(k: SysvKernel, space: number, set: SemaphoreSet): void {
  for (let again = true; again; ) {
    const waiting = blockedThreads(k, setQueue(space, set));
    spend(k.effort, waiting.length, "items");
    for (const thread of waiting) if (!changes(operationsOf(thread))) tryWaiter(k, set, thread);
    again = waiting.some(
      (thread) => changes(operationsOf(thread)) && thread.state === "blocked" && tryWaiter(k, set, thread),
    );
  }
}

/** Does the operations, or says why not; or what the thread waits for. */
export function operate(
  k: SysvKernel,
  task: Task,
  set: SemaphoreSet,
  operations: SemaphoreOperation[],
  deadlineNs: number | null,
): null | Errno | Wait {
  spend(k.effort, operations.length, "items");
  const tried = attempt(set, task.id, operations);
  const space = task.namespaces.ipc;
  if (tried.kind === "fails") return tried.errno;
  if (tried.kind === "waits") return { kind: "semaphores", queue: setQueue(space, set), deadlineNs, operations };
  perform(k, set, task.id, operations, tried.values);
  if (changes(operations)) wakeWaiters(k, space, set);
  return null;
}

/** How many wait for a semaphore to grow, or to be zero: each is held up by one of its operations (GETNCNT, GETZCNT). */
export function waitersFor(k: SysvKernel, space: number, set: SemaphoreSet, semaphore: number, zero: boolean): number {
  let count = 0;
  for (const thread of blockedThreads(k, setQueue(space, set))) {
    const tried = attempt(set, thread.task, operationsOf(thread));
    if (tried.kind !== "waits" || tried.operation.semaphore !== semaphore) continue;
    if (zero === (tried.operation.change === 0)) count += 1;
  }
  return count;
}

/** SETVAL, SETALL: nobody's end adds anything to what was set. */
export function setValues(k: SysvKernel, task: Task, set: SemaphoreSet, values: ReadonlyMap<number, number>): void {
  spend(k.effort, set.undo.size + values.size, "items");
  for (const [semaphore, value] of values) {
    set.values[semaphore] = value;
    set.pids[semaphore] = task.id;
  }
  for (const own of set.undo.values()) for (const semaphore of values.keys()) own.delete(semaphore);
  set.changedAt = secondsNow(k);
  wakeWaiters(k, task.namespaces.ipc, set);
}

/** A process ends, or leaves what it has changed: its adjustments are made. */
export function undoAll(k: SysvKernel, { id, namespaces }: Task): void {
  const space = k.sysv.spaces.get(namespaces.ipc);
  if (space === undefined) return;
  spend(k.effort, space.sets.entries.size, "items");
  for (const set of space.sets.entries.values()) {
    const own = set.undo.get(id);
    if (own === undefined) continue;
    set.undo.delete(id);
    for (const [semaphore, adjustment] of own) {
      if (adjustment === 0) continue;
      set.values[semaphore] = Math.min(mostValue, Math.max(0, set.values[semaphore]! + adjustment));
      set.pids[semaphore] = id;
    }
    set.usedAt = secondsNow(k);
    wakeWaiters(k, namespaces.ipc, set);
  }
}

/** The set goes; who waits for it is told (EIDRM). */
export function removeSet(k: SysvKernel, space: number, table: IpcTable<SemaphoreSet>, set: SemaphoreSet): void {
  removeObject(k, table, set);
  k.sysv.held.semaphores -= set.values.length;
  wakeQueue(k, setQueue(space, set), Number.POSITIVE_INFINITY);
}

/** Room for so many semaphores more (SEMMNS is all name spaces' together). */
export const hasSemaphores = ({ sysv }: SysvKernel, more: number): boolean =>
  sysv.held.semaphores + more <= limits.semaphores;
