import type { ApiKey as StoredKey, User as StoredUser } from "../../prisma/gen/sqlite/client.ts";
import { hashBytes, hashText } from "./convert.ts";
import type { Database } from "./database.ts";
import { afterKey, byKey, decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import type { ApiKeyRow, Role, UserRow, Users } from "./types.ts";

const LIST = "users";

export const usersIn = (database: Database): Users => ({
  async create(row) {
    const data = { ...row, createdAt: new Date(), disabled: false };
    return userRow(await database.write((queries) => queries.user.create({ data })));
  },

  async get(id) {
    const row = await database.client.user.findUnique({ where: { id } });
    return row === null ? null : userRow(row);
  },

  async list(query) {
    const where = afterKey(decodeToken(LIST, 1, query));
    const rows = await database.client.user.findMany({ where, orderBy: byKey, take: sizeOfPage(query) + 1 });
    return pageOf(LIST, query, rows, idKey, userRow);
  },

  count: async () => database.client.user.count(),

  async createKey(row) {
    const data = { ...row, secretHash: hashBytes(row.secretHash), createdAt: new Date() };
    return keyRow(await database.write((queries) => queries.apiKey.create({ data })));
  },

  async findByKey(secretHash) {
    const where = { secretHash: hashBytes(secretHash) };
    const found = await database.client.apiKey.findUnique({ where, include: { user: true } });
    if (found === null || found.revokedAt !== null || found.user.disabled) return null;
    if (found.expiresAt !== null && found.expiresAt.getTime() <= Date.now()) return null;
    return { user: userRow(found.user), key: keyRow(found) };
  },

  async listKeys(userId) {
    const rows = await database.client.apiKey.findMany({ where: { userId }, orderBy: byKey });
    return rows.map(keyRow);
  },

  async revokeKey(userId, keyId) {
    const where = { id: keyId, userId, revokedAt: null };
    const change = { where, data: { revokedAt: new Date() } };
    const { count } = await database.write((queries) => queries.apiKey.updateMany(change));
    return count > 0;
  },
});

const userRow = ({ id, name, role, createdAt, disabled }: StoredUser): UserRow => ({
  id,
  name,
  role: role as Role,
  createdAt,
  disabled,
});

const keyRow = ({ id, userId, secretHash, label, createdAt, expiresAt, revokedAt }: StoredKey): ApiKeyRow => ({
  id,
  userId,
  secretHash: hashText(secretHash),
  label,
  createdAt,
  expiresAt,
  revokedAt,
});
