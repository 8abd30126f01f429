/** Reading and writing through descriptors: read(2), write(2), readv(2), pread(2), lseek(2), ppoll(2), ioctl(2). */

import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import { killTask } from "../../thread/tasks.ts";
import { deadlineAfter } from "../../time/clock.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { consoleQueue, opsOf } from "../../vfs/files.ts";
import type { OpenFile } from "../../vfs/state.ts";
import {
  address,
  bufferIn,
  bufferOut,
  choice,
  fd,
  inout,
  long,
  pack,
  size,
  structIn,
  uint,
  vectorIn,
  vectorOut,
} from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { fromTimespec, signalSet, termios, timespec, winsize } from "./layouts.ts";

export const openFlags = { O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_NONBLOCK: 0o4000 } as const;
const accessMode = (file: OpenFile): number => file.flags & 3;

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
  if (file === null || accessMode(file) === openFlags.O_WRONLY) return fail("EBADF");
  const ops = opsOf(file);
  if (at !== null && !ops.seekable) return fail("ESPIPE");
  if (at !== null && at < 0n) return fail("EINVAL");
  const position = at === null ? file.position : Number(at);
  const result = ops.read(k, file, position, room);
  if ("errno" in result) return fail(result.errno);
  if ("queue" in result) {
    if (file.flags & openFlags.O_NONBLOCK) return fail("EAGAIN");
    return { kind: "blocked", wait: { kind: "read", queue: result.queue, deadlineNs: null } };
  }
  const count = result.bytes.length;
  const out = { [name]: result.bytes } as { [Key in Name]: Uint8Array };
  return at === null
    ? { kind: "done", value: count, out, commit: () => ops.advance(k, file, count) }
    : { kind: "done", value: count, out };
}

function writeTo(k: LinuxKernel, { task }: Call, number: number, bytes: Uint8Array): Outcome {
  const file = fileOf(k, task, number);
  if (file === null || accessMode(file) === openFlags.O_RDONLY) return fail("EBADF");
  const ops = opsOf(file);
  const room =
    ops.terminal && task.limits.outputBytes !== 0 ? task.limits.outputBytes - task.outputBytes : bytes.length;
  const part = room >= bytes.length ? bytes : bytes.subarray(0, room);
  const errno = ops.write(k, task, part);
  if (errno !== null) return fail(errno);
  if (ops.terminal) task.outputBytes += part.length;
  if (part.length === bytes.length) return done(bytes.length);
  killTask(k, task, signals.SIGXFSZ);
  return { kind: "gone" };
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
  if (!opsOf(file).terminal) return "ENOTTY";
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
    case ioctls.FIONREAD:
      return put(number(k.hal.serial.available()));
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

const PollEvent = { in: 1, out: 4, invalid: 0x20 } as const;

/** Fills in `revents` of a pollfd array; how many have any, and whether waiting for the console could help. */
function pollOnce(k: LinuxKernel, task: Task, set: Uint8Array): { ready: number; waits: boolean } {
  const view = new DataView(set.buffer, set.byteOffset, set.length);
  let ready = 0;
  let waits = false;
  for (let at = 0; at < set.length; at += 8) {
    const number = view.getInt32(at, true);
    const wanted = view.getUint16(at + 4, true);
    const file = number < 0 ? null : fileOf(k, task, number);
    let found = 0;
    if (number >= 0 && file === null) found = PollEvent.invalid;
    if (file !== null) {
      if (wanted & PollEvent.in && opsOf(file).readable(k)) found |= PollEvent.in;
      else if (wanted & PollEvent.in) waits = true;
      if (wanted & PollEvent.out) found |= PollEvent.out;
    }
    view.setUint16(at + 6, found, true);
    if (found !== 0) ready += 1;
  }
  return { ready, waits };
}

function poll(
  k: LinuxKernel,
  call: Call,
  where: bigint,
  count: number,
  timeout: { tv_sec: bigint; tv_nsec: bigint } | null,
): Outcome {
  if (count > limits.pollEntries) return fail("EINVAL");
  const ns = timeout === null ? null : fromTimespec(timeout);
  if (timeout !== null && ns === null) return fail("EINVAL");
  const space = getSpace(k, call.task.space);
  const set = copyIn(k, space, where, count * 8);
  if (!set.ok) return fail(set.errno);
  const { ready, waits } = pollOnce(k, call.task, set.value);
  const deadlineNs = call.progress !== null ? call.progress.deadlineNs : ns === null ? null : deadlineAfter(k, ns);
  const over = ready > 0 || (deadlineNs !== null && deadlineNs <= k.hal.timer.nowNs());
  if (!over) return { kind: "blocked", wait: { kind: "poll", queue: waits ? consoleQueue : null, deadlineNs } };
  const errno = copyOut(k, space, where, set.value);
  return errno === null ? done(ready) : fail(errno);
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
    errors: ["EBADF", "EFAULT"],
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
    errors: ["EBADF", "EFAULT", "EINVAL"],
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
  syscall({
    name: "ppoll",
    nr: { rv64: 73 },
    support: "partial",
    note: "The signal mask is not applied, the timeout not written back.",
    args: {
      fds: inout("pollfd"),
      count: uint,
      timeout: structIn(timespec),
      mask: structIn(signalSet),
      maskBytes: size,
    },
    errors: ["EFAULT", "EINTR", "EINVAL"],
    run: (k: LinuxKernel, { fds, count, timeout }, call) => poll(k, call, fds, count, timeout),
  }),
] as const;
