/**
 * The queue of submissions: a few are graded at a time, the rest wait in the store. Durable by construction: a
 * submission that a crash or a shutdown interrupts is still "queued" or "grading" in the store, and `resume`
 * takes it up again; grading it twice gives the same report.
 *
 * Must hold: the queue is bounded, in all and for each submitter; one submitter's many submissions do not hold up
 * another's one; a cancelled submission never becomes graded.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, cancelled, OstlerError, resourceExhausted } from "../errors.ts";
import { Bell } from "../hosting/feeds.ts";
import type { Hosting } from "../hosting/hosting.ts";
import { WorkerCommandError } from "../hosting/pool.ts";
import type { NewSubmission, Store, SubmissionRow } from "../store/types.ts";
import { inSpan, linkToHere } from "../telemetry/spans.ts";
import { Compiler } from "./compile.ts";
import { Inspector } from "./inspector.ts";
import { PreparedMachines } from "./prepared.ts";
import { RunQuarantine } from "./quarantine.ts";
import { type GradingTools, gradeSubmission } from "./run.ts";

export interface GradingOptions {
  /** Submissions graded at once. */
  concurrency: number;
  maxWaiting: number;
  maxWaitingPerOwner: number;
  /** Whether this one may be graded beside those that are. */
  mayStart(row: SubmissionRow, beside: readonly SubmissionRow[]): boolean;
  /** Called with what went wrong in the background. */
  onError(error: unknown, submissionId: string): void;
}

const DEFAULTS: GradingOptions = {
  concurrency: 2,
  maxWaiting: 500,
  maxWaitingPerOwner: 10,
  mayStart: () => true,
  onError(error, submission) {
    const stack = error instanceof Error ? ((error.cause as Error | undefined)?.stack ?? error.stack) : String(error);
    process.stderr.write(
      `${JSON.stringify({ time: new Date().toISOString(), level: "error", event: "grading", submission, stack })}\n`,
    );
  },
};

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;
const RETRY_AFTER_MS = 10_000;
/** Whatever is stopped ends within milliseconds, unless it hangs. */
const LAST_RUNS_MS = 2_000;
/** How often a submission is looked up that another process grades. */
const LOOK_EVERY_MS = 1_000;

interface Job {
  row: SubmissionRow;
  done: number;
  total: number;
  running: boolean;
  bell: Bell;
  stop: AbortController;
  /** The call that submitted it. */
  links: ReturnType<typeof linkToHere>;
  /** The last change of its row that was begun. */
  written: Promise<void>;
  ended: PromiseWithResolvers<void>;
}

export interface Progress {
  row: SubmissionRow;
  done: number;
  total: number;
}

export const isFinal = ({ state }: SubmissionRow): boolean => state !== "queued" && state !== "grading";

export class Grading {
  readonly compiler: Compiler;
  readonly prepared: PreparedMachines;
  readonly #tools: GradingTools;
  readonly #options: GradingOptions;
  /** In order of arrival; those that run are among them. */
  readonly #jobs = new Map<string, Job>();
  /** Owners of submissions that are being stored: they have their place in the queue already. */
  readonly #arriving: string[] = [];
  readonly #closing = new AbortController();
  readonly #runs = new Set<Promise<void>>();

