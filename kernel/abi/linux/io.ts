/** Reading and writing through descriptors: read(2), write(2), readv(2), pread(2), lseek(2), ioctl(2). */

import type { Errno } from "../../lib/errno.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { countOutput, outputLeft } from "../../thread/jobs.ts";
import { sendSignal } from "../../thread/signals.ts";
import type { Task } from "../../thread/state.ts";
import { killTask } from "../../thread/tasks.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { mayRead, mayWrite, opsOf } from "../../vfs/files.ts";
import type { OpenFile } from "../../vfs/state.ts";
import {
  address,
  bufferIn,
  bufferOut,
  choice,
  fd,
  long,
  pack,
  size,
  uint,
  vectorIn,
  vectorOut,
} from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { termios, winsize } from "./layouts.ts";

const nonBlocking = 0o4000;

/** Reads at the file's position, or at a given one; the bytes go to the call's out argument of this name. */
function readFrom<Name extends string>(
  k: LinuxKernel,
  task: Task,
  number: number,
  at: bigint | null,
  room: number,
  name: Name,
): Outcome<{ [Key in Name]: Uint8Array }> {
  const file = fileOf(k, task, number);
  if (file === null || !mayRead(file)) return fail("EBADF");
  const ops = opsOf(file);
  if (at !== null && !ops.seekable) return fail("ESPIPE");
  if (at !== null && at < 0n) return fail("EINVAL");
  const position = at === null ? file.position : Number(at);
  const result = ops.read(k, file, position, room);
  if ("errno" in result) return fail(result.errno);
  if ("queue" in result) {
    if (file.flags & nonBlocking) return fail("EAGAIN");
    return { kind: "blocked", wait: { kind: "read", queue: result.queue, deadlineNs: null } };
  }
  const count = result.bytes.length;
  const out = { [name]: result.bytes } as { [Key in Name]: Uint8Array };
  return at === null
    ? { kind: "done", value: count, out, commit: () => ops.advance(k, file, count) }
    : { kind: "done", value: count, out };
}

/** The console takes all of it, up to the task's limit, which ends it. */
function writeToTerminal(k: LinuxKernel, task: Task, file: OpenFile, bytes: Uint8Array): Outcome {
  const part = bytes.subarray(0, Math.min(bytes.length, outputLeft(k, task)));
  const result = opsOf(file).write(k, task, file, part);
  if ("errno" in result) return fail(result.errno);
  countOutput(k, task, part.length);
  if (part.length === bytes.length) return done(bytes.length);
  killTask(k, task, signals.SIGXFSZ);
  return { kind: "gone" };
}

function writeTo(k: LinuxKernel, { task, thread, progress }: Call, number: number, bytes: Uint8Array): Outcome {
  const file = fileOf(k, task, number);
  if (file === null || !mayWrite(file)) return fail("EBADF");
  if (opsOf(file).terminal) return writeToTerminal(k, task, file, bytes);
  const before = progress?.kind === "write" ? progress.done : 0;
  const result = opsOf(file).write(k, task, file, bytes.subarray(before));
  if ("errno" in result) {
    if (result.errno === "EPIPE" && sendSignal(k, task, thread, signals.SIGPIPE)) return { kind: "gone" };
    return before > 0 ? done(before) : fail(result.errno);
  }
  const count = before + result.count;
  if (result.queue === undefined) return done(count);
  if (file.flags & nonBlocking) return count > 0 ? done(count) : fail("EAGAIN");
  return { kind: "blocked", wait: { kind: "write", queue: result.queue, deadlineNs: null, done: count } };
}

const ioctls = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TCSETSW: 0x5403,
  TCSETSF: 0x5404,
  TIOCGPGRP: 0x540f,
  TIOCGWINSZ: 0x5413,
  FIONREAD: 0x541b,
} as const;

