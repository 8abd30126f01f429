/** Where a traced thread stops on its way into the kernel and out of it (thread/tracing.ts has what a stop is). */
import { errnoResult } from "../lib/errno.ts";
import { signals } from "../lib/signals.ts";
import type { SignalInfo, Thread, Tracing } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import {
  callStop,
  eventStop,
  groupStop,
  stopOf,
  stopTraced,
  TraceEvent,
  takeDueStop,
  wantsEvent,
} from "../thread/tracing.ts";
import { onSignal } from "../thread/wait.ts";
import type { EntryKernel } from "./kernel.ts";

/** Numbers of si_code for SIGTRAP: an instruction was executed alone. */
const stepped = 2;
/** What a call that will be made again shows its tracer (ERESTARTSYS); programs never see it. */
const restartResult = -512n;

/** Before the thread returns to user mode there is something to stop for, or to do. */
export const hasTraceWork = ({ due, trap, stepped, injected }: Tracing): boolean =>
  due.length > 0 || trap || stepped || injected !== null;

/** Stops that come before any signal; false: there is none. */
export function stopBeforeSignals(k: EntryKernel, thread: Thread, tracing: Tracing): boolean {
  if (takeDueStop(k, thread, tracing)) return true;
  if (tracing.inCall && thread.resume?.kind === "interrupted") return leaveInterrupted(k, thread, tracing);
  if (tracing.stepped) {
    tracing.stepped = false;
    const address = k.hal.contexts.getPc(thread.context);
    const info: SignalInfo = { signal: signals.SIGTRAP, code: stepped, detail: { kind: "fault", address } };
    stopTraced(k, thread, tracing, stopOf("signal", signals.SIGTRAP, { info }));
    return true;
  }
  if (!tracing.trap) return false;
  tracing.trap = false;
  stopTraced(k, thread, tracing, groupStop(tracing, taskOf(k, thread).stopSignal || signals.SIGTRAP));
  return true;
}

/** A signal ended the wait of a call that the tracer saw beginning: it sees it end before it sees the signal. */
function leaveInterrupted(k: EntryKernel, thread: Thread, tracing: Tracing): boolean {
  tracing.inCall = false;
  if (tracing.mode !== "syscall") return stopBeforeSignals(k, thread, tracing);
  const result = onSignal(thread.wait!) === "restart" ? restartResult : errnoResult("EINTR");
  stopTraced(k, thread, tracing, callStop(tracing, "exit", result));
  return true;
}

/** What the tracer has let through. */
export function takeInjected(thread: Thread): SignalInfo | null {
  const { tracing } = thread;
  if (tracing === null) return null;
  const { injected } = tracing;
  tracing.injected = null;
  return injected;
}

/** The tracer sees a signal before it is taken, and decides. */
export function stopForSignal(k: EntryKernel, thread: Thread, info: SignalInfo): boolean {
  const { tracing } = thread;
  if (tracing === null || info.signal === signals.SIGKILL) return false;
  stopTraced(k, thread, tracing, stopOf("signal", info.signal, { info }));
  return true;
}

/** A signal ends the task: announced first, if the tracer wants that. */
export function stopBeforeEnd(k: EntryKernel, thread: Thread, info: SignalInfo): boolean {
  const { tracing } = thread;
  if (!wantsEvent(tracing, TraceEvent.EXIT) || tracing.exiting) return false;
  tracing.exiting = true;
  tracing.injected = info;
  stopTraced(k, thread, tracing, eventStop(TraceEvent.EXIT, info.signal));
  return true;
}

/** A call is about to be made: whether the thread stops first. It is made when the thread goes on. */
export function stopAtEntry(k: EntryKernel, thread: Thread): boolean {
  const { tracing } = thread;
  if (tracing === null || tracing.mode !== "syscall" || tracing.inCall) return false;
  tracing.inCall = true;
  thread.resume = { kind: "restart" };
  stopTraced(k, thread, tracing, callStop(tracing, "entry"));
  return true;
}

/** The same of a call that ends the thread, where the tracer wants that announced. */
export function stopAtExit(k: EntryKernel, thread: Thread, name: string): boolean {
  const { tracing } = thread;
  if ((name !== "exit" && name !== "exit_group") || !wantsEvent(tracing, TraceEvent.EXIT) || tracing.exiting)
    return false;
  tracing.exiting = true;
  thread.resume = { kind: "restart" };
  const code = Number(k.hal.contexts.getCallArgument(thread.context, 0) & 0xffn);
  stopTraced(k, thread, tracing, eventStop(TraceEvent.EXIT, code << 8));
  return true;
}

/** A call is over, or waits: events of it come first, then its exit. */
export function leaveTracedCall(k: EntryKernel, thread: Thread, isOver: boolean): void {
  const { tracing } = thread;
  if (tracing === null || !k.threads.threads.has(thread.id) || tracing.stop !== null) return;
  if (isOver && tracing.inCall) {
    tracing.inCall = false;
    tracing.due.push(callStop(tracing, "exit"));
  }
  takeDueStop(k, thread, tracing);
}

/** The thread has executed an instruction, or begun a call, for which alone it was let go. */
export function noteStep(k: EntryKernel, thread: Thread): void {
  const { tracing } = thread;
  if (tracing?.mode !== "step" || !k.threads.threads.has(thread.id)) return;
  tracing.mode = "free";
  tracing.stepped = true;
}
