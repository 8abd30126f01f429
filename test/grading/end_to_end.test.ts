/** Grading as its users meet it: over the API, with the real kernel, submissions that are known to be good or bad. */
import { existsSync } from "node:fs";
import { toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import {
  type GradeReport,
  GradeReportSchema,
  GradingService,
  ReportFormat,
  type Submission,
  SubmissionState,
} from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { compileC, hasCompiler } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

const kernelIsThere = existsSync(new URL("../../kernel/machine/machine.ts", import.meta.url));

const sums = {
  good: `#include <stdio.h>
int main(int argc, char **argv) { long sum = 0, x; while (scanf("%ld", &x) == 1) sum += x; printf("sum: %ld\\n", sum); return argc > 1; }`,
  wrong: `#include <stdio.h>
int main(void) { puts("sum: 7"); return 0; }`,
  crashes: `int main(void) { *(volatile int *)8 = 1; return 0; }`,
  spins: `int main(void) { for (volatile long i = 0;; i++) ; }`,
  chatters: `#include <stdio.h>
int main(void) { for (;;) puts("sum: 6 and more of it"); }`,
  stuck: `#include <unistd.h>
int main(void) { pause(); return 0; }`,
  hungry: `#include <stdlib.h>
#include <string.h>
int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) return 9; memset(p, 1, 1 << 20); } }`,
} as const;

const limits = { instructions: 20_000_000n, memoryBytes: 16n << 20n, outputBytes: 20_000n };
const stdin = (text: string) => new Uint8Array(Buffer.from(text));
const spec = {
  compile: { options: ["-O1", "-Wall"] },
  tests: [
    {
      name: "adds",
      points: 2,
      limits,
      standardInput: stdin("1 2 3"),
      checks: [{ check: { case: "outputTrimmed", value: "sum: 6" } }, { check: { case: "exitCode", value: 0 } }],
    },
    {
      name: "status",
      points: 1,
      limits,
      arguments: ["x"],
      checks: [{ check: { case: "exitCode", value: 1 } }, { check: { case: "outputRegex", value: "(?m)^sum: \\d+$" } }],
    },
    {
      name: "one write",
      points: 1,
      limits,
      standardInput: stdin("4"),
      checks: [
        {
          check: {
            case: "trace",
            value: { expression: 'event == "syscall.exit" && fields.name == "write"', atLeast: 1n, atMost: 1n },
          },
        },
      ],
    },
    {
      name: "secret",
      points: 4,
      limits,
      hidden: true,
      standardInput: stdin("40 2"),
      checks: [{ check: { case: "outputExact", value: "sum: 42\n" } }],
    },
  ],
} as const;

interface School {
  server: TestServer;
  teacher: Client;
  student: Client;
  other: Client;
  assignmentId: string;
}

async function openSchool(workers: number): Promise<School> {
  const server = await startServer({ workers });
  const admin = server.client("grpc");
  const join = async (userId: string, role: UserRole) =>
    server.client("grpc", (await admin.call(UserService, "createUser", { userId, name: userId, role })).secret);
  const teacher = await join("teacher", UserRole.STAFF);
  const [student, other] = [await join("student", UserRole.STUDENT), await join("other", UserRole.STUDENT)];
  const { assignment } = await teacher.call(GradingService, "createAssignment", {
    displayName: "Sums",
    spec: spec as never,
  });
  return { server, teacher, student, other, assignmentId: assignment!.assignmentId };
}

async function grade(client: Client, assignmentId: string, content: Uint8Array): Promise<Submission> {
  const { submission } = await client.call(GradingService, "createSubmission", { assignmentId, content });
  let last = submission!;
  for await (const message of client.stream(GradingService, "waitSubmission", { submissionId: last.submissionId }))
    last = message.submission!;
  expect(last.error).toBe("");
  expect(last.state).toBe(SubmissionState.GRADED);
  return last;
}

const bytesOf = (report: GradeReport | undefined) => Buffer.from(toBinary(GradeReportSchema, report!)).toString("hex");
const elf = (name: keyof typeof sums) => compileC(sums[name]);

describe.skipIf(!kernelIsThere || !hasCompiler)("grading over the API", () => {
  let school: School;
  beforeAll(async () => {
    school = await openSchool(2);
  });
  afterAll(() => school.server.stop());

  test("a good submission, as ELF and as source", async () => {
    const { student, assignmentId } = school;
    for (const content of [elf("good"), stdin(sums.good)]) {
      const { report } = await grade(student, assignmentId, content);
      expect(report!.tests.map(({ name, passed }) => [name, passed])).toEqual([
        ["adds", true],
        ["status", true],
        ["one write", true],
        ["secret", true],
      ]);
      expect(report).toMatchObject({ points: 8, maxPoints: 8 });
      expect(report!.tests[0]!.instructions).toBeGreaterThan(100n);
      expect(report!.tests[0]!.traceExcerpt).toContain('write(1, "sum: 6\\n", 7) = 7');
    }
  });

  test("the machine of a test stands at its end, and can be gone on with", async () => {
    const { student, other, assignmentId } = school;
    const { report } = await grade(student, assignmentId, elf("good"));
    const { machineId } = report!.tests[0]!;
    const { machine } = await student.call(MachineService, "getMachine", { machineId });
    expect(machine).toMatchObject({ displayName: "Test 1: adds", labels: { test: "1" } });
    const { data } = await student.call(ConsoleService, "readConsole", { machineId });
    expect(Buffer.from(data).toString()).toBe("sum: 6\n");
    await student.call(MachineService, "pauseMachine", { machineId });
    const woken = (await student.call(MachineService, "getMachine", { machineId })).machine!;
    expect(woken.position!.instructions).toBe(machine!.position!.instructions);
    await expect(other.call(MachineService, "getMachine", { machineId })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test.for([
    ["wrong", "sum: 7"],
    ["crashes", "SIGSEGV"],
    ["spins", "SIGXCPU: the limit of 20000000 instructions"],
    ["chatters", "SIGXFSZ"],
    ["stuck", "waits for something that never comes"],
    ["hungry", "9"],
  ] as const)("a bad one: %s", async ([name, reason]) => {
    const { teacher, assignmentId } = school;
    const { report } = await grade(teacher, assignmentId, elf(name));
    expect(report!.points).toBeLessThan(8);
    const { checks } = report!.tests[0]!;
    expect(checks.map((check) => check.found).join("\n")).toContain(reason);
  });

  test("what is no program at all costs the points, not the grading", async () => {
    const { student, assignmentId } = school;
    for (const content of [
      stdin("\x7fELF and nothing more"),
      elf("good").slice(0, 3000),
      stdin("int main(void) { return nothing; }"),
    ]) {
      const { report } = await grade(student, assignmentId, content);
      expect(report!.points).toBe(0);
      expect(report!.tests[0]!.checks[0]!.found).toMatch(/could not be (started|compiled)/);
    }
  });

  test("the same submission gives the same bytes, however many workers and whatever else runs", async () => {
    const { student, teacher, assignmentId } = school;
    const alone = bytesOf((await grade(student, assignmentId, elf("good"))).report);
    const many = await Promise.all([
      grade(student, assignmentId, elf("good")),
      grade(teacher, assignmentId, elf("spins")),
      grade(teacher, assignmentId, elf("hungry")),
      grade(student, assignmentId, elf("good")),
    ]);
    expect(bytesOf(many[0]!.report)).toBe(alone);
    expect(bytesOf(many[3]!.report)).toBe(alone);
    const single = await openSchool(1);
    try {
      const there = await grade(single.student, single.assignmentId, elf("good"));
      // Another server has other assignment ids, and so other machine ids; all else is the same.
      const bare = (report: GradeReport) => report.tests.map(({ machineId: _, $typeName: __, ...rest }) => rest);
      expect(bare(there.report!)).toEqual(bare((await grade(student, assignmentId, elf("good"))).report!));
    } finally {
      await single.server.stop();
    }
  });

  test("students do not see what is hidden, staff do", async () => {
    const { student, other, teacher, assignmentId } = school;
    const { submissionId, report } = await grade(student, assignmentId, elf("good"));
    expect(report!.tests[3]).toMatchObject({
      name: "secret",
      passed: true,
      points: 4,
      machineId: "",
      traceExcerpt: "",
      checks: [],
      instructions: 0n,
    });
    const seen = await student.call(GradingService, "getAssignment", { assignmentId });
    expect(seen.assignment!.spec!.tests[3]).toMatchObject({
      name: "secret",
      points: 4,
      checks: [],
      standardInput: new Uint8Array(0),
    });
    const full = (await teacher.call(GradingService, "getSubmission", { submissionId })).submission!.report!.tests[3]!;
    expect(Buffer.from(full.output).toString()).toBe("sum: 42\n");
    expect((await teacher.call(MachineService, "getMachine", { machineId: full.machineId })).machine!.ownerId).toBe(
      "teacher",
    );
    await expect(student.call(MachineService, "getMachine", { machineId: full.machineId })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(other.call(GradingService, "getSubmission", { submissionId })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(
      student.call(GradingService, "createAssignment", { displayName: "x", spec: spec as never }),
    ).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const exported = await student.call(GradingService, "exportReport", {
      submissionId,
      format: ReportFormat.GRADESCOPE,
    });
    expect(JSON.parse(exported.content)).toMatchObject({
      score: 8,
      tests: [{ max_score: 2 }, {}, {}, { visibility: "hidden", score: 4 }],
    });
    expect(exported.content).not.toContain("sum: 42");
  });
});
