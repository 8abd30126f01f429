/** Migrations of a PostgreSQL database. */
import type { ClientBase } from "pg";
import type { MigrationTarget } from "../migrate.ts";

const HISTORY_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

export function migrationTarget(session: ClientBase): MigrationTarget {
  const query = async (text: string) => (await session.query<unknown[]>({ text, rowMode: "array" })).rows;
  return {
    query,
    hasHistory: async () => (await query("SELECT to_regclass('_prisma_migrations')"))[0]?.[0] !== null,
    prepare: async () => void (await query(HISTORY_TABLE)),
    now: () => "now()",
    async transaction(script) {
      try {
        await session.query(`BEGIN;\n${script};\nCOMMIT;`);
      } catch (error) {
        await session.query("ROLLBACK");
        throw error;
      }
    },
    // PostgreSQL checks its foreign keys at every statement.
    isConsistent: () => Promise.resolve(true),
  };
}
