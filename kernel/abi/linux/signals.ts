/** Signals: what they do (sigaction), who holds them back, sending them, waiting for them, and returning from them. */

import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId } from "../../lib/ids.ts";
import { lastSignal, signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyInto } from "../../mm/user.ts";
import { Cap } from "../../thread/capabilities.ts";
import { idFor, initOf, numberFor, taskFor, threadFor } from "../../thread/pids.ts";
import { isOnStack, leastStackBytes, type SignalStack, StackFlag } from "../../thread/signal-stack.ts";
import {
  forceSignal,
  fromKernel,
  fromSender,
  holdSignalMask,
  pendingSet,
  SignalCode,
  sendSignal,
  setAction,
  setSignalMask,
  takeSignal,
  unmaskable,
  unmaskableSet,
} from "../../thread/signals.ts";
import type { SignalAction, SignalInfo, Task, Thread } from "../../thread/state.ts";
import { killTask } from "../../thread/tasks.ts";
import { hasCapabilityIn } from "../../thread/users.ts";
import { deadlineAfter } from "../../time/clock.ts";
import { bytesIn, choice, int, signal, size, structIn, structOut } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import {
  fromTimespec,
  type Sigaction,
  sigaction,
  siginfo,
  signalSet,
  stackLayout,
  type Timespec,
  timespec,
} from "./layouts.ts";
import { decodeSignalInfo, siginfoBytes } from "./siginfo.ts";

const setBytes = 8;

const isAlive = (k: LinuxKernel, { task }: Call): boolean => k.threads.tasks.has(task.id);
/** The caller may have ended by what it sent. */
const sent = (k: LinuxKernel, call: Call): Outcome => (isAlive(k, call) ? done(0) : { kind: "gone" });

/** Who may send a signal to whom: who is capable of it, the same user, and anybody in a session for going on. */
export function maySignal(k: LinuxKernel, { credentials: from, session }: Task, to: Task, number: number): boolean {
  if (hasCapabilityIn(k, from, to.credentials.userSpace, Cap.KILL)) return true;
  const { uid, suid } = to.credentials;
  if ([from.euid, from.uid].some((id) => id === uid || id === suid)) return true;
  return number === signals.SIGCONT && session === to.session;
}

/** Sends to every task that is meant and may be sent to; "gone" when the caller was among them and ended. */
function sendToAll(k: LinuxKernel, call: Call, tasks: readonly Task[], number: number): Outcome {
  const permitted = tasks.filter((task) => maySignal(k, call.task, task, number));
  if (permitted.length === 0) return fail("EPERM");
  for (const task of permitted)
    if (number !== 0 && k.threads.tasks.has(task.id))
      sendSignal(k, task, fromSender(k, number, SignalCode.user, call.task, task));
  return sent(k, call);
}

/** kill(2): one task, a group, or all but init and the caller. */
function kill(k: LinuxKernel, call: Call, id: number, number: number): Outcome {
  if (number < 0 || number > lastSignal) return fail("EINVAL");
  const { tasks, zombies, init } = k.threads;
  if (id <= 0) spend(k.effort, 4 * tasks.size + zombies.size, "items");
  const own = initOf(k, call.task.namespaces.pid);
  if (id === -1) {
    const isOther = (task: Task): boolean => task.id !== init && task.id !== own && task !== call.task;
    const others = [...tasks.values()].filter((task) => isOther(task) && numberFor(k, call.task, task.id) !== 0);
    return others.length === 0 ? fail("ESRCH") : sendToAll(k, call, others, number);
  }
  const group = id === 0 ? call.task.group : idFor(k, call.task, -id);
  const one = idFor(k, call.task, id);
  const isMeant = (found: { id: TaskId; group: TaskId }): boolean =>
    id > 0 ? found.id === one : found.group === group;
  const task = id > 0 ? tasks.get(one as TaskId) : null;
  const meant = task === null ? [...tasks.values()].filter(isMeant) : task === undefined ? [] : [task];
  // What has ended and was not waited for yet can be sent anything.
  if (meant.length === 0) return [...zombies.values()].some(isMeant) ? done(0) : fail("ESRCH");
  return sendToAll(k, call, meant, number);
}

