/** Who uses inodes beside the names that they have, and mounts: open files, tasks that are there, what is mounted there. */
import { spend } from "../lib/effort.ts";
import type { InodeNumber, MountId } from "../lib/ids.ts";
import type { Place, Task } from "../thread/state.ts";
import { filesystemOf, getMount, opsOfFilesystem } from "./filesystem.ts";
import { endFilesystem } from "./filesystems.ts";
import type { FileKernel } from "./kernel.ts";
import type { Filesystem, Mount } from "./state.ts";

/** Whether an inode is used for which `isIt`. An open file uses the directory too that it was found in, for its name. */
export function isUsed(k: FileKernel, fs: Filesystem, isIt: (inode: InodeNumber) => boolean): boolean {
  const { mounts, open } = k.files;
  const isIn = (mount: MountId): boolean => mounts.get(mount)?.filesystem === fs.id;
  const isHere = (place: Place | null): boolean => place !== null && isIn(place.mount) && isIt(place.inode);
  spend(k.effort, 4 * (open.size + k.threads.tasks.size + mounts.size), "items");
  for (const { opened } of open.values())
    if (isHere(opened) || (opened !== null && isIn(opened.mount) && isIt(opened.directory))) return true;
  for (const task of k.threads.tasks.values()) if (isHere(task.root) || isHere(task.directory)) return true;
  for (const { filesystem, root, on } of mounts.values())
    if (isHere(on) || (filesystem === fs.id && isIt(root))) return true;
  return false;
}

/** Whether something is mounted on the file in the task's name space, wherever that is seen. */
export function isMountPoint(k: FileKernel, { namespaces }: Task, { mount, inode }: Place): boolean {
  const { id } = filesystemOf(k, mount);
  spend(k.effort, k.files.mounts.size, "items");
  for (const { on, namespace } of k.files.mounts.values())
    if (on?.inode === inode && namespace === namespaces.mnt && filesystemOf(k, on.mount).id === id) return true;
  return false;
}

/** Mounts of which a file is open, or in which a task is, or waits for the other end of a FIFO. */
function usedMounts(k: FileKernel): Set<MountId> {
  const { tasks, threads } = k.threads;
  spend(k.effort, 4 * (k.files.open.size + tasks.size + threads.size), "items");
  const used = new Set<MountId>();
  for (const { opened } of k.files.open.values()) if (opened !== null) used.add(opened.mount);
  for (const { root, directory } of tasks.values()) used.add(root.mount).add(directory.mount);
  for (const { wait } of threads.values()) if (wait?.kind === "open") used.add(wait.opened.mount);
  return used;
}

export const isMountUsed = (k: FileKernel, id: MountId): boolean => usedMounts(k).has(id);

/** Somebody used a file who does not any more. */
export function letGo(k: FileKernel, { mount, inode }: Place): void {
  const filesystem = k.files.mounts.get(mount)?.filesystem;
  const fs = filesystem === undefined ? undefined : k.files.filesystems.get(filesystem);
  if (fs !== undefined) opsOfFilesystem(k, fs).change?.release(k, fs, inode);
  endDetached(k);
}

/** Mounts that were detached and are not used any more go; with the last one of a file system that goes, too. */
export function endDetached(k: FileKernel): void {
  if (k.files.detached.length === 0) return;
  const used = usedMounts(k);
  const ending = k.files.detached.filter((id) => !treeOf(k, id).some((mount) => used.has(mount.id)));
  if (ending.length === 0) return;
  k.files.detached = k.files.detached.filter((id) => !ending.includes(id));
  for (const top of ending) for (const { id } of treeOf(k, top).reverse()) endMount(k, id);
}

/** A mount and all that are on it, parents first. */
export function treeOf(k: FileKernel, top: MountId): Mount[] {
  const tree = [getMount(k, top)];
  for (let at = 0; at < tree.length; at++) for (const id of tree[at]!.covers.values()) tree.push(getMount(k, id));
  spend(k.effort, 8 * tree.length, "items");
  return tree;
}

function endMount(k: FileKernel, id: MountId): void {
  const { root } = getMount(k, id);
  const fs = filesystemOf(k, id);
  k.files.mounts.delete(id);
  spend(k.effort, k.files.mounts.size, "items");
  const others = [...k.files.mounts.values()].some(({ filesystem }) => filesystem === fs.id);
  if (!others) endFilesystem(k, fs);
  else opsOfFilesystem(k, fs).change?.release(k, fs, root);
}

/** A task goes to another directory, or gets another root. */
export function moveTask(k: FileKernel, from: Place, to: Place): void {
  const before = { ...from };
  from.mount = to.mount;
  from.inode = to.inode;
  letGo(k, before);
}
