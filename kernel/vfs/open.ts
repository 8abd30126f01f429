/** Opening by name: open(2). */
import { assert, must } from "../lib/assert.ts";
import type { Errno } from "../lib/errno.ts";
import { countWriter, isExecuted } from "../mm/executing.ts";
import { getStored, resizeStored } from "../mm/stored.ts";
import { blockedThreads, wakeWith } from "../thread/blocking.ts";
import type { Place, Task, Thread } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import { duplicate, fileOf, openFile, roomProblem } from "./descriptors.ts";
import { deviceOf } from "./devices.ts";
import { AccessMode } from "./file-ops.ts";
import {
  type Attributes,
  attributesOf,
  FileType,
  filesystemOf,
  isDirectory,
  isType,
  openedAt,
  opsOfFilesystem,
} from "./filesystem.ts";
import { Notify, notifyFile } from "./inotify.ts";
import type { FileKernel } from "./kernel.ts";
import { hidesDevices, isReadOnly, noteUse } from "./mount-flags.ts";
import { changeable, createIn, dropLending, hasNumbersFor, modeIn, ownerIn, type PathFrom } from "./names.ts";
import { Access, isOwner, permits, permitsAt, subjectOf } from "./permissions.ts";
import { createFifo, findFifo, getPipe, openPipe } from "./pipe.ts";
import { forbidsSize } from "./seals.ts";
import type { Fifo, Opened, OpenFile, OpenTarget } from "./state.ts";
import { openTerminal } from "./terminals.ts";
import { type Walked, walkPath } from "./walk.ts";

export const OpenFlag = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DSYNC: 0o10000,
  O_LARGEFILE: 0o100000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  O_NOATIME: 0o1000000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  O_TMPFILE: 0o20000000,
} as const;
/** What F_GETFL shows of them. */
const keptFlags =
  3 |
  OpenFlag.O_APPEND |
  OpenFlag.O_NONBLOCK |
  OpenFlag.O_DSYNC |
  OpenFlag.O_LARGEFILE |
  OpenFlag.O_DIRECTORY |
  OpenFlag.O_NOFOLLOW |
  OpenFlag.O_NOATIME |
  OpenFlag.O_PATH;

/** A descriptor; or the queue to wait in for the other end of a FIFO. */
export type OpenResult = { fd: number } | { errno: Errno } | { queue: string; opened: Opened };

const descriptor = (fd: number | Errno): OpenResult => (typeof fd === "number" ? { fd } : { errno: fd });

const reads = (flags: number): boolean => (flags & AccessMode.mask) !== AccessMode.write;
const writes = (flags: number): boolean => (flags & AccessMode.mask) !== AccessMode.read;

const wantedAccess = (flags: number): number =>
  (reads(flags) ? Access.read : 0) | (writes(flags) || flags & OpenFlag.O_TRUNC ? Access.write : 0);

/** What speaks against opening a file that is there. */
function openProblem(k: FileKernel, task: Task, place: Place, attributes: Attributes, flags: number): Errno | null {
  if (isType(attributes, FileType.symlink)) return flags & OpenFlag.O_DIRECTORY ? "ENOTDIR" : "ELOOP";
  if (isDirectory(attributes)) {
    if (flags & (OpenFlag.O_CREAT | OpenFlag.O_TRUNC) || writes(flags)) return "EISDIR";
  } else if (flags & OpenFlag.O_DIRECTORY) return "ENOTDIR";
  if (attributes.device !== null && hidesDevices(k, place.mount)) return "EACCES";
  const isChanged = (flags & OpenFlag.O_TRUNC || writes(flags)) && isType(attributes, FileType.regular);
  if (isChanged && filesystemOf(k, place.mount).readOnly) return "EROFS";
  if (!permitsAt(k, task, place, attributes, wantedAccess(flags))) return "EACCES";
  if (isChanged && isReadOnly(k, place.mount)) return "EROFS";
  return flags & OpenFlag.O_NOATIME && !isOwner(subjectOf(k, task), attributes) ? "EPERM" : null;
}

function targetOf(k: FileKernel, task: Task, place: Place, attributes: Attributes, flags: number): OpenTarget | Errno {
  const { device } = attributes;
  if (device !== null && isType(attributes, FileType.character)) {
    const terminal = openTerminal(k, task, device, { reads: reads(flags), controls: !(flags & OpenFlag.O_NOCTTY) });
    if (terminal !== null) return terminal;
  }
  // What no driver answers for cannot be opened, a disk neither.
  if (device !== null && deviceOf(device.major, device.minor) === undefined) return "ENXIO";
  if (isType(attributes, FileType.block)) return "ENXIO";
  const fs = filesystemOf(k, place.mount);
  return opsOfFilesystem(k, fs).open(k, fs, place.inode, task);
}

