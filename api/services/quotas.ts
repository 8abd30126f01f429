/**
 * What one user may use up, so that nobody's endless loop or hoard costs the others more than their share:
 *
 * - instructions: an allowance that fills up evenly over an hour. Machines of a user who has none left are paused, by an
 *   entry of their journals like any other pause, and cannot be run before there is something of it again: best when it is a tenth;
 * - storage: programs and snapshots that the user asked for, by what they added to the store.
 *
 * A limit of 0 is none. Allowances are full when the server starts.
 */
import { resourceExhausted } from "../errors.ts";
import type { Owner, Store } from "../store/types.ts";

export interface QuotaLimits {
  instructionsPerHour: number;
  storagePerUserBytes: number;
}

const HOUR_MS = 3_600_000;
/** Less is not worth being woken for. */
const LEAST_SHARE = 0.1;
const STORAGE_RETRY_MS = 60_000;

interface Allowance {
  /** Below 0: more was executed than there was, before it was noticed. */
  left: number;
  at: number;
}

export class Quotas {
  readonly #store: Pick<Store, "usage">;
  readonly #limits: QuotaLimits;
  readonly #now: () => number;
  readonly #allowances = new Map<string, Allowance>();

  constructor(store: Pick<Store, "usage">, limits: QuotaLimits, now: () => number = () => performance.now()) {
    this.#store = store;
    this.#limits = limits;
    this.#now = now;
  }

  /** Of a machine of theirs. Returns whether it may go on. */
  executed(ownerId: string, instructions: number): boolean {
    if (this.#limits.instructionsPerHour === 0) return true;
    const allowance = this.#allowanceOf(ownerId);
    allowance.left -= instructions;
    return allowance.left > 0;
  }

  /** Throws RESOURCE_EXHAUSTED, with the time at which there is something to run on again. */
  assertMayRun(ownerId: string): void {
    const { instructionsPerHour } = this.#limits;
    if (instructionsPerHour === 0) return;
    const { left } = this.#allowanceOf(ownerId);
    const missing = instructionsPerHour * LEAST_SHARE - left;
    if (left > 0) return;
    throw resourceExhausted(
      "INSTRUCTIONS_USED_UP",
      `The machines of ${ownerId} have used up their ${instructionsPerHour} instructions an hour; try again later.`,
      Math.ceil((missing / instructionsPerHour) * HOUR_MS),
    );
  }

  /** Throws RESOURCE_EXHAUSTED when so many bytes more are too many. */
  async assertRoom({ courseId, ownerId }: Owner, bytes: number): Promise<void> {
    const most = this.#limits.storagePerUserBytes;
    if (most === 0) return;
    const used = await this.#store.usage({ courseIds: [courseId], ownerId });
    if (used + bytes <= most) return;
    throw resourceExhausted(
      "TOO_MUCH_STORAGE",
      `Your programs and snapshots take ${used} of the ${most} bytes that you may store; delete some first.`,
      STORAGE_RETRY_MS,
    );
  }

  #allowanceOf(ownerId: string): Allowance {
    const most = this.#limits.instructionsPerHour;
    const now = this.#now();
    const known = this.#allowances.get(ownerId) ?? { left: most, at: now };
    known.left = Math.min(most, known.left + ((now - known.at) / HOUR_MS) * most);
    known.at = now;
    this.#allowances.set(ownerId, known);
    return known;
  }
}
