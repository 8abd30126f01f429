/**
 * What has to be found out about a run before it can be judged, and whose cost a submission decides: its trace
 * has as many events, its output as many bytes as the limits allow. Pure; runs in a thread of its own.
 */
import { readTrace, type TraceFindings } from "./events.ts";
import { matchesPattern } from "./regex.ts";

export interface Inquiry {
  /** Packed trace records. */
  trace: Uint8Array<ArrayBuffer>;
  output: Uint8Array<ArrayBuffer>;
  expressions: string[];
  patterns: string[];
}

export interface Findings extends TraceFindings {
  /** Whether the output contains a match of each pattern. */
  matches: boolean[];
}

export function inspect({ trace, output, expressions, patterns }: Inquiry): Findings {
  const text = patterns.length > 0 ? Buffer.from(output).toString("utf8") : "";
  return { ...readTrace(trace, expressions), matches: patterns.map((pattern) => matchesPattern(pattern, text)) };
}
