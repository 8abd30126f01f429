/**
 * What followers of one machine hold: a console reader by offset, and trace subscriptions with bounded queues.
 *
 * A slow reader is never waited for and never silently cut: what did not fit its queue is told as a gap, and
 * can be had by re-execution.
 */

/** Console bytes kept in memory for followers that are up to date; older output is read from the store. */
const CONSOLE_TAIL_BYTES = 64 * 1024;
const SMALLEST_TAIL_BYTES = 1024;
/** What one subscription may have waiting: packed trace bytes and ITEM_BYTES for each batch. */
export const TRACE_QUEUE_BYTES = 8 * 1024 * 1024;
/** More than a machine has terminals at a time. */
const REMEMBERED_NEWS = 256;
/** What an item costs beside its bytes: many small ones must not slip through the limit. */
const ITEM_BYTES = 256;

/** The end of a console's output, in a ring: however small the parts are that it comes in, they cost their bytes. */
export class ConsoleTail {
  /** A byte at some console offset stands at that offset modulo the length. Grows while there is little output. */
  #ring = new Uint8Array(0);
  #start = 0;
  #end = 0;

  add(offset: number, bytes: Uint8Array): void {
    if (offset !== this.#end) this.#start = this.#end = offset;
    // What would be overwritten at once is not written.
    const kept = bytes.subarray(Math.max(0, bytes.length - CONSOLE_TAIL_BYTES));
    this.#makeRoom(Math.min(CONSOLE_TAIL_BYTES, this.#end - this.#start + bytes.length));
    this.#end = offset + bytes.length;
    const at = (this.#end - kept.length) % this.#ring.length;
    const first = kept.subarray(0, this.#ring.length - at);
    this.#ring.set(first, at);
    this.#ring.set(kept.subarray(first.length), 0);
    this.#start = Math.max(this.#start, this.#end - this.#ring.length);
  }

  /** Bytes from exactly `offset` on, or null when the tail does not reach back so far. */
  from(offset: number, limit: number): Uint8Array | null {
    if (offset < this.#start || offset >= this.#end) return null;
    const length = Math.min(limit, this.#end - offset);
    const at = offset % this.#ring.length;
    const first = this.#ring.subarray(at, at + length);
    return Buffer.concat([first, this.#ring.subarray(0, length - first.length)]);
  }

  /** What its memory costs. */
  get capacity(): number {
    return this.#ring.length;
  }

  #makeRoom(length: number): void {
    if (length <= this.#ring.length) return;
    let size = Math.max(SMALLEST_TAIL_BYTES, this.#ring.length);
    while (size < length) size *= 2;
    const held = this.from(this.#start, this.#ring.length) ?? new Uint8Array(0);
    this.#ring = new Uint8Array(size);
    const at = this.#start % size;
    this.#ring.set(held.subarray(0, size - at), at);
    this.#ring.set(held.subarray(size - at), 0);
  }
}

/** Wakes everything that waits for the machine to change. */
export class Bell {
  #waiting = new Set<() => void>();

  ring(): void {
    const woken = this.#waiting;
    this.#waiting = new Set();
    for (const wake of woken) wake();
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves at the next ring, when the signal aborts, or after `timeoutMs`. */
  next(signal: AbortSignal, timeoutMs = 0): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      let timer: NodeJS.Timeout | undefined;
      const wake = () => {
        // Also when it was not the bell: one that seldom rings must not gather those who have gone.
        this.#waiting.delete(wake);
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      if (timeoutMs > 0) timer = setTimeout(wake, timeoutMs);
      signal.addEventListener("abort", wake);
      this.#waiting.add(wake);
    });
  }
}

/** Whether there is anything new about each of a few things, of which there may have been any number in time. */
export class News<Name> {
  readonly #last = new Map<Name, number>();
  #count = 0;

  note(name: Name): void {
    this.#count += 1;
    this.#last.delete(name);
    this.#last.set(name, this.#count);
    if (this.#last.size > REMEMBERED_NEWS) this.#last.delete(this.#last.keys().next().value!);
  }

  /** Another number than before whenever there was something new, and also when that is forgotten: who sees it looks. */
  of(name: Name): number {
    return this.#last.get(name) ?? 0;
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

  readonly #onDropped: (events: number) => void;

  constructor(
    mask: number,
    sequence: number,
    limitBytes = TRACE_QUEUE_BYTES,
    onDropped: (events: number) => void = () => {},
  ) {
    this.#onDropped = onDropped;
    this.mask = mask;
    this.#seen = sequence;
    this.#limitBytes = limitBytes;
  }

  /** `lastSequence`: the machine's event count after these records. */
  offer(bytes: Uint8Array, lastSequence: number): void {
    const fits = this.#bytes + bytes.length + ITEM_BYTES <= this.#limitBytes;
    if (bytes.length === 0) this.#pass(lastSequence, fits);
    else if (fits) this.#addRecords(bytes, lastSequence);
    else this.#addGap(this.#seen + 1, lastSequence);
    this.#seen = lastSequence;
    this.#bell.ring();
  }

  /** What waits to be taken. */
  get bytes(): number {
    return this.#bytes;
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

  /** Events passed that nobody watches: they move where a reader resumes, but gather nothing. */
  #pass(lastSequence: number, fits: boolean): void {
    const last = this.#items.at(-1);
    if (last?.kind === "records") last.lastSequence = lastSequence;
    else if (fits) this.#addRecords(new Uint8Array(0), lastSequence);
  }

  #addRecords(bytes: Uint8Array, lastSequence: number): void {
    this.#items.push({ kind: "records", bytes, lastSequence });
    this.#bytes += bytes.length + ITEM_BYTES;
  }

  #addGap(firstSequence: number, lastSequence: number): void {
    this.#onDropped(lastSequence - firstSequence + 1);
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
