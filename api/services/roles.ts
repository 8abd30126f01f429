/** Roles and keys in the wire's form and back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type KeySchema, UserRole } from "../../proto/gen/ostler/v1/users_pb.js";
import type { ApiKeyRow, CourseRole } from "../store/types.ts";
import { toTimestamp } from "./common.ts";

export const ROLES = {
  student: UserRole.STUDENT,
  grader: UserRole.GRADER,
  staff: UserRole.STAFF,
} as const satisfies Record<CourseRole, UserRole>;

/** Null: none was said, or it is no role of a course. */
export const courseRoleOf = (role: UserRole): CourseRole | null =>
  (Object.keys(ROLES) as CourseRole[]).find((name) => ROLES[name] === role) ?? null;

export const toKey = (row: ApiKeyRow): MessageInitShape<typeof KeySchema> => ({
  keyId: row.id,
  userId: row.userId,
  label: row.label,
  createdAt: toTimestamp(row.createdAt),
  ...(row.expiresAt !== null && { expiresAt: toTimestamp(row.expiresAt) }),
  ...(row.revokedAt !== null && { revokedAt: toTimestamp(row.revokedAt) }),
  courseId: row.courseId ?? "",
  roleAtMost: row.roleAtMost === null ? UserRole.UNSPECIFIED : ROLES[row.roleAtMost],
  operations: row.operations,
  readOnly: row.readOnly,
});
