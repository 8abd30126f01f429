/** The database behind the store, and the one queue that its writers wait in. */
import { setTimeout as sleep } from "node:timers/promises";
import { Prisma, type PrismaClient } from "../../prisma/gen/sqlite/client.ts";
import { auditing, writeEvent } from "./audit.ts";
import { asUnavailable, passingFailure } from "./failures.ts";
import type { Provider } from "./provider.ts";
import { nextTurn } from "./runs.ts";
import { AlreadyExistsError, MissingReferenceError, StoreUnavailableError } from "./types.ts";

export { Prisma };
/** What runs statements: the client itself or a transaction of it. */
export type Queries = Pick<PrismaClient, keyof Prisma.TransactionClient>;

export type Work<T> = (queries: Queries) => Promise<T>;

const AWAY = "the database cannot be reached";
const LOST_IN_COMMIT = "the connection to the database broke during a commit, which may have been done or not";
/** So long those who come are told what the one before found. */
const NEWS_MS = 250;
const RETRY_MS = 100;

export class Database {
  readonly #provider: Provider;
  #closing = false;
  #closed = false;
  /** When the database was last found away, unless it has been there since. */
  #lostAt = Number.NEGATIVE_INFINITY;
  #tail: Promise<unknown> = Promise.resolve();
  /** Somebody patient waits for a database that is away. */
  #isWaiting = false;
  readonly #impatient = new Set<{ leave(): void }>();
  /** Writers in the queue, with the one whose turn it is. */
  waiting = 0;

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

  /**
   * Runs `work` as one transaction. Writers go one after another, in call order.
   *
   * A database that is away: whoever is patient waits until it is back; others are told (StoreUnavailableError) after a second
   * attempt. `work` may therefore run again, when nothing of it can have been written.
   */
  write<T>(work: Work<T>, { patient = false } = {}): Promise<T> {
    if (!patient && this.#isWaiting) return Promise.reject(new StoreUnavailableError("away", AWAY));
    const place = { isLeft: false, leave: () => {} };
    const left = new Promise<never>((_, reject) => {
      place.leave = () => {
        place.isLeft = true;
        reject(new StoreUnavailableError("away", AWAY));
      };
    });
    if (!patient) this.#impatient.add(place);
    const turn = this.#tail.then(() => {
      this.#impatient.delete(place);
      return place.isLeft ? left : this.#persist(work, patient);
    });
    // Between two writers the rest of the server has its turn, and more commits can gather behind the next.
    this.waiting += 1;
    this.#tail = turn
      .catch(() => {})
      .then(() => void (this.waiting -= 1))
      .then(nextTurn);
    return Promise.race([turn, left]).catch((error) => {
      throw asTyped(asUnavailable(error));
    });
  }

  /**
   * The same for what the audit log is about: the event of the call that is under way is written with it. `made` names
   * what is there from now on: "machine m-1".
   */
  change<T>(work: Work<T>, made = ""): Promise<T> {
    const event = auditing.getStore();
    if (event === undefined || event.taken) return this.write(work);
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
    return this.write(both).catch((error) => {
      event.taken = false;
      throw error;
    });
  }

  async #persist<T>(work: Work<T>, patient: boolean): Promise<T> {
    if (!patient && performance.now() - this.#lostAt < NEWS_MS) throw new StoreUnavailableError("away", AWAY);
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
    for (const place of this.#impatient) place.leave();
    this.#impatient.clear();
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
    for (let last: unknown = null; last !== this.#tail; await last) last = this.#tail;
    if (this.#closed) return;
    this.#closed = true;
    await this.#provider.close();
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
