/** Courses and who is in them. */
import type { Course as StoredCourse } from "../../prisma/gen/sqlite/client.ts";
import type { Database, Queries } from "./database.ts";
import { afterKey, byKey, decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import { type CourseRow, type Courses, DEFAULT_COURSE, type Enrolment } from "./types.ts";
import { createKey, memberRow } from "./users.ts";

const LIST = "courses";
const MEMBERS = "members";

export const coursesIn = (database: Database): Courses => ({
  async create(row) {
    const data = { ...row, createdAt: new Date() };
    return courseRow(await database.change((queries) => queries.course.create({ data })));
  },

  async get(id) {
    const row = await database.client.course.findUnique({ where: { id } });
    return row === null ? null : courseRow(row);
  },

  async list(query) {
    const where = {
      ...(query.ids === null ? {} : { id: { in: [...query.ids] } }),
      ...afterKey(decodeToken(LIST, 1, query)),
    };
    const rows = await database.client.course.findMany({ where, orderBy: byKey, take: sizeOfPage(query) + 1 });
    return pageOf(LIST, query, rows, idKey, courseRow);
  },

  update: (id, data) =>
    database.change(async (queries) => {
      const { count } = await queries.course.updateMany({ where: { id }, data });
      return count === 0 ? null : courseRow(await queries.course.findUniqueOrThrow({ where: { id } }));
    }),

  enrol: (courseId, enrolments) => database.change((queries) => enrol(queries, courseId, enrolments)),

  async member(courseId, userId) {
    const where = { courseId_userId: { courseId, userId } };
    const row = await database.client.member.findUnique({ where });
    return row === null ? null : memberRow(row);
  },

  /** By name of the user: the order in which people look somebody up. */
  async members(query) {
    const key = decodeToken(MEMBERS, 1, query);
    const rows = await database.client.member.findMany({
      where: { courseId: query.courseId, ...(key === null ? {} : { userId: { gt: key.rest[0]! } }) },
      include: { user: true },
      orderBy: { userId: "asc" },
      take: sizeOfPage(query) + 1,
    });
    const keyOf = (row: { createdAt: Date; userId: string }) => ({ createdAt: row.createdAt, rest: [row.userId] });
    return pageOf(MEMBERS, query, rows, keyOf, (row) => ({ ...memberRow(row), name: row.user.name }));
  },

  remove: (courseId, userIds) =>
    database.change(async (queries) => {
      const where = { courseId, userId: { in: [...userIds] } };
      const removed = await queries.member.findMany({ where, select: { userId: true } });
      await queries.member.deleteMany({ where });
      await queries.apiKey.updateMany({ where: { ...where, revokedAt: null }, data: { revokedAt: new Date() } });
      return removed.map(({ userId }) => userId);
    }),
});

/** A new store has it, too: what is made without naming a course belongs somewhere. */
export async function ensureDefaultCourse(database: Database): Promise<void> {
  const id = DEFAULT_COURSE;
  if ((await database.client.course.count({ where: { id } })) > 0) return;
  const data = { id, displayName: "Default course", createdAt: new Date() };
  await database.write((queries) => queries.course.create({ data }));
}

async function enrol(
  queries: Queries,
  courseId: string,
  enrolments: readonly Enrolment[],
): ReturnType<Courses["enrol"]> {
  const ids = enrolments.map(({ userId }) => userId);
  const idsOf = (rows: { userId: string }[]) => new Set(rows.map(({ userId }) => userId));
  const users = await queries.user.findMany({ where: { id: { in: ids } }, select: { id: true, role: true } });
  const known = new Set(users.map(({ id }) => id));
  // A key of theirs would be one of staff, whoever made it, and whatever is done with it would be in their name.
  const admins = new Set(users.filter(({ role }) => role === "admin").map(({ id }) => id));
  const members = idsOf(await queries.member.findMany({ where: { courseId, userId: { in: ids } } }));
  const createdAt = new Date();
  const fresh = enrolments.filter(({ userId }) => !known.has(userId));
  const data = fresh.map(({ userId, name }) => ({ id: userId, name, role: "user", createdAt, disabled: false }));
  if (data.length > 0) await queries.user.createMany({ data });
  const results: Awaited<ReturnType<Courses["enrol"]>> = [];
  for (const { userId, role, key } of enrolments) {
    const member = await queries.member.upsert({
      where: { courseId_userId: { courseId, userId } },
      create: { courseId, userId, role, createdAt },
      update: { role },
    });
    const before = members.has(userId) ? "member" : known.has(userId) ? "user" : "unknown";
    const hasKey = key !== null && before !== "member" && !admins.has(userId);
    if (hasKey) await createKey(queries, { ...key, userId });
    results.push({ member: memberRow(member), before, hasKey });
  }
  return results;
}

const courseRow = ({ id, displayName, createdAt, archivedAt }: StoredCourse): CourseRow => ({
  id,
  displayName,
  createdAt,
  archivedAt,
});
