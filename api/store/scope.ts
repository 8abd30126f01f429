/** The filter for what is whose. */
import { Prisma } from "./database.ts";
import { DEFAULT_COURSE, type Owner, type ScopeQuery, type SomeOwner } from "./types.ts";

export const inScope = ({ courseIds, ownerId }: ScopeQuery) => ({
  ...(ownerId === null ? {} : { ownerId }),
  ...(courseIds === undefined || courseIds === null ? {} : { courseId: { in: [...courseIds] } }),
});

/** The same as SQL of our own. */
export function isInScope({ courseIds, ownerId }: ScopeQuery): Prisma.Sql {
  const conditions = [Prisma.sql`1 = 1`];
  if (ownerId !== null) conditions.push(Prisma.sql`"ownerId" = ${ownerId}`);
  if (courseIds?.length === 0) conditions.push(Prisma.sql`1 = 0`);
  else if (courseIds) conditions.push(Prisma.sql`"courseId" IN (${Prisma.join([...courseIds])})`);
  return Prisma.join(conditions, " AND ");
}

export const ownerOf = ({ courseId = DEFAULT_COURSE, ownerId }: SomeOwner): Owner => ({ courseId, ownerId });
