/** Waiting for children, and for what one traces: wait4(2), waitid(2). */

import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId, ThreadId } from "../../lib/ids.ts";
import { signals } from "../../lib/signals.ts";
import { dropNamespaces } from "../../ns/namespaces.ts";
import { reap } from "../../thread/family.ts";
import { idFor, numberFor } from "../../thread/pids.ts";
import { ChildCode, childrenQueue } from "../../thread/signals.ts";
import type { Task, Thread, TracedEnd, TraceStop, Usage, Zombie } from "../../thread/state.ts";
import { taskOf, usageOf } from "../../thread/tasks.ts";
import { forgetTracedEnd, tracedBy } from "../../thread/tracing.ts";
import { shownUser } from "../../thread/users.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { choice, flags, int, structOut } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { rusage, siginfoChild, toRusage, waitWord } from "./layouts.ts";
import { processAt } from "./pidfd.ts";

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
  taken() {
    reap(k, task, zombie);
    dropNamespaces(k);
  },
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
  taken: () => forgetTracedEnd(k, end),
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
  spend(k.effort, k.threads.tracedEnds.length, "items");
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
  spend(k.effort, k.threads.zombies.size + k.threads.tasks.size, "items");
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
  const which: Which =
    id === -1
      ? { kind: "all" }
      : id > 0
        ? { kind: "task", id: idFor(k, task, id) }
        : { kind: "group", id: id === 0 ? task.group : idFor(k, task, -id) };
  const found = findChild(k, task, which, options | Wait.WEXITED);
  if (found === "no child") return fail("ECHILD");
  if (found === "none") return options & Wait.WNOHANG ? done(0) : waitsForChild(task);
  const out = { status: { status: statusWord(found) }, usage: toRusage(found.usage) };
  return { kind: "done", value: numberFor(k, task, found.id), out, commit: found.taken } as const;
}

const IdType = { P_ALL: 0, P_PID: 1, P_PGID: 2, P_PIDFD: 3 } as const;
const childInfo = (k: LinuxKernel, task: Task, { id, userId, code, status }: Report) => ({
  si_signo: signals.SIGCHLD,
  si_code: code,
  si_pid: numberFor(k, task, id),
  si_uid: shownUser(k, task, userId),
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
      return id > 0 ? { kind: "task", id: idFor(k, task, id) } : "EINVAL";
    case IdType.P_PGID:
      return id < 0 ? "EINVAL" : { kind: "group", id: id === 0 ? task.group : idFor(k, task, id) };
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
  return {
    kind: "done",
    value: 0,
    out: { info: childInfo(k, task, found), usage: toRusage(found.usage) },
    commit,
  } as const;
}

export const waitCalls = [
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
