/** Clocks and sleeping. All clocks are virtual; a processor-time clock counts a nanosecond per instruction. */

import { getSpace } from "../../mm/space.ts";
import { deadlineAfter, deadlineAt, realtimeNs } from "../../time/clock.ts";
import { choice, flags, inout, structIn, structOut } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { processorClock } from "./clocks.ts";
import type { LinuxKernel } from "./kernel.ts";
import {
  fromTimespec,
  rusage,
  type Timespec,
  timespec,
  timeval,
  timezone,
  tms,
  toRusage,
  toTimespec,
  toTimeval,
} from "./layouts.ts";

const Clock = {
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 1,
  CLOCK_PROCESS_CPUTIME_ID: 2,
  CLOCK_THREAD_CPUTIME_ID: 3,
  CLOCK_MONOTONIC_RAW: 4,
  CLOCK_REALTIME_COARSE: 5,
  CLOCK_MONOTONIC_COARSE: 6,
  CLOCK_BOOTTIME: 7,
  CLOCK_REALTIME_ALARM: 8,
  CLOCK_BOOTTIME_ALARM: 9,
  CLOCK_TAI: 11,
} as const;
const absolute = 1;
const ticksPerSecond = 100n;

function clockNs(k: LinuxKernel, call: Call, clock: number): bigint | null {
  switch (clock) {
    case Clock.CLOCK_REALTIME:
    case Clock.CLOCK_REALTIME_COARSE:
    case Clock.CLOCK_REALTIME_ALARM:
    case Clock.CLOCK_TAI:
      return realtimeNs(k);
    case Clock.CLOCK_MONOTONIC:
    case Clock.CLOCK_MONOTONIC_RAW:
    case Clock.CLOCK_MONOTONIC_COARSE:
    case Clock.CLOCK_BOOTTIME:
    case Clock.CLOCK_BOOTTIME_ALARM:
      return BigInt(k.hal.timer.nowNs());
    default: {
      const processor = processorClock(k, call, clock | 0);
      return processor === null ? null : BigInt((processor.thread ?? processor.task).instructions);
    }
  }
}

interface Sleep {
  clock: number;
  isAbsolute: boolean;
  request: Timespec | null;
  /** Where what is left is stored if a signal ends it; of an absolute time nothing is. */
  remaining: bigint;
}

function sleep(k: LinuxKernel, { progress }: Call, { clock, isAbsolute, request, remaining }: Sleep): Outcome {
  if (request === null) return fail("EFAULT");
  const ns = fromTimespec(request);
  const realtime = clock === Clock.CLOCK_REALTIME;
  if (ns === null || (!realtime && clock !== Clock.CLOCK_MONOTONIC && clock !== Clock.CLOCK_BOOTTIME))
    return fail("EINVAL");
  const deadlineOf = (): number | null =>
    isAbsolute ? deadlineAt(realtime ? ns - k.config.realtimeEpochNs : ns) : deadlineAfter(k, ns);
  const deadlineNs = progress === null ? deadlineOf() : progress.deadlineNs;
  if (deadlineNs !== null && deadlineNs <= k.hal.timer.nowNs()) return done(0);
  return { kind: "blocked", wait: { kind: "sleep", remaining: isAbsolute ? 0n : remaining, queue: null, deadlineNs } };
}

export const timeCalls = [
  syscall({
    name: "clock_gettime",
    nr: { rv64: 113 },
    support: "full",
    args: { clock: choice(Clock), time: structOut(timespec) },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { clock }, call) {
      const ns = clockNs(k, call, clock);
      return ns === null ? fail("EINVAL") : { kind: "done", value: 0, out: { time: toTimespec(ns) } };
    },
  }),
  syscall({
    name: "clock_getres",
    nr: { rv64: 114 },
    support: "full",
    args: { clock: choice(Clock), resolution: structOut(timespec, "optional") },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { clock }, call) {
      if (clockNs(k, call, clock) === null) return fail("EINVAL");
      return { kind: "done", value: 0, out: { resolution: toTimespec(1n) } };
    },
  }),
  syscall({
    name: "gettimeofday",
    nr: { rv64: 169 },
    support: "full",
    args: { time: structOut(timeval, "optional"), zone: structOut(timezone, "optional") },
    errors: ["EFAULT"],
    run: (k: LinuxKernel) => ({
      kind: "done",
      value: 0,
      out: { time: toTimeval(realtimeNs(k)), zone: { tz_minuteswest: 0, tz_dsttime: 0 } },
    }),
  }),
  syscall({
    name: "nanosleep",
    nr: { rv64: 101 },
    support: "full",
    args: { request: structIn(timespec), remaining: inout("timespec") },
    errors: ["EFAULT", "EINTR", "EINVAL"],
    run: (k: LinuxKernel, { request, remaining }, call) =>
      sleep(k, call, { clock: Clock.CLOCK_MONOTONIC, isAbsolute: false, request, remaining }),
  }),
  syscall({
    name: "clock_nanosleep",
    nr: { rv64: 115 },
    support: "partial",
    note: "Processor-time clocks cannot be slept on.",
    args: {
      clock: choice(Clock),
      flags: flags({ TIMER_ABSTIME: absolute }),
      request: structIn(timespec),
      remaining: inout("timespec"),
    },
    errors: ["EFAULT", "EINTR", "EINVAL"],
    run: (k: LinuxKernel, { clock, flags, request, remaining }, call) =>
      sleep(k, call, { clock, isAbsolute: (flags & absolute) !== 0, request, remaining }),
  }),
  syscall({
    name: "times",
    nr: { rv64: 153 },
    support: "partial",
    note: "All time is user time.",
    args: { times: structOut(tms, "optional") },
    errors: ["EFAULT"],
    run(k: LinuxKernel, _args, { task }) {
      const ticks = (ns: bigint): bigint => (ns * ticksPerSecond) / 1_000_000_000n;
      const times = {
        tms_utime: ticks(BigInt(task.instructions)),
        tms_stime: 0n,
        tms_cutime: ticks(BigInt(task.childUsage.userNs)),
        tms_cstime: 0n,
      };
      return { kind: "done", value: ticks(BigInt(k.hal.timer.nowNs())), out: { times } };
    },
  }),
  syscall({
    name: "getrusage",
    nr: { rv64: 165 },
    support: "partial",
    note: "User time, peak memory and page faults, all minor; the rest is 0.",
    args: { who: choice({ RUSAGE_SELF: 0, RUSAGE_CHILDREN: 0xffff_ffff, RUSAGE_THREAD: 1 }), usage: structOut(rusage) },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { who }, { task, thread }) {
      if (who !== 0 && who !== 1 && who !== 0xffff_ffff) return fail("EINVAL");
      const { peakFrames } = getSpace(k, task.space);
      const own = {
        userNs: who === 1 ? thread.instructions : task.instructions,
        peakFrames,
        pageFaults: task.pageFaults,
      };
      return { kind: "done", value: 0, out: { usage: toRusage(who === 0xffff_ffff ? task.childUsage : own) } };
    },
  }),
] as const;
