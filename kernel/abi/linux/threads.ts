/** Threads of a program: exit(2), futex(2), and the ids around them. */

import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import type { Space } from "../../mm/state.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { yieldHart } from "../../sched/sched.ts";
import { futexRequeue, futexWait, futexWake, readWord } from "../../sync/futex.ts";
import { numberFor, threadFor } from "../../thread/pids.ts";
import { exitTask, exitThread, getTask } from "../../thread/tasks.ts";
import { deadlineAfter, deadlineAt } from "../../time/clock.ts";
import { address, inout, int, size, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { affinityCalls } from "./affinity.ts";
import type { LinuxKernel } from "./kernel.ts";
import { fromTimespec, timespec } from "./layouts.ts";
import { maySignal } from "./signals.ts";

const wordBytes = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** The calling thread ends; with the last one, the task. */
function exit(k: LinuxKernel, { task, thread }: Call, code: number): Outcome {
  if (task.threads.length === 1) exitTask(k, task, { kind: "exited", code: code & 0xff });
  else exitThread(k, thread, { kind: "exited", code: code & 0xff });
  return { kind: "gone" };
}

const Futex = {
  wait: 0,
  wake: 1,
  requeue: 3,
  compareRequeue: 4,
  wakeOperation: 5,
  waitBitset: 9,
  wakeBitset: 10,
  private: 128,
  realtime: 256,
} as const;

interface FutexArguments {
  word: bigint;
  operation: number;
  value: number;
  timeout: bigint;
  second: bigint;
  third: number;
}

/** The deadline of a wait: relative for FUTEX_WAIT, absolute for FUTEX_WAIT_BITSET. undefined: none was given. */
function futexDeadline(
  k: LinuxKernel,
  call: Call,
  args: FutexArguments,
): { deadlineNs: number | null } | { errno: Errno } {
  if (args.timeout === 0n) return { deadlineNs: null };
  const bytes = copyIn(k, getSpace(k, call.task.space), args.timeout, timespec.bytes);
  if (!bytes.ok) return { errno: bytes.errno };
  const ns = fromTimespec(timespec.read(new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length)));
  if (ns === null) return { errno: "EINVAL" };
  if ((args.operation & 127) === Futex.wait) return { deadlineNs: deadlineAfter(k, ns) };
  return { deadlineNs: deadlineAt(args.operation & Futex.realtime ? ns - k.config.realtimeEpochNs : ns) };
}

function wait(k: LinuxKernel, call: Call, args: FutexArguments, bitset: number): Outcome {
  // One that a signal has disturbed goes on to the same time.
  const deadline = call.progress === null ? futexDeadline(k, call, args) : { deadlineNs: call.progress.deadlineNs };
  if ("errno" in deadline) return fail(deadline.errno);
  const result = futexWait(k, getSpace(k, call.task.space), args.word, args.value, bitset, deadline.deadlineNs);
  if ("errno" in result) return fail(result.errno);
  if (deadline.deadlineNs !== null && deadline.deadlineNs <= k.hal.timer.nowNs()) return fail("ETIMEDOUT");
  return { kind: "blocked", wait: result.wait };
}

/** A field of an encoded operation that is a number of 12 bits with a sign. */
const signed12 = (bits: number): number => (bits << 20) >> 20;

/** Changes a second word, wakes who waits for the first, and for the second if what that was is as it says. */
function wakeOperation(k: LinuxKernel, space: Space, { word, value, timeout, second, third }: FutexArguments): Outcome {
  const before = readWord(k, space, second);
  if ("errno" in before) return fail(before.errno);
  const old = before.value | 0;
  const [operation, comparison] = [(third >>> 28) & 7, (third >>> 24) & 15];
  const given = signed12(third >>> 12);
  const argument = third >>> 31 === 1 ? 1 << (given & 31) : given;
  const changed = [argument, old + argument, old | argument, old & ~argument, old ^ argument][operation];
  const against = signed12(third);
  const holds = [old === against, old !== against, old < against, old <= against, old > against, old >= against][
    comparison
  ];
  if (changed === undefined) return fail("ENOSYS");
  const errno = copyOut(k, space, second, wordBytes(changed));
  if (errno !== null) return fail(errno);
  // As on Linux, what is not known is found out too late.
  if (holds === undefined) return fail("ENOSYS");
  const woken = futexWake(k, space, word, value & 0x7fff_ffff, -1);
  return done(holds ? woken + futexWake(k, space, second, Number(BigInt.asUintN(31, timeout)), -1) : woken);
}

