/** Processes: clone(2) and clone3(2) with all that they make, wait4(2), waitid(2), exit_group(2). */
import { assert } from "../../lib/assert.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId, ThreadId } from "../../lib/ids.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { newNamespaces } from "../../ns/namespaces.ts";
import { reap } from "../../thread/family.ts";
import { forkTask } from "../../thread/fork.ts";
import { mayHaveThread } from "../../thread/rlimits.ts";
import { ChildCode, childrenQueue, fromKernel, resetHandlers, SignalCode } from "../../thread/signals.ts";
import type { Sharing, Task, Thread, TracedEnd, TraceStop, Usage, Zombie } from "../../thread/state.ts";
import { createThread, exitTask, taskOf, usageOf, vforkQueue } from "../../thread/tasks.ts";
import { beginTracing, eventStop, TraceEvent, tracedBy, wantsEvent } from "../../thread/tracing.ts";
import { roomProblem } from "../../vfs/descriptors.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { address, choice, flags, int, size, structOut } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { rusage, siginfoChild, toRusage, waitWord } from "./layouts.ts";
import { kindsOf, NewNamespace, newBits, newProblem } from "./namespaces.ts";
import { openProcess, processAt } from "./pidfd.ts";

const Clone = {
  CLONE_VM: 0x100,
  CLONE_FS: 0x200,
  CLONE_FILES: 0x400,
  CLONE_SIGHAND: 0x800,
  CLONE_PIDFD: 0x1000,
  CLONE_PTRACE: 0x2000,
  CLONE_VFORK: 0x4000,
  CLONE_PARENT: 0x8000,
  CLONE_THREAD: 0x10000,
  CLONE_SYSVSEM: 0x40000,
  CLONE_SETTLS: 0x80000,
  CLONE_PARENT_SETTID: 0x100000,
  CLONE_CHILD_CLEARTID: 0x200000,
  CLONE_DETACHED: 0x400000,
  CLONE_UNTRACED: 0x800000,
  CLONE_CHILD_SETTID: 0x1000000,
  ...NewNamespace,
  CLONE_IO: 0x8000_0000,
} as const;
const known = Object.values(Clone).reduce((all, flag) => (all | flag) >>> 0, 0);
const ofThreads = Clone.CLONE_VM | Clone.CLONE_FS | Clone.CLONE_FILES | Clone.CLONE_SIGHAND | Clone.CLONE_THREAD;
/** What two processes can have in common. */
const sharedOf = (wanted: number): (keyof Sharing)[] => [
  ...(wanted & Clone.CLONE_FILES ? (["files"] as const) : []),
  ...(wanted & Clone.CLONE_FS ? (["directories"] as const) : []),
  ...(wanted & Clone.CLONE_SIGHAND ? (["actions"] as const) : []),
];
/** Of clone3 only: the child begins with the default actions. */
const clearHandlers = 0x1_0000_0000n;

interface CloneArguments {
  flags: number;
  exitSignal: number;
  stack: bigint;
  parentId: bigint;
  threadPointer: bigint;
  childId: bigint;
  /** Where the descriptor for the child is stored. */
  processId: bigint;
  clearHandlers: boolean;
}

const wordBytes = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** Where the new thread's number is stored; like Linux, nobody is told when there is no memory. */
function storeIds(k: LinuxKernel, args: CloneArguments, from: Task, child: Task, id: number): void {
  if (args.flags & Clone.CLONE_PARENT_SETTID) copyOut(k, getSpace(k, from.space), args.parentId, wordBytes(id));
  if (args.flags & Clone.CLONE_CHILD_SETTID) copyOut(k, getSpace(k, child.space), args.childId, wordBytes(id));
}

const stackOf = ({ stack }: CloneArguments): bigint | null => (stack === 0n ? null : stack);
const pointerOf = (args: CloneArguments): bigint | null =>
  args.flags & Clone.CLONE_SETTLS ? args.threadPointer : null;

/** Who traces the parent is told of the child, and traces that, too, if it wants either. */
function traceChild({ tracing }: Thread, child: Thread, { flags: wanted, exitSignal }: CloneArguments): void {
  if (tracing === null || wanted & Clone.CLONE_UNTRACED) return;
  const isChild = exitSignal === signals.SIGCHLD && !(wanted & Clone.CLONE_THREAD);
  const event = wanted & Clone.CLONE_VFORK ? TraceEvent.VFORK : isChild ? TraceEvent.FORK : TraceEvent.CLONE;
  const told = wantsEvent(tracing, event);
  if (told) tracing.due.push(eventStop(event, child.id));
  if (!told && !(wanted & Clone.CLONE_PTRACE)) return;
  const { tracer, seized, options } = tracing;
  child.tracing = beginTracing(tracer, seized, options);
  if (seized) child.tracing.trap = true;
  else child.pending.push({ ...fromKernel(signals.SIGSTOP), code: SignalCode.user });
}

