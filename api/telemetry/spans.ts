/**
 * Spans of what the server does, in OpenTelemetry's terms. Those who do something worth a span say so with `inSpan`;
 * whether anybody listens is decided at the start of the process (tracing.ts). Until then all this costs a look at a
 * variable.
 *
 * Must hold: what is thrown passes through as it is; a span is ended exactly once. Names are few and fixed, what
 * changes is in attributes; no attribute holds what users wrote.
 */
import {
  type Attributes,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";

let tracer: Tracer | null = null;

/** Null: no spans any more. */
export function traceWith(given: Tracer | null): void {
  tracer = given;
}

export interface SpanOptions {
  /** Began so long ago. */
  sinceMs?: number;
  /** Not below the active span: what follows from it long after its end, or from many. */
  root?: boolean;
  /** Spans that it follows from. */
  links?: Link[];
}

/** Does the work as a span below the active one. `describe` is asked only if somebody listens. */
export function inSpan<T>(
  name: string,
  describe: () => Attributes,
  work: () => Promise<T>,
  { sinceMs = 0, root = false, links = [] }: SpanOptions = {},
): Promise<T> {
  if (tracer === null) return work();
  const options = { attributes: describe(), links, root, startTime: Date.now() - sinceMs };
  return tracer.startActiveSpan(name, options, (span) => ending(span, work, () => true));
}

/** A call of a client, whose own span may be known by a `traceparent` (W3C Trace Context) among the headers. */
export function inCallSpan<T>(
  name: string,
  headers: () => ReadonlyMap<string, string>,
  isFault: (error: unknown) => boolean,
  work: () => Promise<T>,
): Promise<T> {
  if (tracer === null) return work();
  const parent = propagation.extract(ROOT_CONTEXT, headers(), {
    get: (carrier, key) => carrier.get(key),
    keys: (carrier) => [...carrier.keys()],
  });
  return tracer.startActiveSpan(name, { kind: SpanKind.SERVER }, parent, (span) => ending(span, work, isFault));
}

async function ending<T>(span: Span, work: () => Promise<T>, isFault: (error: unknown) => boolean): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Messages of errors are for the client and the log: they may say what users wrote.
    if (isFault(error)) span.setStatus({ code: SpanStatusCode.ERROR, message: nameOf(error) });
    throw error;
  } finally {
    span.end();
  }
}

const nameOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "thrown";
  return "reason" in error && typeof error.reason === "string" ? error.reason : error.name;
};

/** What has been learnt meanwhile about what the active span stands for. */
export function describeSpan(describe: () => Attributes): void {
  if (tracer !== null) trace.getActiveSpan()?.setAttributes(describe());
}

/** For a span that will follow from what is being done now. */
export function linkToHere(): Link[] {
  const active = tracer === null ? undefined : trace.getActiveSpan()?.spanContext();
  return active === undefined ? [] : [{ context: active }];
}

/** For lines of the log, by the names that OpenTelemetry has for logs that are not its own. */
export function spanIds(): { trace_id: string; span_id: string } | undefined {
  if (tracer === null) return undefined;
  const active = trace.getSpanContext(context.active());
  return active && { trace_id: active.traceId, span_id: active.spanId };
}
