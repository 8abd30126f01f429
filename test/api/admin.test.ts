/** What an operator does with a running server, over both transports. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdminService } from "../../proto/gen/ostler/v1/admin_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let student: string;
beforeAll(async () => {
  server = await startServer();
  const users = server.client("grpc");
  student = (await users.call(UserService, "createUser", { userId: "s", name: "s", role: UserRole.STUDENT })).secret;
});
afterAll(() => server.stop());

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("content of a deleted program is collected on demand", async () => {
    await client.call(AdminService, "collectContent", {});
    const data = new Uint8Array(Buffer.from(`of ${transport}`));
    const { program } = await client.call(ProgramService, "uploadProgram", { name: "p", data });
    expect(await client.call(AdminService, "collectContent", {})).toMatchObject({ deletedBlobs: 0n, missingBlobs: 0n });
    await client.call(ProgramService, "deleteProgram", { programHash: program!.programHash });
    const answer = await client.call(AdminService, "collectContent", {});
    expect(answer).toMatchObject({ deletedBlobs: 1n, deletedBytes: BigInt(data.length) });
  });

  test("a check of a store that is whole says how much it looked at", async () => {
    const events = await gather(client.stream(AdminService, "checkStore", { share: 1 }));
    expect(events.map(({ event }) => event.case)).toEqual(["figures"]);
    expect(events[0]!.event.value).toMatchObject({ findings: 0n });
  });

  test("a collection that is asked for during a check comes after it", async () => {
    const checking = gather(client.stream(AdminService, "checkStore", {}));
    expect(await client.call(AdminService, "collectContent", {})).toMatchObject({ missingBlobs: 0n });
    expect(await checking).toHaveLength(1);
  });

  test("only admins", async () => {
    const other = server.client(transport, student);
    await expect(other.call(AdminService, "collectContent", {})).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const checking = gather(other.stream(AdminService, "checkStore", {}));
    await expect(checking).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });
});
