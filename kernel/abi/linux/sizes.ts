/** How long files are: truncate(2), fallocate(2); and what would bring them to a disk: fsync(2) and its like. */
import { limits } from "../../lib/limits.ts";
import { mayStoreBytes } from "../../mm/accounting.ts";
import { isExecuted } from "../../mm/executing.ts";
import type { StoredFile } from "../../mm/state.ts";
import { fillStored, getStored, newBytes, punchStored, resizeStored } from "../../mm/stored.ts";
import type { Task } from "../../thread/state.ts";
import { usableFileOf } from "../../vfs/descriptors.ts";
import { mayRead, mayWrite } from "../../vfs/file-ops.ts";
import { opsOf, touch } from "../../vfs/files.ts";
import {
  attributesOf,
  FileType,
  filesystemOf,
  isDirectory,
  isType,
  openedAt,
  opsOfFilesystem,
} from "../../vfs/filesystem.ts";
import { Notify, notifyFile } from "../../vfs/inotify.ts";
import { changeable, dropLending } from "../../vfs/names.ts";
import { Access, permits, subjectOf } from "../../vfs/permissions.ts";
import { forbidsSize, isSealedForWriting } from "../../vfs/seals.ts";
import { mostFileBytes, refuseSize } from "../../vfs/size-limit.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { findPlace } from "../../vfs/walk.ts";
import { choice, fd, flags, long, path } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

/** The caller may have ended by the signal that tells it so. */
function tooLong(k: LinuxKernel, task: Task): Outcome {
  const errno = refuseSize(k, task);
  return k.threads.tasks.has(task.id) ? fail(errno) : { kind: "gone" };
}

function truncatePath(k: LinuxKernel, task: Task, name: string, length: bigint): Outcome {
  if (length < 0n) return fail("EINVAL");
  const found = findPlace(k, task, task.directory, name);
  if ("errno" in found) return fail(found.errno);
  const attributes = attributesOf(k, found.place);
  if (isDirectory(attributes)) return fail("EISDIR");
  if (!isType(attributes, FileType.regular)) return fail("EINVAL");
  const there = changeable(k, found.place);
  if (typeof there === "string") return fail(there);
  if (!permits(subjectOf(k, task), attributes, Access.write)) return fail("EACCES");
  const fs = filesystemOf(k, found.place.mount);
  const target = opsOfFilesystem(k, fs).open(k, fs, found.place.inode, task);
  if (typeof target === "string" || target.kind !== "regular") return fail("EINVAL");
  if (isExecuted(k, target.file)) return fail("ETXTBSY");
  if (length > BigInt(mostFileBytes(k, task))) return tooLong(k, task);
  if (forbidsSize(getStored(k, target.file), Number(length))) return fail("EPERM");
  if (!resizeStored(k, getStored(k, target.file), Number(length))) return fail("ENOSPC");
  there.change.touch(k, there.fs, found.place.inode, "written");
  dropLending(k, task, found.place);
  notifyFile(k, openedAt(k, found.place, found.directory, found.name), Notify.modify);
  return done(0);
}

function truncateFile(k: LinuxKernel, task: Task, file: OpenFile | null, length: bigint): Outcome {
  if (file === null) return fail("EBADF");
  if (length < 0n || file.target.kind !== "regular" || !mayWrite(file)) return fail("EINVAL");
  if (length > BigInt(mostFileBytes(k, task))) return tooLong(k, task);
  if (forbidsSize(getStored(k, file.target.file), Number(length))) return fail("EPERM");
  if (!resizeStored(k, getStored(k, file.target.file), Number(length))) return fail("ENOSPC");
  touch(k, file, "written");
  if (file.opened !== null) dropLending(k, task, file.opened);
  notifyFile(k, file.opened, Notify.modify);
  return done(0);
}

const Allocate = { FALLOC_FL_KEEP_SIZE: 1, FALLOC_FL_PUNCH_HOLE: 2, FALLOC_FL_ZERO_RANGE: 0x10 } as const;

