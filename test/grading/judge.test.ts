/** Judging: from what a run showed to the report. Pure functions, examples and properties. */
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareExact, compareTrimmed, trimmed } from "../../api/grading/compare.ts";
import { checkExpression, readTrace, traceMaskOf } from "../../api/grading/events.ts";
import { gradescopeResults } from "../../api/grading/gradescope.ts";
import { type Evidence, judge, notRun } from "../../api/grading/judge.ts";
import { checkSpec, executionOf } from "../../api/grading/plan.ts";
import { checkPattern, matchesPattern } from "../../api/grading/regex.ts";
import { reportForStudents, specForStudents } from "../../api/grading/views.ts";
import { contentKindOf } from "../../api/services/grading.ts";
import type { TaskId } from "../../kernel/index.ts";
import { faultFatal } from "../../kernel/trace/events/fault.ts";
import { syscallEnter, syscallExit } from "../../kernel/trace/events/syscall.ts";
import { taskExit } from "../../kernel/trace/events/task.ts";
import { categories, maskOf } from "../../kernel/trace/index.ts";
import { createTraceRing } from "../../kernel/trace/record/ring.ts";
import {
  AssignmentSpecSchema,
  type AssignmentTest,
  AssignmentTestSchema,
  GradeReportSchema,
  SubmissionKind,
  TestReportSchema,
} from "../../proto/gen/ostler/v1/grading_pb.js";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
const testOf = (json: object): AssignmentTest => fromJson(AssignmentTestSchema, { name: "t", points: 2, ...json });

function evidence(
  change: {
    console?: string;
    stop?: string;
    exit?: object | null;
    counts?: number[];
    matches?: boolean[];
    gap?: boolean;
  } = {},
): Evidence {
  const exit = {
    kind: "taskExited",
    task: 1 as TaskId,
    status: { kind: "exited", code: 0 },
    instructions: 1234,
    peakMemoryBytes: 8192,
    fault: null,
  };
  return {
    result: {
      exit: (change.exit === null ? null : { ...exit, ...change.exit }) as Evidence["result"]["exit"],
      stop: change.stop ?? "",
      console: bytes(change.console ?? ""),
      consoleTruncated: false,
      traceTruncated: false,
    },
    executed: 5000,
    findings: { counts: change.counts ?? [], matches: change.matches ?? [], excerpt: "", hasGap: change.gap ?? false },
  };
}

const judged = (checks: object[], change: Parameters<typeof evidence>[0] = {}, outputBytes = 65_536) =>
  judge(testOf({ checks }), evidence(change), outputBytes);

describe("checks", () => {
  test("all must hold for the points", () => {
    const report = judged([{ exitCode: 0 }, { outputExact: "hi\n" }], { console: "hi\n" });
    expect(report).toMatchObject({
      passed: true,
      points: 2,
      maxPoints: 2,
      instructions: 1234n,
      peakMemoryBytes: 8192n,
    });
    expect(judged([{ exitCode: 0 }, { outputExact: "ho\n" }], { console: "hi\n" })).toMatchObject({
      passed: false,
      points: 0,
    });
  });

  test("an exit code and a signal are different things", () => {
    const killed = {
      exit: {
        status: { kind: "signaled", signal: 11 },
        fault: { signal: 11, pc: 1n, address: 0n, description: "write to 0x0 (not mapped) at pc 0x1" },
      },
    };
    const [code, signal] = judged([{ exitCode: 11 }, { exitSignal: 11 }], killed).checks!;
    expect(code).toMatchObject({
      passed: false,
      expected: "exited with 11",
      found: "killed by SIGSEGV: write to 0x0 (not mapped) at pc 0x1",
    });
    expect(signal).toMatchObject({ passed: true, expected: "killed by SIGSEGV" });
  });

  test("limits are named", () => {
    const limits = { instructions: "5000", outputBytes: "10" };
    const by = (signal: number) =>
      judge(
        testOf({ limits, checks: [{ exitCode: 0 }] }),
        evidence({ exit: { status: { kind: "signaled", signal } } }),
        100,
      ).checks![0]!.found;
    expect(by(24)).toBe("killed by SIGXCPU: more than 5000 instructions");
    expect(by(25)).toBe("killed by SIGXFSZ: more than 10 bytes of output");
  });

  test("a program that never ends", () => {
    expect(judged([{ exitCode: 0 }], { exit: null, stop: "idle" }).checks![0]!.found).toBe(
      "did not end: every thread waits for something that never comes",
    );
    expect(judged([{ exitSignal: 24 }], { exit: null, stop: "instruction limit" })).toMatchObject({
      passed: false,
      instructions: 5000n,
      exitStatus: { description: "did not end within 1000000000 instructions" },
    });
  });

  test("trace predicates count", () => {
    const trace = { expression: "true", atLeast: "1", atMost: "2", description: "closes its files" };
    const at = (counts: number[]) => judged([{ trace }], { counts }).checks![0]!;
    expect([0, 1, 2, 3].map((count) => at([count]).passed)).toEqual([false, true, true, false]);
    expect(at([1])).toMatchObject({ what: "trace: closes its files", expected: "1 to 2 events", found: "1 event" });
    expect(
      judged([{ trace: { expression: "true", atMost: "5" } }], { counts: [0], gap: true }).checks![0],
    ).toMatchObject({ passed: false, found: "more trace events than can be counted" });
  });

  test("findings go to the checks that asked, in order", () => {
    const checks = [
      { outputRegex: "a" },
      { trace: { expression: "true", atLeast: "2" } },
      { outputRegex: "b" },
      { trace: { expression: "false", atMost: "0" } },
    ];
    const report = judged(checks, { matches: [true, false], counts: [2, 0] });
    expect(report.checks!.map((check) => check.passed)).toEqual([true, true, false, true]);
  });

  test("a test that could not run fails in each check, with the reason", () => {
    const report = notRun(testOf({ checks: [{ exitCode: 0 }, { outputExact: "x" }] }), "not an executable");
    expect(report).toMatchObject({
      points: 0,
      passed: false,
      checks: [
        { what: "exit code", found: "not an executable" },
        { what: "output (exact)", expected: '"x"', found: "not an executable" },
      ],
    });
  });

  test("output in a report is cut", () => {
    expect(judged([{ exitCode: 0 }], { console: "abcdef" }, 3).output).toEqual(bytes("abc"));
  });
});

