/**
 * Prisma's own schema engine (WebAssembly, no download): the second opinion on our migrations.
 * It compares a migrated database with schema.prisma and reads the history that migrate.ts recorded.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import type { DiffTarget, MigrationList, SchemaEngine } from "@prisma/schema-engine-wasm";
import type { Migration } from "../../api/store/migrate.ts";

export const schemaFile = join(import.meta.dirname, "../../prisma/schema.prisma");
export const noFilter = { externalTables: [], externalEnums: [] };

export async function openSchemaEngine(url: string): Promise<SchemaEngine> {
  const background = await import("@prisma/schema-engine-wasm/schema_engine_bg");
  const folder = dirname(createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm"));
  const compiled = new WebAssembly.Module(readFileSync(join(folder, "schema_engine_bg.wasm")));
  const instance = new WebAssembly.Instance(compiled, { "./schema_engine_bg.js": background as never });
  background.__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
  const factory = bindMigrationAwareSqlAdapterFactory(new PrismaLibSql({ url, intMode: "bigint" }));
  const datamodels: [string, string][] = [[schemaFile, readFileSync(schemaFile, "utf8")]];
  return background.SchemaEngine.new({ datamodels }, () => {}, factory);
}

/** schema.prisma as one side of a comparison. */
export function datamodel(): DiffTarget {
  return {
    tag: "schemaDatamodel",
    files: [{ path: schemaFile, content: readFileSync(schemaFile, "utf8") }],
    configDir: dirname(schemaFile),
  } as DiffTarget;
}

export function migrationList(migrations: readonly Migration[]): MigrationList {
  return {
    baseDir: join(dirname(schemaFile), "migrations"),
    lockfile: { path: "migration_lock.toml", content: 'provider = "sqlite"\n' },
    shadowDbInitScript: "",
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: "migration.sql", content: { tag: "ok", value: sql } },
    })),
  };
}
