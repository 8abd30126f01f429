/**
 * System calls through a remote-driven task over gRPC: each is journalled and on disk before its answer. Beside it
 * in the same run: GetSelf through the same stack (decode, authenticate, answer), which touches no machine.
 */
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { startServer } from "../support/server.ts";
import { median, printTable } from "./table.ts";

const ROUNDS = 5;
const ROUND_MS = 800;

/** Round trips a second with so many callers, each waiting for its answer before it calls again. */
async function rate(callers: number, call: (caller: number) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let done = 0;
  const one = async (caller: number) => {
    while (performance.now() - start < ROUND_MS) {
      await call(caller);
      done++;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => one(caller)));
  return done / ((performance.now() - start) / 1000);
}

async function remoteTasks(client: Client, count: number) {
  const made = [];
  for (let i = 0; i < count; i++) {
    const { machine } = await client.call(MachineService, "createMachine", {});
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId: machine!.machineId });
    made.push({ machineId: machine!.machineId, task: task!.task });
  }
  return made;
}

export async function bench(): Promise<void> {
  const server = await startServer({ maxResidentMachines: 64 });
  const client = server.client("grpc");
  const tasks = await remoteTasks(client, 32);
  const call = (caller: number) =>
    client.call(TaskService, "call", { ...tasks[caller]!, call: { case: "name", value: "getpid" } });
  const echo = () => client.call(UserService, "getSelf", {});
  const rows = [];
  for (const callers of [1, 8, 32]) {
    const calls: number[] = [];
    const echoes: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      calls.push(await rate(callers, call));
      echoes.push(await rate(callers, echo));
    }
    const [durable, bare] = [median(calls), median(echoes)];
    rows.push({
      callers,
      "Call/s (durable)": Math.round(durable),
      "echo/s (same stack)": Math.round(bare),
      ratio: (durable / bare).toFixed(2),
    });
  }
  printTable(rows);
  await server.stop();
}
