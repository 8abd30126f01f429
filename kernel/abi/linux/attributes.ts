/** What files are: fstat(2), statx(2), faccessat(2), fchmodat(2), fchownat(2), utimensat(2), getdents64(2). */

import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { encodeName } from "../../lib/text.ts";
import { isNamespaceInode } from "../../ns/namespaces.ts";
import type { Place, Task } from "../../thread/state.ts";
import { shownGroup, shownUser } from "../../thread/users.ts";
import { realtimeNs } from "../../time/clock.ts";
import { fileOf, usableFileOf } from "../../vfs/descriptors.ts";
import { touch } from "../../vfs/files.ts";
import {
  type Attributes,
  attributesOf,
  type Changes,
  deviceOfFilesystem,
  FileType,
  filesystemOf,
  getMount,
  isDirectory,
  isType,
  opsOfFilesystem,
} from "../../vfs/filesystem.ts";
import { Notify, notifyFile } from "../../vfs/inotify.ts";
import { hasFlag, MountFlag } from "../../vfs/mount-flags.ts";
import { changeable, setInode, setMode, setOwner, settable } from "../../vfs/names.ts";
import { Access, isOwner, permits, permitsAt, realSubjectOf, subjectOf } from "../../vfs/permissions.ts";
import { getPipe } from "../../vfs/pipe.ts";
import { getSocket } from "../../vfs/sockets.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { bufferOut, fd, flags, optionalPath, path, structIn, structOut, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { type Stat, type Statx, stat, statx, type Timespec, type Timespecs, timespecs } from "./layouts.ts";
import { At, placeOf, type Subject, subjectAt, subjectOfFile } from "./names.ts";

const blockBytes = 4096;
/** st_dev of what has no file system: pipes, and what the machine's host gave. */
const anonymousDevice = 0xe;
/** Of name spaces, which are in a file system of their own for programs, as far as that has a number. */
const namespaceDevice = 4;

interface Found {
  attributes: Attributes;
  inode: number;
  device: number;
  /** 0: it is in none. */
  mount: number;
  isTop: boolean;
}

/** dev_t, as user space has it; file systems without a disk have major number 0. */
const deviceNumber = ({ major, minor }: { major: number; minor: number }): bigint =>
  BigInt((minor & 0xff) | (major << 8)) | (BigInt(minor & ~0xff) << 12n);

/** What an open file without a name looks like: a terminal, or a pipe. */
function unnamed(k: LinuxKernel, { target }: OpenFile): Found {
  const isFile = target.kind === "pipe" || target.kind === "bytes";
  const isTerminal = target.kind === "console";
  const isSocket = target.kind === "socket";
  const attributes: Attributes = {
    mode: isSocket
      ? FileType.socket | 0o777
      : isTerminal
        ? FileType.character | 0o620
        : isFile
          ? FileType.fifo | 0o600
          : 0o600,
    ...{ uid: 1000, gid: 1000, links: 1, size: 0, allocated: 0 },
    device: isTerminal ? { major: 5, minor: 1 } : null,
    ...{ atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n },
  };
  const inode =
    target.kind === "pipe"
      ? getPipe(k, target.pipe).inode
      : target.kind === "socket"
        ? getSocket(k, target.socket).inode
        : 1;
  return { attributes, inode, device: anonymousDevice, mount: 0, isTop: false };
}

function look(k: LinuxKernel, subject: Subject): Found {
  if ("file" in subject) return unnamed(k, subject.file);
  const { mount, inode } = subject.place;
  const fs = filesystemOf(k, mount);
  const device = fs.kind === "proc" && isNamespaceInode(inode) ? namespaceDevice : deviceOfFilesystem(fs);
  return { attributes: attributesOf(k, subject.place), inode, device, mount, isTop: inode === getMount(k, mount).root };
}

/** The same as a task is told of it: whose it is by numbers of its user name space. */
function lookFor(k: LinuxKernel, task: Task, subject: Subject): Found {
  const found = look(k, subject);
  if (task.credentials.userSpace === 0) return found;
  const { uid, gid } = found.attributes;
  const owner = { uid: shownUser(k, task, uid), gid: shownGroup(k, task, gid) };
  return { ...found, attributes: { ...found.attributes, ...owner } };
}

