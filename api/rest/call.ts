// The start of a call over HTTP: its context, and when it counts as abandoned.
import { validateHeaderName, validateHeaderValue } from "node:http";
import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { cancelled, invalid } from "../errors.ts";
import { type ActiveCalls, Call, type Operation, type Pipeline } from "../operation.ts";
import type { Binding } from "./bindings.ts";

export interface RestHost {
  readonly pipeline: Pipeline;
  readonly active: ActiveCalls;
  /** The largest JSON document, and the largest line or frame of a stream. */
  readonly bodyLimitBytes: number;
  /** A silent event stream gets a comment after this time, so that proxies keep it open. */
  readonly heartbeatMs: number;
}

/** What one route needs. */
export interface Route {
  readonly operation: Operation;
  readonly binding: Binding;
  readonly host: RestHost;
}

const timeoutHeader = "x-request-timeout-ms";
/** Browsers cannot set headers on a WebSocket, but they can name subprotocols. */
const bearerProtocol = "ostler.bearer.";

/** Requests that were let in before their bodies were read. */
const counted = new WeakSet<FastifyRequest>();

/** However often the request is looked at from now on, it is one call. */
export function countOnce(request: FastifyRequest): void {
  counted.add(request);
}

export function openCall(request: FastifyRequest, operation: Operation): Call {
  const call = new Call({
    transport: "rest",
    method: operation.method,
    peer: `${request.ip}:${request.socket?.remotePort ?? 0}`,
    deadline: readDeadline(request),
    readHeaders: () => readHeaders(request),
  });
  call.isCounted = counted.has(request);
  return call;
}

function readDeadline(request: FastifyRequest): number | undefined {
  const timeoutMs = Number(request.headers[timeoutHeader]);
  return timeoutMs > 0 ? Date.now() + timeoutMs : undefined;
}

/** To be called inside the pipeline, so that the refusal is logged like any other. */
export function checkTimeoutHeader(request: FastifyRequest): void {
  const text = request.headers[timeoutHeader];
  if (text !== undefined && !(Number(text) > 0))
    throw invalid(timeoutHeader, "must be a number of milliseconds above 0");
}

function readHeaders(request: FastifyRequest): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const key = offeredProtocols(headers.get("sec-websocket-protocol")).find((each) => each.startsWith(bearerProtocol));
  if (key !== undefined && !headers.has("authorization")) {
    headers.set("authorization", `Bearer ${key.slice(bearerProtocol.length)}`);
  }
  return headers;
}

function offeredProtocols(header: string | undefined): string[] {
  return (header ?? "").split(",").map((protocol) => protocol.trim());
}

/** A browser insists that one of the subprotocols it offered is chosen; rather not the one with the key. */
export function chooseProtocol(offered: Set<string>): string | false {
  const names = [...offered];
  return names.find((name) => !name.startsWith(bearerProtocol)) ?? names[0] ?? false;
}

/** Aborts the call when the connection closes before the answer was sent. */
export function abortWhenClosed(reply: FastifyReply, call: Call): void {
  reply.raw.on("close", () => {
    if (!reply.raw.writableFinished) call.abort(() => cancelled("The client closed the connection."));
  });
}

/** Throws on what HTTP does not allow in a header; to be called inside the pipeline. */
export function setResponseHeaders(reply: FastifyReply, call: Call): void {
  for (const [name, value] of call.setHeaders ?? []) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    reply.header(name, value);
  }
}

/**
 * For an answer that comes before the streamed body has ended. On a connection that stayed open, the rest of the body
 * would stand before the next request.
 */
export function closeIfUnread(request: FastifyRequest, reply: FastifyReply): void {
  if (!(request.body instanceof Readable) || request.raw.complete) return;
  reply.header("connection", "close");
  request.raw.resume();
}
