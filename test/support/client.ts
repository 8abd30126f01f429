/**
 * One client interface over both transports, so that one table of cases checks both. The gRPC side is plain
 * grpc-js; the REST side is plain fetch with the paths of the google.api.http annotations, found independently
 * of the server's own routing code.
 */
import {
  create,
  createRegistry,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromJson,
  getOption,
  type JsonObject,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import { ChannelCredentials, Client as GrpcJsClient, Metadata, type ServiceError } from "@grpc/grpc-js";
import { fromServiceError, serviceDefinition } from "../../api/grpc/index.ts";
import { http } from "../../proto/gen/google/api/annotations_pb.js";

/** What a client can see of an error, on either transport. */
export class ApiError extends Error {
  readonly code: string;
  readonly reason: string;
  readonly fields: readonly string[];
  constructor(code: string, reason: string, message: string, fields: readonly string[]) {
    super(`${code} ${reason}: ${message}`);
    this.code = code;
    this.reason = reason;
    this.fields = fields;
  }
}

type Methods<S> = S extends GenService<infer M extends GenServiceMethods> ? M : never;
type In<S, N extends keyof Methods<S>> = Methods<S>[N]["input"] extends infer D extends DescMessage
  ? MessageInitShape<D>
  : never;
type Out<S, N extends keyof Methods<S>> = Methods<S>[N]["output"] extends infer D extends DescMessage
  ? MessageShape<D>
  : never;

export interface Client {
  readonly transport: "grpc" | "rest";
  call<S extends DescService, N extends keyof Methods<S> & string>(
    service: S,
    method: N,
    request: In<S, N>,
    signal?: AbortSignal,
  ): Promise<Out<S, N>>;
  stream<S extends DescService, N extends keyof Methods<S> & string>(
    service: S,
    method: N,
    request: In<S, N>,
    signal?: AbortSignal,
  ): AsyncGenerator<Out<S, N>>;
  close(): void;
}

const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

function descOf(service: DescService, name: string): DescMethod {
  return service.method[name]!;
}

export function grpcClient(address: string, key: string, more: Record<string, string> = {}): Client {
  const client = new GrpcJsClient(address, ChannelCredentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
  const metadata = () => {
    const headers = new Metadata();
    if (key !== "") headers.set("authorization", `Bearer ${key}`);
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    return headers;
  };
  const definition = (service: DescService, name: string) => serviceDefinition(service)[name]!;
  return {
    transport: "grpc",
    call(service, name, request, signal) {
      const { path, requestSerialize, responseDeserialize } = definition(service, name);
      const message = create(descOf(service, name).input, request as never);
      return new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, value: unknown) =>
          error ? reject(toApiError(error)) : resolve(value as never);
        const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata(), done);
        signal?.addEventListener("abort", () => call.cancel());
      });
    },
    async *stream(service, name, request, signal) {
      const { path, requestSerialize, responseDeserialize } = definition(service, name);
      const message = create(descOf(service, name).input, request as never);
      const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, message, metadata());
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel);
      try {
        for await (const item of call) yield item as never;
      } catch (error) {
        if (!signal?.aborted) throw toApiError(error as ServiceError);
      } finally {
        signal?.removeEventListener("abort", cancel);
        call.cancel();
      }
    },
    close: () => client.close(),
  };
}

function toApiError(error: ServiceError): ApiError {
  const known = fromServiceError(error);
  return new ApiError(
    CODES[error.code] ?? String(error.code),
    known.reason,
    error.details,
    known.violations.map(({ field }) => field),
  );
}

const registry = createRegistry();

export function restClient(base: string, key: string): Client {
  const send = async (
    service: DescService,
    name: string,
    request: unknown,
    signal?: AbortSignal,
  ): Promise<Response> => {
    const method = descOf(service, name);
    const json = toJson(method.input, create(method.input, request as never), { registry }) as JsonObject;
    const { verb, url, body } = requestLine(method, json);
    const response = await fetch(base + url, {
      method: verb,
      headers: {
        ...(key !== "" && { authorization: `Bearer ${key}` }),
        ...(body !== null && { "content-type": "application/json" }),
      },
      ...(body !== null && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
    if (response.ok) return response;
    const problem = (await response.json()) as Problem;
    throw fromProblem(problem);
  };
  return {
    transport: "rest",
    async call(service, name, request, signal) {
      const response = await send(service, name, request, signal);
      return fromJson(descOf(service, name).output, (await response.json()) as JsonValue) as never;
    },
    async *stream(service, name, request, signal) {
      try {
        const response = await send(service, name, request, signal);
        for await (const line of linesOf(response.body!)) {
          const json = JSON.parse(line) as JsonObject & { error?: Problem };
          if (json.error !== undefined && typeof json.error === "object" && "status" in json.error)
            throw fromProblem(json.error);
          yield fromJson(descOf(service, name).output, json) as never;
        }
      } catch (error) {
        if (!signal?.aborted) throw error;
      }
    },
    close() {},
  };
}

interface Problem {
  code: string;
  reason: string;
  detail: string;
  status: number;
  violations?: { field: string }[];
}

const fromProblem = (problem: Problem): ApiError =>
  new ApiError(
    problem.code,
    problem.reason,
    problem.detail,
    (problem.violations ?? []).map(({ field }) => field),
  );

/** Verb, path with query, and body of a request as the method's annotation says. */
function requestLine(method: DescMethod, json: JsonObject): { verb: string; url: string; body: JsonValue | null } {
  const rule = getOption(method, http);
  const verb = rule.pattern.case!.toUpperCase();
  const left = { ...json };
  const path = String(rule.pattern.value).replace(/\{([a-z_]+)\}/g, (_, field: string) => {
    const name = method.input.fields.find((candidate) => candidate.name === field)!.jsonName;
    const value = left[name] ?? 0;
    delete left[name];
    return encodeURIComponent(String(value));
  });
  if (rule.body === "*") return { verb, url: path, body: left };
  let body: JsonValue | null = null;
  if (rule.body !== "") {
    const name = method.input.fields.find((candidate) => candidate.name === rule.body)!.jsonName;
    body = left[name] ?? null;
    delete left[name];
  }
  const query = new URLSearchParams();
  addQuery(query, left, "");
  const text = query.toString();
  return { verb, url: text === "" ? path : `${path}?${text}`, body };
}

function addQuery(query: URLSearchParams, values: JsonObject, prefix: string): void {
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const item of value) query.append(prefix + name, String(item));
    else if (value !== null && typeof value === "object") addQuery(query, value as JsonObject, `${prefix}${name}.`);
    else query.append(prefix + name, String(value));
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line !== "") yield line;
  }
  if (rest !== "") yield rest;
}
