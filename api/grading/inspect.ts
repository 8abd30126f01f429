/**
 * What has to be found out about a run before it can be judged, and whose cost a submission decides: its trace
 * has as many events, its output as many bytes as the limits allow. Pure; runs in a thread of its own.
 */
import { catalogueOf, decodeRecords } from "../../kernel/trace/record/decode.ts";
import { catalogue } from "../../kernel/trace/events/index.ts";
import { excerptOf, matcherOf } from "./events.ts";
import { matchesPattern } from "./regex.ts";

export interface Inquiry {
  /** Packed trace records. */
  trace: Uint8Array<ArrayBuffer>;
  output: Uint8Array<ArrayBuffer>;
  expressions: string[];
  patterns: string[];
}

export interface Findings {
  /** Events that each expression matches. */
  counts: number[];
  /** Whether the output contains a match of each pattern. */
  matches: boolean[];
  excerpt: string;
}

const rows = catalogueOf(catalogue);

export function inspect({ trace, output, expressions, patterns }: Inquiry): Findings {
  const events = decodeRecords(trace, rows);
  const counts = expressions.map((expression) => {
    const matches = matcherOf(expression);
    return events.reduce((count, event) => (matches(event) ? count + 1 : count), 0);
  });
  const text = patterns.length > 0 ? Buffer.from(output).toString("utf8") : "";
  return { counts, matches: patterns.map((pattern) => matchesPattern(pattern, text)), excerpt: excerptOf(events) };
}
