/** What a client that is refused again and again costs the audit log. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { notFound } from "../../api/errors.ts";
import type { Context, Operation } from "../../api/operation.ts";
import { AuditLog, REFUSALS_IN_FULL } from "../../api/services/audit.ts";
import type { AuditRow } from "../../api/store/types.ts";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";

const MINUTE_MS = 60_000;
let rows: Map<string, AuditRow>;
let log: AuditLog;

beforeEach(() => {
  vi.useFakeTimers();
  rows = new Map();
  const audit = {
    during: <T>(_event: unknown, work: () => T) => work(),
    write: async (row: AuditRow) => void rows.set(row.id, { ...row }),
    amend: async (id: string, change: Partial<AuditRow>) => void rows.set(id, { ...rows.get(id)!, ...change }),
    list: () => Promise.reject(new Error("nobody reads")),
    prune: async () => 0,
  };
  log = new AuditLog(audit, (error) => expect.unreachable(String(error)));
});
afterEach(async () => {
  await log.close();
  vi.useRealTimers();
});

const memberships = [{ courseId: "os", userId: "", role: "student", archived: false }];
const contextOf = (id: string, courseId: string) =>
  ({
    caller: { id, key: { id: `k-${id}` }, user: { id, role: "user" }, memberships },
    courseId,
    target: "",
    transport: "grpc",
    peer: "",
    requestId: "",
    signal: new AbortController().signal,
  }) as unknown as Context;

const operation: Operation = {
  service: MachineService,
  method: MachineService.method.pauseMachine,
  handler: (request) => {
    const { machineId } = request as { machineId: string };
    if (machineId.startsWith("guess")) throw notFound("machine", machineId);
    return Promise.resolve({});
  },
};

async function guess(userId: string, times: number, courseOf = (_time: number) => "os"): Promise<void> {
  const { handler } = log.audited(operation);
  for (let time = 0; time < times; time++)
    await expect(
      handler({ machineId: `guess-${userId}-${time}` }, contextOf(userId, courseOf(time))),
    ).rejects.toMatchObject({ reason: "MACHINE_NOT_FOUND" });
}

const written = (actorId: string) => [...rows.values()].filter((row) => row.actorId === actorId);

test("so many are written in full, the others are counted in one that names nothing", async () => {
  await guess("eve", REFUSALS_IN_FULL + 500);
  expect(written("eve")).toHaveLength(REFUSALS_IN_FULL + 1);
  await log.close();
  const [rest, ...others] = written("eve").filter(({ reason }) => reason === "MORE_REFUSALS");
  expect(others).toEqual([]);
  expect(rest).toMatchObject({
    count: 500,
    keyId: "",
    target: "",
    courseId: "os",
    operation: "MachineService/PauseMachine",
    outcome: "NOT_FOUND",
  });
});

test("courses that the caller made up are no way around it", async () => {
  await guess("eve", REFUSALS_IN_FULL + 50, (time) => `made-up-${time}`);
  const rest = written("eve").filter(({ reason }) => reason === "MORE_REFUSALS");
  expect(rest.map(({ courseId }) => courseId)).toEqual([""]);
});

test("it takes nothing from others, nor from what is let", async () => {
  await guess("eve", REFUSALS_IN_FULL + 5);
  await guess("bob", 3);
  expect(written("bob").map(({ target }) => target)).toEqual([0, 1, 2].map((time) => `machine guess-bob-${time}`));
  await log.audited(operation).handler({ machineId: "m-1" }, contextOf("eve", "os"));
  expect(written("eve").at(-1)).toMatchObject({ outcome: "OK", target: "machine m-1" });
});

test("a minute later they are written in full again, and what was counted is there", async () => {
  await guess("eve", REFUSALS_IN_FULL + 5);
  await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
  expect(written("eve").at(-1)).toMatchObject({ reason: "MORE_REFUSALS", count: 5 });
  await guess("eve", 1);
  expect(written("eve").at(-1)).toMatchObject({ reason: "MACHINE_NOT_FOUND", target: "machine guess-eve-0", count: 1 });
});
