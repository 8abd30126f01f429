/** What a process sets for itself: prctl(2), resource limits, priorities, scheduling, personality(2), membarrier(2). */

import type { Errno } from "../../lib/errno.ts";
import { lastSignal } from "../../lib/signals.ts";
import { decodeName, encodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut, readString } from "../../mm/user.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { idFor, threadFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { hasCapabilityIn, idFromUser } from "../../thread/users.ts";
import { choice, int, structIn, structOut, uint, word } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { CapabilityOption, controlCapabilities } from "./capabilities.ts";
import type { LinuxKernel } from "./kernel.ts";
import { schedParam, timespec, toTimespec } from "./layouts.ts";

const Option = {
  PR_SET_PDEATHSIG: 1,
  PR_GET_PDEATHSIG: 2,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_SET_NAME: 15,
  PR_GET_NAME: 16,
  PR_GET_SECCOMP: 21,
  PR_SET_TIMERSLACK: 29,
  PR_GET_TIMERSLACK: 30,
  PR_SET_CHILD_SUBREAPER: 36,
  PR_GET_CHILD_SUBREAPER: 37,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  ...CapabilityOption,
} as const;

const nameBytes = 16;
const usualSlackNs = 50_000;

/** A longer one is cut short. */
function setName(k: LinuxKernel, task: Task, where: bigint): Errno | null {
  const space = getSpace(k, task.space);
  const text = readString(k, space, where, nameBytes);
  const name = !text.ok && text.errno === "ENAMETOOLONG" ? copyIn(k, space, where, nameBytes - 1) : text;
  if (!name.ok) return name.errno;
  task.name = decodeName(name.value);
  return null;
}

function getName(k: LinuxKernel, task: Task, where: bigint): Errno | null {
  const bytes = new Uint8Array(nameBytes);
  bytes.set(encodeName(task.name).subarray(0, nameBytes - 1));
  return copyOut(k, getSpace(k, task.space), where, bytes);
}

const flagWord = (flag: boolean): Uint8Array => Uint8Array.of(flag ? 1 : 0, 0, 0, 0);
function control(k: LinuxKernel, { task }: Call, option: number, argument: bigint, rest: readonly bigint[]): Outcome {
  const { traits } = task;
  const put = (bytes: Uint8Array): Outcome => orError(copyOut(k, getSpace(k, task.space), argument, bytes));
  switch (option) {
    case Option.PR_SET_PDEATHSIG:
      if (argument > BigInt(lastSignal)) return fail("EINVAL");
      traits.deathSignal = Number(argument);
      return done(0);
    case Option.PR_GET_PDEATHSIG:
      return put(Uint8Array.of(traits.deathSignal, 0, 0, 0));
    case Option.PR_GET_DUMPABLE:
      return done(traits.dumpable ? 1 : 0);
    case Option.PR_SET_DUMPABLE:
      if (argument > 1n) return fail("EINVAL");
      traits.dumpable = argument === 1n;
      return done(0);
    case Option.PR_SET_NAME:
      return orError(setName(k, task, argument));
    case Option.PR_GET_NAME:
      return orError(getName(k, task, argument));
    case Option.PR_GET_SECCOMP:
      return done(0);
    case Option.PR_SET_TIMERSLACK:
      return done(0);
    case Option.PR_GET_TIMERSLACK:
      return done(usualSlackNs);
    case Option.PR_SET_CHILD_SUBREAPER:
      traits.subreaper = argument !== 0n;
      return done(0);
    case Option.PR_GET_CHILD_SUBREAPER:
      return put(flagWord(traits.subreaper));
    case Option.PR_SET_NO_NEW_PRIVS:
      if (argument !== 1n || rest.some((other) => other !== 0n)) return fail("EINVAL");
      traits.noNewPrivileges = true;
      return done(0);
    case Option.PR_GET_NO_NEW_PRIVS:
      return argument !== 0n || rest.some((other) => other !== 0n)
        ? fail("EINVAL")
        : done(traits.noNewPrivileges ? 1 : 0);
    default:
      return controlCapabilities(task.credentials, option, argument, rest) ?? fail("EINVAL");
  }
}

