// What is particular to gRPC: raw frames, reflection, health, drain.
import { execFile } from "node:child_process";
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata, makeClientConstructor, type ServiceError, status } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  createGrpcServer,
  fromServiceError,
  type GrpcServer,
  type GrpcServerOptions,
  serviceDefinition,
} from "../../../api/grpc/index.ts";
import {
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflection as V1,
} from "../../../proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as V1Alpha } from "../../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { type Bench, createGrpcClient, limitBytes, methodNamed, startBench } from "./clients.ts";
import { createProbe, eventually, glueOperations, glueService, probePipeline } from "./service.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());
beforeEach(() => {
  bench.probe = createProbe();
});

const same = (bytes: Buffer) => bytes;

function rawUnary(client: Client, path: string, bytes: Uint8Array, metadata = new Metadata()): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, Buffer.from(bytes), metadata, (error, value) =>
      error ? reject(error) : resolve(value!),
    );
  });
}

async function serviceErrorOf(work: Promise<unknown>): Promise<ServiceError> {
  return work.then(
    () => {
      throw new Error("did not fail");
    },
    (error: ServiceError) => error,
  );
}

describe("requests that are not what they should be", () => {
  it("an unknown method is unimplemented", async () => {
    const error = await serviceErrorOf(rawUnary(bench.grpcClient, "/glue.v1.GlueService/Nothing", Buffer.alloc(0)));
    expect(error.code).toBe(status.UNIMPLEMENTED);
  });

  it("bytes that are no message are the client's fault", async () => {
    const error = await serviceErrorOf(rawUnary(bench.grpcClient, "/glue.v1.GlueService/Echo", Buffer.from([0xff])));
    expect(fromServiceError(error)).toMatchObject({ code: status.INVALID_ARGUMENT, reason: "MALFORMED_PROTOBUF" });
  });

  it("a stranger's message is not waited for", async () => {
    const session = connectHttp2(`http://127.0.0.1:${bench.grpcPort}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/glue.v1.GlueService/Echo",
      "content-type": "application/grpc",
      authorization: "Bearer wrong",
    });
    stream.on("error", () => undefined);
    // The head of a message of 200,000 bytes, of which none come.
    stream.write(Buffer.from([0, 0, 3, 13, 64]));
    const headers = await new Promise<IncomingHttpHeaders>((resolve) => {
      stream.on("response", (received) => {
        if (received["grpc-status"] !== undefined) resolve(received);
      });
      stream.on("trailers", resolve);
    });
    session.destroy();
    expect(headers["grpc-status"]).toBe(String(status.UNAUTHENTICATED));
    expect(bench.probe.finished).toMatchObject([{ code: "UNAUTHENTICATED", transport: "grpc" }]);
  });

  it("authentication comes before decoding", async () => {
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer wrong");
    const error = await serviceErrorOf(
      rawUnary(bench.grpcClient, "/glue.v1.GlueService/Echo", Buffer.from([0xff]), metadata),
    );
    expect(error.code).toBe(status.UNAUTHENTICATED);
  });

  it("a message too large in mid-stream ends the call and releases the function", async () => {
    const { path, requestSerialize, responseDeserialize } = serviceDefinition(glueService)["sum"]!;
    const failed = new Promise<ServiceError>((resolve) => {
      const call = bench.grpcClient.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error) =>
        resolve(error!),
      );
      call.write(create(methodNamed("sum").input, { value: 1 }));
      call.write(create(methodNamed("sum").input, { note: "x".repeat(limitBytes + 1) }));
    });
    expect((await failed).code).toBe(status.RESOURCE_EXHAUSTED);
    await eventually(() => bench.probe.released === 1, "finally");
  });
});

describe("messages that are long in coming", () => {
  const budgetBytes = 8_000_000;
  let server: GrpcServer;
  let session: ClientHttp2Session;
  let client: Client;
  const start = async (options: Partial<GrpcServerOptions>) => {
    const current = () => bench.probe;
    const common = { operations: glueOperations(current), pipeline: probePipeline(current) };
    server = createGrpcServer({ ...common, uploadBudgetBytes: budgetBytes, ...options });
    const address = `127.0.0.1:${await server.bind("127.0.0.1:0")}`;
    session = connectHttp2(`http://${address}`);
    client = new Client(address, credentials.createInsecure());
  };
  afterEach(() => {
    session.destroy();
    client.close();
    server.stop();
  });

  /** A call of which these bytes arrive, and no more. */
  function begin(method: string, bytes: Uint8Array) {
    const stream = session.request({
      ":method": "POST",
      ":path": `/glue.v1.GlueService/${method}`,
      "content-type": "application/grpc",
      authorization: "Bearer ada",
    });
    stream.on("error", () => undefined);
    stream.write(bytes);
    const answer = new Promise<IncomingHttpHeaders>((resolve) => {
      for (const event of ["response", "trailers"] as const)
        stream.on(event, (received: IncomingHttpHeaders) => {
          if (received["grpc-status"] !== undefined) resolve(received);
        });
    });
    return { stream, answer };
  }

  /** Of a message of 200,000 bytes, of which none come. */
  const head = [0, 0, 3, 13, 64];
  /** A message with the value 1. */
  const whole = [0, 0, 0, 0, 2, 8, 1];

  it.each([
    ["Echo", head],
    ["Sum", head],
    ["Sum", [...whole, ...head]],
    ["Sum", [...whole, ...whole, 0]],
  ])("are given up when they do not come: %s %j", async (method, bytes) => {
    await start({ patience: { lookEveryMs: 10, leastBytesPerLook: 1 } });
    const { answer } = begin(method, Buffer.from(bytes));
    expect((await answer)["grpc-message"]).toMatch(/not%20arrive%20in%20time|not arrive in time/);
    await eventually(() => bench.probe.finished.length === 1, "one line in the log");
    expect(server.uploadBytes()).toBe(0);
  });

  it("streams may be silent for as long as they like between messages", async () => {
    await start({ patience: { lookEveryMs: 10, leastBytesPerLook: 1 } });
    const { path, requestSerialize, responseDeserialize } = serviceDefinition(glueService)["sum"]!;
    const sum = await new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
      call.write(create(methodNamed("sum").input, { value: 1 }));
      setTimeout(() => call.end(create(methodNamed("sum").input, { value: 2 })), 200);
    });
    expect(sum).toMatchObject({ sum: 3, messages: 2 });
  });

  it("are gathered up to a number of bytes, then the sender is told to come again", async () => {
    await start({});
    const echo = (bytes: number) => {
      const request = create(methodNamed("echo").input, { data: new Uint8Array(bytes) });
      return rawUnary(client, "/glue.v1.GlueService/Echo", toBinary(methodNamed("echo").input, request));
    };
    const most = Buffer.alloc(5 + 2_900_000);
    most.writeUInt32BE(3_000_000, 1);
    const halves = Array.from({ length: 3 }, () => begin("Echo", most));
    const refused = await Promise.race(halves.map(({ answer }) => answer));
    expect(refused["grpc-status"]).toBe(String(status.RESOURCE_EXHAUSTED));
    const error = await serviceErrorOf(echo(3_000_000));
    expect(fromServiceError(error)).toMatchObject({ reason: "TOO_MANY_UPLOADS", retryAfterMs: 1_000 });
    await echo(10_000);
    for (const { stream } of halves) stream.destroy();
    await eventually(() => server.uploadBytes() === 0, "nothing held");
    await echo(3_000_000);
  });
});

