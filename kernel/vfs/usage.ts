/** Who uses an inode beside the names that it has: open files, tasks that are in it, mounts on it. */
import { spend } from "../lib/effort.ts";
import type { InodeNumber, MountId } from "../lib/ids.ts";
import type { Place, Task } from "../thread/state.ts";
import { firstPlace } from "../thread/tasks.ts";
import { opsOfFilesystem } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import type { Filesystem } from "./state.ts";

/** Whether an inode is used for which `isIt`. An open file uses the directory too that it was found in, for its name. */
export function isUsed(k: FileKernel, fs: Filesystem, isIt: (inode: InodeNumber) => boolean): boolean {
  const { mounts, open } = k.files;
  const isIn = (mount: MountId): boolean => mounts.get(mount)?.filesystem === fs.id;
  const isHere = (place: Place | null): boolean => place !== null && isIn(place.mount) && isIt(place.inode);
  spend(k.effort, 4 * (open.size + k.threads.tasks.size), "items");
  for (const { opened } of open.values())
    if (isHere(opened) || (opened !== null && isIn(opened.mount) && isIt(opened.directory))) return true;
  for (const task of k.threads.tasks.values()) if (isHere(task.root) || isHere(task.directory)) return true;
  for (const { on } of mounts.values()) if (isHere(on)) return true;
  return false;
}

/** Somebody used a file who does not any more. */
export function letGo(k: FileKernel, { mount, inode }: Place): void {
  const filesystem = k.files.mounts.get(mount)?.filesystem;
  const fs = filesystem === undefined ? undefined : k.files.filesystems.get(filesystem);
  if (fs !== undefined) opsOfFilesystem(k, fs).change?.release(k, fs, inode);
}

/** A task goes to another directory, or gets another root. */
export function moveTask(k: FileKernel, from: Place, to: Place): void {
  const before = { ...from };
  from.mount = to.mount;
  from.inode = to.inode;
  letGo(k, before);
}

/** A task ends: it is in no directory any more. */
export function leaveDirectories(k: FileKernel, task: Task): void {
  moveTask(k, task.directory, firstPlace);
  moveTask(k, task.root, firstPlace);
}
