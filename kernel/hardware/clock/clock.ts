import { assert } from "../../lib/assert.ts";
import type { ClockEvent, ClockEventKind, ClockState } from "./state.ts";

export const nsPerInstruction = 1;

export const timeNs = (clock: ClockState): number => clock.instructions * nsPerInstruction + clock.idleNs;

/** Index of the first event that comes after (dueNs, order). */
function position(events: readonly ClockEvent[], dueNs: number, order: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const event = events[middle]!;
    if (event.dueNs < dueNs || (event.dueNs === dueNs && event.order <= order)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function schedule(clock: ClockState, dueNs: number, kind: ClockEventKind, subject: number): void {
  const order = clock.nextOrder++;
  clock.events.splice(position(clock.events, dueNs, order), 0, { dueNs, order, kind, subject });
}

/** `dueNs`: when it is due, if it is there. */
export function cancel(clock: ClockState, kind: ClockEventKind, subject: number, dueNs: number | null = null): void {
  const { events } = clock;
  for (let at = dueNs === null ? 0 : position(events, dueNs, -1); at < events.length; at++) {
    const event = events[at]!;
    if (dueNs !== null && event.dueNs > dueNs) return;
    if (event.kind !== kind || event.subject !== subject) continue;
    events.splice(at, 1);
    return;
  }
}

export const nextDueNs = (clock: ClockState): number => clock.events[0]?.dueNs ?? Number.POSITIVE_INFINITY;

/** Removes and returns the first event that is due, if any. */
export function takeDue(clock: ClockState): ClockEvent | null {
  return nextDueNs(clock) <= timeNs(clock) ? clock.events.shift()! : null;
}

/** Nobody has anything to do: time jumps. */
export function skipTo(clock: ClockState, ns: number): void {
  assert(ns >= timeNs(clock) && ns <= nextDueNs(clock), "the clock may skip forward, up to the next event");
  clock.idleNs += ns - timeNs(clock);
}
