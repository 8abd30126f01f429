/** The store over the embedded database: one directory, one process. */
import { dirname } from "node:path";
import { assignmentsIn } from "./assignments.ts";
import { backUp, removeUnfinishedBackups } from "./backup.ts";
import { blobsIn } from "./blobs.ts";
import { contentsIn } from "./contents.ts";
import { Database } from "./database.ts";
import { type DataDirectory, takeDataDirectory } from "./directory.ts";
import { readFigures, readUsage } from "./figures.ts";
import { HoldTable } from "./holds.ts";
import { idempotencyIn } from "./idempotency.ts";
import { openJournal } from "./journal.ts";
import { machinesIn } from "./machines.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { programsIn } from "./programs.ts";
import { snapshotsIn } from "./snapshots.ts";
import { submissionsIn } from "./submissions.ts";
import type { Store } from "./types.ts";
import { usersIn } from "./users.ts";

export * from "./types.ts";

/** Takes the data directory, brings its database to the newest schema, opens it. */
export async function openStore({ dataDir }: { dataDir: string }): Promise<Store> {
  const directory = await takeDataDirectory(dataDir);
  try {
    removeUnfinishedBackups(dirname(directory.databaseFile));
    await migrate(directory.databaseFile, readMigrations());
    const database = new Database(directory.databaseFile);
    await database.open();
    return storeOver(database, directory);
  } catch (error) {
    await directory.release();
    throw error;
  }
}

function storeOver(database: Database, directory: DataDirectory): Store {
  const journal = openJournal(database);
  let closing: Promise<void> | null = null;
  const close = async () => {
    await journal.drain();
    await database.close();
    await directory.release();
  };
  return {
    blobs: blobsIn(database),
    holds: new HoldTable(),
    contents: contentsIn(database),
    journal,
    machines: machinesIn(database),
    snapshots: snapshotsIn(database),
    users: usersIn(database),
    programs: programsIn(database),
    assignments: assignmentsIn(database),
    submissions: submissionsIn(database),
    idempotency: idempotencyIn(database),
    figures: () => readFigures(database, journal.waiting()),
    usage: (ownerId) => readUsage(database, ownerId),
    backUp: (signal) => backUp(directory.databaseFile, signal),
    async check() {
      const row = { name: "health", at: new Date() };
      await database.write((queries) =>
        queries.heartbeat.upsert({ where: { name: row.name }, create: row, update: row }),
      );
    },
    close: () => (closing ??= close()),
  };
}
