/** Forking: a task that is a copy of the caller's, with one thread that goes on where the caller is. */
import type { Errno } from "../lib/errno.ts";
import { copySpace } from "../mm/fork.ts";
import { getSpace, shareSpace } from "../mm/space.ts";
import type { ThreadKernel } from "./kernel.ts";
import { mayHaveThread } from "./rlimits.ts";
import { inheritScheduling } from "./scheduling.ts";
import { share, sharers } from "./sharing.ts";
import type { Sharing, Task, Thread } from "./state.ts";
import { createChild, inheritName, nameOfThread, nextTaskId } from "./tasks.ts";

export interface ForkRequest {
  /** The child runs in the parent's space (vfork) instead of a copy. */
  sharesMemory: boolean;
  /** What the two have in common from now on. */
  shares: readonly (keyof Sharing)[];
  /** The child is the caller's sibling. */
  sharesParent: boolean;
  exitSignal: number;
  pidSpace: number;
  /** Its numbers in that and those above, the innermost first, as far as they were chosen. */
  pids: readonly number[];
  /** Where the child's stack and thread-local storage are; null: where the parent's are. */
  stack: bigint | null;
  threadPointer: bigint | null;
}

/** What is forked may have no more of each than the machine's limits permit; zombies count. */
function hasRoom(k: ThreadKernel, parent: Task): boolean {
  const { tasks, threads } = k.config.limits;
  // Its own, and one that stands for it, of all who have the parent's.
  if (!k.hasRoomForTask(parent.descriptors.length + sharers(k, parent, "files").length + 2)) return false;
  return k.threads.tasks.size + k.threads.zombies.size < tasks && k.threads.threads.size < threads;
}

/** The child is ready, but the scheduler does not know it yet: whoever asked may have to finish it first. */
export function forkTask(
  k: ThreadKernel,
  parent: Task,
  thread: Thread,
  request: ForkRequest,
): { task: Task; thread: Thread } | Errno {
  if (!hasRoom(k, parent) || !mayHaveThread(k, parent)) return "EAGAIN";
  const space = request.sharesMemory
    ? getSpace(k, parent.space)
    : copySpace(k, getSpace(k, parent.space), nextTaskId(k));
  if (space === null) return "ENOMEM";
  if (request.sharesMemory) shareSpace(k, space.id);
  const wanted = {
    space: space.id,
    name: nameOfThread(k, thread),
    parent: request.sharesParent ? parent.parent : parent.id,
    exitSignal: request.sharesParent ? parent.exitSignal : request.exitSignal,
    pidSpace: request.pidSpace,
    pids: request.pids,
  };
  const context = k.hal.contexts.fork(thread.context, request.stack, request.threadPointer);
  const child = createChild(k, parent, wanted, context);
  for (const what of request.shares) share(k, parent, child.task, what);
  child.thread.signalMask = thread.signalMask;
  inheritScheduling(thread, child.thread);
  inheritName(k, thread, child.thread);
  child.thread.affinity = thread.affinity;
  // A handler's stack is memory: a child that has its own copy has that, too.
  if (!request.sharesMemory) child.thread.signalStack = { ...thread.signalStack };
  return child;
}