const nsPerSecond = 1_000_000_000n;
const seconds = (ns: bigint): bigint => ns / nsPerSecond;
const rest = (ns: bigint): bigint => ns % nsPerSecond;

function statOf({ attributes, inode, device }: Found): Stat {
  const { mode, links, uid, gid, size: bytes, allocated, atimeNs, mtimeNs, ctimeNs } = attributes;
  return {
    st_dev: deviceNumber({ major: 0, minor: device }),
    st_ino: BigInt(inode),
    st_mode: mode,
    st_nlink: links,
    st_uid: uid,
    st_gid: gid,
    st_rdev: attributes.device === null ? 0n : deviceNumber(attributes.device),
    st_size: BigInt(bytes),
    st_blksize: blockBytes,
    st_blocks: BigInt(allocated / 512),
    st_atime: seconds(atimeNs),
    st_atime_nsec: rest(atimeNs),
    st_mtime: seconds(mtimeNs),
    st_mtime_nsec: rest(mtimeNs),
    st_ctime: seconds(ctimeNs),
    st_ctime_nsec: rest(ctimeNs),
  };
}

/** STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID; STATX_ATTR_MOUNT_ROOT. */
const basicStats = 0x7ff;
const birthTime = 0x800;
const mountId = 0x1000;
const mountTop = 0x2000n;

/** Of all that may be asked for only the time of birth is told when it was. */
function statxOf({ attributes, inode, device, mount, isTop }: Found, asked: number): Statx {
  const { mode, links, uid, gid, size: bytes, allocated, atimeNs, mtimeNs, ctimeNs } = attributes;
  const birthNs = asked & birthTime ? (attributes.birthNs ?? null) : null;
  return {
    stx_mask: basicStats | mountId | (birthNs === null ? 0 : birthTime),
    stx_btime: seconds(birthNs ?? 0n),
    stx_btime_nsec: Number(rest(birthNs ?? 0n)),
    stx_attributes: isTop ? mountTop : 0n,
    stx_attributes_mask: mountTop,
    stx_mnt_id: BigInt(mount),
    stx_blksize: blockBytes,
    stx_nlink: links,
    stx_uid: uid,
    stx_gid: gid,
    stx_mode: mode,
    stx_ino: BigInt(inode),
    stx_size: BigInt(bytes),
    stx_blocks: BigInt(allocated / 512),
    stx_atime: seconds(atimeNs),
    stx_atime_nsec: Number(rest(atimeNs)),
    stx_ctime: seconds(ctimeNs),
    stx_ctime_nsec: Number(rest(ctimeNs)),
    stx_mtime: seconds(mtimeNs),
    stx_mtime_nsec: Number(rest(mtimeNs)),
    stx_rdev_major: attributes.device?.major ?? 0,
    stx_rdev_minor: attributes.device?.minor ?? 0,
    stx_dev_major: 0,
    stx_dev_minor: device,
  };
}

const statFlags = At.AT_SYMLINK_NOFOLLOW | At.AT_NO_AUTOMOUNT | At.AT_EMPTY_PATH;
/** AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC: here they agree. */
const syncFlags = 0x6000;

function access(k: LinuxKernel, task: Task, found: Subject, mode: number, how: number): Outcome {
  if (mode & ~7) return fail("EINVAL");
  const { attributes } = look(k, found);
  const subject = how & accessFlags.AT_EACCESS ? subjectOf(k, task) : realSubjectOf(k, task);
  const may =
    "place" in found ? permitsAt(k, task, found.place, attributes, mode, subject) : permits(subject, attributes, mode);
  if (!may) return fail("EACCES");
  const executes = (mode & Access.execute) !== 0 && isType(attributes, FileType.regular) && "place" in found;
  if (executes && hasFlag(k, found.place.mount, MountFlag.noExecute)) return fail("EACCES");
  const isKept = isType(attributes, FileType.regular) || isDirectory(attributes);
  const writes = (mode & Access.write) !== 0 && isKept && "place" in found;
  return writes && typeof changeable(k, found.place) === "string" ? fail("EROFS") : done(0);
}

