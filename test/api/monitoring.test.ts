/** What monitors see: liveness, readiness on both transports, figures; and how a server ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFirstAdmin, createKey } from "../../api/auth/identity.ts";
import { readConfig, type ServerConfig } from "../../api/config.ts";
import { createServer, type OstlerServer } from "../../api/server.ts";
import type { Store } from "../../api/store/index.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../proto/gen/grpc/health/v1/health_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { type Client, grpcClient, restClient } from "../support/client.ts";
import { barrier, eventually, outcome } from "../support/hosting.ts";
import { openTestStore } from "../support/store.ts";

let dataDir: string;
let store: Store;
let server: OstlerServer;
let key: string;
let http: string;
let clients: Record<"grpc" | "rest", Client>;
/** What the server has instead of parts of its store. */
let faults: { check?: () => Promise<void>; list?: () => Promise<void>; put?: () => Promise<void> };

async function start(options: Partial<ServerConfig> = {}): Promise<void> {
  const faulty: Store = {
    ...store,
    check: () => (faults.check ?? store.check)(),
    users: {
      ...store.users,
      async list(query) {
        await faults.list?.();
        return store.users.list(query);
      },
    },
    blobs: {
      ...store.blobs,
      async put(blobs, hold) {
        await faults.put?.();
        return store.blobs.put(blobs, hold);
      },
    },
  };
  const config = readConfig({}, { dataDir, httpPort: 0, grpcPort: 0, workers: 1, log: "none", ...options });
  server = await createServer(faulty, config);
  const addresses = await server.listen();
  ({ http } = addresses);
  clients = { grpc: grpcClient(addresses.grpc, key), rest: restClient(http, key) };
}

