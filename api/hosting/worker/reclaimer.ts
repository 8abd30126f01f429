/**
 * Gives back the memory of machines that have left a worker. The engine does so when it collects garbage, and it does that
 * when something is allocated: in a worker that has nothing to do, never. Hundreds of MiB would stay that no account
 * of machines in memory knows of any more. So this has it collect.
 *
 * Must hold:
 * - what left counts until its memory is known to be gone, whatever still held it;
 * - who leaves much behind waits until there was a collection, so that nobody else is let in over memory that is not there;
 * - of few bytes nothing is made, and collections take no more than a small part of the worker's time.
 */
import { runInNewContext } from "node:vm";

/** Of less the engine takes care by itself, sooner or later. */
const LEAST_BYTES = 16 * 1024 * 1024;
/** Of so much nobody waits for more to come. */
const MUCH_BYTES = 64 * 1024 * 1024;
const GATHER_MS = 2_000;
/** After a collection that took a millisecond there is none for so many: for much, for little. */
const REST_FOR_MUCH = 5;
const REST_FOR_LITTLE = 30;
/** What is still held after a collection is looked for ever more seldom. */
const MOST_GATHER_MS = 120_000;

export interface Engine {
  collect(): void;
  now(): number;
  /** Calls it once after so long, in a turn of the event loop of its own. Returns what calls it off. */
  after(ms: number, work: () => void): () => void;
}

/** This thread's. Where the flag is not set (cpu.ts) it cannot be told to collect, and collects when it likes. */
export function thisEngine(): Engine {
  const collect = runInNewContext("globalThis.gc") as (() => void) | undefined;
  return {
    collect: () => collect?.(),
    now: () => performance.now(),
    after(ms, work) {
      const timer = setTimeout(work, ms).unref();
      return () => clearTimeout(timer);
    },
  };
}

interface Departed {
  memory: WeakRef<object>;
  bytes: number;
}

export class Reclaimer {
  readonly #engine: Engine;
  /** Told whenever `bytes` has changed. */
  readonly #changed: (bytes: number) => void;
  #departed: Departed[] = [];
  #waiting: (() => void)[] = [];
  #due: { at: number; cancel(): void } | null = null;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #lastMs = 0;
  #gatherMs = GATHER_MS;

  constructor(changed: (bytes: number) => void, engine: Engine = thisEngine()) {
    this.#changed = changed;
    this.#engine = engine;
  }

  /** What left and may still be there. */
  get bytes(): number {
    return this.#departed.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Nobody uses this memory any more. Resolves when somebody else may have as much. */
  left(memory: object, bytes: number): Promise<void> {
    this.#departed.push({ memory: new WeakRef(memory), bytes });
    this.#gatherMs = GATHER_MS;
    this.#changed(this.bytes);
    this.#plan();
    if (this.bytes < MUCH_BYTES) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #plan(): void {
    const { bytes } = this;
    if (bytes < LEAST_BYTES) return;
    // What was there at the last collection is held by something: it is much, but there is no hurry.
    const isMuch = bytes >= MUCH_BYTES && this.#gatherMs === GATHER_MS;
    const rested = this.#lastEnd + this.#lastMs * (isMuch ? REST_FOR_MUCH : REST_FOR_LITTLE);
    const now = this.#engine.now();
    const at = Math.max(now + (isMuch ? 0 : this.#gatherMs), rested);
    if (this.#due !== null && this.#due.at <= at) return;
    this.#due?.cancel();
    this.#due = { at, cancel: this.#engine.after(at - now, () => this.#collect()) };
  }

  /** References must not be looked at before, in the same turn: that keeps what they lead to. */
  #collect(): void {
    this.#due = null;
    const start = this.#engine.now();
    this.#engine.collect();
    this.#lastEnd = this.#engine.now();
    this.#lastMs = this.#lastEnd - start;
    this.#departed = this.#departed.filter(({ memory }) => memory.deref() !== undefined);
    this.#gatherMs = Math.min(this.#gatherMs * 2, MOST_GATHER_MS);
    this.#changed(this.bytes);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    this.#plan();
  }
}
