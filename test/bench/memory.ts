/**
 * What a machine takes of the server's resident memory: idle, hibernated, and with a program in it. A server of its own, in
 * which every thread collects its garbage all the time (forced-gc.mjs); the slope over hundreds of machines, so that what
 * the server takes for itself is no part of it. Each point is the median of samples that are taken while nothing happens.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import type { Client } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { ServerProcess } from "../support/process.ts";
import { median } from "./table.ts";

const POINTS = 5;
const AT_ONCE = 8;
const SAMPLES = 5;
const SAMPLE_MS = 200;
const SETTLING_MS = 1_600;
const PROGRAM_MS = 200;
const MIB = 1024 * 1024;

export interface Taken {
  machines: string;
  "MiB each": string;
  "least to most between points": string;
}

export async function memoryOfMachines(folder: string, count: number): Promise<Taken[]> {
  const forced = pathToFileURL(join(import.meta.dirname, "forced-gc.mjs")).href;
  const server = await ServerProcess.start(folder, {
    OSTLER_MAX_RESIDENT: String(count * 2 + 16),
    OSTLER_MACHINES_PER_USER: "1000000",
    OSTLER_MEMORY_CEILING_BYTES: String(64 * 1024 * MIB),
    OSTLER_LOG: "errors",
    OSTLER_COLLECT_EVERY_MS: "0",
    NODE_OPTIONS: `--expose-gc --import=${forced}`,
  });
  const client = server.client();
  try {
    return await measure(server, client, count);
  } finally {
    client.close();
    await server.kill("SIGKILL");
  }
}

async function measure(server: ServerProcess, client: Client, count: number): Promise<Taken[]> {
  // What the first ones need beyond themselves is the server's.
  for (let machine = 0; machine < AT_ONCE * 2; machine++) await idleMachine(client);
  const machines: string[] = [];
  const start = await settled(server);
  const idle = await slope(server, count, async () => void machines.push(await idleMachine(client)));
  const { length } = machines;
  const hibernate = () => client.call(MachineService, "hibernateMachine", { machineId: machines.pop()! });
  await together(length, hibernate);
  const end = await settled(server);
  const rows = [
    rowOf("idle (64 MiB, a task that a client drives)", idle),
    rowOf("hibernated", [(end - start) / length]),
  ];
  if (!hasCompiler) return rows;
  const { program } = await client.call(ProgramService, "uploadProgram", {
    name: "count",
    data: compileC(sources.count),
  });
  const active = await slope(server, count, () => runFor(client, program!.programHash, PROGRAM_MS));
  return [...rows, rowOf("with a program that has run (64 MiB)", active)];
}

/** Bytes for each machine that was made: of all together first, then between neighbouring points. */
async function slope(server: ServerProcess, count: number, make: () => Promise<void>): Promise<number[]> {
  const each = Math.ceil(count / POINTS);
  const points = [await settled(server)];
  for (let point = 0; point < POINTS; point++) {
    await together(each, make);
    points.push(await settled(server));
  }
  const between = points.slice(1).map((bytes, index) => (bytes - points[index]!) / each);
  return [(points.at(-1)! - points[0]!) / (each * POINTS), ...between];
}

function rowOf(machines: string, [whole, ...between]: readonly number[]): Taken {
  const text = (bytes: number) => (bytes / MIB).toFixed(2);
  const range = between.length === 0 ? "" : `${text(Math.min(...between))} to ${text(Math.max(...between))}`;
  return { machines, "MiB each": text(whole!), "least to most between points": range };
}

async function together(count: number, work: () => Promise<unknown>): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function idleMachine(client: Client): Promise<string> {
  const { machine } = await client.call(MachineService, "createMachine", {});
  await client.call(TaskService, "createRemoteTask", { machineId: machine!.machineId });
  return machine!.machineId;
}

/** Paused then, so that hundreds of them do not keep each other from running. */
async function runFor(client: Client, value: string, ms: number): Promise<void> {
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  const program = { case: "programHash", value } as const;
  await client.call(MachineService, "startProgram", { machineId, program, run: true });
  await sleep(ms);
  await client.call(MachineService, "pauseMachine", { machineId });
}

async function settled(server: ServerProcess): Promise<number> {
  await sleep(SETTLING_MS);
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await sleep(SAMPLE_MS);
    samples.push(residentBytes(server));
  }
  return median(samples);
}

function residentBytes(server: ServerProcess): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) * 1024;
}
