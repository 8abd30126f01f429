/** `ostler grade …`: assignments, submissions, reports. */
import { create, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { Option } from "commander";
import {
  type Assignment,
  AssignmentSpecSchema,
  CreateAssignmentResponseSchema,
  CreateSubmissionResponseSchema,
  GetAssignmentResponseSchema,
  GetSubmissionResponseSchema,
  GradingService,
  ListAssignmentsResponseSchema,
  ListSubmissionsResponseSchema,
  ReportFormat,
  type Submission,
  SubmissionKind,
  SubmissionState,
  UpdateAssignmentResponseSchema,
  WaitSubmissionResponseSchema,
} from "../../../proto/gen/ostler/v1/grading_pb.js";
import { CommandError, ExitCode, readInput, writeOutput } from "../failure.ts";
import { type Column, list, table } from "../output.ts";
import { action, type Session } from "../session.ts";
import { enumName, group, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatTime } from "../units.ts";
import { reportText } from "./report.ts";

/** An assignment file: `{ "displayName": …, "spec": { "machine": …, "tests": [ … ] } }`, or the spec alone. */
export function readAssignment(file: string): {
  displayName: string;
  spec: ReturnType<typeof create<typeof AssignmentSpecSchema>>;
} {
  const fail = (why: string) => new CommandError(`${file}: ${why}`, "see docs/examples/assignment.json for the form");
  let json: JsonValue;
  try {
    json = JSON.parse(Buffer.from(readInput(file)).toString("utf8")) as JsonValue;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw fail(`not JSON: ${(error as Error).message}`);
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) throw fail("not a JSON object");
  const { displayName, display_name: snakeName, spec } = json as JsonObject;
  try {
    return {
      displayName: String(displayName ?? snakeName ?? ""),
      spec: fromJson(AssignmentSpecSchema, withBytes(spec ?? json)),
    };
  } catch (error) {
    throw fail((error as Error).message);
  }
}

/** JSON has no bytes: protobuf wants base64. People write `"input": "text\n"` in a test instead of `standardInput`. */
function withBytes(spec: JsonValue): JsonValue {
  if (spec === null || typeof spec !== "object" || Array.isArray(spec) || !Array.isArray(spec["tests"])) return spec;
  const tests = spec["tests"].map((test) => {
    if (test === null || typeof test !== "object" || Array.isArray(test) || typeof test["input"] !== "string")
      return test;
    const { input, ...rest } = test;
    return { ...rest, standardInput: Buffer.from(input as string).toString("base64") };
  });
  return { ...spec, tests };
}

const assignmentLine = (assignment: Assignment): string =>
  `${assignment.assignmentId}  ${assignment.displayName}  version ${assignment.version}, ${assignment.maxPoints} points`;

const createCommand = leaf("create-assignment <file.json>", "make an assignment from a file (staff and admins)", [
  "ostler grade create-assignment docs/examples/assignment.json",
  "A=$(ostler grade create-assignment docs/examples/assignment.json --quiet)",
])
  .option("--name <text>", "display name, instead of the file's")
  .option("-q, --quiet", "print the id only")
  .action(
    action<{ name?: string; quiet?: boolean }>(async (session, [file], options) => {
      const { displayName, spec } = readAssignment(file!);
      const answer = await (await session.service(GradingService)).createAssignment({
        displayName: options.name ?? displayName,
        spec,
      });
      if (options.quiet) session.out.line(answer.assignment!.assignmentId);
      else session.out.message(CreateAssignmentResponseSchema, answer, () => assignmentLine(answer.assignment!));
    }),
  );

const updateCommand = leaf(
  "update-assignment <assignment> <file.json>",
  "replace an assignment; its version rises (staff and admins)",
).action(
  action(async (session, [assignmentId, file]) => {
    const { displayName, spec } = readAssignment(file!);
    const answer = await (await session.service(GradingService)).updateAssignment({
      assignmentId: assignmentId!,
      displayName,
      spec,
    });
    session.out.message(UpdateAssignmentResponseSchema, answer, () => assignmentLine(answer.assignment!));
  }),
);

const assignmentColumns: readonly Column<Assignment>[] = [
  { title: "ID", value: (assignment) => assignment.assignmentId },
  { title: "NAME", value: (assignment) => assignment.displayName },
  { title: "VERSION", value: (assignment) => String(assignment.version), align: "right" },
  { title: "POINTS", value: (assignment) => String(assignment.maxPoints), align: "right" },
  { title: "MADE AT (UTC)", value: (assignment) => formatTime(assignment.createdAt) },
];

const assignmentsCommand = pageOptions(leaf("assignments", "list assignments")).action(
  action<PageOptions>(async (session, _, options) => {
    const grading = await session.service(GradingService);
    const { items, nextPageToken } = await pages(session, options, async (page) => {
      const answer = await grading.listAssignments(page);
      return { items: answer.assignments, nextPageToken: answer.nextPageToken };
    });
    const answer = create(ListAssignmentsResponseSchema, { assignments: items, nextPageToken });
    session.out.message(ListAssignmentsResponseSchema, answer, () =>
      items.length === 0 ? "no assignments" : table(assignmentColumns, items),
    );
  }),
);

const showAssignment = leaf("assignment <assignment>", "show an assignment with the tests that you may see").action(
  action(async (session, [assignmentId]) => {
    const answer = await (await session.service(GradingService)).getAssignment({ assignmentId: assignmentId! });
    session.out.message(GetAssignmentResponseSchema, answer, () => {
      const tests = table(
        [
          { title: "TEST", value: (test) => test.name },
          { title: "POINTS", value: (test) => String(test.points), align: "right" },
          { title: "ARGUMENTS", value: (test) => test.arguments.join(" ") || "-" },
          {
            title: "CHECKS",
            value: (test) =>
              test.checks.map(({ check }) => check.case ?? "").join(", ") || (test.hidden ? "(hidden)" : "-"),
          },
        ],
        answer.assignment!.spec?.tests ?? [],
      );
      return `${assignmentLine(answer.assignment!)}\n\n${tests}`;
    });
  }),
);

const deleteCommand = leaf("delete-assignment <assignment>", "delete an assignment (staff and admins)").action(
  action(async (session, [assignmentId]) => {
    await (await session.service(GradingService)).deleteAssignment({ assignmentId: assignmentId! });
    session.out.result(
      () => ({}),
      () => `${assignmentId} deleted`,
    );
  }),
);

const KINDS = { auto: SubmissionKind.UNSPECIFIED, elf: SubmissionKind.ELF, c: SubmissionKind.C } as const;

/** Waits for a grade, showing progress; the submission as it ended. */
async function waitGraded(session: Session, submissionId: string): Promise<Submission> {
  const grading = await session.service(GradingService);
  const signal = session.interruptible();
  let submission: Submission | undefined;
  try {
    for await (const answer of session.follow(() => grading.waitSubmission({ submissionId }, { signal }), signal)) {
      submission = answer.submission ?? submission;
      session.out.progress(
        `${enumName(SubmissionState, submission?.state ?? 0)}: ${answer.testsDone} of ${answer.testsTotal} tests`,
      );
      if (submission !== undefined && isSettled(submission)) break;
    }
  } finally {
    session.out.progress("");
  }
  return submission!;
}

const isSettled = ({ state }: Submission): boolean =>
  state === SubmissionState.GRADED || state === SubmissionState.FAILED || state === SubmissionState.CANCELLED;

function showSubmission(session: Session, submission: Submission, verbose: boolean): number {
  const answer = create(GetSubmissionResponseSchema, { submission });
  session.out.message(GetSubmissionResponseSchema, answer, () => submissionText(session, submission, verbose));
  return submission.state === SubmissionState.GRADED || !isSettled(submission) ? ExitCode.ok : ExitCode.failed;
}

function submissionText(session: Session, submission: Submission, verbose: boolean): string {
  const head = list([
    ["submission", submission.submissionId],
    ["assignment", `${submission.assignmentId}, version ${submission.assignmentVersion}`],
    ["by", `${submission.ownerId}, ${formatTime(submission.createdAt)} UTC`],
    ["state", enumName(SubmissionState, submission.state)],
    ["error", submission.error],
  ]);
  return submission.report === undefined ? head : `${head}\n\n${reportText(session.out, submission.report, verbose)}`;
}

const submitCommand = leaf(
  "submit <assignment> <file>",
  "submit a program (ELF or C), wait for the grade and show it",
  ["ostler grade submit a-1234 solution.c", "ostler grade submit a-1234 solution.elf --no-wait --quiet"],
)
  .addOption(new Option("--kind <kind>", "what the file is").choices(Object.keys(KINDS)).default("auto"))
  .option("--no-wait", "only submit")
  .option("-v, --verbose", "also output and trace of tests that passed")
  .option("-q, --quiet", "print the id only (after the grading, unless --no-wait)")
  .action(
    action<{ kind: keyof typeof KINDS; wait: boolean; verbose?: boolean; quiet?: boolean }>(
      async (session, [assignmentId, file], options) => {
        const content = readInput(file!);
        const kind = options.kind === "auto" && file!.endsWith(".c") ? SubmissionKind.C : KINDS[options.kind];
        const answer = await (await session.service(GradingService)).createSubmission({
          assignmentId: assignmentId!,
          content,
          kind,
        });
        const submission = options.wait
          ? await waitGraded(session, answer.submission!.submissionId)
          : answer.submission!;
        if (options.quiet) return session.out.line(submission.submissionId);
        if (options.wait) return showSubmission(session, submission, options.verbose === true);
        session.out.message(
          CreateSubmissionResponseSchema,
          answer,
          () => `${submission.submissionId} ${enumName(SubmissionState, submission.state)}`,
        );
      },
    ),
  );

const waitCommand = leaf("wait <submission>", "wait for the grade and show it", ["ostler grade wait g-1234"])
  .option("-v, --verbose", "also output and trace of tests that passed")
  .action(
    action<{ verbose?: boolean }>(async (session, [submissionId], options) => {
      const submission = await waitGraded(session, submissionId!);
      if (session.out.json)
        session.out.message(
          WaitSubmissionResponseSchema,
          create(WaitSubmissionResponseSchema, { submission }),
          () => "",
        );
      else showSubmission(session, submission, options.verbose === true);
      return submission.state === SubmissionState.GRADED ? ExitCode.ok : ExitCode.failed;
    }),
  );

const reportCommand = leaf("report <submission>", "show a submission's grade", [
  "ostler grade report g-1234",
  "ostler grade report g-1234 --json | jq .submission.report.points",
])
  .option("-v, --verbose", "also output and trace of tests that passed")
  .action(
    action<{ verbose?: boolean }>(async (session, [submissionId], options) => {
      const { submission } = await (await session.service(GradingService)).getSubmission({
        submissionId: submissionId!,
      });
      return showSubmission(session, submission!, options.verbose === true);
    }),
  );

const submissionColumns: readonly Column<Submission>[] = [
  { title: "ID", value: (submission) => submission.submissionId },
  { title: "ASSIGNMENT", value: (submission) => `${submission.assignmentId} v${submission.assignmentVersion}` },
  { title: "BY", value: (submission) => submission.ownerId },
  { title: "STATE", value: (submission) => enumName(SubmissionState, submission.state) },
  {
    title: "POINTS",
    value: ({ report }) => (report === undefined ? "-" : `${report.points}/${report.maxPoints}`),
    align: "right",
  },
  { title: "SENT AT (UTC)", value: (submission) => formatTime(submission.createdAt) },
];

const listCommand = pageOptions(leaf("list [assignment]", "list submissions"))
  .option("--all-owners", "of everybody (graders, staff, admins)")
  .action(
    action<PageOptions & { allOwners?: boolean }>(async (session, [assignmentId], options) => {
      const grading = await session.service(GradingService);
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await grading.listSubmissions({
          ...page,
          assignmentId: assignmentId ?? "",
          allOwners: options.allOwners === true,
        });
        return { items: answer.submissions, nextPageToken: answer.nextPageToken };
      });
      const answer = create(ListSubmissionsResponseSchema, { submissions: items, nextPageToken });
      session.out.message(ListSubmissionsResponseSchema, answer, () =>
        items.length === 0 ? "no submissions" : table(submissionColumns, items),
      );
    }),
  );