describe("comparison", () => {
  test("names the first line that differs, with its end", () => {
    expect(compareExact("a\nb\nc\n", bytes("a\nx\nc\n"))).toEqual({
      equal: false,
      expected: 'line 2: "b\\n"',
      found: 'line 2: "x\\n"',
    });
    expect(compareExact("a\n", bytes("a"))).toMatchObject({ expected: 'line 1: "a\\n"', found: 'line 1: "a"' });
    expect(compareExact("a\nb\n", bytes("a\n"))).toMatchObject({ found: "no line 2: the output ends before" });
    expect(compareExact("a", bytes(""))).toMatchObject({ found: "no output" });
    expect(compareTrimmed("", bytes("x"))).toMatchObject({ expected: "no output", found: 'line 1: "x"' });
  });

  test("trimming takes white space at line ends and around, nothing else", () => {
    expect(trimmed("\n\n  a b \t\n c\r\n\n d \n\n")).toBe("a b\n c\n\n d");
    expect(compareTrimmed("1 2\n3", bytes("1 2  \r\n3\n\n")).equal).toBe(true);
    expect(compareTrimmed("a b", bytes("a  b")).equal).toBe(false);
  });

  test("exact equality is equality of bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 40 }), (text, raw) => {
        expect(compareExact(text, bytes(text)).equal).toBe(true);
        const other = new Uint8Array(raw);
        expect(compareExact(text, other).equal).toBe(Buffer.compare(Buffer.from(text), other) === 0);
      }),
    );
  });

  test("trimming twice is trimming once, and white space at line ends does not count", () => {
    const line = fc.stringMatching(/^[a-c \t]{0,6}$/);
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.constantFrom("", " ", "\t ", "\r")), (lines, ends) => {
        const text = lines.join("\n");
        const padded = lines.map((each, index) => each + (ends[index] ?? "")).join("\n");
        expect(trimmed(trimmed(text))).toBe(trimmed(text));
        expect(compareTrimmed(text, bytes(padded)).equal).toBe(true);
      }),
    );
  });

  test("takes time linear in the output, whatever it is (or would take hours here)", () => {
    expect(compareTrimmed("x", bytes(`${" ".repeat(2_000_000)}x`)).equal).toBe(true);
    expect(compareTrimmed("x", bytes(`${" \n".repeat(1_000_000)}x`)).equal).toBe(true);
  });
});

describe("regular expressions", () => {
  test("are RE2's", () => {
    expect(matchesPattern("(?m)^sum: \\d+$", "x\nsum: 42\ny")).toBe(true);
    expect(() => checkPattern("a(?=b)", "f")).toThrow("RE2");
    expect(() => checkPattern("a(", "f")).toThrow("f: is not a regular expression");
  });
  test("take linear time (or for ever)", () => {
    for (const pattern of ["(a*)*b", "(a|aa)+$", "(x+x+)+y", "(a|b)*a(a|b){12}z"])
      matchesPattern(pattern, "a".repeat(300_000));
  });
});

