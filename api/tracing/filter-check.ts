/**
 * What can be said about a filter's expression before any event is seen: names that do not exist, and loops inside
 * or over loops, which a short expression could make run for hours.
 */
import { celEnv, type parse } from "@bufbuild/cel";
import { catalogue } from "../../kernel/trace/index.ts";
import { compiledPattern, type Expr, mostSteps, patternProblem, stepsOf } from "./filter-cost.ts";

export type ParsedFilter = ReturnType<typeof parse>;

export interface Objection {
  message: string;
  position: number | null;
}

export const variables: readonly string[] = [
  "event",
  "category",
  "task",
  "thread",
  "hart",
  "time_ns",
  "instructions",
  "sequence",
  "fields",
];

/** Names that CEL itself knows as values. */
const typeNames = [
  "bool",
  "bytes",
  "double",
  "duration",
  "int",
  "list",
  "map",
  "null_type",
  "string",
  "timestamp",
  "type",
  "uint",
  "google",
];

/** What CEL's standard library has, and its own operators. */
export const environment = celEnv({ re2: { compile: compiledPattern } });

const isFunction = (name: string): boolean =>
  name.startsWith("@") || operators.includes(name) || environment.funcs.find(name) !== undefined;
const operators: readonly string[] = ["_?_:_", "_&&_", "_||_", "_==_", "_!=_", "_[_]", "@in", "!_", "-_"];

const fieldNames = new Set(catalogue.flatMap((type) => Object.keys(type.fields)));

interface Scope {
  /** Variables of the loops around. */
  readonly loops: readonly string[];
  /** This gives what a loop runs over. */
  readonly isRange: boolean;
}

export function checkExpression(filter: ParsedFilter): Objection | null {
  const positions = filter.sourceInfo?.positions ?? {};
  const found = check(filter.expr, { loops: [], isRange: false }) ?? checkSteps(filter.expr);
  return found === null ? null : { message: found.message, position: positions[String(found.id)] ?? null };
}

function checkSteps(expr: Expr): Found | null {
  const steps = Math.ceil(stepsOf(expr));
  if (steps <= mostSteps) return null;
  return {
    message: `the expression takes up to ${steps} steps on one event; at most ${mostSteps} are allowed`,
    id: expr.id,
  };
}

interface Found {
  message: string;
  id: bigint;
}

/** The first of several checks that objects. */
function first(checks: Iterable<Found | null>): Found | null {
  for (const found of checks) if (found !== null) return found;
  return null;
}

function checkAll(exprs: readonly (Expr | undefined)[], scope: Scope): Found | null {
  return first(exprs.map((expr) => (expr === undefined ? null : check(expr, scope))));
}

function check(expr: Expr, scope: Scope): Found | null {
  const { exprKind: kind, id } = expr;
  switch (kind.case) {
    case "identExpr":
      return checkName(kind.value.name, id, scope);
    case "selectExpr":
      return checkSelect(kind.value.operand, kind.value.field, id, scope);
    case "callExpr":
      return checkCall(kind.value, id, scope);
    case "listExpr":
      return checkAll(kind.value.elements, scope);
    case "structExpr":
      if (kind.value.messageName !== "") return { message: `there is no type ${kind.value.messageName}`, id };
      return first(
        kind.value.entries.map((entry) =>
          checkAll([entry.keyKind.case === "mapKey" ? entry.keyKind.value : undefined, entry.value], scope),
        ),
      );
    case "comprehensionExpr":
      return checkLoop(kind.value, id, scope);
    default:
      return null;
  }
}

function checkName(name: string, id: bigint, { loops }: Scope): Found | null {
  if (variables.includes(name) || typeNames.includes(name) || loops.includes(name)) return null;
  return { message: `there is no "${name}"; known are ${variables.join(", ")}`, id };
}

type Called = Extract<Expr["exprKind"], { case: "callExpr" }>["value"];

