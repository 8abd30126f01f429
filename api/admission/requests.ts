/**
 * Calls a second: every call of somebody who is known passes here, before anything is looked at or done for it. So does
 * every message of a stream that a client sends; who sends too many of these is not refused, but read more slowly.
 */
import { courseCharged, isAdmin } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { type Context, isRequestStream, type Operation } from "../operation.ts";
import type { Owner } from "../store/types.ts";
import type { Quotas } from "./quotas.ts";

type Authenticate = (context: Context) => Promise<void>;

/** Authenticates, and lets those in who have not called too often. */
export function admission(authenticate: Authenticate, quotas: Quotas): Authenticate {
  return async (context) => {
    await authenticate(context);
    const payer = payerOf(context);
    if (payer !== null && !context.isCounted) quotas.admitRequest(payer);
    context.isCounted = true;
  };
}

/** The same operation; of a stream that the client sends, the messages behind the first count as calls do. */
export function paced(operation: Operation, quotas: Quotas): Operation {
  if (!isRequestStream(operation.method)) return operation;
  const handler: Operation["handler"] = (requests, context) =>
    operation.handler(pace(requests as AsyncIterable<unknown>, context, quotas), context);
  return { ...operation, handler };
}

async function* pace(requests: AsyncIterable<unknown>, context: Context, quotas: Quotas): AsyncGenerator<unknown> {
  const payer = payerOf(context);
  let isFirst = true;
  for await (const request of requests) {
    // With the first one the call was admitted.
    if (payer !== null && !isFirst) await roomFor(payer, context, quotas);
    isFirst = false;
    yield request;
  }
}

async function roomFor(payer: Owner, { signal }: Context, quotas: Quotas): Promise<void> {
  for (let waitMs = quotas.admitMessage(payer); waitMs > 0; waitMs = quotas.admitMessage(payer)) {
    await patience(waitMs, signal);
    signal.throwIfAborted();
  }
}

/** Resolves then, or as soon as the signal aborts. */
function patience(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", settle);
      resolve();
    };
    const timer = setTimeout(settle, waitMs);
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });
}

/** Null: nobody, who is not known, or an admin, for whom there is no limit: somebody must be able to help. */
function payerOf(context: Context): Owner | null {
  if (context.caller === undefined) return null;
  const caller = callerOf(context);
  if (isAdmin(caller)) return null;
  return { courseId: courseCharged(caller, context.requestHeaders.get("ostler-course")), ownerId: caller.id };
}