const Which = { PRIO_PROCESS: 0, PRIO_PGRP: 1, PRIO_USER: 2 } as const;

/** The tasks that a priority call is about. */
function tasksOf(k: LinuxKernel, caller: Task, which: number, who: number): Task[] {
  const all = [...k.threads.tasks.values()];
  const wanted = idFor(k, caller, who);
  if (which === Which.PRIO_PROCESS) return all.filter(({ id }) => id === (who === 0 ? caller.id : wanted));
  if (which === Which.PRIO_PGRP) return all.filter(({ group }) => group === (who === 0 ? caller.group : wanted));
  const { uid, userSpace } = caller.credentials;
  const user = who === 0 ? uid : idFromUser(k, userSpace, "uid", who >>> 0);
  return all.filter(({ credentials }) => credentials.uid === user);
}

function setPriority(k: LinuxKernel, { task }: Call, which: number, who: number, wanted: number): Outcome {
  if (which > Which.PRIO_USER) return fail("EINVAL");
  const found = tasksOf(k, task, which, who);
  if (found.length === 0) return fail("ESRCH");
  const nice = Math.max(-20, Math.min(19, wanted));
  const isCapable = hasCapability(task.credentials, Cap.SYS_NICE);
  for (const { credentials, traits } of found) {
    const isOwn = credentials.uid === task.credentials.euid || credentials.euid === task.credentials.euid;
    if (!isOwn && !hasCapabilityIn(k, task.credentials, credentials.userSpace, Cap.SYS_NICE)) return fail("EPERM");
    if (!isCapable && nice < traits.nice) return fail("EACCES");
  }
  for (const { traits } of found) traits.nice = nice;
  return done(0);
}

const Policy = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;
const isRealTime = (policy: number): boolean => policy === Policy.SCHED_FIFO || policy === Policy.SCHED_RR;
const isFair = (policy: number): boolean =>
  policy === Policy.SCHED_OTHER || policy === Policy.SCHED_BATCH || policy === Policy.SCHED_IDLE;

const exists = (k: LinuxKernel, { task }: Call, id: number): Errno | null =>
  id < 0 ? "EINVAL" : id === 0 || threadFor(k, task, id) !== undefined ? null : "ESRCH";

/** All threads take turns; nobody gets ahead of the others. */
function setScheduler(k: LinuxKernel, call: Call, id: number, policy: number, priority: number): Outcome {
  const errno = exists(k, call, id);
  if (errno !== null) return fail(errno);
  if (isRealTime(policy)) return priority >= 1 && priority <= 99 ? fail("EPERM") : fail("EINVAL");
  return isFair(policy) && priority === 0 ? done(0) : fail("EINVAL");
}

const queryBarrier = 0;
/** MEMBARRIER_CMD_GLOBAL, GLOBAL_EXPEDITED and its registration, PRIVATE_EXPEDITED and its, and that of SYNC_CORE. */
const barriers = 0b1111111;

