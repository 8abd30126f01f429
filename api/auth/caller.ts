/**
 * Who calls, and what that may do where: the user's roles, bounded by what the key is good for.
 *
 * A role is one in a course. Admins have all of them everywhere, unless their key is for one course or at most for a role.
 */
import { failedPrecondition, invalid, notFound, type OstlerError, permissionDenied } from "../errors.ts";
import { type CourseRole, DEFAULT_COURSE, type KeyHolder, type Owner, type Scope } from "../store/types.ts";
import { type Action, COURSE_ROLES, PERMISSIONS, type Reach } from "./policy.ts";

export interface Caller extends KeyHolder {
  /** The user's. */
  readonly id: string;
}

type Role = CourseRole | "admin";
const RANK: Record<Role, number> = { student: 0, grader: 1, staff: 2, admin: 3 };
const lower = (one: Role, other: Role | null): Role => (other === null || RANK[one] <= RANK[other] ? one : other);

/** One who may do everything on the whole server. */
export const isAdmin = ({ user, key }: Caller): boolean =>
  user.role === "admin" && key.courseId === null && key.roleAtMost === null;

/** Null: the caller is not in that course, as far as this key goes. */
export function roleIn(caller: Caller, courseId: string): Role | null {
  const { user, key, memberships } = caller;
  if (key.courseId !== null && key.courseId !== courseId) return null;
  if (isAdmin(caller)) return "admin";
  const role = user.role === "admin" ? "staff" : memberships.find((member) => member.courseId === courseId)?.role;
  return role === undefined ? null : lower(role, key.roleAtMost);
}

export function reachOf(caller: Caller, action: Action, courseId: string): Reach {
  const role = roleIn(caller, courseId);
  if (role === null) return "none";
  return role === "admin" ? "all" : PERMISSIONS[action][role];
}

/** Whether the caller may do that to what is of `owner`. */
export function may(caller: Caller, action: Action, owner: Owner): boolean {
  const reach = reachOf(caller, action, owner.courseId);
  return reach === "all" || (reach === "own" && owner.ownerId === caller.id);
}

/** Courses that are archived are only read; admins tidy up there. */
export function assertNotArchived(caller: Caller, action: Action, courseId: string): void {
  if (isAdmin(caller) || !PERMISSIONS[action].changes) return;
  if (!caller.memberships.some((member) => member.courseId === courseId && member.archived)) return;
  throw failedPrecondition("COURSE_ARCHIVED", `Course ${courseId} is archived: it can be read, but not changed.`);
}

/** The courses that the caller is in; null: all there are. */
export function coursesOf(caller: Caller): readonly string[] | null {
  if (isAdmin(caller)) return null;
  if (caller.key.courseId !== null) return roleIn(caller, caller.key.courseId) === null ? [] : [caller.key.courseId];
  if (caller.user.role === "admin") return null;
  return caller.memberships.map(({ courseId }) => courseId);
}

/** The course that something is made in when `given` is what the request says. */
export function chooseCourse(caller: Caller, given: string): string {
  if (given !== "") return given;
  if (caller.key.courseId !== null) return caller.key.courseId;
  const open = caller.memberships.filter(({ archived }) => !archived).map(({ courseId }) => courseId);
  const [only, another] = open.length > 0 ? open : caller.memberships.map(({ courseId }) => courseId);
  if (another !== undefined)
    throw invalid("course_id", `must name one of your courses: ${open.join(", ") || "all of them are archived"}`);
  if (only !== undefined) return only;
  if (caller.user.role === "admin") return DEFAULT_COURSE;
  throw permissionDenied(`${caller.id} is in no course; its staff can enrol you.`, "NO_COURSE");
}

/** The course whose quota a call uses up, before it is known what the call is about. */
export function courseCharged({ key, memberships }: Caller, named: string | undefined): string {
  if (key.courseId !== null) return key.courseId;
  const open = memberships.filter(({ archived }) => !archived);
  return (open.find(({ courseId }) => courseId === named) ?? open[0])?.courseId ?? DEFAULT_COURSE;
}

/** What a list shows of what belongs to somebody: the caller's own or, if that is asked for, everybody's. */
export function scopeOf(caller: Caller, action: Action, request: { courseId?: string; allOwners?: boolean }): Scope {
  const { courseId = "", allOwners = false } = request;
  const visible = courseId === "" ? coursesOf(caller) : [courseId];
  if (!allOwners) return { courseIds: visible, ownerId: caller.id };
  const reachesAll = (id: string) => reachOf(caller, action, id) === "all";
  // Who sees all courses has the same role in each, which may be a low one: an admin whose key is at most for that.
  const courseIds = visible === null && reachesAll("") ? null : (visible ?? []).filter(reachesAll);
  if (courseIds?.length === 0) throw roleNeeded(caller, action, "all", courseId);
  return { courseIds, ownerId: null };
}

/** For what everybody in a course may see. */
export const visibleIn = (caller: Caller, { courseId }: { courseId: string }): readonly string[] | null =>
  courseId === "" ? coursesOf(caller) : [courseId];

export function roleNeeded(caller: Caller, action: Action, reach: "own" | "all", courseId: string): OstlerError {
  const enough = (role: CourseRole) =>
    PERMISSIONS[action][role] === "all" || (reach === "own" && PERMISSIONS[action][role] === "own");
  const least = COURSE_ROLES.find(enough) ?? "admin";
  const role = courseId === "" ? null : roleIn(caller, courseId);
  const where = courseId === "" ? "" : ` in course ${courseId}`;
  const has = role === null ? "has no such role" : `is ${role}`;
  return permissionDenied(`This needs the role ${least} or higher${where}; ${caller.id} ${has}.`);
}

/** What the caller must not know of looks as if it did not exist. */
export function assertSees(caller: Caller, courseId: string): void {
  if (roleIn(caller, courseId) === null) throw notFound("course", courseId);
}

/** Otherwise a key that is good for little could make one that is good for much. */
export function assertUnbounded({ key }: Caller): void {
  const { courseId, roleAtMost, operations, readOnly } = key;
  if (courseId === null && roleAtMost === null && operations.length === 0 && !readOnly) return;
  throw permissionDenied(
    `The key ${key.id} is not good for everything, so it cannot make or revoke keys.`,
    "KEY_BOUNDED",
  );
}
