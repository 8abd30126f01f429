/**
 * Signals by their disposition. Handlers in the program are not run yet: a signal that has one is dropped,
 * and traced; one with the default action ends the task if that is its default.
 */
import { harmlessSignals, lastSignal, signalName, signals, stopSignals } from "../lib/signals.ts";
import { signalDropped } from "../trace/events/signal.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Task, Thread } from "./state.ts";
import { killTask } from "./tasks.ts";

const ignoreHandler = 1n;
export const unmaskable: readonly number[] = [signals.SIGKILL, signals.SIGSTOP];
export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);

/** What the signal, delivered now, does. */
function effectOf(task: Task, signal: number): "ends" | "dropped" | "ignored" {
  if (signal === signals.SIGKILL) return "ends";
  const handler = task.signalActions.get(signal)?.handler ?? 0n;
  if (handler > ignoreHandler) return "dropped";
  const harmless = harmlessSignals.includes(signal) || stopSignals.includes(signal);
  return handler === ignoreHandler || harmless ? "ignored" : "ends";
}

/** Sends a signal to a thread, or to its whole task: true when that ended the task. */
export function sendSignal(k: ThreadKernel, task: Task, thread: Thread, signal: number): boolean {
  if (thread.signalMask & signalBit(signal) && !unmaskable.includes(signal)) {
    thread.pendingSignals |= signalBit(signal);
    return false;
  }
  const effect = effectOf(task, signal);
  if (effect === "dropped" && k.trace.on(signalDropped)) {
    k.trace.write(signalDropped, { task: task.id, thread: thread.id, signal, name: signalName(signal) });
  }
  if (effect !== "ends") return false;
  killTask(k, task, signal);
  return true;
}

/** Sets the mask and delivers what it held back: true when that ended the task. */
export function setSignalMask(k: ThreadKernel, task: Task, thread: Thread, mask: bigint): boolean {
  thread.signalMask = BigInt.asUintN(64, mask) & ~signalBit(signals.SIGKILL) & ~signalBit(signals.SIGSTOP);
  for (let signal = 1; signal <= lastSignal; signal++) {
    const bit = signalBit(signal);
    if ((thread.pendingSignals & ~thread.signalMask & bit) === 0n) continue;
    thread.pendingSignals &= ~bit;
    if (sendSignal(k, task, thread, signal)) return true;
  }
  return false;
}
