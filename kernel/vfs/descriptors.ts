/**
 * Descriptor tables: small numbers that stand for open files.
 *
 * An open file lives as long as a descriptor stands for it, in whatever table.
 */
import { assert, must } from "../lib/assert.ts";
import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import type { Task } from "../thread/state.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenFile, OpenTarget } from "./state.ts";

export function fileOf(k: FileKernel, task: Task, fd: number): OpenFile | null {
  const descriptor = task.descriptors[fd];
  return descriptor === undefined || descriptor === null
    ? null
    : must(k.files.open.get(descriptor.file), "a descriptor's file is open");
}

/** The lowest free number from `from` on, or null when the table is full. */
function freeSlot(task: Task, from: number): number | null {
  for (let fd = from; fd < limits.descriptors; fd++) if ((task.descriptors[fd] ?? null) === null) return fd;
  return null;
}

function place(task: Task, fd: number, file: OpenFile, closeOnExec: boolean): void {
  while (task.descriptors.length < fd) task.descriptors.push(null);
  task.descriptors[fd] = { file: file.id, closeOnExec };
  file.references += 1;
}

/** Opens a target at the lowest free descriptor. */
export function openTarget(
  k: FileKernel,
  task: Task,
  target: OpenTarget,
  flags: number,
  closeOnExec: boolean,
): number | Errno {
  const fd = freeSlot(task, 0);
  if (fd === null) return "EMFILE";
  if (k.files.open.size >= k.config.limits.openFiles) return "ENFILE";
  const file: OpenFile = { id: k.files.nextOpen++, references: 0, flags, position: 0, target };
  k.files.open.set(file.id, file);
  place(task, fd, file, closeOnExec);
  return fd;
}

/** One more descriptor for an open file, at the lowest free number from `from` on. */
export function duplicate(task: Task, file: OpenFile, from: number, closeOnExec: boolean): number | Errno {
  if (from < 0 || from >= limits.descriptors) return "EINVAL";
  const fd = freeSlot(task, from);
  if (fd === null) return "EMFILE";
  place(task, fd, file, closeOnExec);
  return fd;
}

/** Makes `fd` stand for an open file, whatever it stood for. */
export function replaceDescriptor(k: FileKernel, task: Task, fd: number, file: OpenFile, closeOnExec: boolean): void {
  assert(fd >= 0 && fd < limits.descriptors, "a descriptor number in range");
  file.references += 1; // it may be the one that is closed
  closeDescriptor(k, task, fd);
  place(task, fd, file, closeOnExec);
  file.references -= 1;
}

export function closeDescriptor(k: FileKernel, task: Task, fd: number): boolean {
  const file = fileOf(k, task, fd);
  if (file === null) return false;
  task.descriptors[fd] = null;
  file.references -= 1;
  if (file.references === 0) k.files.open.delete(file.id);
  return true;
}

export function closeAll(k: FileKernel, task: Task): void {
  for (let fd = 0; fd < task.descriptors.length; fd++) closeDescriptor(k, task, fd);
  task.descriptors = [];
}
