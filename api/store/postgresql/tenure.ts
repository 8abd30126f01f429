/**
 * Who has a PostgreSQL database: one server at a time, by an advisory lock of the session that does all its writing.
 *
 * Must hold: whoever has lost the lock cannot write. The lock goes with the session, and so does the only connection for
 * writing. A new one takes the lock before anything else, and compares the number of the tenure: if another server had
 * the database in between, what this one has in memory (machines, holds) is of the past, and it never writes again.
 */
import type { ClientBase } from "pg";
import { StoreBusyError, StoreSucceededError } from "../types.ts";

/** "ostler" in ASCII. The lock is one of the database, not of the whole server of databases. */
const LOCK_KEY = "122541665183090";
/** The session of a server that was killed ends a moment after it. */
const LOCK_PATIENCE_MS = 1_000;
const LOCK_NOT_AVAILABLE = "55P03";

const HOLDER = `
  SELECT a.pid, COALESCE(host(a.client_addr), 'the same host') AS address
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32 | l.objid::bigint) = ${LOCK_KEY}`;

export class Tenure {
  /** Null before the first begins. */
  #number: bigint | null = null;

  /** A session for writing was opened: nothing is written in it unless this has come to its end. */
  async enter(session: ClientBase): Promise<void> {
    await lock(session);
    if (this.#number === null) return;
    const number = await numberIn(session);
    if (number !== this.#number)
      throw new StoreSucceededError("Another Ostler server has had the database since; start this one anew.");
  }

  /** The first time, when the table is there. */
  async begin(session: ClientBase): Promise<void> {
    await session.query(
      `INSERT INTO "Tenure" ("name", "number") VALUES ('server', 1)
       ON CONFLICT ("name") DO UPDATE SET "number" = "Tenure"."number" + 1`,
    );
    this.#number = await numberIn(session);
  }
}

async function lock(session: ClientBase): Promise<void> {
  await session.query(`SET lock_timeout = ${LOCK_PATIENCE_MS}`);
  try {
    await session.query(`SELECT pg_advisory_lock(${LOCK_KEY})`);
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    throw new StoreBusyError(
      `Another Ostler server is using the database${await holderIn(session)}. ` +
        "Stop it first, or give this one a database of its own.",
    );
  }
  await session.query("RESET lock_timeout");
}

async function holderIn(session: ClientBase): Promise<string> {
  const { rows } = await session.query<{ pid: number; address: string }>(HOLDER);
  return rows[0] === undefined ? "" : ` (from ${rows[0].address}, session ${rows[0].pid})`;
}

async function numberIn(session: ClientBase): Promise<bigint> {
  const { rows } = await session.query<{ number: string }>(`SELECT "number" FROM "Tenure" WHERE "name" = 'server'`);
  return BigInt(rows[0]?.number ?? 0);
}
