/** What is PostgreSQL's alone: its migrations, and who has the database. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, type Store } from "../../api/store/index.ts";
import { readMigrations } from "../../api/store/migrate.ts";
import { Cluster, postgresqlPrograms, withoutPostgresql } from "../support/postgresql.ts";
import { newMachine, temporaryFolder } from "./fixtures.ts";
import { differences, migrationList, noFilter, openSchemaEngine, postgresqlFactory } from "./schema-engine.ts";

describe("the migrations for PostgreSQL", () => {
  it("are those for SQLite, which its first one sums up", () => {
    const [first, ...others] = readMigrations("postgresql").map(({ name }) => name);
    const names = readMigrations("sqlite").map(({ name }) => name);
    expect(first).toBe("0005_initial");
    expect(others).toEqual(names.slice(names.indexOf("0005_tenure") + 1));
  });
});

describe.skipIf(postgresqlPrograms === null)(`a PostgreSQL database (${withoutPostgresql})`, () => {
  const folder = temporaryFolder();
  let cluster: Cluster;
  beforeAll(() => {
    cluster = Cluster.start();
  });
  afterAll(() => {
    cluster.remove();
    folder.remove();
  });
  const open = (database: string): Promise<Store> =>
    openStore({ dataDir: folder.path, databaseUrl: cluster.url(database) });
  /** The sessions of the database, and with them its servers' locks, end as with a network that breaks. */
  const cut = (database: string) =>
    cluster.sql(
      "postgres",
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${database}'`,
    );

  it("is migrated to the schema, by Prisma's own comparison, and records it as Prisma does", async () => {
    cluster.sql("postgres", "CREATE DATABASE migrated");
    await (await open("migrated")).close();
    await (await open("migrated")).close();
    const engine = await openSchemaEngine(postgresqlFactory(cluster.url("migrated")), "postgresql");
    expect(await differences(engine, "postgresql")).toBe("-- This is an empty migration.");
    const list = migrationList(readMigrations("postgresql"), "postgresql");
    const history = { migrationsList: list, optInToShadowDatabase: false, filters: noFilter };
    expect(await engine.diagnoseMigrationHistory(history)).toMatchObject({ history: null, editedMigrationNames: [] });
    engine.free();
  });

  it("has all its text in the order of SQLite", () => {
    const others = `SELECT table_name, column_name FROM information_schema.columns
      WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'
        AND data_type IN ('text', 'character varying') AND collation_name IS DISTINCT FROM 'C'`;
    expect(cluster.sql("migrated", others)).toBe("");
  });

  it("is one server's, and free at once when that has closed it", async () => {
    cluster.sql("postgres", "CREATE DATABASE held");
    const first = await open("held");
    await expect(open("held")).rejects.toThrow(
      /^Another Ostler server is using the database \(from the same host, session \d+\)/,
    );
    await first.check();
    await first.close();
    await first.close();
    await (await open("held")).close();
  });

  it("is found again by a server whose sessions broke, and by no server after another had it", async () => {
    cluster.sql("postgres", "CREATE DATABASE cut");
    const first = await open("cut");
    const machine = await first.machines.create(newMachine());
    cut("cut");
    await first.check();
    expect(await first.machines.get(machine.id)).toEqual(machine);
    cut("cut");
    const second = await open("cut");
    await expect(first.check()).rejects.toMatchObject({ name: "StoreBusyError" });
    await second.close();
    await expect(first.check()).rejects.toMatchObject({ name: "StoreSucceededError" });
    await expect(first.machines.acquire(machine.id)).rejects.toMatchObject({ name: "StoreSucceededError" });
    await first.close();
  });

  it("says why it cannot be opened", async () => {
    await expect(open("absent")).rejects.toThrow('database "absent" does not exist');
  });
});
