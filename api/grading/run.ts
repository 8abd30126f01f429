/**
 * Grades one submission: program, then one run a test, each from the prepared snapshot, judged and kept. The
 * report is a function of submission and assignment version alone; everything that depends on the host ends in
 * an exception instead.
 */

import { createHash } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { InputError } from "../../kernel/index.ts";
import {
  type AssignmentTest,
  type CompileReportSchema,
  GradeReportSchema,
} from "../../proto/gen/ostler/v1/grading_pb.js";
import { failedPrecondition, internal } from "../errors.ts";
import { snapshotRoot } from "../hosting/collection/references.ts";
import type { Hosting } from "../hosting/hosting.ts";
import type { ExecutionResult } from "../hosting/protocol.ts";
import type { Bytes, Hold, Store, SubmissionRow } from "../store/types.ts";
import { inSpan } from "../telemetry/spans.ts";
import type { Compiler } from "./compile.ts";
import type { Inspector } from "./inspector.ts";
import { judge, notRun, type TestReportInit } from "./judge.ts";
import { keepMachine } from "./kept.ts";
import { executionOf, expressionsOf, maxPointsOf, patternsOf } from "./plan.ts";
import { derivedId, type Prepared, type PreparedMachines } from "./prepared.ts";
import type { RunQuarantine } from "./quarantine.ts";

export interface GradingTools {
  store: Store;
  hosting: Hosting;
  compiler: Compiler;
  inspector: Inspector;
  prepared: PreparedMachines;
  quarantine: RunQuarantine;
}

/** Output that a report keeps of one test; less where there are very many tests, so that reports can be sent. */
const REPORTED_OUTPUT_BYTES = 64 * 1024;
const REPORTED_OUTPUT_IN_ALL_BYTES = 2 * 1024 * 1024;

interface Program {
  hash: string;
  size: number;
}

interface Build {
  program: Program | null;
  compile?: MessageInitShape<typeof CompileReportSchema>;
}

type OnProgress = (done: number, total: number) => void;

/** Returns the encoded report. */
export const gradeSubmission = (
  tools: GradingTools,
  submission: SubmissionRow,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<Bytes> => tools.store.holds.during((hold) => grade(tools, submission, onProgress, signal, hold));

/** `hold`: what it was made of stays until the machines that are kept of it name it. */
async function grade(
  tools: GradingTools,
  submission: SubmissionRow,
  onProgress: OnProgress,
  signal: AbortSignal,
  hold: Hold,
): Promise<Bytes> {
  const prepared = await tools.prepared.get(submission.assignmentId, submission.assignmentVersion);
  hold.add([snapshotRoot(prepared.snapshot.root)]);
  const { spec } = prepared;
  onProgress(0, spec.tests.length);
  const { program, compile } = await build(tools, submission, prepared, signal, hold);
  const outputBytes = Math.min(REPORTED_OUTPUT_BYTES, Math.floor(REPORTED_OUTPUT_IN_ALL_BYTES / spec.tests.length));
  const tests: TestReportInit[] = [];
  for (const [index, test] of spec.tests.entries()) {
    signal.throwIfAborted();
    const run = { submission, prepared, index, test, outputBytes };
    tests.push(
      program === null
        ? notRun(test, "the program could not be compiled")
        : await gradeTest(tools, run, program, signal),
    );
    onProgress(index + 1, spec.tests.length);
  }
  const points = tests.reduce((sum, test) => sum + (test.points ?? 0), 0);
  const report = create(GradeReportSchema, {
    points,
    maxPoints: maxPointsOf(spec),
    tests,
    ...(compile !== undefined && { compile }),
  });
  return toBinary(GradeReportSchema, report) as Bytes;
}

async function build(
  tools: GradingTools,
  submission: SubmissionRow,
  { spec }: Prepared,
  signal: AbortSignal,
  hold: Hold,
): Promise<Build> {
  const content = (await tools.store.blobs.get([submission.contentHash])).get(submission.contentHash);
  if (content === undefined)
    throw new Error(`the content ${submission.contentHash} of submission ${submission.id} is not stored`);
  if (submission.contentKind === "elf") return { program: { hash: submission.contentHash, size: content.length } };
  const compile = () => tools.compiler.compile(content, spec.compile?.options ?? [], signal);
  const { succeeded, messages, program } = await inSpan("compile submission", () => ({}), compile);
  if (program === null) return { program: null, compile: { succeeded, messages } };
  const hash = createHash("sha256").update(program).digest("hex");
  await tools.store.blobs.put([{ hash, data: program }], hold);
  return { program: { hash, size: program.length }, compile: { succeeded, messages, programHash: hash } };
}

interface TestRun {
  submission: SubmissionRow;
  prepared: Prepared;
  index: number;
  test: AssignmentTest;
  outputBytes: number;
}

async function gradeTest(
  tools: GradingTools,
  run: TestRun,
  program: Program,
  signal: AbortSignal,
): Promise<TestReportInit> {
  const { submission, test, prepared } = run;
  const execution = executionOf(prepared.spec, test, program, prepared.snapshot);
  const execute = () => tools.hosting.execute(execution, submission, signal);
  const result = await tools.quarantine.during(
    {
      assignmentId: submission.assignmentId,
      assignmentVersion: submission.assignmentVersion,
      programHash: program.hash,
      test: test.name,
      index: run.index,
    },
    () => inSpan("run test", () => ({ "ostler.test": run.index }), execute),
  );
  const refusal = refusalOf(result);
  if (refusal !== null) return notRun(test, refusal);
  if (result.stop.startsWith("frozen")) {
    throw internal(new Error(`the machine of test ${JSON.stringify(test.name)} broke: ${result.stop}`));
  }
  const findings = await tools.inspector.inquire({
    trace: result.trace,
    output: result.console,
    expressions: expressionsOf(test),
    patterns: patternsOf(test),
  });
  const executed = result.summary.position.instructions - prepared.snapshot.at.instructions;
  const report = judge(test, { result, executed, findings }, run.outputBytes);
  return { ...report, machineId: await keep(tools, run, program, result) };
}

/** What the kernel has against the program; null if it runs. What it has against the assignment is not the student's fault. */
function refusalOf({ applied }: ExecutionResult): string | null {
  const failed = applied.find((result) => !result.ok);
  if (failed === undefined || failed.ok) return null;
  const { code, message, field } = failed.error;
  const ofProgram: InputError["code"][] = ["badExecutable", "exhausted"];
  if (ofProgram.includes(code)) return `the program could not be started: ${message}`;
  throw failedPrecondition("TEST_NOT_RUNNABLE", `A test of the assignment cannot be run: ${field}: ${message}`);
}

/** Hidden tests stay with the assignment's owner, machine and all. */
async function keep(
  tools: GradingTools,
  { submission, prepared, index, test }: TestRun,
  program: Program,
  result: ExecutionResult,
): Promise<string> {
  const id = derivedId(
    "m-g",
    submission.ownerId,
    submission.assignmentId,
    submission.assignmentVersion,
    program.hash,
    index,
  );
  await keepMachine(tools.store, {
    id,
    ownerId: test.hidden ? prepared.ownerId : submission.ownerId,
    displayName: `Test ${index + 1}: ${test.name}`,
    labels: { assignment: submission.assignmentId, submission: submission.id, test: String(index + 1) },
    prepared,
    result,
  });
  return id;
}
