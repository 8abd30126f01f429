/**
 * A server under load, as a process of its own, on SQLite and, where it is installed, on PostgreSQL: durable calls beside the
 * floor of the same libraries (load-floor.ts) in interleaved rounds; how long machines take to come back, to be forked and to
 * be kept; what a machine takes of memory (memory.ts); many machines. It takes some ten minutes on a quiet host.
 * `OSTLER_BENCH_MACHINES` sets how many machines (10,000), `OSTLER_BENCH_MEASURED` over how many memory is measured (500),
 * `OSTLER_BENCH_PARTS` names some of memory, calls, comings and machines, `OSTLER_BENCH_STORES` one of sqlite and postgresql.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import type { Client } from "../support/client.ts";
import { Cluster, postgresqlPrograms } from "../support/postgresql.ts";
import { ServerProcess } from "../support/process.ts";
import { FLOOR_PATH, floorMethod } from "./load-floor.ts";
import { memoryOfMachines } from "./memory.ts";
import { median, printTable, timed } from "./table.ts";

const IN_FLIGHT = [1, 16, 64] as const;
const ROUNDS = 3;
const ROUND_MS = 1_000;
const MIB = 1024 * 1024;
const RAM_BASE = 0x8000_0000n;
const TIMES = 30;
const MACHINES = Number(process.env["OSTLER_BENCH_MACHINES"] ?? 10_000);
const MEASURED = Number(process.env["OSTLER_BENCH_MEASURED"] ?? 500);
const WOKEN = 200;
const named = (variable: string, all: string): Set<string> => new Set((process.env[variable] ?? all).split(","));
const PARTS = named("OSTLER_BENCH_PARTS", "memory,calls,comings,machines");
const STORES = named("OSTLER_BENCH_STORES", "sqlite,postgresql");

interface Subject {
  name: string;
  folder: string;
  environment: Record<string, string>;
  /** Where the floor stores: a file, or a database. */
  floor: string;
}

