/** GradingService: assignments, submissions, reports. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AssignmentSchema,
  type AssignmentSpec,
  AssignmentSpecSchema,
  CreateAssignmentRequestSchema,
  CreateAssignmentResponseSchema,
  type CreateSubmissionRequest,
  CreateSubmissionRequestSchema,
  CreateSubmissionResponseSchema,
  type GradeReport,
  GradeReportSchema,
  type GradingService,
  SubmissionKind,
  type SubmissionSchema,
  SubmissionState,
} from "../../proto/gen/ostler/v1/grading_pb.js";
import { type Caller, may, scopeOf, visibleIn } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { failedPrecondition, invalid, notFound } from "../errors.ts";
import { MAX_SOURCE_BYTES } from "../grading/compile.ts";
import type { Grading } from "../grading/grader.ts";
import { gradescopeResults } from "../grading/gradescope.ts";
import { checkSpec, maxPointsOf, specOf } from "../grading/plan.ts";
import { reportForStudents, reportInBrief, specForStudents } from "../grading/views.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import type { AssignmentRow, Bytes, Hold, Owner, SubmissionRow } from "../store/types.ts";
import { type Deps, idFor, once, ownerIn, pageQuery, sha256Hex, toTimestamp } from "./common.ts";
import { completeSpec } from "./spec.ts";

const KINDS = { elf: SubmissionKind.ELF, c: SubmissionKind.C } as const;
const STATES = {
  queued: SubmissionState.QUEUED,
  grading: SubmissionState.GRADING,
  graded: SubmissionState.GRADED,
  failed: SubmissionState.FAILED,
  cancelled: SubmissionState.CANCELLED,
} as const satisfies Record<SubmissionRow["state"], SubmissionState>;

/** Graders and staff see what students do not. */
const seesHidden = (user: Caller, of: Owner): boolean => may(user, "assignment.readHidden", of);

function toAssignment(row: AssignmentRow, user: Caller): MessageInitShape<typeof AssignmentSchema> {
  const spec = specOf(row);
  return {
    assignmentId: row.id,
    courseId: row.courseId,
    displayName: row.displayName,
    spec: seesHidden(user, row) ? spec : specForStudents(spec),
    version: row.version,
    createdAt: toTimestamp(row.createdAt),
    maxPoints: maxPointsOf(spec),
  };
}

function reportOf(row: SubmissionRow, user: Caller): GradeReport | null {
  if (row.report.length === 0) return null;
  const report = fromBinary(GradeReportSchema, row.report);
  return seesHidden(user, row) ? report : reportForStudents(report);
}

function toSubmission(row: SubmissionRow, report: GradeReport | null): MessageInitShape<typeof SubmissionSchema> {
  return {
    submissionId: row.id,
    assignmentId: row.assignmentId,
    assignmentVersion: row.assignmentVersion,
    courseId: row.courseId,
    ownerId: row.ownerId,
    contentHash: row.contentHash,
    kind: KINDS[row.contentKind],
    state: STATES[row.state],
    error: row.error,
    createdAt: toTimestamp(row.createdAt),
    ...(report !== null && { report }),
  };
}

/** What a submission is, by what its sender says or by how it looks. */
export function contentKindOf(content: Uint8Array, kind: SubmissionKind): SubmissionRow["contentKind"] {
  const isElf =
    content.length >= 4 && content[0] === 0x7f && content[1] === 0x45 && content[2] === 0x4c && content[3] === 0x46;
  if (kind === SubmissionKind.ELF || (kind === SubmissionKind.UNSPECIFIED && isElf)) return "elf";
  if (!isText(content))
    throw invalid(
      "content",
      "is neither an ELF file (it does not begin with 7f 45 4c 46) nor C source (it is not UTF-8 text)",
    );
  if (content.length > MAX_SOURCE_BYTES)
    throw invalid("content", `C source must be at most ${MAX_SOURCE_BYTES} bytes long, not ${content.length}`);
  return "c";
}

function isText(content: Uint8Array): boolean {
  try {
    return !new TextDecoder("utf-8", { fatal: true }).decode(content).includes("\0");
  } catch {
    return false;
  }
}

