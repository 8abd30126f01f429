/** Where a run has to end, and how time passes when nobody can run: the same for every machine. */
import * as clocks from "../hardware/clock/clock.ts";
import { assert } from "../lib/assert.ts";
import { limits } from "../lib/limits.ts";
import { machineIdle, machinePaused } from "../trace/events/machine.ts";
import type { RunLimit } from "./face.ts";
import type { Kernel } from "./kernel.ts";

/** The most that one entry into the core executes (it takes a 31-bit budget). */
export const coreBudget = 2 ** 31 - 1;

export function pauseMachine(k: Kernel, reason: string): void {
  const { control } = k.state;
  control.paused = true;
  control.reason = reason;
  control.untilInstructions = null;
  control.untilTimeNs = null;
  if (k.trace.on(machinePaused)) k.trace.write(machinePaused, { reason });
  k.outbox.put({ kind: "paused", reason });
}

const timeLimit = (k: Kernel): number => k.state.control.untilTimeNs ?? limits.timeNs;

export function reachedControlLimit(k: Kernel): boolean {
  const { clock, control } = k.state;
  return (
    clock.instructions >= (control.untilInstructions ?? Number.POSITIVE_INFINITY) ||
    clocks.timeNs(clock) >= timeLimit(k)
  );
}

/** Instructions until the next event or limit; `timerNs`: of an event that is not on the clock. */
export function instructionsToNext(k: Kernel, limit: RunLimit, timerNs = Number.POSITIVE_INFINITY): number {
  const { clock, control } = k.state;
  const nextNs = Math.min(clocks.nextDueNs(clock), timerNs, limit.timeNs, timeLimit(k));
  const lastInstruction = Math.min(limit.instructions, control.untilInstructions ?? Number.POSITIVE_INFINITY);
  return Math.min(
    coreBudget,
    lastInstruction - clock.instructions,
    (nextNs - clocks.timeNs(clock)) / clocks.nsPerInstruction,
  );
}

/** Nobody can run: skips to what comes next. False when nothing will. */
export function skipIdleTime(k: Kernel, limit: RunLimit, timerNs = Number.POSITIVE_INFINITY): boolean {
  const { clock, control } = k.state;
  const next = Math.min(clocks.nextDueNs(clock), timerNs, control.untilTimeNs ?? Number.POSITIVE_INFINITY);
  if (next === Number.POSITIVE_INFINITY) return false;
  const to = Math.min(next, limit.timeNs, limits.timeNs);
  clocks.skipTo(clock, to);
  // Told when the idleness ends: where it began or was cut depends on the host.
  if (to === next && k.trace.on(machineIdle)) k.trace.write(machineIdle, { toNs: BigInt(to) });
  return true;
}

/** The host has done enough for one run, or has to take outputs away first. */
export const mustYield = (k: Kernel): boolean =>
  k.effort.spent >= limits.effortPerRun || k.outbox.bytes >= limits.pendingOutputBytes;

/** Absent pages that the next instructions are likely to touch, too. */
export function pagesFrom(k: Kernel, page: number): number[] {
  const pages: number[] = [];
  for (let next = page; next < k.ram.pages && pages.length < limits.readAheadPages && !k.ram.isPresent(next); next++)
    pages.push(next);
  assert(pages.length > 0, "a page that is needed is not present");
  return pages;
}