/** The thread that is meant; of a group only if it is in that. */
function threadOf(
  k: LinuxKernel,
  { task }: Call,
  group: number | null,
  id: number,
): { task: Task; thread: Thread } | Errno {
  if (id <= 0 || (group !== null && group <= 0)) return "EINVAL";
  const thread = threadFor(k, task, id);
  if (thread === undefined || (group !== null && thread.task !== idFor(k, task, group))) return "ESRCH";
  return { task: k.threads.tasks.get(thread.task)!, thread };
}

function tgkill(k: LinuxKernel, call: Call, group: number | null, id: number, number: number): Outcome {
  const found = threadOf(k, call, group, id);
  if (typeof found === "string") return fail(found);
  if (number < 0 || number > lastSignal) return fail("EINVAL");
  if (!maySignal(k, call.task, found.task, number)) return fail("EPERM");
  if (number !== 0)
    sendSignal(k, found.task, fromSender(k, number, SignalCode.thread, call.task, found.task), found.thread);
  return sent(k, call);
}

/** What a sender says itself of who it is counts, unless the receiver cannot know it. */
export function saidBySender(k: LinuxKernel, sender: Task, to: Task, info: SignalInfo): SignalInfo {
  if (info.detail.kind !== "sender" || numberFor(k, to, sender.id) !== 0) return info;
  return { ...info, detail: { ...info.detail, pid: 0 } };
}

/** What only the kernel may say a thread may say to itself alone, and a process by its first thread's number. */
function queueInfo(
  k: LinuxKernel,
  call: Call,
  { task, thread }: { task: Task; thread: Thread | null },
  number: number,
  bytes: Uint8Array,
): Outcome {
  const info = saidBySender(k, call.task, task, decodeSignalInfo(number, bytes));
  const toItself = (thread?.id ?? task.id) === (call.thread.id as number);
  if ((info.code >= 0 || info.code === SignalCode.thread) && !toItself) return fail("EPERM");
  if (number < 0 || number > lastSignal) return fail("EINVAL");
  if (!maySignal(k, call.task, task, number)) return fail("EPERM");
  const errno = number === 0 ? null : sendSignal(k, task, info, thread);
  return errno === null ? sent(k, call) : fail(errno);
}

const toAction = (action: SignalAction | undefined): Sigaction => ({
  sa_handler: action?.handler ?? 0n,
  sa_flags: action?.flags ?? 0n,
  sa_mask: action?.mask ?? 0n,
});

/** Flags that there are; others are not kept, so that a program can find out. */
const knownFlags = 0x7n | 0x800_0000n | 0x1000_0000n | 0x4000_0000n | 0x8000_0000n;

const How = { SIG_BLOCK: 0, SIG_UNBLOCK: 1, SIG_SETMASK: 2 } as const;

function newMask(thread: Thread, how: number, mask: bigint): bigint | null {
  if (how === How.SIG_BLOCK) return thread.signalMask | mask;
  if (how === How.SIG_UNBLOCK) return thread.signalMask & ~mask;
  return how === How.SIG_SETMASK ? mask : null;
}

/** Waits with another mask for a signal that has a handler. */
function suspend(k: LinuxKernel, { task, thread, progress }: Call, mask: bigint): Outcome {
  if (progress === null) holdSignalMask(k, task, thread, mask);
  if (!k.threads.tasks.has(task.id)) return { kind: "gone" };
  return { kind: "blocked", wait: { kind: "pause", queue: null, deadlineNs: null } };
}

/** Takes one of the signals, now or when it comes. */
function waitForSignal(
  k: LinuxKernel,
  { task, thread, progress }: Call,
  wanted: bigint,
  timeout: Timespec | null,
): Outcome<{ info?: SignalInfo }> {
  const ns = timeout === null ? null : fromTimespec(timeout);
  if (timeout !== null && ns === null) return fail("EINVAL");
  const set = wanted & ~unmaskableSet;
  const info = takeSignal(k, task, thread, set);
  if (info !== null) return { kind: "done", value: info.signal, out: { info } };
  const deadlineNs = progress !== null ? progress.deadlineNs : ns === null ? null : deadlineAfter(k, ns);
  if (deadlineNs !== null && deadlineNs <= k.hal.timer.nowNs()) return fail("EAGAIN");
  return { kind: "blocked", wait: { kind: "signals", set, queue: null, deadlineNs } };
}

