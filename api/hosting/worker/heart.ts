/**
 * A worker's signs of life, in memory that the main thread reads whenever it likes (see watchdog.ts): one at every turn,
 * command and message, and at every hash of what takes long for being large (snapshots of a GiB). A worker that waits for
 * the main thread says so instead: how long it does is bounded where it waits. Must cost next to nothing.
 */
export const HEART_BYTES = 2 * Int32Array.BYTES_PER_ELEMENT;

const BEATS = 0;
const WAITING = 1;

export class Heart {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEART_BYTES)) {
    this.#words = new Int32Array(memory);
  }

  beat(): void {
    Atomics.add(this.#words, BEATS, 1);
  }

  /** Does it, which is nothing but waiting for the main thread. */
  whileWaiting<T>(wait: () => T): T {
    Atomics.store(this.#words, WAITING, 1);
    try {
      return wait();
    } finally {
      Atomics.store(this.#words, WAITING, 0);
      this.beat();
    }
  }

  /** Until now; it comes round to where it began. 0: it has not begun yet. */
  get beats(): number {
    return Atomics.load(this.#words, BEATS);
  }

  get isWaiting(): boolean {
    return Atomics.load(this.#words, WAITING) === 1;
  }
}
