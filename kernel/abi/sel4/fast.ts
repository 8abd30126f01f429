/**
 * The fast path of IPC: Call and ReplyRecv with a message that fits into registers, to a thread that waits for it.
 *
 * Contract: it does bit for bit what the whole way does (calls.ts), down to the events that are counted; it only looks
 * at less. Where anything is unusual, or somebody watches, it has changed nothing and says so.
 */
import { deleteSlot } from "../../cap/delete.ts";
import { peekSlot } from "../../cap/slots.ts";
import { type Capability, type CapabilityOf, Right } from "../../cap/state.ts";
import { capabilityNamed, getTcb, tcbSlot, threadOf } from "../../ipc/sel4/access.ts";
import { endpointQueue, giveReply, receiveWait, replyWait } from "../../ipc/sel4/endpoint.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import { badgeArgument, endCall, infoArgument, shortLength } from "../../ipc/sel4/message.ts";
import { block, getThread, release } from "../../thread/blocking.ts";
import type { Thread } from "../../thread/state.ts";
import { taskOf } from "../../thread/tasks.ts";
import { ipcReply, ipcSend } from "../../trace/events/ipc.ts";
import { syscallEnter, syscallExit } from "../../trace/events/syscall.ts";

const callNumber = BigInt.asUintN(64, -1n);
const replyRecvNumber = BigInt.asUintN(64, -2n);

/** The call of the thread on the hart, if it is a usual one: true when it has been made. */
export function fastCall(k: Sel4Kernel, thread: Thread): boolean {
  if (thread.tcb === null || thread.call !== null || thread.wait !== null || k.trace.watched()) return false;
  const number = k.hal.contexts.getCallNumber(thread.context);
  if (number === callNumber) return call(k, thread);
  return number === replyRecvNumber && replyAndReceive(k, thread);
}

/** What the call's address names. */
const named = (k: Sel4Kernel, thread: Thread): Capability | null =>
  capabilityNamed(k, thread, k.hal.contexts.getCallArgument(thread.context, badgeArgument));

/** Words of the message; null when it is more than registers take, or has anything with it. */
const lengthOf = (k: Sel4Kernel, thread: Thread): number | null =>
  shortLength(k.hal.contexts.getCallArgument(thread.context, infoArgument));

/** A thread that is no client's, and goes on behind its call. */
const isUsual = (thread: Thread, wait: { redirected: boolean }): boolean => thread.call === null && !wait.redirected;

/** Tag and words go over as they are, and the one who waited for them goes on. */
function deliver(k: Sel4Kernel, from: Thread, to: Thread, length: number, badge: bigint): void {
  k.trace.on(syscallExit);
  k.hal.contexts.copyArguments(from.context, to.context, infoArgument, 1 + length);
  endCall(k, to, badge);
  release(k, to, "message");
}

function begin(k: Sel4Kernel, thread: Thread): void {
  taskOf(k, thread).systemCalls += 1;
  k.trace.on(syscallEnter);
}

const mayCall = (cap: CapabilityOf<"endpoint">): boolean =>
  (cap.rights & Right.write) !== 0 && (cap.rights & (Right.grant | Right.grantReply)) !== 0;

function call(k: Sel4Kernel, thread: Thread): boolean {
  const length = lengthOf(k, thread);
  const cap = length === null ? null : named(k, thread);
  if (length === null || cap?.type !== "endpoint" || !mayCall(cap)) return false;
  const first = k.threads.queues.get(endpointQueue(cap.address))?.[0];
  const receiver = first === undefined ? null : getThread(k, first);
  const wait = receiver?.wait;
  if (receiver === null || wait?.kind !== "receive" || !isUsual(receiver, wait)) return false;
  begin(k, thread);
  k.trace.on(ipcSend);
  giveReply(k, thread.tcb!, receiver.tcb!, wait.grant);
  deliver(k, thread, receiver, length, cap.badge);
  block(k, thread, replyWait(null, false));
  return true;
}

/** The endpoint to receive at, where nobody is sending and nothing was signalled. */
function quietEndpoint(k: Sel4Kernel, thread: Thread): CapabilityOf<"endpoint"> | null {
  const cap = named(k, thread);
  if (cap?.type !== "endpoint" || (cap.rights & Right.read) === 0) return null;
  const { bound } = getTcb(k, thread.tcb!);
  if (bound !== null && k.sel4.notifications.get(bound)!.active) return null;
  const first = k.threads.queues.get(endpointQueue(cap.address))?.[0];
  return first === undefined || getThread(k, first).wait?.kind === "receive" ? cap : null;
}

function replyAndReceive(k: Sel4Kernel, thread: Thread): boolean {
  const slot = tcbSlot(thread.tcb!, "caller");
  const right = peekSlot(k, slot)?.capability;
  const length = lengthOf(k, thread);
  if (length === null || right?.type !== "reply") return false;
  const caller = threadOf(k, right.tcb);
  const wait = caller?.wait;
  if (caller === null || wait?.kind !== "reply" || wait.fault !== null || !isUsual(caller, wait)) return false;
  const endpoint = quietEndpoint(k, thread);
  if (endpoint === null) return false;
  begin(k, thread);
  deleteSlot(k, slot);
  k.trace.on(ipcReply);
  deliver(k, thread, caller, length, 0n);
  block(k, thread, receiveWait(endpoint));
  return true;
}