const accessFlags = { AT_EACCESS: 0x200, AT_SYMLINK_NOFOLLOW: At.AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH: At.AT_EMPTY_PATH };
const accessMode = flags({ F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4 });

/** Does something with what a path names; what has no name of its own cannot be changed. */
function change(
  k: LinuxKernel,
  task: Task,
  [directory, name, how]: readonly [number, string, number],
  act: (place: Place) => Errno | null,
  event: number = Notify.attributes,
): Outcome {
  const subject = subjectAt(k, task, directory, name, how);
  if ("errno" in subject) return fail(subject.errno);
  if ("file" in subject) return done(0);
  const errno = act(subject.place);
  if (errno !== null) return fail(errno);
  if (event !== 0) notifyFile(k, subject.named, event);
  return done(0);
}

const utimeNow = 0x3fff_ffffn;
const utimeOmit = 0x3fff_fffen;

/** The time that is asked for; null: it stays. */
function timeOf(k: LinuxKernel, { tv_sec, tv_nsec }: Timespec): bigint | null | "EINVAL" {
  if (tv_nsec === utimeNow) return realtimeNs(k);
  if (tv_nsec === utimeOmit) return null;
  return tv_nsec < 0n || tv_nsec >= nsPerSecond ? "EINVAL" : tv_sec * nsPerSecond + tv_nsec;
}

const fromPair = ({ access_sec, access_nsec, change_sec, change_nsec }: Timespecs) => ({
  access: { tv_sec: access_sec, tv_nsec: access_nsec },
  change: { tv_sec: change_sec, tv_nsec: change_nsec },
});

const now: Timespec = { tv_sec: 0n, tv_nsec: utimeNow };

function setTimes(
  k: LinuxKernel,
  task: Task,
  place: Place,
  times: { access: Timespec; change: Timespec },
): Errno | null {
  const [atimeNs, mtimeNs] = [timeOf(k, times.access), timeOf(k, times.change)];
  if (atimeNs === "EINVAL" || mtimeNs === "EINVAL") return "EINVAL";
  if (atimeNs === null && mtimeNs === null) return null;
  const problem = settable(k, place);
  if (problem !== null) return problem;
  const attributes = attributesOf(k, place);
  const isNow = times.access.tv_nsec === utimeNow && times.change.tv_nsec === utimeNow;
  if (!isOwner(subjectOf(k, task), attributes)) {
    if (!isNow) return "EPERM";
    if (!permits(subjectOf(k, task), attributes, Access.write)) return "EACCES";
  }
  const changes: Changes = { ...(atimeNs !== null && { atimeNs }), ...(mtimeNs !== null && { mtimeNs }) };
  return setInode(k, place, changes);
}

/** Both times are an attribute's change; one alone looks like what sets it. */
function eventOfTimes({ access, change }: { access: Timespec; change: Timespec }): number {
  const [omitsAccess, omitsChange] = [access.tv_nsec === utimeOmit, change.tv_nsec === utimeOmit];
  if (omitsAccess) return omitsChange ? 0 : Notify.modify;
  return omitsChange ? Notify.access : Notify.attributes;
}

/** DT_* of a mode. */
const entryType = (mode: number): number => (mode & FileType.mask) >> 12;
const entryHeader = 19;

interface Entry {
  name: string;
  inode: number;
  mode: number;
  cookie: number;
}

/** Entries behind a place in the listing; "." and ".." come first. */
function entriesBehind(k: LinuxKernel, place: Place, behind: number): Entry[] {
  const fs = filesystemOf(k, place.mount);
  const { list, parent } = opsOfFilesystem(k, fs);
  const above = place.inode === fs.root ? place.inode : parent(k, fs, place.inode);
  const dots = [
    { name: ".", inode: place.inode, mode: FileType.directory, cookie: 1 },
    { name: "..", inode: above, mode: FileType.directory, cookie: 2 },
  ].filter(({ cookie }) => cookie > behind);
  return [...dots, ...list(k, fs, place.inode, Math.max(behind, 2), limits.listedEntries)];
}

