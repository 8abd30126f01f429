/**
 * Resource limits (getrlimit(2)): what a task was allowed, and the usual where nobody said anything.
 *
 * A limit that bounds memory is looked at where memory is asked for, which knows nothing of tasks; so an address space
 * has a copy of those (`Space.bounds`), written whenever one of them changes.
 */
import { pageBytes } from "../hal/types.ts";
import { alignDown } from "../lib/bits.ts";
import { spend } from "../lib/effort.ts";
import { limits } from "../lib/limits.ts";
import { getSpace, mostStackBytes } from "../mm/space.ts";
import type { SpaceBounds } from "../mm/state.ts";
import { Cap, hasCapability } from "./capabilities.ts";
import { jobOf } from "./jobs.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { ResourceLimit, Task } from "./state.ts";

export const Resource = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;
export const lastResource: number = Resource.RLIMIT_RTTIME;

export const unlimited = 0xffff_ffff_ffff_ffffn;
const nanosecondsPerSecond = 1_000_000_000;

type LimitKernel = Pick<ThreadKernel, "threads" | "config">;

const both = (value: number): ResourceLimit => ({ soft: BigInt(value), hard: BigInt(value) });
const free: ResourceLimit = { soft: unlimited, hard: unlimited };

/** What a task has that never set the limit, nor had it from who did. */
function usualLimit(k: LimitKernel, task: Task, resource: number): ResourceLimit {
  const { memoryBytes } = jobOf(k, task).limits;
  switch (resource) {
    case Resource.RLIMIT_STACK:
      return { soft: BigInt(limits.stackBytes), hard: unlimited };
    case Resource.RLIMIT_CORE:
      return { soft: 0n, hard: unlimited };
    case Resource.RLIMIT_RSS:
      return memoryBytes === 0 ? free : both(memoryBytes);
    case Resource.RLIMIT_NPROC:
      return both(k.config.limits.threads);
    case Resource.RLIMIT_NOFILE:
      return both(limits.descriptors);
    case Resource.RLIMIT_MEMLOCK:
      return both(limits.lockedBytes);
    case Resource.RLIMIT_SIGPENDING:
      return both(limits.pendingSignals);
    case Resource.RLIMIT_MSGQUEUE:
      return both(819_200);
    case Resource.RLIMIT_NICE:
    case Resource.RLIMIT_RTPRIO:
      return both(0);
    default:
      return free;
  }
}

export const limitOf = (k: LimitKernel, task: Task, resource: number): ResourceLimit =>
  task.resourceLimits.get(resource) ?? usualLimit(k, task, resource);

/** Where there is no limit, what no count reaches. */
const boundless = Number.MAX_SAFE_INTEGER;
const toNumber = (limit: bigint): number => (limit > BigInt(boundless) ? boundless : Number(limit));

/** What counts now, as a number. */
export const softLimit = (k: LimitKernel, task: Task, resource: number): number =>
  toNumber(limitOf(k, task, resource).soft);

/** Who gets round the limit of how much is locked. */
export const isUnbound = ({ credentials }: Task): boolean => hasCapability(credentials, Cap.IPC_LOCK);

/** Of memory: as an address space keeps them, in bytes. */
export function boundsOf(k: LimitKernel, task: Task): SpaceBounds {
  const bytes = (resource: number): number => {
    const limit = softLimit(k, task, resource);
    return limit === boundless ? limit : alignDown(limit, pageBytes);
  };
  const stack = Math.min(bytes(Resource.RLIMIT_STACK), mostStackBytes);
  return { total: bytes(Resource.RLIMIT_AS), data: bytes(Resource.RLIMIT_DATA), stack };
}

/** The task's address space follows its limits. */
export function applyBounds(k: ThreadKernel, task: Task): void {
  getSpace(k, task.space).bounds = boundsOf(k, task);
}

/** Whether a user may have one thread more (RLIMIT_NPROC). */
export function mayHaveThread(k: ThreadKernel, task: Task): boolean {
  const { credentials: own } = task;
  if (own.uid === 0 || hasCapability(own, Cap.SYS_RESOURCE) || hasCapability(own, Cap.SYS_ADMIN)) return true;
  let count = 0;
  spend(k.effort, k.threads.tasks.size + k.threads.zombies.size, "items");
  for (const { credentials, threads } of k.threads.tasks.values())
    if (credentials.uid === task.credentials.uid) count += threads.length;
  for (const { userId } of k.threads.zombies.values()) if (userId === task.credentials.uid) count += 1;
  return count < softLimit(k, task, Resource.RLIMIT_NPROC);
}

/** Whether a user may have one signal more pending that is told with what it was sent with (RLIMIT_SIGPENDING). */
export function mayQueueSignal(k: ThreadKernel, task: Task): boolean {
  let [own, all] = [0, 0];
  spend(k.effort, k.threads.tasks.size + 2 * k.threads.threads.size, "items");
  for (const { credentials, pending, threads } of k.threads.tasks.values()) {
    let count = pending.length;
    for (const id of threads) count += k.threads.threads.get(id)?.pending.length ?? 0;
    all += count;
    if (credentials.uid === task.credentials.uid) own += count;
  }
  const most = Math.min(softLimit(k, task, Resource.RLIMIT_SIGPENDING), limits.pendingSignals);
  return own < most && all < limits.allPendingSignals;
}

/** One more than the highest number that a task may give to an open file (RLIMIT_NOFILE). */
export function mostDescriptors(task: Task): number {
  const set = task.resourceLimits.get(Resource.RLIMIT_NOFILE);
  return set === undefined ? limits.descriptors : Math.min(toNumber(set.soft), limits.descriptors);
}

/** Nanoseconds of processor time at which a task is told (SIGXCPU), and at which it ends. */
export function processorLimits(task: Task): { softNs: number; hardNs: number } {
  const set = task.resourceLimits.get(Resource.RLIMIT_CPU);
  if (set === undefined) return { softNs: boundless, hardNs: boundless };
  // A limit of nothing would end a program that only began.
  const ns = (limit: bigint): number => Math.max(1, toNumber(limit)) * nanosecondsPerSecond;
  return { softNs: ns(set.soft), hardNs: ns(set.hard) };
}

/** It was told: the next time is at the next second of what it uses. */
export function raiseProcessorLimit(task: Task): void {
  const set = task.resourceLimits.get(Resource.RLIMIT_CPU);
  const soft = BigInt(Math.floor(task.instructions / nanosecondsPerSecond) + 1);
  if (set !== undefined) task.resourceLimits.set(Resource.RLIMIT_CPU, { ...set, soft });
}
