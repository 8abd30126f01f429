/** UserService: users and their keys. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { UserRole, type UserSchema, type UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { assertUnbounded, type Caller } from "../auth/caller.ts";
import { callerOf, createKey, newKey } from "../auth/identity.ts";
import { RULES } from "../auth/policy.ts";
import { alreadyExists, failedPrecondition, invalid, notFound } from "../errors.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import { DEFAULT_COURSE, type UserRow } from "../store/types.ts";
import { type Deps, pageQuery, toDate, toTimestamp } from "./common.ts";
import { pauseMachinesOf, setDisabled } from "./disabling.ts";
import { courseRoleOf, ROLES, toKey } from "./roles.ts";

const toUser = (row: UserRow): MessageInitShape<typeof UserSchema> => ({
  userId: row.id,
  name: row.name,
  admin: row.role === "admin",
  createdAt: toTimestamp(row.createdAt),
  disabled: row.disabled,
});

/**
 * A key does not outlive the one that it is made with: otherwise that would never end. Nor is it one from the beginning that
 * has expired, which nobody can want: a month or a year is wrong, or a clock.
 */
export function expiryOf({ key }: Caller, asked: Timestamp | undefined, field: string): Date | null {
  const expiresAt = asked === undefined ? null : toDate(asked, field);
  const now = new Date();
  if (expiresAt !== null && expiresAt <= now)
    throw invalid(field, `must be in the future; for the server it is ${now.toISOString()} now`);
  const latest = key.expiresAt;
  if (latest === null || (expiresAt !== null && expiresAt <= latest)) return expiresAt;
  throw invalid(field, `must be ${latest.toISOString()} at the latest, when the key that you call with expires`);
}

/** A key for what there is not would be good for nothing, and nobody would know why. */
function assertOperations(operations: readonly string[]): void {
  for (const [index, each] of operations.entries()) {
    const [service = "", method = ""] = each.split("/");
    const methods = Object.hasOwn(RULES, service) ? RULES[service]! : {};
    if (method === "*" ? Object.keys(methods).length > 0 : Object.hasOwn(methods, method)) continue;
    throw invalid(
      `operations[${index}]`,
      `must be a method, like MachineService/GetMachine, or all of a service, like TraceService/*; there is no ${each}`,
    );
  }
}

export function userService(deps: Deps): ServiceImplementation<typeof UserService> {
  const { store } = deps;
  const known = async (userId: string): Promise<UserRow> => {
    const row = await store.users.get(userId);
    if (row === null) throw notFound("user", userId);
    return row;
  };
  const switched = async (userId: string, disabled: boolean, context: Context): Promise<UserRow> => {
    // As with making one: who may do part of what an admin may does not decide on admins.
    if ((await known(userId)).role === "admin") assertUnbounded(callerOf(context));
    const row = await setDisabled(store, userId, disabled);
    if (row === null) throw notFound("user", userId);
    deps.rolesChanged();
    return row;
  };

  return {
    getSelf(_request, context) {
      const { user, memberships, key } = callerOf(context);
      const shown = memberships.map(({ courseId, role, archived }) => ({ courseId, role: ROLES[role], archived }));
      return { user: toUser(user), memberships: shown, key: toKey(key) };
    },

    async createUser({ userId, name, role, courseId }, context) {
      const caller = callerOf(context);
      if (role === UserRole.ADMIN) assertUnbounded(caller);
      if ((await store.users.get(userId)) !== null) throw alreadyExists("user", userId);
      const isAdmin = role === UserRole.ADMIN;
      if (isAdmin && courseId !== "") throw invalid("course_id", "must be empty for an admin, who is in no course");
      const course = courseId || DEFAULT_COURSE;
      if (!isAdmin && (await store.courses.get(course)) === null) throw notFound("course", course);
      const { key, secret } = newKey({ userId, label: "first key", expiresAt: caller.key.expiresAt });
      if (isAdmin) {
        await store.users.create({ id: userId, name, role: "admin" });
        await store.users.createKey(key);
      } else await store.courses.enrol(course, [{ userId, name, role: courseRoleOf(role) ?? "student", key }]);
      return { user: toUser((await store.users.get(userId))!), secret };
    },

    async listUsers(request) {
      const query = { ...pageQuery(request), disabledOnly: request.disabledOnly };
      const { items, nextPageToken } = await store.users.list(query);
      return { users: items.map(toUser), nextPageToken };
    },

    async disableUser({ userId }, context) {
      const user = toUser(await switched(userId, true, context));
      return { user, pausedMachines: await pauseMachinesOf(deps, userId) };
    },

    enableUser: async ({ userId }, context) => ({ user: toUser(await switched(userId, false, context)) }),

    async createKey({ userId, label, expiresAt, courseId, roleAtMost, operations, readOnly }, context) {
      const { disabled } = await known(userId);
      if (disabled)
        throw failedPrecondition(
          "USER_DISABLED",
          `User ${userId} is disabled: no key opens anything; enable the user first.`,
        );
      assertOperations(operations);
      if (courseId !== "" && (await store.courses.get(courseId)) === null) throw notFound("course", courseId);
      const { key, secret } = await createKey(store, {
        userId,
        label,
        expiresAt: expiryOf(callerOf(context), expiresAt, "expires_at"),
        courseId: courseId || null,
        roleAtMost: courseRoleOf(roleAtMost),
        operations,
        readOnly,
      });
      return { key: toKey(key), secret };
    },

    async listKeys({ userId, courseId }) {
      await known(userId);
      const rows = await store.users.listKeys(userId);
      return { keys: rows.filter((row) => courseId === "" || row.courseId === courseId).map(toKey) };
    },

    async revokeKey({ userId, keyId, courseId }) {
      await known(userId);
      const rows = await store.users.listKeys(userId);
      const isThere = rows.some((row) => row.id === keyId && (courseId === "" || row.courseId === courseId));
      if (!isThere || !(await store.users.revokeKey(userId, keyId))) throw notFound("key", keyId);
      deps.rolesChanged();
      return {};
    },
  };
}
