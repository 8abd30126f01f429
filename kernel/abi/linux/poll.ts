/** Waiting for several files: ppoll(2), pselect6(2). */
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { Ready } from "../../vfs/file-ops.ts";
import { opsOf } from "../../vfs/files.ts";
import { inout, int, size, structIn, structInOut, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { maskPointer, signalSet, type Timespec, timespec } from "./layouts.ts";
import { endOfTimeout, isOver, newWatch, storeRemaining, type Watch, waitFor, watchFile, withMask } from "./watch.ts";

/** These are told whether they were asked for or not. */
const unasked = Ready.error | Ready.hangUp | Ready.invalid;

/** A timeout, and where it is. */
type Timeout = { value: Timespec; address: bigint } | null;
/** A personality that wants timeouts to stay what they are. */
const stickyTimeouts = 0x400_0000;

/** Where what is left of a timeout is told when the call ends; 0: nowhere. */
function placeOfRest({ task }: Call, timeout: Timeout, untilNs: number | null): bigint {
  if (timeout === null || untilNs === null || task.traits.persona & stickyTimeouts) return 0n;
  const { tv_sec, tv_nsec } = timeout.value;
  return tv_sec === 0n && tv_nsec === 0n ? 0n : timeout.address;
}

/** The call ends: what is left is told, if it can be. */
function ended(k: LinuxKernel, call: Call, timeout: Timeout, untilNs: number | null, outcome: Outcome): Outcome {
  const where = placeOfRest(call, timeout, untilNs);
  if (where !== 0n) storeRemaining(k, call.task, where, untilNs);
  return outcome;
}

/** What a file has of what is wanted; adds where to wait for the rest. */
function look(k: LinuxKernel, call: Call, fd: number, wanted: number, watch: Watch): number {
  const file = fileOf(k, call.task, fd);
  if (file === null) return Ready.invalid;
  watchFile(k, call, watch, file);
  return opsOf(file).ready(k, file, call) & (wanted | unasked);
}

/** Fills in `revents` of a pollfd array: how many have any. */
function pollOnce(k: LinuxKernel, call: Call, set: Uint8Array, watch: Watch): number {
  const view = new DataView(set.buffer, set.byteOffset, set.length);
  let ready = 0;
  spend(k.effort, 16 * (set.length / 8), "items");
  for (let at = 0; at < set.length; at += 8) {
    const number = view.getInt32(at, true);
    const found = number < 0 ? 0 : look(k, call, number, view.getUint16(at + 4, true), watch);
    view.setUint16(at + 6, found, true);
    if (found !== 0) ready += 1;
  }
  return ready;
}

function poll(k: LinuxKernel, call: Call, where: bigint, count: number, timeout: Timeout): Outcome {
  const end = endOfTimeout(k, call, timeout?.value ?? null);
  if (typeof end === "string") return fail(end);
  if (count > limits.pollEntries) return ended(k, call, timeout, end.ns, fail("EINVAL"));
  const space = getSpace(k, call.task.space);
  const set = copyIn(k, space, where, count * 8);
  if (!set.ok) return ended(k, call, timeout, end.ns, fail(set.errno));
  const watch = newWatch();
  const ready = pollOnce(k, call, set.value, watch);
  if (ready === 0 && !isOver(k, end.ns)) return waitFor(watch, end.ns, placeOfRest(call, timeout, end.ns));
  const errno = copyOut(k, space, where, set.value);
  return ended(k, call, timeout, end.ns, errno === null ? done(ready) : fail(errno));
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
function selectOnce(k: LinuxKernel, call: Call, sets: Sets, count: number, watch: Watch): number | Errno {
  let ready = 0;
  spend(k.effort, 16 * count, "items");
  for (let fd = 0; fd < count; fd++) {
    const bit = 1 << (fd & 7);
    for (const [kind, set] of sets.entries()) {
      if (set === null || (set[fd >> 3]! & bit) === 0) continue;
      const found = look(k, call, fd, selectKinds[kind]!, watch);
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

function select(k: LinuxKernel, call: Call, wanted: number, places: readonly bigint[], timeout: Timeout): Outcome {
  const end = endOfTimeout(k, call, timeout?.value ?? null);
  if (typeof end === "string") return fail(end);
  const outcome = selectUntil(k, call, wanted, places, end.ns, placeOfRest(call, timeout, end.ns));
  return outcome.kind === "blocked" ? outcome : ended(k, call, timeout, end.ns, outcome);
}

function selectUntil(
  k: LinuxKernel,
  call: Call,
  wanted: number,
  places: readonly bigint[],
  untilNs: number | null,
  remaining: bigint,
): Outcome {
  if (wanted < 0) return fail("EINVAL");
  const count = Math.min(wanted, tableSize(call.task));
  const sets = readSets(k, call.task, places, count);
  if (typeof sets === "string") return fail(sets);
  const watch = newWatch();
  const ready = selectOnce(k, call, sets, count, watch);
  if (typeof ready === "string") return fail(ready);
  if (ready === 0 && !isOver(k, untilNs)) return waitFor(watch, untilNs, remaining);
  for (const [i, set] of sets.entries()) {
    const errno = set === null ? null : copyOut(k, getSpace(k, call.task.space), places[i]!, set);
    if (errno !== null) return fail(errno);
  }
  return done(ready);
}

function readMask(k: LinuxKernel, task: Task, { address, bytes }: { address: bigint; bytes: bigint }): bigint | Errno {
  if (bytes !== BigInt(signalSet.bytes)) return "EINVAL";
  const copied = copyIn(k, getSpace(k, task.space), address, signalSet.bytes);
  if (!copied.ok) return copied.errno;
  return new DataView(copied.value.buffer, copied.value.byteOffset).getBigUint64(0, true);
}

export const pollCalls = [
  syscall({
    name: "ppoll",
    nr: { rv64: 73 },
    support: "full",
    args: {
      fds: inout("pollfd"),
      count: uint,
      timeout: structInOut(timespec),
      mask: structIn(signalSet),
      maskBytes: size,
    },
    errors: ["EFAULT", "EINTR", "EINVAL"],
    run(k: LinuxKernel, { fds, count, timeout, mask, maskBytes }, call) {
      if (mask !== null && maskBytes !== signalSet.bytes) return fail("EINVAL");
      if (!withMask(k, call, mask?.mask ?? null)) return { kind: "gone" };
      return poll(k, call, fds, count, timeout);
    },
  }),
  syscall({
    name: "pselect6",
    nr: { rv64: 72 },
    support: "full",
    args: {
      count: int,
      read: inout("fd_set"),
      write: inout("fd_set"),
      exceptional: inout("fd_set"),
      timeout: structInOut(timespec),
      mask: structIn(maskPointer),
    },
    errors: ["EBADF", "EFAULT", "EINTR", "EINVAL"],
    run(k: LinuxKernel, { count, read, write, exceptional, timeout, mask }, call) {
      const set = mask === null || mask.address === 0n ? null : readMask(k, call.task, mask);
      if (typeof set === "string") return fail(set);
      if (!withMask(k, call, set)) return { kind: "gone" };
      return select(k, call, count, [read, write, exceptional], timeout);
    },
  }),
] as const;