function ioctl(k: LinuxKernel, { task }: Call, file: OpenFile, request: number, where: bigint): Errno | null {
  const put = (bytes: Uint8Array): Errno | null => copyOut(k, getSpace(k, task.space), where, bytes);
  const number = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
  const { terminal, available } = opsOf(file);
  if (request === ioctls.FIONREAD && available !== undefined) return put(number(available(k, file)));
  if (!terminal) return "ENOTTY";
  switch (request) {
    case ioctls.TCGETS:
      // A raw line: no editing, no echo, newline stays newline.
      return put(pack(termios, { c_iflag: 0, c_oflag: 0, c_cflag: 0o277, c_lflag: 0, c_line: 0 }));
    case ioctls.TCSETS:
    case ioctls.TCSETSW:
    case ioctls.TCSETSF: {
      const settings = copyIn(k, getSpace(k, task.space), where, termios.bytes);
      return settings.ok ? null : settings.errno;
    }
    case ioctls.TIOCGWINSZ:
      return put(pack(winsize, { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }));
    case ioctls.TIOCGPGRP:
      return put(number(task.id));
    default:
      return "ENOTTY";
  }
}

function seek(file: OpenFile, offset: bigint, whence: number): Outcome {
  const ops = opsOf(file);
  if (!ops.seekable) return fail("ESPIPE");
  const base = [0, file.position, ops.size(file)][whence];
  if (base === undefined) return fail("EINVAL");
  const position = BigInt(base) + offset;
  if (position < 0n) return fail("EINVAL");
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) return fail("EOVERFLOW");
  file.position = Number(position);
  return done(position);
}

export const ioCalls = [
  syscall({
    name: "read",
    nr: { rv64: 63 },
    support: "full",
    args: { fd, buffer: bufferOut("count"), count: size },
    errors: ["EAGAIN", "EBADF", "EFAULT", "EINTR", "EISDIR"],
    run: (k: LinuxKernel, { fd, buffer }, { task }) => readFrom(k, task, fd, null, buffer, "buffer"),
  }),
  syscall({
    name: "write",
    nr: { rv64: 64 },
    support: "full",
    note: "Beyond the task's output limit the task is killed with SIGXFSZ.",
    args: { fd, buffer: bufferIn("count"), count: size },
    errors: ["EAGAIN", "EBADF", "EFAULT", "EINTR", "EPIPE"],
    run: (k: LinuxKernel, { fd, buffer }, call) => writeTo(k, call, fd, buffer),
  }),
  syscall({
    name: "readv",
    nr: { rv64: 65 },
    support: "full",
    args: { fd, vector: vectorOut("count"), count: uint },
    errors: ["EAGAIN", "EBADF", "EFAULT", "EINTR", "EINVAL"],
    run: (k: LinuxKernel, { fd, vector }, { task }) => readFrom(k, task, fd, null, vector, "vector"),
  }),
  syscall({
    name: "writev",
    nr: { rv64: 66 },
    support: "full",
    args: { fd, vector: vectorIn("count"), count: uint },
    errors: ["EAGAIN", "EBADF", "EFAULT", "EINTR", "EINVAL", "EPIPE"],
    run: (k: LinuxKernel, { fd, vector }, call) => writeTo(k, call, fd, vector),
  }),
  syscall({
    name: "pread64",
    nr: { rv64: 67 },
    support: "full",
    args: { fd, buffer: bufferOut("count"), count: size, offset: long },
    errors: ["EBADF", "EFAULT", "EINVAL", "ESPIPE"],
    run: (k: LinuxKernel, { fd, buffer, offset }, { task }) => readFrom(k, task, fd, offset, buffer, "buffer"),
  }),
  syscall({
    name: "lseek",
    nr: { rv64: 62 },
    support: "full",
    args: { fd, offset: long, whence: choice({ SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2 }) },
    errors: ["EBADF", "EINVAL", "EOVERFLOW", "ESPIPE"],
    run(k: LinuxKernel, { fd, offset, whence }, { task }) {
      const file = fileOf(k, task, fd);
      return file === null ? fail("EBADF") : seek(file, offset, whence);
    },
  }),
  syscall({
    name: "ioctl",
    nr: { rv64: 29 },
    support: "partial",
    note: "The console is a raw line of 24 by 80: TCGETS, TCSETS (ignored), TIOCGWINSZ, TIOCGPGRP, FIONREAD.",
    args: { fd, request: choice(ioctls), argument: address },
    errors: ["EBADF", "EFAULT", "ENOTTY"],
    run(k: LinuxKernel, { fd, request, argument }, call) {
      const file = fileOf(k, call.task, fd);
      if (file === null) return fail("EBADF");
      const errno = ioctl(k, call, file, request, argument);
      return errno === null ? done(0) : fail(errno);
    },
  }),
] as const;
