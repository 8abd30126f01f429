/** Reading and writing through descriptors: read(2), write(2), readv(2), pread(2), lseek(2), ioctl(2). */

import { saturate } from "../../lib/bits.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { getStored, seekStored } from "../../mm/stored.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { countOutput, outputLeft } from "../../thread/jobs.ts";
import { fromSender, SignalCode, sendSignal } from "../../thread/signals.ts";
import { killTask } from "../../thread/tasks.ts";
import { terminalQueue, writeTerminal } from "../../tty/terminal.ts";
import { fileOf, setCloseOnExec, usableFileOf } from "../../vfs/descriptors.ts";
import { mayRead, mayWrite } from "../../vfs/file-ops.ts";
import { opsOf } from "../../vfs/files.ts";
import { Notify, notifyFile } from "../../vfs/inotify.ts";
import { dropLending } from "../../vfs/names.ts";
import { OpenFlag } from "../../vfs/open.ts";
import type { OpenFile, OpenTarget } from "../../vfs/state.ts";
import {
  address,
  bufferIn,
  bufferOut,
  choice,
  fd,
  flags,
  long,
  size,
  uint,
  vectorIn,
  vectorOut,
} from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { NamespaceRequest, namespaceIoctl } from "./namespaces.ts";
import { TerminalRequest, terminalIoctl } from "./terminals.ts";

/** Reads at the file's position, or at a given one; the bytes go to the call's out argument of this name. */
function readFrom<Name extends string>(
  k: LinuxKernel,
  call: Call,
  number: number,
  at: bigint | null,
  room: number,
  name: Name,
  how = 0,
): Outcome<{ [Key in Name]: Uint8Array }> {
  const file = fileOf(k, call.task, number);
  if (file === null || !mayRead(file)) return fail("EBADF");
  const ops = opsOf(file);
  if (at !== null && !ops.seekable) return fail("ESPIPE");
  if (at !== null && at < 0n) return fail("EINVAL");
  const position = at === null ? file.position : saturate(at);
  const result = ops.read(k, file, position, room, call);
  if ("errno" in result) return fail(result.errno);
  if ("queue" in result) {
    if (file.flags & OpenFlag.O_NONBLOCK || how & ReadWrite.RWF_NOWAIT) return fail("EAGAIN");
    return { kind: "blocked", wait: { kind: "read", queue: result.queue, deadlineNs: result.dueNs ?? null } };
  }
  const count = result.bytes.length;
  const out = { [name]: result.bytes } as { [Key in Name]: Uint8Array };
  const commit = (): void => {
    if (at === null) ops.advance(k, file, count, call);
    if (count > 0) notifyFile(k, file.opened, Notify.access);
  };
  return { kind: "done", value: count, out, commit };
}

/** Whether it is the side of a terminal where programs print. */
export const isTerminal = ({ target: { kind } }: OpenFile): boolean => kind === "console" || kind === "slave";

/** Prints; at the console up to the task's limit, which ends it. */
export function writeToTerminal(k: LinuxKernel, call: Call, file: OpenFile, bytes: Uint8Array): Outcome {
  const { task, progress } = call;
  const id = opsOf(file).terminal!(k, file);
  if (id === null) return fail("EIO");
  const before = progress?.kind === "write" ? progress.done : 0;
  const rest = bytes.subarray(before);
  const part = id === "console" ? rest.subarray(0, Math.min(rest.length, outputLeft(k, task))) : rest;
  const written = writeTerminal(k, id, call, part);
  if (typeof written !== "number") return before > 0 ? done(before) : fail(written);
  if (id === "console") countOutput(k, task, written);
  const count = before + written;
  if (count === bytes.length) return done(count);
  if (written === part.length) {
    killTask(k, task, signals.SIGXFSZ);
    return { kind: "gone" };
  }
  if (file.flags & OpenFlag.O_NONBLOCK) return count > 0 ? done(count) : fail("EAGAIN");
  return { kind: "blocked", wait: { kind: "write", queue: terminalQueue(id), deadlineNs: null, done: count } };
}

