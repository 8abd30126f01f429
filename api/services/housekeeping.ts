/**
 * What is deleted without anybody asking: snapshots that the server made for itself and that are too many, machines that
 * grading left behind, and then all content that nothing leads to any more.
 */
import { unavailable } from "../errors.ts";
import { dropKept, dropPrepared } from "../grading/retention.ts";
import { Check, type CheckFigures, type Finding } from "../hosting/collection/check.ts";
import { type CollectionReport, Collector } from "../hosting/collection/collector.ts";
import { Pacer } from "../hosting/collection/pace.ts";
import { thinSnapshots } from "../hosting/collection/retention.ts";
import type { Deps } from "./common.ts";

export interface HousekeepingOptions {
  /** Between two in the background; 0: only when somebody asks. */
  everyMs: number;
  /** Machines that ran tests go when unused for so long; 0: never. */
  keepGradedMs: number;
  onError(error: unknown): void;
}

export interface HousekeepingReport extends CollectionReport {
  deletedSnapshots: number;
  deletedMachines: number;
}

/** Of the time, in the background. */
const BACKGROUND_SHARE = 0.2;
const CHECK_SHARE = 0.7;

export class Housekeeping {
  readonly #deps: Pick<Deps, "store" | "hosting" | "quotas">;
  readonly #options: HousekeepingOptions;
  readonly #collector: Collector;
  readonly #closing = new AbortController();
  #running: Promise<HousekeepingReport> | null = null;
  #tail: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  last: HousekeepingReport | null = null;

  constructor(deps: Pick<Deps, "store" | "hosting" | "quotas">, options: HousekeepingOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#collector = new Collector(deps.store);
  }

  start(): void {
    const { everyMs, onError } = this.#options;
    if (everyMs === 0) return;
    this.#timer = setInterval(() => {
      this.run(BACKGROUND_SHARE).catch((error) => {
        if (!this.#closing.signal.aborted) onError(error);
      });
    }, everyMs);
    this.#timer.unref();
  }

  /** One that is under way is joined, at its own pace. */
  run(share = 1): Promise<HousekeepingReport> {
    this.#running ??= this.#run(share).finally(() => (this.#running = null));
    return this.#running;
  }

  /** Goes through everything that is stored, while no collection is under way. */
  async *check(share: number, signal: AbortSignal): AsyncGenerator<Finding | CheckFigures> {
    const leave = await this.#takeTurn();
    try {
      const both = AbortSignal.any([signal, this.#closing.signal]);
      const check = new Check(this.#deps.store, { share, pacer: new Pacer({ share: CHECK_SHARE, signal: both }) });
      yield* check.run();
      yield check.figures;
    } finally {
      leave();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort(
      unavailable("SERVER_DRAINING", "This server is shutting down; call again to reach another.", 1_000),
    );
    await this.#running?.catch(() => {});
    await this.#tail;
  }

  /** Resolves, when everybody before has left, to what is called to leave. */
  async #takeTurn(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#tail;
    this.#tail = promise;
    await before;
    return resolve;
  }

  async #run(share: number): Promise<HousekeepingReport> {
    const leave = await this.#takeTurn();
    try {
      return await this.#tidy(share);
    } finally {
      leave();
    }
  }

  async #tidy(share: number): Promise<HousekeepingReport> {
    const pace = { share, signal: this.#closing.signal };
    const pacer = new Pacer(pace);
    const { keepGradedMs } = this.#options;
    const kept = keepGradedMs === 0 ? 0 : await dropKept(this.#deps, keepGradedMs, pacer);
    const deletedMachines = kept + (await dropPrepared(this.#deps, pacer));
    const deletedSnapshots = await thinSnapshots(this.#deps.store, this.#deps.hosting.inUse, pacer);
    const collected = this.#deps.quotas.arrivals.collecting();
    this.last = { ...(await this.#collector.collect(pace)), deletedSnapshots, deletedMachines };
    collected();
    return this.last;
  }
}
