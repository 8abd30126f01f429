/** Names: openat(2), mkdirat(2), unlinkat(2), renameat2(2), linkat(2), chdir(2), getcwd(2) and their like. */

import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { encodeName, tooLongPath } from "../../lib/text.ts";
import { Cap, hasCapability, hasOwnCapability } from "../../thread/capabilities.ts";
import { sharers } from "../../thread/sharing.ts";
import type { Place, Task } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { attributesOf, FileType, filesystemOf, isDirectory, opsOfFilesystem, pathOf } from "../../vfs/filesystem.ts";
import { makeFile, makeLink, type PathFrom, Rename, removeDirectory, removeFile, renameFile } from "../../vfs/names.ts";
import { OpenFlag, openPath } from "../../vfs/open.ts";
import { Access, permitsAt } from "../../vfs/permissions.ts";
import type { InodeData } from "../../vfs/state.ts";
import { moveTask } from "../../vfs/usage.ts";
import { findPlace } from "../../vfs/walk.ts";
import { bufferOut, fd, flags, path, size, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { At, pathFrom, placeOf, subjectAt } from "./names.ts";

export function open(k: LinuxKernel, { task }: Call, where: PathFrom, wanted: number, mode: number): Outcome {
  const result = openPath(k, task, where, wanted, mode);
  if ("errno" in result) return fail(result.errno);
  if ("fd" in result) return done(result.fd);
  const { queue, opened } = result;
  return { kind: "blocked", wait: { kind: "open", queue, deadlineNs: null, flags: wanted, opened } };
}

/** A call that does something to a name: the errors of finding where the name begins come first. */
function at(k: LinuxKernel, task: Task, directory: number, name: string, act: (where: PathFrom) => Outcome): Outcome {
  const from = pathFrom(k, task, directory, name);
  return "errno" in from ? fail(from.errno) : act(from);
}

const made = (result: number | Errno): Outcome => (typeof result === "number" ? done(0) : fail(result));

/** dev_t, as user space has it. */
const majorOf = (device: number): number => (device >>> 8) & 0xfff;
const minorOf = (device: number): number => (device & 0xff) | ((device >>> 12) & 0xfff00);

function makeNode(k: LinuxKernel, task: Task, where: PathFrom, mode: number, device: number): Outcome {
  const type = mode & FileType.mask;
  const whole = (type === 0 ? FileType.regular : type) | (mode & 0o7777);
  const numbers: InodeData = { kind: "device", major: majorOf(device), minor: minorOf(device) };
  const isDevice = type === FileType.character || type === FileType.block;
  if (isDevice && !hasCapability(task.credentials, Cap.MKNOD)) return fail("EPERM");
  if (isDevice) return made(makeFile(k, task, where, whole, numbers));
  if (type === FileType.fifo) return made(makeFile(k, task, where, whole, { kind: "fifo" }));
  if (type === FileType.socket) return made(makeFile(k, task, where, whole, { kind: "socket" }));
  if (type !== 0 && type !== FileType.regular) return fail(type === FileType.directory ? "EPERM" : "EINVAL");
  return made(makeFile(k, task, where, whole, null));
}

function symlink(k: LinuxKernel, task: Task, target: string, where: PathFrom): Outcome {
  if (target === "") return fail("ENOENT");
  if (encodeName(target).length >= limits.pathBytes) return fail("ENAMETOOLONG");
  return made(makeFile(k, task, where, FileType.symlink | 0o777, { kind: "symlink", target }));
}

interface TwoNames {
  oldDirectory: number;
  oldPath: string;
  newDirectory: number;
  newPath: string;
  flags: number;
}

function link(k: LinuxKernel, task: Task, args: TwoNames): Outcome {
  if (args.flags & ~(At.AT_SYMLINK_FOLLOW | At.AT_EMPTY_PATH)) return fail("EINVAL");
  const how = args.flags & At.AT_SYMLINK_FOLLOW ? 0 : At.AT_SYMLINK_NOFOLLOW;
  const subject = subjectAt(k, task, args.oldDirectory, args.oldPath, how | (args.flags & At.AT_EMPTY_PATH));
  if ("errno" in subject) return fail(subject.errno);
  if ("file" in subject) return fail("EXDEV");
  return at(k, task, args.newDirectory, args.newPath, (where) => orError(makeLink(k, task, subject.place, where)));
}

function rename(k: LinuxKernel, task: Task, args: TwoNames): Outcome {
  const how = args.flags;
  if (how & ~(Rename.noReplace | Rename.exchange | Rename.whiteout)) return fail("EINVAL");
  if (how & Rename.exchange && how !== Rename.exchange) return fail("EINVAL");
  return at(k, task, args.oldDirectory, args.oldPath, (from) =>
    at(k, task, args.newDirectory, args.newPath, (to) => orError(renameFile(k, task, from, to, how))),
  );
}

function readLink(k: LinuxKernel, task: Task, place: Place, room: number): Outcome<{ buffer: Uint8Array }> {
  const fs = filesystemOf(k, place.mount);
  const target = opsOfFilesystem(k, fs).readLink(k, fs, place.inode, task);
  if (typeof target === "string") return fail(target);
  // A link of /proc, whose text is only told; of another one it is what it was made with.
  if (target.text === tooLongPath && target.place !== null) return fail("ENAMETOOLONG");
  const buffer = encodeName(target.text).subarray(0, room);
  return { kind: "done", value: buffer.length, out: { buffer } };
}

/** Whether a task may make a directory its own; what it is then. */
function enter(k: LinuxKernel, task: Task, what: "root" | "directory", place: Place): Outcome {
  const attributes = attributesOf(k, place);
  if (!isDirectory(attributes)) return fail("ENOTDIR");
  if (!permitsAt(k, task, place, attributes, Access.execute)) return fail("EACCES");
  if (what === "root" && !hasOwnCapability(task.credentials, Cap.SYS_CHROOT)) return fail("EPERM");
  for (const each of [task, ...sharers(k, task, "directories")]) moveTask(k, each[what], place);
  return done(0);
}

function enterPath(k: LinuxKernel, task: Task, what: "root" | "directory", name: string): Outcome {
  const found = findPlace(k, task, task.directory, name);
  return "errno" in found ? fail(found.errno) : enter(k, task, what, found.place);
}

function getDirectory(k: LinuxKernel, task: Task, room: number): Outcome<{ buffer: Uint8Array }> {
  const name = pathOf(k, task, task.directory);
  if (name === null) return fail("ENOENT");
  const buffer = encodeName(`${name}\0`);
  if (name === tooLongPath || buffer.length > limits.pathBytes) return fail("ENAMETOOLONG");
  return buffer.length > room ? fail("ERANGE") : { kind: "done", value: buffer.length, out: { buffer } };
}

const walkErrors = ["EACCES", "EBADF", "EFAULT", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOTDIR"] as const;
export const makeErrors = [...walkErrors, "EEXIST", "ENOSPC", "EOVERFLOW", "EROFS"] as const;
const renameFlags = {
  RENAME_NOREPLACE: Rename.noReplace,
  RENAME_EXCHANGE: Rename.exchange,
  RENAME_WHITEOUT: Rename.whiteout,
} as const;
const twoNames = { oldDirectory: fd, oldPath: path, newDirectory: fd, newPath: path } as const;

export const fileCalls = [
  syscall({
    name: "openat",
    nr: { rv64: 56 },
    support: "partial",
    note: "O_SYNC changes nothing, O_DIRECT and O_ASYNC are ignored.",
    args: { directory: fd, path, flags: flags(OpenFlag), mode: uint },
    errors: [...makeErrors, "EINTR", "EINVAL", "EISDIR", "EMFILE", "ENFILE", "ENXIO", "EOPNOTSUPP", "EPERM", "ETXTBSY"],
    run: (k: LinuxKernel, { directory, path, flags, mode }, call) =>
      at(k, call.task, directory, path, (where) => open(k, call, where, flags, mode)),
  }),
  syscall({
    name: "mknodat",
    nr: { rv64: 33 },
    support: "full",
    args: { directory: fd, path, mode: uint, device: uint },
    errors: [...makeErrors, "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { directory, path, mode, device }, { task }) =>
      at(k, task, directory, path, (where) => makeNode(k, task, where, mode, device)),
  }),
  syscall({
    name: "mkdirat",
    nr: { rv64: 34 },
    support: "full",
    args: { directory: fd, path, mode: uint },
    errors: makeErrors,
    run: (k: LinuxKernel, { directory, path, mode }, { task }) =>
      at(k, task, directory, path, (where) =>
        made(makeFile(k, task, where, FileType.directory | (mode & 0o1777), null)),
      ),
  }),
  syscall({
    name: "unlinkat",
    nr: { rv64: 35 },
    support: "full",
    args: { directory: fd, path, flags: flags({ AT_REMOVEDIR: At.AT_REMOVEDIR }) },
    errors: [...walkErrors, "EBUSY", "EINVAL", "EISDIR", "ENOTEMPTY", "EPERM", "EROFS"],
    run(k: LinuxKernel, { directory, path, flags }, { task }) {
      if (flags & ~At.AT_REMOVEDIR) return fail("EINVAL");
      const remove = flags & At.AT_REMOVEDIR ? removeDirectory : removeFile;
      return at(k, task, directory, path, (where) => orError(remove(k, task, where)));
    },
  }),
  syscall({
    name: "symlinkat",
    nr: { rv64: 36 },
    support: "full",
    args: { target: path, directory: fd, path },
    errors: makeErrors,
    run: (k: LinuxKernel, { target, directory, path }, { task }) =>
      at(k, task, directory, path, (where) => symlink(k, task, target, where)),
  }),
  syscall({
    name: "linkat",
    nr: { rv64: 37 },
    support: "full",
    args: { ...twoNames, flags: flags(At) },
    errors: [...makeErrors, "EINVAL", "EMLINK", "EPERM", "EXDEV"],
    run: (k: LinuxKernel, args, { task }) => link(k, task, args),
  }),
  syscall({
    name: "renameat2",
    nr: { rv64: 276 },
    support: "full",
    args: { ...twoNames, flags: flags(renameFlags) },
    errors: [...makeErrors, "EBUSY", "EINVAL", "EISDIR", "ENOTEMPTY", "EPERM", "EXDEV"],
    run: (k: LinuxKernel, args, { task }) => rename(k, task, args),
  }),
  syscall({
    name: "readlinkat",
    nr: { rv64: 78 },
    support: "full",
    args: { directory: fd, path, buffer: bufferOut("size"), size },
    errors: [...walkErrors, "EINVAL"],
    run(k: LinuxKernel, { directory, path, buffer }, { task }) {
      if (buffer === 0) return fail("EINVAL");
      const subject = subjectAt(k, task, directory, path, At.AT_SYMLINK_NOFOLLOW | At.AT_EMPTY_PATH);
      if ("errno" in subject) return fail(subject.errno);
      return "file" in subject ? fail("ENOENT") : readLink(k, task, subject.place, buffer);
    },
  }),
  syscall({
    name: "chdir",
    nr: { rv64: 49 },
    support: "full",
    args: { path },
    errors: walkErrors,
    run: (k: LinuxKernel, { path }, { task }) => enterPath(k, task, "directory", path),
  }),
  syscall({
    name: "fchdir",
    nr: { rv64: 50 },
    support: "full",
    args: { fd },
    errors: ["EACCES", "EBADF", "ENOTDIR"],
    run(k: LinuxKernel, { fd }, { task }) {
      const file = fileOf(k, task, fd);
      if (file === null) return fail("EBADF");
      const place = placeOf(file);
      return place === null ? fail("ENOTDIR") : enter(k, task, "directory", place);
    },
  }),
  syscall({
    name: "chroot",
    nr: { rv64: 51 },
    support: "full",
    args: { path },
    errors: [...walkErrors, "EPERM"],
    run: (k: LinuxKernel, { path }, { task }) => enterPath(k, task, "root", path),
  }),
  syscall({
    name: "getcwd",
    nr: { rv64: 17 },
    support: "full",
    args: { buffer: bufferOut("size"), size },
    errors: ["EFAULT", "ENAMETOOLONG", "ENOENT", "ERANGE"],
    run: (k: LinuxKernel, { buffer }, { task }) => getDirectory(k, task, buffer),
  }),
  syscall({
    name: "umask",
    nr: { rv64: 166 },
    support: "full",
    args: { mask: uint },
    run(k: LinuxKernel, { mask }, { task }) {
      const before = task.fileModeMask;
      for (const each of [task, ...sharers(k, task, "directories")]) each.fileModeMask = mask & 0o777;
      return done(before);
    },
  }),
] as const;
