import type { Prisma, Program as StoredProgram } from "../../prisma/gen/client.ts";
import { hashBytes, hashText } from "./convert.ts";
import type { Database } from "./database.ts";
import { decodeToken, type PageKey, pageOf, sizeOfPage } from "./paging.ts";
import type { ProgramRow, Programs } from "./types.ts";

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

  async list(query) {
    const key = decodeToken(LIST, 2, query);
    const rows = await database.client.program.findMany({
      where: { ...(query.ownerId === null ? {} : { ownerId: query.ownerId }), ...afterProgram(key) },
      orderBy: [{ createdAt: "asc" }, { ownerId: "asc" }, { hash: "asc" }],
      take: sizeOfPage(query) + 1,
    });
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

function afterProgram(key: PageKey | null): Prisma.ProgramWhereInput {
  if (key === null) return {};
  const { createdAt } = key;
  const [ownerId = "", hash = ""] = key.rest;
  return {
    OR: [
      { createdAt: { gt: createdAt } },
      { createdAt, ownerId: { gt: ownerId } },
      { createdAt, ownerId, hash: { gt: hashBytes(hash) } },
    ],
  };
}

const programRow = ({ ownerId, hash, name, size, createdAt }: StoredProgram): ProgramRow => ({
  ownerId,
  hash: hashText(hash),
  name,
  size: Number(size),
  createdAt,
});
