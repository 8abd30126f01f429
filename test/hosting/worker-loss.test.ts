/** A worker thread that dies takes nothing with it but time. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFirstAdmin } from "../../api/auth/identity.ts";
import { readConfig } from "../../api/config.ts";
import { createServer, type OstlerServer } from "../../api/server.ts";
import type { Store } from "../../api/store/index.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { ApiError, type Client, grpcClient } from "../support/client.ts";
import { openTestStore } from "../support/store.ts";

let dataDir: string;
let store: Store;
let server: OstlerServer;
let client: Client;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "ostler-hosting-"));
  store = await openTestStore(dataDir);
  const key = await createFirstAdmin(store);
  server = await createServer(
    store,
    readConfig({}, { dataDir, httpPort: 0, grpcPort: 0, workers: 2, maxResidentMachines: 4, log: "none" }),
  );
  client = grpcClient((await server.listen()).grpc, key!);
});
afterAll(async () => {
  client.close();
  await server.close();
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

interface Robot {
  machineId: string;
  task: number;
}

async function makeRobot(): Promise<Robot> {
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { task } = await client.call(TaskService, "createRemoteTask", { machineId: machine!.machineId });
  return { machineId: machine!.machineId, task: task!.task };
}

async function say(robot: Robot, text: string): Promise<void> {
  const values = [
    { case: "integer", value: 1n },
    { case: "text", value: text },
    { case: "integer", value: BigInt(text.length) },
  ] as const;
  const call = { case: "name", value: "write" } as const;
  await client.call(TaskService, "call", { ...robot, call, arguments: values.map((argument) => ({ argument })) });
}

async function consoleOf({ machineId }: Robot): Promise<string> {
  return Buffer.from((await client.call(ConsoleService, "readConsole", { machineId })).data).toString();
}

/** A call that the machine was busy moving away from is answered UNAVAILABLE and may be made again. */
async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "UNAVAILABLE") throw error;
    }
  }
}

test("its machines come back with everything acknowledged; machines elsewhere notice nothing", async () => {
  const [first, second] = [await makeRobot(), await makeRobot()];
  await say(first, "a");
  await say(second, "b");
  const [here, there] = [server.hosting.peek(first.machineId)!, server.hosting.peek(second.machineId)!];
  expect(here.worker).not.toBe(there.worker);
  await here.worker.kill();
  await retrying(() => say(first, "c"));
  await say(second, "d");
  expect(await consoleOf(first)).toBe("ac");
  expect(await consoleOf(second)).toBe("bd");
  expect(server.hosting.peek(second.machineId)).toBe(there);
});

test("a call that waits when its worker dies is told, and the task can be used again", async () => {
  const robot = await makeRobot();
  await say(robot, "x");
  const read = { case: "name", value: "read" } as const;
  const values = [
    { case: "integer", value: 0n },
    { case: "buffer", value: 8 },
    { case: "integer", value: 8n },
  ] as const;
  const waiting = client.call(TaskService, "call", {
    ...robot,
    call: read,
    arguments: values.map((argument) => ({ argument })),
  });
  const outcome = waiting.then(
    () => "answered",
    (error: ApiError) => error.code,
  );
  const tasks = async () => (await client.call(TaskService, "listTasks", { machineId: robot.machineId })).tasks;
  while (!(await tasks())[0]!.threads.some((thread) => thread.wait !== ""))
    await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await server.hosting.peek(robot.machineId)!.worker.kill();
  expect(await outcome).toBe("UNAVAILABLE");
  await retrying(() => say(robot, "y"));
  expect(await consoleOf(robot)).toBe("xy");
});

test("more machines than fit in memory take turns, and lose nothing", async () => {
  const robots: Robot[] = [];
  for (let i = 0; i < 8; i++) robots.push(await makeRobot());
  for (let round = 0; round < 3; round++)
    for (const [index, robot] of robots.entries()) await retrying(() => say(robot, String((index + round) % 10)));
  for (const [index, robot] of robots.entries()) {
    expect(await retrying(() => consoleOf(robot))).toBe(
      [0, 1, 2].map((round) => String((index + round) % 10)).join(""),
    );
  }
});

test("restoring back and forth between snapshots brings each one's own state", async () => {
  const robot = await makeRobot();
  const { machineId } = robot;
  const snapshots = new Map<string, { snapshotId: string; rootHash: string }>();
  for (const text of ["1", "2", "3"]) {
    await say(robot, text);
    snapshots.set(text, (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!);
  }
  const restored = async (text: string) => {
    await client.call(SnapshotService, "restoreMachine", { machineId, snapshotId: snapshots.get(text)!.snapshotId });
    return (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!.rootHash;
  };
  for (const text of ["1", "3", "2", "1", "2", "3"]) {
    expect(await restored(text)).toBe(snapshots.get(text)!.rootHash);
    // Goes another way, so that a wrong journal would show.
    await say(robot, "zz");
    await client.call(MachineService, "hibernateMachine", { machineId });
    await say(robot, "!");
    expect((await consoleOf(robot)).endsWith("zz!")).toBe(true);
  }
});
