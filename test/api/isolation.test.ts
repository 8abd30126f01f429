/**
 * Every method of the API, on both transports, with the ids of somebody else's things: it answers as if they did not
 * exist. The methods are read from the compiled contract, so a new one fails here until it has a row.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rulesOf } from "../../api/auth/authorise.ts";
import { changes, type Kind, PERMISSIONS, type Rule, SEEN_BY } from "../../api/auth/policy.ts";
import { isRequestStream, isResponseStream } from "../../api/operation.ts";
import { CourseService } from "../../proto/gen/ostler/v1/courses_pb.js";
import { GradingService } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { ApiError, Client } from "../support/client.ts";
import { contractMethods } from "../support/contract.ts";
import { gather } from "../support/gather.ts";
import { eventually } from "../support/hosting.ts";
import { callWithOne } from "../support/request-streams.ts";
import { startServer, type TestServer } from "../support/server.ts";

const assignmentSpec = { tests: [{ name: "t", points: 1, checks: [{ check: { case: "exitCode", value: 0 } }] }] };

/** What a request needs beside the ids for its form to be good. */
const REST_OF_REQUEST: Readonly<Record<string, object>> = {
  "CapabilityService/RenderCapabilityGraph": { format: 1 },
  "CapabilityService/RetypeUntyped": { type: 1 },
  "CapabilityService/RevokeSlot": { slot: "descriptor 1 of task 1" },
  "CourseService/EnrolMembers": { members: [{ userId: "new" }] },
  "CourseService/RemoveMembers": { userIds: ["new"] },
  "ConsoleService/WriteConsole": { data: new Uint8Array([65]) },
  "GradingService/CreateAssignment": { displayName: "a", spec: assignmentSpec },
  "GradingService/CreateSubmission": { content: new Uint8Array([65]) },
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
  "ProgramService/UploadContent": { data: new Uint8Array([65]) },
  "ProgramService/UploadProgram": { data: new Uint8Array([65]) },
  "QuotaService/SetQuota": { limits: [{ kind: 1, limit: 1n }] },
  "TerminalService/ResizeTerminal": { size: { rows: 24, columns: 80 } },
  "TerminalService/WriteTerminal": { data: new Uint8Array([65]) },
  "TaskService/Call": { call: { case: "name", value: "getpid" } },
};

type Ids = Readonly<Record<string, string>>;

