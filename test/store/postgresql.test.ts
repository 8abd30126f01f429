/** What is PostgreSQL's alone: its migrations, and who has the database. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { copyStore } from "../../api/store/copy.ts";
import { passingFailure } from "../../api/store/failures.ts";
import { openStore, type Store } from "../../api/store/index.ts";
import { readMigrations } from "../../api/store/migrate.ts";
import { impatientSession } from "../../api/store/postgresql/session.ts";
import { adapterFor } from "../../api/store/sqlite/adapter.ts";
import { Cluster, postgresqlPrograms, withoutPostgresql } from "../support/postgresql.ts";
import { batch, bytes, heldMachine, newMachine, newSnapshot, sha256, temporaryFolder } from "./fixtures.ts";
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
      `SELECT pg_terminate_backend(pid, 240000) FROM pg_stat_activity WHERE datname = '${database}'`,
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

  it("takes over everything from a data directory, and gives it back", async () => {
    const [first, second] = [join(folder.path, "first"), join(folder.path, "second")];
    await fill(first);
    const content = new Uint8Array(4096).fill(7);
    await storeCompressed(first, content);
    cluster.sql("postgres", "CREATE DATABASE copied");
    const database = { dataDir: "", databaseUrl: cluster.url("copied") };
    const counts = await copyStore({ dataDir: first, databaseUrl: "" }, database);
    expect(counts.get("JournalEntry")).toBe(450);
    expect(await copyStore(database, { dataDir: second, databaseUrl: "" })).toEqual(counts);
    expect(await rowsIn(second, counts.keys())).toEqual(await rowsIn(first, counts.keys()));
    await expect(copyStore({ dataDir: first, databaseUrl: "" }, database)).rejects.toMatchObject({
      name: "StoreNotEmptyError",
    });
    const copied = await open("copied");
    expect((await copied.blobs.get([sha256(content)])).get(sha256(content))).toEqual(content);
    await copied.close();
  });

  it("names the content on a page that went bad, and reads the rest", async () => {
    cluster.sql("postgres", "CREATE DATABASE whole");
    const store = await open("whole");
    const blobs = Array.from({ length: 20 }, () => {
      const data = new Uint8Array(randomBytes(6_000));
      return { hash: sha256(data), data };
    });
    await store.blobs.put(blobs, store.holds.open());
    await store.close();
    cluster.copySpoilt("whole", "Blob", "spoilt");
    const spoilt = await open("spoilt");
    const hashes = blobs.map(({ hash }) => hash);
    const damaged = await spoilt.blobs.damaged(hashes);
    expect(damaged.length).toBeGreaterThan(0);
    expect(damaged.length).toBeLessThan(4);
    const whole = hashes.filter((hash) => !damaged.includes(hash));
    expect((await spoilt.blobs.get(whole)).size).toBe(whole.length);
    await expect(spoilt.blobs.get(hashes)).rejects.toMatchObject({ name: "CorruptBlobError", hash: damaged[0] });
    await spoilt.close();
  });

  it("answers everybody who reads, however long they have to wait for each other", async () => {
    cluster.sql("postgres", "CREATE DATABASE busy");
    const store = await open("busy");
    const other = new Client({ connectionString: cluster.url("busy") });
    await other.connect();
    await other.query('BEGIN; LOCK TABLE "JournalEntry" IN ACCESS EXCLUSIVE MODE');
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const reads = Promise.all(Array.from({ length: 40 }, () => store.journal.read("nobody", 0, 9, 9)));
      const blocked = async () => (await other.query("SELECT 1 FROM pg_locks WHERE NOT granted")).rowCount;
      // As many as there are sessions for reading.
      while ((await blocked()) !== 4);
      vi.advanceTimersByTime(600_000);
      await other.query("COMMIT");
      expect(await reads).toEqual(Array(40).fill([]));
    } finally {
      vi.useRealTimers();
      await other.end();
      await store.close();
    }
  });

  it("is away when it is not there within some seconds, and nobody in the queue waits as long again", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const connectionString = `postgresql://u@127.0.0.1:${(silent.address() as AddressInfo).port}/d`;
    const pool = new Pool({ connectionString, max: 1, Client: impatientSession() });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const connected = once(silent, "connection");
      const failures = Promise.all(Array.from({ length: 20 }, () => pool.connect().catch(passingFailure)));
      await connected;
      vi.advanceTimersByTime(5_000);
      expect(await failures).toEqual(Array(20).fill("away"));
    } finally {
      vi.useRealTimers();
      await pool.end();
      silent.close();
    }
  });

  it("says why it cannot be opened", async () => {
    await expect(open("absent")).rejects.toThrow('database "absent" does not exist');
  });
});

/** A row in every table, with what columns may hold: nothing, every byte, odd text, large numbers, more than a step. */
async function storeCompressed(dataDir: string, data: Uint8Array<ArrayBuffer>): Promise<void> {
  const store = await openStore({ dataDir });
  const hash = sha256(data);
  await store.blobs.put([{ hash, data }], store.holds.open());
  for await (const { blobs } of store.contents.compress([hash])) expect(blobs).toBe(1);
  await store.close();
}

async function fill(dataDir: string): Promise<void> {
  const store = await openStore({ dataDir });
  const content = new Uint8Array(256).map((_, index) => index);
  const hash = sha256(content);
  await store.blobs.put([{ hash, data: content }], store.holds.open());
  await store.users.create({ id: "u", name: "Zoë \u{1F600} 'quoted' \\ %", role: "user" });
  await store.users.createKey({ id: "k", userId: "u", secretHash: hash, label: "", expiresAt: new Date(1) });
  await store.programs.put({ ownerId: "u", hash, name: "p", size: 256 });
  await store.assignments.create({ id: "a", ownerId: "u", displayName: "", spec: new Uint8Array(0) });
  await store.submissions.create({
    id: "g",
    assignmentId: "a",
    assignmentVersion: 1,
    ownerId: "u",
    contentHash: hash,
    contentKind: "c",
    state: "queued",
    report: new Uint8Array(0),
    error: "",
  });
  const machine = await heldMachine(store, { ownerId: "u", labels: { week: "3" } });
  const answer = { ownerId: "u", method: "Apply", key: "1", requestHash: hash, response: content };
  await store.journal.commit(
    batch(machine, 1, 450, { console: [{ offset: 0, bytes: bytes("said") }], idempotency: [answer] }),
  );
  const snapshot = await store.snapshots.create(
    newSnapshot(machine, 2, { totalBytes: Number.MAX_SAFE_INTEGER }),
    machine.epoch,
  );
  await store.machines.create(newMachine({ originSnapshotId: snapshot.id, ephemeral: true }));
  await store.close();
}

async function rowsIn(dataDir: string, tables: Iterable<string>): Promise<Map<string, unknown[]>> {
  const connection = await adapterFor(join(dataDir, "ostler.db")).connect();
  const found = new Map<string, unknown[]>();
  for (const table of tables) {
    const sql = `SELECT * FROM "${table}" ORDER BY 1, 2`;
    found.set(table, (await connection.queryRaw({ sql, args: [], argTypes: [] })).rows);
  }
  await connection.dispose();
  return found;
}
