/**
 * Machines' pasts: re-executes beside the live machine, from the snapshot that lies before, in whichever worker has
 * least to do. A stretch can be had for its trace, its end as a snapshot, and two ends compared.
 *
 * Must hold: what a re-execution starts from is held until it has ended; whoever stops listening ends it; nothing of it
 * changes the machine whose past it is.
 */
import { cancelled } from "../errors.ts";
import type { Hold, Store } from "../store/types.ts";
import { blamed, toClientError } from "./faults.ts";
import { BatchQueue, type ReplayBatch } from "./feeds.ts";
import { type PooledWorker, WorkerCommandError } from "./pool.ts";
import type { Captured, Command, Comparison, Signal } from "./protocol.ts";
import type { PlannedRoute, Routes, Stretch } from "./routes.ts";
import { shareOf } from "./share.ts";

/** A moment of a machine's past. */
export interface Moment extends Pick<Stretch, "end" | "throughEntry" | "payer"> {
  machineId: string;
  instructions: number;
}

/** What was found at the end of a route, and which machine's line it is on. */
export interface Visited {
  captured: Captured;
  /** The machine's lease when the route was planned. */
  epoch: number;
}

export interface PastHost {
  place(): PooledWorker;
  /** Content that a route started from is damaged. */
  damaged(machineId: string, snapshotId: string, error: WorkerCommandError): void;
}

type Job = Extract<Command, { kind: "replay" | "visit" | "compare" }>;
type Walk<T> = AsyncGenerator<ReplayBatch, T>;
/** A command without its job's name. */
type Unnamed = Job extends infer J ? (J extends Job ? Omit<J, "job"> : never) : never;

const UNLIMITED = Number.MAX_SAFE_INTEGER;

export class Past {
  readonly #store: Store;
  readonly #routes: Routes;
  readonly #host: PastHost;
  readonly #walks = new Map<string, { batches: BatchQueue; machines: ReadonlySet<string> }>();
  #nextJob = 1;

  constructor(store: Store, routes: Routes, host: PastHost) {
    this.#store = store;
    this.#routes = routes;
    this.#host = host;
  }

  /** From a worker: how far a job has come, with what was traced on the way. */
  receive(job: string, batch: ReplayBatch): void {
    this.#walks.get(job)?.batches.push(batch);
  }

  /**
   * A stretch with trace categories watched; yields packed records in order. Records from before `fromInstructions` may
   * be among them: seek points do not fall where clients ask.
   */
  async *replay(machineId: string, stretch: Stretch, signal: AbortSignal): Walk<void> {
    yield* this.#holding(async function* (this: Past, hold: Hold) {
      // What happens at an instruction count belongs to the instruction that reaches it.
      const fromInstructions = Math.max(0, stretch.fromInstructions - 1);
      const route = await this.#routes.toPast(machineId, fromInstructions, stretch, hold);
      const { mask, payer } = stretch;
      const command = { kind: "replay", share: shareOf(payer), route, mask, fromInstructions } as const;
      yield* this.#run(machineId, [route], command, signal);
    });
  }

  /** The whole state at a moment; `keep` stores what it will, while all of it is held. */
  async *visit<T>(moment: Moment, signal: AbortSignal, keep: (visited: Visited, hold: Hold) => Promise<T>): Walk<T> {
    return yield* this.#holding(async function* (this: Past, hold: Hold) {
      const route = await this.#routeTo(moment, hold);
      const command = { kind: "visit", share: shareOf(moment.payer), route } as const;
      const captured = yield* this.#run(moment.machineId, [route], command, signal);
      return keep({ captured: captured as Captured, epoch: route.epoch }, hold);
    });
  }

  /** At most `most` differences of each kind. */
  async *compare(left: Moment, right: Moment, most: number, signal: AbortSignal): Walk<Comparison> {
    return yield* this.#holding(async function* (this: Past, hold: Hold) {
      const routes = { left: await this.#routeTo(left, hold), right: await this.#routeTo(right, hold) };
      const command = { kind: "compare", share: shareOf(left.payer), ...routes, most } as const;
      return (yield* this.#run(left.machineId, [routes.left, routes.right], command, signal)) as Comparison;
    });
  }

  /** Whose past the job goes through, if it is one of ours; of a comparison of two machines nobody knows which it was. */
  machineOf(job: string): string | null {
    const [machineId = null, ...others] = this.#walks.get(job)?.machines ?? [];
    return others.length === 0 ? machineId : null;
  }

  /** Runs a job of no machine's in a worker; it can be cancelled. */
  async job(
    worker: PooledWorker,
    job: string,
    command: Exclude<Command, Signal>,
    signal: AbortSignal,
  ): Promise<unknown> {
    const cancel = () => worker.tell({ kind: "cancel", job });
    worker.jobs += 1;
    signal.addEventListener("abort", cancel);
    try {
      const reply = worker.send(command);
      if (signal.aborted) cancel();
      return (await reply).result;
    } catch (error) {
      if (error instanceof WorkerCommandError && error.code === "cancelled") throw cancelled();
      throw blamed(error, job);
    } finally {
      signal.removeEventListener("abort", cancel);
      worker.jobs -= 1;
    }
  }

  async *#holding<T>(work: (this: Past, hold: Hold) => Walk<T>): Walk<T> {
    const hold = this.#store.holds.open();
    try {
      return yield* work.call(this, hold);
    } finally {
      hold.release();
    }
  }

  #routeTo({ machineId, instructions, ...moment }: Moment, hold: Hold): Promise<PlannedRoute> {
    const stretch = { ...moment, mask: 0, fromInstructions: instructions, fromSequence: UNLIMITED };
    return this.#routes.toPast(machineId, instructions, stretch, hold);
  }

  /** Yields what the job says on its way; returns its result. */
  async *#run(
    machineId: string,
    routes: readonly PlannedRoute[],
    command: Unnamed,
    signal: AbortSignal,
  ): Walk<unknown> {
    const name = `past-${this.#nextJob++}`;
    const worker = this.#host.place();
    const batches = new BatchQueue(() => worker.tell({ kind: "credit", job: name }));
    const ended = new AbortController();
    this.#walks.set(name, { batches, machines: new Set(routes.map((route) => route.machineId)) });
    const done = this.job(worker, name, { ...command, job: name }, AbortSignal.any([signal, ended.signal]));
    done.then(
      () => batches.end(null),
      (error) => {
        this.#tellOfDamage(routes, error);
        batches.end(toClientError(error, machineId));
      },
    );
    try {
      yield* batches.drain();
      return await done;
    } finally {
      ended.abort();
      this.#walks.delete(name);
    }
  }

  #tellOfDamage(routes: readonly PlannedRoute[], error: unknown): void {
    if (!(error instanceof WorkerCommandError) || error.code !== "corrupt") return;
    for (const { machineId, snapshotId } of routes)
      if (snapshotId !== null) this.#host.damaged(machineId, snapshotId, error);
  }
}
