/**
 * A copy of the whole database as it is at one moment, made while everything goes on: SQLite's VACUUM INTO, which reads
 * in one transaction and writes a file without what was deleted.
 *
 * In a process of its own. The driver would hold up this one for as long as that takes, and a second library of SQLite in
 * one process would drop the locks of the first.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createReadStream, readdirSync, rmSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Bytes } from "../types.ts";

const PIECE_BYTES = 256 * 1024;
const NAME = /^ostler\.backup-.*\.db$/;

/** The copy's bytes, once it is whole. */
export async function* backUp(databaseFile: string, signal: AbortSignal): AsyncGenerator<Bytes> {
  const copy = join(dirname(databaseFile), `ostler.backup-${randomUUID()}.db`);
  try {
    await copyTo(databaseFile, copy, signal);
    for await (const piece of createReadStream(copy, { highWaterMark: PIECE_BYTES })) {
      signal.throwIfAborted();
      yield new Uint8Array(piece);
    }
  } finally {
    for (const file of [copy, `${copy}-journal`]) rmSync(file, { force: true });
  }
}

/** What a process that was killed in the middle of a copy left. */
export function removeUnfinishedBackups(folder: string): void {
  for (const name of readdirSync(folder)) if (NAME.test(name)) rmSync(join(folder, name), { force: true });
}

async function copyTo(databaseFile: string, copy: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [join(import.meta.dirname, "backup_process.ts"), databaseFile, copy], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  let said = "";
  child.stderr.on("data", (data: Buffer) => (said += data.toString()));
  try {
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    const [code] = await once(child, "close");
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`the database could not be copied: ${said.trim()}`);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
