import type { Assignment as StoredAssignment } from "../../prisma/gen/sqlite/client.ts";
import type { Database } from "./database.ts";
import { afterKey, byKey, decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import { inScope } from "./scope.ts";
import { UNFINISHED } from "./submissions.ts";
import type { AssignmentRow, Assignments } from "./types.ts";

const LIST = "assignments";

export const assignmentsIn = (database: Database): Assignments => ({
  create: (row) =>
    database.change(
      (queries) => queries.assignment.create({ data: { ...row, version: 1, createdAt: new Date() } }),
      `assignment ${row.id}`,
    ),

  update: (id, change) =>
    database.change(async (queries) => {
      const { displayName, spec } = change;
      const data = { displayName, spec, version: { increment: 1 } };
      const { count } = await queries.assignment.updateMany({ where: { id }, data });
      return count === 0 ? null : assignmentRow(await queries.assignment.findUniqueOrThrow({ where: { id } }));
    }),

  async get(id) {
    const row = await database.client.assignment.findUnique({ where: { id } });
    return row === null ? null : assignmentRow(row);
  },

  async list(query) {
    const { courseIds = null } = query;
    const where = { ...inScope({ courseIds, ownerId: null }), ...afterKey(decodeToken(LIST, 1, query)) };
    const rows = await database.client.assignment.findMany({ where, orderBy: byKey, take: sizeOfPage(query) + 1 });
    return pageOf(LIST, query, rows, idKey, assignmentRow);
  },

  /** Grades stay; what was not graded yet cannot be any more. */
  delete: (id) =>
    database.change(async (queries) => {
      const { count } = await queries.assignment.deleteMany({ where: { id } });
      if (count === 0) return false;
      const where = { assignmentId: id, state: { in: UNFINISHED } };
      await queries.submission.updateMany({ where, data: { state: "cancelled", error: "the assignment was deleted" } });
      return true;
    }),
});

const assignmentRow = (row: StoredAssignment): AssignmentRow => row;
