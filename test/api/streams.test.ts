/** Streams whose clients do not read, go away without a word, or are too many: they leave nothing behind. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create, type DescMethod } from "@bufbuild/protobuf";
import { credentials, Client as GrpcJsClient, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { createFirstAdmin } from "../../api/auth/identity.ts";
import { readConfig } from "../../api/config.ts";
import { serviceDefinition } from "../../api/grpc/index.ts";
import { createServer, type OstlerServer } from "../../api/server.ts";
import { openStore, type Store } from "../../api/store/index.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService, Residency } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import { type Client, grpcClient, restClient } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually } from "../support/hosting.ts";

let dataDir: string;
let store: Store;
let server: OstlerServer;
let key: string;
let http: string;
let clients: Record<"grpc" | "rest", Client>;
/** For calls that are not read. */
let raw: GrpcJsClient;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "ostler-streams-"));
  store = await openStore({ dataDir });
  key = (await createFirstAdmin(store))!;
  await start();
});
afterAll(async () => {
  hangUp();
  await server.close();
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const options = { dataDir, httpPort: 0, grpcPort: 0, workers: 2, log: "errors", hibernateAfterMs: 300 } as const;
  server = await createServer(store, readConfig({}, options));
  const addresses = await server.listen();
  ({ http } = addresses);
  clients = { grpc: grpcClient(addresses.grpc, key), rest: restClient(http, key) };
  raw = new GrpcJsClient(addresses.grpc, credentials.createInsecure());
}

function hangUp(): void {
  clients.grpc.close();
  raw.close();
}

const followersOf = (machineId: string): number => server.hosting.peek(machineId)?.followers ?? 0;

const newMachine = async (client: Client): Promise<string> =>
  (await client.call(MachineService, "createMachine", {})).machine!.machineId;

async function run(client: Client, source: string): Promise<string> {
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data: compileC(source) });
  const machineId = await newMachine(client);
  const programHash = { case: "programHash", value: program!.programHash } as const;
  await client.call(MachineService, "startProgram", { machineId, program: programHash, run: true });
  return machineId;
}

const isResident = async (client: Client, machineId: string): Promise<boolean> =>
  (await client.call(MachineService, "getMachine", { machineId })).machine!.residency === Residency.ACTIVE;

/** Reads on in the background; resolves with the error that ended it, if any. */
const consume = async (stream: AsyncIterable<unknown>): Promise<unknown> => {
  try {
    for await (const _ of stream);
    return null;
  } catch (error) {
    return error;
  }
};

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = clients[transport];
  });

  test("a machine whose watchers have all gone can leave memory", async () => {
    const machineId = await newMachine(client);
    await client.call(TaskService, "createRemoteTask", { machineId });
    const gone = new AbortController();
    const watchers = [
      ...Array.from({ length: 5 }, () => client.stream(ConsoleService, "followConsole", { machineId }, gone.signal)),
      ...Array.from({ length: 5 }, () => client.stream(TraceService, "followTrace", { machineId }, gone.signal)),
      ...Array.from({ length: 5 }, () =>
        client.stream(MachineService, "waitMachine", { machineId, consoleContains: "never" }, gone.signal),
      ),
    ].map(consume);
    await eventually(() => followersOf(machineId) === 15);
    await sleep(1_000);
    expect(await isResident(client, machineId)).toBe(true);
    gone.abort();
    await Promise.all(watchers);
    await eventually(async () => !(await isResident(client, machineId)));
  });

  test.skipIf(!hasCompiler)("more re-executions than one user may have are refused until others end", async () => {
    const machineId = await run(client, sources.spin);
    const executed = { machineId, instructions: 300_000_000n };
    for await (const _ of client.stream(MachineService, "waitMachine", executed));
    const gone = new AbortController();
    const query = { machineId, filter: { categories: ["syscall"] } };
    const refusals: unknown[] = [];
    // As long as twenty ask, twelve are told no, however soon the others have their answers.
    const queries = Array.from({ length: 20 }, async () => {
      for (let error = null; error === null && !gone.signal.aborted; ) {
        error = await consume(client.stream(TraceService, "queryTrace", query, gone.signal));
        if (error !== null && !gone.signal.aborted) refusals.push(error);
      }
    });
    await eventually(() => refusals.length >= 12);
    for (const error of refusals)
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "TOO_MANY_REPLAYS" });
    gone.abort();
    await Promise.all(queries);
    await client.call(MachineService, "pauseMachine", { machineId });
    await eventually(
      async () => (await consume(client.stream(TraceService, "queryTrace", { ...query, limit: 1 }))) === null,
    );
  });
});

