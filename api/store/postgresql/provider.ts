/** The store in a PostgreSQL database: one connection for writing, a few for reading. */
import { PrismaPg } from "@prisma/adapter-pg";
import { type ClientBase, Pool } from "pg";
import { PrismaClient as PostgresqlClient } from "../../../prisma/gen/postgresql/client.ts";
import { Prisma, type PrismaClient } from "../../../prisma/gen/sqlite/client.ts";
import { NO_TIMEOUT_MS } from "../limits.ts";
import { migrate, readMigrations } from "../migrate.ts";
import type { Provider } from "../provider.ts";
import { BackupElsewhereError } from "../types.ts";
import { append } from "./append.ts";
import { migrationTarget } from "./migrate.ts";
import { impatientSession } from "./session.ts";
import { Tenure } from "./tenure.ts";

const READERS = 4;
const KEPT_STATEMENTS = 400;

/** Takes the database for this server alone and brings it to the newest schema. */
export async function openPostgresql(url: string): Promise<Provider> {
  const tenure = new Tenure();
  const writing = connectionsTo(url, 1, (session) => tenure.enter(session));
  try {
    await migrateBy(writing.pool, tenure);
    const reading = connectionsTo(url, READERS, async () => {});
    const { client: reader } = reading;
    return {
      reader,
      writer: writing.client,
      append,
      execute: null,
      compresses: false,
      sizes: () => sizesOf(reader),
      integrity: () => integrityOf(reader),
      positionIn: (column, bytes) => Prisma.sql`position(${bytes} IN ${Prisma.raw(`"${column}"`)})`,
      backUp: () => {
        throw new BackupElsewhereError("everything is stored in PostgreSQL: back it up with pg_dump");
      },
      async close() {
        await reading.end();
        await writing.end();
      },
    };
  } catch (error) {
    await writing.end();
    throw error;
  }
}

interface Connections {
  client: PrismaClient;
  pool: Pool;
  end(): Promise<void>;
}

function connectionsTo(
  connectionString: string,
  max: number,
  enter: (session: ClientBase) => Promise<void>,
): Connections {
  const pool = new Pool({
    connectionString,
    max,
    idleTimeoutMillis: 0,
    Client: impatientSession(),
    keepAlive: true,
    application_name: "ostler",
    // The pool awaits it, whatever its type says, and gives the session to nobody when it fails.
    onConnect: async (session) => {
      await settle(session);
      await enter(session);
    },
  });
  const client = new PostgresqlClient({
    adapter: new PrismaPg(pool, { statementNameGenerator: statementNames() }),
    transactionOptions: { maxWait: NO_TIMEOUT_MS, timeout: NO_TIMEOUT_MS },
    log: [],
  });
  const end = async () => {
    await client.$disconnect();
    await pool.end();
  };
  return { client: client as unknown as PrismaClient, pool, end };
}

/** Most statements come again and again: those keep their plan. Others (many rows, of which there are so many) need not. */
function statementNames(): (statement: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    const known = names.get(sql);
    if (known !== undefined) return known;
    if (names.size >= KEPT_STATEMENTS) return "";
    const name = `ostler_${names.size}`;
    names.set(sql, name);
    return name;
  };
}

/** Whatever a database is set to, what was acknowledged is on its disk. */
async function settle(session: ClientBase): Promise<void> {
  await session.query(
    `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
  );
}

async function migrateBy(pool: Pool, tenure: Tenure): Promise<void> {
  const session = await pool.connect();
  try {
    await migrate(migrationTarget(session), readMigrations("postgresql"));
    await tenure.begin(session);
  } finally {
    session.release();
  }
}

async function sizesOf(client: PrismaClient): Promise<{ databaseBytes: number; freeBytes: number }> {
  const [row] = await client.$queryRaw<{ bytes: bigint }[]>`SELECT pg_database_size(current_database()) AS "bytes"`;
  return { databaseBytes: Number(row?.bytes ?? 0), freeBytes: 0 };
}

/** What its checksums have told it about, where it has them. */
async function integrityOf(client: PrismaClient): Promise<string[]> {
  const [row] = await client.$queryRaw<{ failures: bigint | null }[]>`
    SELECT checksum_failures AS "failures" FROM pg_stat_database WHERE datname = current_database()`;
  const failures = Number(row?.failures ?? 0);
  return failures === 0 ? [] : [`PostgreSQL has met ${failures} pages whose checksum is wrong; see its log`];
}
