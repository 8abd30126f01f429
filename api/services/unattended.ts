/**
 * Ephemeral machines end with their clients: one that no stream has been open on for a while is deleted. Only what
 * this process has seen counts, so that after a start every client has the whole time to come back.
 */
import type { Deps } from "./common.ts";

/** A look is one indexed query. */
const LOOKS_IN_GRACE = 12;

/** Returns what ends it. */
export function watchUnattended(
  deps: Pick<Deps, "store" | "hosting">,
  graceMs: number,
  onError: (error: unknown) => void,
): () => void {
  let since = new Map<string, number>();
  const look = async () => {
    const now = performance.now();
    const alone = (await deps.store.machines.ephemeral()).filter((id) => !deps.hosting.peek(id)?.followers);
    since = new Map(alone.map((id) => [id, since.get(id) ?? now]));
    for (const [id, from] of since) if (now - from >= graceMs) await deps.hosting.delete(id);
  };
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch(onError)
      .finally(() => (looking = false));
  }, graceMs / LOOKS_IN_GRACE);
  timer.unref();
  return () => clearInterval(timer);
}
