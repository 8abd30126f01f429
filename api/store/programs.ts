import type { Program as StoredProgram } from "../../prisma/gen/sqlite/client.ts";
import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma } from "./database.ts";
import { decodeToken, type PageKey, pageOf, sizeOfPage } from "./paging.ts";
import { isInScope, ownerOf } from "./scope.ts";
import { InvalidPageTokenError, type ProgramRow, type Programs } from "./types.ts";

const LIST = "programs";

export const programsIn = (database: Database): Programs => ({
  /** Uploading the same content again gives it the new name. */
  async put({ hash, name, size, ...owner }) {
    const key = { ...ownerOf(owner), hash: hashBytes(hash) };
    const upsert = {
      where: { courseId_ownerId_hash: key },
      create: { ...key, name, size, createdAt: new Date() },
      update: { name },
    };
    return programRow(await database.change((queries) => queries.program.upsert(upsert), `program ${hash}`));
  },

  async get(owner, hash) {
    const where = { courseId_ownerId_hash: { ...ownerOf(owner), hash: hashBytes(hash) } };
    const row = await database.client.program.findUnique({ where });
    return row === null ? null : programRow(row);
  },

  /** Keyed by (createdAt, courseId, ownerId, hash); SQL of our own, since Prisma does not compare bytes by order. */
  async list(query) {
    const key = decodeToken(LIST, 3, query);
    const rows = await database.client.$queryRaw<StoredProgram[]>`
      SELECT "courseId", "ownerId", "hash", "name", "size", "createdAt" FROM "Program"
      WHERE ${isInScope(query)} AND ${isAfter(key)}
      ORDER BY "createdAt", "courseId", "ownerId", "hash" LIMIT ${sizeOfPage(query) + 1}`;
    return pageOf(LIST, query, rows, keyOf, programRow);
  },

  async delete(owner, hash) {
    const where = { ...ownerOf(owner), hash: hashBytes(hash) };
    const { count } = await database.change((queries) => queries.program.deleteMany({ where }));
    return count > 0;
  },
});

const keyOf = ({ createdAt, courseId, ownerId, hash }: StoredProgram): PageKey => ({
  createdAt,
  rest: [courseId, ownerId, hashText(hash)],
});

function isAfter(key: PageKey | null) {
  if (key === null) return Prisma.sql`1 = 1`;
  const [courseId = "", ownerId = "", hash = ""] = key.rest;
  return Prisma.sql`("createdAt", "courseId", "ownerId", "hash")
    > (${key.createdAt}, ${courseId}, ${ownerId}, ${hashOfToken(hash)})`;
}

function hashOfToken(hash: string) {
  try {
    return hashBytes(hash);
  } catch {
    throw new InvalidPageTokenError("This page token is damaged. Use next_page_token of the page before.");
  }
}

const programRow = ({ courseId, ownerId, hash, name, size, createdAt }: StoredProgram): ProgramRow => ({
  courseId,
  ownerId,
  hash: hashText(hash),
  name,
  size: Number(size),
  createdAt,
});
