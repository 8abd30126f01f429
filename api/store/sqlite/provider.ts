/** The store in a data directory: SQLite by libSQL, in this process. */
import { dirname } from "node:path";
import { Prisma, PrismaClient } from "../../../prisma/gen/sqlite/client.ts";
import { NO_TIMEOUT_MS } from "../limits.ts";
import { readMigrations } from "../migrate.ts";
import type { Provider } from "../provider.ts";
import { adapterFor } from "./adapter.ts";
import { backUp, removeUnfinishedBackups } from "./backup.ts";
import { takeDataDirectory } from "./directory.ts";
import { migrateFile } from "./migrate.ts";

const PRAGMAS = ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"];

/** Takes the data directory and brings its database to the newest schema. */
export async function openSqlite(dataDir: string): Promise<Provider> {
  const directory = await takeDataDirectory(dataDir);
  const { databaseFile } = directory;
  try {
    removeUnfinishedBackups(dirname(databaseFile));
    await migrateFile(databaseFile, readMigrations("sqlite"));
    const adapter = adapterFor(databaseFile);
    const client = await connect(adapter);
    return {
      reader: client,
      writer: client,
      append: null,
      execute: (sql, values) => adapter.execute(sql, values),
      compresses: true,
      sizes: () => sizesOf(client),
      integrity: () => integrityOf(client),
      positionIn: (column, bytes) => Prisma.sql`instr(${Prisma.raw(`"${column}"`)}, ${bytes})`,
      backUp: (signal) => backUp(databaseFile, signal),
      async close() {
        await client.$queryRawUnsafe("PRAGMA wal_checkpoint(TRUNCATE)").catch(() => {});
        await client.$disconnect();
        await directory.release();
      },
    };
  } catch (error) {
    await directory.release();
    throw error;
  }
}

async function connect(adapter: ReturnType<typeof adapterFor>): Promise<PrismaClient> {
  const client = new PrismaClient({
    adapter,
    transactionOptions: { maxWait: NO_TIMEOUT_MS, timeout: NO_TIMEOUT_MS },
    // Errors are thrown to the caller already; Prisma's own lines on stderr would repeat them.
    log: [],
  });
  for (const pragma of PRAGMAS) await client.$queryRawUnsafe(`PRAGMA ${pragma}`);
  return client;
}

async function sizesOf(client: PrismaClient): Promise<{ databaseBytes: number; freeBytes: number }> {
  const pragma = async (name: "page_count" | "page_size" | "freelist_count"): Promise<number> => {
    const [row] = await client.$queryRawUnsafe<Record<string, bigint>[]>(`PRAGMA ${name}`);
    return Number(row?.[name] ?? 0);
  };
  const pages = await pragma("page_count");
  const pageBytes = await pragma("page_size");
  const free = await pragma("freelist_count");
  return { databaseBytes: pages * pageBytes, freeBytes: free * pageBytes };
}

/** Holds up everything for as long as that takes. */
async function integrityOf(client: PrismaClient): Promise<string[]> {
  const rows = await client.$queryRaw<{ integrity_check: string }[]>`PRAGMA integrity_check(100)`;
  return rows.map((row) => row.integrity_check).filter((text) => text !== "ok");
}
