/**
 * Message queues (msgsnd(2), msgrcv(2)).
 *
 * A message that somebody waits for goes to the first who does, and never into the queue; a message that has no room
 * waits in its sender's record, and goes into the queue as soon as there is room, first come first among those that fit.
 * So nobody who comes later gets before who waits, and a call that waited has been done when its thread goes on.
 *
 * Must hold: nobody waits for a message that is in the queue, nor with one for which there is room.
 */
import { spend } from "../../lib/effort.ts";
import { limits } from "../../lib/limits.ts";
import { blockedThreads, wakeQueue, wakeThread, wakeWith } from "../../thread/blocking.ts";
import type { Task, Thread } from "../../thread/state.ts";
import type { Wait } from "../../thread/wait.ts";
import { removeObject, type SysvKernel, secondsNow } from "./objects.ts";
import type { IpcTable, Message, MessageQueue } from "./state.ts";

/** Which message is wanted: any (0), one of a type, of any other, or of the lowest type up to one; or by its place. */
export interface Selection {
  type: bigint;
  except: boolean;
}

export const sendersOf = (space: number, { id }: MessageQueue): string => `senders of message queue ${space}:${id}`;
export const receiversOf = (space: number, { id }: MessageQueue): string => `receivers of message queue ${space}:${id}`;

function suits({ type }: Message, wanted: Selection): boolean {
  if (wanted.type === 0n) return true;
  if (wanted.type < 0n) return type <= -wanted.type;
  return wanted.except ? type !== wanted.type : type === wanted.type;
}

/** Where the message is that a receiver gets; -1: nowhere. */
export function placeOf(k: SysvKernel, { messages }: MessageQueue, wanted: Selection): number {
  spend(k.effort, messages.length, "items");
  if (wanted.type >= 0n) return messages.findIndex((message) => suits(message, wanted));
  let best = -1;
  for (const [at, message] of messages.entries())
    if (suits(message, wanted) && (best < 0 || message.type < messages[best]!.type)) best = at;
  return best;
}

/** Room in the queue; many empty messages count, too. */
const fits = ({ messages, bytes, mostBytes }: MessageQueue, size: number): boolean =>
  bytes + size <= mostBytes && messages.length + 1 <= mostBytes;

/** Room in the machine. */
export const hasMessageRoom = ({ sysv: { held } }: SysvKernel, size: number): boolean =>
  held.messages < limits.ipcMessages && held.messageBytes + size <= limits.ipcMessageBytes;

/** Hands a message to the first that waits for such a one. Who has not the room for it is told so, and does not count. */
function handOver(k: SysvKernel, space: number, queue: MessageQueue, message: Message): boolean {
  const waiting = blockedThreads(k, receiversOf(space, queue));
  spend(k.effort, waiting.length, "items");
  for (const thread of waiting) {
    const { wait } = thread;
    if (wait?.kind !== "messageReceive" || !suits(message, wait.selection)) continue;
    if (message.bytes.length > wait.most && !wait.cuts) {
      wakeWith(k, thread, "E2BIG");
      continue;
    }
    wait.handed = message;
    Object.assign(queue, { lastReceiver: thread.task, receivedAt: secondsNow(k) });
    wakeThread(k, thread, "message");
    return true;
  }
  return false;
}

function put(k: SysvKernel, space: number, queue: MessageQueue, sender: number, message: Message): void {
  spend(k.effort, message.bytes.length, "bytes");
  Object.assign(queue, { lastSender: sender, sentAt: secondsNow(k) });
  if (handOver(k, space, queue, message)) return;
  queue.messages.push(message);
  count(k, queue, 1, message.bytes.length);
}

function count({ sysv: { held } }: SysvKernel, queue: MessageQueue, messages: number, bytes: number): void {
  queue.bytes += bytes;
  held.messages += messages;
  held.messageBytes += bytes;
}

/** Sends a message (a copy of its own); null when there is no room in the queue. */
export function send(k: SysvKernel, task: Task, queue: MessageQueue, message: Message): 0 | "ENOMEM" | null {
  if (!fits(queue, message.bytes.length)) return null;
  if (!hasMessageRoom(k, message.bytes.length)) return "ENOMEM";
  put(k, task.namespaces.ipc, queue, task.id, message);
  return 0;
}

export const waitToSend = (task: Task, queue: MessageQueue, message: Message): Wait => ({
  kind: "messageSend",
  queue: sendersOf(task.namespaces.ipc, queue),
  deadlineNs: null,
  message,
});

/** There is room in the queue: those who wait with a message that fits go on. */
export function admitSenders(k: SysvKernel, space: number, queue: MessageQueue): void {
  const waiting = blockedThreads(k, sendersOf(space, queue));
  spend(k.effort, waiting.length, "items");
  for (const thread of waiting) admit(k, space, queue, thread);
}

function admit(k: SysvKernel, space: number, queue: MessageQueue, thread: Thread): void {
  const { wait } = thread;
  if (wait?.kind !== "messageSend" || !fits(queue, wait.message.bytes.length)) return;
  if (!hasMessageRoom(k, wait.message.bytes.length)) {
    wakeWith(k, thread, "ENOMEM");
    return;
  }
  put(k, space, queue, thread.task, { ...wait.message });
  wakeWith(k, thread, 0);
}

/** Takes the message at a place out. */
export function take(k: SysvKernel, task: Task, queue: MessageQueue, at: number): Message {
  const [message] = queue.messages.splice(at, 1) as [Message];
  count(k, queue, -1, -message.bytes.length);
  Object.assign(queue, { lastReceiver: task.id, receivedAt: secondsNow(k) });
  admitSenders(k, task.namespaces.ipc, queue);
  return message;
}

/** Limits or permissions have changed: receivers look again whether they may, and senders whether there is room. */
export function lookAgain(k: SysvKernel, space: number, queue: MessageQueue): void {
  for (const thread of blockedThreads(k, receiversOf(space, queue))) wakeThread(k, thread, "changed");
  admitSenders(k, space, queue);
}

/** The queue goes with its messages; who waits is told (EIDRM). */
export function removeQueue(k: SysvKernel, space: number, table: IpcTable<MessageQueue>, queue: MessageQueue): void {
  removeObject(k, table, queue);
  count(k, queue, -queue.messages.length, -queue.bytes);
  for (const name of [sendersOf(space, queue), receiversOf(space, queue)]) wakeQueue(k, name, Number.POSITIVE_INFINITY);
}
