/**
 * OpenTelemetry for this process, as the variables of its specification say: on when there is an endpoint to send spans
 * to. The SDK is loaded only then.
 *
 *     OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT    where the collector is (OTLP over HTTP)
 *     OTEL_EXPORTER_OTLP_PROTOCOL, …_TRACES_PROTOCOL                     http/protobuf (default) or http/json
 *     OTEL_SDK_DISABLED=true, OTEL_TRACES_EXPORTER=none                  off all the same
 *     OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG                       how many of the traces
 *
 * Headers, certificates, timeouts and compression are read by the exporter, the service's name and attributes by the
 * SDK's resource, OTEL_BSP_* here. A collector that is away costs spans, never calls: they wait in a bounded queue.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { context, DiagLogLevel, diag, propagation, trace } from "@opentelemetry/api";
import type { Sampler, SpanExporter } from "@opentelemetry/sdk-trace";
import { ConfigError } from "../config.ts";
import { traceWith } from "./spans.ts";

type Environment = NodeJS.ProcessEnv;
type Sdk = typeof import("@opentelemetry/sdk-trace");

/** What is left when the process ends gets so long to be sent. */
const LAST_SPANS_MS = 3_000;
/** Of a collector that does not answer, one line of the log in so long. */
const COMPLAIN_EVERY_MS = 60_000;

/** Begins to send spans if the environment says so; what it returns ends that. Throws ConfigError. */
export async function startTracing(
  environment: Environment,
  version: string,
  complain: (why: string) => void,
): Promise<() => Promise<void>> {
  if (!isWanted(environment)) return async () => {};
  const protocol = protocolOf(environment);
  const sdk = await import("@opentelemetry/sdk-trace");
  const { W3CTraceContextPropagator } = await import("@opentelemetry/core");
  const { AsyncLocalStorageContextManager } = await import("@opentelemetry/context-async-hooks");
  const complaining = complaints(complain);
  diag.setLogger(complaining, DiagLogLevel.WARN);
  const provider = new sdk.TracerProvider({
    sampler: samplerOf(environment, sdk),
    resource: await resourceOf(version),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: await exporterOf(protocol), ...batchingOf(environment) })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  traceWith(provider.getTracer("ostler", version));
  return async () => {
    traceWith(null);
    await Promise.race([provider.shutdown().catch(complaining.error), sleep(LAST_SPANS_MS, undefined, { ref: false })]);
    for (const part of [trace, context, propagation, diag]) part.disable();
  };
}

function isWanted(environment: Environment): boolean {
  const isDisabled = environment["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true";
  const exporter = environment["OTEL_TRACES_EXPORTER"] || "otlp";
  if (isDisabled || exporter === "none") return false;
  if (exporter !== "otlp") throw new ConfigError(`OTEL_TRACES_EXPORTER=${exporter}: must be otlp or none`);
  return Boolean(environment["OTEL_EXPORTER_OTLP_ENDPOINT"] || environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]);
}

function protocolOf(environment: Environment): "http/protobuf" | "http/json" {
  const variable = environment["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]
    ? "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    : "OTEL_EXPORTER_OTLP_PROTOCOL";
  const protocol = environment[variable] || "http/protobuf";
  if (protocol === "http/protobuf" || protocol === "http/json") return protocol;
  throw new ConfigError(`${variable}=${protocol}: must be http/protobuf or http/json`);
}

async function exporterOf(protocol: ReturnType<typeof protocolOf>): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === "http/json"
      ? await import("@opentelemetry/exporter-trace-otlp-http")
      : await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter();
}

async function resourceOf(version: string) {
  const resources = await import("@opentelemetry/resources");
  const { resourceAttributesEnvDetector, serviceNameEnvDetector } = resources;
  return resources
    .defaultResource()
    .merge(resources.resourceFromAttributes({ "service.name": "ostler", "service.version": version }))
    .merge(resources.detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
}

function samplerOf(environment: Environment, sdk: Sdk): Sampler {
  const name = environment["OTEL_TRACES_SAMPLER"] || "parentbased_always_on";
  const share = () => new sdk.TraceIdRatioBasedSampler(numberFrom(environment, "OTEL_TRACES_SAMPLER_ARG", 1, 1));
  const roots: Record<string, () => Sampler> = {
    always_on: () => new sdk.AlwaysOnSampler(),
    always_off: () => new sdk.AlwaysOffSampler(),
    traceidratio: share,
  };
  const root = roots[name.replace(/^parentbased_/, "")];
  if (root === undefined) {
    const names = Object.keys(roots).flatMap((each) => [each, `parentbased_${each}`]);
    throw new ConfigError(`OTEL_TRACES_SAMPLER=${name}: must be one of ${names.join(", ")}`);
  }
  return name.startsWith("parentbased_") ? new sdk.ParentBasedSampler({ root: root() }) : root();
}

function batchingOf(environment: Environment) {
  const maxQueueSize = numberFrom(environment, "OTEL_BSP_MAX_QUEUE_SIZE", 2_048);
  return {
    maxQueueSize,
    maxExportBatchSize: Math.min(maxQueueSize, numberFrom(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)),
    scheduledDelayMillis: numberFrom(environment, "OTEL_BSP_SCHEDULE_DELAY", 5_000),
    exportTimeoutMillis: numberFrom(environment, "OTEL_BSP_EXPORT_TIMEOUT", 30_000),
  };
}

function numberFrom(environment: Environment, variable: string, fallback: number, most = 2 ** 31 - 1): number {
  const given = environment[variable] || String(fallback);
  const value = Number(given);
  if (value >= 0 && value <= most) return value;
  throw new ConfigError(`${variable}=${given}: must be a number from 0 to ${most}`);
}

/** What the SDK has to complain of: mostly that the collector is away, and that with every batch. */
function complaints(complain: (why: string) => void) {
  let quietUntilMs = 0;
  const say = (...words: unknown[]) => {
    const nowMs = performance.now();
    if (nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + COMPLAIN_EVERY_MS;
    complain(words.map((word) => (word instanceof Error ? word.message : String(word))).join(" "));
  };
  const nothing = () => {};
  return { error: say, warn: say, info: nothing, debug: nothing, verbose: nothing };
}
