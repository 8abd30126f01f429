/**
 * Prisma's own schema engine (WebAssembly, no download): the second opinion on our migrations.
 * It compares a migrated database with schema.prisma and reads the history that migrate.ts recorded.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import type { MigrationList, SchemaEngine } from "@prisma/schema-engine-wasm";
import type { Migration } from "../../api/store/migrate.ts";

export const schemaFile = join(import.meta.dirname, "../../prisma/schema.prisma");
export const noFilter = { externalTables: [], externalEnums: [] };

/** The bindings hold one instance of the engine; loading it twice breaks the first. */
let loaded: Promise<typeof import("@prisma/schema-engine-wasm")> | null = null;

async function load() {
  const bindings = await import("@prisma/schema-engine-wasm/schema_engine_bg");
  const folder = dirname(createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm"));
  const compiled = new WebAssembly.Module(readFileSync(join(folder, "schema_engine_bg.wasm")));
  const instance = new WebAssembly.Instance(compiled, { "./schema_engine_bg.js": bindings as never });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
  return bindings as unknown as typeof import("@prisma/schema-engine-wasm");
}

export async function openSchemaEngine(databaseFile: string): Promise<SchemaEngine> {
  const { SchemaEngine } = await (loaded ??= load());
  const factory = bindMigrationAwareSqlAdapterFactory(
    new PrismaLibSql({ url: `file:${databaseFile}`, intMode: "bigint" }),
  );
  const datamodels: [string, string][] = [[schemaFile, readFileSync(schemaFile, "utf8")]];
  return SchemaEngine.new({ datamodels }, () => {}, factory);
}

const schema = {
  files: [{ path: schemaFile, content: readFileSync(schemaFile, "utf8") }],
  configDir: dirname(schemaFile),
};

/** The SQL that would turn the engine's database into what schema.prisma says. */
export async function differences(engine: SchemaEngine): Promise<string> {
  const { stdout } = await engine.diff({
    from: { tag: "schemaDatasource", ...schema },
    to: { tag: "schemaDatamodel", ...schema },
    script: true,
    exitCode: null,
    filters: noFilter,
  });
  return stdout?.trim() ?? "";
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
