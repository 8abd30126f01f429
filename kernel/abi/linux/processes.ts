/** Processes: clone(2) and clone3(2) with all that they make, exit_group(2). */

import { assert } from "../../lib/assert.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId } from "../../lib/ids.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut, copyStructIn } from "../../mm/user.ts";
import { createNamespace, dropNamespaces, enterNamespace, ownerOfNamespace } from "../../ns/namespaces.ts";
import { Cap } from "../../thread/capabilities.ts";
import { forkTask } from "../../thread/fork.ts";
import {
  deepestPidSpace,
  depthOf,
  isInitOfPids,
  mostPids,
  numberFor,
  parentOfPids,
  pidSpaceOf,
} from "../../thread/pids.ts";
import { mayHaveThread } from "../../thread/rlimits.ts";
import { inheritScheduling } from "../../thread/scheduling.ts";
import { fromKernel, resetHandlers, SignalCode } from "../../thread/signals.ts";
import type { Sharing, Task, Thread } from "../../thread/state.ts";
import { createThread, exitTask, inheritName, vforkQueue } from "../../thread/tasks.ts";
import { beginTracing, eventStop, numberForTracer, TraceEvent, wantsEvent } from "../../thread/tracing.ts";
import { hasCapabilityIn } from "../../thread/users.ts";
import type { Wait } from "../../thread/wait.ts";
import { roomProblem } from "../../vfs/descriptors.ts";
import { address, flags, int, size } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { kindsOf, NewNamespace, newBits, newProblem, takeNamespaces } from "./namespaces.ts";
import { openProcess } from "./pidfd.ts";

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
  /** Numbers that the child is to have, in its own PID name space first. */
  pids: number[];
}

const wordBytes = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** Where the new thread's number is stored; like Linux, nobody is told when there is no memory. */
function storeIds(k: LinuxKernel, args: CloneArguments, from: Task, child: Task, id: number): void {
  const [here, there] = [numberFor(k, from, id), numberFor(k, child, id)];
  if (args.flags & Clone.CLONE_PARENT_SETTID) copyOut(k, getSpace(k, from.space), args.parentId, wordBytes(here));
  if (args.flags & Clone.CLONE_CHILD_SETTID) copyOut(k, getSpace(k, child.space), args.childId, wordBytes(there));
}

const stackOf = ({ stack }: CloneArguments): bigint | null => (stack === 0n ? null : stack);
const pointerOf = (args: CloneArguments): bigint | null =>
  args.flags & Clone.CLONE_SETTLS ? args.threadPointer : null;

/** Who traces the parent is told of the child, and traces that, too, if it wants either. */
function traceChild(
  k: LinuxKernel,
  { tracing }: Thread,
  child: Thread,
  { flags: wanted, exitSignal }: CloneArguments,
): void {
  if (tracing === null || wanted & Clone.CLONE_UNTRACED) return;
  const isChild = exitSignal === signals.SIGCHLD && !(wanted & Clone.CLONE_THREAD);
  const event = wanted & Clone.CLONE_VFORK ? TraceEvent.VFORK : isChild ? TraceEvent.FORK : TraceEvent.CLONE;
  const told = wantsEvent(tracing, event);
  if (told) tracing.due.push(eventStop(event, numberForTracer(k, tracing, child.id)));
  if (!told && !(wanted & Clone.CLONE_PTRACE)) return;
  const { tracer, seized, options } = tracing;
  child.tracing = beginTracing(tracer, seized, options);
  if (seized) child.tracing.trap = true;
  else child.pending.push({ ...fromKernel(signals.SIGSTOP), code: SignalCode.user });
}

type VforkWait = Wait & { kind: "vfork" };

/** A child that was waited for runs a program of its own, or has ended. */
function endVfork(k: LinuxKernel, { thread: { tracing } }: Call, { child, number }: VforkWait): Outcome {
  if (wantsEvent(tracing, TraceEvent.VFORKDONE))
    tracing.due.push(eventStop(TraceEvent.VFORKDONE, numberForTracer(k, tracing, child)));
  return done(number);
}

