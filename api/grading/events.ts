/** Trace events as assignments speak of them: what a predicate counts, and the excerpt that a report shows. */
import { type CelInput, parse, plan } from "@bufbuild/cel";
import { catalogue, type DecodedEvent, decodeRecords, maskOf } from "../../kernel/trace/index.ts";
import { invalid } from "../errors.ts";
import { type CompiledFilter, compileFilter } from "../tracing/filter.ts";
import { environment } from "../tracing/filter-check.ts";
import { createTextFormatter } from "../tracing/text.ts";

/** Throws INVALID_ARGUMENT with what is wrong. */
export function checkExpression(expression: string, field: string): void {
  predicateOf(expression, field);
  if (traceMaskOf(expression) !== 0) return;
  const names = catalogue.map(({ name }) => name).join(", ");
  throw invalid(field, `matches no kind of trace event; the events are ${names}`);
}

function predicateOf(expression: string, field: string): CompiledFilter {
  const compiled = compileFilter({ categories: [], tasks: [], expression });
  if (compiled.ok) return compiled.filter;
  const { message, position } = compiled.problem;
  throw invalid(field, position === null ? message : `${message} (at character ${position + 1})`);
}

/**
 * The categories in which an event can match at all: those where the kind of event alone does not already decide
 * against it. (In CEL, false && error is false, so a plain false holds whatever the other variables are.)
 */
export function traceMaskOf(expression: string): number {
  // Macros ask for a field without an error when there is none, so "decided" would mean nothing.
  if (/\b(has|exists|exists_one|all|map|filter)\s*\(/.test(expression)) return maskOf([]);
  const evaluate = plan(environment, parse(expression)) as (bindings: Record<string, CelInput>) => unknown;
  let mask = 0;
  for (const { name, category, bit } of catalogue) if (evaluate({ event: name, category }) !== false) mask |= bit;
  return mask;
}

export interface TraceFindings {
  /** Events that each expression matches. */
  counts: number[];
  excerpt: string;
  /** The machine itself lost events: what was counted is not all. */
  hasGap: boolean;
}

/** Categories of which an excerpt is made. */
export const EXCERPT_MASK = maskOf(["syscall", "task", "fault", "signal"]);
const EXCERPT_LINES = 40;
const LINE_CHARACTERS = 400;

/** What packed records say. */
export function readTrace(trace: Uint8Array, expressions: readonly string[]): TraceFindings {
  const events = decodeRecords(trace, catalogue);
  const hasGap = events.some(({ name }) => name === "trace.gap");
  const counts = expressions.map((expression) => {
    const predicate = predicateOf(expression, "expression");
    return events.reduce(
      (count, event) => (event.name !== "trace.gap" && predicate.matches(event) ? count + 1 : count),
      0,
    );
  });
  return { counts, hasGap, excerpt: excerptOf(events) };
}

/** What an excerpt leaves out: events of its categories that are no news to the author of a program. */
const isTold = ({ name, category }: DecodedEvent): boolean =>
  category === "syscall" ||
  category === "signal" ||
  name === "task.exit" ||
  name === "fault.fatal" ||
  name === "trace.gap";

/** The last lines of the events' strace-like text. */
function excerptOf(events: readonly DecodedEvent[]): string {
  const formatter = createTextFormatter({ columns: ["task"] });
  const text = formatter.push(events.filter(isTold)) + formatter.flush();
  const lines = text.split("\n").slice(0, -1).slice(-EXCERPT_LINES);
  return lines.map((line) => `${cut(line)}\n`).join("");
}

const cut = (line: string): string =>
  line.length <= LINE_CHARACTERS ? line : `${line.slice(0, LINE_CHARACTERS).replace(/\p{Surrogate}$/u, "")}...`;
