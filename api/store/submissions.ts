import type { Submission as StoredSubmission } from "../../prisma/gen/sqlite/client.ts";
import { hashBytes, hashText } from "./convert.ts";
import type { Database } from "./database.ts";
import { afterKey, byKey, decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import { inScope } from "./scope.ts";
import type { SubmissionRow, Submissions } from "./types.ts";

const LIST = "submissions";
export const UNFINISHED: SubmissionRow["state"][] = ["queued", "grading"];

export const submissionsIn = (database: Database): Submissions => ({
  async create(row) {
    const data = { ...row, contentHash: hashBytes(row.contentHash), createdAt: new Date() };
    return submissionRow(
      await database.change((queries) => queries.submission.create({ data }), `submission ${row.id}`),
    );
  },

  async get(id) {
    const row = await database.client.submission.findUnique({ where: { id } });
    return row === null ? null : submissionRow(row);
  },

  async list(query) {
    const { assignmentId } = query;
    const rows = await database.client.submission.findMany({
      where: {
        ...(assignmentId === null ? {} : { assignmentId }),
        ...inScope(query),
        ...afterKey(decodeToken(LIST, 1, query)),
      },
      orderBy: byKey,
      take: sizeOfPage(query) + 1,
    });
    return pageOf(LIST, query, rows, idKey, submissionRow);
  },

  async update(id, { state, report, error }) {
    const data = {
      ...(state === undefined ? {} : { state }),
      ...(report === undefined ? {} : { report }),
      ...(error === undefined ? {} : { error }),
    };
    await database.change((queries) => queries.submission.updateMany({ where: { id }, data }));
  },

  async unfinished() {
    const rows = await database.client.submission.findMany({ where: { state: { in: UNFINISHED } }, orderBy: byKey });
    return rows.map(submissionRow);
  },
});

const submissionRow = (row: StoredSubmission): SubmissionRow => ({
  ...row,
  contentHash: hashText(row.contentHash),
  contentKind: row.contentKind as SubmissionRow["contentKind"],
  state: row.state as SubmissionRow["state"],
});
