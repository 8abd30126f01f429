/**
 * Machines as durable actors: wakes them on use, snapshots, restores, hibernates, re-executes. Who is in memory when
 * is decided in residency.ts; here is how they come and go, and which worker has them.
 *
 * Must hold: at most one HostedMachine per id is in use; what it needs to come back is in the store before
 * any client hears of it (see gate.ts); a machine that nobody uses can leave memory at any time.
 */
import { notFound, OstlerError, unavailable } from "../errors.ts";
import { startWatch } from "../processor-time.ts";
import {
  type Hold,
  type MachineRow,
  MissingReferenceError,
  type Owner,
  type SnapshotRow,
  type Store,
} from "../store/types.ts";
import { describeSpan, inSpan } from "../telemetry/spans.ts";
import { Balancer } from "./balancer.ts";
import { InUse } from "./collection/in-use.ts";
import { snapshotRoot } from "./collection/references.ts";
import { DamagedSnapshotError, isDamage, isFromOutside, workerBroke } from "./faults.ts";
import type { ReplayBatch } from "./feeds.ts";
import { HostedMachine } from "./hosted.ts";
import type { HostingOptions } from "./options.ts";
import { type Moment, Past } from "./past.ts";
import { Pause, type PauseName } from "./pauses.ts";
import { Pool, type PooledWorker, type PoolListener, WorkerCommandError, WorkerHungError } from "./pool.ts";
import type { Captured, Comparison, Execution, ExecutionResult, Mark, WorkerMessage } from "./protocol.ts";
import { assertNotQuarantined, isQuarantined, Quarantine } from "./quarantine.ts";
import { Residency } from "./residency.ts";
import { resumeRunning } from "./resumption.ts";
import { Revival } from "./revival.ts";
import { type ConfigOf, type PlannedRoute, Routes, type Stretch } from "./routes.ts";
import { shareOf } from "./share.ts";
import { automatic, isFarFrom, keepVisited, keepWithin, putBlobs, type Reserve, snapshotOf } from "./snapshots.ts";
import { hasBeenStuck, type Look } from "./watchdog.ts";

const STUCK_AT_THE_END = "it did not come back from one step when the server ended";

export class Hosting {
  readonly #store: Store;
  readonly #options: HostingOptions;
  readonly #routes: Routes;
  readonly #pool: Pool;
  readonly #residency: Residency;
  readonly #revival: Revival;
  readonly #balancer: Balancer;
  readonly #quarantine: Quarantine;
  /** What is in a worker, by the name that it has there. */
  readonly #lives = new Map<string, HostedMachine>();
  readonly #past: Past;
  /** Snapshots that somebody is about to build on. */
  readonly inUse = new InUse();
  #nextJob = 1;
  readonly #counts = { instructions: 0, wakes: 0, snapshots: 0, moves: 0, droppedTraceEvents: 0 };
  readonly #workersLost = { broke: 0, hung: 0, ended: 0 };

