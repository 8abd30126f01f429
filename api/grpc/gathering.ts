/**
 * Messages that are still arriving. grpc-js gathers each in memory before anybody sees it, up to the limit and for as long
 * as its client likes. So that nobody can fill the memory with them, or hold a call open with nothing, only so many bytes
 * are gathered at once, and what arrives too slowly is given up (as over REST: rest/uploads.ts, rest/patience.ts).
 *
 * The bytes of a call count until its message was passed on and, where it is the only one, until the call has ended: that
 * long somebody works on them. What does not arrive because we do not read it is our own slowness.
 */
import type { ServerHttp2Stream } from "node:http2";
import { type OstlerError, resourceExhausted } from "../errors.ts";
import { type Patience, requestTimeout } from "../patience.ts";
import { MessageEnds } from "./frames.ts";

export interface GatheringOptions {
  readonly budgetBytes: number;
  readonly patience: Patience;
}

/** Nobody is refused for less. */
const smallBytes = 64 * 1024;
const retryAfterMs = 1_000;

/** A call that is watched. */
export interface Gathered {
  /** A message has been passed on. */
  taken(): void;
}

interface Entry {
  readonly stream: ServerHttp2Stream;
  readonly isOnlyMessage: boolean;
  readonly refuse: (error: OstlerError) => void;
  readonly ends: MessageEnds;
  /** Sizes of messages that are there and were not passed on. */
  readonly whole: number[];
  bytes: number;
  /** Since the last look. */
  arrived: number;
  /** It came after that. */
  isNew: boolean;
}

export class Gathering {
  readonly #options: GatheringOptions;
  /** Those whose message is not there. */
  readonly #waiting = new Set<Entry>();
  #held = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#held;
  }

  /** `isOnlyMessage`: the call has one, which is due at once; else messages may be long in coming, but not in parts. */
  watch(stream: ServerHttp2Stream, isOnlyMessage: boolean, refuse: (error: OstlerError) => void): Gathered {
    const ends = new MessageEnds();
    const entry: Entry = { stream, isOnlyMessage, refuse, ends, whole: [], bytes: 0, arrived: 0, isNew: true };
    if (isOnlyMessage) this.#waitFor(entry);
    stream.on("data", (chunk: Buffer) => this.#received(entry, chunk));
    stream.once("close", () => this.#release(entry));
    return {
      taken: () => {
        if (isOnlyMessage) this.#waiting.delete(entry);
        else this.#passedOn(entry);
      },
    };
  }

  #received(entry: Entry, chunk: Buffer): void {
    entry.bytes += chunk.length;
    entry.arrived += chunk.length;
    this.#held += chunk.length;
    if (!entry.isOnlyMessage) this.#findMessages(entry, chunk);
    if (entry.bytes > smallBytes && this.#held > this.#options.budgetBytes) this.#refuse(entry, tooManyUploads());
  }

  #findMessages(entry: Entry, chunk: Buffer): void {
    const whole = entry.ends.push(chunk);
    entry.whole.push(...whole);
    // Each message has a time of its own to arrive in.
    if (whole.length > 0) this.#waiting.delete(entry);
    if (entry.ends.partBytes > 0) this.#waitFor(entry);
  }

  /** What has begun to arrive behind it stays counted, and is waited for. */
  #passedOn(entry: Entry): void {
    const bytes = entry.whole.shift() ?? 0;
    entry.bytes -= bytes;
    this.#held -= bytes;
  }

  #waitFor(entry: Entry): void {
    if (this.#waiting.has(entry)) return;
    entry.isNew = true;
    this.#waiting.add(entry);
    this.#timer ??= setInterval(() => this.#look(), this.#options.patience.lookEveryMs).unref();
  }

  #look(): void {
    for (const entry of this.#waiting) {
      const { arrived, isNew, stream } = entry;
      entry.arrived = 0;
      entry.isNew = false;
      if (isNew || arrived >= this.#options.patience.leastBytesPerLook || stream.isPaused()) continue;
      this.#refuse(entry, requestTimeout());
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #refuse(entry: Entry, error: OstlerError): void {
    this.#release(entry);
    entry.refuse(error);
  }

  #release(entry: Entry): void {
    this.#waiting.delete(entry);
    this.#held -= entry.bytes;
    entry.bytes = 0;
    entry.whole.length = 0;
  }
}

const tooManyUploads = (): OstlerError =>
  resourceExhausted("TOO_MANY_UPLOADS", "Too many large messages are under way; try again soon.", retryAfterMs);
