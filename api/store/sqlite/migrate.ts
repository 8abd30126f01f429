/** Migrations of a database file. */
import type { Migration, MigrationTarget } from "../migrate.ts";
import { migrate } from "../migrate.ts";
import { adapterFor } from "./adapter.ts";

const HISTORY_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL,
  "checksum" TEXT NOT NULL,
  "finished_at" DATETIME,
  "migration_name" TEXT NOT NULL,
  "logs" TEXT,
  "rolled_back_at" DATETIME,
  "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
)`;

/** Returns the names of the migrations that it applied. */
export async function migrateFile(databaseFile: string, migrations: readonly Migration[]): Promise<string[]> {
  const connection = await adapterFor(databaseFile).connect();
  const query = async (sql: string) => (await connection.queryRaw({ sql, args: [], argTypes: [] })).rows;
  const target: MigrationTarget = {
    query,
    async hasHistory() {
      const found = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '_prisma_migrations'";
      return (await query(found)).length > 0;
    },
    async prepare() {
      // A migration that rebuilds a table must not cascade into the rows that refer to it.
      await connection.executeScript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF");
      await connection.executeScript(HISTORY_TABLE);
    },
    now: () => String(Date.now()),
    // The driver rolls back what a failing script leaves open.
    transaction: (script) => connection.executeScript(`BEGIN IMMEDIATE;\n${script};\nCOMMIT;`),
    isConsistent: async () => (await query("PRAGMA foreign_key_check")).length === 0,
  };
  try {
    return await migrate(target, migrations);
  } finally {
    await connection.dispose();
  }
}
