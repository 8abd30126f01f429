/**
 * Endpoints: a sender and a receiver meet, and a message goes from one to the other (seL4 Reference Manual 13.0.0,
 * section 4).
 *
 * Must hold: all threads in an endpoint's queue wait for the same. The message stays in the sender's registers and
 * buffer until the receiver is there; nothing is copied twice.
 */

import { derive } from "../../cap/cnode.ts";
import { deleteSlot } from "../../cap/delete.ts";
import type { LookupFault } from "../../cap/errors.ts";
import { targetSlot } from "../../cap/lookup.ts";
import { hasRoomForCapabilities, isEmpty, peekSlot, placeDerived, placeRoot } from "../../cap/slots.ts";
import { type CapabilityOf, Right } from "../../cap/state.ts";
import type { PhysicalAddress, SlotAddress } from "../../lib/ids.ts";
import { block, getThread, release } from "../../thread/blocking.ts";
import type { Thread } from "../../thread/state.ts";
import type { FaultMessage, Wait } from "../../thread/wait.ts";
import { ipcReply, ipcSend } from "../../trace/events/ipc.ts";
import { capabilityNamed, getTcb, queueName, slotNamed, tcbSlot, threadOf } from "./access.ts";
import { completeCall, completeSend } from "./complete.ts";
import type { Sel4Kernel } from "./kernel.ts";
import {
  bufferOf,
  decodeInfo,
  encodeInfo,
  extraCapAddresses,
  type MessageInfo,
  readMessage,
  receivePath,
  writeBadge,
  writeMessage,
} from "./message.ts";
import { inactive } from "./tcb.ts";

export const endpointQueue = (address: PhysicalAddress): string => queueName("endpoint", address);

type SendWait = Extract<Wait, { kind: "send" }>;
type Endpoint = CapabilityOf<"endpoint">;

const firstAt = (k: Sel4Kernel, queue: string): Thread | null => {
  const id = k.threads.queues.get(queue)?.[0];
  return id === undefined ? null : getThread(k, id);
};

/** What a sender has to say; the tag is in its registers. */
const infoOfSender = (k: Sel4Kernel, sender: Thread): MessageInfo =>
  decodeInfo(k.hal.contexts.getCallArguments(sender.context, 2)[1]!);

/** Slots of the capabilities that a sender passes on; or which of their addresses leads nowhere, and why. */
export function extraCaps(
  k: Sel4Kernel,
  sender: Thread,
  count: number,
): SlotAddress[] | { address: bigint; fault: LookupFault } {
  const slots: SlotAddress[] = [];
  for (const address of extraCapAddresses(k, sender, count)) {
    const found = slotNamed(k, sender, address);
    if ("fault" in found) return { address, fault: found.fault };
    slots.push(found.slot);
  }
  return slots;
}

/** The empty slot that a receiver named, if it did. */
function receiveSlot(k: Sel4Kernel, receiver: Thread): SlotAddress | null {
  const path = receivePath(k, receiver);
  if (path === null) return null;
  const slot = targetSlot(k, capabilityNamed(k, receiver, path.root), path.index, path.depth);
  return slot.ok && isEmpty(k, slot.value) ? slot.value : null;
}

/**
 * Passes capabilities on: one to the endpoint itself arrives as its badge, the first other one in the slot that the
 * receiver named; where that cannot be, this one and all behind it stay.
 */
function transferCaps(
  k: Sel4Kernel,
  { task, id }: Thread,
  slots: readonly SlotAddress[],
  receiver: Thread,
  endpoint: Endpoint | null,
) {
  if (slots.length === 0 || bufferOf(k, receiver, true) === null) return { extraCaps: 0, capsUnwrapped: 0 };
  let into = receiveSlot(k, receiver);
  let unwrapped = 0;
  let count = 0;
  for (const slot of slots) {
    const cap = peekSlot(k, slot)?.capability;
    if (cap === undefined) break;
    if (cap.type === "endpoint" && endpoint !== null && cap.address === endpoint.address) {
      writeBadge(k, receiver, count, cap.badge);
      unwrapped |= 1 << count;
    } else {
      const derived = into === null || !hasRoomForCapabilities(k, 1) ? null : derive(k, slot, cap);
      if (into === null || derived === null || !derived.ok) break;
      placeDerived(k, slot, into, derived.value, { task, thread: id });
      into = null;
    }
    count += 1;
  }
  return { extraCaps: count, capsUnwrapped: unwrapped };
}

