/** The server's side of the inspection thread: started at the first inquiry, replaced when it dies or hangs. */
import { Worker } from "node:worker_threads";
import { unavailable } from "../errors.ts";
import type { Findings, Inquiry } from "./inspect.ts";

/** Far beyond what the largest trace takes; only a bug or a starved host gets there. */
const TIMEOUT_MS = 180_000;
const HEAP_MIB = 1024;

interface Waiting {
  resolve(findings: Findings): void;
  reject(error: unknown): void;
}

export class Inspector {
  #thread: Worker | null = null;
  #waiting = new Map<number, Waiting>();
  #nextId = 1;

  async inquire(inquiry: Inquiry): Promise<Findings> {
    const thread = (this.#thread ??= this.#start());
    const id = this.#nextId++;
    const timer = setTimeout(() => this.#drop(thread, "it took too long"), TIMEOUT_MS);
    try {
      return await new Promise<Findings>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        thread.ref();
        thread.postMessage({ id, inquiry });
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) thread.unref();
    }
  }

  close(): void {
    if (this.#thread !== null) this.#drop(this.#thread, "the server is shutting down");
  }

  #start(): Worker {
    const thread = new Worker(new URL("./inspect_thread.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    });
    thread.on("message", ({ id, findings, error }: { id: number; findings?: Findings; error?: string }) => {
      const waiting = this.#waiting.get(id);
      if (findings !== undefined) waiting?.resolve(findings);
      else waiting?.reject(new Error(`inspection failed: ${error}`));
    });
    thread.on("error", (error) => this.#drop(thread, error.message));
    thread.on("exit", () => this.#drop(thread, "it ended"));
    return thread;
  }

  #drop(thread: Worker, why: string): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting = new Map();
    for (const { reject } of waiting)
      reject(unavailable("INSPECTION_LOST", `The inspection of a test's trace did not end: ${why}.`, 1_000));
    void thread.terminate();
  }
}
