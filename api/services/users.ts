/** UserService: users and their keys. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type KeySchema, UserRole, type UserSchema, type UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { callerOf, createKey } from "../auth/identity.ts";
import { alreadyExists, notFound } from "../errors.ts";
import type { ServiceImplementation } from "../operation.ts";
import type { ApiKeyRow, Role, UserRow } from "../store/types.ts";
import { type Deps, pageQuery, toTimestamp } from "./common.ts";

const ROLES = {
  student: UserRole.STUDENT,
  grader: UserRole.GRADER,
  staff: UserRole.STAFF,
  admin: UserRole.ADMIN,
} as const satisfies Record<Role, UserRole>;

const toUser = (row: UserRow): MessageInitShape<typeof UserSchema> => ({
  userId: row.id,
  name: row.name,
  role: ROLES[row.role],
  createdAt: toTimestamp(row.createdAt),
});

const toKey = (row: ApiKeyRow): MessageInitShape<typeof KeySchema> => ({
  keyId: row.id,
  userId: row.userId,
  label: row.label,
  createdAt: toTimestamp(row.createdAt),
  ...(row.expiresAt !== null && { expiresAt: toTimestamp(row.expiresAt) }),
  ...(row.revokedAt !== null && { revokedAt: toTimestamp(row.revokedAt) }),
});

export function userService(deps: Deps): ServiceImplementation<typeof UserService> {
  const assertKnown = async (userId: string): Promise<void> => {
    if ((await deps.store.users.get(userId)) === null) throw notFound("user", userId);
  };

  return {
    getSelf: (_request, context) => ({ user: toUser(callerOf(context)) }),

    async createUser(request) {
      if ((await deps.store.users.get(request.userId)) !== null) throw alreadyExists("user", request.userId);
      const role = (Object.keys(ROLES) as Role[]).find((name) => ROLES[name] === request.role) ?? "student";
      const user = await deps.store.users.create({ id: request.userId, name: request.name, role });
      const { secret } = await createKey(deps.store, user.id, "first key", null);
      return { user: toUser(user), secret };
    },

    async listUsers(request) {
      const { items, nextPageToken } = await deps.store.users.list(pageQuery(request));
      return { users: items.map(toUser), nextPageToken };
    },

    async createKey({ userId, label, expiresAt }) {
      await assertKnown(userId);
      const until = expiresAt === undefined ? null : timestampDate(expiresAt);
      const { key, secret } = await createKey(deps.store, userId, label, until);
      return { key: toKey(key), secret };
    },

    async listKeys({ userId }) {
      await assertKnown(userId);
      return { keys: (await deps.store.users.listKeys(userId)).map(toKey) };
    },

    async revokeKey({ userId, keyId }) {
      await assertKnown(userId);
      if (!(await deps.store.users.revokeKey(userId, keyId))) throw notFound("key", keyId);
      return {};
    },
  };
}
