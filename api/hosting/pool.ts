/**
 * Worker threads: starts them, sends commands, serves the content that they ask for, and notices when one
 * dies or hangs (watchdog.ts). A machine lives in the worker that it was placed in until it is unloaded or moved, or the worker dies.
 */
import { MessageChannel, Worker } from "node:worker_threads";
import type { Blobs, Hash } from "../store/types.ts";
import { Load } from "./balance.ts";
import { type CompiledCpu, compileCpu } from "./cpu.ts";
import {
  type Command,
  type CommandMessage,
  EXECUTING_BYTES,
  type FetchAnswer,
  type FetchRequest,
  type Signal,
  type WorkerFailure,
  type WorkerMessage,
  type WorkerStart,
} from "./protocol.ts";
import { isSilent, keepLooking, type Look, STUCK_MS, Watchdog, type Watched } from "./watchdog.ts";
import { Executing } from "./worker/executing.ts";
import { HEART_BYTES, Heart } from "./worker/heart.ts";
import { METER_BYTES, Meter } from "./worker/meter.ts";
import type { WeightRow } from "./worker/weights.ts";

type Reply = Extract<WorkerMessage, { kind: "reply" }>;
type Unsolicited = Exclude<WorkerMessage, { kind: "reply" } | { kind: "failed" }>;

/** A command that a worker could not carry out. */
export class WorkerCommandError extends Error {
  readonly code: WorkerFailure["code"] | "workerLost";
  /** Content that is to blame, if it is known. */
  content: Hash | null = null;
  /** Of a lost worker: whom it was executing when it broke or hung, "" for nobody, null if it was ended. */
  culprit: string | null = null;

  static of({ code, message, content }: WorkerFailure): WorkerCommandError {
    const error = new WorkerCommandError(code, message);
    error.content = content ?? null;
    return error;
  }

