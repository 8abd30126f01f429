/** What calls with paths have in common: a directory descriptor, a path, and flags that say how it is meant. */
import type { Errno } from "../../lib/errno.ts";
import type { Place, Task } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { attributesOf, isDirectory, openedAt } from "../../vfs/filesystem.ts";
import { noteUse } from "../../vfs/mount-flags.ts";
import type { PathFrom } from "../../vfs/names.ts";
import type { Opened, OpenFile } from "../../vfs/state.ts";
import { walkPath } from "../../vfs/walk.ts";
import type { LinuxKernel } from "./kernel.ts";

export const At = {
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_NO_AUTOMOUNT: 0x800,
  AT_EMPTY_PATH: 0x1000,
} as const;
export const currentDirectory = -100;

/** Where a path that is given with a directory begins. Of an absolute one the descriptor is not looked at. */
export function pathFrom(k: LinuxKernel, task: Task, directory: number, path: string): PathFrom | { errno: Errno } {
  if (directory === currentDirectory || path.startsWith("/")) return { start: task.directory, path };
  const file = fileOf(k, task, directory);
  if (file === null) return { errno: "EBADF" };
  if (path === "") return { errno: "ENOENT" };
  const place = placeOf(file);
  if (place === null || !isDirectory(attributesOf(k, place))) return { errno: "ENOTDIR" };
  return { start: place, path };
}

export const placeOf = ({ opened }: OpenFile): Place | null =>
  opened === null ? null : { mount: opened.mount, inode: opened.inode };

/** What a call acts on: a file by its name, or an open one. */
export type Subject = { place: Place; named: Opened } | { file: OpenFile };

/** The file that a path names; with AT_EMPTY_PATH and no path, the one that is open. */
export function subjectAt(
  k: LinuxKernel,
  task: Task,
  directory: number,
  path: string,
  how: number,
): Subject | { errno: Errno } {
  if (path === "" && how & At.AT_EMPTY_PATH) {
    if (directory === currentDirectory)
      return { place: task.directory, named: { ...task.directory, directory: task.directory.inode, name: "" } };
    const file = fileOf(k, task, directory);
    return file === null ? { errno: "EBADF" } : subjectOfFile(file);
  }
  const from = pathFrom(k, task, directory, path);
  if ("errno" in from) return from;
  const found = walkPath(k, task, from.start, from.path, how & At.AT_SYMLINK_NOFOLLOW ? "keep" : "follow");
  if ("errno" in found) return found;
  const { place, directory: within, name, file } = found;
  if (file !== undefined) return subjectOfFile(file);
  if (place === null) return { errno: "ENOENT" };
  noteUse(k, place.mount);
  return { place, named: openedAt(k, place, within, name) };
}

export function subjectOfFile(file: OpenFile): Subject {
  const { opened } = file;
  return opened === null ? { file } : { place: { mount: opened.mount, inode: opened.inode }, named: opened };
}
