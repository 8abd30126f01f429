/** CourseService: courses, and who is in them with which role. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CourseSchema,
  CourseService,
  EnrolMembersRequest,
  MemberSchema,
} from "../../proto/gen/ostler/v1/courses_pb.js";
import { UserRole } from "../../proto/gen/ostler/v1/users_pb.js";
import { coursesOf, roleIn } from "../auth/caller.ts";
import { callerOf, newKey } from "../auth/identity.ts";
import { alreadyExists, invalid, notFound } from "../errors.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import type { CourseRow, Enrolment, MemberRow } from "../store/types.ts";
import { type Deps, pageQuery, toTimestamp } from "./common.ts";
import { courseRoleOf, ROLES } from "./roles.ts";
import { expiryOf } from "./users.ts";

const toCourse = (row: CourseRow): MessageInitShape<typeof CourseSchema> => ({
  courseId: row.id,
  displayName: row.displayName,
  createdAt: toTimestamp(row.createdAt),
  ...(row.archivedAt !== null && { archivedAt: toTimestamp(row.archivedAt) }),
});

const toMember = (row: MemberRow & { name: string }): MessageInitShape<typeof MemberSchema> => ({
  userId: row.userId,
  name: row.name,
  role: ROLES[row.role],
  createdAt: toTimestamp(row.createdAt),
});

export function courseService(deps: Deps): ServiceImplementation<typeof CourseService> {
  const { courses } = deps.store;
  const changed = async (courseId: string, change: Parameters<typeof courses.update>[1]) => {
    const row = await courses.update(courseId, change);
    if (row === null) throw notFound("course", courseId);
    deps.rolesChanged();
    return { course: toCourse(row) };
  };

  return {
    async createCourse({ courseId, displayName }) {
      if ((await courses.get(courseId)) !== null) throw alreadyExists("course", courseId);
      return { course: toCourse(await courses.create({ id: courseId, displayName })) };
    },

    async getCourse({ courseId }, context) {
      const row = await courses.get(courseId);
      if (row === null) throw notFound("course", courseId);
      const role = roleIn(callerOf(context), courseId);
      return { course: toCourse(row), role: role === null || role === "admin" ? UserRole.ADMIN : ROLES[role] };
    },

    async listCourses(request, context) {
      const ids = coursesOf(callerOf(context));
      const { items, nextPageToken } = await courses.list({ ...pageQuery(request), ids });
      return { courses: items.map(toCourse), nextPageToken };
    },

    updateCourse: ({ courseId, displayName }) => changed(courseId, { displayName }),
    archiveCourse: ({ courseId }) => changed(courseId, { archivedAt: new Date() }),
    restoreCourse: ({ courseId }) => changed(courseId, { archivedAt: null }),

    async enrolMembers(request, context) {
      const { enrolments, secrets } = enrolmentsOf(request, context);
      const results = await courses.enrol(request.courseId, enrolments);
      deps.rolesChanged();
      return {
        members: results.map(({ member, before, hasKey }, index) => ({
          member: toMember({ ...member, name: before === "unknown" ? enrolments[index]!.name : "" }),
          enrolled: before !== "member",
          secret: hasKey ? secrets[index]! : "",
        })),
      };
    },

    async listMembers(request) {
      const { items, nextPageToken } = await courses.members({ ...pageQuery(request), courseId: request.courseId });
      return { members: items.map(toMember), nextPageToken };
    },

    async removeMembers({ courseId, userIds }) {
      const removed = await courses.remove(courseId, userIds);
      deps.rolesChanged();
      return { userIds: removed };
    },
  };
}

/** Each with a key, if they are asked for, that only those get who join by it. */
function enrolmentsOf(request: EnrolMembersRequest, context: Context): { enrolments: Enrolment[]; secrets: string[] } {
  const { courseId, members, issueKeys, keysExpireAt } = request;
  const expiresAt = issueKeys ? expiryOf(callerOf(context), keysExpireAt, "keys_expire_at") : null;
  const seen = new Set<string>();
  const secrets: string[] = [];
  const enrolments = members.map(({ userId, name, role }, index): Enrolment => {
    if (seen.has(userId)) throw invalid(`members[${index}].user_id`, `${userId} is named twice`);
    seen.add(userId);
    const enrolment = { userId, name, role: courseRoleOf(role) ?? "student" };
    if (!issueKeys) return { ...enrolment, key: null };
    const { key, secret } = newKey({ label: `for course ${courseId}`, expiresAt, courseId });
    secrets.push(secret);
    return { ...enrolment, key };
  });
  return { enrolments, secrets };
}
