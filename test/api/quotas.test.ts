/** What one user may use up, over both transports: others notice nothing, and the way out is named. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Quotas } from "../../api/services/quotas.ts";
import { MachineService, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, outcome, reasonOf } from "../support/hosting.ts";
import { startServer, type TestServer } from "../support/server.ts";

const HOUR_MS = 3_600_000;

test("an allowance fills up evenly, and is worth coming back for when a tenth is there", () => {
  let now = 0;
  const quotas = new Quotas({} as never, { instructionsPerHour: 1_000, storagePerUserBytes: 0 }, () => now);
  const refusal = () => {
    try {
      quotas.assertMayRun("a");
      return null;
    } catch (error) {
      return (error as { retryAfterMs: number }).retryAfterMs;
    }
  };
  expect(quotas.executed("a", 999)).toBe(true);
  expect(refusal()).toBeNull();
  expect(quotas.executed("a", 101)).toBe(false);
  expect(refusal()).toBe(0.2 * HOUR_MS);
  expect(quotas.executed("b", 1)).toBe(true);
  now += 0.1 * HOUR_MS - 1;
  expect(refusal()).toBe(0.1 * HOUR_MS + 1);
  now += 0.1 * HOUR_MS + 1;
  expect(refusal()).toBeNull();
  expect(quotas.executed("a", 99)).toBe(true);
  now += 10 * HOUR_MS;
  expect(quotas.executed("a", 999)).toBe(true);
  expect(quotas.executed("a", 1)).toBe(false);
});

test("no limit is none", async () => {
  const quotas = new Quotas({} as never, { instructionsPerHour: 0, storagePerUserBytes: 0 });
  expect(quotas.executed("a", Number.MAX_SAFE_INTEGER)).toBe(true);
  quotas.assertMayRun("a");
  await quotas.assertRoom({ courseId: "c", ownerId: "a" }, Number.MAX_SAFE_INTEGER);
});

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
      const { position } = await stateOf(client, machineId);
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
});
