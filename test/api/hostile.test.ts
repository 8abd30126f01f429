/** The same hostile requests through gRPC and REST: what is wrong is named, and nothing is changed or kept silently. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditService } from "../../proto/gen/ostler/v1/audit_pb.js";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { GradingService } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { QuotaService } from "../../proto/gen/ostler/v1/quotas_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import { UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const MOST = 2n ** 64n - 1n;

const first = async (stream: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of stream) return;
};

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  let machineId: string;
  beforeAll(async () => {
    client = server.client(transport);
    machineId = (await client.call(MachineService, "createMachine", {})).machine!.machineId;
  });

  const query = (expression: string) =>
    first(client.stream(TraceService, "queryTrace", { machineId, filter: { expression } }));
  const doubled = `[0]${".map(x,[x,x])".repeat(60)}`;

  test.each<[string, string[], () => Promise<unknown>]>([
    [
      "a name with a NUL",
      ["display_name"],
      () => client.call(MachineService, "createMachine", { displayName: "a\0b" }),
    ],
    ["a user with a NUL", ["name"], () => client.call(UserService, "createUser", { userId: "u", name: "\0", role: 1 })],
    [
      "a label without end",
      ['labels["a"]'],
      () => client.call(SnapshotService, "createSnapshot", { machineId, labels: { a: "x".repeat(100_000) } }),
    ],
    ["a page without end", ["page_size"], () => client.call(MachineService, "listMachines", { pageSize: 2 ** 32 - 1 })],
    ["another list's page", ["page_token"], () => client.call(MachineService, "listMachines", { pageToken: "%00'--" })],
    ["an offset of 64 bits", ["offset"], () => client.call(ConsoleService, "readConsole", { machineId, offset: MOST })],
    [
      "a goal of 64 bits",
      ["until_instructions"],
      () => client.call(MachineService, "runMachine", { machineId, untilInstructions: MOST }),
    ],
    [
      "an address of 64 bits",
      ["address"],
      () => client.call(MemoryService, "readPhysicalMemory", { machineId, address: MOST, length: 1 }),
    ],
    [
      "a path that climbs",
      ["spec.files[0].path"],
      () =>
        client.call(MachineService, "createMachine", {
          spec: { files: [{ path: "/../../etc/passwd", contentHash: "0".repeat(64) }] },
        }),
    ],
    [
      "a key without end",
      ["idempotency_key"],
      () => client.call(MachineService, "createMachine", { idempotencyKey: "k".repeat(129) }),
    ],
    [
      "a time that is none",
      ["since"],
      () => client.call(AuditService, "listAuditEvents", { since: { seconds: -1n, nanos: 0 } }),
    ],
    ["a hash that is none", ["program_hash"], () => client.call(ProgramService, "getProgram", { programHash: "abc" })],
    [
      "a hash to delete that is none",
      ["program_hash"],
      () => client.call(ProgramService, "deleteProgram", { programHash: "A".repeat(64) }),
    ],
    ["a filter that doubles", ["filter.expression"], () => query(`${doubled} == ${doubled}`)],
    ["a filter that repeats", ["filter.expression"], () => query("event.matches('((a{90}){90}){90}')")],
    ["a filter that is long", ["filter.expression"], () => query(`${"true || ".repeat(400)}true`)],
  ])("%s is refused with its field", async (_, fields, attempt) => {
    await expect(attempt()).rejects.toMatchObject({
      fields,
      code: expect.stringMatching(/^(INVALID_ARGUMENT|OUT_OF_RANGE)$/),
    });
  });

  test("nothing is named with a NUL in it", async () => {
    await expect(client.call(MachineService, "getMachine", { machineId: "m\0" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(client.call(MachineService, "pauseMachine", { machineId: "m\0" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(client.call(UserService, "listKeys", { userId: "a\0" })).rejects.toMatchObject({
      code: expect.stringMatching(/^(NOT_FOUND|INVALID_ARGUMENT)$/),
    });
    const { events } = await server.client(transport).call(AuditService, "listAuditEvents", { target: "machine m" });
    expect(events.map(({ operation }) => operation)).toContain("MachineService/PauseMachine");
  });

  test("what a pattern refuses is said in words", async () => {
    const make = (request: object) => client.call(MachineService, "createMachine", request);
    await expect(make({ spec: { environment: ["PATH"] } })).rejects.toThrow("must be NAME=value, for example");
    await expect(make({ labels: { "": "x" } })).rejects.toThrow("its name must not be empty");
  });

  test("what must not be empty is said to be that, of a text, bytes and a list", async () => {
    const displayName = client.call(GradingService, "createAssignment", { spec: {} });
    await expect(displayName).rejects.toThrow("display_name: must not be empty");
    const data = client.call(MemoryService, "writePhysicalMemory", { machineId, address: 0x8000_0000n });
    await expect(data).rejects.toThrow("data: must not be empty");
    await expect(client.call(QuotaService, "setQuota", {})).rejects.toThrow("limits: must not be empty");
  });

  test("a thousand requests at once are all answered", async () => {
    const asked = Array.from({ length: 1_000 }, () => client.call(MachineService, "getMachine", { machineId }));
    expect(new Set((await Promise.all(asked)).map(({ machine }) => machine!.machineId))).toEqual(new Set([machineId]));
  });
});