function openPlace(k: FileKernel, task: Task, opened: Opened, flags: number, isNew: boolean): OpenResult {
  const place = { mount: opened.mount, inode: opened.inode };
  noteUse(k, place.mount);
  const attributes = attributesOf(k, place);
  const problem = isNew ? null : openProblem(k, task, place, attributes, flags);
  if (problem !== null) return { errno: problem };
  const room = roomProblem(k, task, 1);
  if (room !== null) return { errno: room };
  if (isType(attributes, FileType.fifo)) return openFifo(k, task, opened, flags);
  const target = targetOf(k, task, place, attributes, flags);
  if (typeof target === "string") return { errno: target };
  const isChanged = target.kind === "regular" && (writes(flags) || (flags & OpenFlag.O_TRUNC) !== 0);
  if (isChanged && isExecuted(k, target.file)) return { errno: "ETXTBSY" };
  if (flags & OpenFlag.O_TRUNC && target.kind === "regular") {
    const there = changeable(k, place);
    if (typeof there === "string") return { errno: there };
    if (forbidsSize(getStored(k, target.file), 0)) return { errno: "EPERM" };
    resizeStored(k, getStored(k, target.file), 0);
    there.change.touch(k, there.fs, place.inode, "written");
    dropLending(k, task, place);
    notifyFile(k, opened, Notify.modify);
  }
  return finish(k, task, target, opened, flags);
}

function finish(k: FileKernel, task: Task, target: OpenTarget, opened: Opened, flags: number): OpenResult {
  const fd = openFile(k, task, target, opened, flags & keptFlags, (flags & OpenFlag.O_CLOEXEC) !== 0);
  if (typeof fd !== "number") return { errno: fd };
  if (target.kind === "regular" && writes(flags)) {
    must(fileOf(k, task, fd), "it was opened").writer = true;
    countWriter(k, target.file, 1);
  }
  return { fd };
}

type End = "readers" | "writers";

const fifoQueue = ({ filesystem, inode }: Fifo, end: End): string => `FIFO ${filesystem}:${inode} ${end}`;

/**
 * An end of a FIFO is opened when the other one is, too. Who comes second opens the first one's end for it: so both
 * are open at once, and a writer never meets a FIFO whose reader is about to come back from its call.
 */
function openFifo(k: FileKernel, task: Task, opened: Opened, flags: number): OpenResult {
  const fifo: Fifo = { filesystem: filesystemOf(k, opened.mount).id, inode: opened.inode };
  const known = findFifo(k, fifo);
  const mode = flags & AccessMode.mask;
  const [own, other]: [End, End] = mode === AccessMode.read ? ["readers", "writers"] : ["writers", "readers"];
  const hasOther =
    (known !== null && getPipe(k, known)[other] > 0) || blockedThreads(k, fifoQueue(fifo, other)).length > 0;
  if (mode !== AccessMode.both && !hasOther) {
    if (!(flags & OpenFlag.O_NONBLOCK)) return { queue: fifoQueue(fifo, own), opened };
    if (mode === AccessMode.write) return { errno: "ENXIO" };
  }
  const id = known ?? createFifo(k, fifo);
  openPipe(k, id, reads(mode), writes(mode));
  const result = finish(k, task, { kind: "pipe", pipe: id }, opened, flags);
  if (reads(mode)) completeOpens(k, fifo, id, "writers");
  if (writes(mode)) completeOpens(k, fifo, id, "readers");
  return result;
}

/**
 * What is open and at no place, by its link in /proc: an end of a pipe more, which waits for nobody. What is known of a
 * program's input is read on from where it was read to, as a pipe's would be. Sockets and their like cannot be opened.
 */
function openAgain(k: FileKernel, task: Task, file: OpenFile, flags: number): OpenResult {
  const { target } = file;
  if (flags & OpenFlag.O_DIRECTORY) return { errno: "ENOTDIR" };
  const room = roomProblem(k, task, 1);
  if (room !== null) return { errno: room };
  const closes = (flags & OpenFlag.O_CLOEXEC) !== 0;
  if (target.kind === "bytes" && !writes(flags)) {
    const own = task.descriptors.findIndex((_, fd) => fileOf(k, task, fd) === file);
    return descriptor(own < 0 ? "ENXIO" : duplicate(k, task, own, 0, closes));
  }
  if (target.kind !== "pipe") return { errno: "ENXIO" };
  openPipe(k, target.pipe, reads(flags), writes(flags));
  return descriptor(openFile(k, task, { ...target }, null, flags & keptFlags, closes));
}

/** Opens the FIFO for all who waited to. */
function completeOpens(k: FileKernel, fifo: Fifo, id: number, end: End): void {
  for (const thread of blockedThreads(k, fifoQueue(fifo, end))) completeOpen(k, id, thread);
}

