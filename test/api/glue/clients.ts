// One client interface, two transports: requests and answers as JSON, failures as OstlerError. So a case is written
// once and run through gRPC and REST.
import type { AddressInfo } from "node:net";
import { type DescMethod, fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Client, credentials, Metadata, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import WebSocket from "ws";
import { Code, cancelled, OstlerError } from "../../../api/errors.ts";
import { createGrpcServer, fromServiceError, type GrpcServer, serviceDefinition } from "../../../api/grpc/index.ts";
import { createRestServer, type Problem, type RestServer } from "../../../api/rest/index.ts";
import { createProbe, glueOperations, glueService, type Probe, probePipeline } from "./service.ts";

export interface CallOptions {
  key?: string;
  deadlineMs?: number;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface Stream extends AsyncIterable<JsonObject> {
  cancel(): void;
}

export interface Chat extends Stream {
  send(message: JsonObject): void;
  end(): void;
}

export interface GlueClient {
  readonly transport: "grpc" | "rest";
  unary(method: string, request: JsonObject, options?: CallOptions): Promise<JsonObject>;
  count(request: JsonObject, options?: CallOptions): Stream;
  sum(requests: AsyncIterable<JsonObject> | Iterable<JsonObject>, options?: CallOptions): Promise<JsonObject>;
  chat(options?: CallOptions): Chat;
}

export interface Bench {
  /** Of the present test. */
  probe: Probe;
  readonly grpcServer: GrpcServer;
  readonly restServer: RestServer;
  readonly grpcPort: number;
  readonly restPort: number;
  readonly clients: { grpc: GlueClient; rest: GlueClient };
  readonly grpcClient: Client;
  close(): Promise<void>;
}

export const limitBytes = 256 * 1024;

export async function startBench(): Promise<Bench> {
  const current = () => bench.probe;
  const pipeline = probePipeline(current);
  const operations = glueOperations(current);
  const grpcServer = createGrpcServer({ operations, pipeline, receiveLimitBytes: limitBytes });
  const grpcPort = await grpcServer.bind("127.0.0.1:0");
  const restServer = await createRestServer({
    operations,
    pipeline,
    bodyLimitBytes: limitBytes,
    heartbeatMs: 250,
    document: () => ({ title: "glue", version: "1" }),
  });
  await restServer.app.listen({ host: "127.0.0.1", port: 0 });
  const restPort = (restServer.app.server.address() as AddressInfo).port;
  const grpcClient = createGrpcClient(grpcPort);
  const bench: Bench = {
    probe: createProbe(),
    grpcServer,
    restServer,
    grpcPort,
    restPort,
    grpcClient,
    clients: { grpc: grpcGlueClient(grpcClient), rest: restGlueClient(restPort) },
    async close() {
      grpcClient.close();
      grpcServer.stop();
      await restServer.drain(0);
    },
  };
  return bench;
}

// ---- gRPC -----------------------------------------------------------------------------------------------------

export function createGrpcClient(port: number): Client {
  const Constructor = makeClientConstructor(serviceDefinition(glueService), "Glue");
  const options = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  return new Constructor(`127.0.0.1:${port}`, credentials.createInsecure(), options);
}

export function methodNamed(name: string): DescMethod {
  const method = glueService.methods.find(({ localName }) => localName === name);
  if (method === undefined) throw new Error(`no method ${name}`);
  return method;
}

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  if (options.key !== undefined) metadata.set("authorization", `Bearer ${options.key}`);
  if (options.idempotencyKey !== undefined) metadata.set("idempotency-key", options.idempotencyKey);
  return metadata;
}

function callOptions({ deadlineMs }: CallOptions): { deadline?: number } {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

function grpcGlueClient(client: Client): GlueClient {
  const codecs = (method: DescMethod) => {
    const definition = serviceDefinition(glueService)[method.localName]!;
    return [definition.path, definition.requestSerialize, definition.responseDeserialize] as const;
  };
  return {
    transport: "grpc",
    unary(name, request, options = {}) {
      const method = methodNamed(name);
      return new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, value?: unknown) =>
          error ? reject(fromServiceError(error)) : resolve(toJson(method.output, value as never) as JsonObject);
        const message = fromJson(method.input, request);
        const call = client.makeUnaryRequest(
          ...codecs(method),
          message,
          metadataOf(options),
          callOptions(options),
          done,
        );
        options.signal?.addEventListener("abort", () => call.cancel());
      });
    },
    count(request, options = {}) {
      const method = methodNamed("count");
      const message = fromJson(method.input, request);
      const call = client.makeServerStreamRequest(
        ...codecs(method),
        message,
        metadataOf(options),
        callOptions(options),
      );
      return grpcStream(method, call);
    },
    sum(requests, options = {}) {
      const method = methodNamed("sum");
      return new Promise((resolve, reject) => {
        const call = client.makeClientStreamRequest(
          ...codecs(method),
          metadataOf(options),
          callOptions(options),
          (error, value) =>
            error ? reject(fromServiceError(error)) : resolve(toJson(method.output, value as never) as JsonObject),
        );
        options.signal?.addEventListener("abort", () => call.cancel());
        const sent = (async () => {
          for await (const request of requests) call.write(fromJson(method.input, request));
          call.end();
        })();
        sent.catch(() => call.cancel());
      });
    },
    chat(options = {}) {
      const method = methodNamed("chat");
      const call = client.makeBidiStreamRequest(...codecs(method), metadataOf(options), callOptions(options));
      return {
        ...grpcStream(method, call),
        send: (message) => void call.write(fromJson(method.input, message)),
        end: () => void call.end(),
      };
    },
  };
}

