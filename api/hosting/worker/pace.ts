/**
 * How far a machine's virtual time may go now, so that it does not run away from the wall clock.
 *
 * A kernel of somebody else's is never idle for good: it has timers, and virtual time jumps from one to the next. Left to
 * itself it would burn a processor of the host, and a person at its console could press no key before a countdown is
 * over. This only decides where runs are cut, and where they are cut changes nothing; so it needs no journal, and a
 * replay is as fast as it can be.
 */
const NS_PER_MS = 1e6;
/** A machine that is behind (it executes more than a nanosecond's work in a nanosecond) catches up by no more. */
const CREDIT_MS = 50;
/** How long a machine that is ahead rests. */
export const REST_MS = 20;

export class Pace {
  /** At this wall-clock time the machine may be at that virtual time. */
  #wallMs: number;
  #timeNs: number;

  constructor(wallMs: number, timeNs: number) {
    this.#wallMs = wallMs;
    this.#timeNs = timeNs;
  }

  /** Virtual time up to which it may run. */
  limitNs(wallMs: number, timeNs: number): number {
    const limit = this.#timeNs + Math.floor((wallMs - this.#wallMs) * NS_PER_MS);
    if (limit <= timeNs + CREDIT_MS * NS_PER_MS) return limit;
    this.#wallMs = wallMs - CREDIT_MS;
    this.#timeNs = timeNs;
    return timeNs + CREDIT_MS * NS_PER_MS;
  }
}
