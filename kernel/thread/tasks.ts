/** Life and death of tasks and threads. */
import { pageBytes, type SavedContext } from "../hal/types.ts";
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import { errnoResult } from "../lib/errno.ts";
import type { SpaceId, TaskId, ThreadId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { signals } from "../lib/signals.ts";
import { getSpace, leaveSpace } from "../mm/space.ts";
import { taskExit, taskStart, threadCreate, threadExit } from "../trace/events/task.ts";
import { abandon, getThread, wakeQueue } from "./blocking.ts";
import { copyCredentials, userCredentials } from "./credentials.ts";
import { inOrder, lastStep, step } from "./endings.ts";
import { leaveFamily } from "./family.ts";
import { beginJob, endJob } from "./jobs.ts";
import type { ThreadKernel } from "./kernel.ts";
import { givePids, pidSpaceOf, releasePids } from "./pids.ts";
import { highestPriority, usualScheduling } from "./scheduling.ts";
import { sharesNothing } from "./sharing.ts";
import { passOn, wouldTake } from "./signals.ts";
import type { ExitStatus, Place, SignalAction, Task, TaskLimits, Thread, Usage } from "./state.ts";
import { deleteTimers, findNext, stopTimersOf } from "./timers.ts";
import { noteTracedEnd } from "./tracing.ts";

/** Every one that there could be. */
export const allHarts = 2 ** limits.harts - 1;

export const getTask = (k: Pick<ThreadKernel, "threads">, id: TaskId): Task =>
  must(k.threads.tasks.get(id), "the task exists");
export const taskOf = (k: Pick<ThreadKernel, "threads">, thread: Thread): Task => getTask(k, thread.task);

/** The number that the next task gets. */
export const nextTaskId = (k: ThreadKernel): TaskId => k.threads.nextId as TaskId;

export interface NewTask {
  name: string;
  kind: "program" | "remote";
  space: SpaceId;
  limits: TaskLimits;
  executable: string;
  /** Where its paths begin. */
  root: Place;
}

const noUsage = (): Usage => ({ userNs: 0, peakFrames: 0, pageFaults: 0 });

const fresh = (k: ThreadKernel, id: TaskId) => ({
  id,
  threads: [],
  descriptors: [],
  startNs: k.hal.timer.nowNs(),
  instructions: 0,
  outputBytes: 0,
  systemCalls: 0,
  pageFaults: 0,
  childUsage: noUsage(),
  executed: false,
  pending: [],
  signalsSent: 0,
  stopSignal: 0,
  timerDue: null,
  change: null,
  sharing: sharesNothing(),
  fault: null,
});

function addTask(
  k: ThreadKernel,
  task: Task,
  context: SavedContext,
  pids: readonly number[] = [],
): { task: Task; thread: Thread } {
  k.threads.tasks.set(task.id, task);
  for (const resource of k.taskResources) resource.begin?.(task);
  if (k.trace.on(taskStart)) k.trace.write(taskStart, { task: task.id, name: task.name, kind: task.kind });
  k.outlet.taskStarted(task.id, task.name);
  return { task, thread: createThread(k, task, context, pids) };
}

const usualSlackNs = 50_000n;

/** What a thread is called: the first one as its process. */
export const nameOfThread = (k: ThreadKernel, thread: Thread): string => thread.name ?? taskOf(k, thread).name;

export function renameThread(k: ThreadKernel, thread: Thread, name: string): void {
  if (thread.name === null) taskOf(k, thread).name = name;
  else thread.name = name;
}

/** A new thread has the name of the one that made it, and what that has as its slack by default. */
export function inheritName(k: ThreadKernel, from: Thread, to: Thread): void {
  if (to.task === from.task) to.name = nameOfThread(k, from);
  to.slack = { ns: from.slack.ns, usualNs: from.slack.ns };
}

/** What a task has used so far. */
export const usageOf = (k: ThreadKernel, task: Task): Usage => ({
  userNs: task.instructions,
  peakFrames: getSpace(k, task.space).peakFrames,
  pageFaults: task.pageFaults,
});

/** A task that the host starts, with its first thread, which is ready but not yet known to the scheduler. */
export function createTask(k: ThreadKernel, wanted: NewTask, context: SavedContext): { task: Task; thread: Thread } {
  const { name, kind, space, executable, root } = wanted;
  const id = nextTaskId(k);
  beginJob(k, id, wanted.limits);
  const task: Task = {
    ...fresh(k, id),
    ...{ name, kind, space, executable },
    job: id,
    parent: null,
    exitSignal: signals.SIGCHLD,
    group: id,
    session: id,
    credentials: userCredentials(),
    namespaces: { uts: 0, ipc: 0, net: 0, mnt: 0, pid: 0, childPid: 0 },
    traits: { dumpable: true, noNewPrivileges: false, subreaper: false, deathSignal: 0, persona: 0 },
    resourceLimits: new Map(),
    root: { ...root },
    directory: { ...root },
    signalActions: new Map(),
    fileModeMask: 0o022,
  };
  return addTask(k, task, context);
}

const copyActions = (actions: ReadonlyMap<number, SignalAction>): Map<number, SignalAction> =>
  new Map([...actions].map(([signal, action]) => [signal, { ...action }]));

export interface NewChild {
  space: SpaceId;
  /** As the thread is called that makes it. */
  name: string;
  parent: TaskId | null;
  exitSignal: number;
  /** Where it is numbered, and the numbers that were chosen for it there and above. */
  pidSpace: number;
  pids: readonly number[];
}

/** A child of a task, in a space that is the child's by now; descriptors and the like are copied, too. */
export function createChild(
  k: ThreadKernel,
  parent: Task,
  { pidSpace, pids, ...wanted }: NewChild,
  context: SavedContext,
): { task: Task; thread: Thread } {
  const { executable, job, group, session, fileModeMask } = parent;
  const task: Task = {
    ...fresh(k, nextTaskId(k)),
    ...{ executable, job, group, session, fileModeMask },
    root: { ...parent.root },
    directory: { ...parent.directory },
    ...wanted,
    kind: "program",
    credentials: copyCredentials(parent.credentials),
    namespaces: { ...parent.namespaces, pid: pidSpace, childPid: pidSpace },
    traits: { ...parent.traits, subreaper: false, deathSignal: 0 },
    resourceLimits: new Map([...parent.resourceLimits].map(([resource, limit]) => [resource, { ...limit }])),
    signalActions: copyActions(parent.signalActions),
  };
  if (pidSpace !== 0) pidSpaceOf(k, pidSpace).init ??= task.id;
  const added = addTask(k, task, context, pids);
  for (const resource of k.taskResources) resource.inherit?.(parent, task);
  findNext(k, task.id);
  return added;
}

export function createThread(k: ThreadKernel, task: Task, context: SavedContext, pids: readonly number[] = []): Thread {
  const thread: Thread = {
    id: k.threads.nextId++ as ThreadId,
    task: task.id,
    state: "ready",
    context,
    wait: null,
    resume: null,
    instructions: 0,
    timerDue: null,
    priority: highestPriority,
    scheduling: usualScheduling(),
    hart: 0,
    affinity: allHarts,
    quantumLeft: 0,
    tcb: null,
    clearOnExit: 0n,
    robustList: 0n,
    signalMask: 0n,
    savedMask: null,
    pending: [],
    signalStack: { address: 0n, flags: 0, size: 0n },
    tracing: null,
    name: task.threads.length === 0 ? null : task.name,
    slack: { ns: usualSlackNs, usualNs: usualSlackNs },
    call: null,
  };
  k.threads.threads.set(thread.id, thread);
  task.threads.push(thread.id);
  givePids(k, task.namespaces.pid, thread.id, pids);
  if (k.trace.on(threadCreate)) k.trace.write(threadCreate, { task: task.id, thread: thread.id });
  return thread;
}

/** One of several threads ends; a client's call in it returns. The last one ends by `exitTask`. */
export function exitThread(
  k: ThreadKernel,
  thread: Thread,
  status: ExitStatus = { kind: "exited", code: 0 },
  value: bigint = errnoResult("EINTR"),
): void {
  const task = taskOf(k, thread);
  spend(k.effort, task.threads.length, "items");
  noteTracedEnd(k, task, thread, status);
  for (const resource of k.taskResources) resource.threadEnds?.(task, thread);
  abandon(k, thread);
  if (thread.call !== null) {
    const { id, buffers, invocation } = thread.call;
    const answer = invocation === undefined ? null : ({ kind: "cancelled" } as const);
    thread.call = null;
    k.outlet.callDone(
      id,
      value,
      buffers.map(() => new Uint8Array(0)),
      "",
      answer,
    );
  }
  k.threads.threads.delete(thread.id);
  task.threads = task.threads.filter((id) => id !== thread.id);
  releasePids(k, [thread.id]);
  stopTimersOf(k, task, thread.id);
  if (k.trace.on(threadExit)) k.trace.write(threadExit, { task: task.id, thread: thread.id });
  if (task.threads.length > 0 && task.pending.length > 0) passOn(k, task, wouldTake(thread));
}

export const vforkQueue = (child: TaskId): string => `vfork ${child}`;

/** A task ends with all its threads and gives everything back. Its parent is told, its children get another one. */
export function exitTask(k: ThreadKernel, task: Task, status: ExitStatus): void {
  let peakFrames = 0;
  inOrder(k, [
    step(() => {
      peakFrames = giveBack(k, task, status);
    }),
    lastStep(() => leaveFamily(k, task, status, peakFrames)),
    step(() => {
      for (const resource of k.taskResources) resource.ended?.();
    }),
  ]);
}

/** All that a task had goes, and it is in no table any more. Returned: the most frames that it had at a time. */
function giveBack(k: ThreadKernel, task: Task, status: ExitStatus): number {
  const value = status.kind === "exited" ? 0n : errnoResult("EINTR");
  // All are asked whether they are its children, of its job, or traced by it.
  const { tasks, zombies, threads, tracedEnds } = k.threads;
  spend(k.effort, 8 * (tasks.size + zombies.size) + 2 * threads.size + tracedEnds.length, "items");
  // None of its threads will take them, and none has to be told by another one that ends.
  task.pending = [];
  for (const id of [...task.threads]) exitThread(k, getThread(k, id), status, value);
  for (const resource of k.taskResources) resource.release?.(task);
  deleteTimers(k, task.id, "all");
  const { peakFrames } = getSpace(k, task.space);
  leaveSpace(k, task.space);
  k.threads.tasks.delete(task.id);
  endJob(k, task.job);
  remember(k, task, status, peakFrames * pageBytes);
  if (k.trace.on(taskExit)) {
    const code = status.kind === "exited" ? status.code : status.signal;
    k.trace.write(taskExit, { task: task.id, status: status.kind, code, instructions: BigInt(task.instructions) });
  }
  k.outlet.taskExited(task.id, status, task.instructions, peakFrames * pageBytes, task.fault);
  wakeQueue(k, vforkQueue(task.id), 1);
  return peakFrames;
}

function remember(k: ThreadKernel, task: Task, status: ExitStatus, peakMemoryBytes: number): void {
  const { id, name, kind, instructions, outputBytes, systemCalls, pageFaults } = task;
  k.threads.exited.push({
    id,
    name,
    kind,
    status: { ...status },
    instructions,
    peakMemoryBytes,
    outputBytes,
    systemCalls,
    pageFaults,
  });
  if (k.threads.exited.length > limits.exitedTasks) k.threads.exited.shift();
}

export const killTask = (k: ThreadKernel, task: Task, signal: number): void =>
  exitTask(k, task, { kind: "signaled", signal });
