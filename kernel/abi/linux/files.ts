/** Names and descriptors: openat(2), close(2), dup(2), fcntl(2), fstat(2), readlinkat(2), getcwd(2). */
import { pageBytes } from "../../hal/types.ts";
import type { Errno } from "../../lib/errno.ts";
import { encodeText } from "../../lib/text.ts";
import { userId } from "../../thread/credentials.ts";
import type { Task } from "../../thread/state.ts";
import { closeDescriptor, duplicate, fileOf, openTarget, replaceDescriptor } from "../../vfs/descriptors.ts";
import { type Found, lookup, normalize } from "../../vfs/paths.ts";
import { getPipe, resizePipe } from "../../vfs/pipe.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { bufferOut, choice, fd, flags, long, path, size, structOut, uint } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { type Stat, stat } from "./layouts.ts";

const Open = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  O_CLOEXEC: 0o2000000,
} as const;
const At = { AT_SYMLINK_NOFOLLOW: 0x100, AT_NO_AUTOMOUNT: 0x800, AT_EMPTY_PATH: 0x1000 } as const;
const currentDirectory = -100;
const FileType = { character: 0o020000, directory: 0o040000, regular: 0o100000 } as const;

/** Finds a name as seen from a directory descriptor: only the working directory can be one. */
function find(k: LinuxKernel, task: Task, directory: number, name: string): Found | { errno: Errno } {
  if (directory !== currentDirectory && !name.startsWith("/")) {
    return { errno: fileOf(k, task, directory) === null ? "EBADF" : "ENOTDIR" };
  }
  return lookup(k, task, name);
}

function open(k: LinuxKernel, task: Task, directory: number, name: string, wanted: number): Outcome {
  const found = find(k, task, directory, name);
  if ("errno" in found) return fail(found.errno === "ENOENT" && wanted & Open.O_CREAT ? "EROFS" : found.errno);
  const writes = (wanted & 3) !== Open.O_RDONLY || (wanted & Open.O_TRUNC) !== 0;
  const kept = wanted & (3 | Open.O_APPEND | Open.O_NONBLOCK);
  const cloexec = (wanted & Open.O_CLOEXEC) !== 0;
  let result: number | Errno;
  if (wanted & Open.O_CREAT && wanted & Open.O_EXCL) result = "EEXIST";
  else if (found.kind === "directory") result = writes ? "EISDIR" : "EACCES";
  else if (wanted & Open.O_DIRECTORY) result = "ENOTDIR";
  else if (found.kind === "console") result = openTarget(k, task, { kind: "console" }, kept, cloexec);
  else if (writes) result = "EROFS";
  else result = openTarget(k, task, { kind: "image", ...found.entry }, kept, cloexec);
  return typeof result === "number" ? done(result) : fail(result);
}

function statOf(mode: number, inode: number, bytes: number): Stat {
  return {
    st_dev: 1n,
    st_ino: BigInt(inode),
    st_mode: mode,
    st_nlink: 1,
    st_uid: userId,
    st_gid: userId,
    st_rdev: (mode & 0o170000) === FileType.character ? 0x500n : 0n,
    st_size: BigInt(bytes),
    st_blksize: 4096,
    st_blocks: BigInt(Math.ceil(bytes / 512)),
    st_atime: 0n,
    st_mtime: 0n,
    st_ctime: 0n,
  };
}

const consoleStat = statOf(FileType.character | 0o620, 1, 0);

function statOpen(k: LinuxKernel, { target }: OpenFile): Stat {
  if (target.kind === "console") return consoleStat;
  if (target.kind === "bytes") return statOf(0o010600, 1, 0); // reads like a pipe
  if (target.kind === "pipe") return statOf(0o010600, getPipe(k, target.pipe).inode, 0);
  return statOf(FileType.regular | target.mode, target.inode, target.size);
}

function statFound(found: Found): Stat {
  if (found.kind === "console") return consoleStat;
  if (found.kind === "directory") return statOf(FileType.directory | 0o555, 1, 0);
  return statOf(FileType.regular | found.entry.mode, found.entry.inode, found.entry.size);
}

