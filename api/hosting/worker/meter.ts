/** How much a worker has had to do until now, and what machines left behind in it, in memory that the main thread reads whenever it likes. */
import type { Use } from "./shares.ts";

export const METER_BYTES = 4 * Float64Array.BYTES_PER_ELEMENT;

export class Meter {
  readonly #figures: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#figures = new Float64Array(memory);
  }

  write({ chargedMs, wantedMs, longestMs }: Use): void {
    this.#figures[0] = chargedMs;
    this.#figures[1] = wantedMs;
    this.#figures[2] = longestMs;
  }

  /** Memory of machines that have left, as far as it may still be there (reclaimer.ts). */
  get departedBytes(): number {
    return this.#figures[3]!;
  }

  set departedBytes(bytes: number) {
    this.#figures[3] = bytes;
  }

  read(): Use {
    return { chargedMs: this.#figures[0]!, wantedMs: this.#figures[1]!, longestMs: this.#figures[2]! };
  }
}
