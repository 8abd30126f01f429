/** The trace of a run without a server: packed records from the kernel, filtered and shown as on a server. */
import { catalogue, decodeRecords } from "../../../kernel/trace/index.ts";
import { compileFilter } from "../../tracing/filter.ts";
import { createTextFormatter } from "../../tracing/text.ts";
import { traceFilter } from "../commands/trace.ts";
import { UsageError } from "../failure.ts";
import type { Output } from "../output.ts";
import { DEFAULT_TRACE, DEFAULT_TRACE_FILTER } from "./options.ts";

export interface LocalTrace {
  mask: number;
  show(records: Uint8Array): void;
  /** Writes a call that has begun and will not end any more. */
  end(): void;
}

export function localTrace(out: Output, given: string | undefined): LocalTrace {
  if (given === undefined) return { mask: 0, show: () => undefined, end: () => undefined };
  const compiled = compileFilter(given === DEFAULT_TRACE ? DEFAULT_TRACE_FILTER : traceFilter({ filter: given }));
  if (!compiled.ok) throw new UsageError(`--trace=${given}: ${compiled.problem.message}`);
  const { filter } = compiled;
  const formatter = createTextFormatter();
  const print = (text: string) => {
    if (!out.json) return out.trace(text);
    for (const line of text.split("\n")) if (line !== "") out.record({ event: "trace", text: line });
  };
  return {
    mask: filter.mask,
    show: (records) =>
      print(formatter.push(decodeRecords(records, catalogue).filter((event) => filter.matches(event)))),
    end: () => print(formatter.flush()),
  };
}