function futex(k: LinuxKernel, call: Call, args: FutexArguments): Outcome {
  const space = getSpace(k, call.task.space);
  const { word, value, third } = args;
  const most = value & 0x7fff_ffff;
  if (word % 4n !== 0n) return fail("EINVAL");
  switch (args.operation & 127) {
    case Futex.wait:
      return wait(k, call, args, -1);
    case Futex.waitBitset:
      return wait(k, call, args, third | 0);
    case Futex.wake:
      return done(futexWake(k, space, word, most, -1));
    case Futex.wakeBitset:
      return third === 0 ? fail("EINVAL") : done(futexWake(k, space, word, most, third | 0));
    case Futex.compareRequeue: {
      const now = readWord(k, space, word);
      if ("errno" in now) return fail(now.errno);
      if (now.value !== third) return fail("EAGAIN");
      return done(futexRequeue(k, space, word, args.second, most, Number(BigInt.asUintN(31, args.timeout))));
    }
    case Futex.wakeOperation:
      return wakeOperation(k, space, args);
    case Futex.requeue:
      return done(futexRequeue(k, space, word, args.second, most, Number(BigInt.asUintN(31, args.timeout))));
    default:
      return fail("ENOSYS");
  }
}

export const threadCalls = [
  syscall({
    name: "exit",
    nr: { rv64: 93 },
    support: "full",
    args: { code: int },
    run: (k: LinuxKernel, { code }, call) => exit(k, call, code),
  }),
  syscall({
    name: "set_tid_address",
    nr: { rv64: 96 },
    support: "full",
    args: { word: address },
    run(k: LinuxKernel, { word }, { task, thread }) {
      thread.clearOnExit = word;
      return done(numberFor(k, task, thread.id));
    },
  }),
  syscall({
    name: "futex",
    nr: { rv64: 98 },
    support: "partial",
    note: "WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP and the BITSET forms; no priority inheritance.",
    args: { word: inout("futex"), operation: uint, value: uint, timeout: address, second: address, third: uint },
    errors: ["EAGAIN", "EFAULT", "EINTR", "EINVAL", "ENOSYS", "ETIMEDOUT"],
    run: (k: LinuxKernel, args, call) => futex(k, call, args),
  }),
  syscall({
    name: "set_robust_list",
    nr: { rv64: 99 },
    support: "full",
    args: { head: address, bytes: size },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { head, bytes }, { thread }) {
      if (bytes !== 24) return fail("EINVAL");
      thread.robustList = head;
      return done(0);
    },
  }),
  syscall({
    name: "get_robust_list",
    nr: { rv64: 100 },
    support: "full",
    args: { thread: int, head: inout("robust_list_head"), bytes: inout("size_t") },
    errors: ["EFAULT", "EPERM", "ESRCH"],
    run(k: LinuxKernel, { thread: id, head, bytes }, call) {
      const thread = id === 0 ? call.thread : threadFor(k, call.task, id);
      if (thread === undefined) return fail("ESRCH");
      const { task } = call;
      if (thread.task !== task.id && !maySignal(k, task, getTask(k, thread.task), 0)) return fail("EPERM");
      const space = getSpace(k, task.space);
      const puts = [
        { at: bytes, value: 24n },
        { at: head, value: thread.robustList },
      ];
      for (const { at, value } of puts) {
        const errno = copyOut(k, space, at, new Uint8Array(BigUint64Array.of(value).buffer));
        if (errno !== null) return fail(errno);
      }
      return done(0);
    },
  }),
  syscall({
    name: "rseq",
    nr: { rv64: 293 },
    support: "none",
    args: { area: address, bytes: uint, flags: int, signature: uint },
    errors: ["ENOSYS"],
    run: (_k: LinuxKernel) => fail("ENOSYS"),
  }),
  syscall({
    name: "gettid",
    nr: { rv64: 178 },
    support: "full",
    args: {},
    run: (k: LinuxKernel, _args, { task, thread }) => done(numberFor(k, task, thread.id)),
  }),
  syscall({
    name: "sched_yield",
    nr: { rv64: 124 },
    support: "full",
    args: {},
    run(k: LinuxKernel, _args, { thread }) {
      // Who has no quantum has to be taken off the hart.
      if (k.sched.current !== thread.id) return done(0);
      if (thread.scheduling.policy === "fifo") yieldHart(k, "yield");
      else k.sched.quantumLeft = 0;
      return done(0);
    },
  }),
  ...affinityCalls,
] as const;
