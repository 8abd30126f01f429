/**
 * Gradescope's results.json (gradescope-autograders.readthedocs.io, "Output format"). Keys always stand in the
 * same order, so that the same report gives the same bytes.
 */
import type { CheckReport, GradeReport, TestReport } from "../../proto/gen/ostler/v1/grading_pb.js";

const OUTPUT_CHARACTERS = 8 * 1024;

export function gradescopeResults(report: GradeReport): string {
  const results = {
    score: report.points,
    output: overall(report),
    output_format: "text",
    visibility: "visible",
    stdout_visibility: "hidden",
    tests: report.tests.map(testResult),
  };
  return `${JSON.stringify(results, null, 2)}\n`;
}

function overall({ points, maxPoints, compile }: GradeReport): string {
  const sum = `${points} of ${maxPoints} points.`;
  if (compile === undefined || compile.messages === "") return sum;
  return `${sum}\n\n${compile.succeeded ? "The compiler said:" : "The program could not be compiled:"}\n${compile.messages}`;
}

function testResult(test: TestReport, index: number) {
  return {
    score: test.points,
    max_score: test.maxPoints,
    status: test.passed ? "passed" : "failed",
    name: test.name,
    name_format: "text",
    number: String(index + 1),
    output: describeTest(test),
    output_format: "text",
    visibility: test.hidden ? "hidden" : "visible",
    extra_data: {
      machine_id: test.machineId,
      instructions: String(test.instructions),
      peak_memory_bytes: String(test.peakMemoryBytes),
    },
  };
}

function describeTest(test: TestReport): string {
  const parts = test.checks.map(describeCheck);
  if (test.exitStatus !== undefined)
    parts.push(`The program ${test.exitStatus.description} after ${test.instructions} instructions.`);
  if (test.output.length > 0) parts.push(`Output:\n${cut(new TextDecoder().decode(test.output))}`);
  if (test.traceExcerpt !== "") parts.push(`Last system calls:\n${cut(test.traceExcerpt)}`);
  return parts.join("\n\n");
}

function describeCheck({ what, passed, expected, found }: CheckReport): string {
  const why = passed ? "" : `\n  expected: ${expected}\n  found:    ${found}`;
  return `${passed ? "ok" : "FAILED"}: ${what}${why}`;
}

const cut = (text: string): string =>
  text.length <= OUTPUT_CHARACTERS
    ? text
    : `${text.slice(0, OUTPUT_CHARACTERS).replace(/\p{Surrogate}$/u, "")}\n(${text.length - OUTPUT_CHARACTERS} more characters)`;
