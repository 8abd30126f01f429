/**
 * Descriptor tables: small numbers that stand for open files.
 *
 * What a number stands for is a capability, in a slot that the task and the number name; the table has what is the
 * number's own. So a file stays open as long as there is a capability to it, wherever that is, and who holds the one
 * that it was opened with can revoke the copies. A number whose capability was revoked is no file any more, but stays
 * taken until its program closes it: it must not come to mean another file behind the program's back.
 */
import { copy } from "../cap/cnode.ts";
import { deleteSlot } from "../cap/delete.ts";
import { hasRoomForCapabilities, peekSlot, placeRoot } from "../cap/slots.ts";
import { allRights, type CapabilityOf } from "../cap/state.ts";
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { SlotAddress } from "../lib/ids.ts";
import { countWriter } from "../mm/executing.ts";
import { mostDescriptors } from "../thread/rlimits.ts";
import { sharers } from "../thread/sharing.ts";
import type { Task } from "../thread/state.ts";
import { descriptorSlot } from "./descriptor-slots.ts";
import { unwatch } from "./epoll.ts";
import { mayWrite } from "./file-ops.ts";
import { opsOf } from "./files.ts";
import { collectInFlight, inFlightSlot } from "./in-flight.ts";
import { Notify, notifyFile } from "./inotify.ts";
import type { FileKernel } from "./kernel.ts";
import { dropLocksOf, lockedAt } from "./locks.ts";
import type { Opened, OpenFile, OpenTarget } from "./state.ts";
import { letGo } from "./usage.ts";

const isFree = (task: Task, fd: number): boolean => (task.descriptors[fd] ?? null) === null;

export function fileOf(k: FileKernel, task: Task, fd: number): OpenFile | null {
  if (isFree(task, fd)) return null;
  const capability = peekSlot(k, descriptorSlot(task.id, fd))?.capability;
  return capability?.type === "file"
    ? must(k.files.open.get(capability.file), "what a capability names is open")
    : null;
}

/** The same of what was opened to be used, and not only to be named (O_PATH): for most calls another descriptor is a bad one. */
export function usableFileOf(k: FileKernel, task: Task, fd: number): OpenFile | null {
  const file = fileOf(k, task, fd);
  return file?.target.kind === "path" ? null : file;
}

/** The lowest free number from `from` on, or null when the table is full. */
function freeNumber(task: Task, from: number): number | null {
  const most = mostDescriptors(task);
  for (let fd = from; fd < most; fd++) if (isFree(task, fd)) return fd;
  return null;
}

/** Whether there is room for so many descriptors more: each is one of all who have the same. */
const hasRoomFor = (k: FileKernel, task: Task, count: number): boolean =>
  hasRoomForCapabilities(k, count * (1 + sharers(k, task, "files").length));

/** Gives out a free number: the slot for its capability. */
function take(task: Task, fd: number, closeOnExec: boolean): SlotAddress {
  while (task.descriptors.length < fd) task.descriptors.push(null);
  task.descriptors[fd] = { closeOnExec };
  return descriptorSlot(task.id, fd);
}

/** Opens what has no name at the lowest free descriptor. */
export const openTarget = (
  k: FileKernel,
  task: Task,
  target: OpenTarget,
  flags: number,
  closeOnExec: boolean,
): number | Errno => openFile(k, task, target, null, flags, closeOnExec);

/** Opens a target at the lowest free descriptor. */
export function openFile(
  k: FileKernel,
  task: Task,
  target: OpenTarget,
  opened: Opened | null,
  flags: number,
  closeOnExec: boolean,
): number | Errno {
  const fd = freeNumber(task, 0);
  if (fd === null) return "EMFILE";
  if (k.files.open.size >= k.config.limits.openFiles || !hasRoomFor(k, task, 1)) return "ENFILE";
  const file = k.files.nextOpen++;
  k.files.open.set(file, { id: file, flags, position: 0, target, opened });
  placeRoot(k, take(task, fd, closeOnExec), { type: "file", file });
  spread(k, task, fd);
  if (target.kind !== "path") notifyFile(k, opened, Notify.open);
  return fd;
}

/** Whether so many more files can be opened by the task. */
export function roomProblem(k: FileKernel, task: Task, count: number): Errno | null {
  const used = task.descriptors.reduce((sum, descriptor) => sum + (descriptor === null ? 0 : 1), 0);
  if (used + count > mostDescriptors(task)) return "EMFILE";
  const isFull = k.files.open.size + count > k.config.limits.openFiles || !hasRoomFor(k, task, count);
  return isFull ? "ENFILE" : null;
}

function derive(k: FileKernel, task: Task, fd: number, to: SlotAddress): void {
  const copied = copy(k, { to, from: descriptorSlot(task.id, fd), depth: 64n, rights: allRights, data: null });
  assert(copied.ok, "a capability to a file can be copied");
}

/** Who has the same descriptors has a new one, too. */
function spread(k: FileKernel, task: Task, fd: number): void {
  for (const other of sharers(k, task, "files"))
    derive(k, task, fd, take(other, fd, task.descriptors[fd]!.closeOnExec));
}

/** Whether another program closes it. */
export function setCloseOnExec(k: FileKernel, task: Task, fd: number, closes: boolean): void {
  for (const each of [task, ...sharers(k, task, "files")]) each.descriptors[fd]!.closeOnExec = closes;
}

