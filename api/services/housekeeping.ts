/**
 * What is deleted without anybody asking: snapshots that the server made for itself and that are too many, machines that
 * grading left behind, and then all content that nothing leads to any more.
 */
import { unavailable } from "../errors.ts";
import { dropKept, dropPrepared } from "../grading/retention.ts";
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

export class Housekeeping {
  readonly #deps: Pick<Deps, "store" | "hosting">;
  readonly #options: HousekeepingOptions;
  readonly #collector: Collector;
  readonly #closing = new AbortController();
  #running: Promise<HousekeepingReport> | null = null;
  #timer: NodeJS.Timeout | undefined;
  last: HousekeepingReport | null = null;

  constructor(deps: Pick<Deps, "store" | "hosting">, options: HousekeepingOptions) {
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

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort(
      unavailable("SERVER_DRAINING", "This server is shutting down; call again to reach another.", 1_000),
    );
    await this.#running?.catch(() => {});
  }

  async #run(share: number): Promise<HousekeepingReport> {
    const pace = { share, signal: this.#closing.signal };
    const pacer = new Pacer(pace);
    const { keepGradedMs } = this.#options;
    const kept = keepGradedMs === 0 ? 0 : await dropKept(this.#deps, keepGradedMs, pacer);
    const deletedMachines = kept + (await dropPrepared(this.#deps, pacer));
    const deletedSnapshots = await thinSnapshots(this.#deps.store, pacer);
    this.last = { ...(await this.#collector.collect(pace)), deletedSnapshots, deletedMachines };
    return this.last;
  }
}
