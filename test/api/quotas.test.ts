/** What one user may use up, over both transports: others notice nothing, and the way out is named. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineService, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { QuotaKind, QuotaService } from "../../proto/gen/ostler/v1/quotas_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, outcome, reasonOf } from "../support/hosting.ts";
import { startServer, type TestServer } from "../support/server.ts";

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let server: TestServer;
  let client: Client;
  let other: Client;
  beforeAll(async () => {
    server = await startServer({ instructionsPerHour: 300_000_000, storagePerUserBytes: 2_000_000 });
    client = server.client(transport);
    const made = await client.call(UserService, "createUser", { userId: "other", name: "o", role: UserRole.STUDENT });
    other = server.client(transport, made.secret);
  });
  afterAll(() => server.stop());

  const spinner = async (who: Client) => {
    const data = compileC(sources.spin);
    const { program } = await who.call(ProgramService, "uploadProgram", { name: "spin", data });
    const { machineId } = (await who.call(MachineService, "createMachine", {})).machine!;
    const value = program!.programHash;
    await who.call(MachineService, "startProgram", { machineId, program: { case: "programHash", value }, run: true });
    return machineId;
  };

  test.runIf(hasCompiler)(
    "an endless loop is paused when its owner's instructions are used up, and others run on",
    async () => {
      const machineId = await spinner(client);
      const stateOf = async (who: Client, id: string) =>
        (await who.call(MachineService, "getMachine", { machineId: id })).machine!;
      await eventually(async () => (await stateOf(client, machineId)).runState === RunState.PAUSED);
      const { position, runReason } = await stateOf(client, machineId);
      expect(runReason).toBe("instructions used up");
      expect(position!.instructions).toBeGreaterThan(250_000_000n);
      await expect(client.call(MachineService, "runMachine", { machineId })).rejects.toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "INSTRUCTIONS_USED_UP",
      });
      await expect(client.call(MachineService, "stepMachine", { machineId })).rejects.toMatchObject({
        reason: "INSTRUCTIONS_USED_UP",
      });
      const running = await spinner(other);
      const before = (await stateOf(other, running)).position!.instructions;
      await eventually(async () => (await stateOf(other, running)).position!.instructions > before);
      await other.call(MachineService, "pauseMachine", { machineId: running });
    },
  );

  test("what is stored is bounded, and deleting makes room", async () => {
    const upload = (fill: number) =>
      other.call(ProgramService, "uploadProgram", { name: "p", data: new Uint8Array(800_000).fill(fill) });
    const { program } = await upload(1);
    expect(reasonOf(await outcome(upload(2)))).toContain("TOO_MUCH_STORAGE");
    const { machineId } = (await other.call(MachineService, "createMachine", {})).machine!;
    await other.call(SnapshotService, "createSnapshot", { machineId });
    await other.call(ProgramService, "deleteProgram", { programHash: program!.programHash });
    await upload(2);
  });

  test("machines that are made at once, anew and by forks, are no more than there may be", async () => {
    const userId = "hoarder";
    const made = await client.call(UserService, "createUser", { userId, name: "h", role: UserRole.STUDENT });
    const hoarder = server.client(transport, made.secret);
    const { machineId } = (await hoarder.call(MachineService, "createMachine", {})).machine!;
    const { snapshotId } = (await hoarder.call(SnapshotService, "createSnapshot", { machineId })).snapshot!;
    const limits = [{ kind: QuotaKind.MACHINES, limit: 5n }];
    await client.call(QuotaService, "setQuota", { courseId: "default", userId, limits });
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        outcome<unknown>(
          index % 2 === 0
            ? hoarder.call(MachineService, "createMachine", {})
            : hoarder.call(SnapshotService, "forkMachine", { snapshotId }),
        ),
      ),
    );
    const refused = outcomes.filter((each) => "error" in each);
    expect(refused).toHaveLength(16);
    for (const each of refused) expect(reasonOf(each)).toContain("TOO_MANY_MACHINES");
    expect((await hoarder.call(MachineService, "listMachines", {})).machines).toHaveLength(5);
  });

  test("calls a second are bounded, by an error that says of whom and when to come back, until somebody lifts it", async () => {
    await client.call(UserService, "createUser", { userId: "flooder", name: "f", role: UserRole.STUDENT });
    const { secret } = await client.call(UserService, "createKey", { userId: "flooder" });
    const flooder = server.client(transport, secret);
    const set = (limit: bigint) =>
      client.call(QuotaService, "setQuota", {
        courseId: "default",
        userId: "flooder",
        limits: [{ kind: QuotaKind.REQUESTS_PER_SECOND, limit }],
      });
    await set(1n);
    const flood = await Promise.all(
      Array.from({ length: 50 }, () => outcome(flooder.call(UserService, "getSelf", {}))),
    );
    const refused = flood.filter((each) => "error" in each);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(50);
    for (const each of refused) expect(reasonOf(each)).toContain("TOO_MANY_REQUESTS");
    await set(0n);
    await flooder.call(UserService, "getSelf", {});
    await other.call(UserService, "getSelf", {});
  });

  test.runIf(hasCompiler)("machines that run at once, and their memory, are bounded", async () => {
    await client.call(UserService, "createUser", { userId: "runner", name: "r", role: UserRole.STUDENT });
    const { secret } = await client.call(UserService, "createKey", { userId: "runner" });
    const runner = server.client(transport, secret);
    const set = (kind: QuotaKind, limit: bigint) =>
      client.call(QuotaService, "setQuota", { courseId: "default", userId: "runner", limits: [{ kind, limit }] });
    await set(QuotaKind.INSTRUCTIONS_PER_HOUR, 0n);
    await set(QuotaKind.RUNNING_MACHINES, 1n);
    const machineId = await spinner(runner);
    expect(reasonOf(await outcome(spinner(runner)))).toContain("TOO_MANY_RUNNING");
    const { user } = await runner.call(QuotaService, "getQuota", {});
    const of = (kind: QuotaKind) => user.find((quota) => quota.kind === kind)!;
    expect(of(QuotaKind.RUNNING_MACHINES)).toMatchObject({ limit: 1n, used: 1n, own: true });
    expect(of(QuotaKind.MACHINES)).toMatchObject({ used: 2n, own: false });
    await runner.call(MachineService, "pauseMachine", { machineId });
    const second = await spinner(runner);
    await runner.call(MachineService, "pauseMachine", { machineId: second });

    const { machine } = await runner.call(MachineService, "getMachine", { machineId });
    await set(QuotaKind.MEMORY_BYTES, machine!.spec!.memoryBytes);
    for (const each of [machineId, second]) await runner.call(MachineService, "hibernateMachine", { machineId: each });
    await runner.call(MachineService, "runMachine", { machineId });
    expect(reasonOf(await outcome(runner.call(TaskService, "listTasks", { machineId: second })))).toContain(
      "TOO_MUCH_MEMORY",
    );
    await runner.call(MachineService, "pauseMachine", { machineId });
    await runner.call(TaskService, "listTasks", { machineId: second });
  });

  test("members see what is theirs, staff set what is within the course's, admins set that", async () => {
    const key = async (userId: string, role: UserRole) =>
      server.client(transport, (await client.call(UserService, "createUser", { userId, name: userId, role })).secret);
    const student = await key("student", UserRole.STUDENT);
    const staff = await key("staff", UserRole.STAFF);
    const courseId = "default";
    const kind = QuotaKind.MACHINES;
    const denied = { code: "PERMISSION_DENIED" };
    const set = (who: Client, userId: string, limit: bigint) =>
      who.call(QuotaService, "setQuota", { courseId, userId, limits: [{ kind, limit }] });
    await expect(set(student, "student", 5n)).rejects.toMatchObject(denied);
    await expect(student.call(QuotaService, "getQuota", { userId: "staff" })).rejects.toMatchObject(denied);
    await expect(set(staff, "", 5n)).rejects.toMatchObject(denied);
    await expect(set(staff, "student", 0n)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await set(client, "", 2_000n);
    await expect(set(staff, "student", 2_001n)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await set(staff, "student", 2_000n);
    await set(staff, "*", 40n);
    const inOnlyCourse = { userId: "student", limits: [{ kind, limit: 2_000n }] };
    expect((await staff.call(QuotaService, "setQuota", inOnlyCourse)).courseId).toBe(courseId);
    await expect(set(staff, "nobody", 1n)).rejects.toMatchObject({ code: "NOT_FOUND" });
    const limits = async (who: Client, userId: string) => {
      const { user, course } = await who.call(QuotaService, "getQuota", { userId });
      return [user, course].map((quotas) => quotas.find((quota) => quota.kind === kind)!.limit);
    };
    expect(await limits(student, "")).toEqual([2_000n, 2_000n]);
    expect(await limits(staff, "other")).toEqual([40n, 2_000n]);
    await client.call(QuotaService, "setQuota", { courseId, userId: "*", limits: [{ kind }] });
    await set(client, "", 0n);
    expect(await limits(staff, "other")).toEqual([1_000n, 0n]);
  });

  test("staff divide the processor among members by weights, admins among courses", async () => {
    const courseId = "default";
    const kind = QuotaKind.PROCESSOR_WEIGHT;
    const created = await client.call(UserService, "createUser", { userId: "tutor", name: "t", role: UserRole.STAFF });
    const tutor = server.client(transport, created.secret);
    const set = (who: Client, userId: string, limit?: bigint) =>
      who.call(QuotaService, "setQuota", { courseId, userId, limits: [{ kind, ...(limit && { limit }) }] });
    for (const limit of [0n, 10_001n])
      await expect(
        tutor.call(QuotaService, "setQuota", { courseId, userId: "other", limits: [{ kind, limit }] }),
      ).rejects.toMatchObject({ code: "INVALID_ARGUMENT", fields: ["limits[0].limit"] });
    await expect(set(tutor, "", 300n)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await set(tutor, "other", 10_000n);
    await set(client, "", 300n);
    const weights = async () => {
      const { user, course } = await other.call(QuotaService, "getQuota", {});
      return [user, course].map((quotas) => quotas.find((quota) => quota.kind === kind)!.limit);
    };
    expect(await weights()).toEqual([10_000n, 300n]);
    await set(tutor, "other");
    await set(client, "");
    expect(await weights()).toEqual([100n, 100n]);
  });
});