/** The request with the ids of the victim in it wherever the method takes some. */
function requestOf(method: DescMethod, ids: Ids): Record<string, unknown> {
  if (isRequestStream(method) && method.input.fields.some(({ name }) => name === "open"))
    return { message: { case: "open", value: { machineId: ids["machine_id"] } } };
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
/** Of a lecturer in one course, of a student beside, and of members of another course. */
let keys: Record<"lecturer" | "fellow" | "student" | "staff", string>;
let ids: Ids;

beforeAll(async () => {
  server = await startServer();
  const admin = server.client("grpc");
  const join = async (courseId: string, userId: string, role: UserRole) =>
    (await admin.call(UserService, "createUser", { userId, name: userId, role, courseId })).secret;
  for (const courseId of ["ours", "theirs"])
    await admin.call(CourseService, "createCourse", { courseId, displayName: courseId });
  keys = {
    lecturer: await join("ours", "lecturer", UserRole.STAFF),
    fellow: await join("ours", "fellow", UserRole.STUDENT),
    student: await join("theirs", "student", UserRole.STUDENT),
    staff: await join("theirs", "staff", UserRole.STAFF),
  };
  ids = await belongings(server.client("grpc", keys.lecturer));
});
afterAll(() => server.stop());

/** One of everything, by the names of the fields that take it. */
async function belongings(owner: Client): Promise<Ids> {
  const { machineId } = (await owner.call(MachineService, "createMachine", {})).machine!;
  const { snapshotId } = (await owner.call(SnapshotService, "createSnapshot", { machineId })).snapshot!;
  const data = new Uint8Array([1, 2, 3]);
  const { programHash } = (await owner.call(ProgramService, "uploadProgram", { name: "p", data })).program!;
  const made = await owner.call(GradingService, "createAssignment", {
    displayName: "a",
    spec: assignmentSpec as never,
  });
  const { assignmentId } = made.assignment!;
  const content = new Uint8Array(Buffer.from("\x7fELF and nothing more"));
  const sent = await owner.call(GradingService, "createSubmission", { assignmentId, content });
  const { keys } = await owner.call(UserService, "listKeys", { userId: "lecturer" });
  return {
    course_id: "ours",
    machine_id: machineId,
    snapshot_id: snapshotId,
    program_hash: programHash,
    assignment_id: assignmentId,
    submission_id: sent.submission!.submissionId,
    user_id: "lecturer",
    key_id: keys[0]!.keyId,
  };
}

type Transport = "grpc" | "rest";

async function answer(
  transport: Transport,
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
const without = (text: string, names: Ids): string =>
  Object.values(names).reduce((rest, id) => rest.replaceAll(`"${id}"`, "…"), text);

const rulesOn = (method: DescMethod) => rulesOf(method).map(({ of }) => of);
const isOf =
  (...kinds: Rule["of"][]) =>
  (method: DescMethod) =>
    rulesOn(method).some((of) => kinds.includes(of));
const named = (chosen: readonly DescMethod[]) => chosen.map((method) => [nameOf(method), method] as const);

const takesIds = (method: DescMethod): boolean =>
  rulesOf(method).some((rule) => rule.of in SEEN_BY) || method.input.fields.some(({ name }) => name === "course_id");
/** Those whose requests name something of a course, or a course. */
const ofCourses = contractMethods.filter((method) => !isOf("caller", "server", "user")(method) && takesIds(method));
/** Those where students reach only what is their own. */
const ofOwn = ofCourses.filter((method) =>
  rulesOf(method).some((rule) => rule.of in SEEN_BY && PERMISSIONS[SEEN_BY[rule.of as Kind]].student === "own"),
);

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  test.each(named(ofCourses))("%s answers members of another course as if there were nothing", async (_, method) => {
    for (const key of [keys.student, keys.staff]) {
      const theirs = without(await answer(transport, key, method, requestOf(method, ids)), ids);
      const nobodys = without(await answer(transport, key, method, requestOf(method, unknown())), unknown());
      expect(theirs).toMatch(/^NOT_FOUND [A-Z]+_NOT_FOUND: There is no/);
      expect(theirs).toBe(nobodys);
    }
  });

  test.each(named(ofOwn))("%s answers a fellow student as if there were nothing", async (_, method) => {
    const theirs = without(await answer(transport, keys.fellow, method, requestOf(method, ids)), ids);
    expect(theirs).toMatch(/^NOT_FOUND [A-Z]+_NOT_FOUND: There is no/);
  });

  test.each(named(contractMethods.filter(isOf("server"))))("%s is for admins", async (_, method) => {
    for (const key of [keys.student, keys.staff, keys.lecturer]) {
      const said = await answer(transport, key, method, requestOf(method, { ...ids, user_id: "new" }));
      expect(said).toMatch(/^PERMISSION_DENIED PERMISSION_DENIED: This is for admins/);
    }
  });

  test.each(named(contractMethods.filter(isOf("user"))))(
    "%s is for the user, for staff, and for admins",
    async (_, method) => {
      for (const key of [keys.fellow, keys.student, keys.staff]) {
        for (const known of [ids, unknown()]) {
          const said = await answer(transport, key, method, requestOf(method, known));
          expect(said).toMatch(/^PERMISSION_DENIED PERMISSION_DENIED: You can manage your own keys only/);
        }
      }
    },
  );

  test("lists have nothing of others in them, and programs of others are not there", async () => {
    for (const key of [keys.fellow, keys.staff]) {
      const stranger = server.client(transport, key);
      const { machines } = await stranger.call(MachineService, "listMachines", {});
      const { snapshots } = await stranger.call(SnapshotService, "listSnapshots", {});
      const { programs } = await stranger.call(ProgramService, "listPrograms", {});
      const { submissions } = await stranger.call(GradingService, "listSubmissions", {});
      expect([machines, snapshots, programs, submissions]).toEqual([[], [], [], []]);
      const programHash = ids["program_hash"]!;
      for (const name of ["getProgram", "deleteProgram"] as const)
        await expect(stranger.call(ProgramService, name, { programHash })).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
    const staff = server.client(transport, keys.staff);
    const all = { allOwners: true };
    expect((await staff.call(MachineService, "listMachines", all)).machines).toEqual([]);
    expect((await staff.call(GradingService, "listSubmissions", all)).submissions).toEqual([]);
    expect((await staff.call(GradingService, "listAssignments", {})).assignments).toEqual([]);
    expect((await staff.call(CourseService, "listCourses", {})).courses.map(({ courseId }) => courseId)).toEqual([
      "theirs",
    ]);
  });

  describe("keys that are not good for everything", () => {
    const bounded = async (scope: object): Promise<string> => {
      const lecturer = server.client(transport, keys.lecturer);
      return (await lecturer.call(UserService, "createKey", { userId: "lecturer", ...scope })).secret;
    };

    test("a key for reading changes nothing, whatever the method", async () => {
      const key = await bounded({ readOnly: true });
      for (const method of contractMethods.filter((each) => rulesOf(each).some(changes)))
        expect(await answer(transport, key, method, requestOf(method, ids))).toContain("KEY_READ_ONLY");
      expect(await answer(transport, key, methodNamed("GetMachine"), { machineId: ids["machine_id"] })).toBe("OK");
    });

    test("a key for one operation is for no other", async () => {
      const key = await bounded({ operations: ["MachineService/GetMachine"] });
      for (const method of contractMethods.filter(({ name }) => name !== "GetMachine"))
        expect(await answer(transport, key, method, requestOf(method, ids))).toContain("KEY_NOT_FOR_OPERATION");
      expect(await answer(transport, key, methodNamed("GetMachine"), { machineId: ids["machine_id"] })).toBe("OK");
    });

    test("an admin's key for a course is for nothing else", async () => {
      const admin = server.client(transport);
      const { secret } = await admin.call(UserService, "createKey", { userId: "admin", courseId: "theirs" });
      for (const method of ofCourses)
        expect(await answer(transport, secret, method, requestOf(method, ids))).toMatch(/^NOT_FOUND /);
      for (const method of contractMethods.filter(isOf("server")))
        expect(await answer(transport, secret, method, requestOf(method, { ...ids, user_id: "new" }))).toMatch(
          /^PERMISSION_DENIED /,
        );
    });

    test("a key for a lower role is for what that role may do", async () => {
      const key = await bounded({ roleAtMost: UserRole.STUDENT });
      const enrol = methodNamed("EnrolMembers");
      const request = { courseId: "ours", members: [{ userId: "x" }] };
      expect(await answer(transport, key, enrol, request)).toMatch(
        /^PERMISSION_DENIED .* staff .* lecturer is student/,
      );
      expect(await answer(transport, keys.lecturer, enrol, request)).toBe("OK");
    });

    test("a bounded key makes no keys, and a key that expires makes none that lasts longer", async () => {
      const make = methodNamed("CreateKey");
      for (const scope of [{ courseId: "ours" }, { roleAtMost: UserRole.GRADER }, { operations: ["UserService/*"] }])
        expect(await answer(transport, await bounded(scope), make, { userId: "lecturer" })).toContain("KEY_BOUNDED");
      const expiresAt = timestampFromMs(Date.now() + 3_600_000);
      const passing = await bounded({ expiresAt });
      expect(await answer(transport, passing, make, { userId: "lecturer" })).toMatch(/^INVALID_ARGUMENT .*expires_at/);
      expect(await answer(transport, passing, make, { userId: "lecturer", expiresAt })).toBe("OK");
    });

    test("a key is for operations that there are", async () => {
      const make = methodNamed("CreateKey");
      for (const none of ["MachineService/Bogus", "Bogus/*", "MachineService/toString"])
        expect(
          await answer(transport, keys.lecturer, make, { userId: "lecturer", operations: ["TraceService/*", none] }),
        ).toMatch(/^INVALID_ARGUMENT .*operations\[1\]/);
    });

    test("an admin's key for a lower role lists what that role may see", async () => {
      const admin = server.client(transport);
      const { secret } = await admin.call(UserService, "createKey", { userId: "admin", roleAtMost: UserRole.STUDENT });
      for (const name of ["ListMachines", "ListSubmissions", "ListAuditEvents"])
        expect(await answer(transport, secret, methodNamed(name), { allOwners: true })).toMatch(/^PERMISSION_DENIED /);
      expect(await answer(transport, secret, methodNamed("ListMachines"), {})).toBe("OK");
    });

    test("an admin's key for some operations makes no key for others, one that expires none that lasts longer", async () => {
      const admin = server.client(transport);
      const make = (fields: object) => admin.call(UserService, "createKey", { userId: "admin", ...fields });
      const { secret } = await make({ operations: ["UserService/*"] });
      const newAdmin = { userId: `admin-${transport}`, role: UserRole.ADMIN };
      expect(await answer(transport, secret, methodNamed("CreateKey"), { userId: "admin" })).toContain("KEY_BOUNDED");
      expect(await answer(transport, secret, methodNamed("CreateUser"), newAdmin)).toContain("KEY_BOUNDED");
      const expiresAt = timestampFromMs(Date.now() + 3_600_000);
      const passing = server.client(transport, (await make({ expiresAt })).secret);
      await passing.call(UserService, "createUser", newAdmin);
      const { keys: made } = await admin.call(UserService, "listKeys", { userId: newAdmin.userId });
      expect(made.map((key) => key.expiresAt)).toEqual([expiresAt]);
    });

    test("expired and revoked keys are none, at once", async () => {
      const lecturer = server.client(transport, keys.lecturer);
      let old = "";
      // On a busy host it may have expired before the server hears of it, which then refuses to make it.
      for (let ms = 1_000; old === ""; ms *= 2)
        old = await bounded({ expiresAt: timestampFromMs(Date.now() + ms) }).catch(() => "");
      await eventually(async () => (await answer(transport, old, methodNamed("GetSelf"), {})) !== "OK");
      const { key, secret } = await lecturer.call(UserService, "createKey", { userId: "lecturer" });
      expect(await answer(transport, secret, methodNamed("GetSelf"), {})).toBe("OK");
      await lecturer.call(UserService, "revokeKey", { userId: "lecturer", keyId: key!.keyId });
      for (const method of contractMethods.filter(({ methodKind }) => methodKind === "unary"))
        for (const useless of [old, secret])
          expect(await answer(transport, useless, method, requestOf(method, ids))).toMatch(/^UNAUTHENTICATED /);
    });
  });
});

const methodNamed = (name: string): DescMethod => contractMethods.find((method) => method.name === name)!;
