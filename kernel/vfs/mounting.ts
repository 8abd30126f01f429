/**
 * What mount(2), umount2(2) and pivot_root(2) do: each checks in Linux's order, and then changes the tree (mounts.ts).
 *
 * Places that calls name are given as they were found, on top of whatever covers them. That somebody may mount at all is
 * asked before.
 */

import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { MountId, StoredId } from "../lib/ids.ts";
import { ownerOfNamespace } from "../ns/namespaces.ts";
import { Cap } from "../thread/capabilities.ts";
import type { Place, Task } from "../thread/state.ts";
import { hasCapabilityIn, idFromUser } from "../thread/users.ts";
import { mayWrite } from "./file-ops.ts";
import { attributesOf, filesystemOf, getMount, isBelow, isDirectory } from "./filesystem.ts";
import { boundFilesystem, createFilesystem, isSingle, isStored } from "./filesystems.ts";
import { devicesOf } from "./first-tree.ts";
import type { FileKernel } from "./kernel.ts";
import { hasFlag, MountFlag } from "./mount-flags.ts";
import {
  bindOn,
  copiesOf,
  detachTree,
  exchangeRoots,
  hasRoomForMounts,
  mountOn,
  moveMount,
  wholeOf,
} from "./mounts.ts";
import { samePlace } from "./names.ts";
import {
  type Filesystem,
  type FilesystemKind,
  filesystemKinds,
  type Mount,
  type Opened,
  type TmpfsOptions,
} from "./state.ts";
import { readTmpfsOptions, usualBound, type WantedOptions } from "./tmpfs-options.ts";
import { isMountUsed, moveTask, treeOf } from "./usage.ts";

/** Whether a mount is in the task's name space, and so the task's to change. */
const isOurs = (k: FileKernel, { namespaces }: Task, mount: MountId): boolean =>
  getMount(k, mount).namespace === namespaces.mnt;

const isTop = (k: FileKernel, { mount, inode }: Place): boolean => getMount(k, mount).root === inode;

/** What speaks against anything being mounted at a place. */
function placeProblem(k: FileKernel, task: Task, on: Opened): Errno | null {
  if (attributesOf(k, on).links === 0 || getMount(k, on.mount).namespace === null) return "ENOENT";
  return isOurs(k, task, on.mount) ? null : "EINVAL";
}

/** A directory is covered by a directory, and anything else by anything else. */
const fits = (k: FileKernel, shown: Place, on: Place): boolean =>
  isDirectory(attributesOf(k, shown)) === isDirectory(attributesOf(k, on));

export interface NewMount {
  source: string;
  kind: string;
  flags: number;
  readOnly: boolean;
  /** As mount(2) was given it. */
  data: string;
}

const isKind = (kind: string): kind is FilesystemKind => (filesystemKinds as readonly string[]).includes(kind);

/** Options of a kind that there is one of: they say what is so anyhow. */
const singleOptions: Readonly<Partial<Record<FilesystemKind, readonly string[]>>> = {
  proc: ["hidepid=0", "hidepid=off"],
  devpts: ["gid=5", "mode=620", "mode=0620", "ptmxmode=666", "ptmxmode=0666", "newinstance"],
};

function optionsFor(k: FileKernel, task: Task, kind: FilesystemKind, data: string): TmpfsOptions | Errno | null {
  if (kind === "devtmpfs") return null;
  if (isSingle(kind)) {
    const known = singleOptions[kind] ?? [];
    return data.split(",").every((word) => word === "" || known.includes(word)) ? null : "EINVAL";
  }
  const wanted = readTmpfsOptions(data, k.mm.frames.total);
  if (wanted === null) return "EINVAL";
  const { fsuid, fsgid, userSpace } = task.credentials;
  const uid = wanted.uid === undefined ? fsuid : idFromUser(k, userSpace, "uid", wanted.uid);
  const gid = wanted.gid === undefined ? fsgid : idFromUser(k, userSpace, "gid", wanted.gid);
  if (uid === null || gid === null) return "EINVAL";
  const usual = usualBound(k.mm.frames.total);
  return { pages: usual, inodes: usual, mode: 0o1777, ...wanted, uid, gid };
}

