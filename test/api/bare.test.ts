/** Machines that boot bare, through both transports and the command line. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { guest, hasCompiler } from "../guest/compile.ts";
import { ApiError, type Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let work: string;
beforeAll(async () => {
  server = await startServer();
  work = mkdtempSync(join(tmpdir(), "ostler-bare-"));
});
afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

async function upload(client: Client, data: Uint8Array): Promise<{ contentHash: string }> {
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "image", data });
  return { contentHash: program!.programHash };
}

async function waitFor(client: Client, request: { machineId: string } & Record<string, unknown>) {
  let last: Awaited<ReturnType<typeof client.call<typeof MachineService, "waitMachine">>> | undefined;
  for await (const message of client.stream(MachineService, "waitMachine", { timeoutMs: 240_000, ...request }))
    last = message;
  return last!;
}

const refusalOf = (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => {
      expect(error).toBeInstanceOf(ApiError);
      return error as ApiError;
    },
  );

describe.skipIf(!hasCompiler).each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("boots, talks on the console, sleeps in mid-way, and switches itself off", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {
      spec: {
        memoryBytes: 16_777_216n,
        bare: {
          firmware: await upload(client, guest("bare/kernel.c")),
          harts: 2,
          disks: [{ image: await upload(client, new Uint8Array(5000).fill(0xcd)) }],
        },
      },
    });
    const machineId = machine!.machineId;
    expect(machine!.spec?.bare?.disks[0]).toMatchObject({ bytes: 8192n, image: { size: 5000n } });
    await client.call(MachineService, "runMachine", { machineId });
    await waitFor(client, { machineId, consoleContains: "type: " });
    await client.call(MachineService, "hibernateMachine", { machineId });
    await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("y") });
    const { machine: done } = await waitFor(client, { machineId, consoleContains: "came\n", idleOrPaused: true });
    expect(done).toBeDefined();
    const last = await waitFor(client, { machineId, idleOrPaused: true });
    expect(last.machine).toMatchObject({ runState: RunState.IDLE, runReason: "switched off with code 0" });
    const { data } = await client.call(ConsoleService, "readConsole", { machineId });
    const text = Buffer.from(data).toString();
    expect(text).toContain("disk: ok, begins with 0xcdcdcdcdcdcdcdcd\n");
    expect(text).toMatch(/harts: ok\ntype: y came\n$/);
  });

  test("what cannot boot is refused, by the field that is wrong", async () => {
    const create = (bare: object, memoryBytes = 8_388_608n) =>
      refusalOf(client.call(MachineService, "createMachine", { spec: { memoryBytes, bare } as never }));
    const firmware = await upload(client, guest("bare/kernel.c"));
    expect((await create({})).fields).toEqual(["spec.bare.firmware"]);
    expect((await create({ firmware: { contentHash: "0".repeat(64) } })).fields).toEqual([
      "spec.bare.firmware.content_hash",
    ]);
    const large = await upload(client, new Uint8Array(7 * 2 ** 20).fill(1));
    const error = await create({ firmware, kernel: large });
    expect([error.fields, error.message]).toEqual([["spec.bare.kernel"], expect.stringContaining("does not fit RAM")]);
    expect((await create({ firmware, disks: [{}] })).fields).toEqual(["spec.bare.disks[0].bytes"]);
    expect((await create({ firmware, harts: 9 })).fields).toEqual(["spec.bare.harts"]);
  });

  test("programs are not for it", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {
      spec: { bare: { firmware: await upload(client, guest("bare/reset.c")) } },
    });
    const error = await refusalOf(
      client.call(MachineService, "startProgram", {
        machineId: machine!.machineId,
        program: { case: "path", value: "/bin/x" },
      }),
    );
    expect([error.code, error.message]).toEqual(["FAILED_PRECONDITION", expect.stringContaining("boots bare")]);
  });
});

function ostler(args: string[], input = ""): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const cli = join(import.meta.dirname, "../../api/cli/ostler.mjs");
    const env = { ...process.env, OSTLER_SERVER: server.grpc, OSTLER_DATA: server.dataDir };
    const child = spawn(process.execPath, [cli, ...args], { cwd: work, env });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.stdin.end(input);
    child.on("close", (status) => resolve({ status, out, err }));
  });
}

describe.skipIf(!hasCompiler)("the command line", () => {
  test("creates one from local files, and is attached to its console", async () => {
    writeFileSync(join(work, "firmware.elf"), guest("bare/kernel.c"));
    const options = ["--bare", "--firmware", "firmware.elf", "--disk", "1M", "--harts", "2", "--append", "quiet"];
    const made = await ostler(["machine", "create", "--quiet", "--memory", "16M", ...options]);
    expect([made.status, made.err]).toEqual([0, ""]);
    const machine = made.out.trim();
    await ostler(["machine", "run", machine]);
    await ostler(["machine", "wait", machine, "--console", "type: "]);
    const attached = await ostler(["console", "write", "--no-newline", machine, "z"]);
    expect(attached.err).toBe("");
    await ostler(["machine", "wait", machine, "--idle"]);
    expect((await ostler(["console", "read", machine])).out).toContain("type: z came\n");
  });

  test("says what is missing", async () => {
    const { status, err } = await ostler(["machine", "create", "--bare", "--harts", "2"]);
    expect(status).not.toBe(0);
    expect(err).toContain("--firmware");
  });
});
