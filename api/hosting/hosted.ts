/**
 * A machine that is awake: the main thread's side of it. Commands go to its worker; what comes back passes
 * the gate (see gate.ts) and then becomes visible to clients, in order.
 *
 * When the worker or a commit fails, everything that waits is told, and the object is done for: the next use
 * wakes the machine again from snapshot and journal. Nothing that was acknowledged can be lost that way.
 */
import type { ApplyResult, CallId, ExitStatus, FaultInfo, Input, Output, TaskId } from "../../kernel/index.ts";
import { Code, OstlerError, unavailable } from "../errors.ts";
import type { Hold, IdempotencyRow, MachineRow, Reference, Store } from "../store/types.ts";
import { inSpan } from "../telemetry/spans.ts";
import { Load } from "./balance.ts";
import { toClientError } from "./faults.ts";
import { Bell, ConsoleTail, News, TRACE_QUEUE_BYTES, type TraceItem, TraceSubscription } from "./feeds.ts";
import { FrameTail, type SentFrame } from "./frames.ts";
import { Gate } from "./gate.ts";
import { Pause, type PauseName, pauseOf } from "./pauses.ts";
import { type PooledWorker, WorkerCommandError } from "./pool.ts";
import type { Captured, Command, Mark, Queried, Query, Route, Signal, WorkerMessage } from "./protocol.ts";
import type { PlannedRoute } from "./routes.ts";
import { shareOf } from "./share.ts";
import { LEAST_BYTES } from "./worker/footprint.ts";
import { addUse, noUse, type Use } from "./worker/shares.ts";

type CallDone = Extract<Output, { kind: "callDone" }>;

/** A call through a remote-driven task, without the number that it gets here. */
export type RemoteInput =
  | Omit<Extract<Input, { kind: "call" }>, "call">
  | Omit<Extract<Input, { kind: "invoke" }>, "call">;

export interface TaskExit {
  status: ExitStatus;
  fault: FaultInfo | null;
  instructions: number;
  /** Console output length when it ended: its own output is complete up to there. */
  consoleLength: number;
}

/** Of less the worker is not told. */
const LEAST_CHARGE_MS = 1;
/** Ends of tasks kept for those who wait. */
const REMEMBERED_EXITS = 1024;
const NEVER = new AbortController().signal;

/** A command without the machine's name, which the hosted machine adds. */
type Own<C> = C extends Signal ? never : C extends { machine: string } ? Omit<C, "machine"> : never;

/** Who has it in memory, as far as it has to tell him. */
export interface Keeper {
  broke(): void;
  droppedTraceEvents(count: number): void;
}

export class HostedMachine {
  readonly id: string;
  /** Its name in its worker: another each time it is brought back. */
  readonly life: string;
  readonly row: MachineRow;
  worker: PooledWorker;
  readonly bell = new Bell();
  readonly #answered = new Bell();
  readonly #gate: Gate;
  readonly #store: Store;
  readonly #keeper: Keeper;
  readonly #tail = new ConsoleTail();
  readonly #frames = new FrameTail();
  readonly #exits = new Map<TaskId, TaskExit>();
  readonly #terminalNews = new News<TaskId>();
  readonly #calls = new Map<CallId, { resolve(done: CallDone): void; reject(error: Error): void }>();
  readonly #subscriptions = new Set<TraceSubscription>();
  /** On the snapshot whose pages it still fetches, and which its next one shares. */
  #hold: Hold;
  readonly #released = new WeakMap<WorkerMessage, Promise<void>>();
  #receipts = new Map<CallId, (done: CallDone) => IdempotencyRow>();
  #nextCall: number;
  #pausing = false;
  /** What this thread did for it and its worker does not know of. */
  #owedMs = 0;
  /** Commands that were sent and not answered. */
  #underWay = 0;
  /** While it is on its way to another worker: commands wait. */
  #moving: Promise<void> | null = null;
  #mark: Mark | null = null;
  /** Clients that are at it right now (commands, streams); while there are any it is not hibernated. */
  users = 0;
  /** Of these, clients with a stream open on it. */
  followers = 0;
  lastUsedAt = performance.now();
  /** The snapshot that it was brought back from, and those that were taken since: they share pages. */
  readonly snapshotIds: string[];
  /** Sequence and instructions at the last snapshot, to know when the next is due. */
  snapshotAt: { sequence: number; instructions: number };
  /** Settles when no snapshot of it is being written. */
  capturing: Promise<void> = Promise.resolve();
  broken: Error | null = null;
  /** It runs, and was found to be one that may. */
  mayRun = false;
  /** What it takes of its worker's memory, as the worker last said. */
  memoryBytes = LEAST_BYTES;
  /** What it had of its workers since it came into memory, as far as they have said. */
  readonly use: Use = noUse();
  readonly recentLoad = new Load();
  /** What this thread did for it. */
  servedMs = 0;
  /** Up to here its instructions are in the server's figures. */
  countedInstructions: number;

