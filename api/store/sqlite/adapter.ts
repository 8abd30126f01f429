/**
 * Prisma's adapter for libSQL, on one connection.
 *
 * Must hold: one connection for the life of the process. The adapter's driver hands its connection to each
 * transaction and opens another for the next query, without our pragmas; here a transaction runs on the one
 * connection instead, which is safe because the adapter holds its lock until the transaction has ended.
 */
import type { Client, Config, Transaction } from "@libsql/client";
import { PrismaLibSql } from "@prisma/adapter-libsql";

class SingleConnection extends PrismaLibSql {
  #client: Client | null = null;

  override createClient(config: Config): Client {
    const client = super.createClient(config);
    this.#client = client;
    client.transaction = async () => {
      await client.execute("BEGIN IMMEDIATE");
      return transactionOn(client);
    };
    return client;
  }

  /** For whoever has the transaction that is under way: it does not wait for the adapter's lock. */
  async execute(sql: string, args: Uint8Array<ArrayBuffer>[]): Promise<void> {
    if (this.#client === null) throw new Error("the adapter is not connected");
    await this.#client.execute({ sql, args });
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
export const adapterFor = (file: string): SingleConnection =>
  new SingleConnection({
    url: `file:${encodeURI(file).replaceAll("?", "%3F").replaceAll("#", "%23")}`,
    intMode: "bigint",
  });