function recorded(): Uint8Array {
  const ring = createTraceRing({ sequence: 0 }, () => ({ timeNs: 5, instructions: 7, task: 2, thread: 2, hart: 0 }));
  ring.setMask(maskOf([]));
  const call = (name: string, text: string, value: bigint) => {
    const number = 64;
    if (ring.on(syscallEnter))
      ring.write(syscallEnter, { number, name, text: text.slice(0, text.indexOf(")") + 1), restarted: false });
    if (ring.on(syscallExit)) ring.write(syscallExit, { number, name, value, error: value < 0n ? "EBADF" : "", text });
  };
  call("write", 'write(1, "a", 1) = 1', 1n);
  call("write", 'write(9, "a", 1) = -1 EBADF (Bad file descriptor)', -9n);
  call("close", "close(3) = 0", 0n);
  if (ring.on(faultFatal))
    ring.write(faultFatal, { signal: 11, address: 2n ** 64n - 1n, pc: 0x10n, description: "write to 0x0" });
  if (ring.on(taskExit)) ring.write(taskExit, { task: 2, status: "signaled", code: 11, instructions: 7n });
  return ring.drain();
}

describe("traces", () => {
  const count = (expression: string) => readTrace(recorded(), [expression]).counts[0];
  test("predicates count events", () => {
    expect(count('event == "syscall.exit" && fields.name == "write"')).toBe(2);
    expect(count('event == "syscall.exit" && fields.value < 0')).toBe(1);
    expect(count('fields.name == "close" && event == "syscall.exit"')).toBe(1);
    expect(count('category == "fault"')).toBe(1);
    expect(count("fields.address > 5u")).toBe(1);
    expect(count("task == 2")).toBe(8);
    expect(count("task == 3")).toBe(0);
  });

  test("the excerpt reads like strace", () => {
    const { excerpt, hasGap } = readTrace(recorded(), []);
    expect(hasGap).toBe(false);
    expect(excerpt.split("\n").slice(0, 3)).toEqual([
      '[task 2] write(1, "a", 1) = 1',
      '[task 2] write(9, "a", 1) = -1 EBADF (Bad file descriptor)',
      "[task 2] close(3) = 0",
    ]);
  });

  test("only categories that can match are recorded", () => {
    const names = (expression: string) => categories.filter((_, index) => (traceMaskOf(expression) >> index) & 1);
    expect(names('event == "syscall.exit" && fields.name == "write"')).toEqual(["syscall"]);
    expect(names('fields.name == "write" && event == "syscall.exit"')).toEqual(["syscall"]);
    expect(names('category == "fault" || event.startsWith("task.")')).toEqual(["task", "fault", "signal"]);
    for (const expression of ["task == 1", 'has(fields.name) && fields.name == "x"', 'event != "syscall.exit"']) {
      expect(names(expression)).toEqual(
        expect.arrayContaining(["machine", "task", "sched", "syscall", "memory", "fault", "device"]),
      );
    }
  });

  test("an expression that makes no sense is refused", () => {
    for (const bad of ["event ==", "evnt == 'x'", "fields.nothing == 1", "1 + 1"])
      expect(() => checkExpression(bad, "f"), bad).toThrow("f: ");
    expect(() => checkExpression('event == "no.such"', "f")).toThrow("no kind of trace event");
  });
});

const spec = fromJson(AssignmentSpecSchema, {
  programName: "prog",
  tests: [
    {
      name: "open",
      points: 1,
      arguments: ["a"],
      standardInput: Buffer.from("in").toString("base64"),
      checks: [{ exitCode: 0 }, { trace: { expression: 'event == "syscall.exit"', atLeast: "1" } }],
    },
    { name: "secret", points: 2, arguments: ["s3cret"], hidden: true, checks: [{ outputExact: "s3cret" }] },
  ],
});

