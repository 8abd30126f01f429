/** Waiting before something is tried again, which nobody has to wait for who has given up. */
import { setTimeout as sleep } from "node:timers/promises";

/** Throws `reason`, which is why it was to be tried again, as soon as the signal aborts. */
export async function pause(ms: number, signal: AbortSignal | undefined, reason: unknown): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch(() => {
    throw reason;
  });
}
