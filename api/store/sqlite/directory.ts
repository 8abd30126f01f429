/**
 * The data directory, held by one server at a time.
 *
 * The lock is an EXCLUSIVE transaction on a small database of its own, left open for the life of the store: the
 * operating system drops it with the process, kill -9 included, so there is never a stale lock to remove by hand.
 * The same file also keeps out a second store in this process.
 *
 * Must hold: nothing else opens ostler.lock. POSIX locks belong to the process; closing any other descriptor of
 * the file would drop them. So the holder's pid, for the message, is in a file of its own.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { makeDirectory } from "../../directories.ts";
import { StoreBusyError } from "../types.ts";
import { adapterFor } from "./adapter.ts";

/** Nothing would keep a second server out of this data directory. */
export class NoLocksError extends Error {
  override readonly name = "NoLocksError";
}

export interface DataDirectory {
  readonly databaseFile: string;
  release(): Promise<void>;
}

export async function takeDataDirectory(dataDir: string): Promise<DataDirectory> {
  const path = resolve(dataDir);
  makeDirectory(path);
  const lockFile = join(path, "ostler.lock");
  const pidFile = join(path, "ostler.pid");
  const databaseFile = join(path, "ostler.db");
  createPrivate(lockFile);
  const lock = await adapterFor(lockFile).connect();
  const run = (sql: string) => lock.executeRaw({ sql, args: [], argTypes: [] });
  try {
    await run("BEGIN EXCLUSIVE");
  } catch (error) {
    await lock.dispose();
    if (!isBusy(error)) throw error;
    if (!(await hasLocks(path))) throw new NoLocksError(`the file system of ${path} has no locks`, { cause: error });
    const holder = holderOf(pidFile);
    throw new StoreBusyError(
      `Another Ostler server${holder === null ? "" : ` (process ${holder})`} is using the data directory ${path}. ` +
        "Stop it first, or give this one a directory of its own.",
    );
  }
  createPrivate(databaseFile);
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    databaseFile,
    async release() {
      rmSync(pidFile, { force: true });
      await run("ROLLBACK");
      await lock.dispose();
    },
  };
}

/** Made before SQLite would, which knows no mode; never opens a file that is there. */
function createPrivate(file: string): void {
  try {
    writeFileSync(file, "", { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** A network file system without locks refuses them with an error that SQLite takes for one of being busy. */
async function hasLocks(path: string): Promise<boolean> {
  const file = join(path, `ostler.probe-${process.pid}`);
  createPrivate(file);
  const connection = await adapterFor(file).connect();
  try {
    await connection.executeScript("BEGIN EXCLUSIVE; ROLLBACK");
    return true;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return false;
  } finally {
    await connection.dispose();
    rmSync(file, { force: true });
  }
}

function isBusy(error: unknown): boolean {
  const cause = (error as { cause?: { kind?: string; originalCode?: string } }).cause;
  return cause?.kind === "SocketTimeout" || cause?.originalCode === "5";
}

function holderOf(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, "utf8").trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
