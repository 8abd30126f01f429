/** Uploads in parts, over both transports: what arrives whole is there once, what does not leaves nothing. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "../../api/cli/client.ts";
import { AdminService } from "../../proto/gen/ostler/v1/admin_pb.js";
import { CourseService } from "../../proto/gen/ostler/v1/courses_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { type Program, ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { QuotaKind, QuotaService } from "../../proto/gen/ostler/v1/quotas_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ uploadBytes: 80 * mebibyte, workers: 1 });
});
afterAll(() => server.stop());

const mebibyte = 1024 * 1024;
type Bytes = Uint8Array<ArrayBuffer>;
interface First {
  name?: string;
  expectedHash?: string;
  size?: number;
}
type Answer = { program: Program } | { code: string; message: string };
const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

function* parts(data: Bytes, size = mebibyte): Generator<Bytes> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

function connect() {
  const connection = new Connection({ address: server.grpc, key: server.adminKey, retryForMs: 0 });
  return { programs: connection.service(ProgramService), close: () => connection.close() };
}

const GRPC_CODES: Record<number, string> = { 1: "CANCELLED", 3: "INVALID_ARGUMENT" };
/** Sends these parts as one upload. */
const senders: Record<string, (first: First, data: Iterable<Bytes>) => Promise<Answer>> = {
  async grpc({ name = "", expectedHash = "", size = 0 }, data) {
    const { programs, close } = connect();
    const requests = async function* () {
      yield { name, expectedHash, size: BigInt(size) };
      for (const part of data) yield { data: part };
    };
    try {
      const [answer] = await gather(programs.uploadContent(requests()));
      return { program: answer!.program! };
    } catch (error) {
      const { code, message } = error as { code: number; message: string };
      return { code: GRPC_CODES[code] ?? String(code), message };
    } finally {
      close();
    }
  },
  async rest(first, data) {
    const query = new URLSearchParams(
      Object.entries(first).map(([name, value]): [string, string] => [name, String(value)]),
    );
    const response = await fetch(`${server.http}/v1/programs:upload?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.adminKey}`, "content-type": "application/octet-stream" },
      body: new Blob([...data]),
    });
    const json = (await response.json()) as { program: Program; code: string; detail: string };
    return response.ok ? { program: json.program } : { code: json.code, message: json.detail };
  },
};

const collect = async (client: Client) => {
  await client.call(AdminService, "collectContent", {});
  return client.call(AdminService, "collectContent", {});
};

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  const send = senders[transport]!;
  const data = new Uint8Array(6 * mebibyte).map((_, index) => (index * 31) >> 7);

  test("content in parts has the hash of the whole, and is kept once", async () => {
    const client = server.client(transport);
    const sent = await send({ name: "large", expectedHash: sha256(data), size: data.length }, parts(data));
    expect(sent).toMatchObject({ program: { programHash: sha256(data), name: "large" } });
    const { program } = await client.call(ProgramService, "getProgram", { programHash: sha256(data) });
    expect(program!.size).toBe(BigInt(data.length));
    const { examinedBlobs } = await collect(client);
    await send({ name: "again" }, parts(data, 100_000));
    expect((await collect(client)).examinedBlobs).toBe(examinedBlobs);
    await client.call(ProgramService, "deleteProgram", { programHash: sha256(data) });
    expect((await collect(client)).examinedBlobs).toBe(0n);
  });

  test("what is not as it was announced is refused by its field, and nothing of it stays", async () => {
    const refusals: [First, Iterable<Bytes>, RegExp][] = [
      [{ expectedHash: "0".repeat(64) }, parts(data), /expected_hash: the content that arrived has the hash/],
      [{ size: data.length + 1 }, parts(data), /size: is 6291457, and 6291456 bytes came/],
      [{ size: 81 * mebibyte }, [], /size: is more than 83886080 bytes/],
      [{}, [], /data: must not be empty/],
    ];
    for (const [first, bytes, why] of refusals)
      expect(await send(first, bytes)).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(why),
      });
    const client = server.client(transport);
    const storedBytes = async () => {
      const { user } = await client.call(QuotaService, "getQuota", {});
      return user.find(({ kind }) => kind === QuotaKind.STORAGE_BYTES)!.used;
    };
    // All its pieces are the same.
    expect(await storedBytes()).toBe(256n * 1024n);
    expect((await collect(client)).examinedBlobs).toBe(0n);
    expect(await storedBytes()).toBe(0n);
  });

  test("an upload that breaks off leaves nothing", async () => {
    const broken = function* () {
      yield data;
      throw new Error("the client has no more");
    };
    if (transport === "grpc") expect(await send({}, splitBroken(broken()))).toHaveProperty("code");
    else await cutOff(data);
    const client = server.client(transport);
    // The server may still be at what had come: all that it holds goes with the call.
    for (let left = 1n; left > 0n; ) left = (await collect(client)).examinedBlobs;
    expect((await client.call(ProgramService, "listPrograms", {})).programs).toEqual([]);
  });
});

test("what belongs into the first message is refused by its field in a later one", async () => {
  const { programs, close } = connect();
  const late = { name: "n", expectedHash: "0".repeat(64), courseId: "default", size: 2n };
  for (const [key, value] of Object.entries(late)) {
    const requests = async function* () {
      yield { data: new Uint8Array(1) };
      yield { data: new Uint8Array(1), [key]: value };
    };
    const field = key.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
    await expect(gather(programs.uploadContent(requests()))).rejects.toMatchObject({
      code: 3,
      message: expect.stringMatching(`${field}: belongs into the first message`),
    });
  }
  close();
});

