/** Looks every second how busy the workers are, and has machines moved (balance.ts says which). */
import { setTimeout as sleep } from "node:timers/promises";
import { OstlerError } from "../errors.ts";
import { Balance, LOOK_EVERY_MS, type Move } from "./balance.ts";
import type { HostedMachine } from "./hosted.ts";
import type { PooledWorker } from "./pool.ts";
import { isSilent } from "./watchdog.ts";

export interface BalancerHost {
  workers(): readonly PooledWorker[];
  machines(): Iterable<HostedMachine>;
  /** Resolves when it is there, or will not get there. */
  move(machine: HostedMachine, to: PooledWorker): Promise<void>;
  onError(error: unknown, machineId: string): void;
}

export class Balancer {
  readonly #host: BalancerHost;
  readonly #balance = new Balance<PooledWorker, HostedMachine>();
  readonly #stopped = new AbortController();

  constructor(host: BalancerHost) {
    this.#host = host;
  }

  start(): void {
    void this.#keepLooking();
  }

  close(): void {
    this.#stopped.abort();
  }

  async #keepLooking(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await sleep(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.look(performance.now());
    }
  }

  /** Has moved what was to be moved when it resolves. */
  async look(nowMs: number): Promise<void> {
    const move = this.#next(nowMs);
    if (move !== null) await this.#carryOut(move);
  }

  #next(nowMs: number): Move<PooledWorker, HostedMachine> | null {
    // Nothing comes out of one that is silent, and nothing should go there.
    const workers = this.#host.workers().filter((worker) => !isSilent(worker));
    for (const { recentLoad, meter } of workers) recentLoad.look(meter.read().wantedMs, nowMs);
    for (const { recentLoad, use } of this.#host.machines()) recentLoad.look(use.wantedMs, nowMs);
    const machines = Map.groupBy(this.#host.machines(), ({ worker }) => worker);
    const loaded = workers.map((worker) => ({
      worker,
      load: worker.recentLoad.value,
      machines: (machines.get(worker) ?? []).map((machine) => ({ machine, load: machine.recentLoad.value })),
    }));
    return this.#balance.look(loaded, nowMs);
  }

  async #carryOut({ machine, to }: Move<PooledWorker, HostedMachine>): Promise<void> {
    try {
      await this.#host.move(machine, to);
    } catch (error) {
      // A typed error says only that the machine broke meanwhile, which is told where it did.
      if (!(error instanceof OstlerError)) this.#host.onError(error, machine.id);
    }
  }
}