describe("specs", () => {
  test("a test becomes a run from the prepared machine", () => {
    const run = executionOf(
      spec,
      spec.tests[0]!,
      { hash: "h", size: 9 },
      { root: "r", at: { instructions: 100, timeNs: 0 } },
    );
    expect(run).toMatchObject({
      origin: { kind: "snapshot", root: "r" },
      inputs: [
        { kind: "addFile", file: { path: "/bin/prog", content: "h", size: 9, mode: 0o755 } },
        {
          kind: "startProgram",
          path: "/bin/prog",
          arguments: ["/bin/prog", "a"],
          environment: null,
          limits: { instructions: 1e9, memoryBytes: 0, outputBytes: 1048576 },
        },
        { kind: "resume", untilInstructions: 1_001_000_100 },
      ],
      watch: 1,
      maxInstructions: 1_001_000_100,
    });
  });

  test("what is wrong is named by its field", () => {
    const wrong =
      (test: object, rest: object = {}) =>
      () =>
        checkSpec(
          fromJson(AssignmentSpecSchema, { tests: [{ name: "t", checks: [{ exitCode: 0 }], ...test }], ...rest }),
        );
    expect(wrong({ checks: [{ outputRegex: "(" }] })).toThrow("spec.tests[0].checks[0].output_regex");
    expect(wrong({ checks: [{ trace: { expression: "x" } }] })).toThrow("spec.tests[0].checks[0].trace.expression");
    expect(wrong({ checks: [{ trace: { expression: "true", atLeast: "2", atMost: "1" } }] })).toThrow("trace.at_most");
    expect(wrong({ checks: [{ exitSignal: 65 }] })).toThrow("exit_signal");
    expect(wrong({ arguments: ["a\0b"] })).toThrow("spec.tests[0].arguments[0]");
    expect(wrong({}, { compile: { options: ["-fplugin=x"] } })).toThrow("spec.compile.options[0]");
    expect(wrong({}, { programName: ".." })).toThrow("spec.program_name");
    const inputs = { standardInput: "YQ==", standardInputText: "a" };
    expect(wrong(inputs)).toThrow("spec.tests[0].standard_input_text");
    expect(wrong({ limits: { memoryBytes: "5" } })).toThrow("spec.tests[0].limits.memory_bytes");
    const twice = { name: "t", checks: [{ exitCode: 0 }] };
    expect(wrong({}, { tests: [twice, twice] })).toThrow("spec.tests[1].name");
    expect(wrong({})).not.toThrow();
  });

  test("students see of a hidden test its name and points only", () => {
    const [open, secret] = specForStudents(spec).tests;
    expect(open).toEqual(spec.tests[0]);
    expect(secret).toEqual(create(AssignmentTestSchema, { name: "secret", points: 2, hidden: true }));
    const report = create(GradeReportSchema, {
      tests: [
        {
          name: "secret",
          points: 0,
          maxPoints: 2,
          hidden: true,
          machineId: "m-g1",
          output: bytes("s3cret"),
          traceExcerpt: "s3cret",
          checks: [{ expected: "s3cret" }],
          exitStatus: { description: "s3cret" },
          instructions: 5n,
        },
      ],
    });
    expect(reportForStudents(report).tests[0]).toEqual(
      create(TestReportSchema, { name: "secret", maxPoints: 2, hidden: true }),
    );
    expect(Buffer.from(toBinary(GradeReportSchema, reportForStudents(report))).toString("latin1")).not.toContain(
      "s3cret",
    );
  });
});

test("kind of a submission by content", () => {
  expect(contentKindOf(bytes("\x7fELF..."), SubmissionKind.UNSPECIFIED)).toBe("elf");
  expect(contentKindOf(bytes("int main(void){}"), SubmissionKind.UNSPECIFIED)).toBe("c");
  expect(contentKindOf(bytes("int main(void){}"), SubmissionKind.ELF)).toBe("elf");
  expect(() => contentKindOf(new Uint8Array([0xff, 0xfe]), SubmissionKind.UNSPECIFIED)).toThrow("neither an ELF file");
  expect(() => contentKindOf(bytes("a\0b"), SubmissionKind.C)).toThrow("UTF-8");
});

test("results.json has the fields that Gradescope documents, in a fixed order", () => {
  const report = create(GradeReportSchema, {
    points: 1,
    maxPoints: 3,
    compile: { succeeded: true, messages: "main.c:1: warning" },
    tests: [
      {
        name: "a",
        points: 1,
        maxPoints: 1,
        passed: true,
        machineId: "m-1",
        instructions: 5n,
        output: bytes("hi\n"),
        traceExcerpt: "write(1)\n",
        exitStatus: { status: { case: "code", value: 0 }, description: "exited with 0" },
        checks: [{ what: "exit code", passed: true }],
      },
      { name: "b", maxPoints: 2, hidden: true, checks: [{ what: "output", expected: "x", found: "y" }] },
    ],
  });
  const text = gradescopeResults(report);
  expect(gradescopeResults(report)).toBe(text);
  const results = JSON.parse(text);
  expect(Object.keys(results)).toEqual([
    "score",
    "output",
    "output_format",
    "visibility",
    "stdout_visibility",
    "tests",
  ]);
  expect(results).toMatchObject({ score: 1, visibility: "visible", stdout_visibility: "hidden" });
  expect(results.tests[0]).toMatchObject({
    score: 1,
    max_score: 1,
    status: "passed",
    name: "a",
    number: "1",
    visibility: "visible",
    extra_data: { machine_id: "m-1", instructions: "5" },
  });
  expect(results.tests[1]).toMatchObject({ score: 0, max_score: 2, status: "failed", visibility: "hidden" });
  expect(results.tests[1].output).toContain("expected: x");
});
