/**
 * How many machines there are in a scope, kept: asked before each creation, while there are thousands.
 *
 * Must hold: a kept count is what the database would say. The one server that has the database makes and deletes all of
 * its machines here; the first count of a scope is taken in the queue of writers, so that what comes before is in it, and
 * what comes behind is added to it.
 */
import type { Database } from "./database.ts";
import { KEPT_COUNTS } from "./limits.ts";
import { inScope } from "./scope.ts";
import { AlreadyExistsError, type Owner, type ScopeQuery } from "./types.ts";

export type CountedMachine = Owner & { id: string };

interface Kept {
  scope: ScopeQuery;
  exceptPrefixes: readonly string[];
  count: number;
}

export class MachineCounts {
  readonly #database: Database;
  readonly #kept = new Map<string, Kept>();

  constructor(database: Database) {
    this.#database = database;
  }

  async of(scope: ScopeQuery, exceptPrefixes: readonly string[]): Promise<number> {
    const key = JSON.stringify([scope.courseIds ?? null, scope.ownerId, exceptPrefixes]);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept.count;
    const where = { ...inScope(scope), NOT: exceptPrefixes.map((startsWith) => ({ id: { startsWith } })) };
    return this.#database.write(async (queries) => {
      const count = await queries.machine.count({ where });
      if (this.#kept.size >= KEPT_COUNTS) this.#kept.clear();
      this.#kept.set(key, { scope, exceptPrefixes, count });
      return count;
    });
  }

  /** Counts what a writer made (1) or deleted (-1) when it has. After a failure nobody knows whether it did, unless that says so. */
  async following<T>(change: Promise<T>, by: 1 | -1, machineOf: (result: T) => CountedMachine | null): Promise<T> {
    try {
      const result = await change;
      const machine = machineOf(result);
      for (const kept of this.#kept.values()) if (machine !== null && isCounted(machine, kept)) kept.count += by;
      return result;
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) this.#kept.clear();
      throw error;
    }
  }
}

const isCounted = ({ id, courseId, ownerId }: CountedMachine, { scope, exceptPrefixes }: Kept): boolean =>
  (scope.ownerId === null || scope.ownerId === ownerId) &&
  (scope.courseIds?.includes(courseId) ?? true) &&
  !exceptPrefixes.some((prefix) => id.startsWith(prefix));
