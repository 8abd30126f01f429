/**
 * What tracing costs the guest, and how many events a second arrive: the same program (a system call every few
 * hundred instructions, each two events) on the whole server with nobody watching, with a watcher that takes packed
 * records, and with one that takes decoded records.
 */
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TraceEncoding, TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import type { Client } from "../support/client.ts";
import { compileC } from "../support/guest.ts";
import { startServer } from "../support/server.ts";
import { median, printTable } from "./table.ts";

const CALLS = 200_000;
const ROUNDS = 3;
const caller = `#include <unistd.h>
#include <sys/syscall.h>
int main(void) { volatile unsigned x = 1; for (int i = 0; i < ${CALLS}; i++) { for (int j = 0; j < 30; j++) x = x * 3 + 1; syscall(SYS_getppid); } return 0; }`;

type Watcher = "nobody" | "packed" | "records";

interface Round {
  ms: number;
  instructions: number;
  events: number;
  gaps: number;
}

async function watch(client: Client, machineId: string, task: number, watcher: Watcher, ready: () => void) {
  let events = 0;
  let gaps = 0;
  if (watcher === "nobody") {
    ready();
    return { events, gaps };
  }
  const encoding = watcher === "packed" ? TraceEncoding.PACKED : TraceEncoding.UNSPECIFIED;
  const request = { machineId, encoding, filter: { categories: ["syscall"] }, untilTaskExited: task };
  for await (const message of client.stream(TraceService, "followTrace", request)) {
    ready();
    events += message.records.length + countPacked(message.packed);
    if (message.gap !== undefined) gaps++;
  }
  return { events, gaps };
}

function countPacked(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = 0; at < bytes.length; at += view.getUint32(at, true)) count++;
  return count;
}

async function round(client: Client, programHash: string, watcher: Watcher): Promise<Round> {
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { machineId } = machine!;
  const { task } = await client.call(MachineService, "startProgram", {
    machineId,
    program: { case: "programHash", value: programHash },
  });
  let opened = () => {};
  const open = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const watching = watch(client, machineId, task, watcher, opened);
  await open;
  const start = performance.now();
  await client.call(MachineService, "runMachine", { machineId });
  let instructions = 0;
  for await (const { machine: now } of client.stream(MachineService, "waitMachine", {
    machineId,
    taskExited: task,
    timeoutMs: 120_000,
  })) {
    instructions = Number(now!.position!.instructions);
  }
  const ended = performance.now();
  const { events, gaps } = await watching;
  const ms = (watcher === "nobody" ? ended : performance.now()) - start;
  await client.call(MachineService, "deleteMachine", { machineId });
  return { ms, instructions, events, gaps };
}

export async function bench(): Promise<void> {
  const server = await startServer();
  const client = server.client("grpc");
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "caller", data: compileC(caller) });
  const results = new Map<Watcher, Round[]>([
    ["nobody", []],
    ["packed", []],
    ["records", []],
  ]);
  for (let i = 0; i < ROUNDS; i++) {
    for (const [watcher, rounds] of results) rounds.push(await round(client, program!.programHash, watcher));
  }
  const base = median(results.get("nobody")!.map(({ ms }) => ms));
  printTable(
    [...results].map(([watcher, rounds]) => {
      const ms = median(rounds.map((each) => each.ms));
      const { events, instructions, gaps } = rounds[0]!;
      return {
        "who watches": watcher,
        "ms (median)": Math.round(ms),
        "guest MIPS": (instructions / ms / 1000).toFixed(1),
        "slow-down": (ms / base).toFixed(2),
        "events/s": Math.round((events / ms) * 1000),
        gaps,
      };
    }),
  );
  await server.stop();
}
