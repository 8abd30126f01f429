/** Descriptors: close(2), close_range(2), dup(2), fcntl(2), flock(2). */
import { pageBytes } from "../../hal/types.ts";
import type { Task } from "../../thread/state.ts";
import {
  closeDescriptor,
  closeDescriptors,
  duplicate,
  fileOf,
  replaceDescriptor,
  setCloseOnExec,
} from "../../vfs/descriptors.ts";
import { inPackets } from "../../vfs/file-ops.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { getPipe, resizePipe } from "../../vfs/pipe.ts";
import { addSeals, sealsOf } from "../../vfs/seals.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { choice, fd, flags, long, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { isLockCommand, LockCommand, lockRange } from "./locks.ts";

const Fcntl = {
  F_DUPFD: 0,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  F_DUPFD_CLOEXEC: 1030,
  F_SETPIPE_SZ: 1031,
  F_GETPIPE_SZ: 1032,
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
  ...LockCommand,
} as const;
const closeOnExec = 1;

function fcntl(k: LinuxKernel, call: Call, number: number, file: OpenFile, command: number, argument: bigint): Outcome {
  const { task } = call;
  const descriptor = task.descriptors[number]!;
  const value = argument > 0xffff_ffffn || argument < 0n ? -1 : Number(argument);
  switch (command) {
    case Fcntl.F_DUPFD:
    case Fcntl.F_DUPFD_CLOEXEC: {
      const result = duplicate(k, task, number, value, command === Fcntl.F_DUPFD_CLOEXEC);
      return typeof result === "number" ? done(result) : fail(result);
    }
    case Fcntl.F_GETFD:
      return done(descriptor.closeOnExec ? closeOnExec : 0);
    case Fcntl.F_SETFD:
      setCloseOnExec(k, task, number, (value & closeOnExec) !== 0);
      return done(0);
    case Fcntl.F_GETFL:
      return done(file.flags);
  }
  // The rest is about the file, which a name alone is not.
  if (file.target.kind === "path") return fail("EBADF");
  if (isLockCommand(command)) return lockRange(k, call, file, command, argument);
  switch (command) {
    case Fcntl.F_SETFL: {
      const ofPipes = file.target.kind === "pipe" ? inPackets : 0;
      const settable = OpenFlag.O_APPEND | OpenFlag.O_NONBLOCK | OpenFlag.O_NOATIME | ofPipes;
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
    case Fcntl.F_ADD_SEALS:
      return orError(addSeals(k, file, value));
    case Fcntl.F_GET_SEALS: {
      const seals = sealsOf(k, file);
      return seals === null ? fail("EINVAL") : done(seals);
    }
    default:
      return fail("EINVAL");
  }
}

const CloseRange = { CLOSE_RANGE_UNSHARE: 2, CLOSE_RANGE_CLOEXEC: 4 } as const;

function closeRange(k: LinuxKernel, task: Task, first: number, last: number, how: number): Outcome {
  if (how & ~(CloseRange.CLOSE_RANGE_UNSHARE | CloseRange.CLOSE_RANGE_CLOEXEC) || first > last) return fail("EINVAL");
  if (how & CloseRange.CLOSE_RANGE_UNSHARE) task.sharing.files = null;
  const end = Math.min(last, task.descriptors.length - 1);
  const open: number[] = [];
  for (let number = first; number <= end; number++) if ((task.descriptors[number] ?? null) !== null) open.push(number);
  if (how & CloseRange.CLOSE_RANGE_CLOEXEC) for (const number of open) setCloseOnExec(k, task, number, true);
  else closeDescriptors(k, task, open);
  return done(0);
}

export const descriptorCalls = [
  syscall({
    name: "close",
    nr: { rv64: 57 },
    support: "full",
    args: { fd },
    errors: ["EBADF"],
    run: (k: LinuxKernel, { fd }, { task }) => (closeDescriptor(k, task, fd) ? done(0) : fail("EBADF")),
  }),
  syscall({
    name: "close_range",
    nr: { rv64: 436 },
    support: "full",
    args: { first: uint, last: uint, flags: flags(CloseRange) },
    errors: ["EINVAL"],
    run: (k: LinuxKernel, { first, last, flags }, { task }) => closeRange(k, task, first, last, flags),
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
    args: { from: fd, to: fd, flags: flags({ O_CLOEXEC: OpenFlag.O_CLOEXEC }) },
    errors: ["EBADF", "EINVAL", "EMFILE"],
    run(k: LinuxKernel, { from, to, flags }, { task }) {
      if (from === to || flags & ~OpenFlag.O_CLOEXEC) return fail("EINVAL");
      const result = replaceDescriptor(k, task, from, to, flags !== 0);
      return typeof result === "number" ? done(result) : fail(result);
    },
  }),
  syscall({
    name: "fcntl",
    nr: { rv64: 25 },
    support: "partial",
    note: "Descriptor and status flags, duplication, sizes of pipes, locks, seals; no owners or leases.",
    args: { fd, command: choice(Fcntl), argument: long },
    errors: ["EAGAIN", "EBADF", "EBUSY", "EDEADLK", "EFAULT", "EINTR", "EINVAL", "EMFILE", "ENOLCK", "EPERM"],
    run(k: LinuxKernel, { fd, command, argument }, call) {
      const file = fileOf(k, call.task, fd);
      return file === null ? fail("EBADF") : fcntl(k, call, fd, file, command, argument);
    },
  }),
] as const;
