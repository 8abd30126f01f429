/**
 * Making, moving and taking away names: mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2), rename(2).
 *
 * Each checks everything in Linux's order and then changes, so an error leaves nothing behind.
 */

import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { InodeNumber } from "../lib/ids.ts";
import { Cap } from "../thread/capabilities.ts";
import type { Place, Task } from "../thread/state.ts";
import { idFromUser, noId, sees, userSpaceOf } from "../thread/users.ts";
import { realtimeNs } from "../time/clock.ts";
import {
  attributesOf,
  type ChangeOps,
  type Changes,
  FileType,
  filesystemOf,
  isBelow,
  isDirectory,
  opsOfFilesystem,
} from "./filesystem.ts";
import { hasRoomForInodes } from "./filesystems.ts";
import { Notify, nextCookie, notifyInode, notifyName } from "./inotify.ts";
import type { FileKernel } from "./kernel.ts";
import { isReadOnly } from "./mount-flags.ts";
import { uncover } from "./mounts.ts";
import { Access, isCapable, isInGroup, isOwner, mayTakeAway, permits, Special, subjectOf } from "./permissions.ts";
import { forbidsMode } from "./seals.ts";
import type { Filesystem, InodeData } from "./state.ts";
import { isMountPoint } from "./usage.ts";
import { findPlace, type Walked, walkPath } from "./walk.ts";

/** A path and the directory that it begins at. */
export interface PathFrom {
  start: Place;
  path: string;
  /** What a walk of it must not do. */
  resolve?: number;
}

/** A file system that can be changed; EROFS where nothing can. */
export function changeable(k: FileKernel, { mount }: Place): { fs: Filesystem; change: ChangeOps } | Errno {
  const fs = filesystemOf(k, mount);
  const { change } = opsOfFilesystem(k, fs);
  return change === null || isReadOnly(k, mount) ? "EROFS" : { fs, change };
}

/** Whether an inode's owner, permissions and times can be changed: EROFS where nothing can. */
export function settable(k: FileKernel, { mount }: Place): Errno | null {
  const { change, set } = opsOfFilesystem(k, filesystemOf(k, mount));
  return (change === null && set === undefined) || isReadOnly(k, mount) ? "EROFS" : null;
}

/** Changes an inode that was found settable. */
export function setInode(k: FileKernel, { mount, inode }: Place, changes: Changes): Errno | null {
  const fs = filesystemOf(k, mount);
  const ops = opsOfFilesystem(k, fs);
  if (ops.change === null) return ops.set?.(k, fs, inode, changes, realtimeNs(k)) ?? null;
  ops.change.set(k, fs, inode, changes);
  return null;
}

export const samePlace = (a: Place, b: Place): boolean => a.mount === b.mount && a.inode === b.inode;

/** Whether names in the directory are the task's to change. */
const mayChange = (k: FileKernel, task: Task, directory: Place): boolean =>
  permits(subjectOf(k, task), attributesOf(k, directory), Access.write | Access.execute);

/** Where a new name may be made, or why not. */
function newName(k: FileKernel, task: Task, { start, path }: PathFrom, isTree: boolean): Walked | Errno {
  const walked = walkPath(k, task, start, path, "name");
  if ("errno" in walked) return walked.errno;
  if (walked.place !== null) return "EEXIST";
  if (walked.slash && !isTree) return "ENOENT";
  return walked;
}

/** Whether the file system has numbers for whom the task makes files for: in a user name space's own not all have one. */
export const hasNumbersFor = (k: FileKernel, { credentials }: Task, { userSpace }: Filesystem): boolean =>
  userSpace === 0 || sees(userSpaceOf(k, userSpace), { uid: credentials.fsuid, gid: credentials.fsgid });

/** Whose a new file in the directory is: its maker's; in a directory with the bit, the directory's group's. */
export function ownerIn(k: FileKernel, task: Task, directory: Place): { uid: number; gid: number; groupBit: boolean } {
  const { uid, gid } = subjectOf(k, task);
  const parent = attributesOf(k, directory);
  const groupBit = (parent.mode & Special.setGroup) !== 0;
  return { uid, gid: groupBit ? parent.gid : gid, groupBit };
}

/** What a new file's mode may be: it acts for the group that it has from its directory only if its maker could say so. */
export function modeIn(
  k: FileKernel,
  task: Task,
  { gid, groupBit }: { gid: number; groupBit: boolean },
  mode: number,
): number {
  const subject = subjectOf(k, task);
  const acts = groupBit && !isDirectory({ mode }) && (mode & 0o2010) === 0o2010;
  const isOthers = !isInGroup(subject, gid) && !isCapable(subject, Cap.FSETID, { uid: subject.uid, gid });
  return acts && isOthers ? mode & ~Special.setGroup : mode;
}

