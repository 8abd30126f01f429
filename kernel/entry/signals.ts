/**
 * Delivery: a thread that is about to return to user mode takes its signals first.
 *
 * One signal is taken at a time. One with a handler becomes a frame on the thread's stack, and the thread goes on in
 * the handler; the call that it was in ended with EINTR before, or is made again afterwards, for the registers that the
 * frame keeps still stand on it. When nothing is left to be taken, a call that was interrupted goes on where it was.
 */
import { encodeSignalInfo } from "../abi/linux/siginfo.ts";
import { errnoResult } from "../lib/errno.ts";
import { signalName, signals } from "../lib/signals.ts";
import { getSpace, vdsoAddress } from "../mm/space.ts";
import { copyOut } from "../mm/user.ts";
import { runsAbroad } from "../sched/sched.ts";
import { isOrphaned } from "../thread/family.ts";
import { isOnStack, type SignalStack, StackFlag } from "../thread/signal-stack.ts";
import {
  deliverableSet,
  type Effect,
  effectOf,
  forceSignal,
  fromKernel,
  hasSignals,
  resetAction,
  setSignalMask,
  signalBit,
  stopTask,
  takeSignal,
} from "../thread/signals.ts";
import type { SignalAction, SignalInfo, Task, Thread } from "../thread/state.ts";
import { killTask, taskOf } from "../thread/tasks.ts";
import { interruptedOf, onSignal } from "../thread/wait.ts";
import { signalDeliver } from "../trace/events/signal.ts";
import type { EntryKernel } from "./kernel.ts";
import { completeCall, dispatch } from "./syscall.ts";
import { hasTraceWork, stopBeforeEnd, stopBeforeSignals, stopForSignal, takeInjected } from "./tracing.ts";

const ActionFlag = {
  siginfo: 4n,
  onStack: 0x0800_0000n,
  restart: 0x1000_0000n,
  noDefer: 0x4000_0000n,
  resetHandler: 0x8000_0000n,
} as const;

/** Whether the thread has something to do before it runs. */
export const isSignalled = (k: EntryKernel, task: Task, thread: Thread): boolean =>
  thread.resume?.kind === "interrupted" ||
  (hasSignals(k, task, thread) && !runsAbroad(k, thread)) ||
  (thread.tracing !== null && hasTraceWork(thread.tracing));

/** Takes one signal, or lets an interrupted call go on; the thread may be stopped or gone afterwards. */
export function deliverSignal(k: EntryKernel, thread: Thread): void {
  if (thread.tracing !== null && stopBeforeSignals(k, thread, thread.tracing)) return;
  const task = taskOf(k, thread);
  const injected = takeInjected(thread);
  const info = injected ?? (runsAbroad(k, thread) ? null : takeSignal(k, task, thread, deliverableSet(thread)));
  if (info === null) {
    if (thread.resume === null) return;
    thread.resume = null;
    dispatch(k, thread);
    return;
  }
  const effect = effectOf(k, task, info.signal);
  if (injected === null ? stopForSignal(k, thread, info) : effect === "end" && stopBeforeEnd(k, thread, info)) return;
  const action = task.signalActions.get(info.signal);
  note(k, task, thread, info, effect, action);
  if (effect === "handler") handle(k, task, thread, info, action!);
  else if (effect === "end") killTask(k, task, info.signal);
  else if (effect === "stop" && mayStop(k, task, info.signal)) stopTask(k, task, info.signal);
}

/** Nobody could continue an orphaned group that its terminal stopped. */
const mayStop = (k: EntryKernel, task: Task, signal: number): boolean =>
  signal === signals.SIGSTOP || !isOrphaned(k, task.group);

function note(
  k: EntryKernel,
  task: Task,
  thread: Thread,
  { signal }: SignalInfo,
  effect: Effect,
  action: SignalAction | undefined,
): void {
  if (!k.trace.on(signalDeliver)) return;
  const handler = effect === "handler" ? action!.handler : 0n;
  k.trace.write(signalDeliver, { task: task.id, thread: thread.id, signal, name: signalName(signal), effect, handler });
}

/** What becomes of the call that the signal interrupted: it ends now, or is made again after the handler. */
function leaveCall(k: EntryKernel, thread: Thread, restarts: boolean): void {
  if (thread.resume === null) return;
  const wait = thread.wait!;
  thread.resume = null;
  const result = interruptedOf(wait);
  const value = result.kind === "complete" ? result.value : errnoResult("EINTR");
  if (restarts && onSignal(wait) === "restart" && value === errnoResult("EINTR")) thread.wait = null;
  else completeCall(k, thread, value);
}

function handle(k: EntryKernel, task: Task, thread: Thread, info: SignalInfo, action: SignalAction): void {
  const { signal } = info;
  // The call's own mask is the handler's; the frame brings back what was before.
  const { savedMask, signalMask } = thread;
  thread.savedMask = null;
  leaveCall(k, thread, (action.flags & ActionFlag.restart) !== 0n);
  const { signalFrames, vdso, contexts } = k.hal;
  const space = getSpace(k, task.space);
  const switches = (action.flags & ActionFlag.onStack) !== 0n;
  const frame = placeOf(thread, contexts.getStackPointer(thread.context), switches, signalFrames.room.length);
  const mask = savedMask ?? signalMask;
  const stack = { ...thread.signalStack };
  const bytes = signalFrames.encode(thread.context, encodeSignalInfo(info), { mask, stack: shownStack(stack) });
  if (frame === null || copyOut(k, space, frame, bytes) !== null) {
    failFrame(k, task, thread, signal);
    return;
  }
  const returnTo = BigInt(vdsoAddress(space) + vdso.returnOffset);
  signalFrames.enter(thread.context, { handler: action.handler, frame, signal, returnTo });
  if (stack.flags & StackFlag.autoDisarm) thread.signalStack = { address: 0n, flags: 0, size: 0n };
  const own = action.flags & ActionFlag.noDefer ? 0n : signalBit(signal);
  if (action.flags & ActionFlag.resetHandler) resetAction(k, task, signal);
  setSignalMask(k, task, thread, signalMask | action.mask | own);
}

const shownStack = (stack: SignalStack): SignalStack => ({
  ...stack,
  flags: stack.size === 0n ? StackFlag.disabled : stack.flags,
});

/** Where a frame goes; null when the handlers' own stack is full. */
function placeOf(thread: Thread, pointer: bigint, switches: boolean, bytes: number): bigint | null {
  const { address, size } = thread.signalStack;
  const isOn = isOnStack(thread.signalStack, pointer);
  const from = switches && size !== 0n && !isOn ? address + size : pointer;
  const frame = BigInt.asUintN(64, from - BigInt(bytes)) & ~15n;
  return isOn && !isOnStack(thread.signalStack, frame) ? null : frame;
}

/** There is no memory for a frame where it should be: that is a fault of its own, and of a fault, the end. */
function failFrame(k: EntryKernel, task: Task, thread: Thread, signal: number): void {
  if (signal === signals.SIGSEGV || !forceSignal(k, task, thread, fromKernel(signals.SIGSEGV)))
    killTask(k, task, signals.SIGSEGV);
}