const MIB = 1024 * 1024;
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What this process holds, without what only waits to be collected. */
function reachableBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A request whose answer is never read. */
function deaf(path: string, headers: string) {
  const url = new URL(http);
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n${headers}\r\n`);
  return socket;
}

/** The same over gRPC. */
function deafCall(method: DescMethod, machineId: string) {
  const { path, requestSerialize, responseDeserialize } = serviceDefinition(method.parent)[method.localName]!;
  const message = create(method.input, { machineId } as never);
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${key}`);
  const call = raw.makeServerStreamRequest(path, requestSerialize, responseDeserialize, message, metadata);
  call.on("error", () => undefined);
  return call;
}

describe.skipIf(!hasCompiler)("readers that do not read", () => {
  const flood = `#include <unistd.h>
static char block[1 << 16];
int main(void) { for (;;) write(1, block, sizeof block); }`;

  /** Bytes of the console. */
  const written = async (machineId: string): Promise<bigint> =>
    (await clients.grpc.call(ConsoleService, "readConsole", { machineId, limit: 1 })).consoleLength;

  /** So many of each kind. Their windows fill, and nobody empties them. */
  const deafReaders = (machineId: string, each: number): { readers: number; leave(): void } => {
    const sockets = ["", "accept: text/event-stream\r\n"].flatMap((accept) =>
      ["console:follow", "trace:follow"].flatMap((what) =>
        Array.from({ length: each }, () => deaf(`/v1/machines/${machineId}/${what}`, accept)),
      ),
    );
    const address = `${http.replace("http", "ws")}/v1/machines/console:attach`;
    const attached = new WebSocket(address, { headers: { authorization: `Bearer ${key}` } });
    attached.on("error", () => undefined);
    attached.on("open", () => {
      attached.send(JSON.stringify({ open: { machineId } }));
      attached.pause();
    });
    const calls = [ConsoleService.method.followConsole, TraceService.method.followTrace].flatMap((method) =>
      Array.from({ length: each }, () => deafCall(method, machineId)),
    );
    const leave = () => {
      for (const socket of sockets) socket.destroy();
      for (const call of calls) call.cancel();
      attached.terminate();
    };
    return { readers: sockets.length + 1 + calls.length, leave };
  };

  test("hold up nobody, cost no memory to speak of, and are forgotten when they go", async () => {
    const client = clients.grpc;
    const machineId = await run(client, flood);
    const before = reachableBytes();
    const { readers, leave } = deafReaders(machineId, 5);
    await eventually(() => followersOf(machineId) === readers);
    const begin = await written(machineId);
    await eventually(async () => (await written(machineId)) > begin + BigInt(32 * MIB));
    expect(reachableBytes() - before).toBeLessThan(readers * 12 * MIB);
    leave();
    await client.call(MachineService, "pauseMachine", { machineId });
    await eventually(async () => !(await isResident(client, machineId)));
  });

  test("do not keep the server from ending, and what was acknowledged is there afterwards", async () => {
    const machineId = await run(clients.grpc, flood);
    const { readers, leave } = deafReaders(machineId, 2);
    await eventually(() => followersOf(machineId) === readers);
    const begin = await written(machineId);
    // More than all that lies between them and the server can hold.
    await eventually(async () => (await written(machineId)) > begin + BigInt(16 * MIB));
    const acknowledged = await written(machineId);
    await server.close();
    hangUp();
    leave();
    await start();
    expect(await written(machineId)).toBeGreaterThanOrEqual(acknowledged);
    await clients.grpc.call(MachineService, "deleteMachine", { machineId });
  });
});
