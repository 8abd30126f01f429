/** Typing at what holds a bounded number of bytes that no program has read yet. */
import { Code } from "../errors.ts";
import { isServerError } from "./failure.ts";
import { pause } from "./pause.ts";

const FULL_DELAY_MS = 50;

/** How a full console or terminal is waited for. */
export interface Waiting {
  signal?: AbortSignal;
  /** Wall-clock time. */
  giveUpAt?: number | undefined;
  /** Called once, when it is full. */
  onFull?(): void;
}

/** Tries again as long as there is no room. Undefined: it stayed full. */
export async function whenThereIsRoom<T>(write: () => Promise<T>, waiting: Waiting): Promise<T | undefined> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      const full = isServerError(error) && error.code === Code.RESOURCE_EXHAUSTED;
      if (!full || waiting.signal?.aborted) throw error;
      waiting.onFull?.();
      delete waiting.onFull;
      if (waiting.giveUpAt !== undefined && Date.now() >= waiting.giveUpAt) return undefined;
      await pause(error.retryAfterMs ?? FULL_DELAY_MS, waiting.signal, error);
    }
  }
}