/** What of a file's mode makes its program act for somebody; for the group only where that may execute it. */
const lendingBits = (mode: number): number => (mode & 0o10 ? Special.setUser | Special.setGroup : Special.setUser);

/** The content of a regular file is another one: who wrote it does not act for its owner by that. */
export function dropLending(k: FileKernel, task: Task, place: Place): void {
  const attributes = attributesOf(k, place);
  const { mode } = attributes;
  const lending = mode & lendingBits(mode);
  if (lending === 0 || (mode & FileType.mask) !== FileType.regular) return;
  if (!isCapable(subjectOf(k, task), Cap.FSETID, attributes)) setInode(k, place, { mode: mode & ~lending });
}

/** Makes a file of any type; `mode` with the type's bits. */
export function makeFile(
  k: FileKernel,
  task: Task,
  where: PathFrom,
  mode: number,
  data: InodeData | null,
): InodeNumber | Errno {
  const isTree = isDirectory({ mode });
  const walked = newName(k, task, where, isTree);
  if (typeof walked === "string") return walked;
  return createIn(k, task, walked, mode, data);
}

/** Makes the file that a walk found missing, in a directory that the task may change. */
export function createIn(
  k: FileKernel,
  task: Task,
  { directory, name }: Walked,
  mode: number,
  data: InodeData | null,
): InodeNumber | Errno {
  const there = changeable(k, directory);
  if (typeof there === "string") return there;
  if (attributesOf(k, directory).links === 0) return "ENOENT";
  if (!hasNumbersFor(k, task, there.fs)) return "EOVERFLOW";
  if (!mayChange(k, task, directory)) return "EACCES";
  const owner = ownerIn(k, task, directory);
  const { uid, gid, groupBit } = owner;
  const allowed = modeIn(k, task, owner, mode);
  const masked = data?.kind === "symlink" ? mode : allowed & ~task.fileModeMask;
  const inherited = isDirectory({ mode }) && groupBit ? Special.setGroup : 0;
  const file = { mode: masked | inherited, uid, gid, data };
  const made = there.change.create(k, there.fs, { directory: directory.inode, name }, file);
  if (typeof made === "number") notifyName(k, directory, Notify.create, { name, isTree: isDirectory({ mode }) });
  return made;
}

export function makeLink(k: FileKernel, task: Task, target: Place, where: PathFrom): Errno | null {
  const walked = newName(k, task, where, false);
  if (typeof walked === "string") return walked;
  if (walked.directory.mount !== target.mount) return "EXDEV";
  const there = changeable(k, target);
  if (typeof there === "string") return there;
  const { fs, change } = there;
  if (attributesOf(k, walked.directory).links === 0) return "ENOENT";
  if (!hasNumbersFor(k, task, fs)) return "EOVERFLOW";
  if (!mayChange(k, task, walked.directory)) return "EACCES";
  if (isDirectory(attributesOf(k, target))) return "EPERM";
  const errno = change.link(k, fs, walked.directory.inode, walked.name, target.inode);
  if (errno !== null) return errno;
  notifyInode(k, target, Notify.attributes);
  notifyName(k, walked.directory, Notify.create, { name: walked.name, isTree: false });
  return null;
}

/** A name that is there and may be taken away from its directory, or why not. */
function takeable(k: FileKernel, task: Task, walked: Walked & { place: Place }): Errno | null {
  const there = changeable(k, walked.directory);
  if (typeof there === "string") return there;
  if (!mayChange(k, task, walked.directory)) return "EACCES";
  const [directory, file] = [attributesOf(k, walked.directory), attributesOf(k, walked.place)];
  return mayTakeAway(subjectOf(k, task), directory, file) ? null : "EPERM";
}

const lastName = (path: string): string => path.replace(/\/+$/, "").split("/").at(-1) ?? "";

export function removeDirectory(k: FileKernel, task: Task, { start, path }: PathFrom): Errno | null {
  const found = findPlace(k, task, start, path, "name");
  if ("errno" in found) return found.errno;
  if (found.name === "") return lastName(path) === "." ? "EINVAL" : lastName(path) === ".." ? "ENOTEMPTY" : "EBUSY";
  const problem = takeable(k, task, found);
  if (problem !== null) return problem;
  if (!isDirectory(attributesOf(k, found.place))) return "ENOTDIR";
  if (isMountPoint(k, task, found.place)) return "EBUSY";
  const fs = filesystemOf(k, found.place.mount);
  const ops = opsOfFilesystem(k, fs);
  if (!ops.isEmpty(k, fs, found.place.inode)) return "ENOTEMPTY";
  if (isRoot(k, found.place)) return "EBUSY";
  uncover(k, found.place);
  ops.change!.unlink(k, fs, found.directory.inode, found.name);
  notifyName(k, found.directory, Notify.delete, { name: found.name, isTree: true });
  return null;
}

