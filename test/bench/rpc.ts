/**
 * Unary round trips through our transports beside the same library without them, in the same run: gRPC beside a grpc-js
 * handler that gives back the bytes it got, REST beside a bare fastify route. The servers are a process of their own,
 * h2load is the client. Rounds are interleaved, each figure is a median.
 */
import { type ChildProcess, execFile, fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import Fastify from "fastify";
import { createGrpcServer, serviceDefinition } from "../../api/grpc/index.ts";
import { createRestServer } from "../../api/rest/index.ts";
import { createProbe, glueOperations, glueService } from "../api/glue/service.ts";

const ROUNDS = 3;
const ROUND_SECONDS = 0.5;
const CONNECTIONS = 4;
const IN_FLIGHT = 64;
const request = { text: "hello", large: "12345678901", words: ["a", "b"], colour: "COLOUR_RED" };

interface Ports {
  grpcOurs: number;
  grpcBare: number;
  restOurs: number;
  restBare: number;
}

interface Subject {
  name: string;
  options: string[];
  url: string;
}

export async function bench(): Promise<void> {
  if (spawnSync("h2load", ["--version"]).error) {
    console.log("rpc: skipped, no h2load");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "rpc-bench-"));
  const child = fork(import.meta.filename, ["serve"]);
  try {
    const subjects = subjectsOf(await portsOf(child), folder);
    for (const subject of subjects) await measure(subject);
    const figures = new Map(subjects.map(({ name }) => [name, [] as number[]]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const subject of subjects) figures.get(subject.name)?.push(await measure(subject));
    }
    print(new Map([...figures].map(([name, values]) => [name, median(values)])));
  } finally {
    child.kill();
    rmSync(folder, { recursive: true });
  }
}

function print(medians: ReadonlyMap<string, number>): void {
  const row = (ours: string, bare: string) => {
    const [a, b] = [medians.get(ours) ?? 0, medians.get(bare) ?? 0];
    return { ours: Math.round(a), bare: Math.round(b), ratio: (a / b).toFixed(2) };
  };
  console.table({
    [`gRPC unary, ${IN_FLIGHT} in flight (calls/s)`]: row("grpcOurs", "grpcBare"),
    [`REST JSON, ${IN_FLIGHT} in flight (calls/s)`]: row("restOurs", "restBare"),
  });
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

function portsOf(child: ChildProcess): Promise<Ports> {
  return new Promise((resolve, reject) => {
    child.once("message", (ports) => resolve(ports as Ports));
    child.once("exit", (code) => reject(new Error(`the server process ended with ${code}`)));
  });
}

function subjectsOf(ports: Ports, folder: string): Subject[] {
  const json = join(folder, "request.json");
  const frame = join(folder, "request.bin");
  writeFileSync(json, JSON.stringify(request));
  writeFileSync(frame, grpcFrame());
  const perConnection = String(IN_FLIGHT / CONNECTIONS);
  const grpc = ["-c", String(CONNECTIONS), "-m", perConnection, "-d", frame, "-H", "te: trailers"];
  const rest = ["--h1", "-c", String(IN_FLIGHT), "-m", "1", "-d", json];
  const typed = (options: string[], type: string) => [...options, "-H", `content-type: ${type}`];
  const grpcUrl = (port: number) => `http://127.0.0.1:${port}/glue.v1.GlueService/Echo`;
  const restUrl = (port: number) => `http://127.0.0.1:${port}/v1/echo`;
  return [
    { name: "grpcOurs", options: typed(grpc, "application/grpc"), url: grpcUrl(ports.grpcOurs) },
    { name: "grpcBare", options: typed(grpc, "application/grpc"), url: grpcUrl(ports.grpcBare) },
    { name: "restOurs", options: typed(rest, "application/json"), url: restUrl(ports.restOurs) },
    { name: "restBare", options: typed(rest, "application/json"), url: restUrl(ports.restBare) },
  ];
}

/** A message as gRPC sends it: not compressed, its length, its bytes. */
function grpcFrame(): Buffer {
  const { input } = glueService.methods.find(({ name }) => name === "Echo")!;
  const message = create(input, { ...request, large: BigInt(request.large), colour: 1 });
  const bytes = toBinary(input, message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

async function measure({ name, options, url }: Subject): Promise<number> {
  const { stdout } = await promisify(execFile)("h2load", ["-D", `${ROUND_SECONDS * 1000}ms`, ...options, url]);
  const [, rate] = /finished in .*?, ([\d.]+) req\/s/.exec(stdout) ?? [];
  const [, succeeded, failed] = /(\d+) succeeded, (\d+) failed/.exec(stdout) ?? [];
  if (rate === undefined || Number(succeeded) === 0 || Number(failed) > 0) throw new Error(`${name}:\n${stdout}`);
  return Number(rate);
}

// ---- The server process ---------------------------------------------------------------------------------------

async function serve(): Promise<void> {
  const probe = createProbe();
  const operations = glueOperations(() => probe);
  const pipeline = { authenticate() {}, onFinish() {} };
  const grpcServer = createGrpcServer({ operations, pipeline });
  const restServer = await createRestServer({ operations, pipeline });
  await restServer.app.listen({ host: "127.0.0.1", port: 0 });
  const ports: Ports = {
    grpcOurs: await grpcServer.bind("127.0.0.1:0"),
    grpcBare: await serveBareGrpc(),
    restOurs: (restServer.app.server.address() as AddressInfo).port,
    restBare: await serveBareRest(),
  };
  process.send?.(ports);
}

function serveBareGrpc(): Promise<number> {
  const same = (bytes: Buffer) => bytes;
  const echo: handleUnaryCall<Buffer, Buffer> = (call, reply) => reply(null, call.request);
  const { path } = serviceDefinition(glueService)["echo"]!;
  const server = new Server();
  const codecs = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService({ echo: { path, requestStream: false, responseStream: false, ...codecs } }, { echo });
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

async function serveBareRest(): Promise<number> {
  const app = Fastify();
  app.post("/v1/echo", async ({ body }) => ({ request: body }));
  await app.listen({ host: "127.0.0.1", port: 0 });
  return (app.server.address() as AddressInfo).port;
}

if (process.argv[2] === "serve" && process.send !== undefined) await serve();
