/**
 * Content that is stored for somebody before a row names it: of uploads and imports that are under way, and of those that
 * broke off, until a collection has been through that began later.
 *
 * Known in memory only: a server that starts anew has forgotten it, and collects it all the same.
 */
import type { Blobs, Owner } from "../store/types.ts";

export interface Arrival {
  /** Null until it is known. */
  owner: Owner | null;
  /** That are stored. */
  bytes: number;
  isOver: boolean;
}

export class Arrivals {
  readonly #all = new Set<Arrival>();

  /** Receives something by `work`. What that resolves with is named by then. Holds must have been let go when this ends. */
  async during<T>(work: (arrival: Arrival) => Promise<T>): Promise<T> {
    const arrival: Arrival = { owner: null, bytes: 0, isOver: false };
    this.#all.add(arrival);
    try {
      const result = await work(arrival);
      arrival.bytes = 0;
      return result;
    } finally {
      arrival.isOver = true;
      if (arrival.bytes === 0) this.#all.delete(arrival);
    }
  }

  /** `but` is not counted. */
  bytesOf(isCounted: (owner: Owner) => boolean, but: Arrival | null): number {
    let bytes = 0;
    for (const arrival of this.#all)
      if (arrival !== but && arrival.owner !== null && isCounted(arrival.owner)) bytes += arrival.bytes;
    return bytes;
  }

  /** A collection begins. Returns what is to be called when it has been through. */
  collecting(): () => void {
    const left = [...this.#all].filter(({ isOver }) => isOver);
    return () => {
      for (const arrival of left) this.#all.delete(arrival);
    };
  }
}

/** The same store of content; what it did not have counts to the arrival. */
export const countedTo = (arrival: Arrival, blobs: Blobs): Blobs => ({
  ...blobs,
  async put(list, hold) {
    const outcome = await blobs.put(list, hold);
    arrival.bytes += outcome.newBytes;
    return outcome;
  },
});
