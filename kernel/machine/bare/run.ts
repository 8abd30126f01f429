/**
 * The run loop of a machine that boots bare. The rules are those of ../run.ts: what costs no instruction and no time is
 * done at once, by `settleBare`, so where a host cuts a run changes nothing.
 *
 * Harts take turns of a quantum of instructions; one that waits for an interrupt is passed over. When all wait, time
 * jumps to the next event. An instruction of any hart is a nanosecond.
 */
import * as clocks from "../../hardware/clock/clock.ts";
import { CoreStop } from "../../hardware/cpu/core.ts";
import { assert } from "../../lib/assert.ts";
import { spend } from "../../lib/effort.ts";
import { timerFired } from "../../trace/events/machine.ts";
import {
  instructionsToNext,
  mustYield,
  pagesFrom,
  pauseMachine,
  reachedControlLimit,
  skipIdleTime,
} from "../control.ts";
import type { RunLimit } from "../face.ts";
import type { Kernel } from "../kernel.ts";
import type { RunStop } from "../types.ts";
import { type Bare, resetBare } from "./bare.ts";

/** Named by one stop. */
const mostPagesAhead = 256;

function fireDueEvents(k: Kernel, { board, progress }: Bare): void {
  for (let event = clocks.takeDue(k.state.clock); event !== null; event = clocks.takeDue(k.state.clock)) {
    if (k.trace.on(timerFired)) k.trace.write(timerFired, { kind: event.kind, subject: event.subject });
    spend(k.effort, 1, "entries");
    board.fire(event);
    progress.looksAhead = true;
  }
}

/** The next hart that can execute, beginning with the one whose turn it is unless that is over; null: all wait. */
function nextHart({ state: { turn }, harts }: Bare): number | null {
  const first = turn.quantumLeft > 0 ? 0 : 1;
  for (let step = 0; step < harts.count; step++) {
    const hart = (turn.hart + first + step) % harts.count;
    if (turn.waiting[hart] === 0 || harts.isAwake(hart)) return hart;
  }
  return null;
}

/** Some hart can execute, or will when its own timer is due. */
export const canExecute = (bare: Bare): boolean =>
  nextHart(bare) !== null || timersDueNs(bare) < Number.POSITIVE_INFINITY;

/** Gives the turn to a hart that can execute; false when none can. */
function takeTurn(k: Kernel, bare: Bare): boolean {
  const { turn } = bare.state;
  const hart = nextHart(bare);
  if (hart === null) return false;
  if (turn.quantumLeft <= 0 || hart !== turn.hart) turn.quantumLeft = k.config.quantumInstructions;
  turn.hart = hart;
  turn.waiting[hart] = 0;
  if (bare.harts.selected !== hart) bare.harts.select(hart);
  bare.harts.settle();
  return true;
}

function followPower(k: Kernel, bare: Bare): void {
  const { power } = bare.state.board;
  if (power.state === "resetting") resetBare(k, bare);
  if (power.state !== "ending") return;
  power.state = "off";
  k.outbox.put({ kind: "power", event: "off", code: power.code });
}

/** Does all that happens at the current position. Afterwards the selected hart has to execute; false: none can. */
export function settleBare(k: Kernel, bare: Bare): boolean {
  const { control, clock } = k.state;
  fireDueEvents(k, bare);
  followPower(k, bare);
  bare.harts.setTime(clocks.timeNs(clock));
  for (const [hart, bits] of bare.board.interruptLines().entries()) bare.harts.setLines(hart, bits);
  if (!control.paused && reachedControlLimit(k)) pauseMachine(k, "limit");
  return !control.paused && bare.state.board.power.state === "on" && takeTurn(k, bare);
}

/** When the first of the harts' own timers is going to pend. */
function timersDueNs({ harts }: Bare): number {
  let due = Number.POSITIVE_INFINITY;
  for (let hart = 0; hart < harts.count; hart++) due = Math.min(due, harts.timerDueNs(hart));
  return due;
}

/** The selected hart executes until something comes up; the pages that are missing, if that was it. */
function execute(k: Kernel, bare: Bare, limit: RunLimit): number[] | null {
  const { turn } = bare.state;
  const budget = Math.min(turn.quantumLeft, instructionsToNext(k, limit, timersDueNs(bare)));
  bare.progress.isExecuting = true;
  const stop = k.core.run(budget);
  bare.progress.isExecuting = false;
  const executed = k.core.executed();
  k.state.clock.instructions += executed;
  turn.quantumLeft -= executed;
  spend(k.effort, 1, "entries");
  spend(k.effort, k.core.workNs(), "nanoseconds");
  if (stop === CoreStop.attention) bare.progress.looksAhead = true;
  if (stop === CoreStop.needPage) return pagesFrom(k, k.core.faultPage());
  if (stop === CoreStop.waitForInterrupt) {
    turn.waiting[turn.hart] = 1;
    turn.quantumLeft = 0;
  } else assert(stop === CoreStop.budget || stop === CoreStop.attention, "traps of a bare machine are the guest's");
  return null;
}

/** Absent pages that devices are about to touch; none, once the host has brought them. */
function pagesOfDevices({ board, progress }: Bare): number[] {
  if (!progress.looksAhead) return [];
  const pages = board.absentAhead().slice(0, mostPagesAhead);
  progress.looksAhead = pages.length > 0;
  return pages;
}

export function runBare(k: Kernel, bare: Bare, wanted: RunLimit): RunStop {
  const limit: RunLimit = { instructions: Math.floor(wanted.instructions), timeNs: Math.floor(wanted.timeNs) };
  const { clock, control } = k.state;
  k.effort.spent = 0;
  for (;;) {
    const canExecute = settleBare(k, bare);
    if (control.paused) return { kind: "paused" };
    if (bare.state.board.power.state === "off") return { kind: "idle" };
    if (clocks.timeNs(clock) >= limit.timeNs) return { kind: "limit" };
    if (mustYield(k)) return { kind: "limit" };
    const ahead = pagesOfDevices(bare);
    if (ahead.length > 0) return { kind: "needPages", pages: ahead };
    if (!canExecute) {
      if (!skipIdleTime(k, limit, timersDueNs(bare))) return { kind: "idle" };
      continue;
    }
    if (clock.instructions >= limit.instructions) return { kind: "limit" };
    const missing = execute(k, bare, limit);
    if (missing !== null) return { kind: "needPages", pages: missing };
  }
}
