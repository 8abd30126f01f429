/**
 * Machines as durable actors: wakes them on use, keeps a bounded number awake, snapshots, forks, restores,
 * hibernates, re-executes. The only place that knows which machine is where.
 *
 * Must hold: at most one HostedMachine per id is in use; what it needs to come back is in the store before
 * any client hears of it (see gate.ts); a machine that nobody uses can leave memory at any time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { cancelled, notFound, resourceExhausted, unavailable } from "../errors.ts";
import type { MachineRow, SnapshotRow, Store } from "../store/types.ts";
import { BatchQueue, type ReplayBatch } from "./feeds.ts";
import { HostedMachine } from "./hosted.ts";
import { Pool, type PooledWorker, type PoolListener, WorkerCommandError } from "./pool.ts";
import type { Captured, Command, Execution, ExecutionResult, Route, StoredEntry, WorkerMessage } from "./protocol.ts";

export interface HostingOptions {
  workers: number;
  /** Machines in memory at once. */
  maxResident: number;
  /** A machine that is idle or paused and unused for so long hibernates. */
  hibernateAfterMs: number;
  /** Called with what went wrong in the background. */
  onError(error: unknown, machineId: string): void;
}

/** A seek point is laid when a machine has gone this far since the last one. */
const SNAPSHOT_EVERY_INSTRUCTIONS = 2_000_000_000;
const SNAPSHOT_EVERY_ENTRIES = 2_000;
const JOURNAL_PAGE = 1_000;
const SWEEP_EVERY_MS = 1_000;
const BLOBS_PER_PUT = 2_000;

/** A stretch of a machine's past. */
export interface Stretch {
  mask: number;
  fromInstructions: number;
  /** With `fromInstructions`: the re-execution begins at a seek point that is past neither. */
  fromSequence: number;
  /** Sequence number of the last journal entry that belongs to it. */
  throughEntry: number;
  end: Route["end"];
}

type ConfigOf = (row: MachineRow) => Extract<Route["origin"], { kind: "config" }>["config"];