function checkCall(called: Called, id: bigint, scope: Scope): Found | null {
  const { function: name, target, args } = called;
  if (!isFunction(name)) return { message: `there is no function "${name}"`, id };
  const objection = name === "matches" ? checkPattern(args.at(-1), id) : checkEquality(called, scope);
  return objection ?? checkAll([target, ...args], scope);
}

const kindsOfValues = {
  u32: "a number",
  u64: "a number",
  i64: "a number",
  flag: "true or false",
  text: "text",
  bytes: "bytes",
} as const;
const kindsOfConstants: Readonly<Record<string, string>> = {
  int64Value: "a number",
  uint64Value: "a number",
  doubleValue: "a number",
  boolValue: "true or false",
  stringValue: "text",
  bytesValue: "bytes",
};

/** CEL itself finds values of different kinds unequal without a word: such a filter never says what was meant. */
function checkEquality({ function: name, args }: Called, scope: Scope): Found | null {
  if (name !== "_==_" && name !== "_!=_" && name !== "@in") return null;
  const [left, right] = args;
  const list = right?.exprKind.case === "listExpr" ? right.exprKind.value.elements : [];
  const others = name === "@in" ? list : [right];
  const kind = kindOf(left, scope);
  const other = others.map((each) => kindOf(each, scope)).find((each) => each !== null && each !== kind);
  if (kind === null || other === undefined) return null;
  return { message: `${kind} is compared with ${other}; they are never equal`, id: left!.id };
}

/** What kind of value an expression gives, if its form alone says it. */
function kindOf(expr: Expr | undefined, { loops }: Scope): string | null {
  const kind = expr?.exprKind;
  if (kind?.case === "constExpr") return kindsOfConstants[kind.value.constantKind.case ?? ""] ?? null;
  if (kind?.case === "identExpr") {
    const { name } = kind.value;
    if (loops.includes(name) || name === "fields" || !variables.includes(name)) return null;
    return name === "event" || name === "category" ? "text" : "a number";
  }
  if (kind?.case !== "selectExpr" || kind.value.testOnly || !isFields(kind.value.operand, loops)) return null;
  const { field } = kind.value;
  const kinds = new Set(catalogue.flatMap(({ fields }) => (field in fields ? [kindsOfValues[fields[field]!]] : [])));
  return kinds.size === 1 ? [...kinds][0]! : null;
}

const isFields = (expr: Expr | undefined, loops: readonly string[]): boolean =>
  expr?.exprKind.case === "identExpr" && expr.exprKind.value.name === "fields" && !loops.includes("fields");

/** A pattern that an event could make would have to be compiled for each event. */
function checkPattern(pattern: Expr | undefined, id: bigint): Found | null {
  const kind = pattern?.exprKind;
  const text =
    kind?.case === "constExpr" && kind.value.constantKind.case === "stringValue" ? kind.value.constantKind : null;
  if (text === null) return { message: "the pattern of matches() must be a text in quotes", id };
  const message = patternProblem(text.value);
  return message === null ? null : { message, id };
}

function checkSelect(operand: Expr | undefined, field: string, id: bigint, scope: Scope): Found | null {
  if (isFields(operand, scope.loops) && !fieldNames.has(field))
    return { message: `no event has a field "${field}"`, id };
  return operand === undefined ? null : check(operand, scope);
}

type Loop = Extract<Expr["exprKind"], { case: "comprehensionExpr" }>["value"];

function checkLoop(loop: Loop, id: bigint, scope: Scope): Found | null {
  if (scope.loops.length > 0) return { message: "a loop (all, exists, map, filter) inside another is not allowed", id };
  if (scope.isRange) return { message: "a loop (all, exists, map, filter) over what another gives is not allowed", id };
  const inside = {
    loops: [loop.iterVar, loop.iterVar2, loop.accuVar].filter((name) => name !== ""),
    isRange: false,
  };
  return first([
    checkAll([loop.iterRange], { ...scope, isRange: true }),
    checkAll([loop.accuInit], scope),
    checkAll([loop.loopCondition, loop.loopStep, loop.result], inside),
  ]);
}