describe("metadata", () => {
  it("headers and trailers of the function arrive", async () => {
    const { path, requestSerialize, responseDeserialize } = serviceDefinition(glueService)["echo"]!;
    const [headers, last] = await new Promise<[Metadata, Metadata]>((resolve, reject) => {
      let headers: Metadata;
      const request = create(methodNamed("echo").input, {});
      bench.grpcClient
        .makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) => error && reject(error))
        .on("metadata", (metadata) => {
          headers = metadata;
        })
        .on("status", ({ metadata }) => resolve([headers, metadata]));
    });
    expect(headers.get("x-echo")).toEqual(["yes"]);
    expect(last.get("x-echo-trailer")).toEqual(["yes"]);
  });
});

/** A wire that can be cut. */
async function startProxy(port: number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) sockets.add(socket.on("error", () => undefined));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, cut };
}

describe("clients that disappear", () => {
  it("a lost connection releases every function on it", async () => {
    const proxy = await startProxy(bench.grpcPort);
    const client = createGrpcClient(proxy.port);
    const { path, requestSerialize, responseDeserialize } = serviceDefinition(glueService)["count"]!;
    for (let index = 0; index < 5; index += 1) {
      const request = create(methodNamed("count").input, { delayMs: 20 } as never);
      client
        .makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
        .on("error", () => undefined)
        .resume();
    }
    await eventually(() => bench.probe.produced >= 10, "messages");
    proxy.cut();
    await eventually(() => bench.probe.released === 5, "finally of all");
    expect(bench.probe.signalReason?.code).toBe(status.CANCELLED);
    client.close();
  });
});

// ---- Reflection -----------------------------------------------------------------------------------------------

type Question = MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"];
type AnswerOf<Case> = Extract<ServerReflectionResponse["messageResponse"], { case: Case }>;

