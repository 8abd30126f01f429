/** A server that is told to end while it is busy, as a process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import type { Client } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { hasCompiler, sources } from "../support/guest.ts";
import { eventually, outcome } from "../support/hosting.ts";
import {
  checkWriter,
  consoleOf,
  consoleWriter,
  numbersIn,
  remoteWriter,
  startProgram,
  writeUntilRefused,
} from "../support/ledger.ts";
import { ServerProcess } from "../support/process.ts";
import { callWithOne } from "../support/request-streams.ts";
import { openTestStore } from "../support/store.ts";

/** Ended here if a test fails. */
const servers: ServerProcess[] = [];

const STEPS = 100_000_000n;
const TRANSPORTS = ["grpc", "rest"] as const;

let dataDir: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), "ostler-drain-"));
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(environment: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await ServerProcess.start(dataDir, environment);
  servers.push(server);
  return server;
}

async function pausedSpinner(client: Client): Promise<string> {
  const machineId = await startProgram(client, sources.spin);
  await client.call(MachineService, "pauseMachine", { machineId });
  return machineId;
}

const positionOf = async (client: Client, machineId: string): Promise<bigint> =>
  (await client.call(MachineService, "getMachine", { machineId })).machine!.position!.instructions;

/** Steps that are under way, and where each began. */
async function steps(clients: readonly Client[]) {
  const begun = clients.map(async (client) => {
    const machineId = await pausedSpinner(client);
    const from = await positionOf(client, machineId);
    const answer = outcome(client.call(MachineService, "stepMachine", { machineId, instructions: STEPS }));
    await eventually(async () => (await positionOf(client, machineId)) > from);
    return { machineId, from, answer };
  });
  return Promise.all(begun);
}

/** Streams that would never end by themselves, over both transports. */
function endlessStreams(server: ServerProcess, clients: readonly Client[], machineId: string) {
  const first = { message: { case: "open", value: { machineId } } };
  return clients.flatMap((client) =>
    [
      gather(client.stream(ConsoleService, "followConsole", { machineId })),
      gather(client.stream(TraceService, "followTrace", { machineId, filter: { categories: ["syscall"] } })),
      gather(client.stream(MachineService, "waitMachine", { machineId, consoleContains: "never" })),
      callWithOne(server, client.transport, server.adminKey, ConsoleService.method.attachConsole, first),
    ].map((end: Promise<unknown>) => outcome(end)),
  );
}

test.runIf(hasCompiler)(
  "a busy server that is told to end answers what is under way, saves machines and loses nothing",
  {
    timeout: 600_000,
  },
  async () => {
    const server = await start({ OSTLER_DRAIN_MS: "480000", OSTLER_WORKERS: "2" });
    const clients = TRANSPORTS.map((transport) => server.client(transport));
    const [client] = clients as [Client, Client];
    const counter = await startProgram(client, sources.count);
    const writers = [await remoteWriter(client), await consoleWriter(client)];
    const writing = writers.map((writer) => writeUntilRefused(writer, client));
    const streams = endlessStreams(server, clients, counter);
    const stepping = await steps(clients);
    await eventually(() => writers.every(({ acknowledged }) => acknowledged.length > 5));
    server.signal("SIGTERM");

    for (const end of await Promise.all(streams))
      expect(end).toMatchObject({ error: { code: "UNAVAILABLE", reason: "SERVER_DRAINING" } });
    for (const error of await Promise.all(writing)) expect(error).toMatchObject({ code: "UNAVAILABLE" });
    for (const { answer, from } of stepping)
      expect(await answer).toMatchObject({ value: { machine: { position: { instructions: from + STEPS } } } });
    expect(await server.ended).toBe(0);
    for (const each of clients) each.close();

    const machines = [counter, ...writers.map(({ machineId }) => machineId), ...stepping.map((each) => each.machineId)];
    const store = await openTestStore(dataDir);
    for (const machineId of machines) {
      const { lastSequence } = (await store.machines.get(machineId))!;
      const bounds = { instructions: Number.MAX_SAFE_INTEGER, traceSequence: Number.MAX_SAFE_INTEGER };
      const snapshot = await store.snapshots.latestBefore(machineId, bounds);
      expect(snapshot?.sequence).toBe(lastSequence);
    }
    await store.close();

    const next = await start();
    const again = next.client();
    const before = await positionOf(again, counter);
    await eventually(async () => (await positionOf(again, counter)) > before);
    for (const { machineId, from } of stepping) expect(await positionOf(again, machineId)).toBe(from + STEPS);
    for (const writer of writers) checkWriter(writer, numbersIn(await consoleOf(again, writer.machineId)));
    again.close();
    await next.kill();
  },
);

test("a second signal ends a server at once that still waits for a call", async () => {
  const server = await start({ OSTLER_DRAIN_MS: "480000" });
  const client = server.client();
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  const { task } = await client.call(TaskService, "createRemoteTask", { machineId });
  const values = [
    { case: "integer", value: 0n },
    { case: "buffer", value: 1 },
    { case: "integer", value: 1n },
  ] as const;
  const reading = outcome(
    client.call(TaskService, "call", {
      machineId,
      task: task!.task,
      call: { case: "name", value: "read" },
      arguments: values.map((argument) => ({ argument })) as never,
    }),
  );
  server.signal("SIGTERM");
  await eventually(() => server.output.includes("putting machines away"));
  server.signal("SIGTERM");
  expect(await server.ended).toBe(130);
  expect(await reading).toHaveProperty("error");
  client.close();
});
