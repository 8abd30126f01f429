/**
 * Trace events as assignments speak of them: CEL expressions over decoded records, and strace-like lines.
 *
 * Variables of an expression: event, category, task, thread, time_ns, instructions, sequence, fields. An event for
 * which it cannot be evaluated (it has no such field) does not match.
 */
import { type CelInput, celEnv, celUint, parse, plan } from "@bufbuild/cel";
import { type Category, categories } from "../../kernel/trace/define.ts";
import { catalogue } from "../../kernel/trace/events/index.ts";
import type { DecodedEvent, FieldValue } from "../../kernel/trace/record/decode.ts";
import { invalid } from "../errors.ts";

type Bindings = Record<string, CelInput>;

const MAX_INT = 2n ** 63n - 1n;

function compile(expression: string): (bindings: Bindings) => boolean | "unknown" {
  const evaluate = plan(celEnv(), parse(expression)) as (bindings: Bindings) => unknown;
  return (bindings) => {
    const result = evaluate(bindings);
    return typeof result === "boolean" ? result : "unknown";
  };
}

/** Throws INVALID_ARGUMENT with what is wrong. */
export function checkExpression(expression: string, field: string): void {
  try {
    parse(expression);
  } catch (error) {
    throw invalid(field, `is not a CEL expression: ${(error as Error).message}; for example event == "syscall.exit" && fields.name == "write"`);
  }
  if (traceMaskOf(expression) === 0) {
    throw invalid(field, `matches no kind of trace event; events are ${catalogue.map((row) => row.name).join(", ")}`);
  }
}

export const matcherOf = (expression: string): ((event: DecodedEvent) => boolean) => {
  const holds = compile(expression);
  return (event) => holds(bindingsOf(event)) === true;
};

/**
 * The categories in which an event can match at all: those where the kind of event alone does not already decide
 * against it. (In CEL, false && error is false, so a plain false holds whatever the other variables are.)
 */
export function traceMaskOf(expression: string): number {
  // Macros ask for a field without an error when there is none, so "decided" would mean nothing.
  if (/\b(has|exists|exists_one|all|map|filter)\s*\(/.test(expression)) return maskOf(...categories);
  const holds = compile(expression);
  let mask = 0;
  for (const { name, category, bit } of catalogue) if (holds({ event: name, category }) !== false) mask |= bit;
  return mask;
}

export const maskOf = (...names: Category[]): number => names.reduce((mask, name) => mask | (1 << categories.indexOf(name)), 0);

function bindingsOf(event: DecodedEvent): Bindings {
  const fields = new Map<string, CelInput>();
  for (const [name, value] of Object.entries(event.values)) fields.set(name, celValue(value));
  return {
    event: event.type.name,
    category: event.type.category,
    task: BigInt(event.task),
    thread: BigInt(event.thread),
    time_ns: BigInt(event.timeNs),
    instructions: BigInt(event.instructions),
    sequence: BigInt(event.sequence),
    fields: fields as CelInput,
  };
}

/** Integers are CEL ints, so that literals compare with them; what does not fit is a uint. */
function celValue(value: FieldValue): CelInput {
  if (typeof value === "number") return BigInt(value);
  if (typeof value === "bigint" && value > MAX_INT) return celUint(value);
  return value as CelInput;
}

/** Categories of which an excerpt is made. */
export const EXCERPT_MASK = maskOf("syscall", "task", "fault", "signal");
const EXCERPT_LINES = 40;
const LINE_CHARACTERS = 400;

/** The last lines of the events' strace-like text. */
export function excerptOf(events: readonly DecodedEvent[]): string {
  const lines: string[] = [];
  const open = new Map<number, string>();
  for (const event of events) {
    const { name } = event.type;
    if (name === "syscall.enter") open.set(event.thread, String(event.values.text));
    if (name === "syscall.exit") open.delete(event.thread);
    const line = lineOf(event);
    if (line !== null) lines.push(`[${event.task}] ${line}`.slice(0, LINE_CHARACTERS));
  }
  for (const text of open.values()) lines.push(`${text} <unfinished ...>`.slice(0, LINE_CHARACTERS));
  return lines.slice(-EXCERPT_LINES).map((line) => `${line}\n`).join("");
}

function lineOf({ type, values }: DecodedEvent): string | null {
  switch (type.name) {
    case "syscall.exit":
      return String(values.text);
    case "syscall.unknown":
      return `syscall_${values.number}() = -1 ENOSYS`;
    case "fault.fatal":
      return `--- ${values.description} ---`;
    case "task.exit":
      return `+++ task ${values.task} ${values.status} ${values.code} +++`;
    default:
      return null;
  }
}