function allocateRange(k: LinuxKernel, stored: StoredFile, how: number, start: number, end: number): boolean {
  if (how & (Allocate.FALLOC_FL_PUNCH_HOLE | Allocate.FALLOC_FL_ZERO_RANGE) && !punchStored(k, stored, start, end))
    return false;
  if (how & Allocate.FALLOC_FL_PUNCH_HOLE) return true;
  if (!mayStoreBytes(k, newBytes(k, stored, start, end - start)) || !fillStored(k, stored, start, end)) return false;
  if (!(how & Allocate.FALLOC_FL_KEEP_SIZE)) stored.size = Math.max(stored.size, end);
  return true;
}

function allocate(
  k: LinuxKernel,
  task: Task,
  file: OpenFile | null,
  how: number,
  offset: bigint,
  length: bigint,
): Outcome {
  if (file === null) return fail("EBADF");
  if (offset < 0n || length <= 0n) return fail("EINVAL");
  const punches = (how & Allocate.FALLOC_FL_PUNCH_HOLE) !== 0;
  const known = Allocate.FALLOC_FL_KEEP_SIZE | Allocate.FALLOC_FL_PUNCH_HOLE | Allocate.FALLOC_FL_ZERO_RANGE;
  if (how & ~known || (punches && how !== (Allocate.FALLOC_FL_PUNCH_HOLE | Allocate.FALLOC_FL_KEEP_SIZE)))
    return fail("EOPNOTSUPP");
  if (!mayWrite(file)) return fail("EBADF");
  if (file.target.kind === "pipe") return fail("ESPIPE");
  if (file.target.kind !== "regular") return fail("ENODEV");
  if (offset + length > BigInt(limits.fileBytes)) return fail("EFBIG");
  const grows = !(how & Allocate.FALLOC_FL_KEEP_SIZE);
  const end = Number(offset + length);
  if (grows && offset + length > BigInt(mostFileBytes(k, task))) return tooLong(k, task);
  const stored = getStored(k, file.target.file);
  const changes = (how & (Allocate.FALLOC_FL_PUNCH_HOLE | Allocate.FALLOC_FL_ZERO_RANGE)) !== 0;
  const grownBytes = punches ? stored.size : Math.max(stored.size, end);
  if ((changes && isSealedForWriting(stored)) || forbidsSize(stored, grownBytes)) return fail("EPERM");
  if (!allocateRange(k, stored, how, Number(offset), end)) return fail("ENOSPC");
  touch(k, file, "written");
  if (file.opened !== null) dropLending(k, task, file.opened);
  notifyFile(k, file.opened, Notify.modify);
  return done(0);
}

/** What is written is where it stays; there is no disk to wait for. */
const isSynced = (k: LinuxKernel, task: Task, number: number): Outcome => {
  const file = usableFileOf(k, task, number);
  if (file === null) return fail("EBADF");
  return opsOf(file).seekable ? done(0) : fail("EINVAL");
};

const Advice = { NORMAL: 0, RANDOM: 1, SEQUENTIAL: 2, WILLNEED: 3, DONTNEED: 4, NOREUSE: 5 } as const;

const Range = { WAIT_BEFORE: 1, WRITE: 2, WAIT_AFTER: 4 } as const;
const wholeRange = Range.WAIT_BEFORE | Range.WRITE | Range.WAIT_AFTER;

/** A range of what is on no disk: checked, and done. */
function syncRange(file: OpenFile | null, offset: bigint, length: bigint, how: number): Outcome {
  if (file === null) return fail("EBADF");
  if (how & ~wholeRange || offset < 0n || length < 0n || offset + length >= 2n ** 63n) return fail("EINVAL");
  return file.target.kind === "regular" || file.target.kind === "directory" ? done(0) : fail("ESPIPE");
}

