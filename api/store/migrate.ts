/**
 * Brings a database to the newest schema: migrations of prisma/migrations in order of their names, each with its
 * record in one transaction.
 *
 * The record is Prisma's own table and checksum, so that `prisma migrate` reads the same history. Refused, before
 * anything is written: a database that knows a migration which we do not, and one whose applied migration is not
 * the file that we have.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { adapterFor } from "./database.ts";
import { SchemaChangedError, SchemaTooNewError } from "./types.ts";

export interface Migration {
  name: string;
  sql: string;
}

type Connection = Awaited<ReturnType<ReturnType<typeof adapterFor>["connect"]>>;

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

export function readMigrations(folder = join(import.meta.dirname, "../../prisma/migrations")): Migration[] {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "migration.sql")))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(folder, name, "migration.sql"), "utf8") }));
}

/** Returns the names of the migrations that it applied. */
export async function migrate(databaseFile: string, migrations: readonly Migration[]): Promise<string[]> {
  const connection = await adapterFor(databaseFile).connect();
  try {
    const applied = await readHistory(connection);
    assertKnown(applied, migrations);
    const missing = migrations.filter(({ name }) => !applied.has(name));
    if (missing.length === 0) return [];
    // A migration that rebuilds a table must not cascade into the rows that refer to it.
    await connection.executeScript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF");
    await connection.executeScript(HISTORY_TABLE);
    for (const migration of missing) await apply(connection, migration);
    return missing.map(({ name }) => name);
  } finally {
    await connection.dispose();
  }
}

async function apply(connection: Connection, { name, sql }: Migration): Promise<void> {
  const record = `INSERT INTO "_prisma_migrations"
    ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
    VALUES ('${randomUUID()}', '${checksum(sql)}', '${name.replaceAll("'", "''")}', ${Date.now()}, ${Date.now()}, 1)`;
  try {
    // The driver rolls back what a failing script leaves open.
    await connection.executeScript(`BEGIN IMMEDIATE;\n${sql}\n;${record};\nCOMMIT;`);
  } catch (error) {
    throw new Error(`migration ${name} failed; the database is as it was before it`, { cause: error });
  }
  const broken = await connection.queryRaw({ sql: "PRAGMA foreign_key_check", args: [], argTypes: [] });
  if (broken.rows.length > 0) throw new Error(`migration ${name} left rows that refer to nothing`);
}

/** Name to checksum; empty for a new database. */
async function readHistory(connection: Connection): Promise<Map<string, string>> {
  const query = (sql: string) => connection.queryRaw({ sql, args: [], argTypes: [] });
  const tables = await query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = '_prisma_migrations'");
  if (tables.rows.length === 0) return new Map();
  const { rows } = await query(
    `SELECT migration_name, checksum FROM "_prisma_migrations" WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  );
  return new Map(rows.map(([name, sum]) => [String(name), String(sum)]));
}

function assertKnown(applied: ReadonlyMap<string, string>, migrations: readonly Migration[]): void {
  const known = new Map(migrations.map(({ name, sql }) => [name, checksum(sql)]));
  for (const [name, sum] of applied) {
    const ours = known.get(name);
    if (ours === undefined) {
      throw new SchemaTooNewError(
        `The database was written by a newer release of Ostler (its schema has ${name}). Start that release, or restore a backup.`,
      );
    }
    if (ours !== sum) {
      throw new SchemaChangedError(
        `Migration ${name} is not the one that the database was made with. Restore its file.`,
      );
    }
  }
}

const checksum = (sql: string): string => createHash("sha256").update(sql).digest("hex");