export class Hosting {
  readonly #store: Store;
  readonly #options: HostingOptions;
  readonly #configOf: ConfigOf;
  readonly #pool: Pool;
  readonly #awake = new Map<string, Promise<HostedMachine>>();
  /** The same machines once they are loaded; what the pool's messages are routed by. */
  readonly #hosted = new Map<string, HostedMachine>();
  readonly #replays = new Map<string, BatchQueue>();
  /** Machines that are being taken down: a new use waits for it. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #stopped = new AbortController();
  #nextJob = 1;

  constructor(store: Store, options: HostingOptions, configOf: ConfigOf) {
    this.#store = store;
    this.#options = options;
    this.#configOf = configOf;
    const listener: PoolListener = {
      message: (message) => this.#route(message),
      lost: (worker, why) => this.#lost(worker, why),
    };
    this.#pool = new Pool(options.workers, store.blobs, listener);
    void this.#sweep();
  }

  /** The machine, awake. Throws NOT_FOUND when there is none. */
  async use(machineId: string): Promise<HostedMachine> {
    if (this.#stopped.signal.aborted)
      throw unavailable("SHUTTING_DOWN", "the server is shutting down; try again soon", 2_000);
    await this.#leaving.get(machineId);
    const known = this.#awake.get(machineId);
    if (known !== undefined) {
      const machine = await known;
      if (machine.broken === null) {
        machine.lastUsedAt = Date.now();
        return machine;
      }
      if (this.#awake.get(machineId) === known) this.#forget(machine);
      return this.use(machineId);
    }
    const waking = this.#wake(machineId);
    this.#awake.set(machineId, waking);
    waking.catch(() => {
      if (this.#awake.get(machineId) === waking) this.#awake.delete(machineId);
    });
    return waking;
  }

  isResident(machineId: string): boolean {
    return this.#hosted.has(machineId);
  }

  /** What clients may know of a machine without waking it. */
  peek(machineId: string): HostedMachine | undefined {
    const machine = this.#hosted.get(machineId);
    return machine?.broken === null ? machine : undefined;
  }

  async snapshot(
    machineId: string,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
  ): Promise<SnapshotRow> {
    return this.#capture(await this.use(machineId), fields);
  }

  /** Takes the machine back to a snapshot; what came after it is dropped. */
  async restore(machineId: string, snapshot: SnapshotRow): Promise<MachineRow> {
    const machine = await this.use(machineId);
    return this.#takeDown(machine, () => this.#store.machines.rewind(machineId, machine.row.epoch, snapshot));
  }

  async hibernate(machineId: string): Promise<void> {
    const machine = this.peek(machineId);
    if (machine !== undefined) await this.#hibernate(machine);
  }

  async delete(machineId: string): Promise<boolean> {
    const machine = this.peek(machineId);
    const remove = () => this.#store.machines.delete(machineId);
    return machine === undefined ? remove() : this.#takeDown(machine, remove);
  }

  /**
   * Re-executes a stretch of a machine's past with trace categories watched; yields packed records in order.
   * Records from before `fromInstructions` may be among them: seek points do not fall where clients ask.
   */
  async *replay(machineId: string, stretch: Stretch, signal: AbortSignal): AsyncGenerator<ReplayBatch> {
    const row = await this.#store.machines.get(machineId);
    if (row === null) throw notFound("machine", machineId);
    // What happens at an instruction count belongs to the instruction that reaches it.
    const fromInstructions = Math.max(0, stretch.fromInstructions - 1);
    const start = { instructions: fromInstructions, traceSequence: stretch.fromSequence };
    const route = await this.#routeOf(row, start, stretch);
    const job = `replay-${this.#nextJob++}`;
    const worker = this.#pool.place();
    const batches = new BatchQueue(() => void worker.send({ kind: "credit", job }).catch(() => {}));
    const ended = new AbortController();
    this.#replays.set(job, batches);
    const { mask } = stretch;
    const done = this.#job(
      worker,
      job,
      { kind: "replay", job, route, mask, fromInstructions },
      AbortSignal.any([signal, ended.signal]),
    );
    done.then(
      () => batches.end(null),
      (error) => batches.end(error),
    );
    try {
      yield* batches.drain();
    } finally {
      ended.abort();
      this.#replays.delete(job);
    }
  }

  async execute(execution: Omit<Execution, "job">, signal: AbortSignal): Promise<ExecutionResult> {
    const job = `execution-${this.#nextJob++}`;
    const command = { kind: "execute", execution: { ...execution, job } } as const;
    return (await this.#job(this.#pool.place(), job, command, signal)) as ExecutionResult;
  }

  /** Wakes, in the background, machines that were running when the server ended, as far as there is room. */
  async resumeRunning(): Promise<void> {
    const query = { ownerId: null, labels: {}, nameContains: "", run: "running" as const, pageSize: 100 };
    let pageToken = "";
    do {
      const page = await this.#store.machines.list({ ...query, pageToken });
      for (const row of page.items) {
        if (this.#stopped.signal.aborted || this.#awake.size >= this.#options.maxResident / 2) return;
        await this.use(row.id).catch((error) => this.#options.onError(error, row.id));
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Stops taking work and puts every machine away. */
  async close(): Promise<void> {
    this.#stopped.abort();
    const machines = [...this.#hosted.values()];
    await Promise.all(
      machines.map((machine) => this.#hibernate(machine).catch((error) => this.#options.onError(error, machine.id))),
    );
    await this.#pool.close();
  }

  async #job(worker: PooledWorker, job: string, command: Command, signal: AbortSignal): Promise<unknown> {
    const cancel = () => void worker.send({ kind: "cancel", job }).catch(() => {});
    worker.jobs += 1;
    signal.addEventListener("abort", cancel);
    try {
      const reply = worker.send(command);
      if (signal.aborted) cancel();
      return (await reply).result;
    } catch (error) {
      if (error instanceof WorkerCommandError && error.code === "cancelled") throw cancelled();
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      worker.jobs -= 1;
    }
  }

  async #wake(machineId: string): Promise<HostedMachine> {
    await this.#makeRoom();
    const row = await this.#store.machines.acquire(machineId);
    if (row === null) throw notFound("machine", machineId);
    const newest = { instructions: Number.MAX_SAFE_INTEGER, traceSequence: Number.MAX_SAFE_INTEGER };
    const end = { kind: "position", position: row.reached } as const;
    const route = await this.#routeOf(row, newest, { throughEntry: row.lastSequence, end });
    const worker = this.#pool.place();
    const started = { sequence: route.sequence, instructions: route.start };
    const machine = new HostedMachine(this.#store, row, worker, started);
    worker.machines.add(machineId);
    this.#hosted.set(machineId, machine);
    try {
      await machine.load(route);
      return machine;
    } catch (error) {
      this.#forget(machine);
      throw error;
    }
  }

  /** From the newest snapshot that is not past `start` to the end. */
  async #routeOf(
    row: MachineRow,
    start: { instructions: number; traceSequence: number },
    stop: Pick<Stretch, "throughEntry" | "end">,
  ): Promise<Route & { start: number }> {
    const own = await this.#store.snapshots.latestBefore(row.id, start);
    const snapshot = own ?? (await this.#originOf(row));
    const origin: Route["origin"] =
      snapshot === null ? { kind: "config", config: this.#configOf(row) } : { kind: "snapshot", root: snapshot.root };
    const sequence = snapshot?.sequence ?? 0;
    const entries = await this.#entriesOf(row.id, sequence, stop);
    return { origin, sequence, entries, end: stop.end, start: snapshot?.at.instructions ?? 0 };
  }

  async #entriesOf(
    machineId: string,
    sequence: number,
    stop: Pick<Stretch, "throughEntry" | "end">,
  ): Promise<StoredEntry[]> {
    const last = stop.end.kind === "instructions" ? stop.end.instructions : Number.MAX_SAFE_INTEGER;
    const entries: StoredEntry[] = [];
    for (let after = sequence; ; after = entries.at(-1)!.sequence) {
      const page = await this.#store.journal.read(machineId, after, stop.throughEntry, JOURNAL_PAGE);
      for (const entry of page) {
        if (entry.at.instructions > last) return entries;
        entries.push({ sequence: entry.sequence, at: entry.at, payload: entry.payload });
      }
      if (page.length < JOURNAL_PAGE) return entries;
    }
  }

  async #originOf(row: MachineRow): Promise<SnapshotRow | null> {
    if (row.originSnapshotId === null) return null;
    return this.#store.snapshots.get(row.originSnapshotId);
  }

  /** Keeps the number of machines in memory below the limit, or says that it cannot. */
  async #makeRoom(): Promise<void> {
    while (this.#awake.size > this.#options.maxResident) {
      const candidates = [...this.#hosted.values()].filter((machine) => this.#isAtRest(machine));
      const oldest = candidates.sort((a, b) => a.lastUsedAt - b.lastUsedAt)[0];
      if (oldest === undefined) {
        throw resourceExhausted(
          "TOO_MANY_ACTIVE_MACHINES",
          `${this.#options.maxResident} machines are active already`,
          2_000,
        );
      }
      await this.#hibernate(oldest);
    }
  }

  #isAtRest(machine: HostedMachine): boolean {
    return (
      machine.users === 0 && machine.broken === null && machine.loaded && machine.visible.summary.run !== "running"
    );
  }

  async #hibernate(machine: HostedMachine): Promise<void> {
    await this.#takeDown(machine, async () => {
      const { sequence, summary } = machine.visible;
      const moved =
        sequence > machine.snapshotAt.sequence || summary.position.instructions > machine.snapshotAt.instructions;
      if (moved || machine.row.lastSequence === 0) await this.#captureAutomatic(machine);
    });
  }

  /** Lets nobody use the machine while `work` is done, then unloads it. */
  async #takeDown<T>(machine: HostedMachine, work: () => Promise<T>): Promise<T> {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    this.#leaving.set(machine.id, left);
    try {
      // A snapshot under way must not be recorded after the machine's history was changed under it.
      await machine.capturing;
      return await work();
    } finally {
      this.#forget(machine);
      machine.fail(unavailable("MACHINE_MOVED", "the machine was put away; try again", 100));
      await machine.worker.send({ kind: "unload", machine: machine.id }).catch(() => {});
      this.#leaving.delete(machine.id);
      resolve();
    }
  }

  #captureAutomatic(machine: HostedMachine): Promise<SnapshotRow> {
    return this.#capture(machine, { id: newId("s"), displayName: "", labels: {}, kind: "automatic" });
  }

  /** One after the other: a snapshot is told by what changed since the one before, which must be stored first. */
  #capture(
    machine: HostedMachine,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
  ): Promise<SnapshotRow> {
    const capture = machine.capturing.then(() => this.#captureNow(machine, fields));
    machine.capturing = capture.then(
      () => {},
      () => {},
    );
    return capture;
  }

  async #captureNow(
    machine: HostedMachine,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
  ): Promise<SnapshotRow> {
    const captured = await machine.capture();
    const newBytes = await this.#putBlobs(machine, captured.blobs);
    const { summary, sequence } = captured;
    const row = {
      ...fields,
      machineId: machine.id,
      ownerId: machine.row.ownerId,
      root: captured.root,
      at: summary.position,
      sequence,
      traceSequence: summary.traceSequence,
      consoleLength: summary.consoleLength,
      newBytes,
      totalBytes: captured.totalBytes,
    };
    const snapshot = await this.#store.snapshots.create(row, machine.row.epoch);
    machine.snapshotAt = { sequence, instructions: summary.position.instructions };
    return snapshot;
  }

  async #putBlobs(machine: HostedMachine, blobs: Captured["blobs"]): Promise<number> {
    let newBytes = 0;
    try {
      for (let at = 0; at < blobs.length; at += BLOBS_PER_PUT) {
        newBytes += (await this.#store.blobs.put(blobs.slice(at, at + BLOBS_PER_PUT))).newBytes;
      }
    } catch (error) {
      // The worker takes these pages for stored; only a machine that is loaded anew knows better.
      machine.fail(new WorkerCommandError("workerLost", "a snapshot could not be stored"));
      throw error;
    }
    return newBytes;
  }

  #route(message: Parameters<PoolListener["message"]>[0]): void {
    if (message.kind === "replayBatch") {
      this.#replays.get(message.job)?.push({ trace: message.trace, instructions: message.instructions });
    } else if (message.kind === "lost") {
      this.#options.onError(new Error(message.error.message), message.machine);
      this.#hosted.get(message.machine)?.fail(new WorkerCommandError(message.error.code, message.error.message));
    } else if (message.machine !== null) {
      this.#receive(message, message.machine);
    }
  }

