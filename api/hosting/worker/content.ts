/**
 * Content by hash inside a worker: a bounded cache over the main thread's store.
 *
 * `now` blocks the worker until the main thread has answered; it exists for the kernel's own accesses, which
 * cannot stop half-way. `later` does not block and serves everything else. Of content that is stored in pieces only
 * those pieces are fetched that parts of it are asked for.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { ContentHash } from "../../../kernel/index.ts";
import type { Pieces } from "../../store/types.ts";
import { joined, spanOf } from "../pieces.ts";
import type { FetchAnswer, FetchRequest } from "../protocol.ts";
import type { Heart } from "./heart.ts";

type Bytes = Uint8Array<ArrayBuffer>;
/** As it is in the store: in one, or as a list of pieces. */
type Stored = Bytes | Pieces;
type Fetched = Stored | null;

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
  now(hashes: readonly ContentHash[]): Fetched[];
  later(hashes: readonly ContentHash[]): Promise<Fetched[]>;
}

/** Fetches over a port whose other end is the main thread (see pool.ts). */
export function portFetcher(port: MessagePort, signal: SharedArrayBuffer, heart: Heart): ContentFetcher {
  const answered = new Int32Array(signal);
  const waiting = new Map<number, (blobs: Fetched[]) => void>();
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
          const wait = () => Atomics.wait(answered, 0, seen, FETCH_PATIENCE_MS);
          if (heart.whileWaiting(wait) === "timed-out") throw new Error("the store does not answer");
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

/** About what a list of pieces takes, each of them. */
const LISTED_BYTES = 128;
const bytesOf = (stored: Stored): number =>
  stored instanceof Uint8Array ? stored.length : stored.hashes.length * LISTED_BYTES;

/** Least recently used content up to a number of bytes. */
export class ContentCache {
  readonly #fetcher: ContentFetcher;
  readonly #limitBytes: number;
  readonly #entries = new Map<ContentHash, Stored>();
  #bytes = 0;

  constructor(fetcher: ContentFetcher, limitBytes: number) {
    this.#fetcher = fetcher;
    this.#limitBytes = limitBytes;
  }

  now(hashes: readonly ContentHash[]): Bytes[] {
    return this.#storedNow(hashes).map((stored) =>
      stored instanceof Uint8Array ? stored : joined(this.now(stored.hashes)),
    );
  }

  async later(hashes: readonly ContentHash[]): Promise<Bytes[]> {
    const inOne = async (stored: Stored) =>
      stored instanceof Uint8Array ? stored : joined(await this.later(stored.hashes));
    return Promise.all((await this.#storedLater(hashes)).map(inOne));
  }

  /** At once, as `now`. Shorter where the content ends. */
  part(hash: ContentHash, offset: number, length: number): Uint8Array {
    const stored = this.#storedNow([hash])[0]!;
    if (stored instanceof Uint8Array) return stored.subarray(offset, offset + length);
    const { start, hashes } = spanOf(stored, offset, length);
    return joined(hashes.map((piece) => this.now([piece])[0]!)).subarray(offset - start, offset - start + length);
  }

  async sizeLater(hash: ContentHash): Promise<number> {
    const [stored] = await this.#storedLater([hash]);
    return stored instanceof Uint8Array ? stored.length : stored!.size;
  }

  /** What has to be fetched for a part, and where in the content that begins. */
  async aroundLater(
    hash: ContentHash,
    { offset, length }: { offset: number; length: number },
  ): Promise<{ start: number; bytes: Uint8Array }> {
    const stored = (await this.#storedLater([hash]))[0]!;
    if (stored instanceof Uint8Array) return { start: 0, bytes: stored };
    const { start, hashes } = spanOf(stored, offset, length);
    return { start, bytes: joined(await this.later(hashes)) };
  }

  #storedNow(hashes: readonly ContentHash[]): Stored[] {
    const { held, missing } = this.#look(hashes);
    if (missing.length > 0) this.#collect(held, missing, this.#fetcher.now(missing));
    return this.#use(hashes, held);
  }

  async #storedLater(hashes: readonly ContentHash[]): Promise<Stored[]> {
    const { held, missing } = this.#look(hashes);
    if (missing.length > 0) this.#collect(held, missing, await this.#fetcher.later(missing));
    return this.#use(hashes, held);
  }

  /** Content that was made here and is about to be asked for again. */
  add(hash: ContentHash, data: Bytes): void {
    if (this.#entries.has(hash)) return;
    this.#keep(hash, data);
  }

  #keep(hash: ContentHash, stored: Stored): void {
    this.#entries.set(hash, stored);
    this.#bytes += bytesOf(stored);
    this.#shrink();
  }

  /**
   * What is here is held from now on: by the time the rest has come, or has been put into the cache, it may have
   * left the cache.
   */
  #look(hashes: readonly ContentHash[]): { held: Map<ContentHash, Stored>; missing: ContentHash[] } {
    const held = new Map<ContentHash, Stored>();
    const missing = new Set<ContentHash>();
    for (const hash of hashes) {
      const data = this.#entries.get(hash);
      if (data === undefined) missing.add(hash);
      else held.set(hash, data);
    }
    return { held, missing: [...missing] };
  }

  #collect(held: Map<ContentHash, Stored>, missing: readonly ContentHash[], blobs: readonly Fetched[]): void {
    for (const [index, hash] of missing.entries()) {
      const data = blobs[index];
      if (data) held.set(hash, data);
    }
  }

  #use(hashes: readonly ContentHash[], held: ReadonlyMap<ContentHash, Stored>): Stored[] {
    return hashes.map((hash) => {
      const data = held.get(hash);
      if (data === undefined) throw new ContentMissingError(hash);
      if (this.#entries.delete(hash)) this.#entries.set(hash, data);
      else this.#keep(hash, data);
      return data;
    });
  }

  #shrink(): void {
    for (const [hash, data] of this.#entries) {
      if (this.#bytes <= this.#limitBytes) return;
      this.#entries.delete(hash);
      this.#bytes -= bytesOf(data);
    }
  }
}
