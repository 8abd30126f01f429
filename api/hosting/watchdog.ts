/**
 * Notices workers that hang: threads that do not come back from one step of a kernel, which would be a bug of ours. The
 * main thread looks now and then whether each has shown a sign of life (worker/heart.ts) since it looked last; one that has
 * not is asked for one, by a message that even an idle worker answers at once.
 *
 * Must hold: a worker hangs only when the time in which it could have answered has come to the limit. That is processor
 * time of this process, as much as may have been the worker's: a process that is stopped, a laptop that sleeps, a host that
 * is overloaded or swaps give it none. One that is silent and burns nothing (a deadlock) is given `IDLY` times as long,
 * of which a look counts no more than two looks' distance: a main thread that was not there itself has nothing to say.
 */
import process from "node:process";
import type { Heart } from "./worker/heart.ts";

export interface Watched {
  readonly heart: Pick<Heart, "beats" | "isWaiting">;
  /** For how long it has shown no sign of life, as far as that was looked at. */
  silentMs: number;
  /** Of that, what it may have been busy. */
  burntMs: number;
  /** Makes it show one. */
  ping(): void;
}

/** When a look is taken: time, and the processor time that the process has had. */
export interface Look {
  nowMs: number;
  cpuMs: number;
}

/** Unless it is configured otherwise. */
export const STUCK_MS = 30_000;
const LOOK_EVERY_MS = 1_000;
const IDLY = 10;
const US_PER_MS = 1_000;
/** Nothing new is given to a worker that is silent for so long: some looks, since an idle one is asked at one and seen at the next. */
const SILENT_MS = 3 * LOOK_EVERY_MS;
const LONG_MS = 10 * LOOK_EVERY_MS;

export const isSilent = ({ silentMs }: Pick<Watched, "silentMs">): boolean => silentMs >= SILENT_MS;

/** Busy with one step for longer than any takes, although not yet for as long as the limit allows. */
export const hasBeenStuck = ({ burntMs }: Pick<Watched, "burntMs">): boolean => burntMs >= LONG_MS;

export class Watchdog<W extends Watched> {
  readonly #limitMs: number;
  readonly #seen = new WeakMap<W, number>();
  #last: Look | null = null;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Those that hang. */
  look(workers: Iterable<W>, look: Look = present()): W[] {
    const last = this.#last ?? look;
    this.#last = look;
    const passedMs = Math.min(Math.max(0, look.nowMs - last.nowMs), 2 * LOOK_EVERY_MS);
    const burntMs = Math.max(0, look.cpuMs - last.cpuMs);
    return [...workers].filter((worker) => this.#hangs(worker, passedMs, burntMs));
  }

  #hangs(worker: W, passedMs: number, burntMs: number): boolean {
    const { beats, isWaiting } = worker.heart;
    // One that has not begun yet is still being made.
    if (this.#seen.get(worker) !== beats || isWaiting || beats === 0) {
      this.#seen.set(worker, beats);
      worker.silentMs = 0;
      worker.burntMs = 0;
      return false;
    }
    if (worker.silentMs === 0) worker.ping();
    worker.silentMs += passedMs;
    // What it can have had of it: it is one thread.
    worker.burntMs += Math.min(passedMs, burntMs);
    return worker.burntMs >= this.#limitMs || worker.silentMs >= IDLY * this.#limitMs;
  }
}

function present(): Look {
  const { user, system } = process.cpuUsage();
  return { nowMs: performance.now(), cpuMs: (user + system) / US_PER_MS };
}

/** Looks by itself until what it returns is called. */
export function keepLooking(look: () => void): () => void {
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