const isRoot = (k: FileKernel, place: Place): boolean =>
  [...k.threads.tasks.values()].some(({ root }) => samePlace(root, place));

export function removeFile(k: FileKernel, task: Task, { start, path }: PathFrom): Errno | null {
  const found = findPlace(k, task, start, path, "name");
  if ("errno" in found) return found.errno;
  if (found.name === "") return "EISDIR";
  const problem = takeable(k, task, found);
  if (problem !== null) return problem;
  if (isDirectory(attributesOf(k, found.place))) return "EISDIR";
  if (found.slash) return "ENOTDIR";
  if (isMountPoint(k, task, found.place)) return "EBUSY";
  const { fs, change } = changeable(k, found.directory) as { fs: Filesystem; change: ChangeOps };
  notifyInode(k, found.place, Notify.attributes);
  uncover(k, found.place);
  change.unlink(k, fs, found.directory.inode, found.name);
  notifyName(k, found.directory, Notify.delete, { name: found.name, isTree: false });
  return null;
}

export const Rename = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

/** Whether a directory is, or lies in, another one of the same file system. */
const isWithin = (k: FileKernel, { mount, inode }: Place, tree: Place): boolean =>
  isBelow(k, filesystemOf(k, mount), inode, tree.inode);

type FoundName = Walked & { place: Place };

/** What keeps one file from taking another's name. */
function replaceProblem(k: FileKernel, task: Task, from: FoundName, to: FoundName): Errno | null {
  const problem = takeable(k, task, to);
  if (problem !== null) return problem;
  const [old, target] = [isDirectory(attributesOf(k, from.place)), isDirectory(attributesOf(k, to.place))];
  if (old && !target) return "ENOTDIR";
  if (!old && target) return "EISDIR";
  if (isMountPoint(k, task, to.place)) return "EBUSY";
  const fs = filesystemOf(k, to.place.mount);
  return target && !opsOfFilesystem(k, fs).isEmpty(k, fs, to.place.inode) ? "ENOTEMPTY" : null;
}

function renameProblem(k: FileKernel, task: Task, from: FoundName, to: Walked, how: number): Errno | null {
  if (from.directory.mount !== to.directory.mount) return "EXDEV";
  if (from.name === "" || to.name === "") return "EBUSY";
  if (to.place !== null && samePlace(from.place, to.place) && !(how & Rename.noReplace)) return null;
  if (to.place !== null && how & Rename.noReplace) return "EEXIST";
  if (to.place === null && how & Rename.exchange) return "ENOENT";
  const isTree = isDirectory(attributesOf(k, from.place));
  if (!isTree && (from.slash || to.slash) && !(how & Rename.exchange)) return "ENOTDIR";
  if (isTree && isWithin(k, to.directory, from.place)) return "EINVAL";
  if (to.place !== null && isDirectory(attributesOf(k, to.place)) && isWithin(k, from.directory, to.place))
    return how & Rename.exchange ? "EINVAL" : "ENOTEMPTY";
  const problem = takeable(k, task, from);
  if (problem !== null) return problem;
  if (attributesOf(k, to.directory).links === 0) return "ENOENT";
  if (to.place === null && !hasNumbersFor(k, task, filesystemOf(k, to.directory.mount))) return "EOVERFLOW";
  if (!mayChange(k, task, to.directory)) return "EACCES";
  if (isMountPoint(k, task, from.place)) return "EBUSY";
  if (to.place === null) return null;
  if (how & Rename.exchange)
    return takeable(k, task, { ...to, place: to.place }) ?? (isMountPoint(k, task, to.place) ? "EBUSY" : null);
  return replaceProblem(k, task, from, { ...to, place: to.place });
}

/** Tells of a move that can no longer fail: before it is made, because with it a file whose name was taken may go. */
function notifyMove(k: FileKernel, from: FoundName, to: Walked, replaced: Place | null): void {
  const of = { isTree: isDirectory(attributesOf(k, from.place)), cookie: nextCookie(k) };
  notifyName(k, from.directory, Notify.movedFrom, { name: from.name, ...of });
  notifyName(k, to.directory, Notify.movedTo, { name: to.name, ...of });
  if (replaced !== null) notifyInode(k, replaced, Notify.attributes);
  notifyInode(k, from.place, Notify.moveSelf);
}