  constructor(
    { store, hosting }: { store: Store; hosting: Hosting },
    options: Partial<GradingOptions> = {},
    compiler = new Compiler(),
  ) {
    this.compiler = compiler;
    this.prepared = new PreparedMachines(store, hosting);
    this.#tools = {
      store,
      hosting,
      compiler,
      inspector: new Inspector(),
      prepared: this.prepared,
      quarantine: new RunQuarantine(),
    };
    this.#options = { ...DEFAULTS, ...options };
  }

  figures(): { waiting: number; running: number } {
    const running = [...this.#jobs.values()].filter((job) => job.running).length;
    return { waiting: this.#jobs.size - running + this.#arriving.length, running };
  }

  /** Takes up what an earlier process left unfinished. */
  async resume(): Promise<void> {
    for (const row of await this.#tools.store.submissions.unfinished()) this.#enqueue(row);
  }

  /** Stops; what is not finished stays in the store for the next start. Runs that hang their workers are waited for no longer. */
  async close(): Promise<void> {
    this.#closing.abort(cancelled("The server is shutting down."));
    for (const job of this.#jobs.values()) job.stop.abort(this.#closing.signal.reason);
    await Promise.race([Promise.allSettled(this.#runs), sleep(LAST_RUNS_MS, undefined, { ref: false })]);
    this.#tools.inspector.close();
  }

  /** Throws RESOURCE_EXHAUSTED when too many wait already. */
  assertRoom(ownerId: string): void {
    const waiting = [...[...this.#jobs.values()].map(({ row }) => row.ownerId), ...this.#arriving];
    if (waiting.length >= this.#options.maxWaiting) {
      throw resourceExhausted(
        "GRADING_QUEUE_FULL",
        `${waiting.length} submissions wait to be graded already; try again soon.`,
        RETRY_AFTER_MS,
      );
    }
    const own = waiting.filter((owner) => owner === ownerId).length;
    if (own >= this.#options.maxWaitingPerOwner) {
      throw resourceExhausted(
        "TOO_MANY_SUBMISSIONS",
        `${own} of your submissions wait to be graded already; wait for one of them.`,
        RETRY_AFTER_MS,
      );
    }
  }

  /** Stores a submission and queues it. */
  async submit(submission: Omit<NewSubmission, "state" | "report" | "error">): Promise<SubmissionRow> {
    const { ownerId } = submission;
    this.assertRoom(ownerId);
    this.#arriving.push(ownerId);
    try {
      const fresh = { ...submission, state: "queued", report: new Uint8Array(0), error: "" } as const;
      const row = await this.#tools.store.submissions.create(fresh);
      this.#enqueue(row);
      return row;
    } finally {
      this.#arriving.splice(this.#arriving.indexOf(ownerId), 1);
    }
  }

  /** Ends a submission's grading for good, if it has not ended. */
  async cancel(row: SubmissionRow): Promise<SubmissionRow> {
    const { store } = this.#tools;
    const job = this.#jobs.get(row.id);
    job?.stop.abort(cancelled("The submission was cancelled."));
    // What is being written may be its end; nothing is written after it.
    await job?.written;
    const present = (await store.submissions.get(row.id)) ?? row;
    if (isFinal(present)) return present;
    await store.submissions.update(row.id, { state: "cancelled" });
    if (job !== undefined && !job.running) this.#finish(job);
    return { ...present, state: "cancelled" };
  }

  /** Ends the grading of an assignment's submissions; the store has them as cancelled already. */
  async cancelAll(assignmentId: string): Promise<void> {
    const jobs = [...this.#jobs.values()].filter(({ row }) => row.assignmentId === assignmentId);
    for (const job of jobs) {
      job.stop.abort(cancelled("The assignment was deleted."));
      if (!job.running) this.#finish(job);
    }
    await Promise.allSettled(jobs.map((job) => job.ended.promise));
  }

  /** Where a submission stands, each time that changes, until it is final. */
  async *follow(row: SubmissionRow, signal: AbortSignal): AsyncGenerator<Progress> {
    const { store } = this.#tools;
    let told: Progress | null = null;
    for (;;) {
      signal.throwIfAborted();
      const job = this.#jobs.get(row.id);
      const { done, total } = job ?? told ?? { done: 0, total: 0 };
      const now: Progress = { row: (await store.submissions.get(row.id)) ?? row, done, total };
      if (isFinal(now.row)) return yield now;
      if (told?.row.state !== now.row.state || told.done !== done || told.total !== total) yield now;
      told = now;
      const moved = job !== undefined && (job.done !== done || job.total !== total);
      if (!moved) await (job?.bell ?? new Bell()).next(signal, LOOK_EVERY_MS);
    }
  }

  #enqueue(row: SubmissionRow): void {
    if (this.#jobs.has(row.id) || this.#closing.signal.aborted) return;
    this.#jobs.set(row.id, {
      row,
      done: 0,
      total: 0,
      running: false,
      bell: new Bell(),
      stop: new AbortController(),
      links: linkToHere(),
      written: Promise.resolve(),
      ended: Promise.withResolvers(),
    });
    this.#fill();
  }

  /** Starts as many as may run. Those come first whose submitter has none running. */
  #fill(): void {
    while (!this.#closing.signal.aborted) {
      const jobs = [...this.#jobs.values()];
      const running = jobs.filter((job) => job.running);
      if (running.length >= this.#options.concurrency) return;
      const served = new Set(running.map((job) => job.row.ownerId));
      const rows = running.map((job) => job.row);
      // Where it is refused one of theirs is being graded: when that ends they come next.
      const waiting = jobs.filter((job) => !job.running && this.#options.mayStart(job.row, rows));
      const next = waiting.find((job) => !served.has(job.row.ownerId)) ?? waiting[0];
      if (next === undefined) return;
      next.running = true;
      const run = this.#run(next).finally(() => this.#runs.delete(run));
      this.#runs.add(run);
    }
  }

  async #run(job: Job): Promise<void> {
    try {
      const describe = () => ({ "ostler.submission": job.row.id, "ostler.assignment": job.row.assignmentId });
      await inSpan("grade submission", describe, () => this.#grade(job), { root: true, links: job.links });
    } catch (error) {
      if (!job.stop.signal.aborted)
        await this.#fail(job, error).catch((failure) => this.#options.onError(failure, job.row.id));
    } finally {
      this.#finish(job);
      this.#fill();
    }
  }

  async #grade(job: Job): Promise<void> {
    const present = await this.#tools.store.submissions.get(job.row.id);
    if (present === null || isFinal(present)) return;
    await this.#write(job, { state: "grading" });
    job.bell.ring();
    const report = await this.#withRetries(job);
    await this.#write(job, { state: "graded", report, error: "" });
  }

  /** Changes the submission's row, unless its grading was stopped: the row is not this job's any more then. */
  #write(job: Job, change: Parameters<Store["submissions"]["update"]>[1]): Promise<void> {
    const { submissions } = this.#tools.store;
    const write = async () => {
      const present = await submissions.get(job.row.id);
      if (present === null || isFinal(present) || job.stop.signal.aborted) return;
      await submissions.update(job.row.id, change);
    };
    const writing = write();
    job.written = writing.catch(() => {});
    return writing;
  }

  async #withRetries(job: Job): Promise<SubmissionRow["report"]> {
    const { signal } = job.stop;
    const onProgress = (done: number, total: number) => {
      job.done = done;
      job.total = total;
      job.bell.ring();
    };
    for (let attempt = 1; ; attempt++) {
      try {
        return await gradeSubmission(this.#tools, job.row, onProgress, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error) || attempt === ATTEMPTS) throw error;
        await sleep(FIRST_PAUSE_MS * 4 ** (attempt - 1), undefined, { signal });
      }
    }
  }

  async #fail(job: Job, error: unknown): Promise<void> {
    this.#options.onError(error, job.row.id);
    const text =
      error instanceof OstlerError
        ? error.message
        : "The server could not grade the submission; it is not your fault. Submit again, or tell the staff.";
    await this.#write(job, { state: "failed", error: text });
  }

  #finish(job: Job): void {
    this.#jobs.delete(job.row.id);
    job.ended.resolve();
    job.bell.ring();
  }
}

/** Overload and lost workers pass; what a second try cannot change is not tried again. */
function isPassing(error: unknown): boolean {
  if (error instanceof WorkerCommandError) return error.code === "workerLost";
  return error instanceof OstlerError && (error.code === Code.UNAVAILABLE || error.code === Code.RESOURCE_EXHAUSTED);
}
