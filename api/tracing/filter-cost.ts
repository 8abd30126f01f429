/**
 * What an expression may cost on one event. Filters run where every client is served, and CEL has no budget of its
 * own: a loop over what a loop gives doubles something with every few characters, and a regular expression is as
 * large as its repetitions say. Both are bounded before the first event, from the text alone, so that the same
 * filter is accepted or refused everywhere.
 */
import type { parse } from "@bufbuild/cel";
import { RE2JS } from "@bufbuild/re2";

export type Expr = ReturnType<typeof parse>["expr"];
type Kind<Case> = Extract<Expr["exprKind"], { case: Case }>;

/** Some tenths of a millisecond; an expression without a loop stays below it whatever it says. */
export const mostSteps = 4_096;
/** Characters times repetitions: what is beyond this is not even compiled. */
const mostWritten = 200_000;
/** Instructions of a compiled pattern. */
const mostCompiled = 4_096;
/** Entries of `fields`, the only thing in an event that a loop can run over. */
const fieldsMost = 16;
const charactersPerStep = 16;
const keptPatterns = 256;

/** An upper bound of the steps that one evaluation takes. */
export function stepsOf(expr: Expr | undefined): number {
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case "constExpr": {
      const { constantKind } = kind.value;
      const text = constantKind.case === "stringValue" || constantKind.case === "bytesValue" ? constantKind.value : "";
      return 1 + text.length / charactersPerStep;
    }
    case "identExpr":
      return kind.value.name === "fields" ? fieldsMost : 1;
    case "selectExpr": {
      const ofFields = kind.value.operand?.exprKind.case === "identExpr";
      return 1 + (ofFields ? 0 : stepsOf(kind.value.operand));
    }
    case "callExpr":
      return 1 + sum([kind.value.target, ...kind.value.args]);
    case "listExpr":
      return 1 + sum(kind.value.elements);
    case "structExpr":
      return 1 + sum(kind.value.entries.flatMap(({ keyKind, value }) => [keyOf(keyKind), value]));
    case "comprehensionExpr":
      return stepsOfLoop(kind.value);
    default:
      return 0;
  }
}

type Entry = Kind<"structExpr">["value"]["entries"][number];
const keyOf = (key: Entry["keyKind"]): Expr | undefined => (key.case === "mapKey" ? key.value : undefined);

const sum = (exprs: readonly (Expr | undefined)[]): number => exprs.reduce((total, expr) => total + stepsOf(expr), 0);

/** There cannot be more rounds than the range took steps to make: a range that a loop made is refused before. */
function stepsOfLoop(loop: Kind<"comprehensionExpr">["value"]): number {
  const rounds = stepsOf(loop.iterRange);
  return rounds + rounds * sum([loop.loopCondition, loop.loopStep]) + sum([loop.accuInit, loop.result]);
}

/** What is wrong with a regular expression, or null. */
export function patternProblem(pattern: string): string | null {
  const repeats = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].map(([, least, most]) => Number(most || least) || 1);
  const written = repeats.reduce((product, count) => product * count, pattern.length);
  try {
    const fits = written <= mostWritten && compiledPattern(pattern).re2().prog.numInst() <= mostCompiled;
    return fits ? null : "the pattern repeats too much";
  } catch (error) {
    const message = (error as Error).message.replace(/^error parsing regexp: /, "");
    return `the pattern is not a regular expression in RE2's syntax: ${message}`;
  }
}

const patterns = new Map<string, RE2JS>();

/** Compiled once, not once an event. */
export function compiledPattern(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const compiled = RE2JS.compile(pattern);
  if (patterns.size >= keptPatterns) patterns.clear();
  patterns.set(pattern, compiled);
  return compiled;
}
