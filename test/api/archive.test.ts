/** A snapshot goes from one server to another as a file, and arrives whole or not at all. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "../../api/cli/client.ts";
import { AdminService } from "../../proto/gen/ostler/v1/admin_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { type Snapshot, SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { gather } from "../support/gather.ts";
import { startServer, type TestServer } from "../support/server.ts";

let from: TestServer;
let to: TestServer;
let snapshot: Snapshot;
let programHash: string;
beforeAll(async () => {
  [from, to] = await Promise.all([startServer(), startServer()]);
  const client = from.client("grpc");
  const data = new Uint8Array(Buffer.from("a file of the machine"));
  programHash = (await client.call(ProgramService, "uploadProgram", { name: "f", data })).program!.programHash;
  const spec = { files: [{ path: "/etc/file", contentHash: programHash }] };
  const { machineId } = (await client.call(MachineService, "createMachine", { spec })).machine!;
  const bytes = new Uint8Array(300_000).map((_, index) => (index * 7) >> 4);
  await client.call(MemoryService, "writePhysicalMemory", { machineId, address: 0x8180_0000n, data: bytes });
  const labels = { week: "3" };
  snapshot = (await client.call(SnapshotService, "createSnapshot", { machineId, displayName: "before", labels }))
    .snapshot!;
});
afterAll(async () => {
  await Promise.all([from.stop(), to.stop()]);
});

async function exported(transport: "grpc" | "rest" = "grpc"): Promise<Buffer> {
  const { snapshotId } = snapshot;
  const parts = await gather(from.client(transport).stream(SnapshotService, "exportSnapshot", { snapshotId }));
  return Buffer.concat(parts.map(({ data }) => data));
}

const pieces = function* (file: Buffer, size: number) {
  for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size);
};

type Sent = { snapshot: Snapshot } | { code: string; message: string };
const senders: Record<string, (file: Buffer, size: number, key?: string) => Promise<Sent>> = {
  async grpc(file, size, key = to.adminKey) {
    const connection = new Connection({ address: to.grpc, key, retryForMs: 0 });
    const requests = async function* () {
      for (const data of pieces(file, size)) yield { data: new Uint8Array(data) };
    };
    try {
      const [answer] = await gather(connection.service(SnapshotService).importSnapshot(requests()));
      return { snapshot: answer!.snapshot! };
    } catch (error) {
      const { code, message } = error as { code: number; message: string };
      return { code: code === 3 ? "INVALID_ARGUMENT" : String(code), message };
    } finally {
      connection.close();
    }
  },
  async rest(file, size, key = to.adminKey) {
    const lines = [...pieces(file, size)].map((data) => `${JSON.stringify({ data: data.toString("base64") })}\n`);
    const response = await fetch(`${to.http}/v1/snapshots:import`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/x-ndjson" },
      body: lines.join(""),
    });
    const json = (await response.json()) as { snapshot: Snapshot; code: string; detail: string };
    return response.ok ? { snapshot: json.snapshot } : { code: json.code, message: json.detail };
  },
};

test("both transports give the same bytes, which begin as the format says", async () => {
  const file = await exported();
  expect(await exported("rest")).toEqual(file);
  expect(file.subarray(0, 9).toString("latin1")).toBe("OSTLERSN\x01");
  expect(createHash("sha256").update(file.subarray(0, -37)).digest()).toEqual(file.subarray(-32));
});

describe.each(["grpc", "rest"])("over %s", (transport) => {
  const send = senders[transport]!;

  test("a machine that goes on from the imported snapshot is the machine that was", async () => {
    const imported = await send(await exported(), 10_007);
    expect(imported).toMatchObject({
      snapshot: { rootHash: snapshot.rootHash, displayName: "before", labels: { week: "3" } },
    });
    const { snapshotId } = (imported as { snapshot: Snapshot }).snapshot;
    const client = to.client("grpc");
    const fork = (await client.call(SnapshotService, "forkMachine", { snapshotId })).machine!;
    expect(fork.spec!.files).toMatchObject([{ path: "/etc/file", contentHash: programHash }]);
    await client.call(AdminService, "collectContent", {});
    const again = await client.call(SnapshotService, "createSnapshot", { machineId: fork.machineId });
    expect(again.snapshot!.rootHash).toBe(snapshot.rootHash);
    await client.call(MachineService, "deleteMachine", { machineId: fork.machineId });
    for (const id of [snapshotId, again.snapshot!.snapshotId])
      await client.call(SnapshotService, "deleteSnapshot", { snapshotId: id });
  });

  test("a file that is not whole is refused at the byte, and leaves nothing behind", async () => {
    const file = await exported();
    const flipped = (at: number) => {
      const copy = Buffer.from(file);
      copy[at]! ^= 1;
      return copy;
    };
    const spoilt: [Buffer, RegExp][] = [
      [Buffer.from("no such file"), /it is no snapshot/],
      [flipped(8), /format 0/],
      [flipped(300), /header|hash|here|checksum/],
      [flipped(Math.floor(file.length / 2)), /should be here/],
      [flipped(file.length - 1), /checksum/],
      [file.subarray(0, 5_000), /cut short/],
      [file.subarray(0, -1), /cut short/],
      [Buffer.concat([file, Buffer.from([0])]), /follows its end/],
    ];
    for (const [bytes, why] of spoilt) {
      const answer = await send(bytes, 65_536);
      expect(answer).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(why) });
    }
    const client = to.client("grpc");
    await client.call(AdminService, "collectContent", {});
    expect(await client.call(AdminService, "collectContent", {})).toMatchObject({ examinedBlobs: 0n });
  });

  test("others' snapshots are not there to be exported, and importing is for admins", async () => {
    for (const server of [from, to]) {
      const users = server.client("grpc");
      const userId = `student-${transport}`;
      const { secret } = await users.call(UserService, "createUser", { userId, name: "s", role: UserRole.STUDENT });
      if (server === to)
        expect(await send(await exported(), 65_536, secret)).toMatchObject({
          code: expect.stringMatching(/^(7|PERMISSION_DENIED)$/),
        });
      else {
        const stream = server
          .client("grpc", secret)
          .stream(SnapshotService, "exportSnapshot", { snapshotId: snapshot.snapshotId });
        await expect(gather(stream)).rejects.toMatchObject({ code: "NOT_FOUND" });
      }
    }
  });
});
