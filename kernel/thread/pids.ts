/**
 * PID name spaces (pid_namespaces(7)): each numbers the tasks and threads that were made in it, or in one below it, anew.
 *
 * An id is what the kernel knows a task or thread by, and its number in the first name space (0), where nothing more is
 * kept; in every other one that it is in, it has a number by the tables here. A group or session has its first task's.
 * The first task of a name space is its init: orphans become its children, and with it everything in it ends.
 *
 * Must hold: `numbers` and `ids` of a name space are each other's inverse; who has a number in one has one in all above
 * it; an id has its numbers exactly as long as a task, zombie or thread has it, or a group, session or tracer knows it.
 */
import { must } from "../lib/assert.ts";
import { type Effort, spend } from "../lib/effort.ts";
import type { TaskId, ThreadId } from "../lib/ids.ts";
import type { PidName, PidSpace, Task, ThreadsState, Zombie } from "./state.ts";

interface PidKernel {
  readonly threads: ThreadsState;
  readonly effort: Effort;
}

/** Linux's MAX_PID_NS_LEVEL. */
export const deepestPidSpace = 32;
/** Numbers are below this (pid_max), and begin there again when they are used up. */
export const mostPids = 2 ** 22;
const firstPidAgain = 300;
/** No task's or thread's id. */
const nobody = -1;

export const pidSpaceOf = (k: Pick<PidKernel, "threads">, space: number): PidSpace =>
  must(k.threads.pidSpaces.get(space), "the PID name space exists");

export const depthOf = (k: Pick<PidKernel, "threads">, space: number): number =>
  space === 0 ? 0 : pidSpaceOf(k, space).depth;
export const parentOfPids = (k: Pick<PidKernel, "threads">, space: number): number => pidSpaceOf(k, space).parent;

export function newPidSpace(k: Pick<PidKernel, "threads">, space: number, parent: number): void {
  const depth = depthOf(k, parent) + 1;
  k.threads.pidSpaces.set(space, {
    ...{ parent, depth, init: null, ended: false, last: 0 },
    numbers: new Map(),
    ids: new Map(),
  });
}

/** Whether a name space is another one, or below it. */
export function isWithinPids(k: Pick<PidKernel, "threads">, space: number, above: number): boolean {
  let at = space;
  while (at !== above && at !== 0) at = parentOfPids(k, at);
  return at === above;
}

/** What an id is called in a name space; 0: it is not to be seen there. */
export const numberIn = (k: Pick<PidKernel, "threads">, space: number, id: number): number =>
  space === 0 ? id : (pidSpaceOf(k, space).numbers.get(id) ?? 0);

/** What a task calls an id. */
export const numberFor = (
  k: Pick<PidKernel, "threads">,
  { namespaces }: Pick<Task, "namespaces">,
  id: number | null,
): number => (id === null ? 0 : numberIn(k, namespaces.pid, id));

/** The id that has a number in a name space, if anybody's; else one that nobody has. */
export const idIn = (k: Pick<PidKernel, "threads">, space: number, number: number): number =>
  space === 0 ? number : (pidSpaceOf(k, space).ids.get(number) ?? nobody);

/** The id that a task means by a number; what is not above 0 stays as it is. */
export const idFor = (
  k: Pick<PidKernel, "threads">,
  { namespaces }: Pick<Task, "namespaces">,
  number: number,
): number => (number <= 0 ? number : idIn(k, namespaces.pid, number));

export const taskFor = (k: Pick<PidKernel, "threads">, reader: Task, number: number): Task | undefined =>
  k.threads.tasks.get(idFor(k, reader, number) as TaskId);
export const threadFor = (k: Pick<PidKernel, "threads">, reader: Task, number: number) =>
  k.threads.threads.get(idFor(k, reader, number) as ThreadId);

/** What an id is called in a name space and in those below that it is in, the outermost first (NSpid). */
export function numbersFrom(k: PidKernel, space: number, id: number): number[] {
  spend(k.effort, k.threads.pidSpaces.size, "items");
  const below = [...k.threads.pidSpaces].filter(([own, { numbers }]) => numbers.has(id) && own !== space);
  const inner = below.filter(([own]) => isWithinPids(k, own, space)).sort(([, a], [, b]) => a.depth - b.depth);
  return [numberIn(k, space, id), ...inner.map(([, { numbers }]) => numbers.get(id)!)];
}

/** What an id is called in each name space but the first, to be told of it when it may be no more. */
export function namesOf({ threads: { pidSpaces }, effort }: PidKernel, id: number): PidName[] {
  spend(effort, pidSpaces.size, "items");
  return [...pidSpaces].flatMap(([space, { numbers }]) => {
    const number = numbers.get(id);
    return number === undefined ? [] : [{ space, number }];
  });
}

/** What a task calls, or called, an id that had these names. */
export const namedFor = ({ namespaces: { pid } }: Task, id: number, names: readonly PidName[]): number =>
  pid === 0 ? id : (names.find(({ space }) => space === pid)?.number ?? 0);

function nextNumber(space: PidSpace): number {
  do space.last = space.last + 1 < mostPids ? space.last + 1 : firstPidAgain;
  while (space.ids.has(space.last));
  return space.last;
}

/** A task or thread that was just made gets its numbers; `chosen`: those that it was asked to have, the innermost first. */
export function givePids(k: Pick<PidKernel, "threads">, own: number, id: number, chosen: readonly number[] = []): void {
  let level = 0;
  for (let at = own; at !== 0; level++) {
    const space = pidSpaceOf(k, at);
    const number = chosen[level] ?? nextNumber(space);
    space.numbers.set(id, number);
    space.ids.set(number, id);
    at = space.parent;
  }
}

function isKnown(k: PidKernel, id: number): boolean {
  const { tasks, zombies, threads, tracedEnds, pidSpaces } = k.threads;
  if (tasks.has(id as TaskId) || zombies.has(id as TaskId) || threads.has(id as ThreadId)) return true;
  spend(k.effort, tasks.size + zombies.size + tracedEnds.length + pidSpaces.size, "items");
  const knows = ({ group, session }: Task | Zombie): boolean => group === id || session === id;
  for (const task of tasks.values()) if (knows(task)) return true;
  for (const zombie of zombies.values()) if (knows(zombie)) return true;
  // An init that is ending is in no table any more; its name space is needed until all that is in it has ended.
  for (const { init } of pidSpaces.values()) if (init === id) return true;
  return tracedEnds.some((end) => end.id === id);
}

/** Somebody has gone: of these ids nobody needs the numbers any more that nobody knows. */
export function releasePids(k: PidKernel, ids: Iterable<number>): void {
  const { pidSpaces } = k.threads;
  if (pidSpaces.size === 0) return;
  for (const id of new Set(ids)) {
    if (isKnown(k, id)) continue;
    for (const space of pidSpaces.values()) {
      const number = space.numbers.get(id);
      if (number === undefined) continue;
      space.numbers.delete(id);
      space.ids.delete(number);
    }
  }
}

/** Whether a task is the first of its name space: orphans' parent, whom nobody in it can end. */
export const isInitOfPids = (k: Pick<PidKernel, "threads">, { id, namespaces: { pid } }: Task): boolean =>
  pid !== 0 && initOf(k, pid) === id;

/** Who looks after orphans of a name space; nobody any more, if that has ended while its tasks do. */
export const initOf = (k: Pick<PidKernel, "threads">, space: number): TaskId | null =>
  space === 0 ? k.threads.init : (k.threads.pidSpaces.get(space)?.init ?? null);
