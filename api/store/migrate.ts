/**
 * Brings a database to the newest schema: migrations of prisma/migrations/<provider> in order of their names, each with
 * its record in one transaction.
 *
 * The record is Prisma's own table and checksum, so that `prisma migrate` reads the same history. Refused, before
 * anything is written: a database that knows a migration which we do not, and one whose applied migration is not
 * the file that we have.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SchemaChangedError, SchemaTooNewError } from "./types.ts";

export interface Migration {
  name: string;
  sql: string;
}

/** A database to migrate, by one connection. */
export interface MigrationTarget {
  query(sql: string): Promise<unknown[][]>;
  /** Whether it has Prisma's table. */
  hasHistory(): Promise<boolean>;
  /** Makes that table, and sets what migrations need. */
  prepare(): Promise<void>;
  /** SQL for this moment, as that table keeps it. */
  now(): string;
  /** Runs all statements or, if one fails, none. */
  transaction(script: string): Promise<void>;
  /** Whether every row refers to one that is there. */
  isConsistent(): Promise<boolean>;
}

export type ProviderName = "sqlite" | "postgresql";

export function readMigrations(provider: ProviderName): Migration[] {
  const folder = join(import.meta.dirname, "../../prisma/migrations", provider);
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "migration.sql")))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(folder, name, "migration.sql"), "utf8") }));
}

/** Returns the names of the migrations that it applied. */
export async function migrate(target: MigrationTarget, migrations: readonly Migration[]): Promise<string[]> {
  const applied = await readHistory(target);
  assertKnown(applied, migrations);
  const missing = migrations.filter(({ name }) => !applied.has(name));
  if (missing.length === 0) return [];
  await target.prepare();
  for (const migration of missing) await apply(target, migration);
  return missing.map(({ name }) => name);
}

async function apply(target: MigrationTarget, { name, sql }: Migration): Promise<void> {
  const record = `INSERT INTO "_prisma_migrations"
    ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
    VALUES ('${randomUUID()}', '${checksum(sql)}', '${name.replaceAll("'", "''")}', ${target.now()}, ${target.now()}, 1)`;
  try {
    await target.transaction(`${sql}\n;${record}`);
  } catch (error) {
    throw new Error(`migration ${name} failed; the database is as it was before it`, { cause: error });
  }
  if (!(await target.isConsistent())) throw new Error(`migration ${name} left rows that refer to nothing`);
}

/** Name to checksum; empty for a new database. */
async function readHistory(target: MigrationTarget): Promise<Map<string, string>> {
  if (!(await target.hasHistory())) return new Map();
  const rows = await target.query(
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
