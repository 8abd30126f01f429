/** Limits that somebody set, and how far allowances were used up. The server has both in memory (api/admission). */
import type { Database } from "./database.ts";
import type { AllowanceRow, QuotaLimitRow, QuotaRows } from "./people.ts";

const ROWS_PER_TRANSACTION = 100;

export const quotasIn = (database: Database): QuotaRows => ({
  async limits() {
    const rows = await database.client.quotaLimit.findMany();
    return rows.map((row): QuotaLimitRow => ({ ...row, limit: Number(row.limit) }));
  },

  setLimits: ({ courseId, userId }, changes) =>
    database.change(async (queries) => {
      for (const { kind, limit } of changes) {
        const id = { courseId, userId, kind };
        if (limit === null) await queries.quotaLimit.deleteMany({ where: id });
        else
          await queries.quotaLimit.upsert({
            where: { courseId_userId_kind: id },
            create: { ...id, limit },
            update: { limit },
          });
      }
    }),

  async allowances() {
    const rows = await database.client.allowance.findMany();
    return rows.map((row): AllowanceRow => ({ ...row, used: Number(row.used) }));
  },

  async saveAllowances(rows) {
    for (let at = 0; at < rows.length; at += ROWS_PER_TRANSACTION) {
      const some = rows.slice(at, at + ROWS_PER_TRANSACTION);
      await database.write(async (queries) => {
        for (const { courseId, userId, kind, ...state } of some) {
          const id = { courseId, userId, kind };
          const where = { courseId_userId_kind: id };
          await queries.allowance.upsert({ where, create: { ...id, ...state }, update: state });
        }
      });
    }
  },
});
