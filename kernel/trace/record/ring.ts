/**
 * The emitter that a machine holds: counts every event, packs the watched ones (format.ts) until the host drains.
 *
 * Nothing here is machine state but the sequence number, which the machine lends. The buffer grows to a limit
 * between drains; from the first record that finds no room on, records are counted instead of kept until the next
 * drain, which then ends with a `trace.gap`.
 */
import { utf8Bound, writeUtf8 } from "../../lib/utf8.ts";
import type { EventType, Fields, FieldValues, Trace } from "../define.ts";
import { traceGap } from "../events/gap.ts";
import { planOf, type RecordPlan, setU64 } from "./format.ts";

/** Where the machine is when something happens. The ring reads it at once, so one object may be handed out for ever. */
export interface TraceContext {
  timeNs: number;
  instructions: number;
  task: number;
  thread: number;
  hart: number;
}

export interface TraceRing extends Trace {
  /** Bits of the watched categories. */
  setMask(mask: number): void;
  /** Packed records since the last drain. */
  drain(): Uint8Array<ArrayBuffer>;
}

const firstBytes = 64 * 1024;
/** A buffer that grew beyond this is let go when it is drained: a server holds many machines. */
const keptBytes = 1024 * 1024;
const gapBytes = planOf(traceGap).leastBytes;
export const ringLimitBytes = 8 * 1024 * 1024;

interface Dropped {
  first: number;
  last: number;
  count: number;
}

class Ring implements TraceRing {
  readonly #state: { sequence: number };
  readonly #now: () => TraceContext;
  readonly #limitBytes: number;
  readonly #plans: RecordPlan[] = [];
  #mask = 0;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #dropped: Dropped | null = null;

  constructor(state: { sequence: number }, now: () => TraceContext, limitBytes: number) {
    this.#state = state;
    this.#now = now;
    this.#limitBytes = limitBytes;
  }

  setMask(mask: number): void {
    this.#mask = mask;
  }

  watched(): boolean {
    return this.#mask !== 0;
  }

  on(type: EventType): boolean {
    this.#state.sequence += 1;
    return (this.#mask & type.bit) !== 0;
  }

  write<F extends Fields>(type: EventType<string, F>, values: FieldValues<F>): void {
    const plan = (this.#plans[type.id] ??= planOf(type as unknown as EventType));
    const { sequence } = this.#state;
    const need = boundOf(plan, values as FieldValues<Fields>);
    if (this.#dropped !== null || !this.#room(need, this.#limitBytes - gapBytes)) this.#drop(sequence);
    else this.#pack(plan, values as FieldValues<Fields>, sequence, this.#now());
  }

  drain(): Uint8Array<ArrayBuffer> {
    if (this.#dropped !== null) this.#packGap(this.#dropped);
    this.#dropped = null;
    const drained = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > keptBytes) this.#resize(0);
    return drained;
  }

  #drop(sequence: number): void {
    this.#dropped ??= { first: sequence, last: sequence, count: 0 };
    this.#dropped.last = sequence;
    this.#dropped.count += 1;
  }

  #packGap({ first, last, count }: Dropped): void {
    this.#room(gapBytes, this.#limitBytes);
    const values = { first: BigInt(first), last: BigInt(last), count: BigInt(count) };
    this.#pack(planOf(traceGap as unknown as EventType), values, last, this.#now());
  }

  /** Makes room for a record; false when that would pass the limit. */
  #room(need: number, limitBytes: number): boolean {
    const needed = this.#length + need;
    if (needed <= this.#bytes.length && needed <= limitBytes) return true;
    if (needed > limitBytes) return false;
    this.#resize(Math.min(this.#limitBytes, Math.max(needed, firstBytes, this.#bytes.length * 2)));
    return true;
  }

  #resize(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #pack(plan: RecordPlan, values: FieldValues<Fields>, sequence: number, now: TraceContext): void {
    const view = this.#view;
    const start = this.#length;
    view.setUint16(start + 4, plan.type.id, true);
    view.setUint16(start + 6, now.hart & 0xff, true);
    view.setUint32(start + 8, now.task, true);
    view.setUint32(start + 12, now.thread, true);
    setU64(view, start + 16, sequence);
    setU64(view, start + 24, now.timeNs);
    setU64(view, start + 32, now.instructions);
    const end = packFields(this.#bytes, view, start + 40, plan, values);
    view.setUint32(start, end - start, true);
    this.#length = end;
  }
}

/** Bytes that a record takes at most. */
function boundOf({ kinds, names, leastBytes }: RecordPlan, values: FieldValues<Fields>): number {
  let bytes = leastBytes;
  for (let i = 0; i < kinds.length; i++) {
    if (kinds[i] === "text") bytes += utf8Bound((values[names[i]!] as string).length);
    else if (kinds[i] === "bytes") bytes += (values[names[i]!] as Uint8Array).length;
  }
  return bytes;
}

function packFields(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  plan: RecordPlan,
  values: FieldValues<Fields>,
): number {
  const { kinds, names } = plan;
  for (let i = 0; i < kinds.length; i++) {
    const value = values[names[i]!];
    switch (kinds[i]) {
      case "u32":
        view.setUint32(at, value as number, true);
        at += 4;
        break;
      case "u64":
      case "i64":
        view.setBigUint64(at, value as bigint, true);
        at += 8;
        break;
      case "flag":
        bytes[at++] = value ? 1 : 0;
        break;
      case "text": {
        const end = writeUtf8(bytes, at + 4, value as string, "clean");
        view.setUint32(at, end - at - 4, true);
        at = end;
        break;
      }
      default: {
        const data = value as Uint8Array;
        view.setUint32(at, data.length, true);
        bytes.set(data, at + 4);
        at += 4 + data.length;
      }
    }
  }
  return at;
}

/** `state.sequence` counts every event and is part of the machine's state; `limitBytes` bounds what waits for a drain. */
export function createTraceRing(
  state: { sequence: number },
  now: () => TraceContext,
  limitBytes: number = ringLimitBytes,
): TraceRing {
  return new Ring(state, now, limitBytes);
}