/** The one file system of a kind that there is one of, or (proc) one for a PID name space, if it is there. */
function singleOf(k: FileKernel, kind: FilesystemKind, pidSpace: number): Filesystem | null {
  if (kind === "devtmpfs") return devicesOf(k);
  if (!isSingle(kind)) return null;
  for (const fs of k.files.filesystems.values()) if (fs.kind === kind && fs.pidSpace === pidSpace) return fs;
  return null;
}

/** A file system of a kind at a place. */
export function mountNew(k: FileKernel, task: Task, wanted: NewMount, on: Opened): Errno | null {
  const { kind, source, data, flags, readOnly } = wanted;
  if (!isKind(kind)) return "ENODEV";
  const userSpace = ownerOfNamespace(k, task.namespaces.mnt);
  if (kind === "devtmpfs" && userSpace !== 0) return "EPERM";
  const options = optionsFor(k, task, kind, data);
  if (typeof options === "string") return options;
  const problem = placeProblem(k, task, on);
  if (problem !== null) return problem;
  const pidSpace = kind === "proc" ? task.namespaces.childPid : 0;
  const single = singleOf(k, kind, pidSpace);
  if (single !== null && single.id === filesystemOf(k, on.mount).id && isTop(k, on)) return "EBUSY";
  if (!isDirectory(attributesOf(k, on))) return "ENOTDIR";
  if (!hasRoomForMounts(k, 1)) return "ENOSPC";
  const fs = single ?? createFilesystem(k, kind, source, { options, pidSpace, userSpace });
  if (single === null) fs.readOnly = readOnly;
  mountOn(k, wholeOf(fs, flags), on);
  return null;
}

const isLocked = (k: FileKernel, mount: MountId): boolean => hasFlag(k, mount, MountFlag.locked);

/** Whether something is mounted below a place that cannot be left out. */
const hidesWithLocks = (k: FileKernel, place: Place): boolean =>
  copiesOf(k, place, true).some(({ id }) => id !== place.mount && isLocked(k, id));

/** A place can be seen at another one, too; with `all`, what is mounted below it as well. */
export function bind(k: FileKernel, task: Task, from: Opened, on: Opened, all: boolean): Errno | null {
  const problem = placeProblem(k, task, on);
  if (problem !== null) return problem;
  if (hasFlag(k, from.mount, MountFlag.unbindable) || !isOurs(k, task, from.mount)) return "EINVAL";
  if (!all && hidesWithLocks(k, from)) return "EINVAL";
  if (!fits(k, from, on)) return "ENOTDIR";
  const copies = copiesOf(k, from, all);
  if (!hasRoomForMounts(k, copies.length)) return "ENOSPC";
  bindOn(k, copies, from, on);
  return null;
}

/** A mount, with what is on it, goes to another place. */
export function move(k: FileKernel, task: Task, from: Opened, on: Opened): Errno | null {
  const problem = placeProblem(k, task, on);
  if (problem !== null) return problem;
  if (!isTop(k, from) || !isOurs(k, task, from.mount) || getMount(k, from.mount).on === null) return "EINVAL";
  if (isLocked(k, from.mount) || !fits(k, from, on)) return "EINVAL";
  if (treeOf(k, from.mount).some(({ id }) => id === on.mount)) return "ELOOP";
  moveMount(k, from.mount, on);
  return null;
}

/** Whether a file system's content is mapped that nothing else need keep; `writable`: so that it can be written to. */
function isMapped(k: FileKernel, fs: Filesystem, writable: boolean): boolean {
  if (!isStored(fs.kind)) return false;
  spend(k.effort, fs.inodes.size, "items");
  const files = new Set<StoredId>();
  for (const { data } of fs.inodes.values()) if (data.kind === "regular") files.add(data.file);
  for (const { regions } of k.mm.spaces.values()) {
    spend(k.effort, regions.length, "items");
    for (const { backing } of regions)
      if (backing.kind === "file" && files.has(backing.file) && (!writable || (backing.shared && backing.writable)))
        return true;
  }
  return false;
}

/** Whether somebody can write to files of a mount, or (null) of any of the file system's. */
function isWritten(k: FileKernel, fs: Filesystem, mount: MountId | null): boolean {
  spend(k.effort, k.files.open.size, "items");
  for (const file of k.files.open.values()) {
    const { opened, target } = file;
    if (opened === null || target.kind !== "regular" || !mayWrite(file)) continue;
    if (mount === null ? filesystemOf(k, opened.mount).id === fs.id : opened.mount === mount) return true;
  }
  return mount === null && isMapped(k, fs, true);
}

