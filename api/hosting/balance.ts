/**
 * Which machine goes to another worker. A worker's load is how many could run there at once, on average of late; one whose
 * load is far above another's gives a machine away that brings the two nearer to each other.
 *
 * Must hold: a move brings two workers nearer to each other by `LEAST_GAIN` at least, so that nothing goes to and fro; what
 * only lasts a moment moves nothing; moves are rare, those of one machine rarer. What a machine computes does not depend
 * on any of this.
 */

/** Average over the last few seconds of a count that only grows, by its growth in a millisecond. */
export class Load {
  #seen = 0;
  #at: number | null = null;
  value = 0;

  look(total: number, nowMs: number): void {
    const passedMs = nowMs - (this.#at ?? nowMs);
    if (passedMs > 0) {
      const kept = Math.exp(-passedMs / AVERAGED_MS);
      this.value = kept * this.value + ((1 - kept) * Math.max(0, total - this.#seen)) / passedMs;
    }
    this.#seen = total;
    this.#at = nowMs;
  }

  /** Somebody comes of whom nothing is known yet: what he is expected to want counts until it is measured. */
  expect(more: number): void {
    this.value += more;
  }
}

const AVERAGED_MS = 5_000;
export const LOOK_EVERY_MS = 1_000;
/** So much more two workers must have in common afterwards, in machines that could run all the time. */
export const LEAST_GAIN = 0.5;
/** It must have been worth it for so long. */
export const STEADY_MS = 3_000;
export const PAUSE_MS = 3_000;
/** Of one machine. */
export const REST_MS = 60_000;

export interface Loaded<Worker, Machine> {
  worker: Worker;
  load: number;
  machines: readonly { machine: Machine; load: number }[];
}

export interface Move<Worker, Machine> {
  machine: Machine;
  from: Worker;
  to: Worker;
}

export class Balance<Worker, Machine extends WeakKey> {
  readonly #movedAt = new WeakMap<Machine, number>();
  #lastAt = Number.NEGATIVE_INFINITY;
  /** Since when each look has found something worth moving. */
  #worthSince: number | null = null;

  /** What is to be moved now, if anything; whoever asks moves it. */
  look(workers: readonly Loaded<Worker, Machine>[], nowMs: number): Move<Worker, Machine> | null {
    const move = this.#best(workers, nowMs);
    if (move === null) this.#worthSince = null;
    else this.#worthSince ??= nowMs;
    const isSteady = this.#worthSince !== null && nowMs - this.#worthSince >= STEADY_MS;
    if (move === null || !isSteady || nowMs - this.#lastAt < PAUSE_MS) return null;
    this.#lastAt = nowMs;
    this.#movedAt.set(move.machine, nowMs);
    return move;
  }

  #best(workers: readonly Loaded<Worker, Machine>[], nowMs: number): Move<Worker, Machine> | null {
    const [first] = workers;
    if (first === undefined) return null;
    const from = workers.reduce((most, each) => (each.load > most.load ? each : most), first);
    const to = workers.reduce((least, each) => (each.load < least.load ? each : least), first);
    const gap = from.load - to.load;
    let best: Machine | null = null;
    let least = gap - LEAST_GAIN;
    for (const { machine, load } of from.machines) {
      const left = Math.abs(gap - 2 * load);
      if (left > least || nowMs - (this.#movedAt.get(machine) ?? Number.NEGATIVE_INFINITY) < REST_MS) continue;
      least = left;
      best = machine;
    }
    return best === null ? null : { machine: best, from: from.worker, to: to.worker };
  }
}
