/**
 * Brings back machines that were running when something outside them failed: their worker, or the database in the middle
 * of a commit. One that nobody is using would otherwise stand still until somebody does.
 *
 * Must hold: however often a machine breaks, attempts get rarer, and there is one at a time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OstlerError } from "../errors.ts";
import { StoreUnavailableError } from "../store/types.ts";

export interface RevivalOptions {
  /** As far as is stored. */
  isRunning(machineId: string): Promise<boolean>;
  wake(machineId: string): Promise<unknown>;
  onError(error: unknown, machineId: string): void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;
/** Who has been well for so long begins anew. */
const WELL_AFTER_MS = 60_000;

export class Revival {
  readonly #options: RevivalOptions;
  readonly #stopped = new AbortController();
  readonly #patients = new Map<string, { attempts: number; at: number; busy: boolean }>();

  constructor(options: RevivalOptions) {
    this.#options = options;
  }

  /** It broke while it was running. */
  ask(machineId: string): void {
    const now = performance.now();
    for (const [id, { at, busy }] of this.#patients) if (!busy && now - at > WELL_AFTER_MS) this.#patients.delete(id);
    const patient = this.#patients.get(machineId) ?? { attempts: 0, at: now, busy: false };
    this.#patients.set(machineId, patient);
    if (!patient.busy) void this.#attend(machineId, patient);
  }

  close(): void {
    this.#stopped.abort();
  }

  async #attend(machineId: string, patient: { attempts: number; at: number; busy: boolean }): Promise<void> {
    const { signal } = this.#stopped;
    patient.busy = true;
    for (let isDone = false; !isDone && !signal.aborted; patient.at = performance.now()) {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** patient.attempts++, LONGEST_PAUSE_MS);
      await sleep(pause, undefined, { signal, ref: false }).catch(() => {});
      isDone = signal.aborted || (await this.#attempt(machineId));
    }
    patient.busy = false;
  }

  async #attempt(machineId: string): Promise<boolean> {
    try {
      if (await this.#options.isRunning(machineId)) await this.#options.wake(machineId);
      return true;
    } catch (error) {
      // These say: not now (no room, the database is away), and to whoever asks the same.
      if (!(error instanceof OstlerError || error instanceof StoreUnavailableError))
        this.#options.onError(error, machineId);
      return false;
    }
  }
}