function access(k: LinuxKernel, task: Task, directory: number, name: string, mode: number): Outcome {
  const found = find(k, task, directory, name);
  if ("errno" in found) return fail(found.errno);
  if (mode & ~7) return fail("EINVAL");
  if (mode & 2 && found.kind !== "console") return fail("EROFS");
  if (mode & 1 && found.kind === "file" && (found.entry.mode & 0o111) === 0) return fail("EACCES");
  return done(0);
}

const Fcntl = {
  F_DUPFD: 0,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  F_DUPFD_CLOEXEC: 1030,
  F_SETPIPE_SZ: 1031,
  F_GETPIPE_SZ: 1032,
} as const;

function fcntl(k: LinuxKernel, task: Task, number: number, file: OpenFile, command: number, argument: bigint): Outcome {
  const descriptor = task.descriptors[number]!;
  const value = argument > 0xffff_ffffn || argument < 0n ? -1 : Number(argument);
  switch (command) {
    case Fcntl.F_DUPFD:
    case Fcntl.F_DUPFD_CLOEXEC: {
      const result = duplicate(k, task, number, value, command === Fcntl.F_DUPFD_CLOEXEC);
      return typeof result === "number" ? done(result) : fail(result);
    }
    case Fcntl.F_GETFD:
      return done(descriptor.closeOnExec ? 1 : 0);
    case Fcntl.F_SETFD:
      descriptor.closeOnExec = (value & 1) !== 0;
      return done(0);
    case Fcntl.F_GETFL:
      return done(file.flags);
    case Fcntl.F_SETFL: {
      const settable = Open.O_APPEND | Open.O_NONBLOCK;
      file.flags = (file.flags & ~settable) | (value & settable);
      return done(0);
    }
    case Fcntl.F_SETPIPE_SZ:
    case Fcntl.F_GETPIPE_SZ: {
      if (file.target.kind !== "pipe") return fail("EBADF");
      if (command === Fcntl.F_GETPIPE_SZ) return done(getPipe(k, file.target.pipe).mostPages * pageBytes);
      const result = resizePipe(k, file.target.pipe, value);
      return typeof result === "number" ? done(result) : fail(result);
    }
    default:
      return fail("EINVAL");
  }
}

function readLink(
  k: LinuxKernel,
  task: Task,
  directory: number,
  name: string,
  room: number,
): Outcome<{ buffer: Uint8Array }> {
  if (room === 0) return fail("EINVAL");
  const self = ["/proc/self/exe", `/proc/${task.id}/exe`];
  if (self.includes(normalize(name, task.workingDirectory)) && task.executable !== "") {
    const buffer = encodeText(task.executable).subarray(0, room);
    return { kind: "done", value: buffer.length, out: { buffer } };
  }
  const found = find(k, task, directory, name);
  return fail("errno" in found ? found.errno : "EINVAL");
}

