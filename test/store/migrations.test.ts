import { statSync } from "node:fs";
import { join } from "node:path";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { describe, expect, it } from "vitest";
import { openStore } from "../../api/store/index.ts";
import { readMigrations } from "../../api/store/migrate.ts";
import { migrateFile } from "../../api/store/sqlite/migrate.ts";
import { temporaryFolder } from "./fixtures.ts";
import { differences, migrationList, noFilter, openSchemaEngine } from "./schema-engine.ts";

const folder = temporaryFolder();
const fileOf = (name: string) => join(folder.path, `${name}.db`);
const engineOn = (name: string) =>
  openSchemaEngine(new PrismaLibSql({ url: `file:${fileOf(name)}`, intMode: "bigint" }), "sqlite");
const extra = (name: string, sql: string) => ({ name, sql });

async function query(file: string, sql: string): Promise<unknown[][]> {
  const connection = await new PrismaLibSql({ url: `file:${file}`, intMode: "bigint" }).connect();
  const { rows } = await connection.queryRaw({ sql, args: [], argTypes: [] });
  await connection.dispose();
  return rows;
}

describe("migrations", () => {
  it("lead to schema.prisma, by Prisma's own comparison", async () => {
    await migrateFile(fileOf("whole"), readMigrations("sqlite"));
    expect(await differences(await engineOn("whole"), "sqlite")).toBe("-- This is an empty migration.");
  });

  it("are compared by something that sees a missing index", async () => {
    const shortened = readMigrations("sqlite").map(({ name, sql }) => ({
      name,
      sql: sql.replace(/^.*Idempotency_createdAt_idx.*$/m, ""),
    }));
    await migrateFile(fileOf("less"), shortened);
    expect(await differences(await engineOn("less"), "sqlite")).toContain("Idempotency_createdAt_idx");
  });

  it("are recorded as Prisma records them", async () => {
    const migrations = readMigrations("sqlite");
    expect(await migrateFile(fileOf("record"), migrations)).toEqual(migrations.map(({ name }) => name));
    expect(await migrateFile(fileOf("record"), migrations)).toEqual([]);
    const engine = await engineOn("record");
    const input = {
      migrationsList: migrationList(migrations, "sqlite"),
      optInToShadowDatabase: false,
      filters: noFilter,
    };
    expect(await engine.diagnoseMigrationHistory(input)).toMatchObject({
      history: null,
      hasMigrationsTable: true,
      editedMigrationNames: [],
      failedMigrationNames: [],
    });
    const applied = await engine.applyMigrations({
      migrationsList: migrationList(migrations, "sqlite"),
      filters: noFilter,
    });
    expect(applied.appliedMigrationNames).toEqual([]);
  });

  it("keep what was there before there were courses, and give everybody the role that they had", async () => {
    const file = fileOf("courses");
    const all = readMigrations("sqlite");
    await migrateFile(
      file,
      all.filter(({ name }) => name < "0006"),
    );
    const at = "'2026-10-01T08:00:00.000+00:00'";
    const connection = await new PrismaLibSql({ url: `file:${file}`, intMode: "bigint" }).connect();
    await connection.executeScript(`
      INSERT INTO "User" VALUES ('root', '', 'admin', ${at}, false), ('ada', '', 'staff', ${at}, false), ('bob', '', 'student', ${at}, false);
      INSERT INTO "ApiKey" VALUES ('k', 'bob', x'00', '', ${at}, NULL, NULL);
      INSERT INTO "Blob" VALUES (x'01', x'02');
      INSERT INTO "Program" VALUES ('bob', x'01', 'p', 1, ${at});
      INSERT INTO "Assignment" VALUES ('a', 'ada', '', x'', 1, ${at});`);
    await connection.dispose();
    await migrateFile(file, all);
    expect(await query(file, `SELECT "courseId", "userId", "role" FROM "Member" ORDER BY "userId"`)).toEqual([
      ["default", "ada", "staff"],
      ["default", "bob", "student"],
    ]);
    expect(await query(file, `SELECT "id", "role" FROM "User" ORDER BY "id"`)).toEqual([
      ["ada", "user"],
      ["bob", "user"],
      ["root", "admin"],
    ]);
    expect(await query(file, `SELECT "courseId", "ownerId", "name" FROM "Program"`)).toEqual([["default", "bob", "p"]]);
    expect(await query(file, `SELECT "courseId" FROM "Assignment"`)).toEqual([["default"]]);
    expect(await query(file, `SELECT "courseId", "roleAtMost", "operations" FROM "ApiKey"`)).toEqual([
      [null, null, "[]"],
    ]);
  });

  it("go on where the database stands, each whole or not at all", async () => {
    const file = fileOf("partial");
    const base = readMigrations("sqlite");
    await migrateFile(file, base);
    const good = extra("9001_good", 'CREATE TABLE "Good" (id TEXT);');
    const bad = extra("9002_bad", 'CREATE TABLE "Half" (id TEXT); INSERT INTO "Nowhere" VALUES (1);');
    await expect(migrateFile(file, [...base, good, bad])).rejects.toThrow("9002_bad");
    expect(await query(file, `SELECT name FROM sqlite_master WHERE name IN ('Good', 'Half')`)).toEqual([["Good"]]);
    expect(await migrateFile(file, [...base, good])).toEqual([]);
  });

  it("refuse a newer database and one made with another text, and write nothing", async () => {
    const dataDir = join(folder.path, "newer");
    await (await openStore({ dataDir })).close();
    const file = join(dataDir, "ostler.db");
    await migrateFile(file, [...readMigrations("sqlite"), extra("9999_future", 'CREATE TABLE "Future" (id TEXT);')]);
    await expect(openStore({ dataDir })).rejects.toMatchObject({ name: "SchemaTooNewError" });
    // The refusal lets go of the directory.
    await expect(openStore({ dataDir })).rejects.toMatchObject({ name: "SchemaTooNewError" });
    const edited = readMigrations("sqlite").map(({ name, sql }) => ({ name, sql: `${sql}-- edited` }));
    await expect(migrateFile(file, [...edited, extra("9999_future", "")])).rejects.toMatchObject({
      name: "SchemaChangedError",
    });
  });
});

describe("the open database", () => {
  it("takes no work once it is closed", async () => {
    const store = await openStore({ dataDir: join(folder.path, "closed") });
    const pending = store.check();
    await store.close();
    await pending;
    await expect(store.check()).rejects.toThrow("closed");
    await expect(store.users.count()).rejects.toThrow("closed");
    await expect(store.journal.read("m", 0, 1, 1)).rejects.toThrow("closed");
  });

  it("is private, in WAL mode, and forgets its log on a clean close", async () => {
    const dataDir = join(folder.path, "private");
    const store = await openStore({ dataDir });
    await store.check();
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    for (const name of ["ostler.db", "ostler.db-wal", "ostler.lock", "ostler.pid"]) {
      expect(statSync(join(dataDir, name)).mode & 0o077).toBe(0);
    }
    await store.close();
    expect(await query(join(dataDir, "ostler.db"), "PRAGMA journal_mode")).toEqual([["wal"]]);
    expect(statSync(join(dataDir, "ostler.db-wal"), { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    folder.remove();
  });
});
