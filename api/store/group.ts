/**
 * Group commit: calls made while a transaction is under way are gathered, in call order, into the next one.
 *
 * Must hold: a caller hears of success only after the transaction that holds its batch has committed; a batch
 * that cannot be written fails alone.
 */
import { BATCHES_PER_GROUP, BYTES_PER_GROUP } from "./limits.ts";

export interface GroupWriter<Batch> {
  /** Writes the batches as one transaction. The result has, for each batch, null or why it was left out. */
  write(batches: readonly Batch[]): Promise<(Error | null)[]>;
  sizeOf(batch: Batch): number;
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

  /** Resolves when everything that was handed in has been answered. */
  async drain(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // One turn of the microtask queue: calls made together are written together, the first ones too.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#write(this.#take());
    this.#running = null;
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

  async #write(group: Waiting<Batch>[]): Promise<void> {
    try {
      const refusals = await this.#writer.write(group.map(({ batch }) => batch));
      group.forEach(({ resolve, reject }, index) => {
        const refusal = refusals[index] ?? null;
        if (refusal === null) resolve();
        else reject(refusal);
      });
    } catch (error) {
      if (group.length === 1) group[0]!.reject(error);
      // Nothing of the group was written. One by one, those that are not at fault go through.
      else for (const member of group) await this.#write([member]);
    }
  }
}