export async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ostler-load-"));
  const cluster = postgresqlPrograms === null || !STORES.has("postgresql") ? null : Cluster.start({ durable: true });
  try {
    if (PARTS.has("memory")) {
      console.log(`-- resident memory (slope over ${MEASURED} machines)`);
      printTable([...(await memoryOfMachines(join(folder, "memory"), MEASURED))] as unknown as Record<
        string,
        string
      >[]);
    }
    if (STORES.has("sqlite"))
      await measureAll({
        name: "SQLite",
        folder: join(folder, "sqlite"),
        environment: {},
        floor: join(folder, "floor.db"),
      });
    if (cluster === null) return;
    for (const database of ["ostler", "floor"]) cluster.sql("postgres", `CREATE DATABASE ${database}`);
    const environment = { DATABASE_URL: cluster.url("ostler") };
    await measureAll({ name: "PostgreSQL", folder: join(folder, "pg"), environment, floor: cluster.url("floor") });
  } finally {
    cluster?.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureAll(subject: Subject): Promise<void> {
  const limits = {
    OSTLER_COLLECT_EVERY_MS: "0",
    OSTLER_MAX_RESIDENT: "256",
    OSTLER_MACHINES_PER_USER: "1000000",
    OSTLER_LOG: "errors",
  };
  const server = await ServerProcess.start(subject.folder, { ...limits, ...subject.environment });
  const client = server.client();
  try {
    const parts: Record<string, [title: string, measure: () => Promise<Record<string, string | number>[]>]> = {
      calls: ["durable calls", () => durableCalls(client, subject.floor)],
      comings: [
        "wake, fork, snapshot (a quarter of memory in use, 1 MiB changed since the last snapshot)",
        async () => [...(await comings(client, 64)), ...(await comings(client, 512))],
      ],
      machines: [`${MACHINES} machines`, () => manyMachines(client)],
    };
    for (const [part, [title, measure]] of Object.entries(parts)) {
      if (!PARTS.has(part)) continue;
      console.log(`-- ${subject.name}: ${title}`);
      printTable(await measure());
    }
  } finally {
    client.close();
    await server.kill("SIGKILL");
  }
}

/** Round trips a second with so many callers, each waiting for its answer before it calls again. */
async function rate(callers: number, call: (caller: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let done = 0;
  const one = async (caller: number) => {
    while (performance.now() - start < ROUND_MS) {
      await call(caller);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => one(caller)));
  return done / ((performance.now() - start) / 1000);
}

async function durableCalls(client: Client, place: string) {
  const tasks: { machineId: string; task: number }[] = [];
  for (let i = 0; i < Math.max(...IN_FLIGHT); i++) tasks.push(await remoteTask(client));
  const ours = (caller: number) =>
    client.call(TaskService, "call", { ...tasks[caller]!, call: { case: "name", value: "getpid" } });
  const { floor, child } = await startFloor(place);
  const rows = [];
  for (const callers of IN_FLIGHT) {
    const [durable, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      durable.push(await rate(callers, ours));
      bare.push(await rate(callers, floor));
    }
    const [a, b] = [median(durable), median(bare)];
    rows.push({ "in flight": callers, "calls/s": Math.round(a), "floor/s": Math.round(b), ratio: (a / b).toFixed(2) });
  }
  child.kill();
  return rows;
}

async function remoteTask(client: Client): Promise<{ machineId: string; task: number }> {
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { task } = await client.call(TaskService, "createRemoteTask", { machineId: machine!.machineId });
  return { machineId: machine!.machineId, task: task!.task };
}

async function startFloor(place: string): Promise<{ floor: () => Promise<unknown>; child: ChildProcess }> {
  const child = fork(join(import.meta.dirname, "load-floor.ts"), [place]);
  const [port] = await once(child, "message");
  const client = new GrpcClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const { requestSerialize, responseDeserialize } = floorMethod;
  const request = Buffer.alloc(64, 1);
  const floor = () =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(FLOOR_PATH, requestSerialize, responseDeserialize, request, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  return { floor, child };
}

/** Anything that needs it in memory, and one of its pages. */
const touchMachine = (client: Client, machineId: string) =>
  client.call(MemoryService, "readPhysicalMemory", { machineId, address: RAM_BASE + BigInt(32 * MIB), length: 4 });

/** Random bytes, so that no two pages are the same; the seed is in the first of each. */
function noise(mebibytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array((mebibytes * MIB) / 4);
  let state = seed + 1;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

async function comings(client: Client, mebibytes: number) {
  const spec = { memoryBytes: BigInt(mebibytes * MIB) };
  const { machineId } = (await client.call(MachineService, "createMachine", { spec })).machine!;
  const write = (at: number, data: Uint8Array<ArrayBuffer>) =>
    client.call(MemoryService, "writePhysicalMemory", { machineId, address: RAM_BASE + BigInt(at * MIB), data });
  for (let at = 0; at < mebibytes / 4; at++) await write(mebibytes / 2 + at, noise(1, at));
  const touch = (id: string) => touchMachine(client, id);
  let snapshotId = (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!.snapshotId;
  const snapshots: number[] = [];
  const wakes: number[] = [];
  const forks: number[] = [];
  for (let run = 0; run < TIMES; run++) {
    await write(mebibytes / 2, noise(1, 1_000 + run));
    const [snapshot] = await timed(1, async () => {
      snapshotId = (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!.snapshotId;
    });
    const [fork] = await timed(1, async () => {
      const { machine } = await client.call(SnapshotService, "forkMachine", { snapshotId });
      await touch(machine!.machineId);
    });
    await client.call(MachineService, "hibernateMachine", { machineId });
    const [wake] = await timed(1, () => touch(machineId));
    snapshots.push(snapshot!);
    forks.push(fork!);
    wakes.push(wake!);
  }
  const row = (what: string, values: number[]) => ({ [`${mebibytes} MiB (ms)`]: what, ...quantiles(values) });
  return [row("wake", wakes), row("fork and use", forks), row("snapshot", snapshots)].map((each) => ({
    what: `${mebibytes} MiB: ${Object.values(each)[0]}`,
    p50: each.p50,
    p99: each.p99,
  }));
}

function quantiles(values: readonly number[]): { p50: string; p99: string } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1);
  return { p50: at(0.5), p99: at(0.99) };
}

async function manyMachines(client: Client) {
  const ids: string[] = [];
  const inFlight = 64;
  const [created] = await timed(1, async () => {
    const one = async () => {
      while (ids.length < MACHINES)
        ids.push((await client.call(MachineService, "createMachine", {})).machine!.machineId);
    };
    await Promise.all(Array.from({ length: inFlight }, one));
  });
  let listed = 0;
  const pages: number[] = [];
  for (let pageToken = ""; ; ) {
    const begin = performance.now();
    const page = await client.call(MachineService, "listMachines", { pageSize: 500, pageToken });
    pages.push(performance.now() - begin);
    listed += page.machines.length;
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  let state = 7;
  const any = () => ids[(state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) % ids.length]!;
  const wakes = await timed(WOKEN, () => touchMachine(client, any()));
  return [
    { what: "created (a second)", p50: Math.round(ids.length / (created! / 1000)), p99: "" },
    { what: `listed, ${listed} in pages of 500 (ms a page)`, ...quantiles(pages) },
    { what: `${WOKEN} woken at random (ms)`, ...quantiles(wakes) },
  ];
}