function packEntry({ name, inode, mode, cookie }: Entry): Uint8Array {
  const text = encodeName(name);
  const bytes = new Uint8Array(Math.ceil((entryHeader + text.length + 1) / 8) * 8);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(inode), true);
  view.setBigUint64(8, BigInt(cookie), true);
  view.setUint16(16, bytes.length, true);
  view.setUint8(18, entryType(mode));
  bytes.set(text, entryHeader);
  return bytes;
}

function list(k: LinuxKernel, { task }: Call, number: number, room: number): Outcome<{ entries: Uint8Array }> {
  const file = usableFileOf(k, task, number);
  if (file === null) return fail("EBADF");
  const place = placeOf(file);
  if (file.target.kind !== "directory" || place === null) return fail("ENOTDIR");
  // It was taken away.
  if (attributesOf(k, place).links === 0) return fail("ENOENT");
  const entries = new Uint8Array(room);
  let used = 0;
  let { position } = file;
  const found = entriesBehind(k, place, position);
  for (const entry of found) {
    const bytes = packEntry(entry);
    if (used + bytes.length > room) break;
    entries.set(bytes, used);
    used += bytes.length;
    position = entry.cookie;
  }
  if (used === 0 && found.length > 0) return fail("EINVAL");
  const commit = (): void => {
    file.position = position;
    touch(k, file, "read");
    notifyFile(k, file.opened, Notify.access);
  };
  return { kind: "done", value: used, out: { entries: entries.subarray(0, used) }, commit };
}

