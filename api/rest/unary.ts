// Methods with one answer: unary (JSON or raw bytes in, JSON out) and client streaming (NDJSON or raw bytes in, JSON out).

import { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { JsonObject, JsonValue, Message } from "@bufbuild/protobuf";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Code, OstlerError } from "../errors.ts";
import { acceptRequest, type Call, type Outcome, perform, runForOne } from "../operation.ts";
import type { Binding } from "./bindings.ts";
import {
  abortWhenClosed,
  checkTimeoutHeader,
  closeIfUnread,
  openCall,
  type Route,
  setResponseHeaders,
} from "./call.ts";
import { jsonFromOutcome, messageFromJson, parseJson } from "./json.ts";
import { sendProblem } from "./problem.ts";
import { messageWithBytes, readFirstMessage, readRequest, unsupportedMediaType } from "./request.ts";

const jsonMediaType = "application/json; charset=utf-8";

export function unaryHandler(route: Route) {
  const { binding } = route;
  return answerWith(route, (request, call) => {
    refuseStreamBody(request);
    return readRequest(binding, request, call);
  });
}

export function uploadHandler(route: Route) {
  return answerWith(route, (request, call) => readMessages(route, request, call));
}

function answerWith(route: Route, read: (request: FastifyRequest, call: Call) => unknown) {
  const { operation, binding, host } = route;
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const call = openCall(request, operation);
    abortWhenClosed(reply, call);
    try {
      const text = await perform(host.pipeline, host.active, call, async () => {
        checkTimeoutHeader(request);
        const json = answerJson(binding, await runForOne(operation, read(request, call), call));
        setResponseHeaders(reply, call);
        return JSON.stringify(json);
      });
      closeIfUnread(request, reply);
      return reply.type(jsonMediaType).send(text);
    } catch (error) {
      closeIfUnread(request, reply);
      return sendProblem(reply, error as OstlerError);
    }
  };
}

/** The answer, or the one field of it that the annotation picks. */
export function answerJson(binding: Binding, outcome: Outcome): JsonValue {
  const json = jsonFromOutcome(binding.method.output, outcome);
  return binding.responseField === undefined ? json : ((json as JsonObject)[binding.responseField.jsonName] ?? null);
}

/** Streamed bodies arrive as streams (see server.ts); a method that takes one message does not read them. */
export function refuseStreamBody(request: FastifyRequest): void {
  if (request.body instanceof Readable) throw unsupportedMediaType("application/x-ndjson", "application/json");
}

/** Raw bytes become messages of this size; each counts as a call. */
const rawMessageBytes = 1024 * 1024;

/**
 * NDJSON: one message a line. A body of application/json is taken as a stream of one message. Raw bytes, where the method
 * takes them, are as many messages as there are.
 */
async function* readMessages(route: Route, request: FastifyRequest, call: Call): AsyncGenerator<Message> {
  const { binding, host } = route;
  const { method } = binding;
  const first = readFirstMessage(binding, request, call);
  if (first !== undefined) yield first;
  const { body } = request;
  if (body instanceof Readable && isRaw(request)) {
    if (binding.body.kind !== "field") throw unsupportedMediaType("application/octet-stream", "application/x-ndjson");
    for await (const bytes of gathered(body, rawMessageBytes))
      yield acceptRequest(method, messageWithBytes(binding, bytes), call);
  } else if (body instanceof Readable) {
    for await (const line of readLines(body, host.bodyLimitBytes)) {
      yield acceptRequest(method, messageFromJson(method.input, parseJson(line)), call);
    }
  } else if (body !== undefined) {
    yield acceptRequest(method, messageFromJson(method.input, body as JsonValue), call);
  }
}

const isRaw = ({ headers }: FastifyRequest): boolean =>
  headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase() === "application/octet-stream";

/** The bytes of a body in parts of a size; the last is shorter. */
async function* gathered(body: Readable, size: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    parts.push(chunk);
    length += chunk.length;
    if (length < size) continue;
    yield Buffer.concat(parts);
    [parts, length] = [[], 0];
  }
  if (length > 0) yield Buffer.concat(parts);
}

/** Lines that are not blank. A character may be split between two chunks, a line may not grow without end. */
async function* readLines(body: Readable, lineLimitBytes: number): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineLimitBytes) throw lineTooLong(lineLimitBytes);
    for (const line of lines) if (line.trim() !== "") yield line;
  }
  rest += decoder.end();
  if (rest.trim() !== "") yield rest;
}

function lineTooLong(limitBytes: number): OstlerError {
  const message = `A line of the body is longer than ${limitBytes} bytes; send smaller messages.`;
  return new OstlerError(Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", message, { httpStatus: 413 });
}
