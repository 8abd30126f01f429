import type { Program as StoredProgram } from "../../prisma/gen/sqlite/client.ts";
import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma } from "./database.ts";
import { decodeToken, type PageKey, pageOf, sizeOfPage } from "./paging.ts";
import { InvalidPageTokenError, type ProgramRow, type Programs } from "./types.ts";

const LIST = "programs";

export const programsIn = (database: Database): Programs => ({
  /** Uploading the same content again gives it the new name. */
  async put({ ownerId, hash, name, size }) {
    const key = { ownerId, hash: hashBytes(hash) };
    const upsert = {
      where: { ownerId_hash: key },
      create: { ...key, name, size, createdAt: new Date() },
      update: { name },
    };
    return programRow(await database.write((queries) => queries.program.upsert(upsert)));
  },

  async get(ownerId, hash) {
    const where = { ownerId_hash: { ownerId, hash: hashBytes(hash) } };
    const row = await database.client.program.findUnique({ where });
    return row === null ? null : programRow(row);
  },

  /** Keyed by (createdAt, ownerId, hash); SQL of our own, since Prisma does not compare bytes by order. */
  async list(query) {
    const key = decodeToken(LIST, 2, query);
    const isOwner = query.ownerId === null ? Prisma.sql`1 = 1` : Prisma.sql`"ownerId" = ${query.ownerId}`;
    const rows = await database.client.$queryRaw<StoredProgram[]>`
      SELECT "ownerId", "hash", "name", "size", "createdAt" FROM "Program" WHERE ${isOwner} AND ${isAfter(key)}
      ORDER BY "createdAt", "ownerId", "hash" LIMIT ${sizeOfPage(query) + 1}`;
    return pageOf(LIST, query, rows, keyOf, programRow);
  },

  async delete(ownerId, hash) {
    const where = { ownerId, hash: hashBytes(hash) };
    const { count } = await database.write((queries) => queries.program.deleteMany({ where }));
    return count > 0;
  },
});

const keyOf = ({ createdAt, ownerId, hash }: StoredProgram): PageKey => ({
  createdAt,
  rest: [ownerId, hashText(hash)],
});

function isAfter(key: PageKey | null) {
  if (key === null) return Prisma.sql`1 = 1`;
  const [ownerId = "", hash = ""] = key.rest;
  return Prisma.sql`("createdAt", "ownerId", "hash") > (${key.createdAt}, ${ownerId}, ${hashOfToken(hash)})`;
}

function hashOfToken(hash: string) {
  try {
    return hashBytes(hash);
  } catch {
    throw new InvalidPageTokenError("This page token is damaged. Use next_page_token of the page before.");
  }
}

const programRow = ({ ownerId, hash, name, size, createdAt }: StoredProgram): ProgramRow => ({
  ownerId,
  hash: hashText(hash),
  name,
  size: Number(size),
  createdAt,
});
