/**
 * What students see of assignments and reports: of a hidden test its name, its points and whether it passed;
 * nothing of what it gives the program, what it expects, what was found, or of the machine that ran it.
 */
import { create } from "@bufbuild/protobuf";
import {
  type AssignmentSpec,
  AssignmentSpecSchema,
  type AssignmentTest,
  AssignmentTestSchema,
  type GradeReport,
  GradeReportSchema,
  type TestReport,
  TestReportSchema,
} from "../../proto/gen/ostler/v1/grading_pb.js";

export const specForStudents = (spec: AssignmentSpec): AssignmentSpec =>
  create(AssignmentSpecSchema, { ...spec, tests: spec.tests.map(testForStudents) });

export const reportForStudents = (report: GradeReport): GradeReport =>
  create(GradeReportSchema, { ...report, tests: report.tests.map(resultForStudents) });

/** For lists: without what can be long. */
export const reportInBrief = (report: GradeReport): GradeReport =>
  create(GradeReportSchema, {
    ...report,
    tests: report.tests.map((test) =>
      create(TestReportSchema, { ...test, checks: [], output: new Uint8Array(0), traceExcerpt: "" }),
    ),
    ...(report.compile !== undefined && { compile: { ...report.compile, messages: "" } }),
  });

function testForStudents(test: AssignmentTest): AssignmentTest {
  const { name, points, hidden } = test;
  return hidden ? create(AssignmentTestSchema, { name, points, hidden }) : test;
}

function resultForStudents(test: TestReport): TestReport {
  const { name, points, maxPoints, passed, hidden } = test;
  return hidden ? create(TestReportSchema, { name, points, maxPoints, passed, hidden }) : test;
}