function cloneThread(k: LinuxKernel, { task, thread }: Call, args: CloneArguments): Outcome {
  if ((args.flags & ofThreads) !== ofThreads) return fail("EINVAL");
  if (task.namespaces.pid !== task.namespaces.childPid) return fail("EINVAL");
  if (k.threads.threads.size >= k.config.limits.threads || !mayHaveThread(k, task)) return fail("EAGAIN");
  const context = k.hal.contexts.fork(thread.context, stackOf(args), pointerOf(args));
  const child = createThread(k, task, context);
  storeIds(k, args, task, task, child.id);
  traceChild(k, thread, child, args);
  child.signalMask = thread.signalMask;
  inheritScheduling(thread, child);
  inheritName(k, thread, child);
  child.affinity = thread.affinity;
  if (args.flags & Clone.CLONE_CHILD_CLEARTID) child.clearOnExit = args.childId;
  k.readyQueue.ready(child);
  return done(numberFor(k, task, child.id));
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

/** In another IPC name space there is nothing that could be undone together. */
const isApartAndShared = (flags: number): boolean =>
  (flags & Clone.CLONE_SYSVSEM) !== 0 && (flags & NewNamespace.CLONE_NEWIPC) !== 0;

function cloneTask(k: LinuxKernel, { task, thread }: Call, args: CloneArguments): Outcome {
  // The capabilities that a root task has are its own: no two tasks can be it.
  if (task.threads.some((id) => k.threads.threads.get(id)!.tcb !== null)) return fail("EPERM");
  if (args.flags & Clone.CLONE_PARENT && (k.threads.init === task.id || isInitOfPids(k, task))) return fail("EINVAL");
  const kinds = kindsOf(args.flags);
  const { childPid } = task.namespaces;
  const isNew = kinds.includes("pid");
  const problem =
    newProblem(k, task, kinds) ??
    (isApartAndShared(args.flags) ? "EINVAL" : null) ??
    pidProblem(k, task, isNew ? null : childPid, args.pids) ??
    descriptorProblem(k, task, args);
  if (problem !== null) return fail(problem);
  const userSpace = kinds.includes("user") ? createNamespace(k, task, "user") : null;
  const pidSpace = isNew ? createNamespace(k, task, "pid", userSpace ?? task.credentials.userSpace) : childPid;
  const child = forkTask(k, task, thread, {
    pidSpace,
    pids: args.pids,
    shares: sharedOf(args.flags),
    sharesMemory: (args.flags & Clone.CLONE_VM) !== 0,
    sharesParent: (args.flags & Clone.CLONE_PARENT) !== 0,
    exitSignal: args.exitSignal,
    stack: stackOf(args),
    threadPointer: pointerOf(args),
  });
  if (typeof child === "string") {
    dropNamespaces(k);
    return fail(child);
  }
  storeIds(k, args, task, child.task, child.task.id);
  storeDescriptor(k, task, args, child.task.id);
  if (args.flags & Clone.CLONE_CHILD_CLEARTID) child.thread.clearOnExit = args.childId;
  if (args.clearHandlers) resetHandlers(child.task);
  if (userSpace !== null) enterNamespace(k, child.task, "user", userSpace);
  takeNamespaces(
    k,
    child.task,
    kinds.filter((kind) => kind !== "pid" && kind !== "user"),
  );
  const { id } = child.task;
  traceChild(k, thread, child.thread, args);
  k.readyQueue.ready(child.thread);
  const number = numberFor(k, task, id);
  if ((args.flags & Clone.CLONE_VFORK) === 0) return done(number);
  return { kind: "blocked", wait: { kind: "vfork", child: id, number, queue: vforkQueue(id), deadlineNs: null } };
}

function clone(k: LinuxKernel, call: Call, args: CloneArguments): Outcome {
  if (call.progress?.kind === "vfork") return endVfork(k, call, call.progress);
  if (call.task.kind === "remote") return fail("ENOSYS");
  const wanted = args.flags;
  if ((wanted & ~known) >>> 0 !== 0 || args.exitSignal > 64) return fail("EINVAL");
  if (wanted & Clone.CLONE_THREAD && !(wanted & Clone.CLONE_SIGHAND)) return fail("EINVAL");
  if (wanted & Clone.CLONE_SIGHAND && !(wanted & Clone.CLONE_VM)) return fail("EINVAL");
  const apart = Clone.CLONE_NEWNS | Clone.CLONE_NEWUSER;
  if (wanted & apart && wanted & Clone.CLONE_FS) return fail("EINVAL");
  const alone = Clone.CLONE_PIDFD | newBits;
  if (wanted & alone && wanted & Clone.CLONE_THREAD) return fail("EINVAL");
  return wanted & Clone.CLONE_THREAD ? cloneThread(k, call, args) : cloneTask(k, call, args);
}

/** The numbers that clone3 is to give (set_tid). */
function readPids(k: LinuxKernel, task: Task, where: bigint, count: bigint): number[] | Errno {
  if ((where === 0n) !== (count === 0n) || count > BigInt(deepestPidSpace)) return "EINVAL";
  if (count === 0n) return [];
  const bytes = copyIn(k, getSpace(k, task.space), where, 4 * Number(count));
  if (!bytes.ok) return bytes.errno;
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  return Array.from({ length: Number(count) }, (_, i) => view.getInt32(4 * i, true));
}

const mayChoosePids = (k: LinuxKernel, { credentials }: Task, space: number): boolean =>
  [Cap.CHECKPOINT_RESTORE, Cap.SYS_ADMIN].some((cap) =>
    hasCapabilityIn(k, credentials, ownerOfNamespace(k, space), cap),
  );

/**
 * Why a child cannot have the numbers that were chosen for it, or none at all, in a name space (null: a new one). Those of
 * the first name space are ids, which are given in their order, and never again.
 */
function pidProblem(k: LinuxKernel, task: Task, own: number | null, pids: readonly number[]): Errno | null {
  const inner = own ?? task.namespaces.pid;
  if (own !== null && own !== 0 && pidSpaceOf(k, own).ended) return "ENOMEM";
  const depth = depthOf(k, inner) + (own === null ? 1 : 0);
  if (pids.length > depth + 1) return "EINVAL";
  let at: number | null = own;
  for (const [level, number] of pids.entries()) {
    if (number < 1 || number >= mostPids) return "EINVAL";
    const isFirst = at === null || (at !== 0 && pidSpaceOf(k, at).init === null);
    if (isFirst && number !== 1) return "EINVAL";
    if (at !== null && !mayChoosePids(k, task, at)) return "EPERM";
    if (at === 0 || (at !== null && pidSpaceOf(k, at).ids.has(number))) return "EEXIST";
    at = level === 0 && at === null ? inner : parentOfPids(k, at!);
  }
  return null;
}

const leastCloneArguments = 64;
const cloneArgumentBytes = 88;

/** The structure of clone3; what it has that is not here must be zero. */
function clone3(k: LinuxKernel, call: Call, where: bigint, bytes: number): Outcome {
  if (call.progress?.kind === "vfork") return endVfork(k, call, call.progress);
  if (bytes < leastCloneArguments) return fail("EINVAL");
  const copied = copyStructIn(k, getSpace(k, call.task.space), where, bytes, cloneArgumentBytes);
  if (!copied.ok) return fail(copied.errno);
  const view = copied.value;
  const [all, processId, childId, parentId, exitSignal, stack, stackBytes, threadPointer, setIds, idCount] = Array.from(
    { length: cloneArgumentBytes / 8 },
    (_, i) => view.getBigUint64(i * 8, true),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
  const low = all & ~clearHandlers;
  if (low > 0xffff_ffffn || low & 0xffn || exitSignal > 64n) return fail("EINVAL");
  const pids = readPids(k, call.task, setIds, idCount);
  if (typeof pids === "string") return fail(pids);
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
    pids,
  });
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
    note: "Threads share all that can be shared; no name spaces of control groups and time.",
    args: { flags: flags(Clone), stack: address, parentId: address, threadPointer: address, childId: address },
    errors: ["EAGAIN", "EFAULT", "EINVAL", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "ENOSYS", "EPERM"],
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
            pids: [],
          }),
  }),
  syscall({
    name: "clone3",
    nr: { rv64: 435 },
    support: "partial",
    note: "As clone; ids can be chosen, but not in the first PID name space; no cgroup.",
    args: { arguments: address, bytes: size },
    errors: [
      "E2BIG",
      "EAGAIN",
      "EEXIST",
      "EFAULT",
      "EINVAL",
      "EMFILE",
      "ENFILE",
      "ENOMEM",
      "ENOSPC",
      "ENOSYS",
      "EPERM",
    ],
    run: (k: LinuxKernel, { arguments: where, bytes }, call) => clone3(k, call, where, bytes),
  }),
] as const;
