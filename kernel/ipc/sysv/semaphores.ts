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
import type { TaskId, ThreadId } from "../../lib/ids.ts";
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
function attempt(
  { sysv: { held } }: SysvKernel,
  set: SemaphoreSet,
  task: TaskId,
  operations: readonly SemaphoreOperation[],
): Tried {
  const values = new Map<number, number>();
  const adjustments = new Map<number, number>();
  const own = set.undo.get(task);
  let more = 0;
  for (const operation of operations) {
    const { semaphore, change, noWait, undo } = operation;
    const now = values.get(semaphore) ?? set.values[semaphore]!;
    const value = now + change;
    if (value < 0 || (change === 0 && now !== 0))
      return noWait ? { kind: "fails", errno: "EAGAIN" } : { kind: "waits", operation };
    if (value > mostValue) return { kind: "fails", errno: "ERANGE" };
    if (undo) {
      const before = adjustments.get(semaphore) ?? own?.get(semaphore) ?? 0;
      if (!adjustments.has(semaphore) && !own?.has(semaphore)) more += 1;
      if (before - change < -mostValue - 1 || before - change > mostValue) return { kind: "fails", errno: "ERANGE" };
      adjustments.set(semaphore, before - change);
    }
    values.set(semaphore, value);
  }
  if (held.adjustments + more > limits.semaphoreAdjustments) return { kind: "fails", errno: "ENOMEM" };
  return { kind: "possible", values };
}

function noteUndo(
  { sysv: { held } }: SysvKernel,
  set: SemaphoreSet,
  task: TaskId,
  { semaphore, change }: SemaphoreOperation,
): void {
  const own = set.undo.get(task) ?? new Map<number, number>();
  set.undo.set(task, own);
  if (!own.has(semaphore)) held.adjustments += 1;
  own.set(semaphore, (own.get(semaphore) ?? 0) - change);
}

/** Nothing of what a process has changed is left to be undone. */
function dropUndo({ sysv: { held } }: SysvKernel, set: SemaphoreSet, task: TaskId): ReadonlyMap<number, number> {
  const own = set.undo.get(task) ?? new Map<number, number>();
  set.undo.delete(task);
  held.adjustments -= own.size;
  return own;
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
  for (const operation of operations) if (operation.undo && operation.change !== 0) noteUndo(k, set, task, operation);
  set.usedAt = secondsNow(k);
}

const operationsOf = ({ wait }: Thread): readonly SemaphoreOperation[] =>
  wait?.kind === "semaphores" ? wait.operations : [];

/** By which semaphore each who waits was found to be held up, and what that was then. */
type HeldUp = Map<ThreadId, { operation: SemaphoreOperation; value: number }>;

/** Whether one is held up still, whatever has become of other semaphores: this one is as it was, or further from enough. */
function isStillHeldUp({ values }: SemaphoreSet, by: { operation: SemaphoreOperation; value: number }): boolean {
  const now = values[by.operation.semaphore]!;
  return by.operation.change < 0 ? now <= by.value : now === by.value;
}

/** Tries one who waits: whether it goes on, having changed something. */
function tryWaiter(k: SysvKernel, set: SemaphoreSet, thread: Thread, heldUp: HeldUp): boolean {
  const by = heldUp.get(thread.id);
  if (thread.state !== "blocked" || (by !== undefined && isStillHeldUp(set, by))) return false;
  const operations = operationsOf(thread);
  spend(k.effort, 4 + operations.length, "items");
  const tried = attempt(k, set, thread.task, operations);
  if (tried.kind === "waits") {
    const { operation } = tried;
    heldUp.set(thread.id, { operation, value: set.values[operation.semaphore]! });
    return false;
  }
  if (tried.kind === "possible") perform(k, set, thread.task, operations, tried.values);
  wakeWith(k, thread, tried.kind === "fails" ? tried.errno : 0);
  return tried.kind === "possible" && changes(operations);
}

/** The set has changed: whoever can go on does. */
export function wakeWaiters(k: SysvKernel, space: number, set: SemaphoreSet): void {
  const waiting = blockedThreads(k, setQueue(space, set));
  const zeros = waiting.filter((thread) => !changes(operationsOf(thread)));
  const others = waiting.filter((thread) => changes(operationsOf(thread)));
  const heldUp: HeldUp = new Map();
  const goesOn = (thread: Thread): boolean => tryWaiter(k, set, thread, heldUp);
  for (let again = true; again; ) {
    spend(k.effort, waiting.length, "items");
    for (const thread of zeros) goesOn(thread);
    again = others.some(goesOn);
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
  const tried = attempt(k, set, task.id, operations);
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
    const operations = operationsOf(thread);
    spend(k.effort, 4 + operations.length, "items");
    const tried = attempt(k, set, thread.task, operations);
    if (tried.kind !== "waits" || tried.operation.semaphore !== semaphore) continue;
    if (zero === (tried.operation.change === 0)) count += 1;
  }
  return count;
}

/** SETVAL, SETALL: nobody's end adds anything to what was set. */
export function setValues(k: SysvKernel, task: Task, set: SemaphoreSet, values: ReadonlyMap<number, number>): void {
  spend(k.effort, (set.undo.size + 1) * values.size, "items");
  for (const [semaphore, value] of values) {
    set.values[semaphore] = value;
    set.pids[semaphore] = task.id;
  }
  for (const own of set.undo.values())
    for (const semaphore of values.keys()) if (own.delete(semaphore)) k.sysv.held.adjustments -= 1;
  set.changedAt = secondsNow(k);
  wakeWaiters(k, task.namespaces.ipc, set);
}

/** A process ends, or leaves what it has changed: its adjustments are made. */
export function undoAll(k: SysvKernel, { id, namespaces }: Task): void {
  const space = k.sysv.spaces.get(namespaces.ipc);
  if (space === undefined) return;
  spend(k.effort, space.sets.entries.size, "items");
  for (const set of space.sets.entries.values()) {
    if (!set.undo.has(id)) continue;
    const own = dropUndo(k, set, id);
    spend(k.effort, own.size, "items");
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
  for (const task of [...set.undo.keys()]) dropUndo(k, set, task);
  wakeQueue(k, setQueue(space, set), Number.POSITIVE_INFINITY);
}

/** Room for so many semaphores more (SEMMNS is all name spaces' together). */
export const hasSemaphores = ({ sysv }: SysvKernel, more: number): boolean =>
  sysv.held.semaphores + more <= limits.semaphores;
