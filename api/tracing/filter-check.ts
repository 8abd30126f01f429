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

function checkCall({ function: name, target, args }: Called, id: bigint, scope: Scope): Found | null {
  if (!isFunction(name)) return { message: `there is no function "${name}"`, id };
  return (name === "matches" ? checkPattern(args.at(-1), id) : null) ?? checkAll([target, ...args], scope);
}

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
  const kind = operand?.exprKind;
  const ofFields = kind?.case === "identExpr" && kind.value.name === "fields" && !scope.loops.includes("fields");
  if (ofFields && !fieldNames.has(field)) return { message: `no event has a field "${field}"`, id };
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
