/** The audit log: who did what to what, and who was refused it; with the change, or not at all. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuditService } from "../../proto/gen/ostler/v1/audit_pb.js";
import { CourseService } from "../../proto/gen/ostler/v1/courses_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  const courseId = `course-${transport}`;
  let admin: Client;
  let staff: Client;
  let student: Client;
  let secrets: string[];
  const userId = (name: string) => `${name}-${transport}`;

  beforeAll(async () => {
    admin = server.client(transport);
    await admin.call(CourseService, "createCourse", { courseId });
    const members = [
      { userId: userId("staff"), role: UserRole.STAFF },
      { userId: userId("student"), role: UserRole.STUDENT },
    ];
    const { members: enrolled } = await admin.call(CourseService, "enrolMembers", {
      courseId,
      members,
      issueKeys: true,
    });
    secrets = enrolled.map(({ secret }) => secret);
    [staff, student] = secrets.map((secret) => server.client(transport, secret)) as [Client, Client];
  });

  const events = async (who: Client, filter: object) =>
    (await who.call(AuditService, "listAuditEvents", filter)).events;

  test("a creation is there with what it made, where it came from and when", async () => {
    const before = Date.now();
    const { machineId } = (await student.call(MachineService, "createMachine", {})).machine!;
    const [event] = await events(staff, { target: `machine ${machineId}` });
    expect(event).toMatchObject({
      actorId: userId("student"),
      courseId,
      operation: "MachineService/CreateMachine",
      outcome: "OK",
      count: 1n,
      transport,
    });
    expect(event!.keyId).toMatch(/^k-/);
    expect(event!.peer).toContain("127.0.0.1");
    expect(Number(event!.at!.seconds) * 1_000).toBeGreaterThan(before - 2_000);
  });

  test("what is refused is there, too, also in the course that was tried", async () => {
    const { machineId } = (await staff.call(MachineService, "createMachine", {})).machine!;
    await expect(student.call(MachineService, "deleteMachine", { machineId })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await events(staff, { operation: "MachineService/DeleteMachine" })).toMatchObject([
      { actorId: userId("student"), outcome: "NOT_FOUND", reason: "MACHINE_NOT_FOUND", target: `machine ${machineId}` },
    ]);
  });

  test("like calls are one event, which says how many", async () => {
    const { machineId } = (await student.call(MachineService, "createMachine", {})).machine!;
    for (let time = 0; time < 5; time++) await student.call(MachineService, "pauseMachine", { machineId });
    const pauses = await events(staff, { operation: "MachineService/PauseMachine", actorId: userId("student") });
    expect(pauses.map(({ target }) => target)).toEqual([`machine ${machineId}`]);
  });

  test("students see none of it, staff their course's, admins everything, page by page", async () => {
    await expect(events(student, {})).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const ours = await events(staff, {});
    expect(new Set(ours.map((event) => event.courseId))).toEqual(new Set([courseId]));
    const all = await events(admin, { pageSize: 500 });
    expect(all.map(({ operation }) => operation)).toContain("CourseService/CreateCourse");
    const paged: string[] = [];
    let pageToken = "";
    do {
      const page = await admin.call(AuditService, "listAuditEvents", { pageSize: 3, pageToken, courseId });
      paged.push(...page.events.map(({ eventId }) => eventId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(paged).toEqual((await events(admin, { courseId, pageSize: 500 })).map(({ eventId }) => eventId));
  });

  test("an admin's key for less than everything shows what courses did, not what the server did", async () => {
    const [forStaff, forCourse] = await Promise.all(
      [{ roleAtMost: UserRole.STAFF }, { courseId }].map(async (bound) => {
        const { secret } = await admin.call(UserService, "createKey", { userId: "admin", ...bound });
        return server.client(transport, secret);
      }),
    );
    const coursesSeenBy = async (who: Client) =>
      new Set((await events(who, { pageSize: 500 })).map((event) => event.courseId));
    await admin.call(UserService, "createUser", { userId: userId("nobody") });
    expect(await coursesSeenBy(admin)).toContain("");
    expect(await coursesSeenBy(forStaff!)).toContain(courseId);
    expect(await coursesSeenBy(forStaff!)).not.toContain("");
    expect(await coursesSeenBy(forCourse!)).toEqual(new Set([courseId]));
  });

  test("no secret is in it", async () => {
    await student.call(UserService, "getSelf", {});
    await admin.call(UserService, "createKey", { userId: userId("student") });
    const all = JSON.stringify(await events(admin, { pageSize: 500 }), (_, value) =>
      typeof value === "bigint" ? Number(value) : value,
    );
    for (const secret of [...secrets, server.adminKey]) expect(all).not.toContain(secret);
    expect(all).not.toContain("ostler_");
  });
});
