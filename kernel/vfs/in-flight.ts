/**
 * Files on their way in a message between sockets (SCM_RIGHTS): each is a capability in a slot that its number names,
 * as a descriptor's is. So a file stays open while it is on its way, and ends with the message that nobody reads.
 */
import { copy } from "../cap/cnode.ts";
import { deleteSlot } from "../cap/delete.ts";
import { isEmpty, peekSlot } from "../cap/slots.ts";
import { allRights } from "../cap/state.ts";
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { SlotAddress, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { Task } from "../thread/state.ts";
import { descriptorSlot } from "./descriptor-slots.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenFile, SocketMessage } from "./state.ts";

/** Slots of a task that there never is. */
export const inFlightSlot = (number: number): SlotAddress => descriptorSlot(0 as TaskId, number);

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

/** Files of a message that arrived, or never will: they are not on their way any more. */
export function dropFiles(k: FileKernel, numbers: readonly number[]): void {
  for (const number of numbers) if (!isEmpty(k, inFlightSlot(number))) deleteSlot(k, inFlightSlot(number));
}

/** All numbers that are in use: what the messages of all sockets carry. */
const carried = (messages: readonly SocketMessage[]): number[] => messages.flatMap(({ files }) => files);

/** Sockets that can still be read, by a descriptor or by a file on its way to one. */
function reachable(k: FileKernel): Set<number> {
  const found = new Set<number>();
  const rest: number[] = [];
  const visit = (file: OpenFile | null): void => {
    if (file?.target.kind === "socket") rest.push(file.target.socket);
  };
  for (const task of k.threads.tasks.values()) {
    spend(k.effort, 8 * task.descriptors.length, "items");
    for (const fd of task.descriptors.keys()) {
      const capability = peekSlot(k, descriptorSlot(task.id, fd))?.capability;
      if (capability?.type === "file") visit(k.files.open.get(capability.file) ?? null);
    }
  }
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const socket = k.files.sockets.get(next);
    if (socket === undefined || found.has(next)) continue;
    found.add(next);
    rest.push(...socket.pending);
    for (const number of carried(socket.queue)) visit(fileInFlight(k, number));
  }
  return found;
}

/**
 * A socket was closed somewhere: files that are on their way to sockets which only such files lead to, never arrive.
 * Without this, a socket that was sent to itself would be there for ever.
 */
export function collectInFlight(k: FileKernel): void {
  const carriers = [...k.files.sockets].filter(([, { queue }]) => queue.some(({ files }) => files.length > 0));
  spend(k.effort, k.files.sockets.size, "items");
  if (carriers.length === 0) return;
  const live = reachable(k);
  for (const [id, socket] of carriers) {
    if (live.has(id)) continue;
    const lost = carried(socket.queue);
    for (const message of socket.queue) message.files = [];
    dropFiles(k, lost);
  }
}
