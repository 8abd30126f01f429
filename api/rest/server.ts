// The REST server: the operations that have a google.api.http annotation, on fastify.
//
// CORS stays off. fastify's own refusals (no such route, wrong method, body too large, …) have the same form as ours.
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import websocket from "@fastify/websocket";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type HTTPMethods } from "fastify";
import { Code, type OstlerError } from "../errors.ts";
import { ActiveCalls, type Operation, type Pipeline } from "../operation.ts";
import { defaultPatience, type Patience, requestTimeout } from "../patience.ts";
import { type Binding, bindingsOf } from "./bindings.ts";
import { chooseProtocol, type RestHost, type Route } from "./call.ts";
import { parseJson } from "./json.ts";
import { type DocumentOptions, openApiDocument } from "./openapi/document.ts";
import { mountDocument } from "./openapi/mount.ts";
import { limitPatience } from "./patience.ts";
import {
  fromFastifyError,
  methodNotAllowed,
  problemMediaType,
  routeNotFound,
  sendProblem,
  toProblem,
  unparsable,
  upgradeRequired,
} from "./problem.ts";
import { socketHandler } from "./socket.ts";
import { streamHandler } from "./stream.ts";
import { unaryHandler, uploadHandler } from "./unary.ts";
import { discardBody, guardUploads } from "./uploads.ts";

const mebibyte = 1024 * 1024;

export interface RestServerOptions {
  readonly operations: readonly Operation[];
  readonly pipeline: Pipeline;
  /** The largest JSON document, and line or frame of a stream. Default 8 MiB. */
  readonly bodyLimitBytes?: number;
  /** The largest body of raw bytes (application/octet-stream). Default 64 MiB. */
  readonly uploadLimitBytes?: number;
  /** Bodies over a MiB that may be under way at once, all together. Default 512 MiB. */
  readonly uploadBudgetBytes?: number;
  /** How slowly bodies may arrive. Default: a kilobyte a second, looked at twice a minute. */
  readonly patience?: Patience;
  /** In what time the head of a request must be there, looked at twice as often. Default: a minute. */
  readonly headTimeoutMs?: number;
  /** Default 15 s. */
  readonly heartbeatMs?: number;
  /** /openapi.json and /docs, made when they are first read; left out when undefined. */
  readonly document?: () => DocumentOptions;
  /** PEM. Without it connections are not encrypted. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Addresses of proxies whose X-Forwarded-For is believed. */
  readonly trustProxy?: boolean | string;
}

/** How long aborted calls get to send their error before connections are cut. */
const abortGraceMs = 500;
/** How often a closing server looks for connections that have become idle. */
const idleLookMs = 50;

export interface RestServer {
  /** For more routes of one's own, `listen`, and `inject` in tests. */
  readonly app: FastifyInstance;
  activeCalls(): number;
  /** Of large bodies that are under way. */
  uploadBytes(): number;
  /** Streams end with UNAVAILABLE, now and from now on. */
  endStreams(): void;
  /** Streams end with UNAVAILABLE, other calls get `graceMs` to finish, then connections are cut. */
  drain(graceMs?: number): Promise<void>;
}

export async function createRestServer(options: RestServerOptions): Promise<RestServer> {
  const bodyLimitBytes = options.bodyLimitBytes ?? 8 * mebibyte;
  const active = new ActiveCalls();
  const headersTimeout = options.headTimeoutMs ?? 60_000;
  const heads = { headersTimeout, connectionsCheckingInterval: headersTimeout / 2 };
  const app: FastifyInstance = Fastify({
    // The types tell the two kinds of server apart; nothing here does.
    ...(options.tls === undefined
      ? { http: heads }
      : { https: { ...heads, ...options.tls, minVersion: "TLSv1.2" } as never }),
    bodyLimit: bodyLimitBytes,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    trustProxy: options.trustProxy ?? false,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error, _request, reply) => sendProblem(reply as FastifyReply, fromFastifyError(error)),
    clientErrorHandler: refuseUnparsable,
  });
  limitPatience(app, options.patience ?? defaultPatience, (socket) => refuseOn(socket, requestTimeout()));
  const uploadLimitBytes = options.uploadLimitBytes ?? 64 * mebibyte;
  addBodyParsers(app, uploadLimitBytes);
  app.setErrorHandler(async (error, request, reply) => {
    const refusal = logged(fromFastifyError(error));
    if (refusal.httpStatus === 413) await discardBody(request.raw);
    return sendProblem(reply, refusal);
  });
  await app.register(websocket, { options: { maxPayload: bodyLimitBytes, handleProtocols: chooseProtocol } });
  const host = { pipeline: options.pipeline, active, bodyLimitBytes, heartbeatMs: options.heartbeatMs ?? 15_000 };
  const uploadBytes = guardUploads(app, host, {
    limitBytes: Math.max(bodyLimitBytes, uploadLimitBytes),
    budgetBytes: options.uploadBudgetBytes ?? 512 * mebibyte,
  });
  const bindings = mountOperations(app, options.operations, host);
  app.setNotFoundHandler((request, reply) => refuseUnknownRoute(bindings, request, reply));
  const { document } = options;
  if (document !== undefined) {
    const services = new Set(options.operations.map((operation) => operation.service));
    await mountDocument(app, () => openApiDocument([...services], document()));
  }
  return {
    app,
    activeCalls: () => active.size,
    uploadBytes,
    endStreams: () => active.drainStreams(),
    drain: (graceMs = 5000) => drain(app, active, graceMs),
  };
}