  constructor(code: WorkerFailure["code"] | "workerLost", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why a worker was ended that did not come back from one step. */
export class WorkerHungError extends Error {
  override readonly name = "WorkerHungError";
}

/** Told of everything that a worker says, in order, before the command's promise resolves. */
export interface PoolListener {
  message(message: Unsolicited | Reply): void;
  /**
   * The worker is gone with all that was in it. `culprit`: whom it was executing when it broke or hung, "" for nobody;
   * null: it was ended.
   */
  lost(worker: PooledWorker, why: Error, culprit: string | null): void;
}

export class PooledWorker implements Watched {
  readonly thread: Worker;
  readonly #pending = new Map<number, { resolve(reply: Reply): void; reject(error: Error): void }>();
  readonly #listener: PoolListener;
  #nextId = 1;
  #closing = false;
  alive = true;
  /** Lives of machines placed here. */
  readonly machines = new Set<string>();
  readonly #executing = new SharedArrayBuffer(EXECUTING_BYTES);
  /** Commands under way that are no machine's (replays, executions). */
  jobs = 0;
  /** What it has had to do since it was started, and how much that was of late. */
  readonly meter: Meter;
  readonly recentLoad = new Load();
  readonly heart: Heart;
  silentMs = 0;
  burntMs = 0;
  /** How many translations the worker keeps, and their bytes. */
  readonly translated: Int32Array;

  constructor(code: URL, cpu: CompiledCpu, weights: readonly WeightRow[], blobs: Blobs, listener: PoolListener) {
    this.#listener = listener;
    const signal = new SharedArrayBuffer(4);
    const { port1: ours, port2: theirs } = new MessageChannel();
    const figures = new SharedArrayBuffer(8);
    this.translated = new Int32Array(figures);
    const meter = new SharedArrayBuffer(METER_BYTES);
    this.meter = new Meter(meter);
    const heart = new SharedArrayBuffer(HEART_BYTES);
    this.heart = new Heart(heart);
    const executing = this.#executing;
    const start: WorkerStart = { cpu: { ...cpu, figures }, signal, executing, heart, meter, weights };
    this.thread = new Worker(code, {
      workerData: { ...start, fetchPort: theirs },
      transferList: [theirs],
      name: "ostler-kernel",
    });
    serveContent(ours, signal, blobs);
    this.thread.on("message", (message: WorkerMessage) => this.#receive(message));
    this.thread.on("error", (error) => this.#died(error, this.executing));
    this.thread.on("exit", () => this.#died(new Error("the worker ended"), null));
  }

  /** Not answered yet. */
  get commands(): number {
    return this.#pending.size;
  }

  /** How long it has been busy since it began. */
  get busyMs(): number {
    return this.thread.performance.eventLoopUtilization().active;
  }

  /** Nothing comes back; a worker that is gone has nothing to be told. */
  tell(command: Signal): void {
    if (this.alive) this.thread.postMessage({ id: null, command } satisfies CommandMessage);
  }

  send(command: Exclude<Command, Signal>): Promise<Reply> {
    if (!this.alive) return Promise.reject(new WorkerCommandError("workerLost", "the worker is gone"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.thread.postMessage({ id, command } satisfies CommandMessage);
    });
  }

  ping(): void {
    this.tell({ kind: "ping" });
  }

  /** Whom it is executing; "": nobody. */
  get executing(): string {
    return Executing.read(this.#executing);
  }

  /** It hangs. It is lost whether or not the thread can be ended: what it says later is not listened to. */
  giveUp(): void {
    const seconds = Math.round(this.silentMs / 1000);
    this.#died(new WorkerHungError(`it did not come back from one step for ${seconds} s`), this.executing);
    this.thread.unref();
    void this.thread.terminate();
  }

  /** Ends the thread as a crash would: what was in it comes back from snapshot and journal. */
  async kill(): Promise<void> {
    await this.thread.terminate();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.thread.terminate();
  }

  #receive(message: WorkerMessage): void {
    if (!this.alive) return;
    if (message.kind === "failed") {
      this.#take(message.id)?.reject(WorkerCommandError.of(message.error));
      return;
    }
    this.#listener.message(message);
    if (message.kind === "reply") this.#take(message.id)?.resolve(message);
  }

  #take(id: number) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #died(error: Error, culprit: string | null): void {
    if (!this.alive) return;
    this.alive = false;
    const lost = new WorkerCommandError("workerLost", error.message);
    lost.culprit = culprit;
    for (const { reject } of this.#pending.values()) reject(lost);
    this.#pending.clear();
    if (!this.#closing) this.#listener.lost(this, error, culprit);
  }
}

/** Answers a worker's requests for content, and rings its bell in case it sleeps for the answer. */
function serveContent(port: import("node:worker_threads").MessagePort, signal: SharedArrayBuffer, blobs: Blobs): void {
  const bell = new Int32Array(signal);
  port.on("message", async ({ ticket, hashes }: FetchRequest) => {
    let answer: FetchAnswer;
    try {
      const found = await blobs.look(hashes as Hash[]);
      answer = { ticket, blobs: hashes.map((hash) => found.get(hash) ?? null) };
    } catch {
      answer = { ticket, blobs: await readOneByOne(blobs, hashes as Hash[]) };
    }
    port.postMessage(answer);
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  });
  port.unref();
}

/** A damaged blob is a missing one to the machine that needs it, and names itself there. The others are good. */
async function readOneByOne(blobs: Blobs, hashes: readonly Hash[]): Promise<FetchAnswer["blobs"]> {
  const read = async (hash: Hash) => {
    const found = await blobs.look([hash]).catch(() => null);
    return found?.get(hash) ?? null;
  };
  return Promise.all(hashes.map(read));
}

/** A machine or job that does nothing is worth little, but something: memory, and what it may do yet. */
const IDLE_LOAD = 0.01;
/** Of one that has just been placed. */
const EXPECTED_LOAD = 0.25;

export interface PoolOptions {
  workers: number;
  translate?: boolean | undefined;
  /** A worker that shows no sign of life for so long is ended (watchdog.ts). */
  stuckMs?: number | undefined;
  /** Looks after that by itself. */
  watches?: boolean | undefined;
  /** What a worker executes. */
  workerCode?: URL | undefined;
  /** Those that are set now. */
  weights?(): readonly WeightRow[];
}

export class Pool {
  readonly #weights: () => readonly WeightRow[];
  readonly #blobs: Blobs;
  readonly #listener: PoolListener;
  readonly #cpu: CompiledCpu;
  readonly #code: URL;
  readonly #watchdog: Watchdog<PooledWorker>;
  readonly #stopLooking: () => void;
  #workers: PooledWorker[];

  constructor(options: PoolOptions, blobs: Blobs, listener: PoolListener) {
    const { workers, translate, weights, stuckMs = STUCK_MS, watches, workerCode } = options;
    this.#code = workerCode ?? new URL("./worker/thread.ts", import.meta.url);
    this.#watchdog = new Watchdog(stuckMs);
    this.#stopLooking = watches ? keepLooking(() => this.endHung()) : () => {};
    this.#weights = weights ?? (() => []);
    this.#cpu = compileCpu(translate);
    this.#blobs = blobs;
    this.#listener = {
      message: (message) => listener.message(message),
      lost: (worker, why, culprit) => {
        this.#workers = this.#workers.map((other) => (other === worker ? this.#start() : other));
        listener.lost(worker, why, culprit);
      },
    };
    this.#workers = Array.from({ length: workers }, () => this.#start());
  }

  /** Commands that workers have not answered yet, replays and executions among them; what they have translated; what machines left behind in them; how busy they were. */
  figures() {
    const sum = (of: (worker: PooledWorker) => number) => this.#workers.reduce((total, each) => total + of(each), 0);
    return {
      commands: sum((worker) => worker.commands),
      jobs: sum((worker) => worker.jobs),
      translations: sum((worker) => worker.translated[0]!),
      translatedBytes: sum((worker) => worker.translated[1]!),
      departedBytes: sum((worker) => worker.meter.departedBytes),
      busyMs: this.#workers.map((worker) => worker.busyMs),
    };
  }

  get workers(): readonly PooledWorker[] {
    return this.#workers;
  }

  /** Ends the workers that hang, and starts others in their place. */
  endHung(look?: Look): void {
    for (const worker of this.#watchdog.look(this.#workers, look)) worker.giveUp();
  }

  /** The worker with the least to do of late, for something of which nobody knows yet how much it wants. */
  place(): PooledWorker {
    const load = (worker: PooledWorker) => worker.recentLoad.value + (worker.machines.size + worker.jobs) * IDLE_LOAD;
    const answering = this.#workers.filter((worker) => !isSilent(worker));
    const among = answering.length > 0 ? answering : this.#workers;
    const least = among.reduce((best, worker) => (load(worker) < load(best) ? worker : best));
    least.recentLoad.expect(EXPECTED_LOAD);
    return least;
  }

  /** Weights have changed. */
  reweigh(): void {
    const weights = this.#weights();
    for (const worker of this.#workers) worker.tell({ kind: "reweigh", weights });
  }

  async close(): Promise<void> {
    this.#stopLooking();
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #start(): PooledWorker {
    return new PooledWorker(this.#code, this.#cpu, this.#weights(), this.#blobs, this.#listener);
  }
}