  constructor(store: Store, options: HostingOptions, configOf: ConfigOf) {
    this.#store = store;
    this.#options = options;
    this.#routes = new Routes(store, configOf);
    this.#quarantine = new Quarantine(store);
    const listener: PoolListener = {
      message: (message) => this.#route(message),
      lost: (worker, why, culprit) => this.#lost(worker, why, culprit),
    };
    this.#pool = new Pool(options, store.blobs, listener);
    this.#past = new Past(store, this.#routes, {
      place: () => this.#pool.place(),
      damaged: (machineId, snapshotId, error) => this.#avoid(machineId, [snapshotId], error),
    });
    this.#residency = new Residency(options, {
      wake: (machineId) =>
        inSpan(
          "machine wake",
          () => ({ "ostler.machine": machineId }),
          () => this.#wake(machineId),
        ),
      save: (machine) => this.#save(machine),
      release: (machine) => this.#release(machine),
    });
    this.#balancer = new Balancer({
      workers: () => this.workers,
      machines: () => this.resident,
      move: (machine, to) => this.move(machine, to),
      onError: options.onError,
    });
    if (options.balances ?? true) this.#balancer.start();
    this.#revival = new Revival({
      isRunning: (machineId) => this.#isRunning(machineId),
      wake: (machineId) => this.use(machineId),
      onError: options.onError,
    });
  }

  async #isRunning(machineId: string): Promise<boolean> {
    await this.#quarantine.settled(machineId);
    const row = await this.#store.machines.get(machineId);
    return row !== null && row.status.run === "running" && !isQuarantined(row);
  }

  /** The machine, awake. Throws NOT_FOUND when there is none. */
  use(machineId: string): Promise<HostedMachine> {
    return this.#residency.use(machineId);
  }

  /** What clients may know of a machine without waking it. */
  peek(machineId: string): HostedMachine | undefined {
    return this.#residency.peek(machineId);
  }

  async snapshot(
    machineId: string,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
    reserve: Reserve | null = null,
  ): Promise<SnapshotRow> {
    return this.#capture(await this.use(machineId), fields, reserve);
  }

  /** Takes the machine back to a snapshot; what came after it is dropped. */
  restore(machineId: string, snapshot: SnapshotRow): Promise<MachineRow> {
    return this.#residency.vacate(machineId, async () => {
      const row = await this.#store.machines.acquire(machineId);
      if (row === null) throw notFound("machine", machineId);
      return this.#store.machines.rewind(machineId, row.epoch, snapshot).catch((error: unknown) => {
        throw error instanceof MissingReferenceError ? notFound("snapshot", snapshot.id) : error;
      });
    });
  }

  /** A machine that is frozen because it ended its workers may be woken again. */
  async thaw(machineId: string): Promise<MachineRow> {
    await this.#quarantine.settled(machineId);
    const row = await this.#store.machines.thaw(machineId);
    if (row === null) throw notFound("machine", machineId);
    return row;
  }

  /** Resolves when it is not in memory any more. */
  hibernate(machineId: string): Promise<void> {
    return this.#residency.hibernate(machineId);
  }

  /** The same, unless it is being used. */
  hibernateUnused(machineId: string): Promise<void> {
    return this.#residency.hibernateUnused(machineId);
  }

  /** Pauses one that is not in memory, without bringing it there. False: it did not run. */
  pauseAbsent(machineId: string, why: PauseName): Promise<boolean> {
    return this.#residency.vacate(machineId, () => this.#store.machines.pause(machineId, Pause[why]));
  }

  delete(machineId: string): Promise<boolean> {
    return this.#residency.vacate(machineId, () => this.#store.machines.delete(machineId));
  }

  /** Re-executes a stretch of a machine's past (see past.ts). */
  replay(machineId: string, stretch: Stretch, signal: AbortSignal): AsyncGenerator<ReplayBatch, void> {
    return this.#past.replay(machineId, stretch, signal);
  }

  /**
   * Lays a seek point at a moment of a machine's past, unless there is one; yields how far it has come. It stays at least
   * until `use` is done with it.
   */
  seek<T>(
    moment: Moment,
    signal: AbortSignal,
    use: (snapshot: SnapshotRow) => Promise<T>,
  ): AsyncGenerator<ReplayBatch, T> {
    return this.#past.visit(moment, signal, async ({ captured, epoch }, hold) => {
      const snapshot = await keepVisited(
        this.#store,
        this.inUse,
        { machineId: moment.machineId, epoch, captured },
        hold,
      );
      try {
        return await use(snapshot);
      } finally {
        this.inUse.letGo(snapshot.id);
      }
    });
  }

  /** Where two moments differ; at most `most` differences of each kind are listed. */
  compare(left: Moment, right: Moment, most: number, signal: AbortSignal): AsyncGenerator<ReplayBatch, Comparison> {
    return this.#past.compare(left, right, most, signal);
  }

  async execute(
    execution: Omit<Execution, "job" | "share">,
    payer: Owner,
    signal: AbortSignal,
  ): Promise<ExecutionResult> {
    const job = `execution-${this.#nextJob++}`;
    const command = { kind: "execute", execution: { ...execution, job, share: shareOf(payer) } } as const;
    return (await this.#past.job(this.#pool.place(), job, command, signal)) as ExecutionResult;
  }

  /** Wakes, in the background, machines that were running when the server ended, as far as there is room. */
  resumeRunning(): Promise<void> {
    return resumeRunning(this.#store, {
      wake: (machineId) => this.use(machineId),
      isFull: () => this.#residency.isClosed || this.#residency.isHalfFull,
      isClosed: () => this.#residency.isClosed,
      onError: this.#options.onError,
    });
  }

  get resident(): Iterable<HostedMachine> {
    return this.#lives.values();
  }

  get workers(): readonly PooledWorker[] {
    return this.#pool.workers;
  }

  /** Weights have changed: turns are given by them from now on. */
  reweigh(): void {
    this.#pool.reweigh();
  }

  /** Takes a machine that is in memory to another worker (see hosted.ts); does nothing when it is there already. */
  async move(machine: HostedMachine, to: PooledWorker): Promise<void> {
    await this.#residency.whileAwake(machine.id, async (present) => {
      if (present === machine && machine.worker !== to) await this.#move(machine, to);
    });
  }

  /** Counted since the start, and how things stand now. */
  figures() {
    return {
      ...this.#counts,
      workersLost: { ...this.#workersLost },
      byPhase: this.#residency.byPhase(),
      memoryBytes: this.#residency.bytes,
      machineBytes: this.#residency.sizes,
      hibernations: this.#residency.hibernations,
      traceQueueBytes: [...this.#lives.values()].reduce((sum, { traceQueueBytes }) => sum + traceQueueBytes, 0),
      ...this.#pool.figures(),
    };
  }

  /**
   * Stops taking work and puts every machine away. Those that take longer than `graceMs` are ended where they are: they
   * come back from snapshot and journal.
   */
  close(graceMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#revival.close();
    this.#balancer.close();
    return this.#residency.close(() => this.#end(), graceMs);
  }

  /** Ends the workers that hang (see watchdog.ts). */
  endHung(look?: Look): void {
    this.#pool.endHung(look);
  }

  /** Who hangs his worker now would do so after the next start, too. */
  async #end(): Promise<void> {
    const stuck = this.workers.filter(hasBeenStuck);
    await Promise.all(stuck.map(({ executing }) => this.#blame(executing, new WorkerHungError(STUCK_AT_THE_END))));
    await this.#pool.close();
  }

  /** One that stands on a damaged snapshot comes back from an older one. */
  async #wake(machineId: string): Promise<HostedMachine> {
    const tried = new Set<string>();
    for (;;) {
      await this.#quarantine.settled(machineId);
      const { machine, route } = await this.#place(await this.#admit(machineId));
      const { snapshotId } = route;
      try {
        await machine.load(route);
        return machine;
      } catch (error) {
        await this.#release(machine);
        if (!isDamage(machine.broken) || snapshotId === null || tried.has(snapshotId)) throw error;
        tried.add(snapshotId);
      }
    }
  }

  /** Whoever is kept out has no lease, for that is written. */
  async #admit(machineId: string): Promise<MachineRow> {
    const known = await this.#store.machines.get(machineId);
    if (known === null) throw notFound("machine", machineId);
    assertNotQuarantined(known);
    await this.#options.arrives?.(known);
    try {
      const row = await this.#store.machines.acquire(machineId);
      if (row === null) throw notFound("machine", machineId);
      return row;
    } catch (error) {
      this.#options.left?.(machineId);
      throw error;
    }
  }

  async #place(row: MachineRow): Promise<{ machine: HostedMachine; route: PlannedRoute }> {
    const hold = this.#store.holds.open();
    const route = await this.#routes.toPresent(row, hold).catch((error) => {
      hold.release();
      this.#options.left?.(row.id);
      throw error;
    });
    const worker = this.#pool.place();
    const machine = new HostedMachine(this.#store, row, worker, route, hold, {
      broke: () => this.#broke(machine),
      droppedTraceEvents: (count) => (this.#counts.droppedTraceEvents += count),
    });
    this.#counts.wakes += 1;
    worker.machines.add(machine.life);
    this.#lives.set(machine.life, machine);
    return { machine, route };
  }

  /** Snapshots it if it has moved since the last, so that it need not walk far when it comes back. */
  async #save(machine: HostedMachine): Promise<void> {
    const { sequence, summary } = machine.visible;
    const moved =
      sequence > machine.snapshotAt.sequence || summary.position.instructions > machine.snapshotAt.instructions;
    if (moved || machine.row.lastSequence === 0) await this.#captureAutomatic(machine);
  }

  async #release(machine: HostedMachine): Promise<void> {
    // Snapshots under way are let through; those asked for behind them are refused, but may be writing already.
    await machine.capturing;
    machine.fail(unavailable("MACHINE_MOVED", "the machine was put away; try again", 100));
    await machine.capturing;
    await machine.worker.send({ kind: "unload", machine: machine.life }).catch(() => {});
    machine.worker.machines.delete(machine.life);
    this.#lives.delete(machine.life);
    machine.letGo();
    this.#options.left?.(machine.id);
  }

  #broke(machine: HostedMachine): void {
    const { broken } = machine;
    if (isDamage(broken)) this.#avoid(machine.id, machine.snapshotIds, broken);
    if (!(broken instanceof OstlerError)) this.#options.onError(broken, machine.id);
    this.#residency.discard(machine);
    if (machine.wasRunning && isFromOutside(broken)) this.#revival.ask(machine.id);
  }

  /** Says so, too: with another snapshot everything goes on, and nobody would learn that the disk is dying. */
  #avoid(machineId: string, snapshotIds: readonly string[], why: WorkerCommandError): void {
    this.#routes.avoid(machineId, snapshotIds, why.content, (id) => {
      const text = `snapshot ${id} of machine ${machineId} is damaged and is not used any more: ${why.message}`;
      this.#options.onError(new DamagedSnapshotError(text), machineId);
    });
  }

  #captureAutomatic(machine: HostedMachine): Promise<SnapshotRow> {
    return this.#capture(machine, automatic());
  }

  /** Most of it is stored while it still runs where it was, so that it stands still for a moment only. */
  async #move(machine: HostedMachine, to: PooledWorker): Promise<void> {
    await this.#captureAutomatic(machine);
    const keep = async (captured: Captured) => void (await this.#keep(machine, automatic(), captured));
    await inSpan(
      "machine move",
      () => ({ "ostler.machine": machine.id }),
      () => this.#inOrder(machine, () => machine.move(to, keep)),
    );
    this.#counts.moves += 1;
  }

  /** One after the other: a snapshot is told by what changed since the one before, which must be stored first. */
  #capture(
    machine: HostedMachine,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
    reserve: Reserve | null = null,
  ): Promise<SnapshotRow> {
    const describe = () => ({ "ostler.machine": machine.id, "ostler.snapshot": fields.id, "ostler.kind": fields.kind });
    const captureNow = async () => {
      const captured = await machine.capture();
      return keepWithin(this.#store, reserve, captured, (kind) =>
        this.#keep(machine, kind === "automatic" ? automatic() : fields, captured),
      );
    };
    return this.#inOrder(machine, () => inSpan("machine snapshot", describe, captureNow));
  }

  #inOrder<T>(machine: HostedMachine, capture: () => Promise<T>): Promise<T> {
    const captured = machine.capturing.then(capture);
    machine.capturing = captured.then(
      () => {},
      () => {},
    );
    return captured;
  }

  #keep(
    machine: HostedMachine,
    fields: Pick<SnapshotRow, "id" | "displayName" | "labels" | "kind">,
    captured: Captured,
  ): Promise<SnapshotRow> {
    return this.#store.holds.during(async (hold) => {
      const watch = startWatch();
      const newBytes = await this.#putCapturedBlobs(machine, captured.blobs, hold);
      machine.charge(watch());
      // Whatever becomes of the row: the worker tells the next one by what has changed since.
      machine.standOn(snapshotRoot(captured.root));
      const workingSet = this.#routes.workingSets.note(captured, machine.snapshotIds);
      const row = snapshotOf({ machineId: machine.id, ownerId: machine.row.ownerId, ...fields }, captured, newBytes);
      const snapshot = await this.#store.snapshots.create(row, machine.row.epoch, workingSet);
      machine.snapshotAt = { sequence: row.sequence, instructions: row.at.instructions };
      machine.snapshotIds.push(snapshot.id);
      this.#counts.snapshots += 1;
      describeSpan(() => ({ "ostler.new_bytes": newBytes }));
      return snapshot;
    });
  }

  async #putCapturedBlobs(machine: HostedMachine, blobs: Captured["blobs"], hold: Hold): Promise<number> {
    try {
      return await putBlobs(this.#store, blobs, hold);
    } catch (error) {
      // The worker takes these pages for stored; only a machine that is loaded anew knows better.
      machine.fail(new WorkerCommandError("workerLost", "a snapshot could not be stored", { cause: error }));
      throw error;
    }
  }

  #route(message: Parameters<PoolListener["message"]>[0]): void {
    if (message.kind === "replayBatch") {
      this.#past.receive(message.job, { trace: message.trace, instructions: message.instructions });
    } else if (message.kind === "lost") {
      this.#lives.get(message.machine)?.fail(WorkerCommandError.of(message.error));
    } else if (message.machine !== null) {
      this.#receive(message, message.machine);
    }
  }

  #receive(message: Extract<WorkerMessage, { kind: "reply" | "event" }>, life: string): void {
    const machine = this.#lives.get(life);
    if (machine !== undefined && message.mark !== null) this.#count(machine, message.mark);
    machine?.receive(message);
    if (machine !== undefined && message.mark !== null) this.#weigh(machine, message.memoryBytes);
    if (machine?.broken !== null || message.kind !== "event") return;
    this.#pauseUnlessAdmitted(machine, message.mark.summary.run === "running");
    this.#seekPoint(machine, message.mark);
  }

  #count(machine: HostedMachine, { summary }: Mark): void {
    const { instructions } = summary.position;
    const executed = Math.max(0, instructions - machine.countedInstructions);
    this.#counts.instructions += executed;
    machine.countedInstructions = instructions;
    const mayGoOn = this.#options.executed?.(machine.row, executed) ?? true;
    if (!mayGoOn && summary.run === "running") machine.pauseOnce("instructionsUsedUp");
  }

  /** Who only answers what was typed is at rest again when his worker tells of him by itself. */
  #pauseUnlessAdmitted(machine: HostedMachine, isRunning: boolean): void {
    if (isRunning && !machine.mayRun) {
      machine.mayRun = this.#options.runs?.(machine.row) ?? true;
      if (!machine.mayRun) machine.pauseOnce("tooManyRunning");
    } else if (!isRunning) machine.mayRun = false;
  }

  #weigh(machine: HostedMachine, memoryBytes: number): void {
    const grew = memoryBytes > machine.memoryBytes;
    machine.memoryBytes = memoryBytes;
    if (grew) this.#residency.relieve();
  }

  /** Snapshots on the way bound how much a crash or a seek has to re-execute. */
  #seekPoint(machine: HostedMachine, mark: Extract<WorkerMessage, { kind: "event" }>["mark"]): void {
    const at = { sequence: mark.sequence, instructions: mark.summary.position.instructions };
    if (!isFarFrom(machine.snapshotAt, at)) return;
    machine.snapshotAt = at;
    this.#captureAutomatic(machine).catch((error) => {
      // Of a machine that broke or was put away it is no loss, and told elsewhere.
      if (machine.broken === null) this.#options.onError(error, machine.id);
    });
  }

  /** `culprit`: a machine's life, also one that was being loaded, or a job, which may go through a machine's past. */
  async #blame(culprit: string, why: Error): Promise<void> {
    const name = culprit.replace(/^(load|job|command) /, "");
    const machineId = this.#lives.get(name)?.id ?? this.#past.machineOf(name);
    this.#options.onError(workerBroke(machineId, why), machineId ?? "");
    if (machineId === null) return;
    await this.#quarantine.blame(machineId, why).catch((error) => this.#options.onError(error, machineId));
  }

  #lost(worker: PooledWorker, why: Error, culprit: string | null): void {
    this.#workersLost[culprit === null ? "ended" : why instanceof WorkerHungError ? "hung" : "broke"] += 1;
    if (culprit !== null) void this.#blame(culprit, why);
    for (const life of worker.machines)
      this.#lives.get(life)?.fail(new WorkerCommandError("workerLost", "its worker died", { cause: why }));
  }
}