function mountOperations(app: FastifyInstance, operations: readonly Operation[], host: RestHost): Binding[] {
  return operations.flatMap((operation) => {
    const bindings = bindingsOf(operation.method);
    for (const binding of bindings) mountRoute(app, { operation, binding, host });
    return bindings;
  });
}

function mountRoute(app: FastifyInstance, route: Route): void {
  const { fastifyUrl: url, verb, method: operation } = route.binding;
  const method = verb as HTTPMethods;
  const config = { operation: route.operation };
  switch (operation.methodKind) {
    case "unary":
      app.route({ method, url, config, handler: unaryHandler(route) });
      break;
    case "client_streaming":
      app.register(async (scope) => {
        takeRawStreams(scope);
        scope.route({ method, url, config, handler: uploadHandler(route) });
      });
      break;
    case "server_streaming":
      app.route({ method, url, config, handler: streamHandler(route) });
      break;
    case "bidi_streaming":
      app.route({
        method: "GET",
        url,
        config,
        handler: (_request, reply) => sendProblem(reply.header("upgrade", "websocket"), upgradeRequired()),
        wsHandler: socketHandler(route),
      });
      break;
  }
}

/** JSON, raw bytes, and lines of JSON, which the handler reads as they come. */
function addBodyParsers(app: FastifyInstance, uploadLimitBytes: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, async (_request: FastifyRequest, body: string) =>
    body.trim() === "" ? undefined : parseJson(body),
  );
  app.addContentTypeParser(
    "application/octet-stream",
    { parseAs: "buffer", bodyLimit: uploadLimitBytes },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  app.addContentTypeParser("application/x-ndjson", async (_request: FastifyRequest, payload: unknown) => payload);
}

/** Raw bytes as they come, for methods that take a stream of them. */
function takeRawStreams(scope: FastifyInstance): void {
  scope.removeContentTypeParser("application/octet-stream");
  scope.addContentTypeParser("application/octet-stream", async (_request: FastifyRequest, payload: unknown) => payload);
}

function refuseUnknownRoute(bindings: readonly Binding[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split("?", 1)[0] ?? "";
  const verbs = new Set(bindings.filter(({ pattern }) => pattern.test(path)).map(({ verb }) => verb));
  if (verbs.size === 0 || verbs.has(request.method)) return sendProblem(reply, routeNotFound(request.method, path));
  const allowed = [...verbs].sort();
  return sendProblem(reply.header("allow", allowed.join(", ")), methodNotAllowed(request.method, path, allowed));
}

/** Our own faults outside of any operation; those inside are logged by the pipeline. */
function logged(error: OstlerError): OstlerError {
  if (error.code === Code.INTERNAL) {
    const { cause, metadata } = error;
    const stack = cause instanceof Error ? cause.stack : String(cause);
    console.error(
      JSON.stringify({ time: new Date().toISOString(), level: "error", event: "http", ...metadata, stack }),
    );
  }
  return error;
}

/** What comes is not HTTP at all, or too much of it. */
function refuseUnparsable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET") return;
  refuseOn(socket, unparsable(error.code));
  // Whoever has been silent for so long would hold the connection for ever by not closing it either.
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") socket.destroySoon();
}

/** Where there is no request, or not all of it. */
function refuseOn(socket: Socket, error: OstlerError): void {
  if (!socket.writable) return;
  const problem = toProblem(error, "");
  const text = JSON.stringify(problem);
  const head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${problemMediaType}`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`);
}

async function drain(app: FastifyInstance, active: ActiveCalls, graceMs: number): Promise<void> {
  active.drainStreams();
  // Lets ended WebSockets send their reason before the plugin closes them without one.
  await nextTurn();
  const abort = setTimeout(() => active.abortAll(), graceMs);
  const cut = setTimeout(() => {
    for (const client of app.websocketServer.clients) client.terminate();
    app.server.closeAllConnections();
  }, graceMs + abortGraceMs);
  // What is idle when the server closes goes at once; what has its last answer later would stay as long as its client likes.
  const idle = setInterval(() => app.server.closeIdleConnections(), idleLookMs);
  await app.close();
  clearInterval(idle);
  clearTimeout(abort);
  clearTimeout(cut);
}
