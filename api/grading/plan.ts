/** From an assignment's test and a program to the run that tests it. Pure. */

import { fromBinary } from "@bufbuild/protobuf";
import type { FileSpec } from "../../kernel/index.ts";
import {
  type AssignmentSpec,
  AssignmentSpecSchema,
  type AssignmentTest,
} from "../../proto/gen/ostler/v1/grading_pb.js";
import { invalid, outOfRange } from "../errors.ts";
import type { Execution } from "../hosting/protocol.ts";
import type { SnapshotRow } from "../store/types.ts";
import { checkCompileOptions } from "./compile.ts";
import { checkExpression, EXCERPT_MASK, traceMaskOf } from "./events.ts";
import { checkPattern } from "./regex.ts";

const DEFAULT_INSTRUCTIONS = 1_000_000_000;
const DEFAULT_OUTPUT_BYTES = 1024 * 1024;
/** A test with child processes may run a little past the limit of one before the whole is cut off. */
const GRACE_INSTRUCTIONS = 1_000_000;
const EXCERPT_TRACE_BYTES = 256 * 1024;
/** What a predicate may count over. Beyond it the check fails, whatever the host: a record's size does not depend on it. */
export const PREDICATE_TRACE_BYTES = 48 * 1024 * 1024;
/** Several processes of one test may each use up their output limit. */
const OUTPUT_PROCESSES = 4;

export interface TestLimitsInForce {
  instructions: number;
  memoryBytes: number;
  outputBytes: number;
}

export const limitsOf = ({ limits }: AssignmentTest): TestLimitsInForce => ({
  instructions: Number(limits?.instructions ?? 0n) || DEFAULT_INSTRUCTIONS,
  memoryBytes: Number(limits?.memoryBytes ?? 0n),
  outputBytes: Number(limits?.outputBytes ?? 0n) || DEFAULT_OUTPUT_BYTES,
});

export const maxPointsOf = (spec: AssignmentSpec): number => spec.tests.reduce((sum, { points }) => sum + points, 0);
export const specOf = (row: { spec: Uint8Array }): AssignmentSpec => fromBinary(AssignmentSpecSchema, row.spec);
export const programPath = (spec: AssignmentSpec): string => `/bin/${spec.programName || "submission"}`;

const inputOf = (test: AssignmentTest): Uint8Array =>
  test.standardInputText === "" ? test.standardInput : new TextEncoder().encode(test.standardInputText);

export const expressionsOf = ({ checks }: AssignmentTest): string[] =>
  checks.flatMap(({ check }) => (check.case === "trace" ? [check.value.expression] : []));
export const patternsOf = ({ checks }: AssignmentTest): string[] =>
  checks.flatMap(({ check }) => (check.case === "outputRegex" ? [check.value] : []));

/** The run of one test, from the prepared machine on. */
export function executionOf(
  spec: AssignmentSpec,
  test: AssignmentTest,
  program: { hash: string; size: number },
  prepared: Pick<SnapshotRow, "root" | "at">,
): Omit<Execution, "job" | "share"> {
  const limits = limitsOf(test);
  const path = programPath(spec);
  const file: FileSpec = { path, content: program.hash, size: program.size, mode: 0o755 };
  const maxInstructions = prepared.at.instructions + limits.instructions + GRACE_INSTRUCTIONS;
  const expressions = expressionsOf(test);
  return {
    origin: { kind: "snapshot", root: prepared.root },
    inputs: [
      { kind: "addFile", file },
      {
        kind: "startProgram",
        path,
        arguments: [path, ...test.arguments],
        environment: null,
        input: { kind: "bytes", bytes: inputOf(test) },
        limits,
      },
      // The machine itself stops at the limit too, so that the kept one does not run on when it is opened.
      { kind: "resume", untilInstructions: maxInstructions, untilTimeNs: null },
    ],
    watch: 1,
    maxInstructions,
    traceMask: expressions.reduce((mask, expression) => mask | traceMaskOf(expression), EXCERPT_MASK),
    traceBytes: expressions.length > 0 ? PREDICATE_TRACE_BYTES : EXCERPT_TRACE_BYTES,
    outputBytes: limits.outputBytes * OUTPUT_PROCESSES,
  };
}

/** Throws INVALID_ARGUMENT for what only the grader can judge about a spec. */
export function checkSpec(spec: AssignmentSpec): void {
  if (/^\.{1,2}$/.test(spec.programName))
    throw invalid("spec.program_name", 'must be a file name, for example "submission"');
  checkCompileOptions(spec.compile?.options ?? [], "spec.compile.options");
  const names = new Set<string>();
  for (const [index, test] of spec.tests.entries()) {
    const field = `spec.tests[${index}]`;
    if (names.has(test.name))
      throw invalid(`${field}.name`, `${JSON.stringify(test.name)} is the name of another test`);
    names.add(test.name);
    checkTest(test, field);
  }
}

/** With less a program cannot even be loaded, and every submission would fail. */
const LEAST_MEMORY_BYTES = 1_048_576n;

function checkTest(test: AssignmentTest, field: string): void {
  const nul = test.arguments.findIndex((argument) => argument.includes("\0"));
  if (nul >= 0) throw invalid(`${field}.arguments[${nul}]`, "must not contain a NUL character");
  if (test.standardInput.length > 0 && test.standardInputText !== "")
    throw invalid(`${field}.standard_input_text`, "must be empty when standard_input is given; give one of the two");
  const memoryBytes = test.limits?.memoryBytes ?? 0n;
  if (memoryBytes > 0n && memoryBytes < LEAST_MEMORY_BYTES)
    throw invalid(
      `${field}.limits.memory_bytes`,
      `must be at least ${LEAST_MEMORY_BYTES}, or 0 for the machine's memory`,
    );
  for (const [index, { check }] of test.checks.entries()) {
    const at = `${field}.checks[${index}]`;
    if (check.case === "outputRegex") checkPattern(check.value, `${at}.output_regex`);
    if (check.case === "exitSignal" && (check.value < 1 || check.value > 64))
      throw outOfRange(`${at}.exit_signal`, "must be from 1 to 64, for example 11 (SIGSEGV)");
    if (check.case !== "trace") continue;
    checkExpression(check.value.expression, `${at}.trace.expression`);
    const { atLeast, atMost } = check.value;
    if (atMost !== undefined && atMost < atLeast)
      throw invalid(`${at}.trace.at_most`, `must be at least at_least (${atLeast})`);
  }
}
