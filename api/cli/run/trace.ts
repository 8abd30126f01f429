/** The trace of a run without a server: packed records from the kernel, filtered and shown as on a server. */
import { categories, type Category, catalogue, type DecodedEvent, decodeRecords, maskOf } from "../../../kernel/trace/index.ts";
import { traceFilter } from "../commands/trace.ts";
import { UsageError } from "../failure.ts";
import type { Output } from "../output.ts";
import { DEFAULT_TRACE, DEFAULT_TRACE_FILTER } from "./options.ts";

export interface LocalTrace {
  mask: number;
  show(records: Uint8Array): void;
}

export async function localTrace(out: Output, given: string | undefined): Promise<LocalTrace> {
  if (given === undefined) return { mask: 0, show: () => undefined };
  const filter = given === DEFAULT_TRACE ? DEFAULT_TRACE_FILTER : traceFilter({ filter: given });
  const named = (filter.categories ?? []) as Category[];
  const unknown = named.find((category) => !categories.includes(category));
  if (unknown !== undefined) throw new UsageError(`--trace=${unknown}: no such category`, `there are: ${categories.join(", ")}`);
  const show = (records: Uint8Array) => {
    for (const event of decodeRecords(records, catalogue)) out.trace(`${event.name} ${String(event.values["text"] ?? "")}`);
  };
  return { mask: maskOf(named), show };
}

export type { DecodedEvent };
