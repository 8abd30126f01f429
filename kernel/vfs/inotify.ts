/**
 * inotify(7): what happens to files, told to who watches them.
 *
 * An instance is an open file: its watches, by number, and the events that it has not told yet. A watch is of an inode,
 * by whatever name; of a directory it also tells what happens to the files in it, by the name that was used. Beside the
 * instances there is one table of the inodes that are watched (`notify.watched`): where that is empty, nothing that
 * happens costs more than a look at its size. What must hold: each entry of the table is a watch of an open instance
 * and the other way round, and `queued` is the number of events of all instances.
 */
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { InodeNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { encodeName } from "../lib/text.ts";
import { wakeQueue } from "../thread/blocking.ts";
import type { Place } from "../thread/state.ts";
import { type FileOps, readable } from "./file-ops.ts";
import { attributesOf, filesystemOf, isDirectory, opsOfFilesystem } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import type { Filesystem, InotifyEvent, Opened, OpenFile, OpenTarget } from "./state.ts";

export const Notify = {
  access: 1,
  modify: 2,
  attributes: 4,
  closeWrite: 8,
  closeNoWrite: 0x10,
  open: 0x20,
  movedFrom: 0x40,
  movedTo: 0x80,
  create: 0x100,
  delete: 0x200,
  deleteSelf: 0x400,
  moveSelf: 0x800,
  unmount: 0x2000,
  overflow: 0x4000,
  ignored: 0x8000,
  onlyDirectory: 0x0100_0000,
  dontFollow: 0x0200_0000,
  excludeUnlinked: 0x0400_0000,
  maskCreate: 0x1000_0000,
  maskAdd: 0x2000_0000,
  isDirectory: 0x4000_0000,
  oneShot: 0x8000_0000,
} as const;

/** What can be asked for, and what of a mask is kept. */
const allEvents = 0xfff;
const keptMask = allEvents | Notify.excludeUnlinked | Notify.oneShot;

type Inotify = OpenTarget & { kind: "inotify" };
const inotifyOf = (file: OpenFile): Inotify => file.target as Inotify;
const keyOf = ({ id }: Pick<Filesystem, "id">, inode: number): string => `${id}:${inode}`;
const inotifyQueue = ({ id }: Pick<OpenFile, "id">): string => `inotify ${id}`;

/** struct inotify_event: its name ends in a zero, and is filled up to a multiple of the structure. */
const headerBytes = 16;
const nameBytes = (name: string): number =>
  name === "" ? 0 : Math.ceil((encodeName(name).length + 1) / headerBytes) * headerBytes;
/** What it takes to go through an event: its name is encoded for its length. */
const eventEffort = 32;
const eventBytes = ({ name }: InotifyEvent): number => headerBytes + nameBytes(name);

function encodeEvents(events: readonly InotifyEvent[]): Uint8Array {
  const bytes = new Uint8Array(events.reduce((sum, event) => sum + eventBytes(event), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const event of events) {
    view.setInt32(at, event.watch, true);
    view.setUint32(at + 4, event.mask, true);
    view.setUint32(at + 8, event.cookie, true);
    view.setUint32(at + 12, nameBytes(event.name), true);
    bytes.set(encodeName(event.name), at + headerBytes);
    at += eventBytes(event);
  }
  return bytes;
}

/** One that is like the last one says nothing new, but that a watch ended is always said. */
const isRepeated = (last: InotifyEvent | undefined, event: InotifyEvent): boolean =>
  last !== undefined &&
  (last.mask & Notify.ignored) === 0 &&
  last.watch === event.watch &&
  last.mask === event.mask &&
  last.name === event.name;

const overflow: InotifyEvent = { watch: -1, mask: Notify.overflow, cookie: 0, name: "" };

function queue(k: FileKernel, file: OpenFile, event: InotifyEvent): void {
  const instance = inotifyOf(file);
  const { events } = instance;
  const isFull = events.length >= limits.queuedEvents || k.files.notify.queued >= limits.allQueuedEvents;
  if (isFull ? instance.overflown : isRepeated(events.at(-1), event)) return;
  if (isFull) instance.overflown = true;
  events.push(isFull ? { ...overflow } : event);
  instance.arrivals += 1;
  k.files.notify.queued += 1;
  wakeQueue(k, inotifyQueue(file), Number.POSITIVE_INFINITY);
}

/** Takes a watch out of the table of inodes. */
function forget(k: FileKernel, file: OpenFile, watch: number): void {
  const { watched } = k.files.notify;
  const { filesystem, inode } = must(inotifyOf(file).watches.get(watch), "the watch is there");
  const key = keyOf({ id: filesystem }, inode);
  const all = must(watched.get(key), "it is in the table");
  spend(k.effort, 16 + all.length, "items");
  const others = all.filter((each) => each.file !== file.id);
  if (others.length === 0) watched.delete(key);
  else watched.set(key, others);
  inotifyOf(file).watches.delete(watch);
}

/** A watch ends, and its instance says so. */
function endWatch(k: FileKernel, file: OpenFile, watch: number): void {
  forget(k, file, watch);
  queue(k, file, { watch, mask: Notify.ignored, cookie: 0, name: "" });
}

interface Happened {
  mask: number;
  /** "": to the inode itself. */
  name: string;
  cookie?: number;
  /** It has no such name any more. */
  unlinked?: boolean;
}

/** Tells who watches the inode. */
function tell(k: FileKernel, fs: Filesystem, inode: InodeNumber, happened: Happened): void {
  const { mask, name, cookie = 0, unlinked = false } = happened;
  const watchers = k.files.notify.watched.get(keyOf(fs, inode)) ?? [];
  spend(k.effort, 16 * watchers.length, "items");
  for (const { file: id, watch } of watchers) {
    const file = must(k.files.open.get(id), "a watch goes with its instance");
    const wanted = must(inotifyOf(file).watches.get(watch), "the table has watches that are there").mask;
    if ((wanted & mask & allEvents) === 0) continue;
    if (unlinked && (wanted & Notify.excludeUnlinked) !== 0) continue;
    const ofSelf = (mask & (Notify.moveSelf | Notify.deleteSelf)) !== 0;
    queue(k, file, { watch, mask: ofSelf ? mask & ~Notify.isDirectory : mask, cookie, name });
    if ((wanted & Notify.oneShot) !== 0) endWatch(k, file, watch);
  }
}

const isWatched = (k: FileKernel): boolean => k.files.notify.watched.size > 0;

/** Which directory lists a file, and as what: a directory knows it, another file was found there. */
function listedAt(k: FileKernel, fs: Filesystem, opened: Opened, isTree: boolean) {
  if (opened.inode === fs.root) return null;
  const ops = opsOfFilesystem(k, fs);
  const directory = isTree ? ops.parent(k, fs, opened.inode) : opened.directory;
  if (directory === opened.inode || !k.files.notify.watched.has(keyOf(fs, directory))) return null;
  const name = isTree ? ops.nameOf(k, fs, opened.inode) : opened.name;
  return name === null || name === "" ? null : { directory, name };
}

/** Whether a file has lost the name that it was found by. */
function isUnlinked(fs: Filesystem, { inode, directory, name }: Opened, links: number): boolean {
  if (links === 0) return true;
  // Where a directory is gone, so are its names; of an archive's it is not asked.
  if ((fs.kind !== "tmpfs" && fs.kind !== "devtmpfs") || name === "" || fs.base !== null) return false;
  const data = fs.inodes.get(directory)?.data;
  return data?.kind !== "directory" || data.entries.get(name)?.inode !== inode;
}

/** Something was done with a file, by a name: the directory that has the name is told, too, and first. */
export function notifyFile(k: FileKernel, opened: Opened | null, event: number): void {
  if (opened === null || !isWatched(k)) return;
  const fs = filesystemOf(k, opened.mount);
  const attributes = attributesOf(k, opened);
  const isTree = isDirectory(attributes);
  const mask = isTree ? event | Notify.isDirectory : event;
  const unlinked = isUnlinked(fs, opened, attributes.links);
  const listed = listedAt(k, fs, opened, isTree);
  if (listed !== null) tell(k, fs, listed.directory, { mask, name: listed.name, unlinked });
  tell(k, fs, opened.inode, { mask, name: "", unlinked });
}

/** Something became of an inode, whatever it is called. */
export function notifyInode(k: FileKernel, place: Place, event: number): void {
  if (!isWatched(k)) return;
  const mask = isDirectory(attributesOf(k, place)) ? event | Notify.isDirectory : event;
  tell(k, filesystemOf(k, place.mount), place.inode, { mask, name: "" });
}

/** A name came into a directory, or went. */
export function notifyName(
  k: FileKernel,
  directory: Place,
  event: number,
  of: { name: string; isTree: boolean; cookie?: number },
): void {
  if (!isWatched(k)) return;
  const { name, cookie = 0 } = of;
  const mask = of.isTree ? event | Notify.isDirectory : event;
  tell(k, filesystemOf(k, directory.mount), directory.inode, { mask, name, cookie });
}

/** A number that the two ends of a move have in common. */
export function nextCookie(k: FileKernel): number {
  if (!isWatched(k)) return 0;
  k.files.notify.cookie = (k.files.notify.cookie + 1) >>> 0;
  return k.files.notify.cookie;
}

/** An inode is gone, and with it all that watched it. */
export function notifyGone(k: FileKernel, fs: Filesystem, inode: InodeNumber): void {
  if (!isWatched(k)) return;
  tell(k, fs, inode, { mask: Notify.deleteSelf, name: "" });
  for (const { file, watch } of k.files.notify.watched.get(keyOf(fs, inode)) ?? [])
    endWatch(k, must(k.files.open.get(file), "a watch goes with its instance"), watch);
}

/** A file system is gone, and with it all that watched files of it. */
export function notifyUnmount(k: FileKernel, fs: Filesystem): void {
  const { watched } = k.files.notify;
  spend(k.effort, watched.size, "items");
  for (const key of [...watched.keys()]) {
    if (!key.startsWith(`${fs.id}:`)) continue;
    for (const { file: id, watch } of watched.get(key) ?? []) {
      const file = must(k.files.open.get(id), "a watch goes with its instance");
      queue(k, file, { watch, mask: Notify.unmount, cookie: 0, name: "" });
      endWatch(k, file, watch);
    }
  }
}

/** Instances of a user, and watches of all of them; `all`: watches of all users'. */
export function countOf(k: FileKernel, uid: number): { instances: number; watches: number; all: number } {
  let [instances, watches, all] = [0, 0, 0];
  spend(k.effort, k.files.open.size, "items");
  for (const { target } of k.files.open.values()) {
    if (target.kind !== "inotify") continue;
    all += target.watches.size;
    if (target.uid !== uid) continue;
    instances += 1;
    watches += target.watches.size;
  }
  return { instances, watches, all };
}

export const newInotify = (uid: number): Inotify => ({
  kind: "inotify",
  uid,
  watches: new Map(),
  nextWatch: 1,
  events: [],
  overflown: false,
  arrivals: 0,
  departures: 0,
});

/** Watches an inode, or changes what is told of one that is watched: the watch's number. */
export function watchInode(k: FileKernel, file: OpenFile, { mount, inode }: Place, mask: number): number | Errno {
  const instance = inotifyOf(file);
  const { watched } = k.files.notify;
  const fs = filesystemOf(k, mount);
  const own = watched.get(keyOf(fs, inode)) ?? [];
  spend(k.effort, own.length, "items");
  const known = own.find((each) => each.file === file.id);
  const wanted = (mask & keptMask) >>> 0;
  if (known !== undefined) {
    if (mask & Notify.maskCreate) return "EEXIST";
    const watch = must(instance.watches.get(known.watch), "the table has watches that are there");
    watch.mask = mask & Notify.maskAdd ? (watch.mask | wanted) >>> 0 : wanted;
    return known.watch;
  }
  const { watches, all } = countOf(k, instance.uid);
  if (watches >= limits.watches || all >= limits.allWatches) return "ENOSPC";
  const watch = instance.nextWatch++;
  instance.watches.set(watch, { filesystem: fs.id, inode, mask: wanted });
  watched.set(keyOf(fs, inode), [...own, { file: file.id, watch }]);
  return watch;
}

export function removeWatch(k: FileKernel, file: OpenFile, watch: number): Errno | null {
  if (!inotifyOf(file).watches.has(watch)) return "EINVAL";
  endWatch(k, file, watch);
  return null;
}

/** The first events that there is room for. */
function fitting(events: readonly InotifyEvent[], room: number): InotifyEvent[] {
  let used = 0;
  const end = events.findIndex((event) => {
    used += eventBytes(event);
    return used > room;
  });
  return events.slice(0, end < 0 ? events.length : end);
}

export const inotifyOps: FileOps = {
  read(k, file, _position, room) {
    const { events } = inotifyOf(file);
    if (events.length === 0) return { queue: inotifyQueue(file) };
    const told = fitting(events, room);
    spend(k.effort, eventEffort * told.length, "items");
    return told.length === 0 ? { errno: "EINVAL" } : { bytes: encodeEvents(told) };
  },
  advance(k, file, count) {
    const instance = inotifyOf(file);
    spend(k.effort, instance.events.length / 16, "items");
    const told = instance.events.splice(0, fitting(instance.events, count).length);
    if (told.some(({ mask }) => mask === Notify.overflow)) instance.overflown = false;
    instance.departures += told.length;
    k.files.notify.queued -= told.length;
  },
  write: () => ({ errno: "EBADF" }),
  seekable: false,
  size: () => 0,
  available(k, file) {
    const { events } = inotifyOf(file);
    spend(k.effort, eventEffort * events.length, "items");
    return events.reduce((sum, event) => sum + eventBytes(event), 0);
  },
  ready: (_k, file) => (inotifyOf(file).events.length > 0 ? readable : 0),
  queues: (_k, file) => [inotifyQueue(file)],
  edges(_k, file) {
    const { arrivals, departures } = inotifyOf(file);
    return { in: arrivals, out: departures };
  },
  release(k, file) {
    const instance = inotifyOf(file);
    for (const watch of [...instance.watches.keys()]) forget(k, file, watch);
    k.files.notify.queued -= instance.events.length;
  },
};