const timeFlags = MountFlag.noAccessTime | MountFlag.noDirectoryTime | MountFlag.strictTime;

export interface NewFlags {
  flags: number;
  /** How times of reading are noted stays as it is. */
  keepsTimes: boolean;
}

/** Whether flags would allow what a mount of more privileged users forbids, or change when readings are noted. */
function breaksLock(mount: Mount, flags: number, keepsTimes: boolean): boolean {
  if (!(mount.flags & MountFlag.lockedFlags)) return false;
  const forbid = MountFlag.readOnly | MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExecute;
  return (mount.flags & ~flags & forbid) !== 0 || (!keepsTimes && ((mount.flags ^ flags) & timeFlags) !== 0);
}

/** What may be done by one mount (MS_REMOUNT with MS_BIND). */
export function changeMount(k: FileKernel, task: Task, at: Place, { flags, keepsTimes }: NewFlags): Errno | null {
  if (!isTop(k, at) || !isOurs(k, task, at.mount)) return "EINVAL";
  const mount = getMount(k, at.mount);
  if (breaksLock(mount, flags, keepsTimes)) return "EPERM";
  const becomesReadOnly = flags & MountFlag.readOnly && !(mount.flags & MountFlag.readOnly);
  if (becomesReadOnly && isWritten(k, filesystemOf(k, at.mount), at.mount)) return "EBUSY";
  const kept = (keepsTimes ? timeFlags : 0) | MountFlag.unbindable | MountFlag.locked | MountFlag.lockedFlags;
  mount.flags = (mount.flags & kept) | (flags & ~kept);
  return null;
}

/** Bounds can be changed as far as what is there is within them; there is no bound where there was none. */
function changedOptions(k: FileKernel, fs: Filesystem, wanted: WantedOptions): TmpfsOptions | null {
  const { options } = fs;
  if (options === null) return null;
  const { pages = options.pages, inodes = options.inodes } = wanted;
  const used = k.mm.quotas.get(fs.id)?.frames ?? 0;
  if (pages !== null && wanted.pages !== undefined && (options.pages === null || used > pages)) return null;
  if (inodes !== null && wanted.inodes !== undefined && (options.inodes === null || fs.inodes.size > inodes))
    return null;
  return { ...options, pages, inodes };
}

/** Whether a task may change what a file system is for all who have it mounted. */
const isFilesystemOurs = (k: FileKernel, { credentials }: Task, { userSpace }: Filesystem): boolean =>
  hasCapabilityIn(k, credentials, userSpace, Cap.SYS_ADMIN);

/** A mount and its file system are mounted otherwise (MS_REMOUNT). */
export function remount(
  k: FileKernel,
  task: Task,
  at: Place,
  { data, readOnly, ...flags }: NewFlags & { data: string; readOnly: boolean },
): Errno | null {
  if (!isTop(k, at) || !isOurs(k, task, at.mount)) return "EINVAL";
  const fs = filesystemOf(k, at.mount);
  if (!isFilesystemOurs(k, task, fs)) return "EPERM";
  if (breaksLock(getMount(k, at.mount), flags.flags, flags.keepsTimes)) return "EPERM";
  const options = fs.kind === "tmpfs" ? readTmpfsOptions(data, k.mm.frames.total) : optionsFor(k, task, fs.kind, data);
  if (typeof options === "string" || (fs.kind === "tmpfs" && options === null)) return "EINVAL";
  const isBounded = options?.pages !== undefined || options?.inodes !== undefined;
  const bounds = isBounded ? changedOptions(k, fs, options) : null;
  if (isBounded && bounds === null) return "EINVAL";
  if (readOnly && !fs.readOnly && isWritten(k, fs, null)) return "EBUSY";
  if (bounds !== null) boundFilesystem(k, fs, bounds);
  fs.readOnly = readOnly;
  return changeMount(k, task, at, flags);
}

