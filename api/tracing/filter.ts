/**
 * Which events a client wants: categories, tasks, and an expression in CEL over
 *
 *     event, category   text                       "syscall.exit", "syscall"
 *     task, thread, hart, time_ns, instructions, sequence   int
 *     fields            map by name: u32, i64 → int; u64 → uint; flag → bool; text → string; bytes → bytes
 *
 * The categories become the mask that the machine emits by; the rest is decided here, event by event. An expression
 * that fails on an event (a field that this event has not) does not match it. `trace.gap` always matches: whoever
 * follows must learn that events are missing.
 */
import { type CelInput, celUint, isCelError, parse, plan } from "@bufbuild/cel";
import {
  type Category,
  catalogue,
  categories,
  type DecodedEvent,
  type EventType,
  type FieldValue,
  maskOf,
} from "../../kernel/trace/index.ts";
import { checkExpression, environment, type ParsedFilter } from "./filter-check.ts";

export interface TraceFilterSpec {
  /** Empty: all. */
  categories: readonly string[];
  /** Empty: all. An event belongs to the task that ran, and to the one that its field `task` names. */
  tasks: readonly number[];
  /** Empty: all. */
  expression: string;
}

export interface CompiledFilter {
  /** For the machine's emitter. */
  readonly mask: number;
  /** Nothing to decide here: whatever was emitted matches. */
  readonly all: boolean;
  matches(event: DecodedEvent): boolean;
}

export interface FilterProblem {
  field: "categories" | "tasks" | "expression";
  message: string;
  /** Character offset in the expression, if it is known. */
  position: number | null;
}

export type FilterResult = { ok: true; filter: CompiledFilter } | { ok: false; problem: FilterProblem };

export const expressionBytes = 2048;

const failed = (field: FilterProblem["field"], message: string, position: number | null = null): FilterResult => ({
  ok: false,
  problem: { field, message, position },
});

export function compileFilter(spec: TraceFilterSpec): FilterResult {
  const unknown = spec.categories.find((name) => !(categories as readonly string[]).includes(name));
  if (unknown !== undefined) {
    return failed("categories", `there is no category "${unknown}"; the categories are ${categories.join(", ")}`);
  }
  const wrongTask = spec.tasks.find((task) => !Number.isInteger(task) || task < 0);
  if (wrongTask !== undefined) return failed("tasks", `${wrongTask} is not a task id`);
  let expression: Expression | null = null;
  if (spec.expression.trim() !== "") {
    const compiled = compileExpression(spec.expression);
    if ("problem" in compiled) return compiled;
    expression = compiled.evaluate;
  }
  return { ok: true, filter: filterOf(spec, expression) };
}

function filterOf(spec: TraceFilterSpec, expression: Expression | null): CompiledFilter {
  const watched = new Set<string>(spec.categories.length === 0 ? categories : spec.categories);
  const tasks = new Set(spec.tasks);
  return {
    mask: maskOf(spec.categories as readonly Category[]),
    all: watched.size === categories.length && tasks.size === 0 && expression === null,
    matches(event) {
      if (event.name === "trace.gap") return true;
      if (!watched.has(event.category)) return false;
      const { task } = event.values;
      if (tasks.size > 0 && !tasks.has(event.task) && !(typeof task === "number" && tasks.has(task))) return false;
      return expression === null || expression(event) === true;
    },
  };
}

/** The value on an event, or CEL's error. */
type Expression = (event: DecodedEvent) => unknown;

function compileExpression(source: string): { evaluate: Expression } | Extract<FilterResult, { ok: false }> {
  const problem = (message: string, position: number | null = null) =>
    failed("expression", message, position) as Extract<FilterResult, { ok: false }>;
  if (Buffer.byteLength(source) > expressionBytes)
    return problem(`the expression is longer than ${expressionBytes} bytes`);
  const parsed = parseExpression(source);
  if ("message" in parsed) return problem(parsed.message, parsed.position);
  const objection = checkExpression(parsed.filter);
  if (objection !== null) return problem(objection.message, objection.position);
  try {
    const run = plan(environment, parsed.filter.expr);
    const tried = tryOut((event) => run(bindingsOf(event)));
    if (tried !== null) return problem(tried, 0);
    return { evaluate: (event) => run(bindingsOf(event)) };
  } catch (error) {
    return problem(firstLine(error));
  }
}

/** What an event of each kind shows about an expression: that it gives no truth value, or can give nothing at all. */
function tryOut(evaluate: Expression): string | null {
  const results = probes.map(evaluate);
  const values = results.filter((result) => !isCelError(result));
  if (values.some((value) => typeof value !== "boolean")) {
    return "the expression has to give true or false; compare the value with something";
  }
  const mismatch = results.find((result) => isCelError(result) && result.message.includes("no matching overload"));
  return values.length === 0 && isCelError(mismatch) ? firstLine(mismatch) : null;
}

function parseExpression(source: string): { filter: ParsedFilter } | { message: string; position: number | null } {
  let depth = 0;
  for (const character of source) {
    if ("([{".includes(character)) depth += 1;
    else if (")]}".includes(character)) depth -= 1;
    if (depth > mostNesting) return { message: `brackets nest deeper than ${mostNesting} levels`, position: null };
  }
  try {
    return { filter: parse(source) };
  } catch (error) {
    const { location } = error as { location?: { start?: { offset?: number } } };
    return { message: firstLine(error).replace(/^<input>:\d+:\d+: /, ""), position: location?.start?.offset ?? null };
  }
}

/** Deeper than people write, far from where the parser's own recursion ends. */
const mostNesting = 32;

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

function bindingsOf(event: DecodedEvent): Record<string, CelInput> {
  const fields: Record<string, CelInput> = {};
  for (const name in event.values) fields[name] = inputOf(event.values[name]!, event.type.fields[name] === "u64");
  return {
    event: event.name,
    category: event.category,
    task: BigInt(event.task),
    thread: BigInt(event.thread),
    hart: BigInt(event.hart),
    time_ns: BigInt(event.timeNs),
    instructions: BigInt(event.instructions),
    sequence: BigInt(event.sequence),
    fields,
  };
}

function inputOf(value: FieldValue, unsigned: boolean): CelInput {
  if (typeof value === "bigint") return unsigned ? celUint(value) : value;
  return typeof value === "number" ? BigInt(value) : value;
}

const probeValues = { u32: 1, u64: 1n, i64: 1n, flag: true, text: "a", bytes: new Uint8Array(1) } as const;

/** One event of each kind, to see what kind of value an expression gives. */
const probes: readonly DecodedEvent[] = catalogue.map((type: EventType) => ({
  sequence: 1,
  timeNs: 1,
  instructions: 1,
  hart: 0,
  task: 1,
  thread: 1,
  name: type.name,
  category: type.category,
  type,
  values: Object.fromEntries(Object.entries(type.fields).map(([name, kind]) => [name, probeValues[kind]])),
}));