/** One more descriptor for what `fd` stands for, at the lowest free number from `from` on. */
export function duplicate(k: FileKernel, task: Task, fd: number, from: number, closeOnExec: boolean): number | Errno {
  if (fileOf(k, task, fd) === null) return "EBADF";
  if (from < 0 || from >= mostDescriptors(task)) return "EINVAL";
  const to = freeNumber(task, from);
  if (to === null || !hasRoomFor(k, task, 1)) return "EMFILE";
  derive(k, task, fd, take(task, to, closeOnExec));
  spread(k, task, to);
  return to;
}

/** A descriptor of another task's becomes one of this task, too, at the lowest free number. */
export function adopt(k: FileKernel, from: Task, fd: number, to: Task): number | Errno {
  if (fileOf(k, from, fd) === null) return "EBADF";
  const free = freeNumber(to, 0);
  if (free === null || !hasRoomFor(k, to, 1)) return "EMFILE";
  derive(k, from, fd, take(to, free, true));
  spread(k, to, free);
  return free;
}

/** A descriptor for a file that arrived with a message. */
export function receiveFile(k: FileKernel, task: Task, number: number, closeOnExec: boolean): number | Errno {
  const fd = freeNumber(task, 0);
  if (fd === null || !hasRoomFor(k, task, 1)) return "EMFILE";
  const to = take(task, fd, closeOnExec);
  const copied = copy(k, { to, from: inFlightSlot(number), depth: 64n, rights: allRights, data: null });
  assert(copied.ok, "a capability to a file can be copied");
  spread(k, task, fd);
  return fd;
}

/** Makes `to` stand for what `fd`, another number, stands for, whatever it stood for. */
export function replaceDescriptor(
  k: FileKernel,
  task: Task,
  fd: number,
  to: number,
  closeOnExec: boolean,
): number | Errno {
  assert(fd !== to, "two descriptors");
  if (fileOf(k, task, fd) === null || to < 0 || to >= mostDescriptors(task)) return "EBADF";
  if (isFree(task, to) && !hasRoomFor(k, task, 1)) return "EMFILE";
  closeDescriptor(k, task, to);
  if (!k.threads.tasks.has(task.id)) return to;
  derive(k, task, fd, take(task, to, closeOnExec));
  spread(k, task, to);
  return to;
}

/** A forked task gets a capability derived from each of its parent's; a number whose own was revoked stays taken. */
export function inheritDescriptors(k: FileKernel, from: Task, to: Task): void {
  spend(k.effort, 32 * from.descriptors.length, "items");
  for (const [fd, descriptor] of from.descriptors.entries()) {
    if (descriptor === null) continue;
    const slot = take(to, fd, descriptor.closeOnExec);
    if (fileOf(k, from, fd) !== null) derive(k, from, fd, slot);
  }
}

/** Closes one descriptor; false: there is none. The task may be gone afterwards, by what a terminal's end tells it. */
export function closeDescriptor(k: FileKernel, task: Task, fd: number): boolean {
  const isOpen = !isFree(task, fd);
  closeDescriptors(k, task, [fd]);
  return isOpen;
}

/** Closes several. What is on its way is looked at once for all of them: it takes going through all that is open. */
export function closeDescriptors(k: FileKernel, task: Task, fds: readonly number[]): void {
  const all = [...sharers(k, task, "files"), task];
  let sockets = 0;
  for (const fd of fds) for (const each of all) if (closeOwn(k, each, fd)) sockets += 1;
  if (sockets > 0) collectInFlight(k);
}

/** Whether it was a socket's. */
function closeOwn(k: FileKernel, task: Task, fd: number): boolean {
  if (isFree(task, fd)) return false;
  const file = fileOf(k, task, fd);
  // POSIX: closing any descriptor of a file gives up all the task's locks of it.
  if (file?.opened) dropLocksOf(k, { kind: "task", id: task.id }, lockedAt(k, file.opened));
  task.descriptors[fd] = null;
  deleteSlot(k, descriptorSlot(task.id, fd));
  return file?.target.kind === "socket";
}

/** Another program begins in the task: what is not meant for it is closed. */
export function closeOnExec(k: FileKernel, task: Task): void {
  const closing = [...task.descriptors.keys()].filter((fd) => task.descriptors[fd]?.closeOnExec);
  closeDescriptors(k, task, closing);
}

export function closeAll(k: FileKernel, task: Task): void {
  let sockets = 0;
  for (let fd = 0; fd < task.descriptors.length; fd++) if (closeOwn(k, task, fd)) sockets += 1;
  task.descriptors = [];
  if (sockets > 0) collectInFlight(k);
}

/** A capability to an open file goes: with the last one, the file is no longer open. */
export function finaliseFile(k: FileKernel, { file }: CapabilityOf<"file">, final: boolean): void {
  if (!final) return;
  const ended = must(k.files.open.get(file), "what a capability names is open");
  unwatch(k, ended);
  k.files.open.delete(file);
  if (ended.target.kind !== "path")
    notifyFile(k, ended.opened, mayWrite(ended) ? Notify.closeWrite : Notify.closeNoWrite);
  opsOf(ended).release?.(k, ended);
  if (ended.writer && ended.target.kind === "regular") countWriter(k, ended.target.file, -1);
  dropLocksOf(k, { kind: "file", id: file }, null);
  if (ended.opened === null) return;
  letGo(k, ended.opened);
  letGo(k, { mount: ended.opened.mount, inode: ended.opened.directory });
}
