/** Packed batches as workers send them, narrowed by a filter: decoded, still packed, or in the wire's generic shape. */
import {
  catalogue,
  type DecodedEvent,
  decodeRecords,
  type FieldValue,
  forEachRecord,
  recordOffsets,
} from "../../kernel/trace/index.ts";
import type { CompiledFilter } from "./filter.ts";

/** A batch in pieces of about so many bytes, cut between records: what is done with one keeps everybody waiting. */
export function* piecesOf(batch: Uint8Array<ArrayBuffer>, bytes: number): Generator<Uint8Array<ArrayBuffer>> {
  let start = 0;
  let end = 0;
  for (const offset of batch.length <= bytes ? [batch.length] : recordOffsets(batch)) {
    if (offset - start > bytes && end > start) {
      yield batch.subarray(start, end);
      start = end;
    }
    end = offset;
  }
  if (end > start) yield batch.subarray(start, end);
}

/** Events of a batch that match. Throws TraceRecordError when the batch is damaged. */
export function selectEvents(batch: Uint8Array, filter: CompiledFilter): DecodedEvent[] {
  const events = decodeRecords(batch, catalogue);
  return filter.all ? events : events.filter((event) => filter.matches(event));
}

/** The records of a batch that match, as they were packed. */
export function selectPacked(batch: Uint8Array<ArrayBuffer>, filter: CompiledFilter): Uint8Array<ArrayBuffer> {
  if (filter.all) return batch;
  const kept = new Uint8Array(batch.length);
  let length = 0;
  forEachRecord(batch, catalogue, (event, start, end) => {
    if (!filter.matches(event)) return;
    kept.set(batch.subarray(start, end), length);
    length += end - start;
  });
  return kept.slice(0, length);
}

/** What is in `ostler.v1.TraceValue`, without the generated code. */
export type WireValue =
  | { case: "unsigned"; value: bigint }
  | { case: "signed"; value: bigint }
  | { case: "flag"; value: boolean }
  | { case: "text"; value: string }
  | { case: "data"; value: Uint8Array };

/**
 * `ostler.v1.TraceRecord`, and its values, as whole messages: with their names in them, and every field. What is not whole is
 * copied into a message before it is encoded, which took as long as encoding it.
 */
export interface WireRecord {
  $typeName: "ostler.v1.TraceRecord";
  sequence: bigint;
  timeNs: bigint;
  instructions: bigint;
  hart: number;
  task: number;
  thread: number;
  eventId: number;
  event: string;
  fields: Record<string, WireField>;
}

interface WireField {
  $typeName: "ostler.v1.TraceValue";
  value: WireValue;
}

const fieldOf = (value: WireValue): WireField => ({ $typeName: "ostler.v1.TraceValue", value });

export function wireRecord(event: DecodedEvent): WireRecord {
  const { sequence, timeNs, instructions, hart, task, thread, type, values } = event;
  const fields: WireRecord["fields"] = {};
  for (const [name, kind] of Object.entries(type.fields)) {
    const value = values[name] as FieldValue;
    if (kind === "u32") fields[name] = fieldOf({ case: "unsigned", value: BigInt(value as number) });
    else if (kind === "u64") fields[name] = fieldOf({ case: "unsigned", value: value as bigint });
    else if (kind === "i64") fields[name] = fieldOf({ case: "signed", value: value as bigint });
    else if (kind === "flag") fields[name] = fieldOf({ case: "flag", value: value as boolean });
    else if (kind === "text") fields[name] = fieldOf({ case: "text", value: value as string });
    else fields[name] = fieldOf({ case: "data", value: value as Uint8Array });
  }
  return {
    $typeName: "ostler.v1.TraceRecord",
    sequence: BigInt(sequence),
    timeNs: BigInt(timeNs),
    instructions: BigInt(instructions),
    hart,
    task,
    thread,
    eventId: type.id,
    event: type.name,
    fields,
  };
}
