/** Packed records back into events. The bytes may come from anywhere: whatever is wrong with them is a TraceRecordError. */
import { readUtf8 } from "../../lib/utf8.ts";
import type { Category, EventType, FieldKind, FieldKinds } from "../define.ts";
import { traceGap } from "../events/gap.ts";
import { headerBytes, planOf, type RecordPlan } from "./format.ts";

export type FieldValue = FieldKinds[FieldKind];

export interface DecodedEvent {
  sequence: number;
  timeNs: number;
  instructions: number;
  hart: number;
  task: number;
  thread: number;
  name: string;
  category: Category;
  type: EventType;
  values: Readonly<Record<string, FieldValue>>;
}

export class TraceRecordError extends Error {
  /** `corrupt`: not what the ring writes. `unknownEvent`: the catalogue has no such id. */
  readonly code: "corrupt" | "unknownEvent";
  /** Where the record starts. */
  readonly offset: number;

  constructor(code: TraceRecordError["code"], offset: number, message: string) {
    super(`trace record at byte ${offset}: ${message}`);
    this.name = "TraceRecordError";
    this.code = code;
    this.offset = offset;
  }
}

export function decodeRecords(bytes: Uint8Array, catalogue: readonly EventType[]): DecodedEvent[] {
  const events: DecodedEvent[] = [];
  forEachRecord(bytes, catalogue, (event) => {
    events.push(event);
  });
  return events;
}

/**
 * Calls back for each record with the bytes that it covers, so that a filter can pass records on packed. Ends early
 * when the visitor returns false.
 */
export function forEachRecord(
  bytes: Uint8Array,
  catalogue: readonly EventType[],
  visit: (event: DecodedEvent, start: number, end: number) => boolean | void,
): void {
  const plans = plansOf(catalogue);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < bytes.length; ) {
    const end = endOf(view, start);
    const id = view.getUint16(start + 4, true);
    const plan = plans.get(id);
    if (plan === undefined) throw new TraceRecordError("unknownEvent", start, `no event has the id ${id}`);
    if (visit(decodeRecord(bytes, view, start, end, plan), start, end) === false) return;
    start = end;
  }
}

/** Checks the frames only: where each record starts, and the end. For cutting a batch without decoding it. */
export function recordOffsets(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offsets: number[] = [];
  let at = 0;
  for (; at < bytes.length; at = endOf(view, at)) offsets.push(at);
  offsets.push(at);
  return offsets;
}

/** Decoding goes batch by batch with the same few catalogues: their plans are made once. */
let lastCatalogue: readonly EventType[] | null = null;
let lastPlans: ReadonlyMap<number, RecordPlan> = new Map();

function plansOf(catalogue: readonly EventType[]): ReadonlyMap<number, RecordPlan> {
  if (catalogue === lastCatalogue) return lastPlans;
  // The ring makes gaps whether or not a catalogue lists them.
  const rows = [traceGap as unknown as EventType, ...catalogue];
  lastPlans = new Map(rows.map((type) => [type.id, planOf(type)]));
  lastCatalogue = catalogue;
  return lastPlans;
}

function endOf(view: DataView, start: number): number {
  if (start + headerBytes > view.byteLength) throw new TraceRecordError("corrupt", start, "cut short");
  const length = view.getUint32(start, true);
  if (length < headerBytes || start + length > view.byteLength) {
    throw new TraceRecordError(
      "corrupt",
      start,
      `a length of ${length} bytes where ${view.byteLength - start} are left`,
    );
  }
  return start + length;
}

function decodeRecord(bytes: Uint8Array, view: DataView, start: number, end: number, plan: RecordPlan): DecodedEvent {
  if (view.getUint8(start + 7) !== 0) throw new TraceRecordError("corrupt", start, "unknown flags");
  const { type } = plan;
  const sequence = getU64(view, start + 16, start);
  const timeNs = getU64(view, start + 24, start);
  const instructions = getU64(view, start + 32, start);
  const hart = view.getUint8(start + 6);
  const task = view.getUint32(start + 8, true);
  const thread = view.getUint32(start + 12, true);
  const values = decodeFields(new FieldReader(bytes, view, start, end), plan);
  return { sequence, timeNs, instructions, hart, task, thread, name: type.name, category: type.category, type, values };
}

function getU64(view: DataView, at: number, start: number): number {
  const high = view.getUint32(at + 4, true);
  if (high >= 2 ** 21) throw new TraceRecordError("corrupt", start, "a count of more than 53 bits");
  return high * 2 ** 32 + view.getUint32(at, true);
}

function decodeFields(reader: FieldReader, { kinds, names }: RecordPlan): Record<string, FieldValue> {
  const values: Record<string, FieldValue> = {};
  for (let i = 0; i < kinds.length; i++) values[names[i]!] = reader.read(kinds[i]!);
  reader.finish();
  return values;
}

class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, view: DataView, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#start = start;
    this.#end = end;
    this.#at = start + headerBytes;
  }

  read(kind: FieldKind): FieldValue {
    switch (kind) {
      case "u32":
        return this.#view.getUint32(this.#take(4), true);
      case "u64":
        return this.#view.getBigUint64(this.#take(8), true);
      case "i64":
        return this.#view.getBigInt64(this.#take(8), true);
      case "flag":
        return this.#flag();
      case "text":
        return this.#text();
      case "bytes": {
        const length = this.#view.getUint32(this.#take(4), true);
        const at = this.#take(length);
        return this.#bytes.slice(at, at + length);
      }
    }
  }

  finish(): void {
    if (this.#at !== this.#end) throw this.#corrupt(`${this.#end - this.#at} bytes after the last field`);
  }

  #flag(): boolean {
    const value = this.#bytes[this.#take(1)]!;
    if (value > 1) throw this.#corrupt("a flag that is neither 0 nor 1");
    return value === 1;
  }

  #text(): string {
    const length = this.#view.getUint32(this.#take(4), true);
    const at = this.#take(length);
    const text = readUtf8(this.#bytes, at, at + length, "clean");
    if (text === null) throw this.#corrupt("text that is not UTF-8");
    return text;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw this.#corrupt("shorter than its fields");
    this.#at = at + count;
    return at;
  }

  #corrupt(message: string): TraceRecordError {
    return new TraceRecordError("corrupt", this.#start, message);
  }
}
