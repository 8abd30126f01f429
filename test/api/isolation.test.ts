/**
 * Every method of the API, on both transports, with the ids of somebody else's things: it answers as if they did not
 * exist. The methods are read from the compiled contract, so a new one fails here until it has a row.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rulesOf } from "../../api/auth/authorise.ts";
import { PERMISSIONS, SEEN_BY } from "../../api/auth/policy.ts";
import { isRequestStream, isResponseStream } from "../../api/operation.ts";
import { GradingService } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { ApiError, Client } from "../support/client.ts";
import { contractMethods } from "../support/contract.ts";
import { gather } from "../support/gather.ts";
import { callWithOne } from "../support/request-streams.ts";
import { startServer, type TestServer } from "../support/server.ts";

const assignmentSpec = { tests: [{ name: "t", points: 1, checks: [{ check: { case: "exitCode", value: 0 } }] }] };

/** What a request needs beside the ids for its form to be good. */
const REST_OF_REQUEST: Readonly<Record<string, object>> = {
  "CapabilityService/RenderCapabilityGraph": { format: 1 },
  "CapabilityService/RetypeUntyped": { type: 1 },
  "CapabilityService/RevokeSlot": { slot: "descriptor 1 of task 1" },
  "ConsoleService/WriteConsole": { data: new Uint8Array([65]) },
  "GradingService/UpdateAssignment": { displayName: "a", spec: assignmentSpec },
  "MachineService/StartProgram": { program: { case: "path", value: "/bin/prog" } },
  "MemoryService/GetAddressSpace": { space: { case: "task", value: 1 } },
  "MemoryService/ReadPhysicalMemory": { length: 1 },
  "MemoryService/ReadVirtualMemory": { length: 1 },
  "MemoryService/RenderAddressSpace": { format: 1, space: { case: "task", value: 1 } },
  "MemoryService/RenderMemoryMap": { format: 1 },
  "MemoryService/WritePhysicalMemory": { data: new Uint8Array([65]) },
  "MemoryService/WriteVirtualMemory": { data: new Uint8Array([65]) },
  "NetworkService/SendFrame": { frame: new Uint8Array(60) },
  "TaskService/Call": { call: { case: "name", value: "getpid" } },
};

type Ids = Readonly<Record<string, string>>;

/** The request with the ids of the victim in it wherever the method takes some. */
function requestOf(method: DescMethod, ids: Ids): Record<string, unknown> {
  if (isRequestStream(method)) return { message: { case: "open", value: { machineId: ids["machine_id"] } } };
  const named = method.input.fields.filter(({ name }) => ids[name] !== undefined);
  const moments = method.input.fields.filter(
    ({ message }) => message?.fields.some(({ name }) => name === "machine_id") ?? false,
  );
  const tasks = method.input.fields.some(({ name, oneof }) => name === "task" && oneof === undefined);
  return {
    ...Object.fromEntries(named.map(({ name, localName }) => [localName, ids[name]])),
    ...Object.fromEntries(moments.map(({ localName }) => [localName, { machineId: ids["machine_id"] }])),
    ...(tasks && { task: 1 }),
    ...REST_OF_REQUEST[nameOf(method)],
  };
}

const nameOf = (method: DescMethod): string => `${method.parent.name}/${method.name}`;

let server: TestServer;
let keys: { victim: string; stranger: string };
let ids: Ids;

beforeAll(async () => {
  server = await startServer();
  const admin = server.client("grpc");
  const join = async (userId: string, role: UserRole) =>
    (await admin.call(UserService, "createUser", { userId, name: userId, role })).secret;
  keys = {
    victim: await join("victim", UserRole.STAFF),
    stranger: await join("stranger", UserRole.STUDENT),
  };
  ids = await belongings(server.client("grpc", keys.victim));
});
afterAll(() => server.stop());

