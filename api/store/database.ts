/**
 * The Prisma client over the embedded database, and the one queue that writers wait in.
 *
 * Must hold: one connection for the life of the process. The adapter's driver hands its connection to each
 * transaction and opens another for the next query, without our pragmas; here a transaction runs on the one
 * connection instead, which is safe because the adapter holds its lock until the transaction has ended.
 */
import type { Client, Config, Transaction } from "@libsql/client";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { Prisma, PrismaClient } from "../../prisma/gen/client.ts";
import { nextTurn } from "./runs.ts";
import { AlreadyExistsError, MissingReferenceError } from "./types.ts";

export { Prisma };
/** What runs statements: the client itself or a transaction of it. */
export type Queries = Pick<PrismaClient, keyof Prisma.TransactionClient>;

const PRAGMAS = ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"];
/** Waiting is bounded by our own queue; Prisma's timers would only break a long transaction in half. */
const NO_TIMEOUT_MS = 10 * 60 * 1000;

class SingleConnection extends PrismaLibSql {
  override createClient(config: Config): Client {
    const client = super.createClient(config);
    client.transaction = async () => {
      await client.execute("BEGIN IMMEDIATE");
      return transactionOn(client);
    };
    return client;
  }
}

function transactionOn(client: Client): Transaction {
  let open = true;
  const end = async (statement: "COMMIT" | "ROLLBACK") => {
    if (!open) return;
    open = false;
    await client.execute(statement);
  };
  return {
    execute: (statement: Parameters<Client["execute"]>[0]) => client.execute(statement),
    batch: () => Promise.reject(new Error("the adapter runs one statement at a time")),
    executeMultiple: () => Promise.reject(new Error("the adapter runs one statement at a time")),
    rollback: () => end("ROLLBACK"),
    async commit() {
      try {
        await end("COMMIT");
      } catch (error) {
        // A failed COMMIT may leave the transaction open, and the next one would find it so.
        await client.execute("ROLLBACK").catch(() => {});
        throw error;
      }
    },
    close: () => void end("ROLLBACK").catch(() => {}),
    get closed() {
      return !open;
    },
  } as Transaction;
}

/** A factory of adapters on one database file. Also what migrations and the lock run their statements through. */
export const adapterFor = (file: string): PrismaLibSql =>
  new SingleConnection({
    url: `file:${encodeURI(file).replaceAll("?", "%3F").replaceAll("#", "%23")}`,
    intMode: "bigint",
  });

export class Database {
  readonly #client: PrismaClient;
  #closed = false;
  #tail: Promise<unknown> = Promise.resolve();
  /** Writers in the queue, with the one whose turn it is. */
  waiting = 0;

  constructor(file: string) {
    this.#client = new PrismaClient({
      adapter: adapterFor(file),
      transactionOptions: { maxWait: NO_TIMEOUT_MS, timeout: NO_TIMEOUT_MS },
      // Errors are thrown to the caller already; Prisma's own lines on stderr would repeat them.
      log: [],
    });
  }

  /** For reading. Prisma would connect again after a close, when the directory may be another server's. */
  get client(): PrismaClient {
    if (this.#closed) throw new Error("the store is closed");
    return this.#client;
  }

  async open(): Promise<void> {
    for (const pragma of PRAGMAS) await this.client.$queryRawUnsafe(`PRAGMA ${pragma}`);
  }

  /** Runs `work` as one transaction. Writers go one after another, in call order. */
  write<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const turn = this.#tail.then(() => this.client.$transaction((queries) => work(queries as Queries)));
    // Between two writers the rest of the server has its turn, and more commits can gather behind the next.
    this.waiting += 1;
    this.#tail = turn
      .catch(() => {})
      .then(() => void (this.waiting -= 1))
      .then(nextTurn);
    return turn.catch((error) => {
      throw asTyped(error);
    });
  }

  /** Waits for the writers that are queued, then lets go of the file. */
  async close(): Promise<void> {
    for (let last: unknown = null; last !== this.#tail; await last) last = this.#tail;
    this.#closed = true;
    await this.#client.$queryRawUnsafe("PRAGMA wal_checkpoint(TRUNCATE)").catch(() => {});
    await this.#client.$disconnect();
  }
}

/** Two mistakes of a caller are told apart from failures of the database. */
function asTyped(error: unknown): unknown {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return error;
  if (error.code === "P2002")
    return new AlreadyExistsError(`a ${rowName(error)} with this id exists already`, { cause: error });
  if (error.code === "P2003") {
    return new MissingReferenceError(`the ${rowName(error)} refers to something that is not stored`, { cause: error });
  }
  return error;
}

const rowName = (error: Prisma.PrismaClientKnownRequestError): string =>
  String(error.meta?.["modelName"] ?? "row").toLowerCase();