/** Open files, and mounts on files, go by the new name of what they are. */
function renameOpened(k: FileKernel, from: FoundName, to: Walked): void {
  const { open, mounts } = k.files;
  const { id } = filesystemOf(k, from.place.mount);
  spend(k.effort, open.size + mounts.size, "items");
  const names = [...open.values()].map(({ opened }) => opened);
  for (const opened of [...names, ...[...mounts.values()].map(({ on }) => on)]) {
    if (opened?.inode !== from.place.inode || filesystemOf(k, opened.mount).id !== id) continue;
    if (opened.directory !== from.directory.inode || opened.name !== from.name) continue;
    opened.directory = to.directory.inode;
    opened.name = to.name;
  }
}

/** A device that is none, in the place of a file that was moved: what overlays take for a name that is not there. */
function leaveWhiteout(k: FileKernel, task: Task, { directory, name }: FoundName): void {
  const { fs, change } = changeable(k, directory) as { fs: Filesystem; change: ChangeOps };
  const { uid, gid } = ownerIn(k, task, directory);
  const file = { mode: FileType.character, uid, gid, data: { kind: "device", major: 0, minor: 0 } } as const;
  change.create(k, fs, { directory: directory.inode, name }, file);
}

export function renameFile(k: FileKernel, task: Task, old: PathFrom, target: PathFrom, how: number): Errno | null {
  const from = findPlace(k, task, old.start, old.path, "name");
  if ("errno" in from) return from.errno;
  const to = walkPath(k, task, target.start, target.path, "name");
  if ("errno" in to) return to.errno;
  const there = changeable(k, from.directory);
  if (typeof there === "string") return there;
  const problem = renameProblem(k, task, from, to, how);
  if (problem !== null) return problem;
  if (to.place !== null && samePlace(from.place, to.place)) return null;
  if (how & Rename.whiteout && !hasRoomForInodes(k, there.fs, 1)) return "ENOSPC";
  const names = [
    { directory: from.directory.inode, name: from.name },
    { directory: to.directory.inode, name: to.name },
  ] as const;
  const { fs, change } = there;
  const exchanged = how & Rename.exchange && to.place !== null ? { ...to, place: to.place } : null;
  notifyMove(k, from, to, exchanged === null ? to.place : null);
  if (exchanged !== null) notifyMove(k, exchanged, from, null);
  if (exchanged === null && to.place !== null) uncover(k, to.place);
  if (exchanged === null) change.rename(k, fs, ...names);
  else change.exchange(k, fs, ...names);
  if (how & Rename.whiteout) leaveWhiteout(k, task, from);
  renameOpened(k, from, to);
  if (exchanged !== null) renameOpened(k, exchanged, from);
  return null;
}

/** chmod(2): the owner's; a group that the task is not in loses the bit that would lend it. */
export function setMode(k: FileKernel, task: Task, place: Place, mode: number): Errno | null {
  const problem = settable(k, place);
  if (problem !== null) return problem;
  const attributes = attributesOf(k, place);
  const subject = subjectOf(k, task);
  if (!isOwner(subject, attributes)) return "EPERM";
  if (forbidsMode(k, place, mode)) return "EPERM";
  const lends = isInGroup(subject, attributes.gid) || isCapable(subject, Cap.FSETID, attributes);
  const kept = mode & 0o7777 & (lends ? 0o7777 : ~Special.setGroup);
  return setInode(k, place, { mode: (attributes.mode & FileType.mask) | kept });
}

/** chown(2): -1 leaves an id as it is. */
export function setOwner(k: FileKernel, task: Task, place: Place, uid: number, gid: number): Errno | null {
  const problem = settable(k, place);
  if (problem !== null) return problem;
  const attributes = attributesOf(k, place);
  const subject = subjectOf(k, task);
  const { userSpace } = task.credentials;
  const owner = uid === noId ? attributes.uid : idFromUser(k, userSpace, "uid", uid);
  const group = gid === noId ? attributes.gid : idFromUser(k, userSpace, "gid", gid);
  if (owner === null || group === null) return "EINVAL";
  const own = subject.uid === attributes.uid;
  const joins = isInGroup(subject, group) || group === attributes.gid;
  if (!isCapable(subject, Cap.CHOWN, attributes) && !(own && owner === attributes.uid && joins)) return "EPERM";
  const isTree = isDirectory(attributes);
  const mode = isTree ? attributes.mode : attributes.mode & ~lendingBits(attributes.mode);
  return setInode(k, place, { uid: owner, gid: group, mode });
}