export const fileCalls = [
  syscall({
    name: "openat",
    nr: { rv64: 56 },
    support: "partial",
    note: "Files are read-only (EROFS); directories cannot be opened; /dev/tty and /dev/console are the console.",
    args: { directory: fd, path, flags: flags(Open), mode: uint },
    errors: [
      "EACCES",
      "EBADF",
      "EEXIST",
      "EFAULT",
      "EISDIR",
      "EMFILE",
      "ENAMETOOLONG",
      "ENFILE",
      "ENOENT",
      "ENOTDIR",
      "EROFS",
    ],
    run: (k: LinuxKernel, { directory, path, flags }, { task }) => open(k, task, directory, path, flags),
  }),
  syscall({
    name: "close",
    nr: { rv64: 57 },
    support: "full",
    args: { fd },
    errors: ["EBADF"],
    run: (k: LinuxKernel, { fd }, { task }) => (closeDescriptor(k, task, fd) ? done(0) : fail("EBADF")),
  }),
  syscall({
    name: "dup",
    nr: { rv64: 23 },
    support: "full",
    args: { fd },
    errors: ["EBADF", "EMFILE"],
    run(k: LinuxKernel, { fd }, { task }) {
      const result = duplicate(k, task, fd, 0, false);
      return typeof result === "number" ? done(result) : fail(result);
    },
  }),
  syscall({
    name: "dup3",
    nr: { rv64: 24 },
    support: "full",
    args: { from: fd, to: fd, flags: flags({ O_CLOEXEC: Open.O_CLOEXEC }) },
    errors: ["EBADF", "EINVAL"],
    run(k: LinuxKernel, { from, to, flags }, { task }) {
      if (from === to || flags & ~Open.O_CLOEXEC) return fail("EINVAL");
      const result = replaceDescriptor(k, task, from, to, flags !== 0);
      return typeof result === "number" ? done(result) : fail(result);
    },
  }),
  syscall({
    name: "fcntl",
    nr: { rv64: 25 },
    support: "partial",
    note: "Descriptor and status flags, and duplication; no locks, no owners.",
    args: { fd, command: choice(Fcntl), argument: long },
    errors: ["EBADF", "EBUSY", "EINVAL", "EMFILE", "EPERM"],
    run(k: LinuxKernel, { fd, command, argument }, { task }) {
      const file = fileOf(k, task, fd);
      return file === null ? fail("EBADF") : fcntl(k, task, fd, file, command, argument);
    },
  }),
  syscall({
    name: "fstat",
    nr: { rv64: 80 },
    support: "full",
    args: { fd, stat: structOut(stat) },
    errors: ["EBADF", "EFAULT"],
    run(k: LinuxKernel, { fd }, { task }) {
      const file = fileOf(k, task, fd);
      return file === null ? fail("EBADF") : { kind: "done", value: 0, out: { stat: statOpen(k, file) } };
    },
  }),
  syscall({
    name: "newfstatat",
    nr: { rv64: 79 },
    support: "full",
    args: { directory: fd, path, stat: structOut(stat), flags: flags(At) },
    errors: ["EBADF", "EFAULT", "EINVAL", "ENAMETOOLONG", "ENOENT", "ENOTDIR"],
    run(k: LinuxKernel, { directory, path, flags }, { task }) {
      if (flags & ~(At.AT_SYMLINK_NOFOLLOW | At.AT_NO_AUTOMOUNT | At.AT_EMPTY_PATH)) return fail("EINVAL");
      if (path === "" && flags & At.AT_EMPTY_PATH && directory !== currentDirectory) {
        const file = fileOf(k, task, directory);
        return file === null ? fail("EBADF") : { kind: "done", value: 0, out: { stat: statOpen(k, file) } };
      }
      const found = path === "" && flags & At.AT_EMPTY_PATH ? lookup(k, task, ".") : find(k, task, directory, path);
      return "errno" in found ? fail(found.errno) : { kind: "done", value: 0, out: { stat: statFound(found) } };
    },
  }),
  syscall({
    name: "faccessat",
    nr: { rv64: 48 },
    support: "full",
    args: { directory: fd, path, mode: flags({ F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4 }) },
    errors: ["EACCES", "EBADF", "EFAULT", "EINVAL", "ENAMETOOLONG", "ENOENT", "ENOTDIR", "EROFS"],
    run: (k: LinuxKernel, { directory, path, mode }, { task }) => access(k, task, directory, path, mode),
  }),
  syscall({
    name: "readlinkat",
    nr: { rv64: 78 },
    support: "partial",
    note: "The only link is /proc/self/exe.",
    args: { directory: fd, path, buffer: bufferOut("size"), size },
    errors: ["EBADF", "EFAULT", "EINVAL", "ENAMETOOLONG", "ENOENT", "ENOTDIR"],
    run: (k: LinuxKernel, { directory, path, buffer }, { task }) => readLink(k, task, directory, path, buffer),
  }),
  syscall({
    name: "getcwd",
    nr: { rv64: 17 },
    support: "full",
    args: { buffer: bufferOut("size"), size },
    errors: ["EFAULT", "ERANGE"],
    run(_k: LinuxKernel, { buffer: room }, { task }) {
      const buffer = encodeText(`${task.workingDirectory}\0`);
      return buffer.length > room ? fail("ERANGE") : { kind: "done", value: buffer.length, out: { buffer } };
    },
  }),
  syscall({
    name: "umask",
    nr: { rv64: 166 },
    support: "full",
    args: { mask: uint },
    run(_k: LinuxKernel, { mask }, { task }) {
      const before = task.fileModeMask;
      task.fileModeMask = mask & 0o777;
      return done(before);
    },
  }),
] as const;
