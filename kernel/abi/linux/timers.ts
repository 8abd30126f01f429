/** Timers that send signals: setitimer(2) and getitimer(2), timer_create(2) and its like. */

import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { lastSignal, signals } from "../../lib/signals.ts";
import { threadFor } from "../../thread/pids.ts";
import type { Task, Thread, Timer } from "../../thread/state.ts";
import {
  createTimer,
  deleteTimer,
  findTimer,
  freeTimerNumber,
  intervalTimerOf,
  type NewTimer,
  setTimer,
  timerLeft,
  timerNow,
} from "../../thread/timers.ts";
import { choice, flags, int, structIn, structOut } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { processorClock } from "./clocks.ts";
import type { LinuxKernel } from "./kernel.ts";
import {
  fromTimespec,
  fromTimeval,
  type ItimerSpec,
  type ItimerVal,
  itimerspec,
  itimerval,
  sigevent,
  timerId,
  toTimespec,
  toTimeval,
} from "./layouts.ts";

const Which = { ITIMER_REAL: 0, ITIMER_VIRTUAL: 1, ITIMER_PROF: 2 } as const;
const isWhich = (which: number): which is 0 | 1 | 2 => which <= 2;

/** As far as a number holds time exactly. */
const bounded = (ns: bigint): number => Number(ns < BigInt(limits.timeNs) ? ns : BigInt(limits.timeNs));

const showVal = (k: LinuxKernel, timer: Timer): ItimerVal => {
  const interval = toTimeval(BigInt(timer.intervalNs));
  // What is left is never shown as nothing.
  const value = toTimeval(BigInt(Math.ceil(timerLeft(k, timer) / 1000)) * 1000n);
  return {
    interval_sec: interval.tv_sec,
    interval_usec: interval.tv_usec,
    value_sec: value.tv_sec,
    value_usec: value.tv_usec,
  };
};

function setIntervalTimer(k: LinuxKernel, task: Task, which: number, wanted: ItimerVal | null) {
  if (!isWhich(which)) return fail("EINVAL");
  const interval = wanted === null ? 0n : fromTimeval({ tv_sec: wanted.interval_sec, tv_usec: wanted.interval_usec });
  const value = wanted === null ? 0n : fromTimeval({ tv_sec: wanted.value_sec, tv_usec: wanted.value_usec });
  if (interval === null || value === null) return fail("EINVAL");
  const timer = intervalTimerOf(k, task, which);
  const before = showVal(k, timer);
  setTimer(k, timer, value === 0n ? null : timerNow(k, timer) + bounded(value), bounded(interval));
  return { kind: "done", value: 0, out: { before } } as const;
}

/** What a timer of a clock counts. */
function countsOf(k: LinuxKernel, call: Call, clock: number): Pick<NewTimer, "counts" | "counted"> | null {
  const processor = processorClock(k, call, clock);
  if (processor === null) return timeClocks.includes(clock) ? { counts: "time", counted: null } : null;
  // Those of other processes are not there.
  if (processor.task !== call.task) return null;
  return { counts: "instructions", counted: processor.thread?.id ?? null };
}

/** CLOCK_REALTIME, MONOTONIC, BOOTTIME, the two that wake a machine, TAI. */
const timeClocks: readonly number[] = [0, 1, 7, 8, 9, 11];
const Notify = { signal: 0, none: 1, thread: 2, threadId: 4 } as const;

/** How a timer tells that it has expired; by SIGALRM and its own number if nothing else is said. */
function notification(
  k: LinuxKernel,
  task: Task,
  event: { value: bigint; signal: number; notify: number; thread: number } | null,
  number: number,
): Pick<NewTimer, "signal" | "value" | "thread"> | Errno {
  if (event === null) return { signal: signals.SIGALRM, value: BigInt(number), thread: null };
  const { value, signal, notify } = event;
  if (notify === Notify.none) return { signal: 0, value, thread: null };
  if (signal < 1 || signal > lastSignal) return "EINVAL";
  if (notify === Notify.signal || notify === Notify.thread) return { signal, value, thread: null };
  if (notify !== Notify.threadId) return "EINVAL";
  const thread: Thread | undefined = threadFor(k, task, event.thread);
  return thread?.task === task.id ? { signal, value, thread: thread.id } : "EINVAL";
}

const showSpec = (k: LinuxKernel, timer: Timer): ItimerSpec => {
  const interval = toTimespec(BigInt(timer.intervalNs));
  const value = toTimespec(BigInt(timerLeft(k, timer)));
  return {
    interval_sec: interval.tv_sec,
    interval_nsec: interval.tv_nsec,
    value_sec: value.tv_sec,
    value_nsec: value.tv_nsec,
  };
};