function completeOpen(k: FileKernel, id: number, thread: Thread): void {
  const { wait } = thread;
  assert(wait?.kind === "open", "who waits for an end of a FIFO opens it");
  const task = taskOf(k, thread);
  const room = roomProblem(k, task, 1);
  if (room !== null) {
    wakeWith(k, thread, room);
    return;
  }
  openPipe(k, id, reads(wait.flags), writes(wait.flags));
  const result = finish(k, task, { kind: "pipe", pipe: id }, { ...wait.opened }, wait.flags);
  wakeWith(k, thread, "fd" in result ? result.fd : "ENFILE");
}

/** A file without a name in a directory. */
function openTemporary(k: FileKernel, task: Task, where: PathFrom, flags: number, mode: number): OpenResult {
  if (!writes(flags)) return { errno: "EINVAL" };
  const walked = walkPath(k, task, where.start, where.path, "follow", where.resolve);
  if ("errno" in walked) return walked;
  if (walked.place === null) return { errno: "ENOENT" };
  if (!isDirectory(attributesOf(k, walked.place))) return { errno: "ENOTDIR" };
  const there = changeable(k, walked.place);
  if (typeof there === "string") return { errno: isReadOnly(k, walked.place.mount) ? "EROFS" : "EOPNOTSUPP" };
  if (!hasNumbersFor(k, task, there.fs)) return { errno: "EOVERFLOW" };
  if (!permits(subjectOf(k, task), attributesOf(k, walked.place), Access.write | Access.execute))
    return { errno: "EACCES" };
  const room = roomProblem(k, task, 1);
  if (room !== null) return { errno: room };
  const owner = ownerIn(k, task, walked.place);
  const { uid, gid } = owner;
  const allowed = modeIn(k, task, owner, FileType.regular | (mode & 0o7777));
  const file = { mode: allowed & ~task.fileModeMask, uid, gid, data: null };
  const inode = there.change.create(k, there.fs, null, file);
  if (typeof inode === "string") return { errno: inode };
  if (flags & OpenFlag.O_EXCL) there.fs.inodes.get(inode)!.temporary = false;
  const opened = { mount: walked.place.mount, inode, directory: walked.place.inode, name: `#${inode}` };
  return openPlace(k, task, opened, flags & ~(OpenFlag.O_DIRECTORY | OpenFlag.O_TMPFILE), true);
}

function openMissing(k: FileKernel, task: Task, walked: Walked, flags: number, mode: number): OpenResult {
  if (!(flags & OpenFlag.O_CREAT)) return { errno: "ENOENT" };
  if (walked.slash) return { errno: "EISDIR" };
  const room = roomProblem(k, task, 1);
  if (room !== null) return { errno: room };
  const inode = createIn(k, task, walked, FileType.regular | (mode & 0o7777), null);
  if (typeof inode === "string") return { errno: inode };
  return openPlace(
    k,
    task,
    openedAt(k, { mount: walked.directory.mount, inode }, walked.directory, walked.name),
    flags,
    true,
  );
}

export function openPath(k: FileKernel, task: Task, where: PathFrom, flags: number, mode: number): OpenResult {
  if (flags & OpenFlag.O_PATH) return openName(k, task, where, flags);
  if (flags & OpenFlag.O_TMPFILE) {
    if (!(flags & OpenFlag.O_DIRECTORY)) return { errno: "EINVAL" };
    return openTemporary(k, task, where, flags, mode);
  }
  if (flags & OpenFlag.O_CREAT && flags & OpenFlag.O_DIRECTORY) return { errno: "EINVAL" };
  const exclusive = (flags & OpenFlag.O_CREAT) !== 0 && (flags & OpenFlag.O_EXCL) !== 0;
  const follows = !(flags & OpenFlag.O_NOFOLLOW) && !exclusive;
  const walked = walkPath(k, task, where.start, where.path, follows ? "follow" : "keep", where.resolve);
  if ("errno" in walked) return walked;
  if (walked.file !== undefined) return openAgain(k, task, walked.file, flags);
  if (walked.place === null) return openMissing(k, task, walked, flags, mode);
  if (exclusive) return { errno: "EEXIST" };
  return openPlace(k, task, openedAt(k, walked.place, walked.directory, walked.name), flags, false);
}

/** O_PATH: the name only, of a link itself if it is not to be followed. */
function openName(k: FileKernel, task: Task, { start, path, resolve }: PathFrom, flags: number): OpenResult {
  const walked = walkPath(k, task, start, path, flags & OpenFlag.O_NOFOLLOW ? "keep" : "follow", resolve);
  if ("errno" in walked) return walked;
  if (walked.place === null) return { errno: "ENOENT" };
  if (flags & OpenFlag.O_DIRECTORY && !isDirectory(attributesOf(k, walked.place))) return { errno: "ENOTDIR" };
  const kept = OpenFlag.O_PATH | OpenFlag.O_DIRECTORY | OpenFlag.O_NOFOLLOW | OpenFlag.O_CLOEXEC;
  return finish(k, task, { kind: "path" }, openedAt(k, walked.place, walked.directory, walked.name), flags & kept);
}
