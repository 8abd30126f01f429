/** Waiting for several files: ppoll(2), pselect6(2). */
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import { deadlineAfter } from "../../time/clock.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { opsOf, Ready } from "../../vfs/files.ts";
import { address, inout, int, size, structIn, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { fromTimespec, signalSet, type Timespec, timespec } from "./layouts.ts";

/** These are told whether they were asked for or not. */
const unasked = Ready.error | Ready.hangUp | Ready.invalid;

/** What a file has of what is wanted; adds where to wait for the rest. */
function look(k: LinuxKernel, task: Task, fd: number, wanted: number, queues: Set<string>): number {
  const file = fileOf(k, task, fd);
  if (file === null) return Ready.invalid;
  const ops = opsOf(file);
  const queue = ops.queue(file);
  if (queue !== null) queues.add(queue);
  return ops.ready(k, file) & (wanted | unasked);
}

/** Until when a call that may wait does so: what its first dispatch decided. */
function deadlineOf(k: LinuxKernel, { progress }: Call, timeout: Timespec | null): { ns: number | null } | Errno {
  if (progress !== null) return { ns: progress.deadlineNs };
  if (timeout === null) return { ns: null };
  const ns = fromTimespec(timeout);
  return ns === null ? "EINVAL" : { ns: deadlineAfter(k, ns) };
}

const isOver = (k: LinuxKernel, deadlineNs: number | null): boolean =>
  deadlineNs !== null && deadlineNs <= k.hal.timer.nowNs();

const waitFor = (queues: ReadonlySet<string>, deadlineNs: number | null): Outcome => ({
  kind: "blocked",
  wait: { kind: "poll", queue: null, queues: [...queues], deadlineNs },
});

/** Fills in `revents` of a pollfd array: how many have any. */
function pollOnce(k: LinuxKernel, task: Task, set: Uint8Array, queues: Set<string>): number {
  const view = new DataView(set.buffer, set.byteOffset, set.length);
  let ready = 0;
  spend(k.effort, 16 * (set.length / 8), "items");
  for (let at = 0; at < set.length; at += 8) {
    const number = view.getInt32(at, true);
    const found = number < 0 ? 0 : look(k, task, number, view.getUint16(at + 4, true), queues);
    view.setUint16(at + 6, found, true);
    if (found !== 0) ready += 1;
  }
  return ready;
}

function poll(k: LinuxKernel, call: Call, where: bigint, count: number, timeout: Timespec | null): Outcome {
  if (count > limits.pollEntries) return fail("EINVAL");
  const deadline = deadlineOf(k, call, timeout);
  if (typeof deadline === "string") return fail(deadline);
  const space = getSpace(k, call.task.space);
  const set = copyIn(k, space, where, count * 8);
  if (!set.ok) return fail(set.errno);
  const queues = new Set<string>();
  const ready = pollOnce(k, call.task, set.value, queues);
  if (ready === 0 && !isOver(k, deadline.ns)) return waitFor(queues, deadline.ns);
  const errno = copyOut(k, space, where, set.value);
  return errno === null ? done(ready) : fail(errno);
}

/** What select(2) calls readable, writable and exceptional, in poll's words. */
const selectKinds = [
  Ready.in | Ready.readNormal | Ready.hangUp | Ready.error,
  Ready.out | Ready.writeNormal | Ready.error,
  2,
] as const;

/** Bit sets of 64-bit words; null: there is none of the kind. */
type Sets = (Uint8Array | null)[];

function readSets(k: LinuxKernel, task: Task, places: readonly bigint[], count: number): Sets | Errno {
  const sets: Sets = [];
  for (const place of places) {
    if (place === 0n) {
      sets.push(null);
      continue;
    }
    const bytes = copyIn(k, getSpace(k, task.space), place, Math.ceil(count / 64) * 8);
    if (!bytes.ok) return bytes.errno;
    sets.push(bytes.value);
  }
  return sets;
}

/** Leaves in the sets what is ready: how many bits. EBADF for a number that is no file. */
function selectOnce(k: LinuxKernel, task: Task, sets: Sets, count: number, queues: Set<string>): number | Errno {
  let ready = 0;
  spend(k.effort, 16 * count, "items");
  for (let fd = 0; fd < count; fd++) {
    const bit = 1 << (fd & 7);
    for (const [kind, set] of sets.entries()) {
      if (set === null || (set[fd >> 3]! & bit) === 0) continue;
      const found = look(k, task, fd, selectKinds[kind]!, queues);
      if (found & Ready.invalid) return "EBADF";
      if (found & selectKinds[kind]!) ready += 1;
      else set[fd >> 3]! &= ~bit;
    }
  }
  return ready;
}

/** Linux does not look at bits beyond the table, which is 64 numbers large and then powers of two. */
function tableSize({ descriptors }: Task): number {
  let entries = 64;
  while (entries < descriptors.length) entries *= 2;
  return entries;
}

function select(
  k: LinuxKernel,
  call: Call,
  wanted: number,
  places: readonly bigint[],
  timeout: Timespec | null,
): Outcome {
  if (wanted < 0) return fail("EINVAL");
  const count = Math.min(wanted, tableSize(call.task));
  const deadline = deadlineOf(k, call, timeout);
  if (typeof deadline === "string") return fail(deadline);
  const sets = readSets(k, call.task, places, count);
  if (typeof sets === "string") return fail(sets);
  const queues = new Set<string>();
  const ready = selectOnce(k, call.task, sets, count, queues);
  if (typeof ready === "string") return fail(ready);
  if (ready === 0 && !isOver(k, deadline.ns)) return waitFor(queues, deadline.ns);
  for (const [i, set] of sets.entries()) {
    const errno = set === null ? null : copyOut(k, getSpace(k, call.task.space), places[i]!, set);
    if (errno !== null) return fail(errno);
  }
  return done(ready);
}

export const pollCalls = [
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
  syscall({
    name: "pselect6",
    nr: { rv64: 72 },
    support: "partial",
    note: "The signal mask is not applied, the timeout not written back.",
    args: {
      count: int,
      read: inout("fd_set"),
      write: inout("fd_set"),
      exceptional: inout("fd_set"),
      timeout: structIn(timespec),
      mask: address,
    },
    errors: ["EBADF", "EFAULT", "EINTR", "EINVAL"],
    run: (k: LinuxKernel, { count, read, write, exceptional, timeout }, call) =>
      select(k, call, count, [read, write, exceptional], timeout),
  }),
] as const;
