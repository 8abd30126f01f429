/**
 * Everything of one store into another, empty one: from a data directory into PostgreSQL, or back. No server may have
 * either. Tables and columns come from SQLite's catalogue, so a migration needs nothing here.
 *
 * Must hold: all or nothing, by one transaction; and the numbers of rows are compared before it commits.
 */
import { Prisma, type Queries } from "./database.ts";
import { openPostgresql } from "./postgresql/provider.ts";
import type { Provider } from "./provider.ts";
import { openSqlite } from "./sqlite/provider.ts";
import { type StoreLocation, StoreNotEmptyError } from "./types.ts";

/** These are a database's own. */
const OWN_TABLES = ["_prisma_migrations", "Tenure", "Heartbeat"];
const ROWS_PER_STEP = 200;
/** A row of content may be a whole program; most are pages. */
const CONTENTS_PER_STEP = 64;
const LONGEST_COPY_MS = 24 * 3_600_000;

interface Table {
  name: string;
  columns: string[];
  key: string[];
  refersTo: string[];
}

type Row = Record<string, unknown>;
export type CopyProgress = (table: string, rows: number) => void;

/** Returns how many rows of each table there are. One of the two must be a data directory, the other PostgreSQL. */
export async function copyStore(
  from: Required<StoreLocation>,
  to: Required<StoreLocation>,
  progress: CopyProgress = () => {},
): Promise<Map<string, number>> {
  const source = await openProvider(from);
  try {
    const target = await openProvider(to);
    try {
      const tables = await tablesOf(from.databaseUrl === "" ? source : target);
      await assertEmpty(target, tables);
      return await target.writer.$transaction(
        (queries) => copyTables(source.reader, queries as Queries, tables, progress),
        { timeout: LONGEST_COPY_MS, maxWait: LONGEST_COPY_MS },
      );
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

const openProvider = ({ dataDir, databaseUrl }: Required<StoreLocation>): Promise<Provider> =>
  databaseUrl === "" ? openSqlite(dataDir) : openPostgresql(databaseUrl);

/** Those that others refer to come first. */
async function tablesOf({ reader }: Provider): Promise<Table[]> {
  const names = await reader.$queryRaw<{ name: string }[]>`
    SELECT "name" FROM sqlite_master WHERE "type" = 'table' AND "name" NOT LIKE 'sqlite%' ORDER BY "name"`;
  const tables: Table[] = [];
  for (const { name } of names) if (!OWN_TABLES.includes(name)) tables.push(await tableOf(reader, name));
  const sorted: Table[] = [];
  while (sorted.length < tables.length) {
    const isNext = (table: Table) =>
      !sorted.includes(table) &&
      table.refersTo.every((name) => name === table.name || sorted.some((done) => done.name === name));
    const next = tables.find(isNext);
    if (next === undefined) throw new Error("tables refer to each other in a circle");
    sorted.push(next);
  }
  return sorted;
}

async function tableOf(queries: Queries, name: string): Promise<Table> {
  const columns = await queries.$queryRaw<{ name: string; pk: bigint }[]>`
    SELECT "name", "pk" FROM pragma_table_info(${name}) ORDER BY "cid"`;
  const references = await queries.$queryRaw<{ table: string }[]>`
    SELECT DISTINCT "table" FROM pragma_foreign_key_list(${name})`;
  const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => Number(a.pk - b.pk));
  return {
    name,
    columns: columns.map((column) => column.name),
    key: key.map((column) => column.name),
    refersTo: references.map(({ table }) => table),
  };
}

async function assertEmpty({ reader }: Provider, tables: readonly Table[]): Promise<void> {
  for (const { name } of tables)
    if ((await count(reader, name)) > 0) throw new StoreNotEmptyError(`there are rows in ${name} already`);
}

async function copyTables(
  source: Queries,
  target: Queries,
  tables: readonly Table[],
  progress: CopyProgress,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const table of tables) {
    let copied = 0;
    for await (const rows of pagesOf(source, table)) {
      await insert(target, table, rows);
      copied += rows.length;
      progress(table.name, copied);
    }
    const there = await count(target, table.name);
    if (there !== copied) throw new Error(`${copied} rows of ${table.name} were copied, but there are ${there}`);
    counts.set(table.name, copied);
  }
  return counts;
}

const identifier = (name: string) => Prisma.raw(`"${name.replaceAll('"', '""')}"`);
const list = (names: readonly string[]) => Prisma.join(names.map(identifier));

async function count(queries: Queries, table: string): Promise<number> {
  const [row] = await queries.$queryRaw<{ rows: bigint }[]>`SELECT COUNT(*) AS "rows" FROM ${identifier(table)}`;
  return Number(row?.rows ?? 0);
}

async function* pagesOf(queries: Queries, { name, columns, key }: Table): AsyncGenerator<Row[]> {
  const step = name === "Blob" ? CONTENTS_PER_STEP : ROWS_PER_STEP;
  for (let last: Row | undefined; ; ) {
    const after =
      last === undefined
        ? Prisma.sql`1 = 1`
        : Prisma.sql`(${list(key)}) > (${Prisma.join(key.map((column) => last![column]))})`;
    const rows = await queries.$queryRaw<Row[]>`
      SELECT ${list(columns)} FROM ${identifier(name)} WHERE ${after} ORDER BY ${list(key)} LIMIT ${step}`;
    if (rows.length > 0) yield rows;
    if (rows.length < step) return;
    last = rows.at(-1)!;
  }
}

async function insert(queries: Queries, { name, columns }: Table, rows: readonly Row[]): Promise<void> {
  const values = rows.map((row) => Prisma.sql`(${Prisma.join(columns.map((column) => row[column]))})`);
  await queries.$executeRaw`INSERT INTO ${identifier(name)} (${list(columns)}) VALUES ${Prisma.join(values)}`;
}
