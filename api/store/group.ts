/**
 * Group commit: calls made while a transaction is under way are gathered, in call order, into the next one.
 *
 * Must hold: a caller hears of success only after the transaction that holds its batch has committed; a batch
 * that cannot be written fails alone.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { startWatch } from "../processor-time.ts";
import { BATCHES_PER_GROUP, BYTES_PER_GROUP } from "./limits.ts";
import { StoreUnavailableError } from "./types.ts";

/** What a batch costs beside its bytes, in bytes. */
const BATCH_BYTES = 512;
/** Turns of the event loop without a newcomer after which a group is closed, and how many it waits at most. */
const QUIET_TURNS = 12;
const MOST_TURNS = 96;

export interface GroupWriter<Batch> {
  /** Writes the batches as one transaction. The result has, for each batch, null or why it was left out. */
  write(batches: readonly Batch[]): Promise<(Error | null)[]>;
  sizeOf(batch: Batch): number;
  /** Told what of this thread's time a batch took, in milliseconds: its part, by size, of what its group took. */
  took?(batch: Batch, ms: number): void;
}

interface Waiting<Batch> {
  batch: Batch;
  resolve(): void;
  reject(error: unknown): void;
}

export class GroupCommit<Batch> {
  readonly #writer: GroupWriter<Batch>;
  readonly #waiting: Waiting<Batch>[] = [];
  #running: Promise<void> | null = null;

  constructor(writer: GroupWriter<Batch>) {
    this.#writer = writer;
  }

  commit(batch: Batch): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ batch, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Batches that are in no transaction yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when everything that was handed in has been answered. */
  async drain(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    do {
      await this.#gather();
      await this.#write(this.#take());
    } while (this.#waiting.length > 0);
    this.#running = null;
  }

  /**
   * A transaction stops the event loop while the disk syncs. So those who are about to come (answers on their way from
   * workers, clients that call again at once) are given some turns of it first: one sync then serves them all.
   */
  async #gather(): Promise<void> {
    for (let quiet = 0, turns = 0; quiet < QUIET_TURNS && turns < MOST_TURNS; turns++) {
      const before = this.#waiting.length;
      await nextTurn();
      quiet = this.#waiting.length === before ? quiet + 1 : 0;
    }
  }

  #take(): Waiting<Batch>[] {
    let count = 0;
    let bytes = 0;
    for (const { batch } of this.#waiting) {
      bytes += this.#writer.sizeOf(batch);
      if (count === BATCHES_PER_GROUP || (count > 0 && bytes > BYTES_PER_GROUP)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Where the database is elsewhere, what this thread does meanwhile for others counts, too. */
  async #timed(batches: readonly Batch[]): Promise<(Error | null)[]> {
    const { took, sizeOf } = this.#writer;
    if (took === undefined) return this.#writer.write(batches);
    const watch = startWatch();
    const sizes = batches.map((batch) => sizeOf(batch) + BATCH_BYTES);
    const all = sizes.reduce((sum, size) => sum + size, 0);
    try {
      return await this.#writer.write(batches);
    } finally {
      const ms = watch();
      for (const [index, batch] of batches.entries()) took(batch, (ms * sizes[index]!) / all);
    }
  }

  async #write(group: Waiting<Batch>[]): Promise<void> {
    try {
      const refusals = await this.#timed(group.map(({ batch }) => batch));
      group.forEach(({ resolve, reject }, index) => {
        const refusal = refusals[index] ?? null;
        if (refusal === null) resolve();
        else reject(refusal);
      });
    } catch (error) {
      if (group.length === 1 || error instanceof StoreUnavailableError) for (const { reject } of group) reject(error);
      // Nothing of the group was written. One by one, those that are not at fault go through.
      else for (const member of group) await this.#write([member]);
    }
  }
}
