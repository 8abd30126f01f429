/**
 * Threads under the control of capabilities (seL4 Reference Manual 13.0.0, section 6).
 *
 * A TCB is a thread of the task that made it; where it runs and what it may name comes from the capabilities in its
 * slots. It is stopped by a wait record like any other wait, so whatever ends it finds everything in it.
 */
import { deleteSlot } from "../../cap/delete.ts";
import { peekSlot } from "../../cap/slots.ts";
import type { PhysicalAddress } from "../../lib/ids.ts";
import { block, release } from "../../thread/blocking.ts";
import type { Thread } from "../../thread/state.ts";
import { createThread, exitThread, getTask } from "../../thread/tasks.ts";
import { getTcb, tcbSlot, threadOf, worldAt } from "./access.ts";
import { childName, nameOf } from "./debug.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { unbind } from "./notification.ts";
import type { Tcb } from "./state.ts";

export const inactive = { kind: "inactive", queue: null, deadlineNs: null } as const;

export function createTcb(k: Sel4Kernel, address: PhysicalAddress): void {
  const task = getTask(k, worldAt(k, address).task);
  const thread = createThread(k, task, k.hal.contexts.create(0, 0));
  thread.tcb = address;
  thread.priority = 0;
  // Where it was made, until somebody says otherwise.
  thread.affinity = 1 << k.sched.hart;
  block(k, thread, { ...inactive });
  const maker = k.subject === null ? "" : nameOf(k, k.subject);
  k.sel4.tcbs.set(address, { ...newTcb(thread), name: childName(maker) });
}

export const newTcb = (thread: Thread): Tcb => ({
  thread: thread.id,
  maxControlledPriority: 0,
  domain: 0,
  faultHandler: 0n,
  ipcBuffer: 0,
  bound: null,
  name: "",
});

/** The last capability to it has gone. */
export function endTcb(k: Sel4Kernel, address: PhysicalAddress): void {
  const tcb = getTcb(k, address);
  // Or what is made of this memory next would get the answer.
  cancelReply(k, address);
  if (tcb.bound !== null) unbind(k, tcb.bound);
  const thread = threadOf(k, address);
  k.sel4.tcbs.delete(address);
  if (thread !== null) exitThread(k, thread);
}

/** The thread of a remote task that makes no call: it has stopped already, and its client alone lets it go on. */
const isClients = (thread: Thread): boolean => thread.state === "blocked" && thread.wait?.kind === "remote";

/** Takes a thread out of whatever it waits for; it stays blocked. What it asked for it asks again when it goes on. */
export function cancelWait(k: Sel4Kernel, thread: Thread): void {
  forgetReply(k, thread);
  if (thread.state === "blocked" && thread.wait?.kind !== "inactive") {
    release(k, thread, "cancelled");
    block(k, thread, { ...inactive });
  }
}

/** Whoever has the right to answer this thread has it no more. */
export function forgetReply(k: Sel4Kernel, { wait, tcb }: Thread): void {
  if (wait?.kind === "reply" && tcb !== null) cancelReply(k, tcb);
}

function cancelReply(k: Sel4Kernel, tcb: PhysicalAddress): void {
  const next = peekSlot(k, tcbSlot(tcb, "reply"))?.next ?? null;
  if (next !== null && peekSlot(k, next)?.capability.type === "reply") deleteSlot(k, next);
}

/**
 * Whatever a thread was in the middle of, it goes on from the registers that somebody gave it now. One that waits for
 * a message or a signal waits on (what it waits for with a fault is the end of the fault, which it goes on from
 * anyway); what Linux's side waits for is forgotten.
 */
export function redirect(k: Sel4Kernel, thread: Thread): void {
  const { wait } = thread;
  if (thread.state !== "blocked") {
    // Its call, long or already answered, is another one's now.
    thread.wait = null;
    thread.resume = null;
  } else if (wait !== null && "redirected" in wait) wait.redirected = true;
  else if (!isClients(thread)) cancelWait(k, thread);
}

export function suspend(k: Sel4Kernel, thread: Thread): void {
  if (isClients(thread)) return;
  if (thread.state === "blocked") cancelWait(k, thread);
  else block(k, thread, { ...inactive });
}

/** Nothing for a thread that runs. */
export function resume(k: Sel4Kernel, thread: Thread): void {
  if (thread.state !== "blocked" || isClients(thread)) return;
  cancelWait(k, thread);
  release(k, thread, "resumed");
}
