import { hashBytes, hashText } from "./convert.ts";
import { type Database, Prisma, type Queries } from "./database.ts";
import { BYTES_PER_STATEMENT, ROWS_PER_STATEMENT } from "./limits.ts";
import { pacedRuns } from "./runs.ts";
import type { Idempotency, IdempotencyRow } from "./types.ts";

export const idempotencyIn = (database: Database): Idempotency => ({
  async find(ownerId, method, key) {
    const where = { ownerId_method_key: { ownerId, method, key } };
    const row = await database.client.idempotency.findUnique({ where });
    if (row === null) return null;
    return { ownerId, method, key, requestHash: hashText(row.requestHash), response: row.response };
  },
  save: (row) => database.write((queries) => saveAnswers(queries, [row]), { shares: true }),
  async prune(before) {
    const { count } = await database.write((queries) =>
      queries.idempotency.deleteMany({ where: { createdAt: { lt: before } } }),
    );
    return count;
  },
});

/** The first answer under a key is the one that was given out: later ones change nothing. */
export async function saveAnswers(queries: Queries, rows: readonly IdempotencyRow[]): Promise<void> {
  const now = new Date();
  for await (const run of pacedRuns(rows, ROWS_PER_STATEMENT, BYTES_PER_STATEMENT, ({ response }) => response.length)) {
    const values = Prisma.join(
      run.map(
        ({ ownerId, method, key, requestHash, response }) =>
          Prisma.sql`(${ownerId}, ${method}, ${key}, ${hashBytes(requestHash)}, ${response}, ${now})`,
      ),
    );
    await queries.$executeRaw`
      INSERT INTO "Idempotency" ("ownerId", "method", "key", "requestHash", "response", "createdAt") VALUES ${values}
      ON CONFLICT DO NOTHING`;
  }
}
