/** Long work in the background: short steps, and a share of the time that is left to everybody else. */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

export interface Pace {
  /** Share of the time that is worked, above 0 to 1. */
  readonly share: number;
  /** Ends the work between two steps by throwing its reason. */
  readonly signal: AbortSignal;
}

/** A rest shorter than this is saved up. */
const LEAST_REST_MS = 20;

export class Pacer {
  readonly #pace: Pace;
  #workedMs = 0;
  #since = performance.now();
  /** The longest that the work went on without a turn of the event loop for others. */
  longestStepMs = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Called between steps. */
  async rest(): Promise<void> {
    const { share, signal } = this.#pace;
    const stepMs = performance.now() - this.#since;
    this.longestStepMs = Math.max(this.longestStepMs, stepMs);
    this.#workedMs += stepMs;
    const restMs = this.#workedMs * (1 / share - 1);
    if (restMs < LEAST_REST_MS) await nextTurn();
    else {
      await sleep(restMs, undefined, { signal, ref: false }).catch(() => {});
      this.#workedMs = 0;
    }
    signal.throwIfAborted();
    this.#since = performance.now();
  }
}
