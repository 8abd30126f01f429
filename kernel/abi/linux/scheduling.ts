/** Who runs before whom, and for how long: sched(7), setpriority(2). */
import { pageBytes } from "../../hal/types.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut, copyStructIn } from "../../mm/user.ts";
import { setScheduling } from "../../sched/sched.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { idFor, threadFor } from "../../thread/pids.ts";
import {
  highestRealTime,
  isOwn,
  isRealTime,
  mayBeNice,
  maySchedule,
  niceRange,
  policyNumbers,
  quantumOf,
  realTimePriority,
  type Scheduling,
  type SchedulingPolicy,
} from "../../thread/scheduling.ts";
import type { Task, Thread } from "../../thread/state.ts";
import { taskOf } from "../../thread/tasks.ts";
import { hasCapabilityIn, idFromUser } from "../../thread/users.ts";
import { choice, inout, int, structIn, structOut, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { schedAttr, schedParam, timespec, toTimespec } from "./layouts.ts";

const Which = { PRIO_PROCESS: 0, PRIO_PGRP: 1, PRIO_USER: 2 } as const;

/** The threads that a priority call is about: of one that is named by its own number, itself alone. */
function threadsOf(k: LinuxKernel, { task: caller, thread }: Call, which: number, who: number): Thread[] {
  if (which === Which.PRIO_PROCESS) return who === 0 ? [thread] : [threadFor(k, caller, who) ?? []].flat();
  spend(k.effort, 8 * k.threads.threads.size, "items");
  const all = [...k.threads.threads.values()].map((thread) => ({ thread, task: taskOf(k, thread) }));
  const group = who === 0 ? caller.group : idFor(k, caller, who);
  const { uid, userSpace } = caller.credentials;
  const user = who === 0 ? uid : idFromUser(k, userSpace, "uid", who >>> 0);
  return all
    .filter(({ task }) => (which === Which.PRIO_PGRP ? task.group === group : task.credentials.uid === user))
    .map(({ thread }) => thread);
}

/** Why a task may not make a thread so nice; null: it may. */
function niceProblem(k: LinuxKernel, by: Task, thread: Thread, nice: number): Errno | null {
  const of = taskOf(k, thread);
  if (!isOwn(by, of) && !hasCapabilityIn(k, by.credentials, of.credentials.userSpace, Cap.SYS_NICE)) return "EPERM";
  return nice < thread.scheduling.nice && !mayBeNice(k, by, of, nice) ? "EACCES" : null;
}

/** Those that the caller may change are changed, whatever it is told of the others. */
function setPriority(k: LinuxKernel, call: Call, which: number, who: number, wanted: number): Outcome {
  if (which > Which.PRIO_USER) return fail("EINVAL");
  const found = threadsOf(k, call, which, who);
  if (found.length === 0) return fail("ESRCH");
  const nice = Math.max(niceRange.least, Math.min(niceRange.most, wanted));
  let problem: Errno | null = null;
  for (const thread of found) {
    const own = niceProblem(k, call.task, thread, nice);
    if (own === null) thread.scheduling.nice = nice;
    problem = own ?? problem;
  }
  return orError(problem);
}

const Policy = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;
const policies: ReadonlyMap<number, SchedulingPolicy> = new Map(
  Object.entries(policyNumbers).map(([policy, number]) => [number, policy as SchedulingPolicy]),
);
/** In the place of a policy: that it has. */
const asItWas = -1;
const resetOnFork = 0x4000_0000;

const threadNamed = (k: LinuxKernel, id: number, { task, thread }: Call): Thread | undefined =>
  id === 0 ? thread : threadFor(k, task, id);

/** What a call wants of a thread: a policy's number, nice where that is fair, and a priority where it is a real-time one. */
interface Wanted {
  policy: number;
  resetOnFork: boolean;
  nice: number;
  priority: number;
}

/** A machine has no processor time to promise: a deadline is never admitted. */
const refuseDeadline = ({ credentials }: Task): Errno => (hasCapability(credentials, Cap.SYS_NICE) ? "EBUSY" : "EPERM");

function schedule(k: LinuxKernel, { task: by }: Call, thread: Thread, wanted: Wanted): Outcome {
  const policy = wanted.policy === asItWas ? thread.scheduling.policy : policies.get(wanted.policy);
  const { nice, priority: realTime } = wanted;
  if (realTime < 0 || realTime > highestRealTime) return fail("EINVAL");
  if (policy === undefined) return fail(wanted.policy === Policy.SCHED_DEADLINE ? refuseDeadline(by) : "EINVAL");
  if (isRealTime({ policy }) !== realTime > 0) return fail("EINVAL");
  // Another policy says nothing of what is for when it is over.
  const kept = policy === "other" || policy === "batch" ? nice : thread.scheduling.nice;
  const scheduling: Scheduling = { policy, nice: kept, resetOnFork: wanted.resetOnFork };
  if (!maySchedule(k, by, thread, taskOf(k, thread), { ...scheduling, realTime })) return fail("EPERM");
  // Those that capabilities control are for TCB_SetPriority.
  if (thread.tcb !== null) return fail("EPERM");
  setScheduling(k, thread, scheduling, realTime);
  return done(0);
}

/** sched_setscheduler(2), and sched_setparam(2), which leaves the policy. */
function setScheduler(k: LinuxKernel, call: Call, id: number, policy: number, priority: number): Outcome {
  const thread = id < 0 ? undefined : threadNamed(k, id, call);
  if (thread === undefined) return fail(id < 0 ? "EINVAL" : "ESRCH");
  const { nice, resetOnFork: was } = thread.scheduling;
  const isAsItWas = policy === asItWas;
  const resets = isAsItWas ? was : (policy & resetOnFork) !== 0;
  return schedule(k, call, thread, {
    ...{ policy: isAsItWas ? asItWas : policy & ~resetOnFork, resetOnFork: resets, nice, priority },
  });
}

/** Of SCHED_FLAG_KEEP_PARAMS and _POLICY each keeps the policy: the first is for what else there is. */
const Flag = { resetOnFork: 1, keepsPolicy: 0x18, keepParameters: 0x10, clamps: 0x60, all: 0x7f } as const;

const fieldOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
/** A structure that grew once: the first form of it, and today's. */
const firstBytes = 48;

/** A structure of the size that it says, which may be another one than ours, if what ours has not is 0. */
function readAttributes(k: LinuxKernel, { task }: Call, at: bigint): ReturnType<typeof schedAttr.read> | Errno {
  const space = getSpace(k, task.space);
  const head = copyIn(k, space, at, 4);
  if (!head.ok) return head.errno;
  const size = fieldOf(head.value).getUint32(0, true) || firstBytes;
  const copied = size < firstBytes ? null : copyStructIn(k, space, at, size, schedAttr.bytes);
  if (copied === null || (!copied.ok && copied.errno === "E2BIG")) {
    const known = new Uint8Array(Uint32Array.of(schedAttr.bytes).buffer);
    return copyOut(k, space, at, known) ?? "E2BIG";
  }
  if (!copied.ok) return copied.errno;
  const attributes = schedAttr.read(copied.value);
  return size < schedAttr.bytes && attributes.flags & BigInt(Flag.clamps) ? "EINVAL" : attributes;
}

function setAttributes(k: LinuxKernel, call: Call, id: number, at: bigint, flags: number): Outcome {
  if (at === 0n || id < 0 || flags !== 0) return fail("EINVAL");
  const attributes = readAttributes(k, call, at);
  if (typeof attributes === "string") return fail(attributes);
  const asked = Number(BigInt.asUintN(32, attributes.flags));
  if (attributes.policy >= 2 ** 31) return fail("EINVAL");
  const thread = threadNamed(k, id, call);
  if (thread === undefined) return fail("ESRCH");
  if (attributes.flags & ~BigInt(Flag.all)) return fail("EINVAL");
  if (asked & Flag.clamps) return fail("EOPNOTSUPP");
  const keeps = (asked & Flag.keepParameters) !== 0;
  return schedule(k, call, thread, {
    policy: asked & Flag.keepsPolicy ? asItWas : attributes.policy,
    resetOnFork: (asked & Flag.resetOnFork) !== 0,
    nice: keeps ? thread.scheduling.nice : Math.max(niceRange.least, Math.min(niceRange.most, attributes.nice)),
    priority: keeps ? realTimePriority(thread) : attributes.priority,
  });
}

function getAttributes(k: LinuxKernel, call: Call, id: number, at: bigint, size: number, flags: number): Outcome {
  if (at === 0n || id < 0 || flags !== 0 || size < firstBytes || size > pageBytes) return fail("EINVAL");
  const thread = threadNamed(k, id, call);
  if (thread === undefined) return fail("ESRCH");
  const { policy, nice, resetOnFork } = thread.scheduling;
  const bytes = new Uint8Array(schedAttr.bytes);
  const given = Math.min(size, bytes.length);
  schedAttr.write(fieldOf(bytes), {
    size: given,
    policy: policyNumbers[policy],
    flags: resetOnFork ? BigInt(Flag.resetOnFork) : 0n,
    nice: isRealTime({ policy }) ? 0 : nice,
    priority: realTimePriority(thread),
  });
  return orError(copyOut(k, getSpace(k, call.task.space), at, bytes.subarray(0, given)));
}

/** Of a thread that the call names; `of` what it tells. */
function about<Out>(k: LinuxKernel, call: Call, id: number, of: (thread: Thread) => Outcome<Out>): Outcome<Out> {
  if (id < 0) return fail("EINVAL");
  const thread = threadNamed(k, id, call);
  return thread === undefined ? fail("ESRCH") : of(thread);
}

/** Nanoseconds of a turn, which are as many instructions; who takes no turns has 0. */
const intervalOf = (k: LinuxKernel, thread: Thread): number =>
  thread.scheduling.policy === "fifo" ? 0 : quantumOf(k.config.quantumInstructions, thread);

/** The highest and the lowest priority of a policy. */
function priorityRange(policy: number): { highest: number; lowest: number } | null {
  const found = policies.get(policy);
  if (found !== undefined && isRealTime({ policy: found })) return { highest: highestRealTime, lowest: 1 };
  return found !== undefined || policy === Policy.SCHED_DEADLINE ? { highest: 0, lowest: 0 } : null;
}

export const schedulingCalls = [
  syscall({
    name: "setpriority",
    nr: { rv64: 140 },
    support: "full",
    args: { which: choice(Which), who: int, nice: int },
    errors: ["EACCES", "EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { which, who, nice }, call) => setPriority(k, call, which, who, nice),
  }),
  syscall({
    name: "getpriority",
    nr: { rv64: 141 },
    support: "full",
    args: { which: choice(Which), who: int },
    errors: ["EINVAL", "ESRCH"],
    run(k: LinuxKernel, { which, who }, call) {
      if (which > Which.PRIO_USER) return fail("EINVAL");
      const found = threadsOf(k, call, which, who);
      return found.length === 0
        ? fail("ESRCH")
        : done(Math.max(...found.map(({ scheduling }) => 20 - scheduling.nice)));
    },
  }),
  syscall({
    name: "sched_setparam",
    nr: { rv64: 118 },
    support: "full",
    args: { id: int, param: structIn(schedParam) },
    errors: ["EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { id, param }, call) =>
      param === null ? fail("EINVAL") : setScheduler(k, call, id, asItWas, param.priority),
  }),
  syscall({
    name: "sched_setscheduler",
    nr: { rv64: 119 },
    support: "full",
    note: "No SCHED_DEADLINE: EBUSY. Real-time threads can use all of the processor.",
    args: { id: int, policy: choice(Policy), param: structIn(schedParam) },
    errors: ["EBUSY", "EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { id, policy, param }, call) =>
      param === null || policy >= 2 ** 31 ? fail("EINVAL") : setScheduler(k, call, id, policy, param.priority),
  }),
  syscall({
    name: "sched_getscheduler",
    nr: { rv64: 120 },
    support: "full",
    args: { id: int },
    errors: ["EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { id }, call) =>
      about(k, call, id, ({ scheduling }) =>
        done(policyNumbers[scheduling.policy] | (scheduling.resetOnFork ? resetOnFork : 0)),
      ),
  }),
  syscall({
    name: "sched_getparam",
    nr: { rv64: 121 },
    support: "full",
    args: { id: int, param: structOut(schedParam) },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { id }, call) =>
      about(k, call, id, (thread) => ({
        kind: "done",
        value: 0,
        out: { param: { priority: realTimePriority(thread) } },
      })),
  }),
  syscall({
    name: "sched_get_priority_max",
    nr: { rv64: 125 },
    support: "full",
    args: { policy: choice(Policy) },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { policy }) {
      const range = priorityRange(policy);
      return range === null ? fail("EINVAL") : done(range.highest);
    },
  }),
  syscall({
    name: "sched_get_priority_min",
    nr: { rv64: 126 },
    support: "full",
    args: { policy: choice(Policy) },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { policy }) {
      const range = priorityRange(policy);
      return range === null ? fail("EINVAL") : done(range.lowest);
    },
  }),
  syscall({
    name: "sched_rr_get_interval",
    nr: { rv64: 127 },
    support: "full",
    args: { id: int, interval: structOut(timespec) },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { id }, call) =>
      about(k, call, id, (thread) => ({
        kind: "done",
        value: 0,
        out: { interval: toTimespec(BigInt(intervalOf(k, thread))) },
      })),
  }),
  syscall({
    name: "sched_setattr",
    nr: { rv64: 274 },
    support: "full",
    note: "No SCHED_DEADLINE: EBUSY. No clamps of utilisation: EOPNOTSUPP.",
    args: { id: int, attributes: inout("sched_attr"), flags: uint },
    errors: ["E2BIG", "EBUSY", "EFAULT", "EINVAL", "EOPNOTSUPP", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { id, attributes, flags }, call) => setAttributes(k, call, id, attributes, flags),
  }),
  syscall({
    name: "sched_getattr",
    nr: { rv64: 275 },
    support: "full",
    args: { id: int, attributes: inout("sched_attr"), size: uint, flags: uint },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { id, attributes, size, flags }, call) => getAttributes(k, call, id, attributes, size, flags),
  }),
] as const;