export const controlCalls = [
  syscall({
    name: "prctl",
    nr: { rv64: 167 },
    support: "partial",
    note: "Names, the signal of a parent's end, subreapers, dumpable, no_new_privs, capabilities; a name is the whole process's.",
    args: { option: choice(Option), argument: word, third: word, fourth: word, fifth: word },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { option, argument, third, fourth, fifth }, call) =>
      control(k, call, option, argument, [third, fourth, fifth]),
  }),
  syscall({
    name: "personality",
    nr: { rv64: 92 },
    support: "partial",
    note: "Only that of Linux; its bits are kept, and addresses are never random.",
    args: { persona: uint },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { persona }, { task: { traits } }) {
      const before = traits.persona;
      if (persona === 0xffff_ffff) return done(before);
      if (persona & 0xff) return fail("EINVAL");
      traits.persona = persona;
      return done(before);
    },
  }),
  syscall({
    name: "setpriority",
    nr: { rv64: 140 },
    support: "partial",
    note: "Kept and inherited, but nobody runs more or less for it.",
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
    run(k: LinuxKernel, { which, who }, { task }) {
      if (which > Which.PRIO_USER) return fail("EINVAL");
      const found = tasksOf(k, task, which, who);
      return found.length === 0 ? fail("ESRCH") : done(Math.max(...found.map(({ traits }) => 20 - traits.nice)));
    },
  }),
  syscall({
    name: "sched_setparam",
    nr: { rv64: 118 },
    support: "full",
    args: { id: int, param: structIn(schedParam) },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run(k: LinuxKernel, { id, param }, call) {
      if (param === null) return fail("EINVAL");
      return setScheduler(k, call, id, Policy.SCHED_OTHER, param.priority);
    },
  }),
  syscall({
    name: "sched_setscheduler",
    nr: { rv64: 119 },
    support: "partial",
    note: "The fair policies, which are one; real-time ones are EPERM.",
    args: { id: int, policy: choice(Policy), param: structIn(schedParam) },
    errors: ["EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run(k: LinuxKernel, { id, policy, param }, call) {
      return param === null ? fail("EINVAL") : setScheduler(k, call, id, policy, param.priority);
    },
  }),
  syscall({
    name: "sched_getscheduler",
    nr: { rv64: 120 },
    support: "full",
    args: { id: int },
    errors: ["EINVAL", "ESRCH"],
    run(k: LinuxKernel, { id }, call) {
      const errno = exists(k, call, id);
      return errno === null ? done(Policy.SCHED_OTHER) : fail(errno);
    },
  }),
  syscall({
    name: "sched_getparam",
    nr: { rv64: 121 },
    support: "full",
    args: { id: int, param: structOut(schedParam) },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run(k: LinuxKernel, { id }, call) {
      const errno = exists(k, call, id);
      return errno === null ? { kind: "done", value: 0, out: { param: { priority: 0 } } } : fail(errno);
    },
  }),
  syscall({
    name: "sched_get_priority_max",
    nr: { rv64: 125 },
    support: "full",
    args: { policy: choice(Policy) },
    errors: ["EINVAL"],
    run: (_k: LinuxKernel, { policy }) =>
      isRealTime(policy) ? done(99) : isFair(policy) || policy === Policy.SCHED_DEADLINE ? done(0) : fail("EINVAL"),
  }),
  syscall({
    name: "sched_get_priority_min",
    nr: { rv64: 126 },
    support: "full",
    args: { policy: choice(Policy) },
    errors: ["EINVAL"],
    run: (_k: LinuxKernel, { policy }) =>
      isRealTime(policy) ? done(1) : isFair(policy) || policy === Policy.SCHED_DEADLINE ? done(0) : fail("EINVAL"),
  }),
  syscall({
    name: "sched_rr_get_interval",
    nr: { rv64: 127 },
    support: "full",
    args: { id: int, interval: structOut(timespec) },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run(k: LinuxKernel, { id }, call) {
      const errno = exists(k, call, id);
      if (errno !== null) return fail(errno);
      return { kind: "done", value: 0, out: { interval: toTimespec(BigInt(k.config.quantumInstructions)) } };
    },
  }),
  syscall({
    name: "membarrier",
    nr: { rv64: 283 },
    support: "full",
    note: "Nothing to do: instructions of all threads are in one order.",
    args: { command: int, flags: uint, cpu: int },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { command, flags }) {
      if (flags !== 0) return fail("EINVAL");
      if (command === queryBarrier) return done(barriers);
      const single = command > 0 && (command & (command - 1)) === 0;
      return single && (command & barriers) !== 0 ? done(0) : fail("EINVAL");
    },
  }),
] as const;
