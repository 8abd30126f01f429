/**
 * Parents and children: who is told of a task's end, who waits for it, and what becomes of orphans.
 *
 * A task that ends leaves a zombie if it has a parent that wants to know. Children of a task that ends are given to
 * init, if the machine has booted one, and else have no parent any more; nobody waits for them, so they leave none.
 *
 * Must hold: whoever is a parent lives; a zombie's number is no living task's.
 */

import { spend } from "../lib/effort.ts";
import type { TaskId } from "../lib/ids.ts";
import { signals } from "../lib/signals.ts";
import { wakeQueue } from "./blocking.ts";
import { inOrder, lastStep, type Step, step } from "./endings.ts";
import type { ThreadKernel } from "./kernel.ts";
import { initOf, isInitOfPids, numberFor, pidSpaceOf, releasePids } from "./pids.ts";
import { ChildCode, childrenQueue, fromKernel, sendSignal } from "./signals.ts";
import type { ExitStatus, SignalInfo, Task, Usage, Zombie } from "./state.ts";
import { killTask } from "./tasks.ts";
import { leaveTraced } from "./tracing.ts";
import { shownUser } from "./users.ts";

/** Who waits for a process to end, its child or not, waits here. */
export const endQueue = (id: TaskId): string => `end of ${id}`;

/** Something has become of a child. */
const tellWaiters = (k: ThreadKernel, parent: TaskId): number =>
  wakeQueue(k, childrenQueue(parent), Number.POSITIVE_INFINITY);

const ignoreHandler = 1n;
const noChildWait = 2n;

/** Whether a parent has said that it will not wait for its children. */
function disownsChildren(parent: Task): boolean {
  const action = parent.signalActions.get(signals.SIGCHLD);
  return action !== undefined && (action.handler === ignoreHandler || (action.flags & noChildWait) !== 0n);
}

/** `more` was used, too. Of what several had at most, the most counts. */
export function addUsage(usage: Usage, more: Usage): void {
  usage.userNs += more.userNs;
  usage.peakFrames = Math.max(usage.peakFrames, more.peakFrames);
  usage.pageFaults += more.pageFaults;
}

/** Tasks end one after another, as far as they are still there. */
const endEach = (k: ThreadKernel, ids: Iterable<number>, isMeant: (task: Task) => boolean): Step[] =>
  Array.from(ids, (id) =>
    lastStep(() => {
      const task = k.threads.tasks.get(id as TaskId);
      if (task !== undefined && isMeant(task)) killTask(k, task, signals.SIGKILL);
    }),
  );

/** With the first program everything that it has started ends, and what that has started. */
function endAll(k: ThreadKernel, init: Task): Step[] {
  k.threads.init = null;
  return endEach(k, k.threads.tasks.keys(), ({ job }) => job === init.job);
}

/** With the first task of a PID name space everything ends that is in it, or below it. */
function endAllNumbered(k: ThreadKernel, { namespaces }: Task): void {
  const space = pidSpaceOf(k, namespaces.pid);
  space.ended = true;
  inOrder(
    k,
    endEach(k, space.numbers.keys(), () => true),
  );
}

/** A task has ended, and is in no table any more. */
export function leaveFamily(k: ThreadKernel, task: Task, status: ExitStatus, peakFrames: number): void {
  const isInit = isInitOfPids(k, task);
  const rest = [
    lastStep(() => leaveTraced(k, task.id)),
    lastStep(() => leaveChildren(k, task)),
    lastStep(() => leaveParent(k, task, status, peakFrames)),
    step(() => {
      wakeQueue(k, endQueue(task.id), Number.POSITIVE_INFINITY);
      if (isInit) pidSpaceOf(k, task.namespaces.pid).init = null;
      releasePids(k, [task.id, task.group, task.session]);
    }),
  ];
  if (isInit) rest.unshift(lastStep(() => endAllNumbered(k, task)));
  if (k.threads.init === task.id) rest.unshift(...endAll(k, task));
  inOrder(k, rest);
}

function leaveChildren(k: ThreadKernel, task: Task): void {
  const children = [...k.threads.tasks.values()].filter(({ parent }) => parent === task.id);
  if (children.length === 0 && k.threads.zombies.size === 0) return;
  inOrder(k, [
    lastStep(() => giveAwayChildren(k, task, children)),
    ...children.map((child) =>
      lastStep(() => {
        if (k.threads.tasks.has(child.id)) hangUp(k, child, task);
      }),
    ),
  ]);
}

function leaveParent(k: ThreadKernel, task: Task, status: ExitStatus, peakFrames: number): void {
  const parentOf = (): Task | undefined => (task.parent === null ? undefined : k.threads.tasks.get(task.parent));
  const parent = parentOf();
  if (parent === undefined) return;
  inOrder(k, [
    lastStep(() => hangUp(k, task, parent)),
    lastStep(() => {
      // Who was hung up on may have taken it along.
      if (parentOf() !== undefined) leaveZombie(k, task, status, peakFrames);
    }),
  ]);
}

