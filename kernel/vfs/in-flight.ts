/**
 * Files on their way in a message between sockets (SCM_RIGHTS): each is a capability in a slot that its number names,
 * as a descriptor's is. So a file stays open while it is on its way, and ends with the message that nobody reads.
 */
import { copy } from "../cap/cnode.ts";
import { deleteSlot } from "../cap/delete.ts";
import { getSlot, isEmpty, peekSlot } from "../cap/slots.ts";
import { allRights } from "../cap/state.ts";
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { SlotAddress, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { Task } from "../thread/state.ts";
import { descriptorSlot } from "./descriptor-slots.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenFile, Socket, SocketMessage } from "./state.ts";

/** Slots of a task that there never is. */
export const inFlightSlot = (number: number): SlotAddress => descriptorSlot(0 as TaskId, number);

const isInFlight = (slot: SlotAddress): boolean => slot <= inFlightSlot(0) && slot > inFlightSlot(limits.filesInFlight);

/** Sends the files of descriptors on their way: their numbers; null when too many are. */
export function sendFiles(k: FileKernel, task: Task, descriptors: readonly number[]): number[] | null {
  const numbers: number[] = [];
  let number = 0;
  for (; numbers.length < descriptors.length && number < limits.filesInFlight; number++)
    if (isEmpty(k, inFlightSlot(number))) numbers.push(number);
  spend(k.effort, 4 * number + 32 * descriptors.length, "items");
  if (numbers.length < descriptors.length) return null;
  for (const [i, fd] of descriptors.entries()) {
    const from = descriptorSlot(task.id, fd);
    const copied = copy(k, { to: inFlightSlot(numbers[i]!), from, depth: 64n, rights: allRights, data: null });
    assert(copied.ok, "a capability to a file can be copied");
  }
  return numbers;
}

/** The open file that is on its way; null when its capability was revoked. */
export function fileInFlight(k: FileKernel, number: number): OpenFile | null {
  const capability = peekSlot(k, inFlightSlot(number))?.capability;
  return capability?.type === "file"
    ? must(k.files.open.get(capability.file), "what a capability names is open")
    : null;
}

/** Whether a file on its way is open nowhere else: it ends where it is dropped. */
function isLast(k: FileKernel, number: number): boolean {
  const { previous, next } = getSlot(k, inFlightSlot(number));
  return previous === null && next === null;
}

/** Takes all files out of a socket's queue, and out of those of sockets that wait in it to be accepted. */
function takeFiles(k: FileKernel, id: number): number[] {
  const { sockets } = k.files;
  const queues = [id, ...(sockets.get(id)?.pending ?? [])].map((each) => sockets.get(each)?.queue ?? []);
  const taken: number[] = [];
  for (const queue of queues) {
    spend(k.effort, queue.length, "items");
    for (const message of queue) for (const number of message.files.splice(0)) taken.push(number);
  }
  return taken;
}

/**
 * Files of a message that arrived, or never will: they are not on their way any more. What is in the queue of a socket
 * that ends by this is dropped by the same loop: sockets can be in each other's queues deeper than calls can be nested.
 */
export function dropFiles(k: FileKernel, numbers: readonly number[]): void {
  const all = [...numbers];
  for (const number of all) {
    const target = fileInFlight(k, number)?.target;
    if (target === undefined) continue;
    if (target.kind === "socket" && isLast(k, number)) for (const inner of takeFiles(k, target.socket)) all.push(inner);
    deleteSlot(k, inFlightSlot(number));
  }
}

/** A message was read: files that nobody took with it go nowhere, nor does what only they led to. */
export function forgetFiles(k: FileKernel, numbers: readonly number[]): void {
  if (numbers.length === 0) return;
  dropFiles(k, numbers);
  collectInFlight(k);
}

/** All numbers that are in use: what the messages of all sockets carry. */
const carried = (messages: readonly SocketMessage[]): number[] => messages.flatMap(({ files }) => files);

/** Whether somebody has the file, too, and not only messages: a descriptor, or a capability space. */
function isHeld(k: FileKernel, number: number): boolean {
  const own = getSlot(k, inFlightSlot(number));
  // All capabilities of a file are in one list, and nothing else is.
  for (const way of ["previous", "next"] as const)
    for (let at = own[way]; at !== null; at = getSlot(k, at)[way]) {
      spend(k.effort, 2, "items");
      if (!isInFlight(at)) return true;
    }
  return false;
}

/** Sockets of which nobody has a descriptor, although they are open: each is on its way to somebody, or to nobody. */
function unheldSockets(k: FileKernel, numbers: readonly number[]): Set<number> {
  const unheld = new Set<number>();
  spend(k.effort, 8 * numbers.length, "items");
  for (const number of numbers) {
    const target = fileInFlight(k, number)?.target;
    if (target?.kind === "socket" && !unheld.has(target.socket) && !isHeld(k, number)) unheld.add(target.socket);
  }
  return unheld;
}

/** Of these sockets, and those that wait to be accepted: those that can still come to somebody. */
function reachable(k: FileKernel, unheld: ReadonlySet<number>): Set<number> {
  const { sockets } = k.files;
  const waiting = new Set([...sockets.values()].flatMap(({ pending }) => pending));
  const rest = [...sockets.keys()].filter((id) => !unheld.has(id) && !waiting.has(id));
  const found = new Set<number>();
  spend(k.effort, 16 * sockets.size, "items");
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const socket = sockets.get(next);
    if (socket === undefined || found.has(next)) continue;
    found.add(next);
    for (const pending of socket.pending) rest.push(pending);
    for (const number of carried(socket.queue)) {
      const target = fileInFlight(k, number)?.target;
      if (target?.kind === "socket") rest.push(target.socket);
    }
  }
  return found;
}

/** Sockets in whose queues files are. */
function carriersOf(k: FileKernel): [number, Socket][] {
  let messages = 0;
  const carriers = [...k.files.sockets].filter(([, { queue }]) => {
    messages += queue.length;
    return queue.some(({ files }) => files.length > 0);
  });
  spend(k.effort, k.files.sockets.size + messages, "items");
  return carriers;
}

/**
 * Somebody has one socket less, or will not get it: files that are on their way to sockets which only such files lead
 * to, never arrive. Without this, a socket that was sent to itself would be there for ever.
 */
export function collectInFlight(k: FileKernel): void {
  const carriers = carriersOf(k);
  if (carriers.length === 0) return;
  const unheld = unheldSockets(
    k,
    carriers.flatMap(([, { queue }]) => carried(queue)),
  );
  if (unheld.size === 0) return;
  const live = reachable(k, unheld);
  for (const [id, socket] of carriers) {
    if (live.has(id)) continue;
    const lost = carried(socket.queue);
    for (const message of socket.queue) message.files = [];
    dropFiles(k, lost);
  }
}