async function ask(service: typeof V1 | typeof V1Alpha, questions: NonNullable<Question>[]) {
  const Constructor = makeClientConstructor(serviceDefinition(service), "Reflection");
  const client = new Constructor(`127.0.0.1:${bench.grpcPort}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = serviceDefinition(service)["serverReflectionInfo"]!;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  for (const messageRequest of questions) call.write({ host: "here", messageRequest });
  call.end();
  const answers: ServerReflectionResponse["messageResponse"][] = [];
  for await (const answer of call) answers.push((answer as ServerReflectionResponse).messageResponse);
  client.close();
  return answers;
}

describe.each([
  ["v1", V1],
  ["v1alpha", V1Alpha],
])("reflection %s", (_version, service) => {
  it("lists the services", async () => {
    const [answer] = await ask(service, [{ case: "listServices", value: "" }]);
    const names = (answer as AnswerOf<"listServicesResponse">).value.service.map(({ name }) => name);
    expect(names).toContain("glue.v1.GlueService");
    expect(names).toContain("grpc.health.v1.Health");
    expect(names).toContain("grpc.reflection.v1.ServerReflection");
  });

  it("gives a file with all that it depends on, options included", async () => {
    const [answer] = await ask(service, [{ case: "fileContainingSymbol", value: "glue.v1.GlueService.Echo" }]);
    const files = (answer as AnswerOf<"fileDescriptorResponse">).value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    expect(files.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["glue/v1/glue.proto", "google/api/annotations.proto", "buf/validate/validate.proto"]),
    );
    const [glue] = files;
    const sent = toBinary(FileDescriptorProtoSchema, glue as MessageShape<typeof FileDescriptorProtoSchema>);
    expect(Buffer.from(sent).includes("/v1/things/{thing_id}:rename")).toBe(true);
  });

  it("knows extensions, and says what it does not know", async () => {
    const answers = await ask(service, [
      { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
      {
        case: "fileContainingExtension",
        value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 72295728 },
      },
      { case: "fileByFilename", value: "no/such.proto" },
    ]);
    const [numbers, file, missing] = answers;
    expect((numbers as AnswerOf<"allExtensionNumbersResponse">).value.extensionNumber).toContain(72295728);
    expect(file?.case).toBe("fileDescriptorResponse");
    expect(missing).toMatchObject({ case: "errorResponse", value: { errorCode: status.NOT_FOUND } });
  });
});

it("a foreign client calls by reflection alone", async () => {
  const buf = join(import.meta.dirname, "../../../node_modules/.bin/buf");
  const url = `http://127.0.0.1:${bench.grpcPort}/glue.v1.GlueService/Echo`;
  const options = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-H", "authorization: Bearer ada"];
  const { stdout } = await promisify(execFile)(buf, [...options, "--data", '{"text":"hi"}', url]);
  expect(JSON.parse(stdout)).toEqual({ request: { text: "hi" }, caller: "ada" });
});

// ---- Health and drain -----------------------------------------------------------------------------------------

function checkHealth(port: number, service: string): Promise<string> {
  const Constructor = makeClientConstructor(healthService as never, "Health");
  const client = new Constructor(`127.0.0.1:${port}`, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = healthService["Check"] as never as {
      path: string;
      requestSerialize: (value: unknown) => Buffer;
      responseDeserialize: (bytes: Buffer) => { status: string };
    };
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, value) => {
      client.close();
      if (error) reject(error);
      else resolve(value!.status);
    });
  });
}

describe("health and drain", () => {
  it("serves, for the whole and for each service", async () => {
    expect(await checkHealth(bench.grpcPort, "")).toBe("SERVING");
    expect(await checkHealth(bench.grpcPort, "glue.v1.GlueService")).toBe("SERVING");
    bench.grpcServer.setServing(false);
    expect(await checkHealth(bench.grpcPort, "")).toBe("NOT_SERVING");
    bench.grpcServer.setServing(true);
  });

  it("a drain ends streams with UNAVAILABLE and lets other calls finish", async () => {
    const probe = createProbe();
    const current = () => probe;
    const server = createGrpcServer({ operations: glueOperations(current), pipeline: probePipeline(current) });
    const client = createGrpcClient(await server.bind("127.0.0.1:0"));
    const definition = serviceDefinition(glueService);
    const stream = client.makeServerStreamRequest(
      definition["count"]!.path,
      definition["count"]!.requestSerialize,
      definition["count"]!.responseDeserialize,
      create(methodNamed("count").input, { delayMs: 5 } as never),
    );
    const streamError = new Promise<ServiceError>((resolve) => stream.on("error", resolve as never).resume());
    const unary = new Promise<ServiceError | null>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = definition["slow"]!;
      const request = create(methodNamed("slow").input, { delayMs: 300 } as never);
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) => resolve(error));
    });
    await eventually(() => probe.produced > 2, "messages");
    await server.drain(5000);
    expect(fromServiceError(await streamError)).toMatchObject({ code: status.UNAVAILABLE, reason: "SERVER_DRAINING" });
    expect(await unary).toBeNull();
    expect(probe.released).toBe(2);
    client.close();
  });
});
