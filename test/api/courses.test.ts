/** Courses as tenants, over both transports: who is in them, what their roles reach, and where what is made belongs. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CourseService } from "../../proto/gen/ostler/v1/courses_pb.js";
import { GradingService } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const spec = { tests: [{ name: "t", points: 1, checks: [{ check: { case: "exitCode", value: 0 } }] }] } as never;

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let admin: Client;
  const [os, db] = [`os-${transport}`, `db-${transport}`];
  const user = (name: string) => `${name}-${transport}`;
  const enrol = async (who: Client, courseId: string, name: string, role: UserRole): Promise<Client> => {
    const members = [{ userId: user(name), name, role }];
    const { members: enrolled } = await who.call(CourseService, "enrolMembers", { courseId, members, issueKeys: true });
    return server.client(transport, enrolled[0]!.secret);
  };
  const create = async (who: Client, courseId = "") =>
    (await who.call(MachineService, "createMachine", { courseId })).machine!;

  beforeAll(async () => {
    admin = server.client(transport);
    for (const courseId of [os, db])
      await admin.call(CourseService, "createCourse", { courseId, displayName: courseId });
  });

  test("staff enrol, list and remove; a removed member's key is none, and what was made stays", async () => {
    const lecturer = await enrol(admin, os, "lecturer", UserRole.STAFF);
    const student = await enrol(lecturer, os, "student", UserRole.STUDENT);
    const { machineId, courseId } = await create(student);
    expect(courseId).toBe(os);
    const { members } = await lecturer.call(CourseService, "listMembers", { courseId: os });
    expect(members.map(({ userId, role }) => [userId, role])).toEqual([
      [user("lecturer"), UserRole.STAFF],
      [user("student"), UserRole.STUDENT],
    ]);
    await expect(student.call(CourseService, "listMembers", { courseId: os })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    const { userIds } = await lecturer.call(CourseService, "removeMembers", {
      courseId: os,
      userIds: [user("student")],
    });
    expect(userIds).toEqual([user("student")]);
    await expect(student.call(UserService, "getSelf", {})).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect((await lecturer.call(MachineService, "getMachine", { machineId })).machine!.ownerId).toBe(user("student"));
  });

  test("a user may be staff here and student there, and says where when it is not plain", async () => {
    const both = (
      await admin.call(UserService, "createUser", { userId: user("both"), role: UserRole.STAFF, courseId: os })
    ).secret;
    const client = server.client(transport, both);
    expect((await create(client)).courseId).toBe(os);
    await enrol(admin, db, "both", UserRole.STUDENT);
    const { memberships } = await client.call(UserService, "getSelf", {});
    expect(memberships.map(({ courseId, role }) => [courseId, role]).sort()).toEqual([
      [db, UserRole.STUDENT],
      [os, UserRole.STAFF],
    ]);
    await expect(create(client)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", fields: ["course_id"] });
    expect((await create(client, db)).courseId).toBe(db);
    const assignment = (courseId: string) =>
      client.call(GradingService, "createAssignment", { displayName: "a", spec, courseId });
    expect((await assignment(os)).assignment!.courseId).toBe(os);
    await expect(assignment(db)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const seen = await client.call(MachineService, "listMachines", { allOwners: true });
    expect(new Set(seen.machines.map(({ courseId }) => courseId))).toEqual(new Set([os]));
    const own = await client.call(MachineService, "listMachines", {});
    expect(new Set(own.machines.map(({ courseId }) => courseId))).toEqual(new Set([os, db]));
    const here = await client.call(MachineService, "listMachines", { courseId: db });
    expect(here.machines.map(({ courseId }) => courseId)).toEqual([db]);
  });

  test("what comes of a machine stays in its course; programs of one are not those of the other", async () => {
    const tutor = (
      await admin.call(UserService, "createUser", { userId: user("tutor"), role: UserRole.GRADER, courseId: os })
    ).secret;
    const client = server.client(transport, tutor);
    await enrol(admin, db, "tutor", UserRole.STUDENT);
    const { machineId } = await create(client, db);
    const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
    const { machine } = await client.call(SnapshotService, "forkMachine", { snapshotId: snapshot!.snapshotId });
    expect([snapshot!.courseId, machine!.courseId]).toEqual([db, db]);
    const data = new Uint8Array([7, 7, 7]);
    const { program } = await client.call(ProgramService, "uploadProgram", { name: "p", data, courseId: db });
    const { programHash } = program!;
    const files = [{ path: "/p", contentHash: programHash }];
    const make = (courseId: string) => client.call(MachineService, "createMachine", { courseId, spec: { files } });
    expect((await make(db)).machine!.courseId).toBe(db);
    await expect(make(os)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", fields: ["spec.files[0].content_hash"] });
    await expect(client.call(ProgramService, "getProgram", { programHash, courseId: os })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  test("graders read others' machines and take snapshots of them, but do not change them", async () => {
    const grader = await enrol(admin, db, "grader", UserRole.GRADER);
    const student = await enrol(admin, db, "pupil", UserRole.STUDENT);
    const { machineId } = await create(student);
    expect((await grader.call(MachineService, "getMachine", { machineId })).machine!.ownerId).toBe(user("pupil"));
    await expect(grader.call(MachineService, "runMachine", { machineId })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    const { snapshot } = await grader.call(SnapshotService, "createSnapshot", { machineId });
    const { machine } = await grader.call(SnapshotService, "forkMachine", { snapshotId: snapshot!.snapshotId });
    expect(machine!.ownerId).toBe(user("grader"));
    await grader.call(MachineService, "pauseMachine", { machineId: machine!.machineId });
  });

  test("an archived course is read, and nothing else, until it is taken out again", async () => {
    const courseId = `old-${transport}`;
    await admin.call(CourseService, "createCourse", { courseId });
    const staff = await enrol(admin, courseId, "emeritus", UserRole.STAFF);
    const { machineId } = await create(staff);
    await admin.call(CourseService, "archiveCourse", { courseId });
    expect((await staff.call(MachineService, "getMachine", { machineId })).machine!.machineId).toBe(machineId);
    for (const attempt of [
      () => create(staff),
      () => staff.call(MachineService, "runMachine", { machineId }),
      () => staff.call(CourseService, "enrolMembers", { courseId, members: [{ userId: "new" }] }),
    ])
      await expect(attempt()).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "COURSE_ARCHIVED" });
    await admin.call(CourseService, "restoreCourse", { courseId });
    await staff.call(MachineService, "pauseMachine", { machineId });
  });

  test("staff make and revoke keys of their students, for the course alone, and of nobody else", async () => {
    const lecturer = await enrol(admin, os, "professor", UserRole.STAFF);
    await enrol(lecturer, os, "freshman", UserRole.STUDENT);
    const make = (userId: string, courseId: string) => lecturer.call(UserService, "createKey", { userId, courseId });
    const { key, secret } = await make(user("freshman"), os);
    expect(key!.courseId).toBe(os);
    expect((await create(server.client(transport, secret))).courseId).toBe(os);
    await lecturer.call(UserService, "revokeKey", { userId: user("freshman"), keyId: key!.keyId, courseId: os });
    await expect(create(server.client(transport, secret))).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await enrol(admin, os, "colleague", UserRole.STAFF);
    for (const [userId, courseId] of [
      [user("freshman"), ""],
      [user("freshman"), db],
      [user("colleague"), os],
      ["admin", os],
    ] as const)
      await expect(make(userId, courseId)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("who enrols an admin gets no key of that admin", async () => {
    const lecturer = await enrol(admin, os, "instructor", UserRole.STAFF);
    const request = { courseId: os, members: [{ userId: "admin" }, { userId: user("sophomore") }], issueKeys: true };
    const { members } = await lecturer.call(CourseService, "enrolMembers", request);
    expect(members.map(({ enrolled, secret }) => [enrolled, secret !== ""])).toEqual([
      [true, false],
      [true, true],
    ]);
    await lecturer.call(CourseService, "removeMembers", { courseId: os, userIds: ["admin"] });
  });

  test("enrolling is all or nothing, and says which line is wrong", async () => {
    const members = [{ userId: user("one") }, { userId: "not a user!" }];
    await expect(admin.call(CourseService, "enrolMembers", { courseId: os, members })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      fields: ["members[1].user_id"],
    });
    const twice = [{ userId: user("one") }, { userId: user("one") }];
    await expect(admin.call(CourseService, "enrolMembers", { courseId: os, members: twice })).rejects.toMatchObject({
      fields: ["members[1].user_id"],
    });
    const listed = await admin.call(CourseService, "listMembers", { courseId: os, pageSize: 500 });
    expect(listed.members.map(({ userId }) => userId)).not.toContain(user("one"));
  });
});

test("a header names the course of a request that names none", async () => {
  const headers = {
    authorization: `Bearer ${server.adminKey}`,
    "ostler-course": "os-grpc",
    "content-type": "application/json",
  };
  const response = await fetch(`${server.http}/v1/machines`, { method: "POST", headers, body: "{}" });
  expect(await response.json()).toMatchObject({ machine: { courseId: "os-grpc" } });
});
