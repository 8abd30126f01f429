// The four kinds of gRPC method, each as a grpc-js handler that runs an operation through the pipeline.
//
// What grpc-js demands, each of it a hang or a crash otherwise (test/api/glue has a case for every line):
// * a streaming call ends in failure by `emit("error", …)`; destroying it sends no status;
// * a request stream is read with `iterator({ destroyOnReturn: false })`; the default destroys a bidi call, answers too;
// * `write()` that returns false means wait for "drain", or a slow reader fills our memory;
// * the signal is aborted by the "cancelled" event, which also comes when the client's connection is lost;
// * a client that vanishes first looks like one that has sent all (Node's http2 ends its side before it resets the
//   stream): the end of a request stream counts only if no "cancelled" follows at once, or half an upload would pass
//   for a whole one.
import type { EventEmitter } from "node:events";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import type {
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { cancelled, deadline, malformed, type OstlerError } from "../errors.ts";
import {
  type ActiveCalls,
  acceptRequest,
  Call,
  methodPath,
  type Operation,
  type Outcome,
  type Pipeline,
  perform,
  runForMany,
  runForOne,
  untilDrained,
} from "../operation.ts";
import type { Admitted } from "./admission.ts";
import { encode } from "./definition.ts";
import { textHeaders, toMetadata, toServiceError } from "./status.ts";

type UnaryCall = ServerUnaryCall<Buffer, Outcome>;
type ReadableCall = ServerReadableStream<Buffer, Outcome>;
type WritableCall = ServerWritableStream<Buffer, Outcome>;
type DuplexCall = ServerDuplexStream<Buffer, Outcome>;
type AnyCall = UnaryCall | ReadableCall | WritableCall | DuplexCall;
type Reply = Parameters<handleUnaryCall<Buffer, Outcome>>[1];

/** How long after the end of a request stream its reset may follow. */
const vanishedMs = 25;
/** A client's own timer runs out before ours, which started when the request arrived: by the time that took. */
const deadlineSlackMs = 50;

export interface CallHost {
  readonly pipeline: Pipeline;
  readonly active: ActiveCalls;
  readonly admitted: Admitted;
}

export function grpcHandler(operation: Operation, host: CallHost): UntypedHandleCall {
  switch (operation.method.methodKind) {
    case "unary":
      return (call: UnaryCall, reply: Reply) =>
        void answerOnce(operation, host, call, reply, (context) =>
          readRequest(operation.method, call.request, context),
        );
    case "client_streaming":
      return (call: ReadableCall, reply: Reply) =>
        void answerOnce(operation, host, call, reply, (context) => readRequests(operation.method, call, context));
    case "server_streaming":
      return (call: WritableCall) =>
        void answerMany(operation, host, call, (context) => readRequest(operation.method, call.request, context));
    case "bidi_streaming":
      return (call: DuplexCall) =>
        void answerMany(operation, host, call, (context) => readRequests(operation.method, call, context));
  }
}

/**
 * Unary and client streaming: one answer. It is encoded inside the pipeline, so that an answer that cannot be is
 * logged as the fault that it is.
 */
async function answerOnce(
  operation: Operation,
  host: CallHost,
  call: UnaryCall | ReadableCall,
  reply: Reply,
  read: (context: Call) => unknown,
): Promise<void> {
  const context = openCall(call, operation.method, host);
  try {
    const [bytes, trailers] = await perform(host.pipeline, host.active, context, async () => {
      const outcome = await runForOne(operation, read(context), context);
      const encoded = encode(operation.method.output, outcome);
      sendHeaders(call, context);
      return [encoded, trailersOf(context)] as const;
    });
    reply(null, bytes, trailers);
  } catch (error) {
    if (!call.cancelled) reply(toServiceError(error as OstlerError));
  }
}

/** Server streaming and bidirectional: a stream of answers. */
async function answerMany(
  operation: Operation,
  host: CallHost,
  call: WritableCall | DuplexCall,
  read: (context: Call) => unknown,
): Promise<void> {
  const context = openCall(call, operation.method, host);
  try {
    const trailers = await perform(host.pipeline, host.active, context, async () => {
      await writeAll(call, runForMany(operation, read(context), context), context);
      return trailersOf(context);
    });
    call.end(trailers);
  } catch (error) {
    if (!call.cancelled) call.emit("error", toServiceError(error as OstlerError));
  }
}

async function writeAll(
  call: WritableCall | DuplexCall,
  outcomes: AsyncIterable<Outcome>,
  context: Call,
): Promise<void> {
  let first = true;
  for await (const outcome of outcomes) {
    const bytes = encode(context.method.output, outcome);
    if (first) sendHeaders(call, context);
    first = false;
    if (!call.write(bytes)) await untilDrained(call, context.signal);
  }
  if (first) sendHeaders(call, context);
}

function openCall(call: AnyCall, method: DescMethod, { admitted }: CallHost): Call {
  const wanted = Number(call.getDeadline());
  const known = admitted.get(call.metadata);
  const context = new Call({
    transport: "grpc",
    method,
    peer: call.getPeer(),
    deadline: Number.isFinite(wanted) ? wanted : undefined,
    readHeaders: () => known?.requestHeaders ?? textHeaders(call.metadata),
  });
  context.caller = known?.caller;
  (call as EventEmitter).on("cancelled", () => {
    const late = context.deadline !== undefined && context.deadline <= Date.now() + deadlineSlackMs;
    context.abort(() => (late ? deadline() : cancelled()));
  });
  return context;
}

function sendHeaders(call: AnyCall, context: Call): void {
  if (context.setHeaders !== undefined) call.sendMetadata(toMetadata(context.setHeaders));
}

function trailersOf(context: Call): Metadata | undefined {
  return context.setTrailers === undefined ? undefined : toMetadata(context.setTrailers);
}

function readRequest(method: DescMethod, bytes: Buffer, context: Call): Message {
  return acceptRequest(method, decode(method, bytes), context);
}

async function* readRequests(method: DescMethod, stream: Readable, context: Call): AsyncGenerator<Message> {
  for await (const bytes of stream.iterator({ destroyOnReturn: false })) yield readRequest(method, bytes, context);
  await sleep(vanishedMs);
  // The event loop may have been busy for all that time: what has arrived is read before it counts as silence.
  for (let turn = 0; turn < 2; turn++) await nextTurn();
  context.signal.throwIfAborted();
}

function decode(method: DescMethod, bytes: Buffer): Message {
  try {
    return fromBinary(method.input, bytes);
  } catch (error) {
    const message = `The request of ${methodPath(method)} is not a valid ${method.input.typeName}: ${(error as Error).message}.`;
    throw malformed("MALFORMED_PROTOBUF", message);
  }
}
