/**
 * The streams that are open. Each stays open for as long as it would be let in: when something about a key, a user or a
 * course has changed, all are authorised anew, and those that are refused end with that refusal; the streams of a key
 * that expires end at that moment.
 *
 * Must hold: a change is seen by every stream that was opened before it, also while one is still being let in, or while
 * the store cannot be asked: then it is asked again until it answers.
 */
import { Code, OstlerError, unauthenticated } from "../errors.ts";
import type { Context } from "../operation.ts";
import { callerOf, type Identifier } from "./identity.ts";

/** When the store did not answer. */
const ASK_AGAIN_MS = 1_000;
/** The clock may be set, so that the time until an expiry is not always the time that passes. */
const LONGEST_SLEEP_MS = 60_000;

export interface OpenStream {
  /** Throws unless the stream may be open. Until its first message is there, that is a matter of the key alone. */
  authorise: () => Promise<void>;
  /** It has ended. */
  close(): void;
}

interface Entry {
  readonly context: Context;
  readonly stream: OpenStream;
}

export class OpenStreams {
  readonly #current: Identifier["current"];
  readonly #open = new Set<Entry>();
  /** To be authorised anew. */
  readonly #doubted = new Set<Entry>();
  #isAsking = false;
  #expiry: NodeJS.Timeout | undefined;
  #expiryAt = Number.POSITIVE_INFINITY;

  constructor(current: Identifier["current"]) {
    this.#current = current;
  }

  get size(): number {
    return this.#open.size;
  }

  open(context: Context): OpenStream {
    const stream: OpenStream = {
      authorise: async () => void (await this.#current(context)),
      close: () => {
        this.#open.delete(entry);
        this.#doubted.delete(entry);
      },
    };
    const entry = { context, stream };
    this.#open.add(entry);
    const at = expiryOf(entry);
    if (at < this.#expiryAt) this.#sleepUntil(at);
    return stream;
  }

  /** What somebody may do has changed. */
  changed(): void {
    for (const entry of this.#open) this.#doubted.add(entry);
    if (!this.#isAsking) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const unanswered: Entry[] = [];
    // What is added meanwhile comes by as well.
    for (const entry of this.#doubted) {
      this.#doubted.delete(entry);
      if (!(await settles(entry))) unanswered.push(entry);
    }
    this.#isAsking = false;
    if (unanswered.length === 0) return;
    setTimeout(() => {
      for (const entry of unanswered) if (this.#open.has(entry)) this.#doubted.add(entry);
      if (!this.#isAsking) void this.#ask();
    }, ASK_AGAIN_MS).unref();
  }

  #sleepUntil(at: number): void {
    clearTimeout(this.#expiry);
    this.#expiryAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#expiry = setTimeout(() => this.#expire(), Math.min(LONGEST_SLEEP_MS, Math.max(0, at - Date.now())));
    this.#expiry.unref();
  }

  #expire(): void {
    const now = Date.now();
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#open) {
      const at = expiryOf(entry);
      if (at > now) next = Math.min(next, at);
      else entry.context.abort(() => unauthenticated("The API key that opened this stream has expired."));
    }
    this.#sleepUntil(next);
  }
}

const expiryOf = ({ context }: Entry): number => callerOf(context).key.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;

/** Ends the stream if it is refused. False: that could not be found out now. */
async function settles({ context, stream }: Entry): Promise<boolean> {
  try {
    await stream.authorise();
  } catch (error) {
    if (!(error instanceof OstlerError) || error.code === Code.UNAVAILABLE) return false;
    context.abort(() => error);
  }
  return true;
}