const walkErrors = ["EACCES", "EBADF", "EFAULT", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOTDIR"] as const;
const changeErrors = [...walkErrors, "EINVAL", "EPERM", "EROFS"] as const;

const statCalls = [
  syscall({
    name: "fstat",
    nr: { rv64: 80 },
    support: "full",
    args: { fd, stat: structOut(stat) },
    errors: ["EBADF", "EFAULT"],
    run(k: LinuxKernel, { fd }, { task }) {
      const file = fileOf(k, task, fd);
      return file === null
        ? fail("EBADF")
        : { kind: "done", value: 0, out: { stat: statOf(lookFor(k, task, subjectOfFile(file))) } };
    },
  }),
  syscall({
    name: "newfstatat",
    nr: { rv64: 79 },
    support: "full",
    args: { directory: fd, path, stat: structOut(stat), flags: flags(At) },
    errors: [...walkErrors, "EINVAL"],
    run(k: LinuxKernel, { directory, path, flags }, { task }) {
      if (flags & ~statFlags) return fail("EINVAL");
      const subject = subjectAt(k, task, directory, path, flags);
      if ("errno" in subject) return fail(subject.errno);
      return { kind: "done", value: 0, out: { stat: statOf(lookFor(k, task, subject)) } };
    },
  }),
  syscall({
    name: "statx",
    nr: { rv64: 291 },
    support: "full",
    note: "The basic fields and the mount's number, whatever was asked for, and the time of birth where that is known.",
    args: { directory: fd, path, flags: flags(At), mask: uint, statx: structOut(statx) },
    errors: [...walkErrors, "EINVAL"],
    run(k: LinuxKernel, { directory, path, flags, mask }, { task }) {
      if (flags & ~(statFlags | syncFlags) || (flags & syncFlags) === syncFlags || mask >>> 31) return fail("EINVAL");
      const subject = subjectAt(k, task, directory, path, flags);
      if ("errno" in subject) return fail(subject.errno);
      return { kind: "done", value: 0, out: { statx: statxOf(lookFor(k, task, subject), mask) } };
    },
  }),
  syscall({
    name: "getdents64",
    nr: { rv64: 61 },
    support: "full",
    args: { fd, entries: bufferOut("size"), size: uint },
    errors: ["EBADF", "EFAULT", "EINVAL", "ENOENT", "ENOTDIR"],
    run: (k: LinuxKernel, { fd, entries }, call) => list(k, call, fd, entries),
  }),
] as const;

const accessCalls = [
  syscall({
    name: "faccessat",
    nr: { rv64: 48 },
    support: "full",
    args: { directory: fd, path, mode: accessMode },
    errors: [...walkErrors, "EINVAL", "EROFS"],
    run(k: LinuxKernel, { directory, path, mode }, { task }) {
      const subject = subjectAt(k, task, directory, path, 0);
      return "errno" in subject ? fail(subject.errno) : access(k, task, subject, mode, 0);
    },
  }),
  syscall({
    name: "faccessat2",
    nr: { rv64: 439 },
    support: "full",
    args: { directory: fd, path, mode: accessMode, flags: flags(accessFlags) },
    errors: [...walkErrors, "EINVAL", "EROFS"],
    run(k: LinuxKernel, { directory, path, mode, flags }, { task }) {
      const known = Object.values(accessFlags).reduce((all, bit) => all | bit, 0);
      if (flags & ~known) return fail("EINVAL");
      const subject = subjectAt(k, task, directory, path, flags);
      return "errno" in subject ? fail(subject.errno) : access(k, task, subject, mode, flags);
    },
  }),
  syscall({
    name: "fchmod",
    nr: { rv64: 52 },
    support: "full",
    args: { fd, mode: uint },
    errors: changeErrors,
    run(k: LinuxKernel, { fd, mode }, { task }) {
      if (fileOf(k, task, fd)?.target.kind === "path") return fail("EBADF");
      return change(k, task, [fd, "", At.AT_EMPTY_PATH], (place) => setMode(k, task, place, mode));
    },
  }),
  syscall({
    name: "fchmodat",
    nr: { rv64: 53 },
    support: "full",
    args: { directory: fd, path, mode: uint },
    errors: changeErrors,
    run: (k: LinuxKernel, { directory, path, mode }, { task }) =>
      change(k, task, [directory, path, 0], (place) => setMode(k, task, place, mode)),
  }),
  syscall({
    name: "fchmodat2",
    nr: { rv64: 452 },
    support: "full",
    args: { directory: fd, path, mode: uint, flags: flags(At) },
    errors: [...changeErrors, "EOPNOTSUPP"],
    run(k: LinuxKernel, { directory, path, mode, flags }, { task }) {
      if (flags & ~(At.AT_SYMLINK_NOFOLLOW | At.AT_EMPTY_PATH)) return fail("EINVAL");
      return change(k, task, [directory, path, flags], (place) =>
        isType(attributesOf(k, place), FileType.symlink) ? "EOPNOTSUPP" : setMode(k, task, place, mode),
      );
    },
  }),
  syscall({
    name: "fchownat",
    nr: { rv64: 54 },
    support: "full",
    args: { directory: fd, path, user: uint, group: uint, flags: flags(At) },
    errors: changeErrors,
    run(k: LinuxKernel, { directory, path, user, group, flags }, { task }) {
      if (flags & ~(At.AT_SYMLINK_NOFOLLOW | At.AT_EMPTY_PATH)) return fail("EINVAL");
      return change(k, task, [directory, path, flags], (place) => setOwner(k, task, place, user, group));
    },
  }),
  syscall({
    name: "fchown",
    nr: { rv64: 55 },
    support: "full",
    args: { fd, user: uint, group: uint },
    errors: changeErrors,
    run(k: LinuxKernel, { fd, user, group }, { task }) {
      if (fileOf(k, task, fd)?.target.kind === "path") return fail("EBADF");
      return change(k, task, [fd, "", At.AT_EMPTY_PATH], (place) => setOwner(k, task, place, user, group));
    },
  }),
  syscall({
    name: "utimensat",
    nr: { rv64: 88 },
    support: "full",
    args: { directory: fd, path: optionalPath, times: structIn(timespecs), flags: flags(At) },
    errors: changeErrors,
    run(k: LinuxKernel, { directory, path, times, flags }, { task }) {
      if (flags & ~(At.AT_SYMLINK_NOFOLLOW | At.AT_EMPTY_PATH)) return fail("EINVAL");
      if (path === null && directory === -100) return fail("EFAULT");
      const how = path === null ? At.AT_EMPTY_PATH : flags;
      const wanted = times === null ? { access: now, change: now } : fromPair(times);
      const set = (place: Place): Errno | null => setTimes(k, task, place, wanted);
      return change(k, task, [directory, path ?? "", how], set, eventOfTimes(wanted));
    },
  }),
] as const;

export const attributeCalls = [...statCalls, ...accessCalls] as const;