beforeEach(async () => {
  faults = {};
  dataDir = mkdtempSync(join(tmpdir(), "ostler-monitoring-"));
  store = await openTestStore(dataDir);
  key = (await createFirstAdmin(store))!;
});
afterEach(async () => {
  faults = {};
  clients.grpc.close();
  await server.close();
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const get = async (path: string, authorization?: string) => {
  const response = await fetch(http + path, authorization === undefined ? {} : { headers: { authorization } });
  return { status: response.status, text: await response.text(), type: response.headers.get("content-type") };
};
const health = async () => (await clients.grpc.call(Health, "check", {})).status;

test("a server whose database takes no writes lives and is not ready, and says so on both transports until it is again", async () => {
  await start();
  expect(await get("/livez")).toMatchObject({ status: 200 });
  expect(await get("/readyz")).toMatchObject({ status: 200 });
  expect(await health()).toBe(Serving.SERVING);
  faults.check = () => Promise.reject(new Error("disk full"));
  expect(await get("/readyz")).toMatchObject({ status: 503, text: expect.stringContaining("disk full") });
  expect(await get("/healthz")).toMatchObject({ status: 503 });
  expect(await health()).toBe(Serving.NOT_SERVING);
  expect(await get("/livez")).toMatchObject({ status: 200 });
  delete faults.check;
  expect(await get("/readyz")).toMatchObject({ status: 200 });
  expect(await health()).toBe(Serving.SERVING);
});

const figure = (text: string, name: string): number => {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
};

test("the figures move with what happens", async () => {
  await start({ machinesPerUser: 1 });
  const read = async () => (await get("/metrics", `Bearer ${key}`)).text;
  const { machineId } = (await clients.rest.call(MachineService, "createMachine", {})).machine!;
  await clients.grpc.call(MemoryService, "writePhysicalMemory", {
    machineId,
    address: 0x8100_0000n,
    data: Buffer.from("x"),
  });
  await outcome(clients.grpc.call(MachineService, "getMachine", { machineId: "none" }));
  expect(await outcome(clients.rest.call(MachineService, "createMachine", {}))).toMatchObject({
    error: { reason: "TOO_MANY_MACHINES" },
  });
  const text = await read();
  const called = (method: string, transport: string, code: string) =>
    figure(text, `ostler_calls_total{method="ostler.v1.${method}",transport="${transport}",code="${code}"}`);
  expect(called("MachineService/CreateMachine", "rest", "OK")).toBe(1);
  expect(called("MachineService/GetMachine", "grpc", "NOT_FOUND")).toBe(1);
  expect(figure(text, 'ostler_machines{run="paused"}')).toBe(1);
  expect(figure(text, 'ostler_machines_in_memory{phase="awake"}')).toBe(1);
  expect(figure(text, "ostler_machine_memory_bytes")).toBeGreaterThan(4096);
  expect(figure(text, "ostler_wakes_total")).toBe(1);
  expect(figure(text, "ostler_hibernations_total")).toBe(0);
  const [median, largest] = ["0.5", "1"].map((share) =>
    figure(text, `ostler_resident_machine_bytes{quantile="${share}"}`),
  );
  expect(median).toBe(figure(text, "ostler_machine_memory_bytes"));
  expect(largest).toBe(median);
  expect(figure(text, 'ostler_worker_busy_seconds_total{worker="0"}')).toBeGreaterThan(0);
  expect(figure(text, 'ostler_buffer_bytes{buffer="traces"}')).toBe(0);
  expect(figure(text, 'ostler_refusals_total{reason="TOO_MANY_MACHINES"}')).toBe(1);
  expect(figure(text, "ostler_commit_seconds_count")).toBeGreaterThanOrEqual(1);
  expect(figure(text, 'ostler_store_bytes{part="used"}')).toBeGreaterThan(4096);
  expect(figure(text, 'ostler_queue_length{queue="commits"}')).toBe(0);
  expect(figure(text, "ostler_translated_bytes")).toBeGreaterThanOrEqual(figure(text, "ostler_translations"));
  expect(figure(text, "process_start_time_seconds")).toBeGreaterThan(0);
  await clients.grpc.call(MachineService, "hibernateMachine", { machineId });
  const after = await read();
  expect(figure(after, "ostler_machine_memory_bytes")).toBe(0);
  expect(figure(after, "ostler_snapshots_total")).toBe(1);
  expect(figure(after, "ostler_hibernations_total")).toBe(1);
  expect(figure(after, 'ostler_resident_machine_bytes{quantile="1"}')).toBeNaN();
  expect(figure(after, 'ostler_machines_in_memory{phase="awake"}')).toBe(0);
});

test("figures are for admins, unless the operator says otherwise", async () => {
  await start();
  await store.users.create({ id: "s", name: "s", role: "user" });
  const { secret } = await createKey(store, { userId: "s", label: "", expiresAt: null });
  expect((await get("/metrics")).status).toBe(401);
  expect((await get("/metrics", `Bearer ${secret}`)).status).toBe(403);
  expect(await get("/metrics", `Bearer ${key}`)).toMatchObject({
    status: 200,
    type: expect.stringContaining("text/plain"),
  });
  await server.close();
  await start({ metrics: "open" });
  expect((await get("/metrics")).status).toBe(200);
  await server.close();
  await start({ metrics: "off" });
  expect((await get("/metrics", `Bearer ${key}`)).status).toBe(404);
});

test("a request's name comes back in the answer; what is not fit for a log does not", async () => {
  await start();
  const ask = async (id: string) =>
    (await fetch(`${http}/v1/self`, { headers: { authorization: `Bearer ${key}`, "x-request-id": id } })).headers.get(
      "x-request-id",
    );
  expect(await ask("run-7:a.b")).toBe("run-7:a.b");
  expect(await ask("two words")).toBeNull();
  expect(await ask("x".repeat(129))).toBeNull();
});

describe.each(["grpc", "rest"] as const)("a server that is told to end, over %s", (transport) => {
  test("finishes what is under way, and tells new calls when to come again", async () => {
    await start();
    const door = barrier();
    faults.list = door.stop;
    const client = clients[transport];
    const underWay = outcome(client.call(UserService, "listUsers", {}));
    await door.reached;
    const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
    const waiting = outcome(
      (async () => {
        for await (const _ of client.stream(MachineService, "waitMachine", { machineId, consoleContains: "never" }));
      })(),
    );
    await eventually(() => server.hosting.peek(machineId)?.followers === 1);
    const closing = server.close(240_000);
    expect(await waiting).toMatchObject({ error: { code: "UNAVAILABLE", reason: "SERVER_DRAINING" } });
    const refused = await outcome(client.call(UserService, "getSelf", {}));
    expect(refused).toMatchObject({ error: { code: "UNAVAILABLE", reason: "SERVER_DRAINING" } });
    if (transport === "rest") {
      expect((await fetch(`${http}/v1/self`)).headers.get("retry-after")).toBe("1");
      expect((await get("/readyz")).status).toBe(503);
    } else expect(await health()).toBe(Serving.NOT_SERVING);
    door.open();
    expect(await underWay).toMatchObject({ value: { users: [{ userId: "admin" }] } });
    await closing;
  });
});

test("a server that is told to end does not wait for ever for machines that cannot be saved, and loses nothing", async () => {
  await start();
  const { machineId } = (await clients.grpc.call(MachineService, "createMachine", {})).machine!;
  const written = { machineId, address: 0x8100_0000n, data: Buffer.from("kept") };
  await clients.grpc.call(MemoryService, "writePhysicalMemory", written);
  const door = barrier();
  faults.put = door.stop;
  const closing = server.close(1_500);
  // On a busy host its time may be over before it comes to the store at all.
  await Promise.race([door.reached, closing]);
  await sleep(1_700);
  door.open();
  await closing;
  faults = {};
  clients.grpc.close();
  await start();
  const { data } = await clients.grpc.call(MemoryService, "readPhysicalMemory", {
    machineId,
    address: 0x8100_0000n,
    length: 4,
  });
  expect(Buffer.from(data).toString()).toBe("kept");
});
