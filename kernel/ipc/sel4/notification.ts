/** Notifications: a word of flags that signals set and a wait takes (seL4 Reference Manual 13.0.0, section 5). */
import type { PhysicalAddress } from "../../lib/ids.ts";
import { getThread } from "../../thread/blocking.ts";
import type { Thread } from "../../thread/state.ts";
import type { Wait } from "../../thread/wait.ts";
import { ipcSignal } from "../../trace/events/ipc.ts";
import { getNotification, getTcb, queueName, threadOf } from "./access.ts";
import { completeCall } from "./complete.ts";
import type { Sel4Kernel } from "./kernel.ts";
import type { Notification } from "./state.ts";

export const notificationQueue = (address: PhysicalAddress): string => queueName("notification", address);

/** A signal is no message: it brings a badge, and nothing else changes. */
function deliver(k: Sel4Kernel, thread: Thread, badge: bigint): void {
  completeCall(k, thread, { badge, info: null });
}

/** The bound thread, when it waits for any message. */
function interruptible(k: Sel4Kernel, { bound }: Notification): Thread | null {
  const thread = bound === null ? null : threadOf(k, bound);
  return thread?.wait?.kind === "receive" ? thread : null;
}

export function signal(k: Sel4Kernel, address: PhysicalAddress, badge: bigint): void {
  const notification = getNotification(k, address);
  if (k.trace.on(ipcSignal)) k.trace.write(ipcSignal, { object: BigInt(address), badge });
  const bound = notification.active ? null : interruptible(k, notification);
  const first = k.threads.queues.get(notificationQueue(address))?.[0];
  if (bound !== null) deliver(k, bound, badge);
  else if (first !== undefined) deliver(k, getThread(k, first), badge);
  else {
    notification.word = notification.active ? notification.word | badge : badge;
    notification.active = true;
  }
}

/** Takes what has been signalled; null when nothing has. */
export function take(k: Sel4Kernel, address: PhysicalAddress): bigint | null {
  const notification = getNotification(k, address);
  if (!notification.active) return null;
  const { word } = notification;
  notification.active = false;
  notification.word = 0n;
  return word;
}

export const waitFor = (address: PhysicalAddress): Wait => ({
  kind: "signal",
  queue: notificationQueue(address),
  deadlineNs: null,
  redirected: false,
});

export function bind(k: Sel4Kernel, address: PhysicalAddress, tcb: PhysicalAddress): void {
  getNotification(k, address).bound = tcb;
  getTcb(k, tcb).bound = address;
}

export function unbind(k: Sel4Kernel, address: PhysicalAddress): void {
  const notification = getNotification(k, address);
  if (notification.bound !== null) getTcb(k, notification.bound).bound = null;
  notification.bound = null;
}