/** A child that was waited for runs a program of its own, or has ended. */
function endVfork({ thread: { tracing } }: Call, child: TaskId): Outcome {
  if (wantsEvent(tracing, TraceEvent.VFORKDONE)) tracing.due.push(eventStop(TraceEvent.VFORKDONE, child));
  return done(child);
}

function cloneThread(k: LinuxKernel, { task, thread }: Call, args: CloneArguments): Outcome {
  if ((args.flags & ofThreads) !== ofThreads) return fail("EINVAL");
  if (k.threads.threads.size >= k.config.limits.threads || !mayHaveThread(k, task)) return fail("EAGAIN");
  const context = k.hal.contexts.fork(thread.context, stackOf(args), pointerOf(args));
  const child = createThread(k, task, context);
  storeIds(k, args, task, task, child.id);
  traceChild(thread, child, args);
  child.signalMask = thread.signalMask;
  child.priority = thread.priority;
  child.affinity = thread.affinity;
  if (args.flags & Clone.CLONE_CHILD_CLEARTID) child.clearOnExit = args.childId;
  k.readyQueue.ready(child);
  return done(child.id);
}

/** A descriptor can be opened for the child, and its number be stored: what can fail of it is found out before. */
function descriptorProblem(k: LinuxKernel, task: Task, { flags: wanted, processId }: CloneArguments): Errno | null {
  if (!(wanted & Clone.CLONE_PIDFD)) return null;
  if (wanted & (Clone.CLONE_DETACHED | Clone.CLONE_THREAD)) return "EINVAL";
  const space = getSpace(k, task.space);
  const before = copyIn(k, space, processId, 4);
  const errno = before.ok ? copyOut(k, space, processId, before.value) : before.errno;
  return errno ?? roomProblem(k, task, 1);
}

function storeDescriptor(k: LinuxKernel, task: Task, { flags: wanted, processId }: CloneArguments, id: TaskId): void {
  if (!(wanted & Clone.CLONE_PIDFD)) return;
  const number = openProcess(k, task, id);
  assert(typeof number === "number", "there was room for a descriptor");
  copyOut(k, getSpace(k, task.space), processId, wordBytes(number));
}

function cloneTask(k: LinuxKernel, { task, thread }: Call, args: CloneArguments): Outcome {
  // The capabilities that a root task has are its own: no two tasks can be it.
  if (task.threads.some((id) => k.threads.threads.get(id)!.tcb !== null)) return fail("EPERM");
  if (args.flags & Clone.CLONE_PARENT && k.threads.init === task.id) return fail("EINVAL");
  const kinds = kindsOf(args.flags);
  const problem = newProblem(k, task, kinds) ?? descriptorProblem(k, task, args);
  if (problem !== null) return fail(problem);
  const child = forkTask(k, task, thread, {
    shares: sharedOf(args.flags),
    sharesMemory: (args.flags & Clone.CLONE_VM) !== 0,
    sharesParent: (args.flags & Clone.CLONE_PARENT) !== 0,
    exitSignal: args.exitSignal,
    stack: stackOf(args),
    threadPointer: pointerOf(args),
  });
  if (typeof child === "string") return fail(child);
  storeIds(k, args, task, child.task, child.task.id);
  storeDescriptor(k, task, args, child.task.id);
  if (args.flags & Clone.CLONE_CHILD_CLEARTID) child.thread.clearOnExit = args.childId;
  if (args.clearHandlers) resetHandlers(child.task);
  newNamespaces(k, child.task, kinds);
  const { id } = child.task;
  traceChild(thread, child.thread, args);
  k.readyQueue.ready(child.thread);
  if ((args.flags & Clone.CLONE_VFORK) === 0) return done(id);
  return { kind: "blocked", wait: { kind: "vfork", child: id, queue: vforkQueue(id), deadlineNs: null } };
}

