/** The store: over SQLite in the data directory, or over the PostgreSQL database that is named. One server has it. */
import { assignmentsIn } from "./assignments.ts";
import { auditIn } from "./audit.ts";
import { blobsIn } from "./blobs.ts";
import { contentsIn } from "./contents.ts";
import { coursesIn, ensureDefaultCourse } from "./courses.ts";
import { Database } from "./database.ts";
import { readFigures, readUsage } from "./figures.ts";
import { HoldTable } from "./holds.ts";
import { idempotencyIn } from "./idempotency.ts";
import { openJournal } from "./journal.ts";
import { machinesIn } from "./machines.ts";
import { programsIn } from "./programs.ts";
import type { Provider } from "./provider.ts";
import { quotasIn } from "./quotas.ts";
import { snapshotsIn } from "./snapshots.ts";
import { submissionsIn } from "./submissions.ts";
import type { Store, StoreLocation } from "./types.ts";
import { usersIn } from "./users.ts";

export * from "./types.ts";

/** Takes the database for this server alone, brings it to the newest schema, opens it. */
export async function openStore({ dataDir, databaseUrl = "" }: StoreLocation): Promise<Store> {
  return openStoreOn(await openProvider(dataDir, databaseUrl));
}

/** Of the two databases' drivers and generated clients only those that are needed are loaded. */
async function openProvider(dataDir: string, databaseUrl: string): Promise<Provider> {
  if (databaseUrl === "") return (await import("./sqlite/provider.ts")).openSqlite(dataDir);
  return (await import("./postgresql/provider.ts")).openPostgresql(databaseUrl);
}

export async function openStoreOn(provider: Provider): Promise<Store> {
  const database = new Database(provider);
  try {
    await ensureDefaultCourse(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  return storeOver(database);
}

function storeOver(database: Database): Store {
  const journal = openJournal(database);
  let closing: Promise<void> | null = null;
  const close = async () => {
    database.endPatience();
    await journal.drain();
    await database.close();
  };
  return {
    blobs: blobsIn(database),
    holds: new HoldTable(),
    contents: contentsIn(database),
    journal,
    machines: machinesIn(database),
    snapshots: snapshotsIn(database),
    users: usersIn(database),
    courses: coursesIn(database),
    audit: auditIn(database),
    quotas: quotasIn(database),
    programs: programsIn(database),
    assignments: assignmentsIn(database),
    submissions: submissionsIn(database),
    idempotency: idempotencyIn(database),
    figures: () => readFigures(database, journal.waiting()),
    usage: (scope) => readUsage(database, scope),
    backUp: (signal) => database.provider.backUp(signal),
    async check() {
      const row = { name: "health", at: new Date() };
      await database.write((queries) =>
        queries.heartbeat.upsert({ where: { name: row.name }, create: row, update: row }),
      );
    },
    close: () => (closing ??= close()),
  };
}
