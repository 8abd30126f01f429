/** The vocabulary of traces, for whoever reads them: rows, the catalogue, the packed form. Nothing here emits. */
import { type Category, categories, type EventType } from "./define.ts";
import { traceGap } from "./events/gap.ts";
import { catalogue as machineCatalogue } from "./events/index.ts";

export { type Category, categories, type EventType, type FieldKind, type Fields } from "./define.ts";
export type { TraceEvent } from "./events/index.ts";
export {
  type DecodedEvent,
  decodeRecords,
  type FieldValue,
  forEachRecord,
  recordOffsets,
  TraceRecordError,
} from "./record/decode.ts";
export { recordFormat } from "./record/format.ts";
export type { TraceContext, TraceRing } from "./record/ring.ts";

/** Every event that a record can hold, by id. */
export const catalogue: readonly EventType[] = [
  ...machineCatalogue.filter((type) => type.id !== traceGap.id),
  traceGap as unknown as EventType,
].sort((a, b) => a.id - b.id);

/** The emission mask that watches these categories; all of them when the list is empty. */
export function maskOf(watched: readonly Category[]): number {
  const bits = watched.length === 0 ? categories : watched;
  return bits.reduce((mask, category) => mask | (1 << categories.indexOf(category)), 0);
}
