// Bidirectional methods as WebSockets.
//
// A text frame is one message in JSON; an empty one says that the client has no more to send. Fields that the URL
// gives make the first message. The server closes with 1000 when the method ends, or after a frame {"error": problem}
// with 4000 + google.rpc.Code: a browser sees no status of a refused upgrade, so errors come after it.
import type { JsonValue, Message } from "@bufbuild/protobuf";
import type { FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import { cancelled, codeName, malformed, type OstlerError } from "../errors.ts";
import { acceptRequest, type Call, perform, runForMany } from "../operation.ts";
import { openCall, type Route } from "./call.ts";
import { messageFromJson, parseJson } from "./json.ts";
import { toProblem } from "./problem.ts";
import { readFirstMessage } from "./request.ts";
import { answerJson } from "./unary.ts";

/** Frames, and characters in them, that wait for the method before the client is made to wait; how few let it go on. */
const waitingFramesMax = 64;
const waitingFramesLow = 16;
const waitingLengthMax = 1024 * 1024;
/** So many pings without an answer mean that the client is gone. */
const pingsMissedMax = 3;
const closedByClient = "The client closed the connection.";
const closeNormal = 1000;
const closeErrorBase = 4000;

export function socketHandler(route: Route) {
  const { operation, binding, host } = route;
  return async (socket: WebSocket, request: FastifyRequest): Promise<void> => {
    const call = openCall(request, operation);
    const frames = new FrameQueue(socket);
    for (const event of ["close", "error"]) socket.on(event, () => call.abort(() => cancelled(closedByClient)));
    const stopPinging = keepAlive(socket, host.heartbeatMs);
    try {
      await perform(host.pipeline, host.active, call, async () => {
        const requests = readMessages(route, request, frames, call);
        for await (const outcome of runForMany(operation, requests, call)) {
          await send(socket, JSON.stringify(answerJson(binding, outcome)), call);
        }
      });
      socket.close(closeNormal);
    } catch (error) {
      fail(socket, error as OstlerError, request.url);
    } finally {
      stopPinging();
    }
  };
}

async function* readMessages(
  route: Route,
  request: FastifyRequest,
  frames: FrameQueue,
  call: Call,
): AsyncGenerator<Message> {
  const { method } = route.binding;
  const first = readFirstMessage(route.binding, request, call);
  if (first !== undefined) yield first;
  for await (const text of frames.read()) {
    const json: JsonValue = parseJson(text);
    yield acceptRequest(method, messageFromJson(method.input, json), call);
  }
}

/** Resolves when the frame has left our hands, which is what holds a fast method back for a slow client. */
function send(socket: WebSocket, text: string, call: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(call.signal.reason);
    call.signal.addEventListener("abort", onAbort, { once: true });
    socket.send(text, (error) => {
      call.signal.removeEventListener("abort", onAbort);
      if (error == null) resolve();
      else reject(call.signal.aborted ? call.signal.reason : cancelled(closedByClient));
    });
  });
}

function fail(socket: WebSocket, error: OstlerError, url: string): void {
  if (socket.readyState !== socket.OPEN) return;
  socket.send(JSON.stringify({ error: toProblem(error, url) }));
  socket.close(closeErrorBase + error.code, codeName(error.code));
}

/**
 * Pings, to find out that a client is gone without a word. A paused socket does not read the answers, but the writing
 * itself fails there.
 */
function keepAlive(socket: WebSocket, intervalMs: number): () => void {
  let missed = 0;
  socket.on("pong", () => {
    missed = 0;
  });
  const timer = setInterval(() => {
    if (missed >= pingsMissedMax && !socket.isPaused) {
      socket.terminate();
      return;
    }
    missed += 1;
    socket.ping(noop);
  }, intervalMs);
  return () => clearInterval(timer);
}

function noop(): void {}

/** The frames that came and were not read yet; bounded by pausing the socket. */
class FrameQueue {
  private readonly socket: WebSocket;
  private readonly waiting: string[] = [];
  private waitingLength = 0;
  private failure: OstlerError | undefined;
  private ended = false;
  private wake: (() => void) | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => this.push(data.toString(), isBinary));
    socket.on("close", () => this.end());
  }

  async *read(): AsyncGenerator<string> {
    for (;;) {
      const text = this.waiting.shift();
      if (text !== undefined) {
        this.waitingLength -= text.length;
        const isLow = this.waiting.length <= waitingFramesLow && this.waitingLength <= waitingLengthMax;
        if (this.socket.isPaused && isLow) this.socket.resume();
        yield text;
      } else if (this.failure !== undefined) {
        throw this.failure;
      } else if (this.ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }

  private push(text: string, isBinary: boolean): void {
    if (this.ended) return;
    if (isBinary) this.failure ??= malformed("MALFORMED_FRAME", "Send text frames: each is one message in JSON.");
    else if (text === "") this.ended = true;
    else this.add(text);
    this.wake?.();
  }

  private add(text: string): void {
    this.waiting.push(text);
    this.waitingLength += text.length;
    if (this.waiting.length >= waitingFramesMax || this.waitingLength > waitingLengthMax) this.socket.pause();
  }

  private end(): void {
    this.ended = true;
    this.wake?.();
  }
}
