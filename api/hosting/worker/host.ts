/**
 * The inside of a worker: many machines, each run in slices of its instruction budget, and the commands of
 * the main thread in between.
 *
 * Must hold:
 * - a command about one machine is carried out whole before the next about the same machine begins;
 * - no machine runs longer than one slice while others wait; whose turn it is follows from shares (turns.ts);
 * - what leaves about a machine leaves in the order in which it happened there;
 * - a machine does not run far ahead of what the main thread has released of it.
 */
import type { Input, RunStop } from "../../../kernel/index.ts";
import type { CompiledCpu } from "../cpu.ts";
import {
  type Captured,
  type Command,
  type CommandMessage,
  type Comparison,
  type Mark,
  type Queried,
  type Query,
  REPLAY_WINDOW,
  type Route,
  type Signal,
  type WorkerMessage,
} from "../protocol.ts";
import { compareResidents } from "./compare.ts";
import type { ContentCache } from "./content.ts";
import { execute } from "./execute.ts";
import type { Executing } from "./executing.ts";
import { failureOf, WorkerError } from "./failure.ts";
import type { Heart } from "./heart.ts";
import type { Meter } from "./meter.ts";
import { Pace, REST_MS } from "./pace.ts";
import { Reclaimer } from "./reclaimer.ts";
import { type Resident, ResidentFactory } from "./resident.ts";
import type { Share, WeightOf } from "./shares.ts";
import { type Turn, Turns } from "./turns.ts";
import { walk } from "./walk.ts";
import { type WeightRow, Weights } from "./weights.ts";

/** Instructions in one slice: long enough for V8 to matter, short enough (some ms) to answer commands. */
const SLICE_INSTRUCTIONS = 1_000_000;
/** With a trace watched: bounded by what the ring holds between two drains. */
const TRACED_SLICE_INSTRUCTIONS = 100_000;
/** A machine that is so far ahead of what the main thread has stored of it waits, or its output would fill memory. */
const MARKS_AHEAD = 64;
const BYTES_AHEAD = 4 * 1024 * 1024;
/** A running machine that says nothing reports its position this often. */
const REPORT_EVERY_MS = 250;

/** Commands that are carried out in order. */
type Work = Exclude<Command, Signal>;
/** What is asked of a machine that is here. */
type Asked = Extract<Work, { kind: "apply" | "query" | "capture" | "depart" | "setTraceMask" }>;

interface Job {
  cancelled: boolean;
  credits: number;
  wake: (() => void) | null;
}

/** What is handed over need not be copied. */
type Post = (message: WorkerMessage, handedOver?: ArrayBuffer[]) => void;

/** Makes residents that are a job's, and leave with it. */
type Maker = Pick<ResidentFactory, "create">;

/** How a job tells of itself: packed records, and how many instructions it has gone. */
type Report = (trace: Uint8Array<ArrayBuffer>, instructions: number) => Promise<void>;

interface Slot {
  resident: Resident;
  share: Share;
  traceMask: number;
  runnable: boolean;
  lastReport: number;
  /** Since its last event. */
  slices: { count: number; durationMs: number };
  /** Sizes of the marks that it reported and the main thread has not released yet. */
  ahead: number[];
  /** Of a machine whose time must not run away from the wall clock: one that boots bare. */
  pace: Pace | null;
}

export class WorkerHost {
  readonly #factory: ResidentFactory;
  readonly #post: Post;
  readonly #slots = new Map<string, Slot>();
  /** Tail of the commands of each machine: they run one after the other. */
  readonly #queues = new Map<string, Promise<void>>();
  readonly #jobs = new Map<string, Job>();
  readonly #turns: Turns;
  readonly #executing: Executing;
  readonly #heart: Heart;
  readonly #reclaimer: Reclaimer;

  constructor(
    cpu: CompiledCpu,
    content: ContentCache,
    { weights, ...shared }: { executing: Executing; meter: Meter; heart: Heart; weights: readonly WeightRow[] },
    post: Post,
  ) {
    this.#turns = new Turns(shared, weightIn(weights));
    this.#executing = shared.executing;
    this.#heart = shared.heart;
    this.#factory = new ResidentFactory(cpu, content, () => this.#heart.beat());
    this.#post = post;
    this.#reclaimer = new Reclaimer((bytes) => (shared.meter.departedBytes = bytes));
  }

