/**
 * From what happened in a run to the report of its test. Pure, and without anything that could differ between two
 * runs of the same submission: no times, no random names, no host.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { signalName } from "../../kernel/catalogue.ts";
import type {
  AssignmentTest,
  Check,
  CheckReportSchema,
  TestReportSchema,
} from "../../proto/gen/ostler/v1/grading_pb.js";
import type { ExitStatusSchema } from "../../proto/gen/ostler/v1/machines_pb.js";
import type { ExecutionResult } from "../hosting/protocol.ts";
import { type Comparison, compareExact, compareTrimmed, quoted } from "./compare.ts";
import type { Findings } from "./inspect.ts";
import { limitsOf, type TestLimitsInForce } from "./plan.ts";

export type TestReportInit = MessageInitShape<typeof TestReportSchema>;
type CheckReportInit = MessageInitShape<typeof CheckReportSchema>;
type ExitInit = MessageInitShape<typeof ExitStatusSchema>;

/** What one run showed. */
export interface Evidence {
  result: Pick<ExecutionResult, "exit" | "stop" | "console" | "consoleTruncated" | "traceTruncated">;
  /** Instructions of the whole run, for one that did not end by itself. */
  executed: number;
  findings: Findings;
}

const SIGXCPU = 24;
const SIGXFSZ = 25;

/** `outputBytes`: how much output the report keeps. */
export function judge(test: AssignmentTest, evidence: Evidence, outputBytes: number): TestReportInit {
  const limits = limitsOf(test);
  const { result, findings, executed } = evidence;
  const ended = describeEnd(result, limits);
  // Findings stand in the order in which the checks ask for them.
  const counts = findings.counts.values();
  const matches = findings.matches.values();
  const checks = test.checks.map((check) => judgeCheck(check, { evidence, ended, counts, matches }));
  const passed = checks.every((check) => check.passed);
  return {
    name: test.name,
    points: passed ? test.points : 0,
    maxPoints: test.points,
    passed,
    checks,
    exitStatus: ended,
    instructions: BigInt(result.exit?.instructions ?? executed),
    peakMemoryBytes: BigInt(result.exit?.peakMemoryBytes ?? 0),
    output: result.console.subarray(0, outputBytes),
    traceExcerpt: findings.excerpt,
    hidden: test.hidden,
  };
}

/** The report of a test that could not be run for a reason that lies in the submission. */
export function notRun(test: AssignmentTest, reason: string): TestReportInit {
  const checks = test.checks.map((check) => ({
    what: whatOf(check),
    passed: false,
    expected: expectationOf(check),
    found: reason,
  }));
  return { name: test.name, points: 0, maxPoints: test.points, passed: false, checks, hidden: test.hidden };
}

interface Sight {
  evidence: Evidence;
  ended: ExitInit;
  counts: Iterator<number>;
  matches: Iterator<boolean>;
}

function judgeCheck(check: Check, sight: Sight): CheckReportInit {
  const { what, expected } = { what: whatOf(check), expected: expectationOf(check) };
  const { evidence, ended } = sight;
  const { console: output, consoleTruncated } = evidence.result;
  const ending = ended.description ?? "";
  const compared = ({ equal, expected, found }: Comparison): CheckReportInit => ({
    what,
    passed: equal && !consoleTruncated,
    expected,
    found: consoleTruncated ? `more output than can be compared; ${found}` : found,
  });
  switch (check.check.case) {
    case "exitCode":
      return {
        what,
        expected,
        found: ending,
        passed: ended.status?.case === "code" && ended.status.value === check.check.value,
      };
    case "exitSignal":
      return {
        what,
        expected,
        found: ending,
        passed: ended.status?.case === "signal" && ended.status.value === check.check.value,
      };
    case "outputExact":
      return compared(compareExact(check.check.value, output));
    case "outputTrimmed":
      return compared(compareTrimmed(check.check.value, output));
    case "outputRegex": {
      const passed = sight.matches.next().value === true;
      const found = passed
        ? "a match"
        : output.length === 0
          ? "no output"
          : `no match in ${output.length} bytes of output, which begin ${quoted(Buffer.from(output.subarray(0, 120)).toString())}`;
      return { what, expected, passed, found };
    }
    case "trace": {
      const count: unknown = sight.counts.next().value;
      if (evidence.result.traceTruncated || evidence.findings.hasGap)
        return { what, expected, passed: false, found: "more trace events than can be counted" };
      const { atLeast, atMost } = check.check.value;
      const seen = BigInt(typeof count === "number" ? count : 0);
      return {
        what,
        expected,
        found: events(seen),
        passed: seen >= atLeast && (atMost === undefined || seen <= atMost),
      };
    }
    default:
      return { what, expected, passed: false, found: "this server does not know the check" };
  }
}

function whatOf({ check }: Check): string {
  switch (check.case) {
    case "exitCode":
      return "exit code";
    case "exitSignal":
      return "exit signal";
    case "outputExact":
      return "output (exact)";
    case "outputTrimmed":
      return "output (trimmed)";
    case "outputRegex":
      return "output (regular expression)";
    case "trace":
      return `trace: ${check.value.description || check.value.expression}`;
    default:
      return "unknown check";
  }
}

function expectationOf({ check }: Check): string {
  switch (check.case) {
    case "exitCode":
      return `exited with ${check.value}`;
    case "exitSignal":
      return `killed by ${signalName(check.value)}`;
    case "outputExact":
    case "outputTrimmed":
      return quoted(check.value);
    case "outputRegex":
      return `a match of ${check.value}`;
    case "trace":
      return expectedCount(check.value.atLeast, check.value.atMost);
    default:
      return "";
  }
}

const events = (count: bigint): string => `${count} ${count === 1n ? "event" : "events"}`;

function expectedCount(atLeast: bigint, atMost: bigint | undefined): string {
  if (atMost === undefined) return `at least ${events(atLeast)}`;
  if (atLeast === atMost) return `exactly ${events(atMost)}`;
  return atLeast === 0n ? `at most ${events(atMost)}` : `${atLeast} to ${events(atMost)}`;
}

function describeEnd({ exit, stop }: Evidence["result"], limits: TestLimitsInForce): ExitInit {
  if (exit === null) {
    const description =
      stop === "idle"
        ? "did not end: every thread waits for something that never comes"
        : `did not end within ${limits.instructions} instructions`;
    return { description };
  }
  const { status, fault } = exit;
  if (status.kind === "exited")
    return { status: { case: "code", value: status.code }, description: `exited with ${status.code}` };
  const why =
    fault !== null
      ? `: ${fault.description}`
      : status.signal === SIGXCPU
        ? `: more than ${limits.instructions} instructions`
        : status.signal === SIGXFSZ
          ? `: more than ${limits.outputBytes} bytes of output`
          : "";
  return {
    status: { case: "signal", value: status.signal },
    description: `killed by ${signalName(status.signal)}${why}`,
  };
}
