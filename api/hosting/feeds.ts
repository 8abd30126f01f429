/**
 * What followers of one machine hold: a console reader by offset, and trace subscriptions with bounded queues.
 *
 * A slow reader is never waited for and never silently cut: what did not fit its queue is told as a gap, and
 * can be had by re-execution.
 */

/** Console bytes kept in memory for followers that are up to date; older output is read from the store. */
const CONSOLE_TAIL_BYTES = 64 * 1024;
/** Packed trace bytes that one subscription may have waiting. */
export const TRACE_QUEUE_BYTES = 8 * 1024 * 1024;

export class ConsoleTail {
  #parts: { offset: number; bytes: Uint8Array }[] = [];
  #bytes = 0;

  add(offset: number, bytes: Uint8Array): void {
    this.#parts.push({ offset, bytes });
    this.#bytes += bytes.length;
    while (this.#bytes > CONSOLE_TAIL_BYTES && this.#parts.length > 1) this.#bytes -= this.#parts.shift()!.bytes.length;
  }

  /** Bytes from exactly `offset` on, or null when the tail does not reach back so far. */
  from(offset: number, limit: number): Uint8Array | null {
    const first = this.#parts.findIndex((part) => part.offset <= offset && offset < part.offset + part.bytes.length);
    if (first < 0) return null;
    const chosen: Uint8Array[] = [];
    let room = limit;
    for (const part of this.#parts.slice(first)) {
      if (room === 0) break;
      const skip = Math.max(0, offset - part.offset);
      const bytes = part.bytes.subarray(skip, skip + room);
      chosen.push(bytes);
      room -= bytes.length;
    }
    return Buffer.concat(chosen);
  }
}

/** Wakes everything that waits for the machine to change. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) wake();
  }

  /** Resolves at the next ring, when the signal aborts, or after `timeoutMs`. */
  next(signal: AbortSignal, timeoutMs = 0): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      let timer: NodeJS.Timeout | undefined;
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      if (timeoutMs > 0) timer = setTimeout(wake, timeoutMs);
      signal.addEventListener("abort", wake);
      this.#waiting.push(wake);
    });
  }
}

export type TraceItem =
  | { kind: "records"; bytes: Uint8Array; lastSequence: number }
  | { kind: "gap"; firstSequence: number; lastSequence: number };

export class TraceSubscription {
  readonly mask: number;
  readonly #limitBytes: number;
  readonly #bell = new Bell();
  #items: TraceItem[] = [];
  #bytes = 0;
  /** Sequence of the last record that was offered. */
  #seen: number;
  /** Set when the machine goes away; what was queued is still delivered. */
  ended: Error | null = null;

  constructor(mask: number, sequence: number, limitBytes = TRACE_QUEUE_BYTES) {
    this.mask = mask;
    this.#seen = sequence;
    this.#limitBytes = limitBytes;
  }

  /** `lastSequence`: the machine's event count after these records. */
  offer(bytes: Uint8Array, lastSequence: number): void {
    if (this.#bytes + bytes.length > this.#limitBytes) this.#addGap(this.#seen + 1, lastSequence);
    else this.#items.push({ kind: "records", bytes, lastSequence });
    if (this.#items.at(-1)?.kind === "records") this.#bytes += bytes.length;
    this.#seen = lastSequence;
    this.#bell.ring();
  }

  end(error: Error): void {
    this.ended = error;
    this.#bell.ring();
  }

  /** What has gathered; waits for something if there is nothing. Empty: the signal aborted, or it ended. */
  async take(signal: AbortSignal): Promise<TraceItem[]> {
    while (this.#items.length === 0 && this.ended === null && !signal.aborted) await this.#bell.next(signal);
    return this.poll();
  }

  /** The same without waiting. */
  poll(): TraceItem[] {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    return items;
  }

  #addGap(firstSequence: number, lastSequence: number): void {
    const last = this.#items.at(-1);
    if (last?.kind === "gap") last.lastSequence = lastSequence;
    else this.#items.push({ kind: "gap", firstSequence, lastSequence });
  }
}

export interface ReplayBatch {
  trace: Uint8Array<ArrayBuffer>;
  /** How far the re-execution had come. */
  instructions: number;
}

/** Batches of a re-execution between the worker and a reader; `onTaken` lets the worker send another. */
export class BatchQueue {
  readonly #onTaken: () => void;
  readonly #batches: ReplayBatch[] = [];
  #outcome: { error: Error | null } | null = null;
  #wake: (() => void) | null = null;

  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  push(batch: ReplayBatch): void {
    this.#batches.push(batch);
    this.#wake?.();
  }

  end(error: Error | null): void {
    this.#outcome = { error };
    this.#wake?.();
  }

  async *drain(): AsyncGenerator<ReplayBatch> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch !== undefined) {
        this.#onTaken();
        yield batch;
      } else if (this.#outcome !== null) {
        if (this.#outcome.error !== null) throw this.#outcome.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