/** The message of one thread becomes that of another; its tag, as the receiver sees it. */
function transfer(
  k: Sel4Kernel,
  sender: Thread,
  receiver: Thread,
  { endpoint, grant, fault }: { endpoint: Endpoint | null; grant: boolean; fault: FaultMessage | null },
): bigint {
  if (fault !== null) {
    const length = writeMessage(k, receiver, fault.words);
    return encodeInfo({ label: BigInt(fault.label), capsUnwrapped: 0, extraCaps: 0, length });
  }
  const info = infoOfSender(k, sender);
  const slots = grant ? extraCaps(k, sender, info.extraCaps) : [];
  const length = writeMessage(k, receiver, readMessage(k, sender, info.length));
  const caps = transferCaps(k, sender, Array.isArray(slots) ? slots : [], receiver, endpoint);
  return encodeInfo({ label: info.label, length, ...caps });
}

/** The receiver gets the right to answer, in the slot of its TCB that is for that. */
export function giveReply(k: Sel4Kernel, sender: PhysicalAddress, receiver: PhysicalAddress, grant: boolean): void {
  const master = tcbSlot(sender, "reply");
  if (isEmpty(k, master))
    placeRoot(k, master, { type: "reply", tcb: sender, master: true, rights: Right.write | Right.grant });
  const rights = grant ? Right.write | Right.grant : Right.write;
  placeDerived(k, master, tcbSlot(receiver, "caller"), { type: "reply", tcb: sender, master: false, rights });
}

function note(k: Sel4Kernel, endpoint: PhysicalAddress, badge: bigint, info: bigint, to: number): void {
  if (!k.trace.on(ipcSend)) return;
  const { label, length, extraCaps: capabilities } = decodeInfo(info);
  k.trace.write(ipcSend, { family: "sel4", object: BigInt(endpoint), badge, label, length, capabilities, to });
}

/** A sender and a receiver have met. What becomes of the sender is the caller's business. */
function meet(k: Sel4Kernel, endpoint: PhysicalAddress, sender: Thread, what: SendWait, receiver: Thread): bigint {
  const cap: Endpoint = { type: "endpoint", address: endpoint, badge: what.badge, rights: 0 };
  const info = transfer(k, sender, receiver, { endpoint: cap, grant: what.grant, fault: what.fault });
  note(k, endpoint, what.badge, info, receiver.id);
  return info;
}

/** After its message has gone: does the sender wait for an answer, may it have one, or does it go on? */
function afterSend(k: Sel4Kernel, sender: Thread, what: SendWait, receiver: Thread, mayGrant: boolean): Wait | null {
  if (!what.call && what.fault === null) return null;
  if (!what.grant && !what.grantReply) return { ...inactive };
  giveReply(k, sender.tcb!, receiver.tcb!, mayGrant);
  return replyWait(what.fault, what.redirected);
}

export const replyWait = (fault: FaultMessage | null, redirected: boolean): Wait => ({
  kind: "reply",
  fault,
  redirected,
  queue: null,
  deadlineNs: null,
});

export const receiveWait = (cap: Endpoint): Wait => ({
  kind: "receive",
  queue: endpointQueue(cap.address),
  deadlineNs: null,
  grant: (cap.rights & Right.grant) !== 0,
  redirected: false,
});

export const sendWait = (
  cap: Endpoint,
  { call, fault }: { call: boolean; fault: FaultMessage | null },
): SendWait & { queue: string } => ({
  kind: "send",
  queue: endpointQueue(cap.address),
  deadlineNs: null,
  badge: cap.badge,
  grant: (cap.rights & Right.grant) !== 0,
  grantReply: (cap.rights & Right.grantReply) !== 0,
  call,
  fault,
  redirected: false,
});