const cancelCommand = leaf("cancel <submission>", "stop a submission's grading").action(
  action(async (session, [submissionId]) => {
    const { submission } = await (await session.service(GradingService)).cancelSubmission({
      submissionId: submissionId!,
    });
    session.out.message(
      GetSubmissionResponseSchema,
      create(GetSubmissionResponseSchema, { submission: submission! }),
      () => `${submissionId} ${enumName(SubmissionState, submission!.state)}`,
    );
  }),
);

const EXPORTS = { gradescope: ReportFormat.GRADESCOPE } as const;

const exportCommand = leaf("export <submission>", "write a report in a course tool's format", [
  "ostler grade export g-1234 --format gradescope",
  "ostler grade export g-1234 --format gradescope -o /autograder/results/results.json",
])
  .addOption(new Option("--format <format>", "of the report").choices(Object.keys(EXPORTS)).default("gradescope"))
  .option("-o, --output <file>", "file to write (default, and -: standard output)")
  .action(
    action<{ format: keyof typeof EXPORTS; output?: string }>(async (session, [submissionId], options) => {
      const grading = await session.service(GradingService);
      const { content } = await grading.exportReport({ submissionId: submissionId!, format: EXPORTS[options.format] });
      if (options.output === undefined || options.output === "-") return session.out.line(content.trimEnd());
      writeOutput(options.output, content);
      session.out.result(
        () => ({ file: options.output! }),
        () => options.output!,
      );
    }),
  );

export const gradeCommand = group(
  "grade",
  "assignments, submissions, reports",
  [
    createCommand,
    updateCommand,
    assignmentsCommand,
    showAssignment,
    deleteCommand,
    submitCommand,
    waitCommand,
    reportCommand,
    listCommand,
    cancelCommand,
    exportCommand,
  ],
  [
    "A=$(ostler grade create-assignment docs/examples/assignment.json --quiet)",
    "ostler grade submit $A docs/examples/solution.c",
  ],
);
