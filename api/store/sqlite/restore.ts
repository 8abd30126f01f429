/** A data directory from a backup. It gets its database's name only when all of it is on disk and it opens. */
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { makeDirectory } from "../../directories.ts";
import { asUnavailable, passingFailure } from "../failures.ts";
import { readMigrations } from "../migrate.ts";
import { migrateFile } from "./migrate.ts";

export class RestoreError extends Error {
  override readonly name = "RestoreError";
}

export async function restoreBackup(backup: string, dataDir: string): Promise<void> {
  const folder = resolve(dataDir);
  const database = join(folder, "ostler.db");
  if (existsSync(database))
    throw new RestoreError(`${folder} has a database already; restore into a directory of its own`);
  assertReadable(backup);
  makeDirectory(folder);
  const part = join(folder, "ostler.restoring.db");
  try {
    copyFileSync(backup, part);
    // Refuses what is no database of ours, and one of a newer release.
    const applied = await migrateFile(part, readMigrations("sqlite")).catch((error: unknown) => {
      if (passingFailure(error) !== null) throw asUnavailable(error);
      throw new RestoreError(`${backup} is no backup that this release can read`, { cause: error });
    });
    if (applied.length === readMigrations("sqlite").length)
      throw new RestoreError(`${backup} is not a backup of Ostler`);
    syncToDisk(part);
    renameSync(part, database);
    syncToDisk(folder);
  } finally {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(part + suffix, { force: true });
  }
}

/** What is wrong with the backup must not be taken for something that is wrong with the directory. */
function assertReadable(backup: string): void {
  if (!existsSync(backup)) throw new RestoreError(`there is no file ${backup}`);
  if (!statSync(backup).isFile()) throw new RestoreError(`${backup} is not a file`);
  try {
    accessSync(backup, constants.R_OK);
  } catch (error) {
    throw new RestoreError(`you may not read ${backup}`, { cause: error });
  }
}

function syncToDisk(path: string): void {
  const descriptor = openSync(path, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}
