/**
 * The packed trace record: what the ring writes, workers hand on and `packed` streams carry. Little-endian, records
 * one after the other without padding.
 */
import type { EventType, FieldKind } from "../define.ts";

/** Served with the catalogue, for people who write a reader. */
export const recordFormat = `Records stand one after the other, without padding. All numbers are little-endian.
offset  size  meaning
     0     4  length of the whole record in bytes
     4     2  event id (see the catalogue)
     6     1  hart
     7     1  flags, 0
     8     4  task, 0 for none
    12     4  thread, 0 for none
    16     8  sequence number
    24     8  virtual time in nanoseconds
    32     8  instructions executed by the machine
    40     -  the event's fields, in the catalogue's order:
              u32    4 bytes
              u64    8 bytes
              i64    8 bytes, two's complement
              flag   1 byte, 0 or 1
              text   4 bytes length, then that many bytes of UTF-8
              bytes  4 bytes length, then that many bytes
trace.gap stands where events were dropped; its sequence number is that of the last one dropped.`;

export const headerBytes = 40;

/** Bytes of a field without what follows its length. */
export const fixedBytes: Readonly<Record<FieldKind, number>> = { u32: 4, u64: 8, i64: 8, flag: 1, text: 4, bytes: 4 };

/** An event's fields as a list, made once per event: reading names off a record for every event is slow. */
export interface RecordPlan {
  readonly type: EventType;
  readonly names: readonly string[];
  readonly kinds: readonly FieldKind[];
  /** Bytes of a record whose texts are empty. */
  readonly leastBytes: number;
}

export function planOf(type: EventType): RecordPlan {
  const kinds = Object.values(type.fields);
  const leastBytes = kinds.reduce((sum, kind) => sum + fixedBytes[kind], headerBytes);
  return { type, names: Object.keys(type.fields), kinds, leastBytes };
}

const word = 2 ** 32;

export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % word, true);
  view.setUint32(at + 4, Math.floor(value / word), true);
}