test("who is in several courses says with the first part which it is for", async () => {
  const admin = server.client("grpc");
  const members = [{ userId: "of-both", name: "both", role: UserRole.STUDENT }];
  for (const courseId of ["first-course", "second-course"]) {
    await admin.call(CourseService, "createCourse", { courseId, displayName: courseId });
    await admin.call(CourseService, "enrolMembers", { courseId, members });
  }
  const { secret } = await admin.call(UserService, "createKey", { userId: "of-both" });
  const headers = { authorization: `Bearer ${secret}`, "content-type": "application/octet-stream" };
  const send = async (query: string) =>
    (await fetch(`${server.http}/v1/programs:upload?${query}`, { method: "POST", headers, body: "content" })).json();
  expect(await send("course_id=second-course")).toMatchObject({ program: { courseId: "second-course" } });
  expect(await send("")).toMatchObject({ code: "INVALID_ARGUMENT", detail: expect.stringContaining("course_id") });
  const programHash = sha256(Buffer.from("content"));
  const both = server.client("grpc", secret);
  await both.call(ProgramService, "deleteProgram", { programHash, courseId: "second-course" });
});

function* splitBroken(source: Iterable<Bytes>): Generator<Bytes> {
  for (const part of source) yield* parts(part);
}

/** A body that is announced longer than it comes, on a connection that closes. */
async function cutOff(data: Bytes): Promise<void> {
  const { request } = await import("node:http");
  await new Promise<void>((resolve) => {
    const headers = {
      authorization: `Bearer ${server.adminKey}`,
      "content-type": "application/octet-stream",
      "content-length": data.length * 2,
    };
    const sending = request(`${server.http}/v1/programs:upload?name=cut`, { method: "POST", headers });
    sending.on("error", () => resolve());
    sending.on("close", () => resolve());
    sending.write(data, () => sending.destroy());
  });
}

function tarEntry(name: string, content: Uint8Array): Bytes {
  const bytes = new Uint8Array(512 + Math.ceil(content.length / 512) * 512);
  const put = (text: string, at: number) => bytes.set(Buffer.from(text), at);
  put(name, 0);
  put(`0000644\0${"0000000\0".repeat(2)}`, 100);
  put(`${content.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        0`, 124);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  bytes.set(content, 512);
  return bytes;
}

/** Reads a file of a machine through a task of its own. */
async function readFile(client: Client, machineId: string, path: string, length: number, from = 0): Promise<string> {
  const { task } = await client.call(TaskService, "createRemoteTask", { machineId, name: "reader" });
  const integer = (value: bigint) => ({ argument: { case: "integer", value } }) as const;
  const target = { machineId, task: task!.task };
  const opened = await client.call(TaskService, "call", {
    ...target,
    call: { case: "name", value: "openat" },
    arguments: [integer(-100n), { argument: { case: "text", value: path } }, integer(0n), integer(0n)],
  });
  const got = await client.call(TaskService, "call", {
    ...target,
    call: { case: "name", value: "pread64" },
    arguments: [
      integer(opened.value),
      { argument: { case: "buffer", value: length } },
      integer(BigInt(length)),
      integer(BigInt(from)),
    ],
  });
  return Buffer.from(got.buffers[0]!).toString();
}

test("a machine's root begins as an archive of more than 64 MiB", async () => {
  const large = new Uint8Array(66 * mebibyte);
  large.set(Buffer.from("the beginning"), 0);
  const archive = [
    tarEntry("etc/motd", Buffer.from("welcome")),
    tarEntry("large", large),
    tarEntry("etc/last", Buffer.from("far behind")),
    new Uint8Array(1024),
  ];
  const sent = (await senders["rest"]!({ name: "root.tar" }, archive)) as { program: Program };
  const { programHash: rootHash } = sent.program;
  const client = server.client("grpc");
  const { machineId } = (await client.call(MachineService, "createMachine", { spec: { rootHash } })).machine!;
  expect(await readFile(client, machineId, "/etc/last", 10)).toBe("far behind");
  await client.call(ProgramService, "deleteProgram", { programHash: rootHash });
  await client.call(AdminService, "collectContent", {});
  expect(await readFile(client, machineId, "/large", 13)).toBe("the beginning");
  await client.call(MachineService, "deleteMachine", { machineId });
});

test("content in pieces goes along with a snapshot that is exported, and comes with it", async () => {
  const client = server.client("grpc");
  const data = new Uint8Array(5 * mebibyte + 99);
  data.set(Buffer.from("at the end"), data.length - 10);
  const { program } = (await senders["rest"]!({ name: "f" }, [data])) as { program: Program };
  const spec = { files: [{ path: "/file", contentHash: program.programHash }] };
  const { machineId } = (await client.call(MachineService, "createMachine", { spec })).machine!;
  const { snapshotId } = (await client.call(SnapshotService, "createSnapshot", { machineId })).snapshot!;
  const exported = await gather(client.stream(SnapshotService, "exportSnapshot", { snapshotId }));
  await client.call(MachineService, "deleteMachine", { machineId });
  await client.call(SnapshotService, "deleteSnapshot", { snapshotId });
  await client.call(ProgramService, "deleteProgram", { programHash: program.programHash });
  while ((await collect(client)).examinedBlobs > 0n);

  const connection = new Connection({ address: server.grpc, key: server.adminKey, retryForMs: 0 });
  const requests = async function* () {
    for (const { data: part } of exported) yield { data: part };
  };
  const [imported] = await gather(connection.service(SnapshotService).importSnapshot(requests()));
  connection.close();
  await collect(client);
  const fork = await client.call(SnapshotService, "forkMachine", { snapshotId: imported!.snapshot!.snapshotId });
  expect(await readFile(client, fork.machine!.machineId, "/file", 5, data.length - 5)).toBe("e end");
});
