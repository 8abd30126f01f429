/**
 * The short way of a group of batches: machines whose rows are known from their last commit are judged by that, and written
 * by one statement (Provider.append) on condition that their rows still say the same.
 *
 * Must hold: what this does not write it has no say about. The long way (journal.ts) looks at the rows, and alone refuses.
 */
import type { Database } from "./database.ts";
import { BYTES_PER_STATEMENT, KNOWN_STANDINGS } from "./limits.ts";
import type { Append } from "./provider.ts";
import { type Judged, judge, type Standing, settled, sizeOfBatch, spanOf } from "./standings.ts";
import { type CommitBatch, StoreUnavailableError } from "./types.ts";

export interface Appended {
  /** Machines whose batches are stored. */
  written: ReadonlySet<string>;
  /** The connection broke: of the others, too, something may be stored. */
  lost: boolean;
}

const NOTHING: Appended = { written: new Set(), lost: false };

export class KnownStandings {
  readonly #database: Database;
  /** Those that committed last. */
  readonly #standings = new Map<string, Standing>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** These machines' rows are written so. */
  keep(machines: readonly Standing[]): void {
    if (this.#database.provider.append === null) return;
    for (const machine of machines) {
      this.#standings.delete(machine.id);
      this.#standings.set(machine.id, settled(machine));
      if (this.#standings.size > KNOWN_STANDINGS) this.#standings.delete(this.#standings.keys().next().value!);
    }
  }

  async append(batches: readonly CommitBatch[]): Promise<Appended> {
    const { append } = this.#database.provider;
    if (append === null) return NOTHING;
    const ours = batches.filter(({ machineId }) => this.#standings.has(machineId));
    const judged = this.#judge(ours);
    return judged === null ? NOTHING : this.#write(append, judged);
  }

  /** Null: not for one statement. */
  #judge(batches: readonly CommitBatch[]): Judged | null {
    if (batches.length === 0) return null;
    const copies = new Map<string, Standing>();
    for (const { machineId } of batches) copies.set(machineId, { ...this.#standings.get(machineId)!, added: [] });
    const judged = judge(batches, copies);
    for (const [index, refusal] of judged.refusals.entries())
      if (refusal !== null) this.#standings.delete(batches[index]!.machineId);
    const isPlain =
      judged.refusals.every((refusal) => refusal === null) &&
      judged.machines.every((machine) => spanOf(machine).start === machine.before.span.start) &&
      batches.reduce((sum, batch) => sum + sizeOfBatch(batch), 0) <= BYTES_PER_STATEMENT;
    return isPlain ? judged : null;
  }

  async #write(append: Append, judged: Judged): Promise<Appended> {
    for (const { id } of judged.machines) this.#standings.delete(id);
    try {
      const written = await this.#database.write((queries) => append(queries, judged), { alone: true });
      this.keep(judged.machines.filter(({ id }) => written.has(id)));
      return { written, lost: false };
    } catch (error) {
      return { ...NOTHING, lost: error instanceof StoreUnavailableError && error.failure === "away" };
    }
  }
}
