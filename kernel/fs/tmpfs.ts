/**
 * Files in memory, over an archive if the file system began as one.
 *
 * An inode that nobody changed or opened is the archive's and costs the machine nothing; what is to change is first
 * taken into the table (`own`), under the same number. So a root file system of many thousand files is a hash in the
 * state, and a writable layer of what was touched. Numbers of the archive's inodes begin at 1, new ones lie behind.
 */
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { InodeNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { encodeName } from "../lib/text.ts";
import { addImage } from "../mm/images.ts";
import { contentOfStored, createStored, getStored, releaseStored, storedBytes } from "../mm/stored.ts";
import { realtimeNs } from "../time/clock.ts";
import { forgetExtended } from "../vfs/extended.ts";
import {
  type Attributes,
  type ChangeOps,
  type Changes,
  type FilesystemOps,
  isDirectory,
  type Listed,
  type Named,
  type NewFile,
} from "../vfs/filesystem.ts";
import { hasRoomForInodes, hasRoomForLink, hasRoomForText } from "../vfs/filesystems.ts";
import { notifyGone } from "../vfs/inotify.ts";
import type { FileKernel } from "../vfs/kernel.ts";
import type { Filesystem, Inode, InodeData, OpenTarget } from "../vfs/state.ts";
import { isUsed } from "../vfs/usage.ts";

type Directory = InodeData & { kind: "directory" };

/** What a directory entry takes of a directory's size, as Linux's tmpfs counts. */
const entryBytes = 20;
const firstCookie = 3;

/** The inode as it is, not to be changed. */
export function inodeOf(k: FileKernel, fs: Filesystem, number: InodeNumber): Readonly<Inode> {
  const own = fs.inodes.get(number);
  if (own !== undefined) return own;
  return must(k.archives(must(fs.base, "an inode is in the table or in an archive")).inodes[number - 1], "it is there");
}

function copyData(k: FileKernel, fs: Filesystem, data: InodeData): InodeData {
  if (data.kind === "archived") {
    const base = must(fs.base, "an archive's file is in a file system over one");
    const file = createStored(k, data.size === 0 ? null : addImage(k, base, data.size, data.offset));
    return { kind: "regular", file: file.id };
  }
  if (data.kind !== "directory") return { ...data };
  spend(k.effort, 8 * data.entries.size, "items");
  return { ...data, entries: new Map([...data.entries].map(([name, entry]) => [name, { ...entry }])) };
}

/** The inode in the table, to be changed. */
function own(k: FileKernel, fs: Filesystem, number: InodeNumber): Inode {
  const inode = inodeOf(k, fs, number);
  if (fs.inodes.has(number)) return inode;
  const copy = { ...inode, data: copyData(k, fs, inode.data) };
  fs.inodes.set(number, copy);
  return copy;
}

function directoryOf(k: FileKernel, fs: Filesystem, number: InodeNumber): Readonly<Directory> {
  const { data } = inodeOf(k, fs, number);
  assert(data.kind === "directory", "a directory");
  return data;
}

function ownDirectory(k: FileKernel, fs: Filesystem, number: InodeNumber): { inode: Inode; data: Directory } {
  const inode = own(k, fs, number);
  assert(inode.data.kind === "directory", "a directory");
  return { inode, data: inode.data };
}

function sizeOf(k: FileKernel, data: Readonly<InodeData>): { size: number; allocated: number } {
  switch (data.kind) {
    case "regular": {
      const file = getStored(k, data.file);
      return { size: file.size, allocated: storedBytes(k, file) };
    }
    case "archived":
      return { size: data.size, allocated: Math.ceil(data.size / 4096) * 4096 };
    case "directory":
      return { size: (data.entries.size + 2) * entryBytes, allocated: 0 };
    case "symlink":
      return { size: encodeName(data.target).length, allocated: 0 };
    default:
      return { size: 0, allocated: 0 };
  }
}

function attributes(k: FileKernel, fs: Filesystem, number: InodeNumber): Attributes {
  const inode = inodeOf(k, fs, number);
  const { mode, uid, gid, links, atimeNs, mtimeNs, ctimeNs, data } = inode;
  const device = data.kind === "device" ? { major: data.major, minor: data.minor } : null;
  const birthNs = inode.birthNs ?? k.config.realtimeEpochNs;
  return { mode, uid, gid, links, atimeNs, mtimeNs, ctimeNs, birthNs, device, ...sizeOf(k, data) };
}

function list(k: FileKernel, fs: Filesystem, directory: InodeNumber, behind: number, most: number): Listed[] {
  const { entries } = directoryOf(k, fs, directory);
  const listed: Listed[] = [];
  spend(k.effort, entries.size, "items");
  for (const [name, { inode, cookie }] of entries) {
    if (cookie <= behind) continue;
    if (listed.length >= most) break;
    listed.push({ name, inode, cookie, mode: inodeOf(k, fs, inode).mode });
  }
  return listed;
}

const isThere = (k: FileKernel, fs: Filesystem, number: InodeNumber): boolean =>
  fs.inodes.has(number) || (fs.base !== null && number <= k.archives(fs.base).inodes.length);

/** The directory itself if what listed it is gone: it is kept now, but was not always, and so may lack in a state. */
function parentIn(k: FileKernel, fs: Filesystem, directory: InodeNumber): InodeNumber {
  const { parent } = directoryOf(k, fs, directory);
  return isThere(k, fs, parent) ? parent : directory;
}

function nameOf(k: FileKernel, fs: Filesystem, directory: InodeNumber): string | null {
  // Who waits to open a FIFO has no claim to the directory that it had its name in.
  if (!isThere(k, fs, directory)) return null;
  const parent = parentIn(k, fs, directory);
  const { entries } = directoryOf(k, fs, parent);
  spend(k.effort, entries.size, "items");
  for (const [name, { inode }] of entries) if (inode === directory) return name;
  return null;
}

function open(k: FileKernel, fs: Filesystem, number: InodeNumber): OpenTarget | Errno {
  const { data } = inodeOf(k, fs, number);
  switch (data.kind) {
    case "directory":
      return { kind: "directory" };
    case "device":
      return { kind: "device", major: data.major, minor: data.minor };
    case "regular":
    case "archived": {
      const owned = own(k, fs, number).data;
      assert(owned.kind === "regular", "an archive's file becomes one of the table's");
      return { kind: "regular", file: owned.file };
    }
    case "fifo":
      return "ENXIO"; // vfs/open.ts opens both ends
    case "symlink":
      return "ELOOP";
    case "socket":
      return "ENXIO";
  }
}

function enter(k: FileKernel, fs: Filesystem, directory: InodeNumber, name: string, number: InodeNumber): void {
  const { inode, data } = ownDirectory(k, fs, directory);
  data.entries.set(name, { inode: number, cookie: data.nextCookie++ });
  written(k, inode);
}

function written(k: FileKernel, inode: Inode): void {
  inode.mtimeNs = realtimeNs(k);
  inode.ctimeNs = inode.mtimeNs;
}

const emptyData = (k: FileKernel, fs: Filesystem, mode: number, parent: InodeNumber): InodeData =>
  isDirectory({ mode })
    ? { kind: "directory", parent, entries: new Map(), nextCookie: firstCookie }
    : { kind: "regular", file: createStored(k, null, fs.options === null ? null : fs.id).id };

function create(
  k: FileKernel,
  fs: Filesystem,
  at: Named | null,
  { mode, uid, gid, data }: NewFile,
): InodeNumber | Errno {
  if (!hasRoomForInodes(k, fs, 1)) return "ENOSPC";
  if (data?.kind === "symlink" && !hasRoomForText(k, data.target)) return "ENOSPC";
  const number = fs.nextInode++ as InodeNumber;
  const now = realtimeNs(k);
  const times = { atimeNs: now, mtimeNs: now, ctimeNs: now, birthNs: now };
  const links = at === null ? 0 : isDirectory({ mode }) ? 2 : 1;
  const filled = data ?? emptyData(k, fs, mode, at?.directory ?? number);
  fs.inodes.set(number, { mode, uid, gid, links, ...times, temporary: at === null, data: filled });
  if (at === null) return number;
  enter(k, fs, at.directory, at.name, number);
  if (isDirectory({ mode })) own(k, fs, at.directory).links += 1;
  return number;
}

function link(k: FileKernel, fs: Filesystem, directory: InodeNumber, name: string, number: InodeNumber): Errno | null {
  const inode = own(k, fs, number);
  if (inode.links === 0 && !inode.temporary) return "ENOENT";
  if (inode.links >= limits.links) return "EMLINK";
  if (inode.links > 1 && !hasRoomForLink(k)) return "ENOSPC";
  inode.links += 1;
  inode.ctimeNs = realtimeNs(k);
  enter(k, fs, directory, name, number);
  return null;
}

/** Takes the entry out of the directory, and tells what it named. */
function leave(k: FileKernel, fs: Filesystem, { directory, name }: Named): InodeNumber {
  const { inode, data } = ownDirectory(k, fs, directory);
  const { inode: number } = must(data.entries.get(name), "the name is there");
  data.entries.delete(name);
  written(k, inode);
  return number;
}

function unlink(k: FileKernel, fs: Filesystem, directory: InodeNumber, name: string): void {
  const number = leave(k, fs, { directory, name });
  const inode = own(k, fs, number);
  const isTree = isDirectory(inode);
  if (isTree) own(k, fs, directory).links -= 1;
  inode.links -= isTree ? 2 : 1;
  inode.ctimeNs = realtimeNs(k);
  release(k, fs, number);
}

/** A directory that moves to another one is listed by that. */
function adopt(k: FileKernel, fs: Filesystem, from: InodeNumber, to: InodeNumber, number: InodeNumber): void {
  const inode = own(k, fs, number);
  inode.ctimeNs = realtimeNs(k);
  if (from === to || inode.data.kind !== "directory") return;
  inode.data.parent = to;
  own(k, fs, from).links -= 1;
  own(k, fs, to).links += 1;
}

function rename(k: FileKernel, fs: Filesystem, from: Named, to: Named): void {
  if (directoryOf(k, fs, to.directory).entries.has(to.name)) unlink(k, fs, to.directory, to.name);
  const number = leave(k, fs, from);
  enter(k, fs, to.directory, to.name, number);
  adopt(k, fs, from.directory, to.directory, number);
}

function exchange(k: FileKernel, fs: Filesystem, one: Named, other: Named): void {
  const [first, second] = [ownDirectory(k, fs, one.directory), ownDirectory(k, fs, other.directory)];
  const [a, b] = [first.data.entries.get(one.name), second.data.entries.get(other.name)];
  assert(a !== undefined && b !== undefined, "both names are there");
  [a.inode, b.inode] = [b.inode, a.inode];
  adopt(k, fs, one.directory, other.directory, b.inode);
  adopt(k, fs, other.directory, one.directory, a.inode);
  written(k, first.inode);
  written(k, second.inode);
}

function set(k: FileKernel, fs: Filesystem, number: InodeNumber, changes: Changes): void {
  Object.assign(own(k, fs, number), changes, { ctimeNs: realtimeNs(k) });
}

/** As relatime has it: a read is noted when none was since the last change, or for a day. */
const dayNs = 86_400_000_000_000n;

function touch(k: FileKernel, fs: Filesystem, number: InodeNumber, what: "read" | "written", each = false): void {
  const now = realtimeNs(k);
  if (what === "written") {
    written(k, own(k, fs, number));
    return;
  }
  const { atimeNs, mtimeNs, ctimeNs } = inodeOf(k, fs, number);
  const isNews = each || atimeNs <= mtimeNs || atimeNs <= ctimeNs || now - atimeNs >= dayNs;
  if (isNews) own(k, fs, number).atimeNs = now;
}

/** Whether an inode is the one, or a directory from which ".." leads to it through such as have no name any more. */
function leadsTo(k: FileKernel, fs: Filesystem, from: InodeNumber, number: InodeNumber): boolean {
  for (let at = from; ; ) {
    if (at === number) return true;
    const inode = fs.inodes.get(at);
    if (inode === undefined || inode.links > 0 || inode.data.kind !== "directory") return false;
    spend(k.effort, 1, "items");
    at = inode.data.parent;
  }
}

/** An inode that has no name and is not used goes; with a directory those that it alone led to. */
function release(k: FileKernel, fs: Filesystem, number: InodeNumber): void {
  for (let at = number; ; ) {
    const inode = fs.inodes.get(at);
    if (inode === undefined || inode.links > 0 || isUsed(k, fs, (used) => leadsTo(k, fs, used, at))) return;
    notifyGone(k, fs, at);
    forgetExtended(k, fs, at);
    if (inode.data.kind === "regular") releaseStored(k, inode.data.file);
    fs.inodes.delete(at);
    if (inode.data.kind !== "directory") return;
    at = inode.data.parent;
  }
}

const change: ChangeOps = { create, link, unlink, rename, exchange, set, touch, release };

export const tmpfs: FilesystemOps = {
  magic: 0x01021994,
  attributes,
  lookup(k, fs, directory, name) {
    return directoryOf(k, fs, directory).entries.get(name)?.inode ?? null;
  },
  parent: parentIn,
  nameOf,
  isEmpty: (k, fs, directory) => directoryOf(k, fs, directory).entries.size === 0,
  list,
  readLink(k, fs, number) {
    const { data } = inodeOf(k, fs, number);
    return data.kind === "symlink" ? { text: data.target, place: null } : "EINVAL";
  },
  open,
  content(k, fs, number) {
    const { data } = inodeOf(k, fs, number);
    if (data.kind === "archived") return k.content(fs.base!, data.offset, data.size);
    return data.kind === "regular" ? contentOfStored(k, getStored(k, data.file)) : null;
  },
  change,
};