const absolute = 1;

function setOwn(
  k: LinuxKernel,
  timer: Timer,
  realtime: boolean,
  isAbsolute: boolean,
  wanted: ItimerSpec,
): Outcome<{ before?: ItimerSpec }> {
  const interval = fromTimespec({ tv_sec: wanted.interval_sec, tv_nsec: wanted.interval_nsec });
  const value = fromTimespec({ tv_sec: wanted.value_sec, tv_nsec: wanted.value_nsec });
  if (interval === null || value === null) return fail("EINVAL");
  const before = showSpec(k, timer);
  const now = timerNow(k, timer);
  const at = isAbsolute ? bounded(value - (realtime ? k.config.realtimeEpochNs : 0n)) : now + bounded(value);
  setTimer(k, timer, value === 0n ? null : Math.max(at, now), bounded(interval));
  return { kind: "done", value: 0, out: { before } };
}

export const timerCalls = [
  syscall({
    name: "getitimer",
    nr: { rv64: 102 },
    support: "full",
    args: { which: choice(Which), value: structOut(itimerval) },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { which }, { task }) {
      if (!isWhich(which)) return fail("EINVAL");
      return { kind: "done", value: 0, out: { value: showVal(k, intervalTimerOf(k, task, which)) } };
    },
  }),
  syscall({
    name: "setitimer",
    nr: { rv64: 103 },
    support: "full",
    args: { which: choice(Which), value: structIn(itimerval), before: structOut(itimerval, "optional") },
    errors: ["EFAULT", "EINVAL"],
    run: (k: LinuxKernel, { which, value }, { task }) => setIntervalTimer(k, task, which, value),
  }),
  syscall({
    name: "timer_create",
    nr: { rv64: 107 },
    support: "partial",
    note: "All clocks but other processes' processor time.",
    args: { clock: int, event: structIn(sigevent), timer: structOut(timerId) },
    errors: ["EAGAIN", "EFAULT", "EINVAL"],
    run(k: LinuxKernel, { clock, event }, call) {
      const { task } = call;
      const counts = countsOf(k, call, clock);
      if (counts === null) return fail("EINVAL");
      const number = freeTimerNumber(k, task);
      if (number === null) return fail("EAGAIN");
      const how = notification(k, task, event, number);
      if (typeof how === "string") return fail(how);
      const commit = (): void => void createTimer(k, task, { number, ...counts, realtime: clock === 0, ...how });
      return { kind: "done", value: 0, out: { timer: { id: number } }, commit };
    },
  }),
  syscall({
    name: "timer_gettime",
    nr: { rv64: 108 },
    support: "full",
    args: { timer: int, value: structOut(itimerspec) },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { timer: number }, { task }) {
      const timer = number < 0 ? null : findTimer(k, task.id, number);
      return timer === null ? fail("EINVAL") : { kind: "done", value: 0, out: { value: showSpec(k, timer) } };
    },
  }),
  syscall({
    name: "timer_getoverrun",
    nr: { rv64: 109 },
    support: "full",
    args: { timer: int },
    errors: ["EINVAL"],
    run(k: LinuxKernel, { timer: number }, { task }) {
      const timer = number < 0 ? null : findTimer(k, task.id, number);
      return timer === null ? fail("EINVAL") : done(Math.min(timer.overrun, 0x7fff_ffff));
    },
  }),
  syscall({
    name: "timer_settime",
    nr: { rv64: 110 },
    support: "full",
    args: {
      timer: int,
      flags: flags({ TIMER_ABSTIME: absolute }),
      value: structIn(itimerspec),
      before: structOut(itimerspec, "optional"),
    },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { timer: number, flags, value }, { task }) {
      if (value === null) return fail("EINVAL");
      const timer = number < 0 ? null : findTimer(k, task.id, number);
      if (timer === null) return fail("EINVAL");
      return setOwn(k, timer, timer.realtime, (flags & absolute) !== 0, value);
    },
  }),
  syscall({
    name: "timer_delete",
    nr: { rv64: 111 },
    support: "full",
    args: { timer: int },
    errors: ["EINVAL"],
    run(k: LinuxKernel, { timer: number }, { task }) {
      const timer = number < 0 ? null : findTimer(k, task.id, number);
      if (timer === null) return fail("EINVAL");
      deleteTimer(k, timer);
      return done(0);
    },
  }),
] as const;
