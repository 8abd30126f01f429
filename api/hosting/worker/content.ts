/**
 * Content by hash inside a worker: a bounded cache over the main thread's store.
 *
 * `now` blocks the worker until the main thread has answered; it exists for the kernel's own accesses, which
 * cannot stop half-way. `later` does not block and serves everything else.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { ContentHash } from "../../../kernel/index.ts";
import type { FetchAnswer, FetchRequest } from "../protocol.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Milliseconds after which a silent main thread is taken for dead. */
const FETCH_PATIENCE_MS = 60_000;

export class ContentMissingError extends Error {
  readonly hash: ContentHash;
  constructor(hash: ContentHash) {
    super(`content ${hash} is missing from the store, or damaged there`);
    this.hash = hash;
  }
}

export interface ContentFetcher {
  now(hashes: readonly ContentHash[]): (Bytes | null)[];
  later(hashes: readonly ContentHash[]): Promise<(Bytes | null)[]>;
}

/** Fetches over a port whose other end is the main thread (see pool.ts). */
export function portFetcher(port: MessagePort, signal: SharedArrayBuffer): ContentFetcher {
  const answered = new Int32Array(signal);
  const waiting = new Map<number, (blobs: (Bytes | null)[]) => void>();
  let nextTicket = 1;

  const deliver = (answer: FetchAnswer) => {
    const resolve = waiting.get(answer.ticket);
    waiting.delete(answer.ticket);
    resolve?.(answer.blobs);
  };
  port.on("message", deliver);

  return {
    now(hashes) {
      const ticket = nextTicket++;
      port.postMessage({ ticket, hashes: [...hashes] } satisfies FetchRequest);
      for (;;) {
        const seen = Atomics.load(answered, 0);
        const received = receiveMessageOnPort(port) as { message: FetchAnswer } | undefined;
        if (received === undefined) {
          if (Atomics.wait(answered, 0, seen, FETCH_PATIENCE_MS) === "timed-out")
            throw new Error("the store does not answer");
          continue;
        }
        if (received.message.ticket === ticket) return received.message.blobs;
        deliver(received.message);
      }
    },
    later(hashes) {
      const ticket = nextTicket++;
      return new Promise((resolve) => {
        waiting.set(ticket, resolve);
        port.postMessage({ ticket, hashes: [...hashes] } satisfies FetchRequest);
      });
    },
  };
}

/** Least recently used content up to a number of bytes. */
export class ContentCache {
  readonly #fetcher: ContentFetcher;
  readonly #limitBytes: number;
  readonly #entries = new Map<ContentHash, Bytes>();
  #bytes = 0;

  constructor(fetcher: ContentFetcher, limitBytes: number) {
    this.#fetcher = fetcher;
    this.#limitBytes = limitBytes;
  }

  now(hashes: readonly ContentHash[]): Bytes[] {
    const { held, missing } = this.#look(hashes);
    if (missing.length > 0) this.#collect(held, missing, this.#fetcher.now(missing));
    return this.#use(hashes, held);
  }

  async later(hashes: readonly ContentHash[]): Promise<Bytes[]> {
    const { held, missing } = this.#look(hashes);
    if (missing.length > 0) this.#collect(held, missing, await this.#fetcher.later(missing));
    return this.#use(hashes, held);
  }

  /** Content that was made here and is about to be asked for again. */
  add(hash: ContentHash, data: Bytes): void {
    if (this.#entries.has(hash)) return;
    this.#entries.set(hash, data);
    this.#bytes += data.length;
    this.#shrink();
  }

  /**
   * What is here is held from now on: by the time the rest has come, or has been put into the cache, it may have
   * left the cache.
   */
  #look(hashes: readonly ContentHash[]): { held: Map<ContentHash, Bytes>; missing: ContentHash[] } {
    const held = new Map<ContentHash, Bytes>();
    const missing = new Set<ContentHash>();
    for (const hash of hashes) {
      const data = this.#entries.get(hash);
      if (data === undefined) missing.add(hash);
      else held.set(hash, data);
    }
    return { held, missing: [...missing] };
  }

  #collect(held: Map<ContentHash, Bytes>, missing: readonly ContentHash[], blobs: readonly (Bytes | null)[]): void {
    for (const [index, hash] of missing.entries()) {
      const data = blobs[index];
      if (data) held.set(hash, data);
    }
  }

  #use(hashes: readonly ContentHash[], held: ReadonlyMap<ContentHash, Bytes>): Bytes[] {
    return hashes.map((hash) => {
      const data = held.get(hash);
      if (data === undefined) throw new ContentMissingError(hash);
      if (this.#entries.delete(hash)) this.#entries.set(hash, data);
      else this.add(hash, data);
      return data;
    });
  }

  #shrink(): void {
    for (const [hash, data] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) return;
      this.#entries.delete(hash);
      this.#bytes -= data.length;
    }
  }
}
