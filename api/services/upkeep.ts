/** What the server does by itself now and then: what was kept for a time only, is forgotten. */
import type { Quotas } from "../admission/quotas.ts";
import type { Store } from "../store/types.ts";

/** Longer than any client tries again. */
export const ANSWERS_KEPT_MS = 24 * 3_600_000;
const EVERY_MS = 10 * 60_000;

/** Events of the audit log go after `auditMs`; 0: never. Returns what ends it. */
export function startUpkeep(
  { idempotency, audit }: { idempotency: Pick<Store["idempotency"], "prune">; audit: Pick<Store["audit"], "prune"> },
  auditMs: number,
  onError: (error: unknown) => void,
): () => void {
  const prune = () => {
    idempotency.prune(new Date(Date.now() - ANSWERS_KEPT_MS)).catch(onError);
    if (auditMs > 0) audit.prune(new Date(Date.now() - auditMs)).catch(onError);
  };
  // At the start as well: a server that is started anew every day must not keep everything.
  prune();
  const timer = setInterval(prune, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** A crash forgets what was used up since. */
const SAVE_QUOTAS_MS = 5_000;

/** Stores now and then how far allowances are used up. Returns what ends it, after a last time. */
export function savingQuotas(quotas: Quotas, onError: (error: unknown) => void): () => Promise<void> {
  const save = () => quotas.save().catch(onError);
  const timer = setInterval(save, SAVE_QUOTAS_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await save();
  };
}