/** What a program sees of its handlers' stack. */
function stackNow(k: LinuxKernel, thread: Thread): SignalStack {
  const { signalStack: stack } = thread;
  const used = isOnStack(stack, k.hal.contexts.getStackPointer(thread.context));
  return { ...stack, flags: stack.size === 0n ? StackFlag.disabled : stack.flags | (used ? StackFlag.onStack : 0) };
}

function setStack(k: LinuxKernel, thread: Thread, { address, flags, size }: SignalStack): Errno | null {
  if (isOnStack(thread.signalStack, k.hal.contexts.getStackPointer(thread.context))) return "EPERM";
  const mode = (flags & ~StackFlag.autoDisarm) >>> 0;
  if (mode !== 0 && mode !== StackFlag.onStack && mode !== StackFlag.disabled) return "EINVAL";
  if (mode !== StackFlag.disabled && size < leastStackBytes) return "ENOMEM";
  const kept = (flags & StackFlag.autoDisarm) >>> 0;
  thread.signalStack =
    mode === StackFlag.disabled ? { address: 0n, flags: kept, size: 0n } : { address, flags: kept, size };
  return null;
}

/** A handler has returned: everything is as the frame says. What is no frame ends the program. */
function returnFromSignal(k: LinuxKernel, call: Call): Outcome {
  const { task, thread } = call;
  if (task.kind === "remote") return fail("ENOSYS");
  const { signalFrames, contexts } = k.hal;
  const space = getSpace(k, task.space);
  const errno = copyInto(k, space, contexts.getStackPointer(thread.context), signalFrames.room);
  const context = errno === null ? signalFrames.leave(thread.context) : null;
  if (context === null) {
    if (forceSignal(k, task, thread, fromKernel(signals.SIGSEGV))) return { kind: "replaced" };
    killTask(k, task, signals.SIGSEGV);
    return { kind: "gone" };
  }
  setSignalMask(k, task, thread, context.mask);
  setStack(k, thread, context.stack);
  return { kind: "replaced" };
}

