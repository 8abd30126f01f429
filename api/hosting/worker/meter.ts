/** How much a worker has had to do until now, in memory that the main thread reads whenever it likes. */
import type { Use } from "./shares.ts";

export const METER_BYTES = 3 * Float64Array.BYTES_PER_ELEMENT;

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

  read(): Use {
    return { chargedMs: this.#figures[0]!, wantedMs: this.#figures[1]!, longestMs: this.#figures[2]! };
  }
}