  constructor(
    store: Store,
    row: MachineRow,
    worker: PooledWorker,
    { snapshotId, sequence, start }: PlannedRoute,
    hold: Hold,
    keeper: Keeper,
  ) {
    this.id = row.id;
    this.life = `${row.id}@${row.epoch}`;
    this.#keeper = keeper;
    this.row = row;
    this.worker = worker;
    this.#store = store;
    this.#nextCall = row.lastSequence + 1;
    this.snapshotIds = snapshotId === null ? [] : [snapshotId];
    this.snapshotAt = { sequence, instructions: start };
    this.#hold = hold;
    this.countedInstructions = row.reached.instructions;
    this.#gate = new Gate(
      store.journal,
      row.id,
      row.epoch,
      { sequence: row.lastSequence, reached: row.reached, status: row.status },
      { release: (mark) => this.#release(mark), took: (ms) => this.charge(ms) },
    );
  }

  /** As far as clients may know. */
  get visible(): Mark {
    if (this.#mark === null) throw new Error("the machine has not been loaded");
    return this.#mark;
  }

  /** As far as clients may know; also of one that is broken, or not loaded yet. */
  get wasRunning(): boolean {
    return (this.#mark?.summary ?? this.row.status).run === "running";
  }

  /** A pause is on its way. */
  get isPausing(): boolean {
    return this.#pausing;
  }

  /** How a task ended, if it has and its end was seen since the machine woke (see `learnExit`). */
  exit(task: TaskId): TaskExit | undefined {
    return this.#exits.get(task);
  }

  /** Asks the kernel how a task fares, for those who wait for its end. False: there is no such task. */
  async learnExit(task: TaskId): Promise<boolean> {
    if (this.#exits.has(task)) return true;
    const { tasks } = await this.query({ kind: "tasks" });
    const info = tasks?.find((candidate) => candidate.task === task);
    if (info?.status) {
      const { consoleLength } = this.visible.summary;
      this.#remember(task, { status: info.status, fault: null, instructions: info.instructions, consoleLength });
    }
    return info !== undefined;
  }

  async load(route: Extract<Command, { kind: "load" }>["route"]): Promise<void> {
    await this.#send({
      kind: "load",
      share: shareOf(this.row),
      route,
      pause: pauseOf(this.row.status),
      traceMask: 0,
    });
    await this.#endOrphanedCalls();
  }

  /** Calls that were under way when the machine was last put away: nobody is left to take their answers. */
  async #endOrphanedCalls(): Promise<void> {
    const { tasks } = await this.query({ kind: "tasks" });
    const calls = (tasks ?? []).flatMap((task) => task.threads.flatMap((thread) => thread.call ?? []));
    for (const call of calls) await this.apply({ kind: "cancelCall", call });
    this.#nextCall = Math.max(this.#nextCall, ...calls.map((call) => call + 1));
  }

