/** A grade for people: points, a row per test, and what failed with what was expected and found. */
import type { CheckReport, GradeReport, TestReport } from "../../../proto/gen/ostler/v1/grading_pb.js";
import { manyLines, type Output, oneLine, table } from "../output.ts";
import { formatCount, formatSize } from "../units.ts";

const EXCERPT_LINES = 20;
const TEXT_LENGTH = 400;

export function reportText(out: Output, report: GradeReport, verbose: boolean): string {
  const parts: string[] = [];
  if (report.compile !== undefined) parts.push(compileText(out, report.compile));
  if (report.tests.length > 0) parts.push(testTable(report.tests));
  for (const test of report.tests) if (verbose || !test.passed) parts.push(testText(out, test));
  parts.push(out.style("bold", `${report.points} of ${report.maxPoints} points`));
  return parts.filter((part) => part !== "").join("\n\n");
}

function compileText(out: Output, compile: NonNullable<GradeReport["compile"]>): string {
  const messages = manyLines(compile.messages).trimEnd();
  if (compile.succeeded) return messages === "" ? "" : `compiler:\n${indent(messages)}`;
  return `${out.style("red", "does not compile")}:\n${indent(messages)}`;
}

function testTable(tests: readonly TestReport[]): string {
  return table(
    [
      { title: "TEST", value: (test) => test.name },
      { title: "RESULT", value: (test) => (test.passed ? "passed" : "FAILED") },
      { title: "POINTS", value: (test) => `${test.points}/${test.maxPoints}`, align: "right" },
      {
        title: "INSTRUCTIONS",
        value: (test) => (test.instructions === 0n ? "-" : formatCount(test.instructions)),
        align: "right",
      },
      {
        title: "MEMORY",
        value: (test) => (test.peakMemoryBytes === 0n ? "-" : formatSize(test.peakMemoryBytes)),
        align: "right",
      },
      { title: "ENDED", value: (test) => test.exitStatus?.description ?? (test.hidden ? "(hidden)" : "-") },
    ],
    tests,
  );
}

function testText(out: Output, test: TestReport): string {
  const checks = test.checks.map((check) => checkText(out, check));
  const output = Buffer.from(test.output).toString("utf8");
  const parts = [
    out.style("bold", `${oneLine(test.name)}: ${test.passed ? "passed" : "failed"}`),
    ...checks,
    ...(output === "" ? [] : ["  output:", excerpt(output, "first")]),
    ...(test.traceExcerpt === "" ? [] : ["  the last system calls:", excerpt(test.traceExcerpt, "last")]),
    ...(test.machineId === "" ? [] : [`  the machine was kept: ostler machine get ${test.machineId}`]),
  ];
  return parts.length === 1 ? "" : parts.join("\n");
}

function checkText(out: Output, check: CheckReport): string {
  const mark = check.passed ? out.style("green", "ok  ") : out.style("red", "FAIL");
  if (check.passed) return `  ${mark} ${oneLine(check.what)}`;
  return `  ${mark} ${oneLine(check.what)}\n       expected: ${shown(check.expected)}\n       found:    ${shown(check.found)}`;
}

/** On one line; quoted where white space at an end would not be seen. */
function shown(text: string): string {
  const cut = text.length > TEXT_LENGTH ? `${text.slice(0, TEXT_LENGTH)}…` : text;
  return cut === "" || cut.trim() !== cut || cut.includes("\n") ? JSON.stringify(cut) : oneLine(cut);
}

function excerpt(text: string, which: "first" | "last"): string {
  const lines = manyLines(text).trimEnd().split("\n");
  const shownLines = which === "first" ? lines.slice(0, EXCERPT_LINES) : lines.slice(-EXCERPT_LINES);
  const left = lines.length - shownLines.length;
  const more = left > 0 ? [`… ${left} more lines`] : [];
  return indent((which === "first" ? [...shownLines, ...more] : [...more, ...shownLines]).join("\n"), "    ");
}

const indent = (text: string, by = "  "): string =>
  text
    .split("\n")
    .map((line) => by + line)
    .join("\n");
