/**
 * System calls: from the registers of a thread to a result in them.
 *
 *     dispatch ─▶ row ─▶ decode ─▶ handler ─▶ done | failed ─▶ copies out, result, past the call
 *                                         └─▶ blocked: a wait record; the thread stays on the call
 *
 * A wait ends in `resumeThread`: the call completes with a value, or is dispatched again from the same
 * registers with the wait as its progress. For a remote task the same happens, but the result goes to the client.
 */
import type { Call, Outcome, Outs } from "../abi/define/outcome.ts";
import { type Decoding, resultOf, type SystemCall, showResult } from "../abi/define/syscall.ts";
import { storeRemaining } from "../abi/linux/watch.ts";
import { deliverFault, stopOnFault, unknownSyscall } from "../ipc/sel4/fault.ts";
import { clientAnswer } from "../ipc/sel4/message.ts";
import { assert } from "../lib/assert.ts";
import { toSigned64 } from "../lib/bits.ts";
import { errnoOf, errnoResult } from "../lib/errno.ts";
import { commitPolicy } from "../mm/accounting.ts";
import { getSpace, mayGrow } from "../mm/space.ts";
import { peek } from "../mm/user.ts";
import { runsAbroad } from "../sched/sched.ts";
import { block, interruptWait } from "../thread/blocking.ts";
import { hasSignals, setSignalMask } from "../thread/signals.ts";
import type { Thread } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import { endVictim } from "../thread/victim.ts";
import { syscallEnter, syscallExit, syscallUnknown } from "../trace/events/syscall.ts";
import type { EntryKernel, PersonalityKernel } from "./kernel.ts";
import { leaveTracedCall, stopAtEntry, stopAtExit } from "./tracing.ts";

type Row = SystemCall<PersonalityKernel>;

function rowOf(k: EntryKernel, number: bigint): Row | null {
  const signed = toSigned64(number);
  return signed < 0x1_0000n && signed > -0x1_0000n ? (k.systemCalls.get(Number(signed)) ?? null) : null;
}

/** As traces have it: 32 bits without a sign. */
const numberOf = (k: EntryKernel, row: Row): number => row.nr[k.hal.isa.name] >>> 0;

const numberIsLinux = (number: bigint): boolean => toSigned64(number) >= 0n;

/**
 * A call that the thread has no kernel for: one that nobody knows, or one of Linux's from an address space that
 * Linux's side knows nothing of. Who handles the thread's faults may answer it.
 */
function unknown(k: EntryKernel, thread: Thread, number: bigint): void {
  if (k.trace.on(syscallUnknown)) k.trace.write(syscallUnknown, { number });
  if (thread.tcb !== null && thread.call === null) {
    const fault = unknownSyscall(k, thread, number);
    if (deliverFault(k, thread, fault)) return;
    if (runsAbroad(k, thread)) {
      stopOnFault(k, thread, fault);
      return;
    }
  }
  finish(k, thread, errnoResult("ENOSYS"), `syscall_${number}() = -1 ENOSYS`);
}

/**
 * A call's copies found no frame. Where promises are not counted a task is ended for it, as at a fault, and the copy
 * can be made again; false when it was the task's own limit, or nobody can go: then the call fails.
 */
const madeRoom = (k: EntryKernel, { task, thread }: Call): boolean =>
  commitPolicy(k) === "overcommit" && mayGrow(getSpace(k, task.space)) && endVictim(k, thread, null);

const isGone = (k: EntryKernel, { task }: Call): boolean => !k.threads.tasks.has(task.id);

/** In the place of a call's number: its tracer wants that it is not made. */
const cancelled = -1n;

/** The call that a thread stands on, made or (after a wait) made again. */
export function dispatch(k: EntryKernel, thread: Thread): void {
  if (stopAtEntry(k, thread)) return;
  const number = k.hal.contexts.getCallNumber(thread.context);
  const task = taskOf(k, thread);
  if (thread.tracing?.inCall && toSigned64(number) === cancelled) {
    finish(k, thread, toSigned64(k.hal.contexts.getCallArgument(thread.context, 0)), "");
    return;
  }
  const progress = thread.wait;
  thread.wait = null;
  if (progress === null) task.systemCalls += 1;
  const row = rowOf(k, number);
  if (row === null || (numberIsLinux(number) && runsAbroad(k, thread))) {
    unknown(k, thread, number);
    return;
  }
  if (stopAtExit(k, thread, row.name)) return;
  const raw = k.hal.contexts.getCallArguments(thread.context, row.argumentCount);
  const call: Call = { task, thread, progress };
  let decoding = row.decode(k, call, raw);
  while (decoding.errno === "ENOMEM" && madeRoom(k, call)) {
    if (isGone(k, call)) return;
    decoding = row.decode(k, call, raw);
  }
  if (k.trace.on(syscallEnter)) {
    k.trace.write(syscallEnter, {
      number: numberOf(k, row),
      name: row.name,
      text: row.show(decoding, raw),
      restarted: progress !== null,
    });
  }
  const outcome: Outcome<Outs> =
    decoding.errno === null ? row.run(k, decoding, call) : { kind: "fail", errno: decoding.errno };
  settle(k, row, call, raw, decoding, outcome);
}

