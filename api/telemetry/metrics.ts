/**
 * The server's own figures, as Prometheus reads them at /metrics. What is counted when it happens is counted here; what
 * can be asked for (queues, sizes, machines by state) is asked when somebody reads.
 *
 * Names and labels are part of the operator's interface (docs/OPERATING.md). No label has a value that users choose.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { Code, codeName, type OstlerError } from "../errors.ts";
import { type Context, methodPath } from "../operation.ts";

/** From a tenth of a millisecond to ten seconds. */
const SECONDS = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** Asked for at each reading. A value without labels is one of its own. */
export type Reading = number | Record<string, number>;

export interface Source {
  name: string;
  help: string;
  kind: "gauge" | "counter";
  /** Of the values' names. */
  label?: string;
  read(): Reading | Promise<Reading>;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #calls: Counter;
  readonly #callSeconds: Histogram;
  readonly #refusals: Counter;
  readonly #commitSeconds: Histogram;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#calls = new Counter({
      name: "ostler_calls_total",
      help: "Calls that have ended, by method, transport and code.",
      labelNames: ["method", "transport", "code"],
      registers,
    });
    this.#callSeconds = new Histogram({
      name: "ostler_call_seconds",
      help: "How long calls took; streams from their beginning to their end.",
      labelNames: ["method", "transport"],
      buckets: SECONDS,
      registers,
    });
    this.#refusals = new Counter({
      name: "ostler_refusals_total",
      help: "Calls that were refused because too much was asked for, by reason: each quota has one, and each queue.",
      labelNames: ["reason"],
      registers,
    });
    this.#commitSeconds = new Histogram({
      name: "ostler_commit_seconds",
      help: "From what a machine has to make durable to its being on disk.",
      buckets: SECONDS,
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  callEnded(context: Context, code: Code, durationMs: number, error?: OstlerError): void {
    const { transport } = context;
    const method = methodPath(context.method);
    this.#calls.inc({ method, transport, code: codeName(code) });
    this.#callSeconds.observe({ method, transport }, durationMs / 1000);
    if (error?.code === Code.RESOURCE_EXHAUSTED) this.#refusals.inc({ reason: error.reason });
  }

  /** The same function, timed. */
  timingCommits<Arguments extends unknown[]>(
    commit: (...args: Arguments) => Promise<void>,
  ): (...args: Arguments) => Promise<void> {
    return async (...args) => {
      const startedMs = performance.now();
      await commit(...args);
      this.#commitSeconds.observe((performance.now() - startedMs) / 1000);
    };
  }

  add({ name, help, kind, label, read }: Source): void {
    const labelNames = label === undefined ? [] : [label];
    const common = { name, help, labelNames, registers: [this.#registry] };
    const show = async (set: (value: number, labels: Record<string, string>) => void) => {
      const reading = await read();
      if (typeof reading === "number") set(reading, {});
      else for (const [key, value] of Object.entries(reading)) set(value, { [label!]: key });
    };
    if (kind === "gauge") {
      new Gauge({
        ...common,
        collect() {
          this.reset();
          return show((value, labels) => this.set(labels, value));
        },
      });
      return;
    }
    new Counter({
      ...common,
      collect() {
        this.reset();
        return show((value, labels) => this.inc(labels, value));
      },
    });
  }
}
