/**
 * Output commit: nothing that follows from an input, or that shows how far a machine has come, leaves the
 * server before the journal holds it.
 *
 * Marks of one machine pass in order. While one commit is under way those behind it gather, so a busy
 * machine costs one transaction a commit, not one a mark; the store gathers the machines among themselves.
 */
import type { CommitBatch, IdempotencyRow, Journal, MachineStatus, Position } from "../store/types.ts";
import type { Mark } from "./protocol.ts";

interface Waiting {
  mark: Mark;
  /** Answers to be remembered together with the entries that they answer. */
  receipt: ((mark: Mark) => IdempotencyRow | null) | null;
  resolve(): void;
  reject(error: unknown): void;
}

export interface Committed {
  sequence: number;
  reached: Position;
  status: MachineStatus;
}

interface GateHost {
  release(mark: Mark): void;
  /** Told what of this thread's time commits take, in milliseconds. */
  took(ms: number): void;
}

export class Gate {
  readonly #journal: Journal;
  readonly #machineId: string;
  readonly #epoch: number;
  readonly #host: GateHost;
  #waiting: Waiting[] = [];
  #committing = false;
  #failure: { error: unknown } | null = null;
  committed: Committed;

  constructor(journal: Journal, machineId: string, epoch: number, committed: Committed, host: GateHost) {
    this.#journal = journal;
    this.#machineId = machineId;
    this.#epoch = epoch;
    this.#host = host;
    this.committed = committed;
  }

  /** Resolves when the mark is durable and has been released. Once one has failed, none passes any more. */
  pass(mark: Mark, receipt: Waiting["receipt"] = null): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ mark, receipt, resolve, reject });
      if (!this.#committing) void this.#commitWaiting();
    });
  }

  async #commitWaiting(): Promise<void> {
    this.#committing = true;
    while (this.#waiting.length > 0) {
      const parts = this.#waiting;
      this.#waiting = [];
      try {
        await this.#commit(parts);
      } catch (error) {
        this.#fail(error, parts);
      }
    }
    this.#committing = false;
  }

  async #commit(parts: readonly Waiting[]): Promise<void> {
    const batch = { ...batchOf(this.#machineId, this.#epoch, parts), took: (ms: number) => this.#host.took(ms) };
    if (this.#isNews(batch)) await this.#journal.commit(batch);
    const { sequence } = parts.at(-1)!.mark;
    this.committed = { sequence, reached: batch.reached, status: batch.status };
    for (const part of parts) {
      this.#host.release(part.mark);
      part.resolve();
    }
  }

  /** What came behind the failed marks follows from them. */
  #fail(error: unknown, parts: readonly Waiting[]): void {
    this.#failure = { error };
    for (const part of [...parts, ...this.#waiting]) part.reject(error);
    this.#waiting = [];
  }

  #isNews(batch: CommitBatch): boolean {
    const { reached, status } = this.committed;
    return (
      batch.entries.length > 0 ||
      batch.console.length > 0 ||
      batch.idempotency.length > 0 ||
      batch.reached.timeNs > reached.timeNs ||
      batch.reached.instructions > reached.instructions ||
      batch.status.run !== status.run ||
      batch.status.reason !== status.reason ||
      batch.status.taskCount !== status.taskCount ||
      batch.status.traceSequence > status.traceSequence
    );
  }
}

function batchOf(machineId: string, epoch: number, parts: readonly Waiting[]): CommitBatch {
  const { summary } = parts.at(-1)!.mark;
  const marks = parts.map((part) => part.mark);
  return {
    machineId,
    epoch,
    entries: marks.flatMap((mark) => mark.entries),
    console: marks.flatMap((mark) =>
      mark.outputs.flatMap((output) =>
        output.kind === "console" ? [{ offset: output.offset, bytes: output.bytes as Uint8Array<ArrayBuffer> }] : [],
      ),
    ),
    idempotency: parts.flatMap((part) => part.receipt?.(part.mark) ?? []),
    reached: summary.position,
    status: statusOf(summary),
  };
}

export const statusOf = (summary: Mark["summary"]): MachineStatus => ({
  run: summary.run,
  reason: summary.reason,
  consoleLength: summary.consoleLength,
  taskCount: summary.taskCount,
  traceSequence: summary.traceSequence,
});
