/**
 * Parents and children: who is told of a task's end, who waits for it, and what becomes of orphans.
 *
 * A task that ends leaves a zombie if it has a parent that wants to know. Children of a task that ends are given to
 * init, if the machine has booted one, and else have no parent any more; nobody waits for them, so they leave none.
 *
 * Must hold: whoever is a parent lives; a zombie's number is no living task's.
 */
import type { TaskId } from "../lib/ids.ts";
import { signals } from "../lib/signals.ts";
import { wakeQueue } from "./blocking.ts";
import type { ThreadKernel } from "./kernel.ts";
import { sendSignal } from "./signals.ts";
import type { ExitStatus, Task, Usage, Zombie } from "./state.ts";

/** Who waits for children of a task waits here. */
export const childrenQueue = (parent: TaskId): string => `children of ${parent}`;

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

/** A task has ended, and is in no table any more. */
export function leaveFamily(k: ThreadKernel, task: Task, status: ExitStatus, peakFrames: number): void {
  if (k.threads.init === task.id) k.threads.init = null;
  giveAwayChildren(k, task.id);
  if (task.parent === null) return;
  const usage = { userNs: task.instructions, peakFrames, pageFaults: task.pageFaults };
  addUsage(usage, task.childUsage);
  const { id, name, parent, group, session, exitSignal } = task;
  const zombie = { id, name, parent, group, session, exitSignal, status: { ...status }, usage };
  k.threads.zombies.set(id, { ...zombie, userId: task.credentials.uid });
  tellParent(k, k.threads.zombies.get(id)!);
}

/** Tells the parent of a zombie; one that does not want to know has no zombie, either. */
function tellParent(k: ThreadKernel, zombie: Zombie): void {
  const parent = k.threads.tasks.get(zombie.parent)!;
  if (zombie.exitSignal === signals.SIGCHLD && disownsChildren(parent)) k.threads.zombies.delete(zombie.id);
  if (zombie.exitSignal !== 0) {
    const receiver = k.threads.threads.get(parent.threads[0]!);
    if (receiver !== undefined && sendSignal(k, parent, receiver, zombie.exitSignal)) return;
  }
  tellWaiters(k, zombie.parent);
}

/** Children of one who has ended are init's, or nobody's. */
function giveAwayChildren(k: ThreadKernel, from: TaskId): void {
  const { init } = k.threads;
  for (const child of k.threads.tasks.values()) {
    if (child.parent !== from) continue;
    child.parent = init;
    child.exitSignal = signals.SIGCHLD;
  }
  for (const zombie of [...k.threads.zombies.values()]) {
    if (zombie.parent !== from) continue;
    k.threads.zombies.delete(zombie.id);
    if (init === null) continue;
    k.threads.zombies.set(zombie.id, { ...zombie, parent: init, exitSignal: signals.SIGCHLD });
    tellParent(k, k.threads.zombies.get(zombie.id)!);
  }
}

/** A parent has asked: the zombie is no more. */
export function reap(k: ThreadKernel, parent: Task, zombie: Zombie): void {
  addUsage(parent.childUsage, zombie.usage);
  k.threads.zombies.delete(zombie.id);
}
