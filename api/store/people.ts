/** Who is who to the store: users, their keys, courses and who is in them. Part of types.ts, which has the contract. */
import type { Hash, Page, PageQuery } from "./types.ts";

/** Where what was made without naming a course belongs. */
export const DEFAULT_COURSE = "default";

/** Whose something is: a user's, in a course. */
export interface Owner {
  courseId: string;
  ownerId: string;
}

/** Where no course is named it is the default one. */
export type SomeOwner = Pick<Owner, "ownerId"> & Partial<Owner>;

/** Those of a user or of everybody (null), in some courses or in all (null). */
export interface Scope {
  courseIds: readonly string[] | null;
  ownerId: string | null;
}

export type CourseRole = "student" | "grader" | "staff";

export interface CourseRow {
  id: string;
  displayName: string;
  createdAt: Date;
  /** From then on it is only read. */
  archivedAt: Date | null;
}

export interface MemberRow {
  courseId: string;
  userId: string;
  role: CourseRole;
  createdAt: Date;
}

export interface UserRow {
  id: string;
  name: string;
  /** What others may do is the role that they have in a course. */
  role: "admin" | "user";
  createdAt: Date;
  disabled: boolean;
}

export interface ApiKeyRow {
  id: string;
  userId: string;
  /** SHA-256 of the secret; the secret itself is never stored. */
  secretHash: Hash;
  label: string;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  /** Good for that course alone; null: for all that its user may do. */
  courseId: string | null;
  roleAtMost: CourseRole | null;
  /** "Service/Method" or "Service/*"; empty: all. */
  operations: string[];
  /** Changes nothing. */
  readOnly: boolean;
}

/** A key with all that decides what it is good for. */
export interface KeyHolder {
  user: UserRow;
  key: ApiKeyRow;
  /** The user's, with whether the course is archived. */
  memberships: (MemberRow & { archived: boolean })[];
}

/** Nobody would be left to enable anybody. */
export class LastAdminError extends Error {
  override readonly name = "LastAdminError";
}

export interface Users {
  create(row: Pick<UserRow, "id" | "name" | "role">): Promise<UserRow>;
  get(id: string): Promise<UserRow | null>;
  list(query: PageQuery & { disabledOnly?: boolean }): Promise<Page<UserRow>>;
  count(): Promise<number>;
  /** Null: there is no such user. The last admin who is not disabled stays so (LastAdminError). */
  setDisabled(id: string, disabled: boolean): Promise<UserRow | null>;
  createKey(row: NewKey): Promise<ApiKeyRow>;
  /** The user of a live key, or null (unknown, expired, revoked, disabled). */
  findByKey(secretHash: Hash): Promise<KeyHolder | null>;
  listKeys(userId: string): Promise<ApiKeyRow[]>;
  revokeKey(userId: string, keyId: string): Promise<boolean>;
}

/** A key that is good for everything, unless it is said. */
export type NewKey = Omit<ApiKeyRow, "createdAt" | "revokedAt" | keyof KeyScope> & Partial<KeyScope>;
export type KeyScope = Pick<ApiKeyRow, "courseId" | "roleAtMost" | "operations" | "readOnly">;

/** One of those who join a course, with the key that is made for it. */
export interface Enrolment {
  userId: string;
  name: string;
  role: CourseRole;
  key: Omit<NewKey, "userId"> | null;
}

export interface Courses {
  create(row: Pick<CourseRow, "id" | "displayName">): Promise<CourseRow>;
  get(id: string): Promise<CourseRow | null>;
  /** Of these ids, or all (null). */
  list(query: PageQuery & { ids: readonly string[] | null }): Promise<Page<CourseRow>>;
  update(id: string, change: Partial<Pick<CourseRow, "displayName" | "archivedAt">>): Promise<CourseRow | null>;
  /**
   * Makes users that are not there yet, makes all of them members with the role that is given, and makes the keys of
   * those that were no members and are no admins: all or nothing. Says of each, in order, what it was before, and
   * whether the key was made.
   */
  enrol(
    courseId: string,
    enrolments: readonly Enrolment[],
  ): Promise<{ member: MemberRow; before: "unknown" | "user" | "member"; hasKey: boolean }[]>;
  member(courseId: string, userId: string): Promise<MemberRow | null>;
  members(query: PageQuery & { courseId: string }): Promise<Page<MemberRow & { name: string }>>;
  /** Ends the keys that were for the course alone, too. Returns who was a member. */
  remove(courseId: string, userIds: readonly string[]): Promise<string[]>;
}

/** Who did what to what, when, from where, with what outcome. */
export interface AuditRow {
  id: string;
  at: Date;
  /** Like calls that came soon after are counted here. */
  count: number;
  lastAt: Date;
  actorId: string;
  keyId: string;
  /** Empty: of the server. */
  courseId: string;
  operation: string;
  target: string;
  outcome: string;
  reason: string;
  transport: string;
  peer: string;
  requestId: string;
}

export interface AuditQuery extends PageQuery {
  /** null: of all. */
  courseIds: readonly string[] | null;
  /** Also those that are of no course. */
  ofServer: boolean;
  /** Empty: any; so with the others. */
  actorId: string;
  operation: string;
  target: string;
  since: Date | null;
  until: Date | null;
}

export interface Audit {
  /** Runs `work` so that the first change that it makes in the store writes the event in the same transaction. */
  during<T>(event: { row(): AuditRow; taken: boolean }, work: () => T): T;
  write(row: AuditRow): Promise<void>;
  amend(id: string, change: Partial<Pick<AuditRow, "outcome" | "reason" | "count" | "lastAt">>): Promise<void>;
  list(query: AuditQuery): Promise<Page<AuditRow>>;
  prune(before: Date): Promise<number>;
}

export const EACH_MEMBER = "*";
export const ALL_MEMBERS = "";

/** Whose a limit is: a member's, each member's, or all members' together. */
export interface QuotaHolder {
  courseId: string;
  userId: string;
}

export interface QuotaLimitRow extends QuotaHolder {
  kind: string;
  /** 0: none. Of a share of the processor: its weight. */
  limit: number;
}

export interface AllowanceRow extends QuotaHolder {
  kind: string;
  used: number;
  at: Date;
}

export interface QuotaRows {
  limits(): Promise<QuotaLimitRow[]>;
  /** Null: there is none of its own any more. All or nothing. */
  setLimits(holder: QuotaHolder, changes: readonly { kind: string; limit: number | null }[]): Promise<void>;
  allowances(): Promise<AllowanceRow[]>;
  saveAllowances(rows: readonly AllowanceRow[]): Promise<void>;
}
