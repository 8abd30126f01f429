/**
 * The audit log. An event of something that the database changes is written in the transaction that changes it: whoever
 * handles a call names the event (`auditing`), and the first change that is made on the way takes it along
 * (Database.change).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { AuditEvent as StoredEvent } from "../../prisma/gen/sqlite/client.ts";
import type { Database, Queries } from "./database.ts";
import { decodeToken, pageOf, sizeOfPage } from "./paging.ts";
import type { Audit, AuditRow } from "./people.ts";

/** An event of the call that is under way. */
export interface PendingEvent {
  /** As it stands now. */
  row(): AuditRow;
  /** Some change has taken it, or is about to. */
  taken: boolean;
}

export const auditing = new AsyncLocalStorage<PendingEvent>();

const LIST = "audit";

export const auditIn = (database: Database): Audit => ({
  during: (event, work) => auditing.run(event, work),
  write: (row) => database.write((queries) => writeEvent(queries, row), { shares: true }),

  async amend(id, change) {
    await database.write((queries) => queries.auditEvent.updateMany({ where: { id }, data: change }));
  },

  /** Newest first. */
  async list(query) {
    const { courseIds, ofServer, actorId, operation, target, since, until } = query;
    const key = decodeToken(LIST, 1, query);
    const before =
      key === null ? {} : { OR: [{ at: { lt: key.createdAt } }, { at: key.createdAt, id: { lt: key.rest[0]! } }] };
    const where = {
      ...(courseIds !== null && { courseId: { in: [...courseIds] } }),
      ...(actorId === "" ? {} : { actorId }),
      ...(operation === "" ? {} : { operation }),
      ...(target === "" ? {} : { target }),
      AND: [
        before,
        ofServer ? {} : { courseId: { not: "" } },
        { at: { ...(since !== null && { gte: since }), ...(until !== null && { lt: until }) } },
      ],
    };
    const orderBy = [{ at: "desc" as const }, { id: "desc" as const }];
    const rows = await database.client.auditEvent.findMany({ where, orderBy, take: sizeOfPage(query) + 1 });
    return pageOf(LIST, query, rows, ({ at, id }) => ({ createdAt: at, rest: [id] }), eventRow);
  },

  async prune(before) {
    const where = { at: { lt: before } };
    return (await database.write((queries) => queries.auditEvent.deleteMany({ where }))).count;
  },
});

export async function writeEvent(queries: Queries, row: AuditRow): Promise<void> {
  await queries.auditEvent.create({ data: row });
}

const eventRow = ({ count, ...row }: StoredEvent): AuditRow => ({ ...row, count: Number(count) });