  #receive(message: Extract<WorkerMessage, { kind: "reply" | "event" }>, machineId: string): void {
    const machine = this.#hosted.get(machineId);
    machine?.receive(message);
    if (machine !== undefined && message.kind === "event") this.#seekPoint(machine, message.mark);
  }

  /** Snapshots on the way bound how much a crash or a seek has to re-execute. */
  #seekPoint(machine: HostedMachine, mark: Extract<WorkerMessage, { kind: "event" }>["mark"]): void {
    const { sequence, instructions } = machine.snapshotAt;
    const far =
      mark.summary.position.instructions - instructions >= SNAPSHOT_EVERY_INSTRUCTIONS ||
      mark.sequence - sequence >= SNAPSHOT_EVERY_ENTRIES;
    if (!far) return;
    machine.snapshotAt = { sequence: mark.sequence, instructions: mark.summary.position.instructions };
    this.#captureAutomatic(machine).catch((error) => this.#options.onError(error, machine.id));
  }

  #lost(worker: PooledWorker, why: Error): void {
    for (const machineId of worker.machines) {
      const machine = this.#hosted.get(machineId);
      if (machine === undefined) continue;
      this.#options.onError(new Error("its worker died", { cause: why }), machineId);
      machine.fail(new WorkerCommandError("workerLost", "the worker died"));
      this.#forget(machine);
    }
  }

  #forget(machine: HostedMachine): void {
    machine.worker.machines.delete(machine.id);
    if (this.#hosted.get(machine.id) === machine) {
      this.#hosted.delete(machine.id);
      this.#awake.delete(machine.id);
    }
  }

  /** Puts away machines that nobody uses. */
  async #sweep(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await sleep(SWEEP_EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
      const before = Date.now() - this.#options.hibernateAfterMs;
      for (const machine of this.#hosted.values()) {
        if (signal.aborted) return;
        if (machine.lastUsedAt > before || !this.#isAtRest(machine)) continue;
        await this.#hibernate(machine).catch((error) => this.#options.onError(error, machine.id));
      }
    }
  }
}

/** Sortable by time, unguessable: "m-" + 9 characters of milliseconds + 12 random, base 32. */
export function newId(prefix: string): string {
  const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  let time = Date.now();
  let head = "";
  for (let i = 0; i < 9; i++) {
    head = alphabet[time % 32] + head;
    time = Math.floor(time / 32);
  }
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${head}${Array.from(random, (byte) => alphabet[byte % 32]).join("")}`;
}
