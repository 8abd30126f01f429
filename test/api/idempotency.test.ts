/** Creations under a key happen once, also when the same request comes many times at once. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { type CallRequestSchema, TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import type { Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const TIMES = 20;
const manyTimes = <T>(work: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: TIMES }, work));

async function newMachine(client: Client): Promise<string> {
  return (await client.call(MachineService, "createMachine", {})).machine!.machineId;
}

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("one task is created, and everyone is told of it", async () => {
    const machineId = await newMachine(client);
    const request = { machineId, idempotencyKey: `task-${transport}` };
    const answers = await manyTimes(() => client.call(TaskService, "createRemoteTask", request));
    expect(new Set(answers.map(({ task }) => task!.task)).size).toBe(1);
    expect((await client.call(TaskService, "listTasks", { machineId })).tasks).toHaveLength(1);
  });

  test("one call is made, and everyone gets its answer", async () => {
    const machineId = await newMachine(client);
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId });
    const write: MessageInitShape<typeof CallRequestSchema> = {
      machineId,
      task: task!.task,
      call: { case: "name", value: "write" },
      arguments: [
        { argument: { case: "integer", value: 1n } },
        { argument: { case: "text", value: "once" } },
        { argument: { case: "integer", value: 4n } },
      ],
      idempotencyKey: `write-${transport}`,
    };
    const answers = await manyTimes(() => client.call(TaskService, "call", write));
    expect(answers.map(({ value }) => value)).toEqual(Array.from({ length: TIMES }, () => 4n));
    const { data } = await client.call(ConsoleService, "readConsole", { machineId });
    expect(Buffer.from(data).toString()).toBe("once");
  });

  test("a different request under a key that is being used is refused", async () => {
    const machineId = await newMachine(client);
    const create = (name: string) =>
      client.call(TaskService, "createRemoteTask", { machineId, name, idempotencyKey: `two-${transport}` });
    const [first, second] = await Promise.allSettled([create("one"), create("other")]);
    const refusals = [first, second].filter((result) => result!.status === "rejected");
    expect(refusals).toMatchObject([{ reason: { code: "ALREADY_EXISTS", fields: ["idempotency_key"] } }]);
  });
});
