/**
 * How a trace event is declared: once, as a row. From the row come the emitter's argument type, the packed
 * record, the union that graders see, the catalogue on the wire and the text.
 *
 * Contract:
 * - Emission never changes anything that a guest or a later run could see. The sequence number counts every
 *   event that *could* have been recorded, watched or not, so an event has the same number in every re-run.
 * - An event that nobody watches costs one addition and one bit test: `if (trace.on(row)) trace.write(row, {...})`.
 * - Ids never change and are never reused (golden file).
 */

/** Kinds that a field may have; the record codec and the wire know exactly these. */
export interface FieldKinds {
  /** Unsigned, 0 … 2^32-1. */
  u32: number;
  /** Unsigned 64-bit. */
  u64: bigint;
  /** Signed 64-bit (system call results). */
  i64: bigint;
  flag: boolean;
  text: string;
  bytes: Uint8Array;
}
export type FieldKind = keyof FieldKinds;
export type Fields = Readonly<Record<string, FieldKind>>;
export type FieldValues<F extends Fields> = { readonly [Name in keyof F]: FieldKinds[F[Name]] };

/** Filter at emission works by category; its bit is 1 << index in this list. Append only. */
export const categories = [
  "machine",
  "task",
  "sched",
  "syscall",
  "memory",
  "fault",
  "device",
  "interrupt",
  "signal",
  "ipc",
  "capability",
  "file",
  "cpu",
] as const;
export type Category = (typeof categories)[number];

export interface EventType<Name extends string = string, F extends Fields = Fields> {
  readonly id: number;
  readonly name: Name;
  readonly category: Category;
  readonly fields: F;
  /** One sentence for the catalogue. */
  readonly brief: string;
  readonly bit: number;
}

export function event<const Name extends string, const F extends Fields>(
  id: number,
  category: Category,
  name: Name,
  brief: string,
  fields: F,
): EventType<Name, F> {
  return { id, name, category, fields, brief, bit: 1 << categories.indexOf(category) };
}

/** What emitting code holds. */
export interface Trace {
  /** Counts the event; true when its category is watched. */
  on(type: EventType): boolean;
  /** Whether anything is watched at all; counts nothing. */
  watched(): boolean;
  /** Records it. Only after `on` returned true for the same event. */
  write<F extends Fields>(type: EventType<string, F>, values: FieldValues<F>): void;
}