export const signalCalls = [
  syscall({
    name: "rt_sigaction",
    nr: { rv64: 134 },
    support: "full",
    args: { signal, action: structIn(sigaction), before: structOut(sigaction, "optional"), bytes: size },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { signal, action, bytes }, { task }) {
      if (bytes !== setBytes || signal < 1 || signal > lastSignal) return fail("EINVAL");
      if (action !== null && unmaskable.includes(signal)) return fail("EINVAL");
      const before = toAction(task.signalActions.get(signal));
      const set = (wanted: Sigaction): void => {
        const { sa_handler: handler, sa_flags: flags, sa_mask: mask } = wanted;
        setAction(k, task, signal, { handler, flags: flags & knownFlags, mask });
      };
      return { kind: "done", value: 0, out: { before }, commit: () => action !== null && set(action) };
    },
  }),
  syscall({
    name: "rt_sigprocmask",
    nr: { rv64: 135 },
    support: "full",
    args: { how: choice(How), set: structIn(signalSet), before: structOut(signalSet, "optional"), bytes: size },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { how, set, bytes }, call) {
      const { task, thread } = call;
      if (bytes !== setBytes) return fail("EINVAL");
      const before = { mask: thread.signalMask };
      const mask = set === null ? thread.signalMask : newMask(thread, how, set.mask);
      if (mask === null) return fail("EINVAL");
      if (set !== null) setSignalMask(k, task, thread, mask);
      return isAlive(k, call) ? { kind: "done", value: 0, out: { before } } : { kind: "gone" };
    },
  }),
  syscall({
    name: "rt_sigpending",
    nr: { rv64: 136 },
    support: "full",
    args: { set: structOut(signalSet), bytes: size },
    errors: ["EFAULT", "EINVAL"],
    run(_k: LinuxKernel, { bytes }, { task, thread }) {
      if (bytes > setBytes) return fail("EINVAL");
      return { kind: "done", value: 0, out: { set: { mask: pendingSet(task, thread) & thread.signalMask } } };
    },
  }),
  syscall({
    name: "rt_sigsuspend",
    nr: { rv64: 133 },
    support: "full",
    args: { set: structIn(signalSet), bytes: size },
    errors: ["EFAULT", "EINTR", "EINVAL"],
    run(k: LinuxKernel, { set, bytes }, call) {
      if (bytes !== setBytes) return fail("EINVAL");
      return set === null ? fail("EFAULT") : suspend(k, call, set.mask);
    },
  }),
  syscall({
    name: "rt_sigtimedwait",
    nr: { rv64: 137 },
    support: "full",
    args: { set: structIn(signalSet), info: structOut(siginfo, "optional"), timeout: structIn(timespec), bytes: size },
    errors: ["EAGAIN", "EFAULT", "EINTR", "EINVAL"],
    run(k: LinuxKernel, { set, timeout, bytes }, call) {
      if (bytes !== setBytes) return fail("EINVAL");
      return set === null ? fail("EFAULT") : waitForSignal(k, call, set.mask, timeout);
    },
  }),
  syscall({
    name: "rt_sigqueueinfo",
    nr: { rv64: 138 },
    support: "full",
    args: { id: int, signal, info: bytesIn("siginfo", siginfoBytes) },
    errors: ["EAGAIN", "EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run(k: LinuxKernel, { id, signal, info }, call) {
      const task = taskFor(k, call.task, id);
      if (task === undefined) return fail("ESRCH");
      return queueInfo(k, call, { task, thread: null }, signal, info);
    },
  }),
  syscall({
    name: "rt_tgsigqueueinfo",
    nr: { rv64: 240 },
    support: "full",
    args: { group: int, thread: int, signal, info: bytesIn("siginfo", siginfoBytes) },
    errors: ["EAGAIN", "EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run(k: LinuxKernel, { group, thread, signal, info }, call) {
      const found = threadOf(k, call, group, thread);
      return typeof found === "string" ? fail(found) : queueInfo(k, call, found, signal, info);
    },
  }),
  syscall({
    name: "rt_sigreturn",
    nr: { rv64: 139 },
    support: "full",
    args: {},
    errors: ["ENOSYS"],
    run: (k: LinuxKernel, _args, call) => returnFromSignal(k, call),
  }),
  syscall({
    name: "restart_syscall",
    nr: { rv64: 128 },
    support: "full",
    note: "Calls that go on after a stop need it not.",
    args: {},
    errors: ["EINTR"],
    run: (_k: LinuxKernel) => fail("EINTR"),
  }),
  syscall({
    name: "sigaltstack",
    nr: { rv64: 132 },
    support: "full",
    args: { stack: structIn(stackLayout), before: structOut(stackLayout, "optional") },
    errors: ["EFAULT", "EINVAL", "ENOMEM", "EPERM"],
    run(k: LinuxKernel, { stack }, { thread }) {
      const before = stackNow(k, thread);
      const errno = stack === null ? null : setStack(k, thread, stack);
      return errno === null ? { kind: "done", value: 0, out: { before } } : fail(errno);
    },
  }),
  syscall({
    name: "kill",
    nr: { rv64: 129 },
    support: "full",
    args: { id: int, signal },
    errors: ["EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { id, signal }, call) => kill(k, call, id, signal),
  }),
  syscall({
    name: "tkill",
    nr: { rv64: 130 },
    support: "full",
    args: { thread: int, signal },
    errors: ["EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { thread, signal }, call) => tgkill(k, call, null, thread, signal),
  }),
  syscall({
    name: "tgkill",
    nr: { rv64: 131 },
    support: "full",
    args: { group: int, thread: int, signal },
    errors: ["EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { group, thread, signal }, call) => tgkill(k, call, group, thread, signal),
  }),
] as const;
