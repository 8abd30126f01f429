/** Files that are no files: eventfd2(2), timerfd_create(2), epoll_create1(2) and what goes with them. */
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { deadlineAfter, deadlineAt } from "../../time/clock.ts";
import { fileOf, openTarget, usableFileOf } from "../../vfs/descriptors.ts";
import { addItem, canBeWatched, changeItem, EpollFlag, noteTold, readyItems, removeItem } from "../../vfs/epoll.ts";
import { eventsChanged, expirations } from "../../vfs/events.ts";
import { AccessMode, Ready } from "../../vfs/file-ops.ts";
import type { OpenFile, OpenTarget } from "../../vfs/state.ts";
import { bufferOut, choice, fd, flags, int, pack, size, structIn, structOut, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import {
  epollEvent,
  fromTimespec,
  type ItimerSpec,
  itimerspec,
  signalSet,
  type Timespec,
  timespec,
  toTimespec,
} from "./layouts.ts";
import { endOf, endOfTimeout, isOver, newWatch, waitFor, watchFile, withMask } from "./watch.ts";

const Create = { NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;

function open(k: LinuxKernel, { task }: Call, target: OpenTarget, wanted: number, mode: number): Outcome {
  const kept = mode | (wanted & Create.NONBLOCK);
  const result = openTarget(k, task, target, kept, (wanted & Create.CLOEXEC) !== 0);
  return typeof result === "number" ? done(result) : fail(result);
}

const semaphoreFlag = 1;

function createEvents(k: LinuxKernel, call: Call, count: number, wanted: number): Outcome {
  if (wanted & ~(Create.NONBLOCK | Create.CLOEXEC | semaphoreFlag)) return fail("EINVAL");
  const semaphore = (wanted & semaphoreFlag) !== 0;
  const target: OpenTarget = { kind: "event", count: BigInt(count), semaphore, arrivals: 0, departures: 0 };
  return open(k, call, target, wanted, AccessMode.both);
}

const Clock = { CLOCK_REALTIME: 0, CLOCK_MONOTONIC: 1, CLOCK_BOOTTIME: 7 } as const;
const isClock = (clock: number): boolean => (Object.values(Clock) as number[]).includes(clock);
const TimerFlag = { TFD_TIMER_ABSTIME: 1, TFD_TIMER_CANCEL_ON_SET: 2 } as const;

type Timer = OpenTarget & { kind: "timer" };

function shownTimer(k: LinuxKernel, { dueNs, intervalNs }: Timer): ItimerSpec {
  const now = k.hal.timer.nowNs();
  const next = dueNs === null || dueNs > now || intervalNs === 0 ? dueNs : dueNs + nextAfter(now - dueNs, intervalNs);
  const left = toTimespec(BigInt(next === null ? 0 : Math.max(0, next - now)));
  const interval = toTimespec(BigInt(intervalNs));
  return {
    interval_sec: interval.tv_sec,
    interval_nsec: interval.tv_nsec,
    value_sec: left.tv_sec,
    value_nsec: left.tv_nsec,
  };
}

const nextAfter = (passed: number, interval: number): number => (Math.floor(passed / interval) + 1) * interval;

/** The timer behind a descriptor. */
function timerAt(k: LinuxKernel, { task }: Call, number: number): { file: OpenFile; timer: Timer } | Errno {
  const file = fileOf(k, task, number);
  if (file === null) return "EBADF";
  return file.target.kind === "timer" ? { file, timer: file.target } : "EINVAL";
}

/** When a timer of this setting is due first; null: never. */
function dueOf(k: LinuxKernel, clock: number, value: bigint, isAbsolute: boolean): number | null {
  if (value === 0n) return null;
  if (!isAbsolute) return deadlineAfter(k, value);
  return deadlineAt(clock === Clock.CLOCK_REALTIME ? value - k.config.realtimeEpochNs : value);
}

function setTimer(
  k: LinuxKernel,
  call: Call,
  number: number,
  how: number,
  wanted: ItimerSpec | null,
): Outcome<{ old?: ItimerSpec }> {
  if (wanted === null) return fail("EFAULT");
  const interval = fromTimespec({ tv_sec: wanted.interval_sec, tv_nsec: wanted.interval_nsec });
  const value = fromTimespec({ tv_sec: wanted.value_sec, tv_nsec: wanted.value_nsec });
  const known = TimerFlag.TFD_TIMER_ABSTIME | TimerFlag.TFD_TIMER_CANCEL_ON_SET;
  if (interval === null || value === null || how & ~known) return fail("EINVAL");
  const found = timerAt(k, call, number);
  if (typeof found === "string") return fail(found);
  const { file, timer } = found;
  const old = shownTimer(k, timer);
  timer.read += expirations(k, timer);
  timer.dueNs = dueOf(k, timer.clock, value, (how & TimerFlag.TFD_TIMER_ABSTIME) !== 0);
  timer.intervalNs = Number(interval > BigInt(limits.timeNs) ? BigInt(limits.timeNs) : interval);
  eventsChanged(k, file);
  return { kind: "done", value: 0, out: { old } };
}

/** What may be asked for together with EPOLLEXCLUSIVE. */
const exclusively =
  Ready.in |
  Ready.out |
  Ready.error |
  Ready.hangUp |
  EpollFlag.EPOLLEXCLUSIVE |
  EpollFlag.EPOLLWAKEUP |
  EpollFlag.EPOLLET;

const Control = { EPOLL_CTL_ADD: 1, EPOLL_CTL_DEL: 2, EPOLL_CTL_MOD: 3 } as const;

function control(
  k: LinuxKernel,
  { task }: Call,
  [instance, what, number]: readonly [number, number, number],
  event: { events: number; data: bigint } | null,
): Outcome {
  if (event === null && what !== Control.EPOLL_CTL_DEL) return fail("EFAULT");
  const [epoll, file] = [fileOf(k, task, instance), usableFileOf(k, task, number)];
  if (epoll === null || file === null) return fail("EBADF");
  if (!canBeWatched(k, file)) return fail("EPERM");
  if (epoll.target.kind !== "epoll" || epoll.id === file.id) return fail("EINVAL");
  if (what !== Control.EPOLL_CTL_DEL && event!.events & EpollFlag.EPOLLEXCLUSIVE) {
    const isKnown = (event!.events & ~exclusively) === 0 && file.target.kind !== "epoll";
    if (what === Control.EPOLL_CTL_MOD || !isKnown) return fail("EINVAL");
  }
  const errno =
    what === Control.EPOLL_CTL_ADD
      ? addItem(k, epoll, number, file, event!)
      : what === Control.EPOLL_CTL_MOD
        ? changeItem(k, epoll, number, file, event!)
        : what === Control.EPOLL_CTL_DEL
          ? removeItem(k, epoll, number, file)
          : "EINVAL";
  return orError(errno);
}

/** The most events that one call tells. */
const mostEvents = 2 ** 31 / epollEvent.bytes;

function wait(
  k: LinuxKernel,
  call: Call,
  number: number,
  most: number,
  untilNs: () => number | null,
): Outcome<{ events: Uint8Array }> {
  if (most <= 0 || most > mostEvents) return fail("EINVAL");
  const file = fileOf(k, call.task, number);
  if (file === null) return fail("EBADF");
  if (file.target.kind !== "epoll") return fail("EINVAL");
  const end = endOf(call, untilNs);
  const told = readyItems(k, file, Math.min(most, limits.epollItems), call);
  if (told.length === 0 && !isOver(k, end)) {
    const watch = newWatch();
    watchFile(k, call, watch, file);
    return waitFor(watch, end);
  }
  const events = new Uint8Array(told.length * epollEvent.bytes);
  for (const [i, each] of told.entries()) events.set(pack(epollEvent, each), i * epollEvent.bytes);
  return { kind: "done", value: told.length, out: { events }, commit: () => noteTold(k, file, told, call) };
}

/** epoll_pwait's timeout: milliseconds, or for ever. */
const afterMs = (k: LinuxKernel, ms: number): number | null =>
  ms < 0 ? null : deadlineAfter(k, BigInt(ms) * 1_000_000n);

/** As many bytes as the events that there is room for take. */
const eventsOut = bufferOut("most", limits.epollItems * epollEvent.bytes);

function waitUntil(k: LinuxKernel, call: Call, args: readonly [number, number], timeout: Timespec | null) {
  const end = endOfTimeout(k, call, timeout);
  return typeof end === "string" ? fail(end) : wait(k, call, ...args, () => end.ns);
}

const waitErrors = ["EBADF", "EFAULT", "EINTR", "EINVAL"] as const;

export const eventCalls = [
  syscall({
    name: "eventfd2",
    nr: { rv64: 19 },
    support: "full",
    args: {
      count: uint,
      flags: flags({ EFD_SEMAPHORE: 1, EFD_NONBLOCK: Create.NONBLOCK, EFD_CLOEXEC: Create.CLOEXEC }),
    },
    errors: ["EINVAL", "EMFILE", "ENFILE"],
    run: (k: LinuxKernel, { count, flags }, call) => createEvents(k, call, count, flags),
  }),
  syscall({
    name: "timerfd_create",
    nr: { rv64: 85 },
    support: "full",
    args: { clock: choice(Clock), flags: flags({ TFD_NONBLOCK: Create.NONBLOCK, TFD_CLOEXEC: Create.CLOEXEC }) },
    errors: ["EINVAL", "EMFILE", "ENFILE"],
    run(k: LinuxKernel, { clock, flags }, call) {
      if (flags & ~(Create.NONBLOCK | Create.CLOEXEC) || !isClock(clock)) return fail("EINVAL");
      return open(k, call, { kind: "timer", clock, dueNs: null, intervalNs: 0, read: 0 }, flags, AccessMode.both);
    },
  }),
  syscall({
    name: "timerfd_settime",
    nr: { rv64: 86 },
    support: "full",
    args: { fd, flags: flags(TimerFlag), timer: structIn(itimerspec), old: structOut(itimerspec, "optional") },
    errors: ["EBADF", "EFAULT", "EINVAL"],
    run: (k: LinuxKernel, { fd, flags, timer }, call) => setTimer(k, call, fd, flags, timer),
  }),
  syscall({
    name: "timerfd_gettime",
    nr: { rv64: 87 },
    support: "full",
    args: { fd, timer: structOut(itimerspec) },
    errors: ["EBADF", "EFAULT", "EINVAL"],
    run(k: LinuxKernel, { fd }, call) {
      const found = timerAt(k, call, fd);
      if (typeof found === "string") return fail(found);
      return { kind: "done", value: 0, out: { timer: shownTimer(k, found.timer) } };
    },
  }),
  syscall({
    name: "epoll_create1",
    nr: { rv64: 20 },
    support: "full",
    args: { flags: flags({ EPOLL_CLOEXEC: Create.CLOEXEC }) },
    errors: ["EINVAL", "EMFILE", "ENFILE"],
    run(k: LinuxKernel, { flags }, call) {
      if (flags & ~Create.CLOEXEC) return fail("EINVAL");
      return open(k, call, { kind: "epoll", items: new Map(), changes: 0 }, flags, AccessMode.both);
    },
  }),
  syscall({
    name: "epoll_ctl",
    nr: { rv64: 21 },
    support: "full",
    args: { epoll: fd, operation: choice(Control), fd, event: structIn(epollEvent) },
    errors: ["EBADF", "EEXIST", "EFAULT", "EINVAL", "ELOOP", "ENOENT", "ENOSPC", "EPERM"],
    run: (k: LinuxKernel, { epoll, operation, fd, event }, call) => control(k, call, [epoll, operation, fd], event),
  }),
  syscall({
    name: "epoll_pwait",
    nr: { rv64: 22 },
    support: "full",
    args: { epoll: fd, events: eventsOut, most: int, timeout: int, mask: structIn(signalSet), maskBytes: size },
    errors: waitErrors,
    run(k: LinuxKernel, { epoll, most, timeout, mask, maskBytes }, call) {
      if (mask !== null && maskBytes !== signalSet.bytes) return fail("EINVAL");
      if (!withMask(k, call, mask?.mask ?? null)) return { kind: "gone" };
      return wait(k, call, epoll, most, () => afterMs(k, timeout));
    },
  }),
  syscall({
    name: "epoll_pwait2",
    nr: { rv64: 441 },
    support: "full",
    args: {
      epoll: fd,
      events: eventsOut,
      most: int,
      timeout: structIn(timespec),
      mask: structIn(signalSet),
      maskBytes: size,
    },
    errors: waitErrors,
    run(k: LinuxKernel, { epoll, most, timeout, mask, maskBytes }, call) {
      if (mask !== null && maskBytes !== signalSet.bytes) return fail("EINVAL");
      if (!withMask(k, call, mask?.mask ?? null)) return { kind: "gone" };
      return waitUntil(k, call, [epoll, most], timeout);
    },
  }),
] as const;
