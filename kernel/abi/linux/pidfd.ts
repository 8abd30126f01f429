/** Descriptors of processes and of signals: pidfd_open(2) and what can be done with one, signalfd4(2). */

import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId, ThreadId } from "../../lib/ids.ts";
import { lastSignal } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn } from "../../mm/user.ts";
import { wakeQueue } from "../../thread/blocking.ts";
import { mayInspect } from "../../thread/credentials.ts";
import { idFor, numberFor } from "../../thread/pids.ts";
import { fromSender, SignalCode, sendSignal, signalQueue, unmaskableSet } from "../../thread/signals.ts";
import type { SignalInfo, Task } from "../../thread/state.ts";
import { adopt, fileOf, openTarget } from "../../vfs/descriptors.ts";
import { AccessMode } from "../../vfs/file-ops.ts";
import { processOf } from "../../vfs/process-files.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { address, fd, flags, int, signal, size, structIn, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { signalSet } from "./layouts.ts";
import { decodeSignalInfo, siginfoBytes } from "./siginfo.ts";
import { maySignal, saidBySender } from "./signals.ts";

const Create = { NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;

/** The process that a descriptor stands for, with the open file. */
export function processAt(k: LinuxKernel, task: Task, number: number): { id: TaskId; file: OpenFile } | Errno {
  const file = fileOf(k, task, number);
  return file === null || file.target.kind !== "process" ? "EBADF" : { id: processOf(file), file };
}

/** A descriptor for a process, which goes when another program begins. */
export const openProcess = (k: LinuxKernel, task: Task, id: TaskId, kept = 0): number | Errno =>
  openTarget(k, task, { kind: "process", task: id }, AccessMode.both | kept, true);

function open(k: LinuxKernel, { task }: Call, id: number, wanted: number): Outcome {
  if (wanted & ~Create.NONBLOCK || id <= 0) return fail("EINVAL");
  const process = idFor(k, task, id) as TaskId;
  if (!k.threads.tasks.has(process) && !k.threads.zombies.has(process))
    return fail(k.threads.threads.has(process as number as ThreadId) ? "EINVAL" : "ESRCH");
  const number = openProcess(k, task, process, wanted & Create.NONBLOCK);
  return typeof number === "number" ? done(number) : fail(number);
}

/** Whom pidfd_send_signal(2) means: by nothing said, the process. */
const SendTo = { PIDFD_SIGNAL_THREAD: 1, PIDFD_SIGNAL_THREAD_GROUP: 2, PIDFD_SIGNAL_PROCESS_GROUP: 4 } as const;
const isSendTo = (how: number): boolean => how === 0 || Object.values(SendTo).some((flag) => flag === how);

/** What is sent: by whom, or what the sender says itself, as far as that is its to say. */
function infoFor(k: LinuxKernel, { task }: Call, to: Task | undefined, { number, where, how }: Sending) {
  const code = how === SendTo.PIDFD_SIGNAL_THREAD ? SignalCode.thread : SignalCode.user;
  if (where === 0n) return fromSender(k, number, code, task, to);
  const bytes = copyIn(k, getSpace(k, task.space), where, siginfoBytes);
  if (!bytes.ok) return bytes.errno;
  const said = new DataView(bytes.value.buffer, bytes.value.byteOffset).getInt32(0, true);
  if (said !== number) return "EINVAL" as const;
  const info: SignalInfo = saidBySender(k, task, to ?? task, decodeSignalInfo(number, bytes.value));
  return (info.code >= 0 || info.code === SignalCode.thread) && to !== task ? ("EPERM" as const) : info;
}

/** Sends to the group that the process began; to nobody else, if it is nobody's to send to. */
function sendToGroup(k: LinuxKernel, call: Call, group: TaskId, sending: Sending): Outcome {
  spend(k.effort, 4 * k.threads.tasks.size, "items");
  const members = [...k.threads.tasks.values()].filter((task) => task.group === group);
  if (members.length === 0) return fail("ESRCH");
  const permitted = members.filter((task) => maySignal(k, call.task, task, sending.number));
  if (permitted.length === 0) return fail("EPERM");
  for (const to of permitted) {
    const info = infoFor(k, call, to, sending);
    if (typeof info === "string") return fail(info);
    if (sending.number !== 0 && k.threads.tasks.has(to.id)) sendSignal(k, to, info);
  }
  return k.threads.tasks.has(call.task.id) ? done(0) : { kind: "gone" };
}

interface Sending {
  number: number;
  /** Where the information is that the sender says itself; 0: nowhere. */
  where: bigint;
  /** SendTo */
  how: number;
}

function send(k: LinuxKernel, call: Call, number: number, sending: Sending): Outcome {
  const { number: sent, how } = sending;
  if (!isSendTo(how)) return fail("EINVAL");
  const found = processAt(k, call.task, number);
  if (typeof found === "string") return fail(found);
  const to = k.threads.tasks.get(found.id);
  // Who is in no PID name space of the sender's, or below it, is not to be reached.
  if (to !== undefined && numberFor(k, call.task, to.id) === 0) return fail("EINVAL");
  const info = infoFor(k, call, to, sending);
  if (typeof info === "string") return fail(info);
  if (to === undefined && !k.threads.zombies.has(found.id)) return fail("ESRCH");
  if (sent < 0 || sent > lastSignal) return fail("EINVAL");
  if (how === SendTo.PIDFD_SIGNAL_PROCESS_GROUP) return sendToGroup(k, call, found.id, sending);
  if (to === undefined) return done(0);
  if (!maySignal(k, call.task, to, sent)) return fail("EPERM");
  const first = how === SendTo.PIDFD_SIGNAL_THREAD ? k.threads.threads.get(to.id as number as ThreadId) : null;
  // Its first thread has ended before the others.
  if (first === undefined) return done(0);
  const errno = sent === 0 ? null : sendSignal(k, to, info, first);
  if (errno !== null) return fail(errno);
  return k.threads.tasks.has(call.task.id) ? done(0) : { kind: "gone" };
}

function getDescriptor(k: LinuxKernel, { task }: Call, number: number, theirs: number, how: number): Outcome {
  if (how !== 0) return fail("EINVAL");
  const found = processAt(k, task, number);
  if (typeof found === "string") return fail(found);
  const other = k.threads.tasks.get(found.id);
  if (other === undefined) return fail("ESRCH");
  if (other !== task && !mayInspect(k, task, other)) return fail("EPERM");
  const got = adopt(k, other, theirs, task);
  return typeof got === "number" ? done(got) : fail(got);
}

function signalDescriptor(k: LinuxKernel, { task }: Call, number: number, mask: bigint, wanted: number): Outcome {
  if (wanted & ~(Create.NONBLOCK | Create.CLOEXEC)) return fail("EINVAL");
  const set = mask & ~unmaskableSet;
  if (number === -1) {
    const mode = AccessMode.both | (wanted & Create.NONBLOCK);
    const made = openTarget(k, task, { kind: "signals", set }, mode, (wanted & Create.CLOEXEC) !== 0);
    return typeof made === "number" ? done(made) : fail(made);
  }
  const file = fileOf(k, task, number);
  if (file === null) return fail("EBADF");
  if (file.target.kind !== "signals") return fail("EINVAL");
  file.target.set = set;
  // Who waits may have what it waits for by now.
  wakeQueue(k, signalQueue(task.id), Number.POSITIVE_INFINITY);
  return done(number);
}

export const pidfdCalls = [
  syscall({
    name: "pidfd_open",
    nr: { rv64: 434 },
    support: "partial",
    note: "Of processes, not of single threads.",
    args: { id: int, flags: flags({ PIDFD_NONBLOCK: Create.NONBLOCK }) },
    errors: ["EINVAL", "EMFILE", "ENFILE", "ESRCH"],
    run: (k: LinuxKernel, { id, flags }, call) => open(k, call, id, flags),
  }),
  syscall({
    name: "pidfd_send_signal",
    nr: { rv64: 424 },
    support: "partial",
    note: "Folders of /proc are EBADF.",
    args: { process: fd, signal, info: address, flags: flags(SendTo) },
    errors: ["EAGAIN", "EBADF", "EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { process, signal, info, flags }, call) =>
      send(k, call, process, { number: signal, where: info, how: flags }),
  }),
  syscall({
    name: "pidfd_getfd",
    nr: { rv64: 438 },
    support: "full",
    args: { process: fd, fd, flags: uint },
    errors: ["EBADF", "EINVAL", "EMFILE", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { process, fd, flags }, call) => getDescriptor(k, call, process, fd, flags),
  }),
  syscall({
    name: "signalfd4",
    nr: { rv64: 74 },
    support: "full",
    args: {
      fd,
      mask: structIn(signalSet),
      bytes: size,
      flags: flags({ SFD_NONBLOCK: Create.NONBLOCK, SFD_CLOEXEC: Create.CLOEXEC }),
    },
    errors: ["EBADF", "EFAULT", "EINVAL", "EMFILE", "ENFILE"],
    run(k: LinuxKernel, { fd, mask, bytes, flags }, call) {
      if (bytes !== signalSet.bytes) return fail("EINVAL");
      return mask === null ? fail("EFAULT") : signalDescriptor(k, call, fd, mask.mask, flags);
    },
  }),
] as const;