function clone(k: LinuxKernel, call: Call, args: CloneArguments): Outcome {
  if (call.progress?.kind === "vfork") return endVfork(call, call.progress.child);
  if (call.task.kind === "remote") return fail("ENOSYS");
  const wanted = args.flags;
  if ((wanted & ~known) >>> 0 !== 0 || args.exitSignal > 64) return fail("EINVAL");
  if (wanted & Clone.CLONE_THREAD && !(wanted & Clone.CLONE_SIGHAND)) return fail("EINVAL");
  if (wanted & Clone.CLONE_SIGHAND && !(wanted & Clone.CLONE_VM)) return fail("EINVAL");
  const alone = Clone.CLONE_PIDFD | newBits;
  if (wanted & alone && wanted & Clone.CLONE_THREAD) return fail("EINVAL");
  return wanted & Clone.CLONE_THREAD ? cloneThread(k, call, args) : cloneTask(k, call, args);
}

const leastCloneArguments = 64;
const cloneArgumentBytes = 88;

/** The structure of clone3; what it has that is not here must be zero. */
function clone3(k: LinuxKernel, call: Call, where: bigint, bytes: number): Outcome {
  if (call.progress?.kind === "vfork") return endVfork(call, call.progress.child);
  if (bytes < leastCloneArguments) return fail("EINVAL");
  if (bytes > 4096) return fail("E2BIG");
  const copied = copyIn(k, getSpace(k, call.task.space), where, bytes);
  if (!copied.ok) return fail(copied.errno);
  if (copied.value.subarray(cloneArgumentBytes).some((byte) => byte !== 0)) return fail("E2BIG");
  const padded = new Uint8Array(cloneArgumentBytes);
  padded.set(copied.value.subarray(0, cloneArgumentBytes));
  const view = new DataView(padded.buffer);
  const [all, processId, childId, parentId, exitSignal, stack, stackBytes, threadPointer, setIds, idCount] = Array.from(
    { length: cloneArgumentBytes / 8 },
    (_, i) => view.getBigUint64(i * 8, true),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
  const low = all & ~clearHandlers;
  if (low > 0xffff_ffffn || low & 0xffn || exitSignal > 64n || setIds !== 0n || idCount !== 0n) return fail("EINVAL");
  if ((stack === 0n) !== (stackBytes === 0n)) return fail("EINVAL");
  const clears = (all & clearHandlers) !== 0n;
  if (clears && low & BigInt(Clone.CLONE_SIGHAND)) return fail("EINVAL");
  if (low & BigInt(Clone.CLONE_THREAD | Clone.CLONE_PARENT) && exitSignal !== 0n) return fail("EINVAL");
  return clone(k, call, {
    flags: Number(low),
    exitSignal: Number(exitSignal),
    stack: BigInt.asUintN(64, stack + stackBytes),
    parentId,
    threadPointer,
    childId,
    processId,
    clearHandlers: clears,
  });
}

const Wait = {
  WNOHANG: 1,
  WUNTRACED: 2,
  WEXITED: 4,
  WCONTINUED: 8,
  WNOWAIT: 0x100_0000,
  __WNOTHREAD: 0x2000_0000,
  __WALL: 0x4000_0000,
  __WCLONE: 0x8000_0000,
} as const;
const anywhere = Wait.__WNOTHREAD | Wait.__WALL | Wait.__WCLONE;

/** Which children are meant: all, one, or those of a group. */
type Which = { kind: "all" } | { kind: "task"; id: number; waits?: boolean } | { kind: "group"; id: number };

interface Child {
  id: TaskId;
  parent: TaskId | null;
  group: TaskId;
  exitSignal: number;
}

function isMeant(which: Which, options: number, task: Task, child: Child): boolean {
  if (child.parent !== task.id) return false;
  if (which.kind === "task" && child.id !== which.id) return false;
  if (which.kind === "group" && child.group !== which.id) return false;
  return (options & Wait.__WALL) !== 0 || (child.exitSignal !== signals.SIGCHLD) === ((options & Wait.__WCLONE) !== 0);
}

/** What has become of a child, in the words of siginfo_t. */
interface Report {
  id: TaskId | ThreadId;
  code: number;
  status: number;
  userId: number;
  usage: Usage;
  /** The parent has been told. */
  taken(): void;
}

const ofZombie = (k: LinuxKernel, task: Task, zombie: Zombie): Report => ({
  id: zombie.id,
  code: zombie.status.kind === "exited" ? ChildCode.exited : ChildCode.killed,
  status: zombie.status.kind === "exited" ? zombie.status.code : zombie.status.signal,
  userId: zombie.userId,
  usage: zombie.usage,
  taken: () => reap(k, task, zombie),
});

/** Of a child that was stopped or goes on. */
const ofChange = (k: LinuxKernel, child: Task): Report => ({
  id: child.id,
  code: child.change === "stopped" ? ChildCode.stopped : ChildCode.continued,
  status: child.change === "stopped" ? child.stopSignal : signals.SIGCONT,
  userId: child.credentials.uid,
  usage: usageOf(k, child),
  taken() {
    child.change = null;
  },
});

const ofEnd = (k: LinuxKernel, end: TracedEnd): Report => ({
  id: end.id,
  code: end.status.kind === "exited" ? ChildCode.exited : ChildCode.killed,
  status: end.status.kind === "exited" ? end.status.code : end.status.signal,
  userId: end.userId,
  usage: end.usage,
  taken() {
    k.threads.tracedEnds = k.threads.tracedEnds.filter((other) => other !== end);
  },
});

/** Of a thread that stands still for its tracer. */
const ofStop = (k: LinuxKernel, thread: Thread, stop: TraceStop): Report => ({
  id: thread.id,
  code: ChildCode.trapped,
  status: stop.code,
  userId: taskOf(k, thread).credentials.uid,
  usage: usageOf(k, taskOf(k, thread)),
  taken() {
    stop.reported = true;
  },
});

type Found = Report | "none" | "no child";

/** What a tracer waits for: threads that it traces, and those that have ended. */
function findTraced(k: LinuxKernel, task: Task, which: Which, options: number): Found {
  const isOne = (id: ThreadId, group: number | null): boolean =>
    which.kind === "all" || (which.kind === "task" ? id === which.id : group === which.id);
  let exists = false;
  for (const end of k.threads.tracedEnds) {
    if (end.tracer !== task.id || !isOne(end.id, null)) continue;
    if (options & Wait.WEXITED) return ofEnd(k, end);
    exists = true;
  }
  for (const thread of tracedBy(k, task.id)) {
    if (!isOne(thread.id, taskOf(k, thread).group)) continue;
    const { stop } = thread.tracing!;
    if (stop !== null && !stop.reported) return ofStop(k, thread, stop);
    exists = true;
  }
  return exists ? "none" : "no child";
}

function findChild(k: LinuxKernel, task: Task, which: Which, options: number): Found {
  const traced = findTraced(k, task, which, options);
  if (typeof traced !== "string") return traced;
  let exists = traced === "none";
  for (const zombie of k.threads.zombies.values()) {
    if (!isMeant(which, options, task, zombie)) continue;
    if (options & Wait.WEXITED) return ofZombie(k, task, zombie);
    exists = true;
  }
  for (const child of k.threads.tasks.values()) {
    if (!isMeant(which, options, task, child)) continue;
    const asked = child.change === "stopped" ? Wait.WUNTRACED : Wait.WCONTINUED;
    if (child.change !== null && options & asked) return ofChange(k, child);
    exists = true;
  }
  return exists ? "none" : "no child";
}

/** How wait(2) tells of it. */
function statusWord({ code, status }: Report): number {
  if (code === ChildCode.exited) return (status & 0xff) << 8;
  if (code === ChildCode.stopped || code === ChildCode.trapped) return (status << 8) | 0x7f;
  return code === ChildCode.continued ? 0xffff : status;
}

const waitsForChild = (task: Task): Outcome<never> => ({
  kind: "blocked",
  wait: { kind: "child", queue: childrenQueue(task.id), deadlineNs: null },
});

function wait4(k: LinuxKernel, { task }: Call, id: number, options: number) {
  const allowed = Wait.WNOHANG | Wait.WUNTRACED | Wait.WCONTINUED | anywhere;
  if ((options & ~allowed) >>> 0 !== 0) return fail("EINVAL");
  if (id === -0x8000_0000) return fail("ESRCH");
  const group = id === 0 ? task.group : -id;
  const which: Which = id === -1 ? { kind: "all" } : id > 0 ? { kind: "task", id } : { kind: "group", id: group };
  const found = findChild(k, task, which, options | Wait.WEXITED);
  if (found === "no child") return fail("ECHILD");
  if (found === "none") return options & Wait.WNOHANG ? done(0) : waitsForChild(task);
  const out = { status: { status: statusWord(found) }, usage: toRusage(found.usage) };
  return { kind: "done", value: found.id, out, commit: found.taken } as const;
}

const IdType = { P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3 } as const;
const childInfo = ({ id, userId, code, status }: Report) => ({
  si_signo: signals.SIGCHLD,
  si_code: code,
  si_pid: id,
  si_uid: userId,
  si_status: status,
});

const noInfo = { si_signo: 0, si_code: 0, si_pid: 0, si_uid: 0, si_status: 0 };

/** The child that a descriptor stands for, which may say that nobody waits for it. */
function ofDescriptor(k: LinuxKernel, task: Task, number: number): (Which & { kind: "task" }) | Errno {
  if (number < 0) return "EINVAL";
  const found = processAt(k, task, number);
  if (typeof found === "string") return found;
  return { kind: "task", id: found.id, waits: (found.file.flags & OpenFlag.O_NONBLOCK) === 0 };
}

function whichOf(k: LinuxKernel, task: Task, type: number, id: number): Which | Errno {
  switch (type) {
    case IdType.P_PIDFD:
      return ofDescriptor(k, task, id);
    case IdType.P_ALL:
      return { kind: "all" };
    case IdType.P_PID:
      return id > 0 ? { kind: "task", id } : "EINVAL";
    case IdType.P_PGID:
      return id < 0 ? "EINVAL" : { kind: "group", id: id === 0 ? task.group : id };
    default:
      return "EINVAL";
  }
}

function waitid(k: LinuxKernel, { task }: Call, type: number, id: number, options: number) {
  const reasons = Wait.WEXITED | Wait.WUNTRACED | Wait.WCONTINUED;
  if ((options & ~(reasons | Wait.WNOHANG | Wait.WNOWAIT | anywhere)) >>> 0 !== 0) return fail("EINVAL");
  if ((options & reasons) === 0) return fail("EINVAL");
  const which = whichOf(k, task, type, id);
  if (typeof which === "string") return fail(which);
  const found = findChild(k, task, which, options);
  if (found === "no child") return fail("ECHILD");
  if (found === "none") {
    if (options & Wait.WNOHANG) return { kind: "done", value: 0, out: { info: noInfo } } as const;
    return which.kind === "task" && which.waits === false ? fail("EAGAIN") : waitsForChild(task);
  }
  const commit = options & Wait.WNOWAIT ? () => undefined : found.taken;
  return { kind: "done", value: 0, out: { info: childInfo(found), usage: toRusage(found.usage) }, commit } as const;
}

export const processCalls = [
  syscall({
    name: "exit_group",
    nr: { rv64: 94 },
    support: "full",
    args: { code: int },
    run(k: LinuxKernel, { code }, { task }) {
      exitTask(k, task, { kind: "exited", code: code & 0xff });
      return { kind: "gone" };
    },
  }),
  syscall({
    name: "clone",
    nr: { rv64: 220 },
    support: "partial",
    note: "Threads share all that can be shared; of name spaces UTS and IPC.",
    args: { flags: flags(Clone), stack: address, parentId: address, threadPointer: address, childId: address },
    errors: ["EAGAIN", "EFAULT", "EINVAL", "EMFILE", "ENFILE", "ENOMEM", "ENOSYS", "EPERM"],
    run: (k: LinuxKernel, { flags: all, ...args }, call) =>
      // There is one place for both numbers.
      all & Clone.CLONE_PIDFD && all & Clone.CLONE_PARENT_SETTID
        ? fail("EINVAL")
        : clone(k, call, {
            ...args,
            flags: (all & ~0xff) >>> 0,
            exitSignal: all & 0xff,
            processId: args.parentId,
            clearHandlers: false,
          }),
  }),
  syscall({
    name: "clone3",
    nr: { rv64: 435 },
    support: "partial",
    note: "As clone; no choice of ids, no cgroup.",
    args: { arguments: address, bytes: size },
    errors: ["E2BIG", "EAGAIN", "EFAULT", "EINVAL", "EMFILE", "ENFILE", "ENOMEM", "ENOSYS", "EPERM"],
    run: (k: LinuxKernel, { arguments: where, bytes }, call) => clone3(k, call, where, bytes),
  }),
  syscall({
    name: "wait4",
    nr: { rv64: 260 },
    support: "full",
    args: {
      id: int,
      status: structOut(waitWord, "optional"),
      options: flags(Wait),
      usage: structOut(rusage, "optional"),
    },
    errors: ["ECHILD", "EFAULT", "EINTR", "EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { id, options }, call) => wait4(k, call, id, options),
  }),
  syscall({
    name: "waitid",
    nr: { rv64: 95 },
    support: "full",
    args: {
      type: choice(IdType),
      id: int,
      info: structOut(siginfoChild, "optional"),
      options: flags(Wait),
      usage: structOut(rusage, "optional"),
    },
    errors: ["EAGAIN", "EBADF", "ECHILD", "EFAULT", "EINTR", "EINVAL"],
    run: (k: LinuxKernel, { type, id, options }, call) => waitid(k, call, type, id, options),
  }),
] as const;