/** Where a write goes: behind the end of a file that is appended to, whatever was asked for. */
function placeOfWrite(k: LinuxKernel, file: OpenFile, at: bigint | null, how: number): number | Errno {
  const ops = opsOf(file);
  if (at !== null && !ops.seekable) return "ESPIPE";
  if (at !== null && at < 0n) return "EINVAL";
  const appends = (file.flags & OpenFlag.O_APPEND && !(how & ReadWrite.RWF_NOAPPEND)) || how & ReadWrite.RWF_APPEND;
  if (ops.seekable && appends) return ops.size(k, file);
  return at === null ? file.position : saturate(at);
}

function writeTo(k: LinuxKernel, call: Call, number: number, at: bigint | null, bytes: Uint8Array, how = 0): Outcome {
  const file = fileOf(k, call.task, number);
  if (file === null || !mayWrite(file)) return fail("EBADF");
  const outcome = writeFile(k, call, file, { at, how }, bytes);
  if (outcome.kind !== "done" || outcome.value === 0) return outcome;
  if (file.target.kind === "regular" && file.opened !== null) dropLending(k, call.task, file.opened);
  notifyFile(k, file.opened, Notify.modify);
  return outcome;
}

/** What becomes of a call that could not write: who writes to what nobody reads any more is told by a signal, and may end. */
export function failedWrite(k: LinuxKernel, { task, thread }: Call, errno: Errno): Outcome<never> {
  if (errno === "EPIPE") sendSignal(k, task, fromSender(k, signals.SIGPIPE, SignalCode.user, task), thread);
  return k.threads.tasks.has(task.id) ? fail(errno) : { kind: "gone" };
}

function writeFile(
  k: LinuxKernel,
  call: Call,
  file: OpenFile,
  { at, how }: { at: bigint | null; how: number },
  bytes: Uint8Array,
): Outcome {
  const { task, progress } = call;
  const place = placeOfWrite(k, file, at, how);
  if (typeof place === "string") return fail(place);
  const ops = opsOf(file);
  if (isTerminal(file)) return writeToTerminal(k, call, file, bytes);
  const before = progress?.kind === "write" ? progress.done : 0;
  const rest = before === 0 ? bytes : bytes.subarray(before);
  const result = ops.write(k, task, file, place, rest, before === 0);
  if ("errno" in result) {
    const failed = failedWrite(k, call, result.errno);
    return failed.kind === "fail" && before > 0 ? done(before) : failed;
  }
  // What was typed at a terminal can be a key that ends who typed it.
  if (!k.threads.tasks.has(task.id)) return { kind: "gone" };
  if (ops.seekable && at === null) file.position = place + result.count;
  const count = before + result.count;
  if (result.queue === undefined) return done(count);
  if (file.flags & OpenFlag.O_NONBLOCK || how & ReadWrite.RWF_NOWAIT) return count > 0 ? done(count) : fail("EAGAIN");
  return { kind: "blocked", wait: { kind: "write", queue: result.queue, deadlineNs: null, done: count } };
}

const ioctls = {
  ...TerminalRequest,
  ...NamespaceRequest,
  FIONREAD: 0x541b,
  FIONBIO: 0x5421,
  FIONCLEX: 0x5450,
  FIOCLEX: 0x5451,
} as const;

