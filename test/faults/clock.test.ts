/** The host's clock jumps by years, both ways, while a server works. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { eventually } from "../support/hosting.ts";
import { checkWriter, consoleOf, numbersIn, remoteWriter } from "../support/ledger.ts";
import { startServer, type TestServer } from "../support/server.ts";

const YEAR_MS = 365 * 86_400_000;
let server: TestServer;
let client: Client;
beforeAll(async () => {
  server = await startServer({ log: "none" });
  client = server.client("grpc");
});
afterAll(() => server.stop());
afterEach(() => void vi.useRealTimers());

/** Of all clocks the one that tells the date alone; it stands still then. */
const jumpTo = (time: number) => vi.useFakeTimers({ toFake: ["Date"], now: time });

test("machines go on, come back from hibernation, and are each listed once", async () => {
  const now = Date.now();
  const writer = await remoteWriter(client);
  const made = [writer.machineId];
  for (const time of [now + 10 * YEAR_MS, now - 10 * YEAR_MS, now]) {
    jumpTo(time);
    for (let i = 0; i < 3; i++) {
      await writer.write(client, ++writer.sent);
      writer.acknowledged.push(writer.sent);
    }
    await client.call(MachineService, "hibernateMachine", { machineId: writer.machineId });
    made.push((await client.call(MachineService, "createMachine", {})).machine!.machineId);
  }
  checkWriter(writer, numbersIn(await consoleOf(client, writer.machineId)));
  const listed: string[] = [];
  for (let pageToken = "", isFirst = true; isFirst || pageToken !== ""; isFirst = false) {
    const page = await client.call(MachineService, "listMachines", { pageSize: 1, pageToken });
    listed.push(...page.machines.map(({ machineId }) => machineId));
    pageToken = page.nextPageToken;
  }
  expect(listed.toSorted()).toEqual(made.toSorted());
});

test("a key that is revoked when the clock has been set back ends all the same", async () => {
  const { secret } = await client.call(UserService, "createUser", { userId: "late", name: "late" });
  const { keys } = await client.call(UserService, "listKeys", { userId: "late" });
  const late = server.client("grpc", secret);
  await late.call(UserService, "getSelf", {});
  jumpTo(Date.now() - YEAR_MS);
  await late.call(UserService, "getSelf", {});
  await client.call(UserService, "revokeKey", { userId: "late", keyId: keys[0]!.keyId });
  const code = () =>
    late.call(UserService, "getSelf", {}).then(
      () => "OK",
      (error: { code: string }) => error.code,
    );
  await eventually(async () => (await code()) === "UNAUTHENTICATED");
});
