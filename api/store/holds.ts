/**
 * Content that is in use and that no row may name yet: what is being stored for a snapshot, the tree that a machine in
 * memory stands on, the program of a submission that is being graded.
 *
 * In memory only. One process has the data directory, and what it was about to do ends with it: after a crash,
 * content that no row leads to is of no use to anybody.
 */
import type { Hold, Holds, Reference } from "./types.ts";

type Listener = (reference: Reference) => void;

export class HoldTable implements Holds {
  readonly #held = new Set<readonly Reference[]>();
  #listener: Listener | null = null;

  open(): Hold {
    const own: Reference[] = [];
    this.#held.add(own);
    return {
      add: (references) => {
        for (const reference of references) {
          own.push(reference);
          this.#listener?.(reference);
        }
      },
      release: () => void this.#held.delete(own),
    };
  }

  async during<T>(work: (hold: Hold) => Promise<T>): Promise<T> {
    const hold = this.open();
    try {
      return await work(hold);
    } finally {
      hold.release();
    }
  }

  watch(listener: Listener): { held(): Reference[]; end(): void } {
    if (this.#listener !== null) throw new Error("somebody watches the holds already");
    this.#listener = listener;
    return { held: () => [...this.#held].flat(), end: () => void (this.#listener = null) };
  }
}