function grpcStream(method: DescMethod, call: AsyncIterable<unknown> & { cancel(): void }): Stream {
  return {
    cancel: () => call.cancel(),
    async *[Symbol.asyncIterator]() {
      try {
        for await (const message of call) yield toJson(method.output, message as never) as JsonObject;
      } catch (error) {
        throw fromServiceError(error as ServiceError);
      }
    },
  };
}

// ---- REST -----------------------------------------------------------------------------------------------------

const routes: Record<string, (request: JsonObject) => [verb: string, url: string, body?: JsonObject]> = {
  echo: (request) => ["POST", "/v1/echo", request],
  fail: ({ kind }) => ["GET", `/v1/fail/${encodeURIComponent(String(kind))}`],
  slow: (request) => ["GET", `/v1/slow?${query(request)}`],
  getBook: ({ name }) => ["GET", `/v1/${name}`],
  missing: () => ["GET", "/v1/missing"],
  renameThing: ({ thingId, ...request }) => ["POST", `/v1/things/${thingId}:rename`, request],
};

function query(request: JsonObject): string {
  return new URLSearchParams(request as Record<string, string>).toString();
}

function headersOf(options: CallOptions): Record<string, string> {
  return {
    ...(options.key !== undefined && { authorization: `Bearer ${options.key}` }),
    ...(options.idempotencyKey !== undefined && { "idempotency-key": options.idempotencyKey }),
    ...(options.deadlineMs !== undefined && { "x-request-timeout-ms": String(options.deadlineMs) }),
  };
}

export function fromProblem(problem: Problem): OstlerError {
  return new OstlerError(Code[problem.code as keyof typeof Code], problem.reason, problem.detail, {
    violations: problem.violations ?? [],
    metadata: problem.metadata ?? {},
    httpStatus: problem.status,
    ...(problem.retryAfterMs !== undefined && { retryAfterMs: problem.retryAfterMs }),
  });
}

async function readAnswer(response: Response): Promise<JsonObject> {
  const json = (await response.json()) as JsonObject;
  if (!response.ok) throw fromProblem(json as unknown as Problem);
  return json;
}

function restGlueClient(port: number): GlueClient {
  const base = `http://127.0.0.1:${port}`;
  return {
    transport: "rest",
    async unary(name, request, options = {}) {
      const [method, url, body] = routes[name]!(request);
      const headers = { ...headersOf(options), ...(body !== undefined && { "content-type": "application/json" }) };
      const text = body === undefined ? null : JSON.stringify(body);
      const signal = options.signal ?? null;
      return readAnswer(await fetch(base + url, { method, headers, body: text, signal }));
    },
    count(request, options = {}) {
      const controller = new AbortController();
      const response = fetch(`${base}/v1/count?${query(request)}`, {
        headers: headersOf(options),
        signal: controller.signal,
      });
      return { cancel: () => controller.abort(), [Symbol.asyncIterator]: () => readStream(response) };
    },
    async sum(requests, options = {}) {
      async function* lines() {
        for await (const request of requests) yield Buffer.from(`${JSON.stringify(request)}\n`);
      }
      const response = await fetch(`${base}/v1/sum`, {
        method: "POST",
        headers: { ...headersOf(options), "content-type": "application/x-ndjson" },
        body: ReadableStream.from(lines()),
        duplex: "half",
        signal: options.signal ?? null,
      }).catch(() => {
        throw cancelled();
      });
      return readAnswer(response);
    },
    chat: (options = {}) => restChat(`ws://127.0.0.1:${port}/v1/chat`, options),
  };
}

async function* readStream(pending: Promise<Response>): AsyncGenerator<JsonObject> {
  const response = await pending;
  if (!response.ok) await readAnswer(response);
  for await (const line of linesOf(response)) {
    const json = JSON.parse(line) as JsonObject;
    if (json["error"] !== undefined) throw fromProblem(json["error"] as unknown as Problem);
    yield json;
  }
}

export async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => line !== "");
  }
}

function restChat(url: string, options: CallOptions): Chat {
  const socket = new WebSocket(url, { headers: headersOf(options) });
  const opened = new Promise((resolve) => socket.once("open", resolve));
  return {
    cancel: () => socket.terminate(),
    send: (message) => void opened.then(() => socket.send(JSON.stringify(message))),
    end: () => void opened.then(() => socket.send("")),
    [Symbol.asyncIterator]: () => readSocket(socket),
  };
}

export async function* readSocket(socket: WebSocket): AsyncGenerator<JsonObject> {
  const waiting: JsonValue[] = [];
  let wake = () => {};
  let closed = false;
  socket.on("message", (data) => {
    waiting.push(JSON.parse(data.toString()) as JsonValue);
    wake();
  });
  socket.on("close", () => {
    closed = true;
    wake();
  });
  socket.on("error", () => undefined);
  for (;;) {
    const json = waiting.shift() as JsonObject | undefined;
    if (json?.["error"] !== undefined) throw fromProblem(json["error"] as unknown as Problem);
    if (json !== undefined) yield json;
    else if (closed) return;
    else
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
}