/** The running thread sends. A wait when it has to wait, "sent" when the message has gone, "dropped" otherwise. */
export function send(
  k: Sel4Kernel,
  sender: Thread,
  cap: Endpoint,
  what: SendWait & { queue: string },
  blocking: boolean,
): Wait | "sent" | "dropped" {
  const receiver = firstAt(k, what.queue);
  if (receiver?.wait?.kind !== "receive") return blocking ? what : "dropped";
  const mayGrant = receiver.wait.grant;
  const info = meet(k, cap.address, sender, what, receiver);
  const wait = afterSend(k, sender, what, receiver, mayGrant);
  completeCall(k, receiver, { badge: cap.badge, info });
  return wait ?? "sent";
}

/** The running thread receives: what it got, or a wait. */
export function receive(k: Sel4Kernel, receiver: Thread, cap: Endpoint): { badge: bigint; info: bigint } | Wait {
  const queue = endpointQueue(cap.address);
  const sender = firstAt(k, queue);
  const grant = (cap.rights & Right.grant) !== 0;
  const what = sender?.wait;
  if (sender === null || what?.kind !== "send") return receiveWait(cap);
  const info = meet(k, cap.address, sender, what, receiver);
  const wait = afterSend(k, sender, what, receiver, grant);
  if (wait === null) completeSend(k, sender);
  else {
    release(k, sender, "sent");
    block(k, sender, wait);
  }
  return { badge: what.badge, info };
}

/** Nobody will ever meet these senders: they make their calls again, and find out. */
export function cancelAll(k: Sel4Kernel, queue: string, badge: bigint | null = null): void {
  for (const id of [...(k.threads.queues.get(queue) ?? [])]) {
    const thread = getThread(k, id);
    if (badge !== null && (thread.wait?.kind !== "send" || thread.wait.badge !== badge)) continue;
    release(k, thread, "cancelled");
  }
}

export interface FaultAnswer {
  label: bigint;
  words: readonly bigint[];
}
/** What the one who answers a fault wants: registers for the thread, and whether it goes on. */
export type FaultReply = (k: Sel4Kernel, thread: Thread, fault: FaultMessage, answer: FaultAnswer) => boolean;

/** Answers the caller whose right to an answer is in `slot`, which is used up by that. */
export function reply(
  k: Sel4Kernel,
  from: Thread,
  slot: SlotAddress,
  cap: CapabilityOf<"reply">,
  onFault: FaultReply,
): void {
  const caller = k.sel4.tcbs.has(cap.tcb) ? threadOf(k, cap.tcb) : null;
  const wait = caller?.wait;
  if (caller === null || wait?.kind !== "reply") {
    deleteSlot(k, slot);
    return;
  }
  const info = infoOfSender(k, from);
  if (wait.fault === null) {
    const grant = (cap.rights & Right.grant) !== 0;
    const tag = transfer(k, from, caller, { endpoint: null, grant, fault: null });
    deleteSlot(k, slot);
    if (k.trace.on(ipcReply))
      k.trace.write(ipcReply, { family: "sel4", to: caller.id, label: info.label, length: decodeInfo(tag).length });
    completeCall(k, caller, { badge: 0n, info: tag });
    return;
  }
  deleteSlot(k, slot);
  if (k.trace.on(ipcReply))
    k.trace.write(ipcReply, { family: "sel4", to: caller.id, label: info.label, length: info.length });
  const answer = { label: info.label, words: readMessage(k, from, info.length) };
  const goesOn = onFault(k, caller, wait.fault, answer);
  release(k, caller, "answered");
  if (!goesOn) block(k, caller, { ...inactive });
}

/** The caller that a thread has not answered yet is forgotten when it receives again. */
export function dropCaller(k: Sel4Kernel, thread: Thread): void {
  deleteSlot(k, tcbSlot(thread.tcb!, "caller"));
}

/** The endpoint where a thread's faults go, with the rights that this takes. */
export function faultEndpoint(k: Sel4Kernel, thread: Thread): Endpoint | null {
  if (thread.tcb === null) return null;
  const { faultHandler } = getTcb(k, thread.tcb);
  const cap = capabilityNamed(k, thread, faultHandler);
  if (cap?.type !== "endpoint" || (cap.rights & Right.write) === 0) return null;
  return cap.rights & (Right.grant | Right.grantReply) ? cap : null;
}