export function gradingService(deps: Deps, grading: Grading): ServiceImplementation<typeof GradingService> {
  const { store } = deps;

  const assignmentRow = async (assignmentId: string): Promise<AssignmentRow> => {
    const row = await store.assignments.get(assignmentId);
    if (row === null) throw notFound("assignment", assignmentId);
    return row;
  };

  const submissionRow = async (submissionId: string): Promise<SubmissionRow> => {
    const row = await store.submissions.get(submissionId);
    if (row === null) throw notFound("submission", submissionId);
    return row;
  };

  const shown = (context: Context, row: SubmissionRow) => toSubmission(row, reportOf(row, callerOf(context)));

  /** Checked, and with what the server knows of its files, which belong to one of `owners`. */
  const acceptedSpec = async (
    context: Context,
    given: AssignmentSpec | undefined,
    owners: readonly Owner[],
    hold: Hold,
  ): Promise<Bytes> => {
    const spec = given ?? create(AssignmentSpecSchema);
    checkSpec(spec);
    await grading.compiler.assertUsable(spec.compile?.options ?? [], "spec.compile.options", context.signal);
    for (const owner of owners.slice(0, -1)) {
      const machine = await completeSpec(store, owner, spec.machine, "spec.machine", hold).catch(() => null);
      if (machine !== null) return toBinary(AssignmentSpecSchema, { ...spec, machine }) as Bytes;
    }
    const machine = await completeSpec(store, owners.at(-1)!, spec.machine, "spec.machine", hold);
    return toBinary(AssignmentSpecSchema, { ...spec, machine }) as Bytes;
  };

  const submit = async (context: Context, request: CreateSubmissionRequest): Promise<SubmissionRow> => {
    const caller = callerOf(context);
    const id = idFor("sub", caller.id, request.idempotencyKey);
    const existing = await store.submissions.get(id);
    if (existing !== null) return existing;
    const assignment = await assignmentRow(request.assignmentId);
    const contentKind = contentKindOf(request.content, request.kind);
    if (contentKind === "c") await grading.compiler.assertAvailable();
    grading.assertRoom(caller.id);
    const contentHash = sha256Hex(request.content);
    return store.holds.during(async (hold) => {
      await store.blobs.put([{ hash: contentHash, data: request.content as Bytes }], hold);
      return grading.submit({
        id,
        assignmentId: assignment.id,
        assignmentVersion: assignment.version,
        courseId: assignment.courseId,
        ownerId: caller.id,
        contentHash,
        contentKind,
      });
    });
  };

  return {
    createAssignment(request, context) {
      const schemas = { request: CreateAssignmentRequestSchema, response: CreateAssignmentResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const owner = ownerIn(context, request.courseId);
        const id = idFor("a", owner.ownerId, request.idempotencyKey);
        const { displayName } = request;
        const row = await store.holds.during(async (hold) => {
          const spec = await acceptedSpec(context, request.spec, [owner], hold);
          const fresh = { id, ...owner, displayName, spec };
          return (await store.assignments.get(id)) ?? (await store.assignments.create(fresh));
        });
        await grading.prepared.prepare(row);
        return { assignment: toAssignment(row, callerOf(context)) };
      });
    },

    async updateAssignment(request, context) {
      const caller = callerOf(context);
      const { courseId, ownerId } = await assignmentRow(request.assignmentId);
      const owners = [
        { courseId, ownerId },
        { courseId, ownerId: caller.id },
      ];
      const row = await store.holds.during(async (hold) => {
        const spec = await acceptedSpec(context, request.spec, owners, hold);
        return store.assignments.update(request.assignmentId, { displayName: request.displayName, spec });
      });
      if (row === null) throw notFound("assignment", request.assignmentId);
      await grading.prepared.prepare(row);
      return { assignment: toAssignment(row, caller) };
    },

    async getAssignment({ assignmentId }, context) {
      return { assignment: toAssignment(await assignmentRow(assignmentId), callerOf(context)) };
    },

    async listAssignments(request, context) {
      const caller = callerOf(context);
      const { items, nextPageToken } = await store.assignments.list({
        ...pageQuery(request),
        courseIds: visibleIn(caller, request),
      });
      return { assignments: items.map((row) => toAssignment(row, caller)), nextPageToken };
    },

    async deleteAssignment({ assignmentId }) {
      const row = await assignmentRow(assignmentId);
      if (!(await store.assignments.delete(assignmentId))) throw notFound("assignment", assignmentId);
      await grading.cancelAll(assignmentId);
      await grading.prepared.remove(row);
      return {};
    },

    createSubmission(request, context) {
      const schemas = { request: CreateSubmissionRequestSchema, response: CreateSubmissionResponseSchema };
      return once(deps, context, schemas, request, async () => ({
        submission: toSubmission(await submit(context, request), null),
      }));
    },

    async getSubmission({ submissionId }, context) {
      return { submission: shown(context, await submissionRow(submissionId)) };
    },

    async listSubmissions(request, context) {
      const caller = callerOf(context);
      const query = {
        ...pageQuery(request),
        assignmentId: request.assignmentId || null,
        ...scopeOf(caller, "submission.read", request),
      };
      const { items, nextPageToken } = await store.submissions.list(query);
      const brief = (row: SubmissionRow) => {
        const report = reportOf(row, caller);
        return toSubmission(row, report === null ? null : reportInBrief(report));
      };
      return { submissions: items.map(brief), nextPageToken };
    },

    async *waitSubmission({ submissionId }, context) {
      const row = await submissionRow(submissionId);
      for await (const progress of grading.follow(row, context.signal)) {
        const submission = shown(context, progress.row);
        // Of one that was graded long ago only the report tells how many tests there were.
        const tests = submission.report?.tests?.length;
        yield { submission, testsDone: tests ?? progress.done, testsTotal: tests ?? progress.total };
      }
    },

    async cancelSubmission({ submissionId }, context) {
      const row = await submissionRow(submissionId);
      return { submission: shown(context, await grading.cancel(row)) };
    },

    async exportReport({ submissionId }, context) {
      const row = await submissionRow(submissionId);
      const report = reportOf(row, callerOf(context));
      if (report === null)
        throw failedPrecondition(
          "NOT_GRADED",
          `Submission ${submissionId} is ${row.state}; wait until it is graded (GET /v1/submissions/${submissionId}:wait).`,
        );
      return { contentType: "application/json", fileName: "results.json", content: gradescopeResults(report) };
    },
  };
}
