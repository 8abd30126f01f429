/**
 * What the two databases, SQLite and PostgreSQL, do each in its own way. All other code of the store runs on both: the
 * client generated for SQLite is the narrower type, and SQL of our own keeps to what both understand.
 */
import type { PrismaClient } from "../../prisma/gen/sqlite/client.ts";
import type { Queries } from "./database.ts";
import type { Judged } from "./standings.ts";
import type { Bytes } from "./types.ts";

/**
 * Writes what is accepted of a group of batches by one statement, outside of transactions, for the machines whose rows are
 * as they were before it. Resolves with the ids of those; of the others nothing is written. No console outgrows what is kept.
 */
export type Append = (queries: Queries, accepted: Judged) => Promise<Set<string>>;

export interface Provider {
  readonly reader: PrismaClient;
  /** For Database.write alone, one transaction at a time. The same as the reader where there is one connection. */
  readonly writer: PrismaClient;
  readonly sizes: () => Promise<{ databaseBytes: number; freeBytes: number }>;
  /** Null where statements are not waited for: a transaction costs no more. */
  readonly append: Append | null;
  /**
   * Runs a statement in the transaction of the writer that is under way, past Prisma: that one carries bytes as base64 in
   * JSON, four times their size in strings that wait to be collected. Null where only Prisma has the connection.
   */
  readonly execute: ((sql: string, values: Bytes[]) => Promise<void>) | null;
  /** What the database itself finds wrong with its files. */
  readonly integrity: () => Promise<string[]>;
  /** Whether content is compressed by us (compressed.ts). */
  readonly compresses: boolean;
  /** SQL for the place of one byte string in another, from 1; 0: it is not there. */
  readonly positionIn: (column: string, bytes: Bytes) => SqlFragment;
  /** All that is stored, as it is at one moment, as the bytes of a file. */
  readonly backUp: (signal: AbortSignal) => AsyncGenerator<Bytes>;
  /** Disconnects, and lets others have the database. */
  readonly close: () => Promise<void>;
}

export type SqlFragment = ReturnType<typeof import("../../prisma/gen/sqlite/client.ts").Prisma.sql>;