/** Whether something that is mounted elsewhere later comes here, too: it never does; and whether this can be bound. */
export function changePropagation(
  k: FileKernel,
  task: Task,
  at: Place,
  { unbindable, all }: { unbindable: boolean; all: boolean },
): Errno | null {
  if (!isTop(k, at) || !isOurs(k, task, at.mount)) return "EINVAL";
  for (const mount of all ? treeOf(k, at.mount) : [getMount(k, at.mount)])
    mount.flags = unbindable ? mount.flags | MountFlag.unbindable : mount.flags & ~MountFlag.unbindable;
  return null;
}

export const Unmount = { MNT_FORCE: 1, MNT_DETACH: 2, MNT_EXPIRE: 4, UMOUNT_NOFOLLOW: 8 } as const;

/** Whether something keeps a mount from going at once. */
function isBusy(k: FileKernel, id: MountId): boolean {
  if (getMount(k, id).covers.size > 0 || isMountUsed(k, id)) return true;
  const fs = filesystemOf(k, id);
  const others = [...k.files.mounts.values()].some((mount) => mount.filesystem === fs.id && mount.id !== id);
  return !others && isMapped(k, fs, false);
}

/** MNT_EXPIRE: it goes at the second time, if it was not used since the first. */
function expire(k: FileKernel, id: MountId): Errno | null {
  const mount = getMount(k, id);
  if (isBusy(k, id)) return "EBUSY";
  if (mount.expiring) return null;
  mount.expiring = true;
  return "EAGAIN";
}

/** The root cannot go from under whom it belongs to: it can only not be changed any more. */
function sealRoot(k: FileKernel, task: Task, fs: Filesystem): Errno | null {
  if (!isFilesystemOurs(k, task, fs)) return "EPERM";
  if (!fs.readOnly && isWritten(k, fs, null)) return "EBUSY";
  fs.readOnly = true;
  return null;
}

export function unmount(k: FileKernel, task: Task, at: Place, how: number): Errno | null {
  const id = at.mount;
  if (!isTop(k, at) || !isOurs(k, task, id) || isLocked(k, id)) return "EINVAL";
  const detaches = (how & Unmount.MNT_DETACH) !== 0;
  const isOwnRoot = id === task.root.mount;
  if (how & Unmount.MNT_EXPIRE) {
    if (isOwnRoot || how & (Unmount.MNT_FORCE | Unmount.MNT_DETACH)) return "EINVAL";
    const errno = expire(k, id);
    if (errno !== null) return errno;
  }
  if (isOwnRoot && !detaches) return sealRoot(k, task, filesystemOf(k, id));
  // What a name space stands on stays.
  if (getMount(k, id).on === null) return "EINVAL";
  if (!detaches && isBusy(k, id)) return "EBUSY";
  detachTree(k, id);
  return null;
}

/** Whether a place can be reached from a mount's top, going down. */
function isReachable(k: FileKernel, place: Opened, from: Place): boolean {
  let at: Opened = place;
  while (at.mount !== from.mount) {
    const { on } = getMount(k, at.mount);
    if (on === null) return false;
    at = on;
  }
  return isBelow(k, filesystemOf(k, at.mount), at.name === "" ? at.inode : at.directory, from.inode);
}

/** pivot_root(2): `next` becomes the root of all who have the task's, and the old one can be seen at `old`. */
export function pivotRoot(k: FileKernel, task: Task, next: Opened, old: Opened): Errno | null {
  const root = { ...task.root };
  if (!isOurs(k, task, root.mount) || !isOurs(k, task, next.mount) || isLocked(k, next.mount)) return "EINVAL";
  if (attributesOf(k, next).links === 0 || attributesOf(k, old).links === 0) return "ENOENT";
  if (next.mount === root.mount || old.mount === root.mount) return "EBUSY";
  if (!isTop(k, root) || !isTop(k, next) || getMount(k, next.mount).on === null) return "EINVAL";
  if (!isReachable(k, old, next)) return "EINVAL";
  if (!isReachable(k, next, root)) return "EINVAL";
  exchangeRoots(k, { top: root.mount, next: next.mount, on: old });
  const now: Place = { mount: next.mount, inode: next.inode };
  for (const each of [...k.threads.tasks.values()])
    for (const place of [each.root, each.directory]) if (samePlace(place, root)) moveTask(k, place, now);
  return null;
}
