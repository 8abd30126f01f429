/**
 * Prisma's own schema engine (WebAssembly, no download): the second opinion on our migrations.
 * It compares a migrated database with the schema and reads the history that migrate.ts recorded.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from "@prisma/driver-adapter-utils";
import type { MigrationList, SchemaEngine } from "@prisma/schema-engine-wasm";
import type { Migration, ProviderName } from "../../api/store/migrate.ts";

const prisma = join(import.meta.dirname, "../../prisma");
const schemaFiles: Record<ProviderName, string> = {
  sqlite: join(prisma, "schema.prisma"),
  postgresql: join(prisma, "gen/postgresql.prisma"),
};
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

type Factory = Parameters<typeof bindMigrationAwareSqlAdapterFactory>[0];

export async function openSchemaEngine(factory: Factory, provider: ProviderName): Promise<SchemaEngine> {
  const { SchemaEngine } = await (loaded ??= load());
  const file = schemaFiles[provider];
  const datamodels: [string, string][] = [[file, readFileSync(file, "utf8")]];
  return SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(factory));
}

/** The catalogue's columns of the type "char", which the engine asks for and the adapter of our release does not know. */
const CHARACTERS = /\b(?:con\.confdeltype|con\.confupdtype|constr\.contype)\b/g;

class WithCharacters extends PrismaPg {
  override async connect() {
    const adapter = await super.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const casts = new Set<string>();
      const sql = query.sql.replace(CHARACTERS, (column) => {
        const name = column.slice(column.indexOf(".") + 1);
        casts.add(name === "contype" ? "constraint_type" : name);
        return name === "contype" ? `${column}::text` : `${column}::text AS ${name}`;
      });
      const result = await queryRaw({ ...query, sql });
      const typeOf = (name: string, index: number) =>
        casts.has(name) ? ColumnTypeEnum.Character : result.columnTypes[index]!;
      return { ...result, columnTypes: result.columnNames.map(typeOf) };
    };
    return adapter;
  }
}

export const postgresqlFactory = (connectionString: string): Factory => new WithCharacters({ connectionString });

/** The SQL that would turn the engine's database into what the schema says. */
export async function differences(engine: SchemaEngine, provider: ProviderName): Promise<string> {
  const path = schemaFiles[provider];
  const schema = { files: [{ path, content: readFileSync(path, "utf8") }], configDir: dirname(path) };
  const { stdout } = await engine.diff({
    from: { tag: "schemaDatasource", ...schema },
    to: { tag: "schemaDatamodel", ...schema },
    script: true,
    exitCode: null,
    filters: noFilter,
  });
  return stdout?.trim() ?? "";
}

export function migrationList(migrations: readonly Migration[], provider: ProviderName): MigrationList {
  return {
    baseDir: join(prisma, "migrations", provider),
    lockfile: { path: "migration_lock.toml", content: `provider = "${provider}"\n` },
    shadowDbInitScript: "",
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: "migration.sql", content: { tag: "ok", value: sql } },
    })),
  };
}
