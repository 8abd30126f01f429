// Large bodies are read into memory before an operation sees them. So that nobody can fill the memory with them, whoever
// announces one shows a key first, and only so many bytes are under way at once.
import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type OstlerError, resourceExhausted } from "../errors.ts";
import { type Operation, perform } from "../operation.ts";
import { countOnce, openCall, type RestHost } from "./call.ts";
import { routeNotFound, sendProblem } from "./problem.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    operation?: Operation;
  }
}

const mebibyte = 1024 * 1024;
/** Nobody is asked about less. */
const smallBytes = mebibyte;
/** How long, and up to what length, a body is read that will not be used. */
const discardMs = 5_000;
const discardBytes = 256 * mebibyte;
const retryAfterMs = 1_000;

export interface UploadOptions {
  /** The largest body that is accepted; one that does not say its length may become as large. */
  readonly limitBytes: number;
  /** Of all bodies that are being received or worked on. */
  readonly budgetBytes: number;
}

/** Returns what tells how many bytes are under way. */
export function guardUploads(
  app: FastifyInstance,
  host: RestHost,
  { limitBytes, budgetBytes }: UploadOptions,
): () => number {
  let held = 0;
  app.addHook("onRequest", async (request, reply) => {
    // Nobody reads such a body into memory.
    if (request.routeOptions.config.operation?.method.methodKind === "client_streaming") return undefined;
    const bytes = announcedBytes(request.raw, limitBytes);
    // One over the limit is refused unread.
    if (bytes <= smallBytes || bytes > limitBytes) return undefined;
    const refusal = await refusalOf(request, host, held + bytes > budgetBytes);
    if (refusal !== null) {
      await discardBody(request.raw);
      return sendProblem(reply, refusal);
    }
    held += bytes;
    reply.raw.once("close", () => {
      held -= bytes;
    });
    return undefined;
  });
  return () => held;
}

function announcedBytes({ headers }: IncomingMessage, limitBytes: number): number {
  if (headers["transfer-encoding"] !== undefined) return limitBytes;
  return Number(headers["content-length"] ?? 0);
}

/** What keeps the sender from being heard at all. It goes through the pipeline, so that it is logged and counted. */
async function refusalOf(request: FastifyRequest, host: RestHost, isFull: boolean): Promise<OstlerError | null> {
  const { operation } = request.routeOptions.config;
  if (operation === undefined) return routeNotFound(request.method, request.url.split("?", 1)[0] ?? "");
  const call = openCall(request, operation);
  try {
    await host.pipeline.authenticate(call);
    countOnce(request);
    if (!isFull) return null;
  } catch {
    // It is refused again, for the log.
  } finally {
    call.close();
  }
  const refuse = () => Promise.reject(tooManyUploads());
  return perform(host.pipeline, host.active, openCall(request, operation), refuse).catch((error) => error);
}

const tooManyUploads = (): OstlerError =>
  resourceExhausted("TOO_MANY_UPLOADS", "Too many large bodies are under way; try again soon.", retryAfterMs);

/**
 * Reads on what will not be used: a client that is still sending its body sees a closed connection, not the answer
 * that explains it.
 */
export function discardBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let left = discardBytes;
    const timer = setTimeout(resolve, discardMs);
    const settle = () => {
      clearTimeout(timer);
      resolve();
    };
    request.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) settle();
    });
    for (const event of ["end", "close", "error"]) request.on(event, settle);
    if (request.complete || request.destroyed) settle();
    else request.resume();
  });
}
