/** Signals, as far as their dispositions decide: rt_sigaction(2), rt_sigprocmask(2), kill(2), tgkill(2). */

import type { TaskId, ThreadId } from "../../lib/ids.ts";
import { lastSignal } from "../../lib/signals.ts";
import { sendSignal, setSignalMask, unmaskable } from "../../thread/signals.ts";
import type { SignalAction, Task, Thread } from "../../thread/state.ts";
import { choice, int, signal, size, structIn, structOut } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { sigaction, signalSet } from "./layouts.ts";

const setBytes = 8;

/** Sends to another thread or the caller; "gone" when the caller ended by it. */
function send(k: LinuxKernel, call: Call, task: Task, thread: Thread, number: number): Outcome {
  if (number < 0 || number > lastSignal) return fail("EINVAL");
  if (number === 0) return done(0);
  const ended = sendSignal(k, task, thread, number);
  return ended && task === call.task ? { kind: "gone" } : done(0);
}

/** Sends to every task that is meant; "gone" when the caller was among them and ended. */
function sendToAll(k: LinuxKernel, call: Call, tasks: readonly Task[], number: number): Outcome {
  for (const task of tasks) {
    const thread = task === call.task ? call.thread : k.threads.threads.get(task.threads[0]!);
    if (thread !== undefined && k.threads.tasks.has(task.id)) send(k, call, task, thread, number);
  }
  return k.threads.tasks.has(call.task.id) ? done(0) : { kind: "gone" };
}

/** kill(2): one task, a group, or all but init and the caller. */
function kill(k: LinuxKernel, call: Call, id: number, number: number): Outcome {
  if (number < 0 || number > lastSignal) return fail("EINVAL");
  const { tasks, zombies, init } = k.threads;
  if (id === -1) {
    const others = [...tasks.values()].filter((task) => task.id !== init && task !== call.task);
    return others.length === 0 ? fail("ESRCH") : sendToAll(k, call, others, number);
  }
  const group = id === 0 ? call.task.group : -id;
  const isMeant = (found: { id: TaskId; group: TaskId }): boolean => (id > 0 ? found.id === id : found.group === group);
  const meant = [...tasks.values()].filter(isMeant);
  // What has ended and was not waited for yet can be sent anything.
  if (meant.length === 0) return [...zombies.values()].some(isMeant) ? done(0) : fail("ESRCH");
  return sendToAll(k, call, meant, number);
}

function tgkill(k: LinuxKernel, call: Call, group: number | null, id: number, number: number): Outcome {
  if (id <= 0 || (group !== null && group <= 0)) return fail("EINVAL");
  const thread = k.threads.threads.get(id as ThreadId);
  if (thread === undefined || (group !== null && thread.task !== group)) return fail("ESRCH");
  return send(k, call, k.threads.tasks.get(thread.task)!, thread, number);
}

const toAction = (action: SignalAction | undefined): { sa_handler: bigint; sa_flags: bigint; sa_mask: bigint } => ({
  sa_handler: action?.handler ?? 0n,
  sa_flags: action?.flags ?? 0n,
  sa_mask: action?.mask ?? 0n,
});

const How = { SIG_BLOCK: 0, SIG_UNBLOCK: 1, SIG_SETMASK: 2 } as const;

function newMask(thread: Thread, how: number, mask: bigint): bigint | null {
  if (how === How.SIG_BLOCK) return thread.signalMask | mask;
  if (how === How.SIG_UNBLOCK) return thread.signalMask & ~mask;
  return how === How.SIG_SETMASK ? mask : null;
}

export const signalCalls = [
  syscall({
    name: "rt_sigaction",
    nr: { rv64: 134 },
    support: "partial",
    note: "Dispositions are stored; a signal that has a handler is dropped, handlers do not run yet.",
    args: { signal, action: structIn(sigaction), before: structOut(sigaction, "optional"), bytes: size },
    errors: ["EFAULT", "EINVAL"],
    run(_k: LinuxKernel, { signal, action, bytes }, { task }) {
      if (bytes !== setBytes || signal < 1 || signal > lastSignal) return fail("EINVAL");
      if (action !== null && unmaskable.includes(signal)) return fail("EINVAL");
      const before = toAction(task.signalActions.get(signal));
      if (action !== null)
        task.signalActions.set(signal, { handler: action.sa_handler, flags: action.sa_flags, mask: action.sa_mask });
      return { kind: "done", value: 0, out: { before } };
    },
  }),
  syscall({
    name: "rt_sigprocmask",
    nr: { rv64: 135 },
    support: "full",
    args: { how: choice(How), set: structIn(signalSet), before: structOut(signalSet, "optional"), bytes: size },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { how, set, bytes }, { task, thread }) {
      if (bytes !== setBytes) return fail("EINVAL");
      const before = { mask: thread.signalMask };
      const mask = set === null ? thread.signalMask : newMask(thread, how, set.mask);
      if (mask === null) return fail("EINVAL");
      if (set !== null && setSignalMask(k, task, thread, mask)) return { kind: "gone" };
      return { kind: "done", value: 0, out: { before } };
    },
  }),
  syscall({
    name: "kill",
    nr: { rv64: 129 },
    support: "partial",
    note: "Stop signals do nothing.",
    args: { id: int, signal },
    errors: ["EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { id, signal }, call) => kill(k, call, id, signal),
  }),
  syscall({
    name: "tkill",
    nr: { rv64: 130 },
    support: "partial",
    note: "As kill.",
    args: { thread: int, signal },
    errors: ["EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { thread, signal }, call) => tgkill(k, call, null, thread, signal),
  }),
  syscall({
    name: "tgkill",
    nr: { rv64: 131 },
    support: "partial",
    note: "As kill.",
    args: { group: int, thread: int, signal },
    errors: ["EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { group, thread, signal }, call) => tgkill(k, call, group, thread, signal),
  }),
] as const;