const syncCalls = [
  syscall({
    name: "syncfs",
    nr: { rv64: 267 },
    support: "full",
    args: { fd },
    errors: ["EBADF"],
    run(k: LinuxKernel, { fd }, { task }) {
      const file = usableFileOf(k, task, fd);
      return file === null ? fail("EBADF") : done(0);
    },
  }),
  syscall({
    name: "sync_file_range",
    nr: { rv64: 84 },
    support: "full",
    args: { fd, offset: long, length: long, flags: flags(Range) },
    errors: ["EBADF", "EINVAL", "ESPIPE"],
    run: (k: LinuxKernel, { fd, offset, length, flags }, { task }) =>
      syncRange(usableFileOf(k, task, fd), offset, length, flags),
  }),
  syscall({
    name: "readahead",
    nr: { rv64: 213 },
    support: "full",
    note: "Nothing to do: there is no disk to read from.",
    args: { fd, offset: long, count: long },
    errors: ["EBADF", "EINVAL"],
    run(k: LinuxKernel, { fd, count }, { task }) {
      const file = usableFileOf(k, task, fd);
      if (file === null || !mayRead(file)) return fail("EBADF");
      return file.target.kind !== "regular" || count < 0n ? fail("EINVAL") : done(0);
    },
  }),
] as const;

export const sizeCalls = [
  ...syncCalls,
  syscall({
    name: "truncate",
    nr: { rv64: 45 },
    support: "full",
    args: { path, length: long },
    errors: [
      "EACCES",
      "EFAULT",
      "EFBIG",
      "EINVAL",
      "EISDIR",
      "ELOOP",
      "ENAMETOOLONG",
      "ENOENT",
      "ENOSPC",
      "ENOTDIR",
      "EPERM",
      "EROFS",
      "ETXTBSY",
    ],
    run: (k: LinuxKernel, { path, length }, { task }) => truncatePath(k, task, path, length),
  }),
  syscall({
    name: "ftruncate",
    nr: { rv64: 46 },
    support: "full",
    args: { fd, length: long },
    errors: ["EBADF", "EFBIG", "EINVAL", "ENOSPC", "EPERM"],
    run: (k: LinuxKernel, { fd, length }, { task }) => truncateFile(k, task, usableFileOf(k, task, fd), length),
  }),
  syscall({
    name: "fallocate",
    nr: { rv64: 47 },
    support: "partial",
    note: "Allocating, zeroing and punching holes; ranges cannot be collapsed or inserted.",
    args: { fd, mode: flags(Allocate), offset: long, length: long },
    errors: ["EBADF", "EFBIG", "EINVAL", "ENODEV", "ENOSPC", "EOPNOTSUPP", "EPERM", "ESPIPE"],
    run: (k: LinuxKernel, { fd, mode, offset, length }, { task }) =>
      allocate(k, task, usableFileOf(k, task, fd), mode, offset, length),
  }),
  syscall({
    name: "sync",
    nr: { rv64: 81 },
    support: "full",
    args: {},
    run: () => done(0),
  }),
  syscall({
    name: "fsync",
    nr: { rv64: 82 },
    support: "full",
    args: { fd },
    errors: ["EBADF", "EINVAL"],
    run: (k: LinuxKernel, { fd }, { task }) => isSynced(k, task, fd),
  }),
  syscall({
    name: "fdatasync",
    nr: { rv64: 83 },
    support: "full",
    args: { fd },
    errors: ["EBADF", "EINVAL"],
    run: (k: LinuxKernel, { fd }, { task }) => isSynced(k, task, fd),
  }),
  syscall({
    name: "fadvise64",
    nr: { rv64: 223 },
    support: "full",
    args: { fd, offset: long, length: long, advice: choice(Advice) },
    errors: ["EBADF", "EINVAL", "ESPIPE"],
    run(k: LinuxKernel, { fd, length, advice }, { task }) {
      const file = usableFileOf(k, task, fd);
      if (file === null) return fail("EBADF");
      if (file.target.kind === "pipe") return fail("ESPIPE");
      return length < 0n || advice > Advice.NOREUSE ? fail("EINVAL") : done(0);
    },
  }),
] as const;
