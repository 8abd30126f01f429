// Methods with one answer: unary (JSON or raw bytes in, JSON out) and client streaming (NDJSON in, JSON out).

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
import { readFirstMessage, readRequest, unsupportedMediaType } from "./request.ts";

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

/** NDJSON: one message a line. A body of application/json is taken as a stream of one message. */
async function* readMessages(route: Route, request: FastifyRequest, call: Call): AsyncGenerator<Message> {
  const { binding, host } = route;
  const { method } = binding;
  const first = readFirstMessage(binding, request, call);
  if (first !== undefined) yield first;
  const { body } = request;
  if (body instanceof Readable) {
    for await (const line of readLines(body, host.bodyLimitBytes)) {
      yield acceptRequest(method, messageFromJson(method.input, parseJson(line)), call);
    }
  } else if (Buffer.isBuffer(body)) {
    throw unsupportedMediaType("application/octet-stream", "application/x-ndjson");
  } else if (body !== undefined) {
    yield acceptRequest(method, messageFromJson(method.input, body as JsonValue), call);
  }
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
