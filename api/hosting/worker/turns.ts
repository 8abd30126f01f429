/**
 * Turns in a worker: machines and jobs get them by their shares (shares.ts), one at a time, with room for commands in
 * between. A turn is a piece of work of some milliseconds, and is charged by how long it took; so is a command, and a
 * share that commands have brought ahead of the others has to wait with its next one like with its next turn.
 */
import type { Executing } from "./executing.ts";
import type { Heart } from "./heart.ts";
import type { Meter } from "./meter.ts";
import { type Share, Shares, type Use, type WeightOf } from "./shares.ts";

/** What takes turns for as long as it can. */
export interface Runner {
  canRun(): boolean;
  /** One turn's work. Does not throw. */
  run(): void;
}

/** Gives a job's work its turn; what the work throws, so does this. */
export type Turn = <T>(work: () => T) => Promise<T>;

/** Commands wait no longer than so long, and a turn. */
const ROUND_MS = 4;

export class Turns {
  readonly #shares: Shares;
  readonly #runners = new Map<string, Runner>();
  readonly #now: () => number;
  readonly #executing: Executing;
  readonly #meter: Meter;
  readonly #heart: Heart;
  #going = false;
  /** A job goes on only when the round is over. */
  #roundEnds = false;

  constructor(
    { executing, meter, heart }: { executing: Executing; meter: Meter; heart: Heart },
    weightOf: WeightOf,
    now: () => number = () => performance.now(),
  ) {
    this.#shares = new Shares(weightOf);
    this.#executing = executing;
    this.#meter = meter;
    this.#heart = heart;
    this.#now = now;
  }

  add(name: string, share: Share, runner: Runner): void {
    this.#shares.add(name, share);
    this.#runners.set(name, runner);
    this.wake();
  }

  delete(name: string): void {
    this.#shares.delete(name);
    this.#runners.delete(name);
  }

  /** Of one that takes turns, since it was asked for last. */
  takeUse(name: string): Use {
    return this.#shares.takeUse(name);
  }

  /** What was done for one elsewhere: it waits with its next turn as if that had been one. */
  owe(name: string, ms: number): void {
    this.#shares.owe(name, ms);
  }

  /** From the next turn on. */
  reweigh(weightOf: WeightOf): void {
    this.#shares.reweigh(weightOf);
  }

  /** Somebody waits for it. */
  favour(name: string): void {
    this.#shares.favour(name);
  }

  /** Somebody may be able to run who was not. */
  wake(): void {
    if (this.#going) return;
    this.#going = true;
    setImmediate(() => this.#round());
  }

  /** Work that comes in pieces, each of which waits for its turn. */
  async job<T>(name: string, share: Share, work: (turn: Turn) => Promise<T>): Promise<T> {
    let piece: (() => void) | null = null;
    const run = () => {
      const go = piece;
      piece = null;
      this.#roundEnds = true;
      go?.();
    };
    this.add(name, share, { canRun: () => piece !== null, run });
    const turn: Turn = (part) =>
      new Promise((resolve, reject) => {
        piece = () => {
          try {
            resolve(part());
          } catch (error) {
            reject(error);
          }
        };
        this.wake();
      });
    try {
      return await work(turn);
    } finally {
      this.delete(name);
    }
  }

  /**
   * What somebody asks of one that takes turns. It is done at once, so that answers are quick, unless its share is ahead
   * of others by more than is lent: then it waits for its turn.
   */
  command<T>(name: string, share: Share, work: () => T): T | Promise<T> {
    if (this.#shares.isAhead(name)) return this.job(`command ${name}`, share, (turn) => turn(work));
    const start = this.#now();
    try {
      return work();
    } finally {
      this.#charge(name, start);
    }
  }

  #charge(name: string, start: number): void {
    this.#shares.charge(name, this.#now() - start);
    this.#meter.write(this.#shares.use);
    this.#heart.beat();
  }

  #round(): void {
    this.#roundEnds = false;
    for (const start = this.#now(); !this.#roundEnds && this.#now() - start < ROUND_MS; )
      if (!this.#turn()) {
        this.#going = false;
        this.#executing.set("");
        return;
      }
    setImmediate(() => this.#round());
  }

  /** False when nobody can run. */
  #turn(): boolean {
    const name = this.#shares.next((each) => this.#runners.get(each)!.canRun());
    if (name === null) return false;
    const start = this.#now();
    this.#executing.set(name);
    this.#runners.get(name)!.run();
    this.#charge(name, start);
    return true;
  }
}
