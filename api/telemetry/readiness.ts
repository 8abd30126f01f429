/**
 * Whether this server should be sent calls: it has begun, it is not draining, and its database takes writes. Both
 * transports tell the same: /readyz, and the gRPC health service by `onChange`.
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface ReadinessOptions {
  /** Throws when the database does not take writes. */
  check(): Promise<void>;
  onChange(isReady: boolean): void;
}

const CHECK_EVERY_MS = 5_000;
/** A database that takes longer is as good as none. */
const PATIENCE_MS = 3_000;

export class Readiness {
  readonly #options: ReadinessOptions;
  /** Empty: ready. */
  #why = "the server is starting";
  #draining = false;
  #checking: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Why not; empty when ready. As of the last look. */
  get why(): string {
    return this.#why;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.look(), CHECK_EVERY_MS);
    this.#timer.unref();
    await this.look();
  }

  /** From now on it is not ready, whatever else. */
  drain(): void {
    clearInterval(this.#timer);
    this.#draining = true;
    this.#become("the server is shutting down");
  }

  /** Looks now. Those who ask at once get the same look. */
  look(): Promise<void> {
    this.#checking ??= this.#look().finally(() => (this.#checking = null));
    return this.#checking;
  }

  async #look(): Promise<void> {
    const late = sleep(PATIENCE_MS, "the database does not answer", { ref: false });
    const checked = this.#options.check().then(
      () => "",
      (error: unknown) => `the database takes no writes: ${error instanceof Error ? error.message : error}`,
    );
    const why = await Promise.race([checked, late]);
    if (!this.#draining) this.#become(why);
  }

  #become(why: string): void {
    const changed = (why === "") !== (this.#why === "");
    this.#why = why;
    if (changed) this.#options.onChange(why === "");
  }
}