  /**
   * Applies an input; resolves when it is durable, with the machine as it was then: it may be further by now. An input that
   * the kernel refuses is a typed error.
   */
  async apply(input: Input): Promise<Extract<ApplyResult, { ok: true }> & { summary: Mark["summary"] }> {
    const { result, mark } = await this.#exchange({ kind: "apply", input });
    return { ...accepted(result as ApplyResult), summary: mark!.summary };
  }

  /** A call of a remote-driven task. `receipt` is stored in the same transaction as the entry if the call ends at once. */
  async call(
    input: RemoteInput,
    signal: AbortSignal,
    receipt: ((done: CallDone) => IdempotencyRow) | null,
  ): Promise<CallDone> {
    const call = this.#nextCall++ as CallId;
    const done = new Promise<CallDone>((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    done.catch(() => {});
    if (receipt !== null) this.#receipts.set(call, receipt);
    const cancel = () => void this.apply({ kind: "cancelCall", call }).catch(() => {});
    this.users += 1;
    try {
      await this.apply({ ...input, call } as Input);
      if (signal.aborted) cancel();
      signal.addEventListener("abort", cancel);
      return await done;
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#calls.delete(call);
      this.#receipts.delete(call);
      this.users -= 1;
    }
  }

  async query(query: Query): Promise<Queried> {
    return (await this.#send({ kind: "query", query })) as Queried;
  }

  async capture(): Promise<Captured> {
    return (await this.#send({ kind: "capture" })) as Captured;
  }

  /**
   * Takes it to another worker between two commands: those that come meanwhile wait. `keep` stores what it is captured as.
   * Who follows it notices nothing; if it fails, the machine is done for as when a worker dies.
   */
  async move(to: PooledWorker, keep: (captured: Captured) => Promise<void>): Promise<void> {
    const moved = Promise.withResolvers<void>();
    this.#moving = moved.promise;
    const from = this.worker;
    try {
      while (this.#underWay > 0) await this.#answered.next(NEVER);
      this.assertUsable();
      const traceMask = this.#mask();
      const { result } = await this.#exchangeNow({ kind: "depart" });
      const captured = result as Captured;
      await keep(captured);
      this.assertUsable();
      this.worker = to;
      to.machines.add(this.life);
      from.machines.delete(this.life);
      await this.#exchangeNow({ kind: "load", share: shareOf(this.row), traceMask, ...arrival(captured) });
    } catch (error) {
      this.fail(new WorkerCommandError("workerLost", "it could not be moved", { cause: error }));
      throw error;
    } finally {
      this.#moving = null;
      moved.resolve();
    }
  }

  /** It may not run on. What it says until the pause has been applied does not pause it again. */
  pauseOnce(why: PauseName): void {
    if (this.#pausing) return;
    this.#pausing = true;
    this.apply({ kind: "pause", reason: Pause[why] })
      // One that broke meanwhile, or paused by itself, needs no pause.
      .catch(() => {})
      .finally(() => (this.#pausing = false));
  }

  /** Its memory is told by what changed since this snapshot from now on. */
  standOn(root: Reference): void {
    const before = this.#hold;
    this.#hold = this.#store.holds.open();
    this.#hold.add([root]);
    before.release();
  }

  /** It has left memory. */
  letGo(): void {
    this.#hold.release();
  }

  /** Console bytes from `offset`; empty when there are none yet. */
  async readConsole(offset: number, limit: number): Promise<{ offset: number; bytes: Uint8Array }> {
    if (offset >= this.visible.summary.consoleLength) return { offset, bytes: new Uint8Array(0) };
    const bytes = this.#tail.from(offset, limit);
    return bytes === null ? this.#store.journal.readConsole(this.id, offset, limit) : { offset, bytes };
  }

  /** Changes when there is more to read of a terminal than before, or when it has ended. */
  terminalNews(task: TaskId): number {
    return this.#terminalNews.of(task);
  }

  /** Frames that it sent, from one on, and how many before them are gone. */
  framesFrom(sequence: number): { missed: number; frames: SentFrame[] } {
    return this.#frames.from(sequence, this.visible.summary.framesSent);
  }

  /** Watches trace categories from now on; `from` is where the machine stood then. */
  async subscribe(mask: number): Promise<{ subscription: TraceSubscription; from: Mark }> {
    const { traceSequence } = this.visible.summary;
    const dropped = (events: number) => this.#keeper.droppedTraceEvents(events);
    const subscription = new TraceSubscription(mask, traceSequence, TRACE_QUEUE_BYTES, dropped);
    this.#subscriptions.add(subscription);
    const { mark } = await this.#exchange({ kind: "setTraceMask", mask: this.#mask() });
    return { subscription, from: mark! };
  }

  async unsubscribe(subscription: TraceSubscription): Promise<void> {
    this.#subscriptions.delete(subscription);
    if (this.broken === null) await this.#send({ kind: "setTraceMask", mask: this.#mask() }).catch(() => {});
  }

  /** What waits for those who watch. */
  get traceQueueBytes(): number {
    let sum = 0;
    for (const { bytes } of this.#subscriptions) sum += bytes;
    return sum;
  }

  get watched(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** This thread did something for it. */
  charge(ms: number): void {
    this.servedMs += ms;
    this.#owedMs += ms;
  }

  /** Its share in its worker waits for what was done for it here. */
  #settle(): void {
    if (this.#owedMs < LEAST_CHARGE_MS) return;
    this.worker.tell({ kind: "charge", machine: this.life, ms: this.#owedMs });
    this.#owedMs = 0;
  }

  /** From the pool: something the worker said about this machine. */
  receive(message: Extract<WorkerMessage, { kind: "reply" | "event" }>): void {
    if (message.mark === null || this.broken !== null) return;
    if (message.kind === "event") addUse(this.use, message.use);
    const released = message.kind === "event" ? this.#passSlices(message) : this.#pass(message.mark);
    released.then(
      () => {
        this.#settle();
        if (message.kind === "event") this.worker.tell({ kind: "released", machine: this.life });
      },
      (error: Error) => this.fail(error),
    );
    this.#released.set(message, released);
  }

  #pass(mark: Mark): Promise<void> {
    return this.#gate.pass(mark, (each) => this.#receiptOf(each));
  }

  /** What it executed since its worker spoke of it last, and the commit of that. */
  #passSlices({ mark, slices }: Extract<WorkerMessage, { kind: "event" }>): Promise<void> {
    const describe = () => ({
      "ostler.machine": this.id,
      "ostler.slices": slices.count,
      "ostler.slices.ms": slices.durationMs,
      "ostler.instructions": mark.summary.position.instructions,
    });
    const commit = () =>
      inSpan(
        "commit",
        () => ({ "ostler.machine": this.id }),
        () => this.#pass(mark),
      );
    return inSpan("machine slices", describe, commit, { sinceMs: slices.durationMs, root: true });
  }

  /** Ends it: everything that waits is told. */
  fail(error: Error): void {
    if (this.broken !== null) return;
    this.broken = error;
    const told = toClientError(error, this.id);
    for (const { reject } of this.#calls.values()) reject(told);
    for (const subscription of this.#subscriptions) subscription.end(told);
    this.bell.ring();
    this.#keeper.broke();
  }

  /** Throws when the machine is done for, so that a stream does not wait for ever. */
  assertUsable(): void {
    if (this.broken !== null) throw toClientError(this.broken, this.id);
  }

  async #send(command: Own<Command>): Promise<unknown> {
    return (await this.#exchange(command)).result;
  }

  async #exchange(command: Own<Command>): Promise<Extract<WorkerMessage, { kind: "reply" }>> {
    this.assertUsable();
    this.lastUsedAt = performance.now();
    this.users += 1;
    try {
      while (this.#moving !== null) await this.#moving;
      this.assertUsable();
      return await this.#exchangeNow(command);
    } finally {
      this.users -= 1;
    }
  }

  async #exchangeNow(command: Own<Command>): Promise<Extract<WorkerMessage, { kind: "reply" }>> {
    this.#underWay += 1;
    try {
      const describe = () => ({ "ostler.machine": this.id, "ostler.command": command.kind });
      const send = () => this.worker.send({ ...command, machine: this.life } as Exclude<Command, Signal>);
      const reply = await inSpan("worker command", describe, send);
      const released = this.#released.get(reply);
      // A reply that came after the machine was given up passed no gate: nothing of it is durable.
      if (reply.mark !== null && released === undefined) {
        throw unavailable("MACHINE_MOVED", "the machine was put away; try again", 100);
      }
      if (released !== undefined) await inSpan("commit", describe, () => released);
      return reply;
    } catch (error) {
      // The worker threw in the middle of it: only a machine that is loaded anew is whole again.
      if (error instanceof WorkerCommandError && error.code !== "workerLost") this.fail(error);
      throw toClientError(error as Error, this.id);
    } finally {
      this.#underWay -= 1;
      this.#answered.ring();
    }
  }

  #mask(): number {
    let mask = 0;
    for (const subscription of this.#subscriptions) mask |= subscription.mask;
    return mask;
  }

  #receiptOf(mark: Mark): IdempotencyRow | null {
    if (mark.entries.length === 0) return null;
    for (const output of mark.outputs) {
      const receipt = output.kind === "callDone" ? this.#receipts.get(output.call) : undefined;
      if (receipt !== undefined) return receipt(output as CallDone);
    }
    return null;
  }

  #release(mark: Mark): void {
    this.#mark = mark;
    for (const output of mark.outputs) this.#releaseOutput(output, mark);
    for (const subscription of this.#subscriptions) subscription.offer(mark.trace, mark.summary.traceSequence);
    this.bell.ring();
  }

  #releaseOutput(output: Output, mark: Mark): void {
    if (output.kind === "console") this.#tail.add(output.offset, output.bytes);
    if (output.kind === "terminal") this.#terminalNews.note(output.task);
    if (output.kind === "frame") this.#frames.add(output);
    if (output.kind === "callDone") this.#calls.get(output.call)?.resolve(output);
    if (output.kind === "taskExited") {
      const { status, fault, instructions, task } = output;
      this.#remember(task, { status, fault, instructions, consoleLength: mark.summary.consoleLength });
    }
  }

  #remember(task: TaskId, exit: TaskExit): void {
    if (!this.#exits.has(task)) this.#exits.set(task, exit);
    if (this.#exits.size > REMEMBERED_EXITS) this.#exits.delete(this.#exits.keys().next().value!);
  }
}

/** What a machine that was captured is loaded from: it is as it was, and nothing has to be done again. */
function arrival({ root, sequence, summary, workingSet }: Captured): { route: Route; pause: null } {
  const end = { kind: "position", position: summary.position } as const;
  return {
    route: { origin: { kind: "snapshot", root, ahead: workingSet }, sequence, entries: [], end },
    pause: null,
  };
}

const INPUT_ERRORS = {
  notFound: "NOT_FOUND",
  invalid: "INVALID_ARGUMENT",
  exhausted: "RESOURCE_EXHAUSTED",
  failedPrecondition: "FAILED_PRECONDITION",
  badExecutable: "INVALID_ARGUMENT",
  badAddress: "OUT_OF_RANGE",
} as const;

function accepted(result: ApplyResult): Extract<ApplyResult, { ok: true }> {
  if (result.ok) return result;
  throw inputError(result.error);
}

/** The kernel's refusal of an input as the error that clients see. */
export function inputError(error: Extract<ApplyResult, { ok: false }>["error"]): OstlerError {
  const reason = `INPUT_${error.code.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
  const violations = error.field === "" ? [] : [{ field: error.field, description: error.message }];
  return new OstlerError(Code[INPUT_ERRORS[error.code]], reason, error.message, { violations });
}

export type { TraceItem };
