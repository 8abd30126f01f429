/** The first event in which two traces differ. */
import type { DecodedEvent, FieldValue } from "../../kernel/trace/index.ts";

export interface TraceDifference {
  /** Events before the first that differs; with none that does, all. */
  equalEvents: number;
  /** Null: there are no more on that side. Both null: the traces are equal. */
  left: DecodedEvent | null;
  right: DecodedEvent | null;
}

/** Reads both no further than it has to. `times`: an event is the same only at the same instruction and time. */
export async function firstDifference(
  left: AsyncIterator<DecodedEvent>,
  right: AsyncIterator<DecodedEvent>,
  times: boolean,
): Promise<TraceDifference> {
  for (let equalEvents = 0; ; equalEvents++) {
    const [a, b] = await Promise.all([nextOf(left), nextOf(right)]);
    if (a === null || b === null || !isSame(a, b, times)) return { equalEvents, left: a, right: b };
  }
}

async function nextOf(events: AsyncIterator<DecodedEvent>): Promise<DecodedEvent | null> {
  const next = await events.next();
  return next.done ? null : next.value;
}

export function isSame(a: DecodedEvent, b: DecodedEvent, times: boolean): boolean {
  if (times && (a.instructions !== b.instructions || a.timeNs !== b.timeNs || a.hart !== b.hart)) return false;
  return a.type.id === b.type.id && a.task === b.task && a.thread === b.thread && sameValues(a.values, b.values);
}

function sameValues(a: DecodedEvent["values"], b: DecodedEvent["values"]): boolean {
  return Object.entries(a).every(([name, value]) => sameValue(value, b[name]));
}

function sameValue(a: FieldValue, b: FieldValue | undefined): boolean {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return a === b;
}