  receive(message: CommandMessage): void {
    this.#heart.beat();
    if (message.id === null) {
      this.#signal(message.command);
      return;
    }
    const { id, command } = message;
    const key = queueOf(command);
    const before = this.#queues.get(key);
    // Without a queue the command is carried out in this very turn: a call's round trip is two messages.
    const done = before === undefined ? this.#carryOut(id, command) : before.then(() => this.#carryOut(id, command));
    const tail = done.finally(() => {
      if (this.#queues.get(key) === tail) this.#queues.delete(key);
    });
    this.#queues.set(key, tail);
  }

  #signal(command: Signal): void {
    if (command.kind === "released") {
      this.#slots.get(command.machine)?.ahead.shift();
      this.#turns.wake();
      return;
    }
    if (command.kind === "reweigh") {
      this.#turns.reweigh(weightIn(command.weights));
      return;
    }
    if (command.kind === "charge") {
      this.#turns.owe(command.machine, command.ms);
      return;
    }
    if (command.kind === "ping") return;
    const job = this.#jobs.get(command.job);
    if (job === undefined) return;
    if (command.kind === "cancel") job.cancelled = true;
    else job.credits += 1;
    job.wake?.();
  }

  /** Runs a job that is no machine's: it can be cancelled, and sends no more batches than it has credits. */
  async #asJob<T>(
    { job: name, share }: { job: string; share: Share },
    work: (job: Job, turn: Turn, maker: Maker) => Promise<T>,
  ): Promise<T> {
    const job: Job = { cancelled: false, credits: REPLAY_WINDOW, wake: null };
    this.#jobs.set(name, job);
    const made: Resident[] = [];
    const create: Maker["create"] = async (...from) => {
      const resident = await this.#factory.create(...from);
      made.push(resident);
      return resident;
    };
    try {
      return await this.#turns.job(`job ${name}`, share, (turn) => work(job, turn, { create }));
    } finally {
      this.#jobs.delete(name);
      for (const resident of made) void this.#left(resident);
    }
  }

  async #carryOut(id: number, command: Work): Promise<void> {
    try {
      this.#executing.set(queueOf(command));
      if (isAsked(command)) await this.#ask(id, command);
      else this.#reply(id, command, await this.#perform(command));
    } catch (error) {
      this.#post({ kind: "failed", id, error: failureOf(error) });
    }
    // The next round says who is executing then, or nobody.
    this.#turns.wake();
  }

  /** Charged with all that it costs, the copy of the answer too. Not async itself where it need not be: see `receive`. */
  #ask(id: number, command: Asked): void | Promise<void> {
    const { machine } = command;
    // Somebody sits there and waits for an echo.
    if (command.kind === "apply" && isTyped(command.input)) this.#turns.favour(machine);
    return this.#turns.command(machine, this.#slot(machine).share, () => {
      this.#reply(id, command, this.#answer(this.#slot(machine), command));
      if (command.kind === "depart") void this.#forget(machine);
    });
  }

  #reply(id: number, command: Work, result: unknown): void {
    const slot = "machine" in command ? this.#slots.get(command.machine) : undefined;
    const machine = slot === undefined || !("machine" in command) ? null : command.machine;
    const { memoryBytes = 0 } = slot?.resident ?? {};
    const mark = slot?.resident.mark() ?? null;
    this.#post({ kind: "reply", id, machine, mark, memoryBytes, result }, ownedBy(mark?.trace));
    if (slot !== undefined) this.#wake(slot);
  }

  #answer(slot: Slot, command: Asked): unknown {
    switch (command.kind) {
      case "apply":
        return slot.resident.apply(command.input);
      case "query":
        return answer(slot.resident, command.query);
      case "capture":
      case "depart":
        return slot.resident.capture();
      case "setTraceMask":
        slot.traceMask = command.mask;
        slot.resident.machine.setTraceMask(command.mask);
        return null;
    }
  }

  #perform(command: Exclude<Work, Asked>): unknown {
    switch (command.kind) {
      case "load":
        return this.#load(command);
      case "unload":
        return this.#forget(command.machine);
      case "replay":
        return this.#replay(command);
      case "visit":
        return this.#visit(command);
      case "compare":
        return this.#compare(command);
      case "execute":
        return this.#asJob(command.execution, (job, turn, maker) =>
          execute(maker, command.execution, { turn, cancelled: () => throwIfCancelled(job) }),
        );
    }
  }

  #slot(machine: string): Slot {
    const slot = this.#slots.get(machine);
    if (slot === undefined) throw new WorkerError("notResident", `machine ${machine} is not in this worker`);
    return slot;
  }

  async #load({ machine, share, route, pause, traceMask }: Extract<Command, { kind: "load" }>): Promise<null> {
    const resident = await this.#turns.job(`load ${machine}`, share, (turn) => {
      this.#turns.favour(`load ${machine}`);
      return walk(this.#factory, route, turn, () => SLICE_INSTRUCTIONS);
    });
    // What happened on the way was seen before; only what comes after it is news.
    resident.mark();
    const { run } = resident.machine.summary();
    resident.machine.setTraceMask(traceMask);
    if (pause !== null && (run === "running" || run === "idle")) resident.apply(pause);
    const { config } = resident.machine;
    const pace = config.boot === undefined ? null : new Pace(performance.now(), resident.machine.position().timeNs);
    const slot: Slot = {
      resident,
      share,
      traceMask,
      runnable: true,
      lastReport: 0,
      slices: { count: 0, durationMs: 0 },
      ahead: [],
      pace,
    };
    this.#slots.set(machine, slot);
    this.#turns.add(machine, share, {
      canRun: () => slot.runnable && !resident.fetching && !this.#queues.has(machine) && !isFarAhead(slot),
      run: () => this.#run(machine, slot),
    });
    return null;
  }

  #replay(command: Extract<Command, { kind: "replay" }>): Promise<null> {
    return this.#asJob(command, async (job, turn, maker) => {
      let tracing = false;
      const report = this.#reporter(command.job, job);
      const before = async (resident: Resident): Promise<number> => {
        const { instructions } = resident.machine.position();
        await report(resident.mark().trace, instructions);
        if (!tracing && instructions >= command.fromInstructions) {
          tracing = true;
          resident.machine.setTraceMask(command.mask);
        }
        return tracing
          ? TRACED_SLICE_INSTRUCTIONS
          : Math.min(SLICE_INSTRUCTIONS, command.fromInstructions - instructions);
      };
      await walk(maker, command.route, turn, before);
      return null;
    });
  }

  #visit(command: Extract<Command, { kind: "visit" }>): Promise<Captured> {
    return this.#asJob(command, async (job, turn, maker) => {
      const resident = await this.#walkTo(maker, command.route, turn, this.#reporter(command.job, job));
      return turn(() => resident.capture());
    });
  }

  #compare(command: Extract<Command, { kind: "compare" }>): Promise<Comparison> {
    const { left, right, most } = command;
    return this.#asJob(command, async (job, turn, maker) => {
      const report = this.#reporter(command.job, job);
      const first = await this.#walkTo(maker, left, turn, report);
      const { instructions } = first.machine.position();
      const second = await this.#walkTo(maker, right, turn, (trace, further) => report(trace, instructions + further));
      return compareResidents(first, second, most, turn);
    });
  }

  #walkTo(maker: Maker, route: Route, turn: Turn, report: Report): Promise<Resident> {
    const before = async (resident: Resident): Promise<number> => {
      // What it says on the way was said before.
      resident.mark();
      await report(new Uint8Array(0), resident.machine.position().instructions);
      return SLICE_INSTRUCTIONS;
    };
    return walk(maker, route, turn, before);
  }

  /** Sends what was traced, and now and then how far a job is; throws when it is cancelled. */
  #reporter(name: string, job: Job): Report {
    let reportedAt = performance.now();
    return async (trace, instructions) => {
      const now = performance.now();
      if (trace.length > 0 || now - reportedAt > REPORT_EVERY_MS) {
        reportedAt = now;
        await this.#sendBatch(name, job, trace, instructions);
      }
      throwIfCancelled(job);
    };
  }

  async #sendBatch(name: string, job: Job, trace: Uint8Array<ArrayBuffer>, instructions: number): Promise<void> {
    while (job.credits === 0 && !job.cancelled) await new Promise<void>((resolve) => (job.wake = resolve));
    job.credits -= 1;
    this.#post({ kind: "replayBatch", job: name, trace, instructions }, ownedBy(trace));
  }

  #wake(slot: Slot): void {
    slot.runnable = true;
    this.#turns.wake();
  }

  #run(machine: string, slot: Slot): void {
    try {
      this.#slice(machine, slot);
    } catch (error) {
      this.#lose(machine, error);
    }
  }

  #slice(machine: string, slot: Slot): void {
    const { resident } = slot;
    const size = slot.traceMask === 0 ? SLICE_INSTRUCTIONS : TRACED_SLICE_INSTRUCTIONS;
    const { instructions, timeNs } = resident.machine.position();
    const startMs = performance.now();
    const limitNs = slot.pace?.limitNs(startMs, timeNs) ?? Number.MAX_SAFE_INTEGER;
    if (limitNs <= timeNs) {
      this.#rest(slot);
      return;
    }
    const stop = resident.run({ instructions: instructions + size, timeNs: limitNs });
    slot.slices.count += 1;
    slot.slices.durationMs += performance.now() - startMs;
    if (stop.kind === "needPages") {
      this.#fetch(machine, slot, stop);
      return;
    }
    slot.runnable = stop.kind === "limit";
    this.#report(machine, slot, !slot.runnable);
  }

  /** The machine is as far as it may be for now. */
  #rest(slot: Slot): void {
    slot.runnable = false;
    setTimeout(() => this.#wake(slot), REST_MS).unref();
  }

  #fetch(machine: string, slot: Slot, stop: Extract<RunStop, { kind: "needPages" }>): void {
    const { resident } = slot;
    resident.fetching = true;
    const turn: Turn = async (work) => this.#turns.command(machine, slot.share, work);
    resident.fetchPages(stop.pages, turn).then(
      () => {
        resident.fetching = false;
        this.#wake(slot);
      },
      (error: unknown) => {
        // It may have left meanwhile.
        if (this.#slots.get(machine) === slot) this.#lose(machine, error);
      },
    );
  }

  /** What the host lends to the machine failed half-way: what is in memory is of no use any more. */
  #lose(machine: string, error: unknown): void {
    void this.#forget(machine);
    this.#post({ kind: "lost", machine, error: failureOf(error) });
  }

  /** Resolves when its memory may be counted on. */
  async #forget(machine: string): Promise<void> {
    const resident = this.#slots.get(machine)?.resident;
    this.#slots.delete(machine);
    this.#turns.delete(machine);
    if (resident !== undefined) return this.#left(resident);
  }

  #left(resident: Resident): Promise<void> {
    resident.weigh();
    return this.#reclaimer.left(resident.machine.memory.flags.buffer, resident.memoryBytes);
  }

  #report(machine: string, slot: Slot, always: boolean): void {
    const mark = slot.resident.mark();
    const silent = mark.outputs.length === 0 && mark.trace.length === 0;
    const now = performance.now();
    if (silent && !always && now - slot.lastReport < REPORT_EVERY_MS) return;
    slot.lastReport = now;
    slot.ahead.push(sizeOf(mark));
    // What it says last before it rests stands for as long as it rests.
    if (always) slot.resident.weigh();
    const { memoryBytes } = slot.resident;
    const use = this.#turns.takeUse(machine);
    this.#post({ kind: "event", machine, mark, memoryBytes, slices: slot.slices, use }, ownedBy(mark.trace));
    slot.slices = { count: 0, durationMs: 0 };
  }
}

