import type {
  ApiKey as StoredKey,
  Member as StoredMember,
  User as StoredUser,
} from "../../prisma/gen/sqlite/client.ts";
import { hashBytes, hashText } from "./convert.ts";
import type { Database, Queries } from "./database.ts";
import { afterKey, byKey, decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import {
  type ApiKeyRow,
  type CourseRole,
  LastAdminError,
  type MemberRow,
  type NewKey,
  type UserRow,
  type Users,
} from "./types.ts";

const LIST = "users";

export const usersIn = (database: Database): Users => ({
  async create(row) {
    const data = { ...row, createdAt: new Date(), disabled: false };
    return userRow(await database.change((queries) => queries.user.create({ data })));
  },

  async get(id) {
    const row = await database.client.user.findUnique({ where: { id } });
    return row === null ? null : userRow(row);
  },

  async list(query) {
    const after = afterKey(decodeToken(LIST, 1, query));
    const where = { ...after, ...(query.disabledOnly && { disabled: true }) };
    const rows = await database.client.user.findMany({ where, orderBy: byKey, take: sizeOfPage(query) + 1 });
    return pageOf(LIST, query, rows, idKey, userRow);
  },

  count: async () => database.client.user.count(),

  setDisabled: (id, disabled) => database.change((queries) => setDisabled(queries, id, disabled)),

  createKey: (row) => database.change((queries) => createKey(queries, row), `key ${row.id}`),

  async findByKey(secretHash) {
    const where = { secretHash: hashBytes(secretHash) };
    const found = await database.client.apiKey.findUnique({
      where,
      include: { user: { include: { members: { include: { course: true } } } } },
    });
    if (found === null || found.revokedAt !== null || found.user.disabled) return null;
    if (found.expiresAt !== null && found.expiresAt.getTime() <= Date.now()) return null;
    const memberships = found.user.members.map((member) => ({
      ...memberRow(member),
      archived: member.course.archivedAt !== null,
    }));
    return { user: userRow(found.user), key: keyRow(found), memberships };
  },

  async listKeys(userId) {
    const rows = await database.client.apiKey.findMany({ where: { userId }, orderBy: byKey });
    return rows.map(keyRow);
  },

  async revokeKey(userId, keyId) {
    const where = { id: keyId, userId, revokedAt: null };
    const change = { where, data: { revokedAt: new Date() } };
    const { count } = await database.change((queries) => queries.apiKey.updateMany(change));
    return count > 0;
  },
});

async function setDisabled(queries: Queries, id: string, disabled: boolean): Promise<UserRow | null> {
  const row = await queries.user.findUnique({ where: { id } });
  if (row === null) return null;
  const others = { role: "admin", disabled: false, id: { not: id } };
  if (disabled && row.role === "admin" && (await queries.user.count({ where: others })) === 0)
    throw new LastAdminError(`${id} is the last admin who is not disabled`);
  return userRow(await queries.user.update({ where: { id }, data: { disabled } }));
}

export async function createKey(queries: Queries, { operations = [], ...row }: NewKey): Promise<ApiKeyRow> {
  const secretHash = hashBytes(row.secretHash);
  const data = { ...row, secretHash, operations: JSON.stringify(operations), createdAt: new Date() };
  return keyRow(await queries.apiKey.create({ data }));
}

export const memberRow = ({ courseId, userId, role, createdAt }: StoredMember): MemberRow => ({
  courseId,
  userId,
  role: role as CourseRole,
  createdAt,
});

const userRow = ({ id, name, role, createdAt, disabled }: StoredUser): UserRow => ({
  id,
  name,
  role: role === "admin" ? "admin" : "user",
  createdAt,
  disabled,
});

const keyRow = ({ secretHash, roleAtMost, operations, ...row }: StoredKey): ApiKeyRow => ({
  id: row.id,
  userId: row.userId,
  secretHash: hashText(secretHash),
  label: row.label,
  createdAt: row.createdAt,
  expiresAt: row.expiresAt,
  revokedAt: row.revokedAt,
  courseId: row.courseId,
  roleAtMost: roleAtMost as CourseRole | null,
  operations: JSON.parse(operations) as string[],
  readOnly: row.readOnly,
});
