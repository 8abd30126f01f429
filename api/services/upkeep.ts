/** What the server does by itself now and then: answers that were kept for repeated requests are forgotten. */
import type { Store } from "../store/types.ts";

/** Longer than any client tries again. */
export const ANSWERS_KEPT_MS = 24 * 3_600_000;
const EVERY_MS = 10 * 60_000;

/** Returns what ends it. */
export function startUpkeep(store: Pick<Store, "idempotency">, onError: (error: unknown) => void): () => void {
  const prune = () => {
    store.idempotency.prune(new Date(Date.now() - ANSWERS_KEPT_MS)).catch(onError);
  };
  // At the start as well: a server that is started anew every day must not keep everything.
  prune();
  const timer = setInterval(prune, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