const isFarAhead = ({ ahead }: Slot): boolean =>
  ahead.length >= MARKS_AHEAD || ahead.reduce((sum, bytes) => sum + bytes, 0) >= BYTES_AHEAD;

const ownedBy = (trace?: Uint8Array<ArrayBuffer>): ArrayBuffer[] =>
  trace === undefined || trace.length === 0 ? [] : [trace.buffer];

const sizeOf = ({ outputs, trace }: Mark): number =>
  outputs.reduce((sum, output) => sum + ("bytes" in output ? output.bytes.length : 0), trace.length);

function throwIfCancelled(job: Job): void {
  if (job.cancelled) throw new WorkerError("cancelled", "cancelled");
}

function weightIn(rows: readonly WeightRow[]): WeightOf {
  const weights = new Weights(rows);
  return (share) => weights.of(share);
}

const ASKED: ReadonlySet<Command["kind"]> = new Set(["apply", "query", "capture", "depart", "setTraceMask"]);

function isAsked(command: Work): command is Asked {
  return ASKED.has(command.kind);
}

const isTyped = ({ kind }: Input): boolean => kind === "console" || kind === "terminalInput";

/** Commands of one machine, and each job, form a queue of their own. */
function queueOf(command: Work): string {
  if (command.kind === "execute") return `job ${command.execution.job}`;
  return "job" in command ? `job ${command.job}` : command.machine;
}

function answer(resident: Resident, query: Query): Queried {
  const { machine } = resident;
  const summary = machine.summary();
  switch (query.kind) {
    case "summary":
      return { summary };
    case "tasks":
      return { summary, tasks: machine.tasks() };
    case "regions":
      return { summary, tasks: machine.tasks(), regions: machine.regions(query.task) };
    case "timing":
      return { summary, timing: machine.timing() };
    case "terminals":
      return { summary, terminals: machine.terminals() };
    case "terminalOutput":
      return { summary, terminalOutput: machine.terminalOutput(query.task, query.from) };
    case "memoryMap":
      return { summary, memoryMap: machine.memoryMap() };
    case "frameRuns":
      return { summary, frameRuns: machine.frameRuns(query.from, query.limit, query.owner) };
    case "capabilities":
      return { summary, capabilities: machine.capabilities(query.from, query.limit, query.filter) };
    case "addressSpace":
      return { summary, addressSpace: machine.addressSpace(query.which, query) };
    case "readPhysical":
      return { summary, bytes: machine.readPhysical(query.address, query.length) };
    case "readVirtual":
      return { summary, bytes: machine.readVirtual(query.task, query.address, query.length) };
  }
}