function ioctl(k: LinuxKernel, call: Call, number: number, request: number, where: bigint): Outcome {
  const { task } = call;
  const file = usableFileOf(k, task, number);
  if (file === null) return fail("EBADF");
  const space = getSpace(k, task.space);
  const { available } = opsOf(file);
  switch (request) {
    case ioctls.FIONREAD: {
      if (available === undefined) return fail("ENOTTY");
      const value = available(k, file);
      const errno = copyOut(k, space, where, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
      return orError(errno);
    }
    case ioctls.FIONBIO: {
      const on = copyIn(k, space, where, 4);
      if (!on.ok) return fail(on.errno);
      file.flags =
        (file.flags & ~OpenFlag.O_NONBLOCK) | (on.value.some((byte) => byte !== 0) ? OpenFlag.O_NONBLOCK : 0);
      return done(0);
    }
    case ioctls.FIOCLEX:
    case ioctls.FIONCLEX:
      setCloseOnExec(k, task, number, request === ioctls.FIOCLEX);
      return done(0);
    default:
      if (file.target.kind === "namespace") return namespaceIoctl(k, call, file.target, request, where);
      return terminalIoctl(k, call, file, request, where);
  }
}

const Whence = { SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2, SEEK_DATA: 3, SEEK_HOLE: 4 } as const;

/** Where data, or a hole, begins. */
function seekContent(k: LinuxKernel, file: OpenFile, offset: bigint, wanted: "data" | "hole"): Outcome {
  const size = opsOf(file).size(k, file);
  if (offset < 0n || offset >= BigInt(size)) return fail("ENXIO");
  const from = Number(offset);
  const found =
    file.target.kind === "regular"
      ? seekStored(k, getStored(k, file.target.file), from, wanted)
      : wanted === "data"
        ? from
        : size;
  if (found === null) return fail("ENXIO");
  file.position = found;
  return done(found);
}

/** Seeking in these is in vain, but no error. */
const positionless: readonly OpenTarget["kind"][] = ["device", "event", "timer", "epoll", "signals", "inotify"];

function seek(k: LinuxKernel, file: OpenFile, offset: bigint, whence: number): Outcome {
  const ops = opsOf(file);
  if (file.target.kind === "path") return fail("EBADF");
  if (positionless.includes(file.target.kind)) return done(0);
  if (!ops.seekable) return fail("ESPIPE");
  if (whence === Whence.SEEK_DATA || whence === Whence.SEEK_HOLE)
    return seekContent(k, file, offset, whence === Whence.SEEK_DATA ? "data" : "hole");
  const base = [0, file.position, ops.size(k, file)][whence];
  if (base === undefined) return fail("EINVAL");
  const position = BigInt(base) + offset;
  if (position < 0n) return fail("EINVAL");
  if (position > BigInt(limits.fileBytes)) return fail("EINVAL");
  file.position = Number(position);
  return done(position);
}

/** preadv2 and pwritev2: -1 is the file's own position. */
const offsetOf = (offset: bigint): bigint | null => (offset === -1n ? null : offset);
const ReadWrite = {
  RWF_HIPRI: 1,
  RWF_DSYNC: 2,
  RWF_SYNC: 4,
  RWF_NOWAIT: 8,
  RWF_APPEND: 0x10,
  RWF_NOAPPEND: 0x20,
} as const;
const knownReadWrite = Object.values(ReadWrite).reduce((all, flag) => all | flag, 0);
const bothWays = ReadWrite.RWF_APPEND | ReadWrite.RWF_NOAPPEND;

/** What flags ask for of this one call. Files in memory do not take RWF_NOWAIT, as in Linux. */
function asked(k: LinuxKernel, { task }: Call, number: number, wanted: number): number | Errno {
  if (wanted & ~knownReadWrite) return "EOPNOTSUPP";
  const isRegular = fileOf(k, task, number)?.target.kind === "regular";
  if (wanted & ReadWrite.RWF_NOWAIT && isRegular) return "EOPNOTSUPP";
  return (wanted & bothWays) === bothWays ? "EINVAL" : wanted;
}

const readErrors = ["EAGAIN", "EBADF", "EFAULT", "EINTR", "EINVAL", "EISDIR", "ENOMEM", "ENXIO", "ESPIPE"] as const;
const writeErrors = [
  "EAGAIN",
  "EBADF",
  "EFAULT",
  "EFBIG",
  "EINTR",
  "EINVAL",
  "ENOSPC",
  "ENXIO",
  "EPIPE",
  "ESPIPE",
] as const;

export const ioCalls = [
  syscall({
    name: "read",
    nr: { rv64: 63 },
    support: "full",
    args: { fd, buffer: bufferOut("count"), count: size },
    errors: readErrors,
    run: (k: LinuxKernel, { fd, buffer }, call) => readFrom(k, call, fd, null, buffer, "buffer"),
  }),
  syscall({
    name: "write",
    nr: { rv64: 64 },
    support: "full",
    note: "Beyond the task's output limit the task is killed with SIGXFSZ.",
    args: { fd, buffer: bufferIn("count"), count: size },
    errors: writeErrors,
    run: (k: LinuxKernel, { fd, buffer }, call) => writeTo(k, call, fd, null, buffer),
  }),
  syscall({
    name: "readv",
    nr: { rv64: 65 },
    support: "full",
    args: { fd, vector: vectorOut("count"), count: uint },
    errors: readErrors,
    run: (k: LinuxKernel, { fd, vector }, call) => readFrom(k, call, fd, null, vector, "vector"),
  }),
  syscall({
    name: "writev",
    nr: { rv64: 66 },
    support: "full",
    args: { fd, vector: vectorIn("count"), count: uint },
    errors: writeErrors,
    run: (k: LinuxKernel, { fd, vector }, call) => writeTo(k, call, fd, null, vector),
  }),
  syscall({
    name: "pread64",
    nr: { rv64: 67 },
    support: "full",
    args: { fd, buffer: bufferOut("count"), count: size, offset: long },
    errors: readErrors,
    run: (k: LinuxKernel, { fd, buffer, offset }, call) => readFrom(k, call, fd, offset, buffer, "buffer"),
  }),
  syscall({
    name: "pwrite64",
    nr: { rv64: 68 },
    support: "full",
    args: { fd, buffer: bufferIn("count"), count: size, offset: long },
    errors: writeErrors,
    run: (k: LinuxKernel, { fd, buffer, offset }, call) => writeTo(k, call, fd, offset, buffer),
  }),
  syscall({
    name: "preadv",
    nr: { rv64: 69 },
    support: "full",
    args: { fd, vector: vectorOut("count"), count: uint, offset: long },
    errors: readErrors,
    run: (k: LinuxKernel, { fd, vector, offset }, call) => readFrom(k, call, fd, offset, vector, "vector"),
  }),
  syscall({
    name: "pwritev",
    nr: { rv64: 70 },
    support: "full",
    args: { fd, vector: vectorIn("count"), count: uint, offset: long },
    errors: writeErrors,
    run: (k: LinuxKernel, { fd, vector, offset }, call) => writeTo(k, call, fd, offset, vector),
  }),
  syscall({
    name: "preadv2",
    nr: { rv64: 286 },
    support: "full",
    args: { fd, vector: vectorOut("count"), count: uint, offset: long, unused: long, flags: flags(ReadWrite) },
    errors: [...readErrors, "EOPNOTSUPP"],
    run(k: LinuxKernel, { fd, vector, offset, flags }, call) {
      const how = asked(k, call, fd, flags);
      if (typeof how === "string") return fail(how);
      return readFrom(k, call, fd, offsetOf(offset), vector, "vector", how);
    },
  }),
  syscall({
    name: "pwritev2",
    nr: { rv64: 287 },
    support: "full",
    args: { fd, vector: vectorIn("count"), count: uint, offset: long, unused: long, flags: flags(ReadWrite) },
    errors: [...writeErrors, "EOPNOTSUPP"],
    run(k: LinuxKernel, { fd, vector, offset, flags }, call) {
      const how = asked(k, call, fd, flags);
      return typeof how === "string" ? fail(how) : writeTo(k, call, fd, offsetOf(offset), vector, how);
    },
  }),
  syscall({
    name: "lseek",
    nr: { rv64: 62 },
    support: "full",
    args: { fd, offset: long, whence: choice(Whence) },
    errors: ["EBADF", "EINVAL", "ENXIO", "EOVERFLOW", "ESPIPE"],
    run(k: LinuxKernel, { fd, offset, whence }, { task }) {
      const file = fileOf(k, task, fd);
      return file === null ? fail("EBADF") : seek(k, file, offset, whence);
    },
  }),
  syscall({
    name: "ioctl",
    nr: { rv64: 29 },
    support: "partial",
    note: "What terminals know (ioctl_tty(2), but TIOCPKT), FIONREAD, FIONBIO, FIOCLEX and FIONCLEX.",
    args: { fd, request: choice(ioctls), argument: address },
    errors: ["EBADF", "EFAULT", "EINTR", "EINVAL", "EIO", "ENOTTY", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { fd, request, argument }, call) => ioctl(k, call, fd, request, argument),
  }),
] as const;
