/**
 * Who may come into memory: a machine whose RAM does not fit into what its owner may have there makes those machines of
 * the owner hibernate that are at rest, the one that was used last the last. Where the course's limit is in the way they
 * may be anybody's of the course.
 */
import type { Owner } from "../store/types.ts";
import { isOf, type Quotas } from "./quotas.ts";

/** What is asked of hosting. */
export interface ResidentMachine {
  readonly id: string;
  readonly row: Owner;
  readonly lastUsedAt: number;
  readonly users: number;
  /** Also known of one that is being loaded, of which nothing is visible yet. */
  readonly wasRunning: boolean;
  /** It runs, and is being paused. */
  readonly isPausing: boolean;
}

interface Memory {
  readonly resident: Iterable<ResidentMachine>;
  /** Unless somebody uses it meanwhile. */
  hibernateUnused(machineId: string): Promise<void>;
}

export class Residents {
  readonly #memory: Memory;
  readonly #quotas: Quotas;

  constructor(memory: Memory, quotas: Quotas) {
    this.#memory = memory;
    this.#quotas = quotas;
    quotas.countRunningBy(() =>
      [...memory.resident].flatMap(({ id, row: { courseId, ownerId }, wasRunning, isPausing }) =>
        wasRunning && !isPausing ? [{ id, courseId, ownerId }] : [],
      ),
    );
  }

  /** Makes room and takes it, or throws RESOURCE_EXHAUSTED. */
  async arrives(machineId: string, owner: Owner, bytes: number): Promise<void> {
    const tried = new Set([machineId]);
    for (;;) {
      const refusal = this.#quotas.fits(owner, machineId, bytes);
      if (refusal === null) return this.#quotas.arrives(machineId, owner, bytes);
      const { course = "", user, limit } = refusal.metadata;
      // Nobody's leaving would help.
      if (bytes > Number(limit)) throw refusal;
      const oldest = this.#atRest({ courseId: course, ownerId: user ?? null }, tried);
      if (oldest === undefined) throw refusal;
      tried.add(oldest.id);
      await this.#memory.hibernateUnused(oldest.id);
    }
  }

  #atRest(
    scope: { courseId: string; ownerId: string | null },
    tried: ReadonlySet<string>,
  ): ResidentMachine | undefined {
    let oldest: ResidentMachine | undefined;
    for (const machine of this.#memory.resident) {
      const isAtRest = machine.users === 0 && !machine.wasRunning;
      if (!isAtRest || tried.has(machine.id) || !isOf(machine.row, scope)) continue;
      if (oldest === undefined || machine.lastUsedAt < oldest.lastUsedAt) oldest = machine;
    }
    return oldest;
  }
}
