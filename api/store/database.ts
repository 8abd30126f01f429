/**
 * The database behind the store, and the one queue that its writers wait in.
 *
 * Small writers that stand one behind another share a transaction, and so one wait for the disk. Must hold: a writer hears
 * of success only after the transaction with its work has committed; one that fails does so alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Prisma, type PrismaClient } from "../../prisma/gen/sqlite/client.ts";
import { auditing, writeEvent } from "./audit.ts";
import { asUnavailable, passingFailure } from "./failures.ts";
import { WRITERS_PER_TRANSACTION } from "./limits.ts";
import type { Provider } from "./provider.ts";
import { nextTurn } from "./runs.ts";
import { AlreadyExistsError, MissingReferenceError, StoreUnavailableError } from "./types.ts";

export { Prisma };
/** What runs statements: the client itself or a transaction of it. */
export type Queries = Pick<PrismaClient, keyof Prisma.TransactionClient>;

export type Work<T> = (queries: Queries) => Promise<T>;

export interface Manners {
  /** Waits for a database that is away. */
  patient?: boolean;
  /** Short, so that it may share a transaction with its neighbours in the queue. */
  shares?: boolean;
  /** One statement, which needs no transaction around it. It is tried once. */
  alone?: boolean;
}

interface Writer extends Required<Manners> {
  work: Work<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

const AWAY = "the database cannot be reached";
export const LOST_IN_COMMIT = "the connection to the database broke during a commit, which may have been done or not";
/** So long those who come are told what the one before found. */
const NEWS_MS = 250;
const RETRY_MS = 100;

export class Database {
  readonly #provider: Provider;
  #closing = false;
  #closed = false;
  /** When the database was last found away, unless it has been there since. */
  #lostAt = Number.NEGATIVE_INFINITY;
  #queue: Writer[] = [];
  #running: Promise<void> | null = null;
  /** Writers whose turn it is. */
  #served = 0;
  /** Somebody patient waits for a database that is away. */
  #isWaiting = false;

  constructor(provider: Provider) {
    this.#provider = provider;
  }

  /** Prisma would connect again after a close, when the database may be another server's. */
  get provider(): Provider {
    if (this.#closed) throw new Error("the store is closed");
    return this.#provider;
  }

  /** For reading. */
  get client(): PrismaClient {
    return this.provider.reader;
  }

  /** Writers in the queue, with those whose turn it is. */
  get waiting(): number {
    return this.#queue.length + this.#served;
  }

  /**
   * Runs `work` in a transaction. Writers go one after another, in call order.
   *
   * A database that is away: whoever is patient waits until it is back; others are told (StoreUnavailableError) after a second
   * attempt. `work` may therefore run again, and so it may after the failure of one that it shared a transaction with: when
   * nothing of it can have been written.
   */
  write<T>(work: Work<T>, { patient = false, shares = false, alone = false }: Manners = {}): Promise<T> {
    if (!patient && this.#isWaiting) return Promise.reject(new StoreUnavailableError("away", AWAY));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, patient, shares, alone, resolve: resolve as Writer["resolve"], reject });
      this.#running ??= this.#run();
    });
  }

  /**
   * The same for what the audit log is about: the event of the call that is under way is written with it. `made` names
   * what is there from now on: "machine m-1".
   */
  change<T>(work: Work<T>, made = "", manners: Manners = {}): Promise<T> {
    const event = auditing.getStore();
    if (event === undefined || event.taken) return this.write(work, manners);
    event.taken = true;
    const both = async (queries: Queries) => {
      const result = await work(queries);
      const row = event.row();
      await writeEvent(
        queries,
        made === "" ? row : { ...row, target: row.target === "" ? made : `${row.target}, ${made}` },
      );
      return result;
    };
    return this.write(both, manners).catch((error) => {
      event.taken = false;
      throw error;
    });
  }