/** One of everything, by the names of the fields that take it. */
async function belongings(owner: Client): Promise<Ids> {
  const { machineId } = (await owner.call(MachineService, "createMachine", {})).machine!;
  const { snapshotId } = (await owner.call(SnapshotService, "createSnapshot", { machineId })).snapshot!;
  const data = new Uint8Array([1, 2, 3]);
  const { programHash } = (await owner.call(ProgramService, "uploadProgram", { name: "p", data })).program!;
  const { assignmentId } = (
    await owner.call(GradingService, "createAssignment", { displayName: "a", spec: assignmentSpec as never })
  ).assignment!;
  const content = new Uint8Array(Buffer.from("\x7fELF and nothing more"));
  const { submissionId } = (await owner.call(GradingService, "createSubmission", { assignmentId, content }))
    .submission!;
  const { keys } = await owner.call(UserService, "listKeys", { userId: "victim" });
  return {
    machine_id: machineId,
    snapshot_id: snapshotId,
    program_hash: programHash,
    assignment_id: assignmentId,
    submission_id: submissionId,
    user_id: "victim",
    key_id: keys[0]!.keyId,
  };
}

async function answer(
  transport: "grpc" | "rest",
  key: string,
  method: DescMethod,
  request: Record<string, unknown>,
): Promise<string> {
  const client = server.client(transport, key);
  try {
    if (isRequestStream(method)) await callWithOne(server, transport, key, method, request);
    else if (isResponseStream(method)) await gather(client.stream(method.parent, method.localName as never, request));
    else await client.call(method.parent, method.localName as never, request);
    return "OK";
  } catch (error) {
    return (error as ApiError).message;
  }
}

/** The same ids with other letters in them: of the same form, and of nothing. */
const unknown = (): Ids =>
  Object.fromEntries(
    Object.entries(ids).map(([name, id]) => [name, id.replace(/.$/, (last) => (last === "0" ? "1" : "0"))]),
  );

const namesThing = (method: DescMethod): boolean =>
  rulesOf(method).some(
    (rule) =>
      "action" in rule && rule.of !== "course" && !rule.filter && PERMISSIONS[SEEN_BY[rule.of]].student !== "all",
  );
const isFor =
  (of: "server" | "user") =>
  (method: DescMethod): boolean =>
    rulesOf(method).some((rule) => rule.of === of);
const named = (chosen: DescMethod[]) => chosen.map((method) => [nameOf(method), method] as const);

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  test.each(named(contractMethods.filter(namesThing)))(
    "%s answers a stranger as if there were nothing",
    async (_, method) => {
      const theirs = await answer(transport, keys.stranger, method, requestOf(method, ids));
      const nobodys = await answer(transport, keys.stranger, method, requestOf(method, unknown()));
      const without = (text: string, names: Ids) =>
        Object.values(names).reduce((rest, id) => rest.replaceAll(id, "…"), text);
      expect(without(theirs, ids)).toMatch(/^NOT_FOUND [A-Z]+_NOT_FOUND: There is no/);
      expect(without(theirs, ids)).toBe(without(nobodys, unknown()));
    },
  );

  test.each(named(contractMethods.filter(isFor("server"))))("%s is for admins", async (_, method) => {
    for (const key of [keys.stranger, keys.victim]) {
      const said = await answer(transport, key, method, requestOf(method, { ...ids, user_id: "new" }));
      expect(said).toMatch(/^PERMISSION_DENIED PERMISSION_DENIED: This is for admins/);
    }
  });

  test.each(named(contractMethods.filter(isFor("user"))))("%s is for the user and for admins", async (_, method) => {
    for (const known of [ids, unknown()]) {
      const said = await answer(transport, keys.stranger, method, requestOf(method, known));
      expect(said).toBe("PERMISSION_DENIED PERMISSION_DENIED: You can manage your own keys only.");
    }
  });

  test("lists have nothing of others in them, and programs of others are not there", async () => {
    const stranger = server.client(transport, keys.stranger);
    const { machines } = await stranger.call(MachineService, "listMachines", {});
    const { snapshots } = await stranger.call(SnapshotService, "listSnapshots", {});
    const { programs } = await stranger.call(ProgramService, "listPrograms", {});
    const { submissions } = await stranger.call(GradingService, "listSubmissions", {});
    expect([machines, snapshots, programs, submissions]).toEqual([[], [], [], []]);
    const programHash = ids["program_hash"]!;
    for (const name of ["getProgram", "deleteProgram"] as const)
      await expect(stranger.call(ProgramService, name, { programHash })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