function leaveZombie(k: ThreadKernel, task: Task, status: ExitStatus, peakFrames: number): void {
  const usage = { userNs: task.instructions, peakFrames, pageFaults: task.pageFaults };
  addUsage(usage, task.childUsage);
  const { id, name, group, session, exitSignal, startNs } = task;
  const parent = task.parent!;
  const zombie = { id, name, parent, group, session, exitSignal, startNs, status: { ...status }, usage };
  k.threads.zombies.set(id, { ...zombie, userId: task.credentials.uid });
  tellParent(k, k.threads.zombies.get(id)!);
}

/** What a zombie's parent is told. */
function infoOf(k: ThreadKernel, parent: Task, zombie: Zombie): SignalInfo {
  const { id, userId, status, usage, exitSignal } = zombie;
  const [pid, uid] = [numberFor(k, parent, id), shownUser(k, parent, userId)];
  const [code, number] = status.kind === "exited" ? [ChildCode.exited, status.code] : [ChildCode.killed, status.signal];
  return { signal: exitSignal, code, detail: { kind: "child", pid, uid, status: number, userNs: usage.userNs } };
}

/** Tells the parent of a zombie; one that does not want to know has no zombie, either. */
function tellParent(k: ThreadKernel, zombie: Zombie): void {
  const parent = k.threads.tasks.get(zombie.parent)!;
  if (zombie.exitSignal === signals.SIGCHLD && disownsChildren(parent)) k.threads.zombies.delete(zombie.id);
  tellWaiters(k, zombie.parent);
  inOrder(k, [
    lastStep(() => {
      if (zombie.exitSignal !== 0) sendSignal(k, parent, infoOf(k, parent, zombie));
    }),
    step(() => releasePids(k, [zombie.id, zombie.group, zombie.session])),
  ]);
}

function forgetZombie(k: ThreadKernel, { id, group, session }: Zombie): void {
  k.threads.zombies.delete(id);
  releasePids(k, [id, group, session]);
}

/**
 * Whether nobody is left in the session who could continue the group's tasks: no member has a parent outside of the
 * group but in the session.
 */
export function isOrphaned(k: Pick<ThreadKernel, "threads" | "effort">, group: TaskId): boolean {
  spend(k.effort, k.threads.tasks.size, "items");
  for (const task of k.threads.tasks.values()) {
    const parent = task.group === group && task.parent !== null ? k.threads.tasks.get(task.parent) : undefined;
    if (parent === undefined) continue;
    if (parent.group !== group && parent.session === task.session) return false;
  }
  return true;
}

/** A group that `left` was the last to look after: what is stopped in it is told to hang up, and goes on. */
function hangUp(k: ThreadKernel, { group, session }: Task, left: { group: TaskId; session: TaskId }): void {
  if (left.group === group || left.session !== session || !isOrphaned(k, group)) return;
  const members = [...k.threads.tasks.values()].filter((task) => task.group === group);
  if (!members.some(({ stopSignal }) => stopSignal !== 0)) return;
  const told = [signals.SIGHUP, signals.SIGCONT].flatMap((signal) => members.map((member) => ({ signal, member })));
  inOrder(
    k,
    told.map(({ signal, member }) =>
      lastStep(() => {
        if (k.threads.tasks.has(member.id)) sendSignal(k, member, fromKernel(signal));
      }),
    ),
  );
}

/**
 * Who takes the children of one who has ended: the next ancestor in its PID name space that said so, else that one's
 * init, else nobody.
 */
function reaperOf(k: ThreadKernel, task: Task): TaskId | null {
  const { pid } = task.namespaces;
  const init = initOf(k, pid);
  if (init === task.id) return null;
  let { parent } = task;
  while (parent !== null) {
    const ancestor = k.threads.tasks.get(parent);
    if (ancestor === undefined || ancestor.namespaces.pid !== pid) break;
    if (ancestor.traits.subreaper) return ancestor.id;
    parent = ancestor.parent;
  }
  return init;
}

/** Children of one who has ended get another parent. */
function giveAwayChildren(k: ThreadKernel, ended: Task, children: readonly Task[]): void {
  const from = ended.id;
  const reaper = reaperOf(k, ended);
  for (const child of children) {
    child.parent = reaper;
    child.exitSignal = signals.SIGCHLD;
  }
  const deaths = children.map(({ id, traits }) =>
    lastStep(() => {
      const child = k.threads.tasks.get(id);
      if (child !== undefined && traits.deathSignal !== 0) sendSignal(k, child, fromKernel(traits.deathSignal));
    }),
  );
  inOrder(k, [...deaths, step(() => giveAwayZombies(k, from, reaper))]);
}

/** Nobody is killed by it: new parents are told by SIGCHLD. */
function giveAwayZombies(k: ThreadKernel, from: TaskId, reaper: TaskId | null): void {
  for (const zombie of [...k.threads.zombies.values()]) {
    if (zombie.parent !== from) continue;
    k.threads.zombies.delete(zombie.id);
    if (reaper === null || !k.threads.tasks.has(reaper)) {
      forgetZombie(k, zombie);
      continue;
    }
    k.threads.zombies.set(zombie.id, { ...zombie, parent: reaper, exitSignal: signals.SIGCHLD });
    tellParent(k, k.threads.zombies.get(zombie.id)!);
  }
}

/** A parent has asked: the zombie is no more. */
export function reap(k: ThreadKernel, parent: Task, zombie: Zombie): void {
  addUsage(parent.childUsage, zombie.usage);
  forgetZombie(k, zombie);
}