  async #run(): Promise<void> {
    do {
      const writers = this.#take();
      this.#served = writers.length;
      await (writers.length === 1 ? this.#serve(writers[0]!) : this.#serveTogether(writers));
      this.#served = 0;
      // Between two transactions the rest of the server has its turn, and more writers can gather for the next.
      await nextTurn();
    } while (this.#queue.length > 0);
    this.#running = null;
  }

  /** The next writer, and those right behind it that share its transaction. */
  #take(): Writer[] {
    const most = this.#queue[0]!.shares ? WRITERS_PER_TRANSACTION : 1;
    const other = this.#queue.findIndex(({ shares }, index) => index > 0 && !shares);
    return this.#queue.splice(0, other < 0 ? most : Math.min(most, other));
  }

  async #serve({ work, patient, alone, resolve, reject }: Writer): Promise<void> {
    try {
      resolve(await (alone ? this.#once(work) : this.#persist(work, patient)));
    } catch (error) {
      reject(asTyped(asUnavailable(error)));
    }
  }

  async #serveTogether(writers: readonly Writer[]): Promise<void> {
    const progress = { worked: false };
    try {
      const results = await this.#transact((queries) => worksOf(writers, queries), progress);
      writers.forEach(({ resolve }, index) => void resolve(results[index]));
    } catch (error) {
      if (progress.worked && passingFailure(error) === "away") {
        this.#lostAt = performance.now();
        const lost = new StoreUnavailableError("away", LOST_IN_COMMIT, { cause: error });
        for (const { reject } of writers) reject(lost);
        return;
      }
      // Nothing of it was written. One by one, those that are not at fault go through, and each is as patient as it is.
      this.#queue.unshift(...writers.map((writer) => ({ ...writer, shares: false })));
    }
  }

  async #once<T>(work: Work<T>): Promise<T> {
    this.#heedNews();
    try {
      const result = await work(this.provider.writer);
      this.#lostAt = Number.NEGATIVE_INFINITY;
      return result;
    } catch (error) {
      if (passingFailure(error) === "away") this.#lostAt = performance.now();
      throw error;
    }
  }

  #heedNews(): void {
    if (performance.now() - this.#lostAt < NEWS_MS) throw new StoreUnavailableError("away", AWAY);
  }

  async #persist<T>(work: Work<T>, patient: boolean): Promise<T> {
    if (!patient) this.#heedNews();
    for (let attempt = 1; ; attempt++) {
      const progress = { worked: false };
      try {
        return await this.#transact(work, progress);
      } catch (error) {
        if (passingFailure(error) !== "away") throw error;
        this.#lostAt = performance.now();
        // Whether the commit arrived nobody knows: as after a crash, the one who asked looks again.
        if (progress.worked) throw new StoreUnavailableError("away", LOST_IN_COMMIT, { cause: error });
        if (this.#closing || (!patient && attempt > 1)) throw error;
        if (attempt > 1) await this.#pause();
      } finally {
        this.#isWaiting = false;
      }
    }
  }

  /** Before another attempt of somebody patient. The others that are queued behind need not wait as well. */
  #pause(): Promise<void> {
    this.#isWaiting = true;
    for (const { patient, reject } of this.#queue) if (!patient) reject(new StoreUnavailableError("away", AWAY));
    this.#queue = this.#queue.filter(({ patient }) => patient);
    return sleep(RETRY_MS);
  }

  async #transact<T>(work: Work<T>, progress: { worked: boolean }): Promise<T> {
    const result = await this.provider.writer.$transaction(async (queries) => {
      const worked = await work(queries as Queries);
      progress.worked = true;
      return worked;
    });
    this.#lostAt = Number.NEGATIVE_INFINITY;
    return result;
  }

  /** From now on nobody waits for a database that is away. */
  endPatience(): void {
    this.#closing = true;
  }

  /** Waits for the writers that are queued, then lets go of the database. */
  async close(): Promise<void> {
    while (this.#running !== null) await this.#running;
    if (this.#closed) return;
    this.#closed = true;
    await this.#provider.close();
  }
}

async function worksOf(writers: readonly Writer[], queries: Queries): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const { work } of writers) {
    if (results.length > 0) await nextTurn();
    results.push(await work(queries));
  }
  return results;
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
