/**
 * Where a test's store is: in its data directory or, with OSTLER_TEST_STORE=postgresql, in a database of its own on the
 * cluster that test/support/cluster-setup.ts has started for the run.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { Client } from "pg";
import { openStore, type Store, type StoreLocation } from "../../api/store/index.ts";

export const onPostgresql = process.env["OSTLER_TEST_STORE"] === "postgresql";

/** The same directory leads to the same database again. */
export async function locationOf(dataDir: string): Promise<Required<StoreLocation>> {
  const clusterUrl = process.env["OSTLER_TEST_CLUSTER"] ?? "";
  if (!onPostgresql || clusterUrl === "") return { dataDir, databaseUrl: "" };
  const url = new URL(clusterUrl);
  const name = `t_${createHash("sha256").update(dataDir).digest("hex").slice(0, 24)}`;
  await createDatabase(url.href, name);
  url.pathname = name;
  return { dataDir, databaseUrl: url.href };
}

async function createDatabase(url: string, name: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
}

/** Statements in SQLite's words, on whichever database, past the store and past its foreign keys. */
export async function behindItsBack(dataDir: string, statements: readonly string[]): Promise<void> {
  const { databaseUrl } = await locationOf(dataDir);
  if (databaseUrl === "") {
    const raw = await new PrismaLibSql({ url: `file:${join(dataDir, "ostler.db")}` }).connect();
    await raw.executeScript(`PRAGMA foreign_keys = OFF; ${statements.join(";")}`);
    return raw.dispose();
  }
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const bytes = (statement: string) => statement.replace(/X'([0-9a-f]*)'/gi, "'\\x$1'::bytea");
  await client.query(`SET session_replication_role = replica; ${statements.map(bytes).join(";")}`);
  await client.end();
}

export const openTestStore = async (dataDir: string): Promise<Store> => openStore(await locationOf(dataDir));