function settle(
  k: EntryKernel,
  row: Row,
  call: Call,
  raw: readonly bigint[],
  decoding: Decoding,
  outcome: Outcome<Outs>,
): void {
  // What it closed or changed can have ended the caller, too: by a signal of its terminal's.
  const isOver = outcome.kind === "gone" || !k.threads.threads.has(call.thread.id);
  if (isOver || outcome.kind === "replaced") {
    goOn(k, call.thread);
    leaveTracedCall(k, call.thread, true);
    return;
  }
  if (outcome.kind === "blocked") {
    block(k, call.thread, outcome.wait);
    leaveTracedCall(k, call.thread, false);
    // With a mask of its own a call can let signals through that are there already.
    if (hasSignals(k, call.task, call.thread)) interruptWait(k, call.thread);
    return;
  }
  let value = resultOf(outcome);
  let out = outcome.kind === "done" ? outcome.out : undefined;
  let errno = out === undefined ? null : row.store(k, call, raw, out);
  while (errno === "ENOMEM" && madeRoom(k, call)) {
    if (isGone(k, call)) return;
    errno = row.store(k, call, raw, out!);
  }
  if (errno !== null) {
    value = errnoResult(errno);
    out = undefined;
  } else if (outcome.kind === "done") outcome.commit?.();
  const watched = k.trace.on(syscallExit);
  const text =
    watched || call.thread.call !== null
      ? row.show(decoding, raw, out) + (row.showResult?.(k, decoding, call, value) ?? showResult(value, row.result))
      : "";
  if (watched)
    k.trace.write(syscallExit, { number: numberOf(k, row), name: row.name, value, error: errnoOf(value) ?? "", text });
  if (outcome.kind === "done" && outcome.keepsRegisters === true && call.thread.call === null)
    k.hal.contexts.passCall(call.thread.context);
  else finish(k, call.thread, value, text);
}

/** A client's call that has neither ended nor waits is looked at once more; a long one takes turns with the others. */
function goOn(k: EntryKernel, thread: Thread): void {
  if (thread.wait?.kind === "again") return;
  if (thread.call !== null && thread.state === "ready" && k.threads.threads.has(thread.id))
    k.threads.remoteReady.push(thread.id);
}

/** A call that waited with a mask of its own leaves the mask as it was. */
function restoreMask(k: EntryKernel, thread: Thread): void {
  if (thread.savedMask === null) return;
  setSignalMask(k, taskOf(k, thread), thread, thread.savedMask);
  thread.savedMask = null;
}

/** The thread of a client's call was let go: the call is over, or is made again. */
function continueCall(k: EntryKernel, thread: Thread): void {
  if (thread.call === null || thread.state !== "ready") return;
  const over = thread.call.invocation?.over ?? null;
  if (over === null) dispatch(k, thread);
  else finish(k, thread, over, "");
}

/** The result reaches who made the call: the program's registers, or the client. */
function finish(k: EntryKernel, thread: Thread, value: bigint, text: string, interrupted = false): void {
  restoreMask(k, thread);
  const { call } = thread;
  if (call === null) {
    k.hal.contexts.finishCall(thread.context, value);
    leaveTracedCall(k, thread, true);
    return;
  }
  const space = getSpace(k, taskOf(k, thread).space);
  // A client that unmaps its own scratch memory gets nothing back from it.
  const buffers = call.buffers.map(({ address, size }) => peek(k, space, address, size) ?? new Uint8Array(0));
  const answer =
    call.invocation === undefined
      ? null
      : interrupted
        ? ({ kind: "cancelled" } as const)
        : clientAnswer(k, thread, value);
  thread.call = null;
  block(k, thread, { kind: "remote", queue: null, deadlineNs: null });
  k.outlet.callDone(call.id, value, buffers, text, answer);
}

/** Ends the call that a thread waited in. */
export function completeCall(k: EntryKernel, thread: Thread, result: bigint): void {
  const progress = thread.wait;
  thread.wait = null;
  const row = rowOf(k, k.hal.contexts.getCallNumber(thread.context));
  // Of a client's thread somebody else may have written the registers.
  if (thread.call !== null && (row === null || thread.call.invocation !== undefined)) {
    finish(k, thread, toSigned64(result), "", true);
    return;
  }
  assert(row !== null, "a call that waited has a row");
  const raw = k.hal.contexts.getCallArguments(thread.context, row.argumentCount);
  let value = toSigned64(result);
  if (progress?.kind === "sleep" && value === errnoResult("EINTR"))
    value = tellRemaining(k, thread, progress.remaining, progress.deadlineNs) ?? value;
  // Programs may have that where it cannot be written: it is their answer that counts.
  if (progress?.kind === "poll" && value === errnoResult("EINTR"))
    tellRemaining(k, thread, progress.remaining, progress.untilNs);
  // Decoded whether anybody watches or not: reading memory can bring pages in.
  const decoding = row.decode(k, { task: taskOf(k, thread), thread, progress }, raw);
  const watched = k.trace.on(syscallExit);
  const text = watched || thread.call !== null ? row.show(decoding, raw) + showResult(value, row.result) : "";
  if (watched)
    k.trace.write(syscallExit, { number: numberOf(k, row), name: row.name, value, error: errnoOf(value) ?? "", text });
  finish(k, thread, value, text);
}

/** What was cut short tells how much was left of it; an error if there is no memory to tell it in. */
function tellRemaining(k: EntryKernel, thread: Thread, where: bigint, untilNs: number | null): bigint | null {
  const errno = where === 0n ? null : storeRemaining(k, taskOf(k, thread), where, untilNs);
  return errno === null ? null : errnoResult(errno);
}

/** A thread whose wait is over goes on. */
export function resumeThread(k: EntryKernel, thread: Thread): void {
  const { resume } = thread;
  thread.resume = null;
  if (resume === null) continueCall(k, thread);
  else if (resume.kind === "complete") completeCall(k, thread, resume.value);
  else dispatch(k, thread);
}
