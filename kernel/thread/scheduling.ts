/**
 * What Linux's programs ask of the scheduler (sched(7)), as priorities and turns.
 *
 * Threads of the fair policies have one priority, and turns whose lengths are as their weights: by Linux's table each
 * step of nice is a fourth. Those of real-time policies are above them, by their own 99 priorities: what is ready there
 * runs before anything fair does. `rr` takes turns with its equals, `fifo` runs until it waits or yields.
 */
import { Cap, hasCapability } from "./capabilities.ts";
import type { ThreadKernel } from "./kernel.ts";
import { limitOf, Resource } from "./rlimits.ts";
import type { Task, Thread } from "./state.ts";

/** How a thread comes to run (sched(7)). */
export interface Scheduling {
  policy: SchedulingPolicy;
  /** -20 to 19: turns of the policies that are fair are shorter the higher it is (`weights`). */
  nice: number;
  /** What it forks begins as if nobody had asked for anything. */
  resetOnFork: boolean;
}

export type SchedulingPolicy = "other" | "batch" | "idle" | "fifo" | "rr";

/** Of seL4's threads; and of all that ask for nothing. */
export const highestPriority = 255;
export const highestRealTime = 99;
export const niceRange = { least: -20, most: 19 } as const;

/** SCHED_*, as calls and /proc have them. */
export const policyNumbers: Readonly<Record<SchedulingPolicy, number>> = {
  other: 0,
  fifo: 1,
  rr: 2,
  batch: 3,
  idle: 5,
};

/** Of nice -20 to 19; 1024 is a turn of the usual length. */
const weights = [
  ...[88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916],
  ...[9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277],
  ...[1024, 820, 655, 526, 423, 335, 272, 215, 172, 137],
  ...[110, 87, 70, 56, 45, 36, 29, 23, 18, 15],
];
const usualWeight = 1024;
const idleWeight = 3;
/** What was reserved (LR) is lost at the end of a turn: in each one a loop of 16 instructions must come to its store (SC). */
const leastTurn = 64;

export const usualScheduling = (): Scheduling => ({ policy: "other", nice: 0, resetOnFork: false });

export const isRealTime = ({ policy }: Pick<Scheduling, "policy">): boolean => policy === "fifo" || policy === "rr";

/** 1 to 99; 0 of what is fair. */
export const realTimePriority = ({ priority, scheduling }: Pick<Thread, "priority" | "scheduling">): number =>
  isRealTime(scheduling) ? priority - highestPriority : 0;

/** Instructions of one turn. */
export function quantumOf(usual: number, { scheduling }: Pick<Thread, "scheduling">): number {
  if (isRealTime(scheduling)) return usual;
  const weight = scheduling.policy === "idle" ? idleWeight : weights[scheduling.nice - niceRange.least]!;
  return Math.max(leastTurn, Math.floor((usual * weight) / usualWeight));
}

/** What is forked, or cloned, begins as who did that; or afresh. */
export function inheritScheduling(from: Thread, to: Thread): void {
  const { scheduling, priority } = from;
  const isAfresh = scheduling.resetOnFork && isRealTime(scheduling);
  to.priority = isAfresh ? highestPriority : priority;
  to.scheduling = { ...(isAfresh ? usualScheduling() : scheduling), resetOnFork: false };
  if (scheduling.resetOnFork) to.scheduling.nice = Math.max(0, to.scheduling.nice);
}

const mayDoAll = ({ credentials }: Task): boolean => hasCapability(credentials, Cap.SYS_NICE);

/** RLIMIT_NICE counts from 20 downwards: 40 permits -20. */
export const mayBeNice = (k: ThreadKernel, by: Task, of: Task, nice: number): boolean =>
  BigInt(20 - nice) <= limitOf(k, of, Resource.RLIMIT_NICE).soft || mayDoAll(by);

/** Whether one task may change how another runs without more rights. */
export const isOwn = ({ credentials: by }: Task, { credentials: of }: Task): boolean =>
  by.euid === of.uid || by.euid === of.euid;

/** Whether a task may have a thread (of a task) scheduled so, with a priority if that is a real-time policy (sched(7)). */
export function maySchedule(
  k: ThreadKernel,
  by: Task,
  thread: Thread,
  of: Task,
  wanted: Scheduling & { realTime: number },
): boolean {
  if (mayDoAll(by)) return true;
  const { scheduling: was } = thread;
  const before = realTimePriority(thread);
  if (!isOwn(by, of) || (was.resetOnFork && !wanted.resetOnFork)) return false;
  if (isRealTime(wanted)) {
    const most = limitOf(k, of, Resource.RLIMIT_RTPRIO).soft;
    if (wanted.policy !== was.policy && most === 0n) return false;
    if (wanted.realTime > before && BigInt(wanted.realTime) > most) return false;
  } else if (wanted.nice < was.nice && !mayBeNice(k, by, of, wanted.nice)) return false;
  return was.policy !== "idle" || wanted.policy === "idle" || mayBeNice(k, by, of, was.nice);
}
