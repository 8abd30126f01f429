/** Lets in so many pieces of work at once, in all and for each user; the others are told to come again. */
import { callerOf } from "../auth/identity.ts";
import { resourceExhausted } from "../errors.ts";
import { isResponseStream, type Operation } from "../operation.ts";

export interface DoorOptions {
  reason: string;
  /** As in "32 queries are under way already". */
  what: string;
  most: number;
  mostPerUser: number;
}

const RETRY_AFTER_MS = 2_000;

export class Door {
  readonly #options: DoorOptions;
  /** How many of each user are inside. */
  readonly #inside = new Map<string, number>();
  #total = 0;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  get inside(): number {
    return this.#total;
  }

  /** Throws RESOURCE_EXHAUSTED when there is no room. */
  async *within<T>(userId: string, work: () => AsyncGenerator<T>): AsyncGenerator<T> {
    this.#enter(userId);
    try {
      yield* work();
    } finally {
      this.#leave(userId);
    }
  }

  /** The same of work that has one answer. */
  async during<T>(userId: string, work: () => Promise<T> | T): Promise<T> {
    this.#enter(userId);
    try {
      return await work();
    } finally {
      this.#leave(userId);
    }
  }

  #enter(userId: string): void {
    const { reason, what, most, mostPerUser } = this.#options;
    const own = this.#inside.get(userId) ?? 0;
    if (own >= mostPerUser) {
      throw resourceExhausted(reason, `${own} ${what} of yours are under way already; wait for one.`, RETRY_AFTER_MS);
    }
    if (this.#total >= most) {
      throw resourceExhausted(reason, `${most} ${what} are under way already; try again soon.`, RETRY_AFTER_MS);
    }
    this.#inside.set(userId, own + 1);
    this.#total += 1;
  }

  #leave(userId: string): void {
    const left = this.#inside.get(userId)! - 1;
    if (left === 0) this.#inside.delete(userId);
    else this.#inside.set(userId, left);
    this.#total -= 1;
  }
}

/**
 * For all calls: each costs some memory for as long as it is under way, and one that waits (for a machine, for what a
 * program reads) or that nobody reads may be so for as long as its client likes.
 */
export const doorOfCalls = (): Door =>
  new Door({ reason: "TOO_MANY_CALLS", what: "calls", most: 10_000, mostPerUser: 2_000 });

/** The same operation, its calls behind the door from their beginning to their end. */
export function behind(door: Door, { handler, ...operation }: Operation): Operation {
  return {
    ...operation,
    handler: isResponseStream(operation.method)
      ? (request, context) =>
          door.within(callerOf(context).id, () => handler(request, context) as AsyncGenerator<unknown>)
      : (request, context) => door.during(callerOf(context).id, () => handler(request, context)),
  };
}
