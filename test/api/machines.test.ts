/** The same cases through gRPC and REST: what clients do with machines, and what they are told when it is wrong. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService, Residency, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { ApiError, type Client } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

async function refused(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

async function makeMachine(client: Client, displayName = ""): Promise<string> {
  const { machine } = await client.call(MachineService, "createMachine", { displayName });
  return machine!.machineId;
}

async function start(client: Client, machineId: string, source: string, fields: object = {}): Promise<number> {
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data: compileC(source) });
  const request = {
    machineId,
    program: { case: "programHash", value: program!.programHash },
    run: true,
    ...fields,
  } as const;
  return (await client.call(MachineService, "startProgram", request)).task;
}

async function waitFor(client: Client, request: { machineId: string } & Record<string, unknown>) {
  let last: Awaited<ReturnType<typeof client.call<typeof MachineService, "waitMachine">>> | undefined;
  for await (const message of client.stream(MachineService, "waitMachine", { timeoutMs: 240_000, ...request }))
    last = message;
  return last!;
}

async function consoleText(client: Client, machineId: string): Promise<string> {
  const { data } = await client.call(ConsoleService, "readConsole", { machineId });
  return Buffer.from(data).toString();
}

/** A tar archive with one file. */
function archiveWith(name: string, content: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(512 * 4);
  const put = (text: string, at: number) => bytes.set(Buffer.from(text), at);
  put(name, 0);
  put(`0000644\0${"0000000\0".repeat(2)}`, 100);
  put(`${content.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        0`, 124);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  put(content, 512);
  return bytes;
}

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("a machine's root begins as an archive that was uploaded, or is refused with the reason", async () => {
    const upload = async (data: Uint8Array<ArrayBuffer>) =>
      (await client.call(ProgramService, "uploadProgram", { name: "root.tar", data })).program!.programHash;
    const rootHash = await upload(archiveWith("etc/motd", "welcome"));
    const { machine } = await client.call(MachineService, "createMachine", { spec: { rootHash } });
    const { machineId } = machine!;
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId, name: "reader" });
    const target = { machineId, task: task!.task };
    const path = { argument: { case: "text", value: "/etc/motd" } } as const;
    const integer = (value: bigint) => ({ argument: { case: "integer", value } }) as const;
    const name = (value: string) => ({ case: "name", value }) as const;
    const opened = await client.call(TaskService, "call", {
      ...target,
      call: name("openat"),
      arguments: [integer(-100n), path, integer(0n), integer(0n)],
    });
    const got = await client.call(TaskService, "call", {
      ...target,
      call: name("read"),
      arguments: [integer(opened.value), { argument: { case: "buffer", value: 7 } }, integer(7n)],
    });
    expect(Buffer.from(got.buffers[0]!).toString()).toBe("welcome");
    const hostile = await upload(archiveWith("../etc/motd", "x"));
    const error = await refused(client.call(MachineService, "createMachine", { spec: { rootHash: hostile } }));
    expect(error.message).toContain("leads out of the archive");
  });

  test("a machine is created with the defaults that the contract names, and found again", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {
      displayName: "first",
      labels: { course: "os" },
    });
    expect(machine?.runState).toBe(RunState.PAUSED);
    const { machine: found } = await client.call(MachineService, "getMachine", { machineId: machine!.machineId });
    expect(found?.displayName).toBe("first");
    expect(found?.labels).toEqual({ course: "os" });
    expect(found?.position?.instructions).toBe(0n);
    expect(found?.spec).toMatchObject({ memoryBytes: 67_108_864n, quantumInstructions: 100_000, hostname: "ostler" });
  });

  test("a machine has the harts that its spec asks for, and every program is told so", async () => {
    const { machine } = await client.call(MachineService, "createMachine", { spec: { harts: 3 } });
    const { machineId } = machine!;
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId, name: "counts" });
    const text = (value: string) => ({ argument: { case: "text" as const, value } });
    const integer = (value: bigint) => ({ argument: { case: "integer" as const, value } });
    const call = (name: string, ...args: object[]) =>
      client.call(TaskService, "call", {
        machineId,
        task: task!.task,
        call: { case: "name", value: name },
        arguments: args,
      });
    const opened = await call("openat", integer(-100n), text("/proc/cpuinfo"), integer(0n), integer(0n));
    const read = await call(
      "read",
      integer(opened.value),
      { argument: { case: "buffer", value: 4096 } },
      integer(4096n),
    );
    expect(
      Buffer.from(read.buffers[0]!)
        .toString()
        .match(/^processor/gm),
    ).toHaveLength(3);
    const nine = client.call(MachineService, "createMachine", { spec: { harts: 9 } }).catch((error: unknown) => error);
    expect(await nine).toMatchObject({ fields: ["spec.harts"] });
  });

  test("a machine without the first program that it names says so on its console, and goes on", async () => {
    const spec = { init: { path: "/nothing" } };
    const { machine } = await client.call(MachineService, "createMachine", { spec });
    const { machineId } = machine!;
    await client.call(MachineService, "runMachine", { machineId });
    await waitFor(client, { machineId, consoleContains: "no init: the machine has no file /nothing" });
    await client.call(ConsoleService, "writeConsole", { machineId, data: new TextEncoder().encode("still there\n") });
    await client.call(MachineService, "hibernateMachine", { machineId });
    expect(await consoleText(client, machineId)).toContain("no init");
  });

  test("lists have pages, filters, and every machine once", async () => {
    const made = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const { machine } = await client.call(MachineService, "createMachine", { labels: { batch: transport } });
      made.add(machine!.machineId);
    }
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await client.call(MachineService, "listMachines", {
        pageSize: 2,
        pageToken,
        label: [`batch=${transport}`],
      });
      seen.push(...page.machines.map((machine) => machine.machineId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toHaveLength(5);
    expect(new Set(seen)).toEqual(made);
  });

  test("the same idempotency key gives the same machine; another request under it is refused", async () => {
    const request = { displayName: "once", idempotencyKey: `key-${transport}` };
    const first = await client.call(MachineService, "createMachine", request);
    const again = await client.call(MachineService, "createMachine", request);
    expect(again.machine?.machineId).toBe(first.machine?.machineId);
    const error = await refused(client.call(MachineService, "createMachine", { ...request, displayName: "twice" }));
    expect(error).toMatchObject({ code: "ALREADY_EXISTS", reason: "IDEMPOTENCY_KEY_REUSED" });
  });

  test("a spec beyond the limits is refused, naming the field", async () => {
    const error = await refused(client.call(MachineService, "createMachine", { spec: { memoryBytes: 12_345n } }));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.fields).toEqual(["spec.memory_bytes"]);
    expect(error.message).toContain("67108864");
  });

  test("ids that do not exist, and others' ids, are not found", async () => {
    expect(await refused(client.call(MachineService, "getMachine", { machineId: "m-none" }))).toMatchObject({
      code: "NOT_FOUND",
    });
    const machineId = await makeMachine(client);
    const { secret } = await client.call(UserService, "createUser", { userId: `student-${transport}` });
    const student = server.client(transport, secret);
    expect(await refused(student.call(MachineService, "getMachine", { machineId }))).toMatchObject({
      code: "NOT_FOUND",
      reason: "MACHINE_NOT_FOUND",
    });
    expect(await refused(student.call(MachineService, "runMachine", { machineId }))).toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await refused(student.call(UserService, "listUsers", {}))).toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("without a key, or with a wrong one, nothing is answered", async () => {
    for (const key of ["", "ostler_wrong"]) {
      const stranger = server.client(transport, key);
      expect(await refused(stranger.call(MachineService, "listMachines", {}))).toMatchObject({
        code: "UNAUTHENTICATED",
      });
    }
  });

  test("a remote-driven task makes system calls", async () => {
    const machineId = await makeMachine(client);
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId, name: "robot" });
    const call = (name: string, ...args: object[]) =>
      client.call(TaskService, "call", {
        machineId,
        task: task!.task,
        call: { case: "name", value: name },
        arguments: args as never,
      });
    const written = await call(
      "write",
      { argument: { case: "integer", value: 1n } },
      { argument: { case: "text", value: "hi\n" } },
      { argument: { case: "integer", value: 3n } },
    );
    expect(written.value).toBe(3n);
    expect(await consoleText(client, machineId)).toBe("hi\n");
    const name = await call("uname", { argument: { case: "buffer", value: 390 } });
    expect(name.value).toBe(0n);
    expect(Buffer.from(name.buffers[0]!).toString()).toContain("riscv64");
    const wild = await call(
      "write",
      { argument: { case: "integer", value: 1n } },
      { argument: { case: "integer", value: -1n } },
      { argument: { case: "integer", value: 3n } },
    );
    expect(wild).toMatchObject({ value: -14n, errorName: "EFAULT" });
    const unknown = await client.call(TaskService, "call", {
      machineId,
      task: task!.task,
      call: { case: "number", value: 9999 },
    });
    expect(unknown).toMatchObject({ value: -38n, errorName: "ENOSYS" });
  });

  test("a call under an idempotency key is made once", async () => {
    const machineId = await makeMachine(client);
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId });
    const request = {
      machineId,
      task: task!.task,
      call: { case: "name", value: "write" },
      arguments: [
        { argument: { case: "integer", value: 1n } },
        { argument: { case: "text", value: "x" } },
        { argument: { case: "integer", value: 1n } },
      ],
      idempotencyKey: `write-${transport}`,
    } as const;
    for (let i = 0; i < 3; i++) expect((await client.call(TaskService, "call", request as never)).value).toBe(1n);
    expect(await consoleText(client, machineId)).toBe("x");
  });

  test("memory is written and read, physical and virtual", async () => {
    const machineId = await makeMachine(client);
    const data = new TextEncoder().encode("persistent");
    const address = 0x8000_0000n + 0x200_0000n;
    await client.call(MemoryService, "writePhysicalMemory", { machineId, address, data });
    const read = await client.call(MemoryService, "readPhysicalMemory", { machineId, address, length: 10 });
    expect(Buffer.from(read.data).toString()).toBe("persistent");
    const outside = await refused(
      client.call(MemoryService, "readPhysicalMemory", { machineId, address: 16n, length: 4 }),
    );
    expect(outside).toMatchObject({ code: "OUT_OF_RANGE", fields: ["address"] });
  });

  test("a truncated ELF is refused with what is wrong with it", async () => {
    const machineId = await makeMachine(client);
    const { program } = await client.call(ProgramService, "uploadProgram", {
      name: "bad",
      data: new Uint8Array([0x7f, 0x45, 0x4c, 0x46]),
    });
    const request = { machineId, program: { case: "programHash", value: program!.programHash } } as const;
    const error = await refused(client.call(MachineService, "startProgram", request));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INPUT_BAD_EXECUTABLE" });
  });

  describe.skipIf(!hasCompiler)("with programs that gcc compiled", () => {
    test("hello runs, and its status and output are told", async () => {
      const machineId = await makeMachine(client);
      const task = await start(client, machineId, sources.hello, { arguments: ["hello", "gcc"] });
      const ended = await waitFor(client, { machineId, taskExited: task });
      expect(ended).toMatchObject({ endedBy: "task_exited", exitStatus: { status: { case: "code", value: 1 } } });
      expect(await consoleText(client, machineId)).toBe("hello, gcc\n");
    });

    test("a fault ends the task with its signal and a reason; the machine lives on", async () => {
      const machineId = await makeMachine(client);
      const task = await start(client, machineId, sources.crash);
      const ended = await waitFor(client, { machineId, taskExited: task });
      expect(ended.exitStatus?.status).toEqual({ case: "signal", value: 11 });
      expect(ended.exitStatus?.description).toContain("SIGSEGV");
      const again = await start(client, machineId, sources.hello);
      expect((await waitFor(client, { machineId, taskExited: again })).exitStatus?.status).toEqual({
        case: "code",
        value: 0,
      });
    });

    test("typed input reaches the program, and a follower sees output until the task ends", async () => {
      const machineId = await makeMachine(client);
      const task = await start(client, machineId, sources.echo);
      await waitFor(client, { machineId, consoleContains: "ready" });
      const followed: string[] = [];
      const following = (async () => {
        for await (const message of client.stream(ConsoleService, "followConsole", {
          machineId,
          untilTaskExited: task,
        }))
          followed.push(Buffer.from(message.data).toString());
      })();
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("one\n") });
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("two\n"), end: true });
      await following;
      expect(followed.join("")).toBe("ready\ngot one\ngot two\nend\n");
    });

    test("step executes exactly what was asked, pause holds, run goes on", async () => {
      const machineId = await makeMachine(client);
      await start(client, machineId, sources.spin, { run: false });
      const stepped = await client.call(MachineService, "stepMachine", { machineId, instructions: 1234n });
      expect(stepped.executed).toBe(1234n);
      expect(stepped.machine).toMatchObject({ runState: RunState.PAUSED, position: { instructions: 1234n } });
      await client.call(MachineService, "runMachine", { machineId, untilInstructions: 5_000_000n });
      const ended = await waitFor(client, { machineId, idleOrPaused: true });
      expect(ended.machine?.position?.instructions).toBe(5_000_000n);
    });

    test("snapshot, go on, restore: the same again; a fork goes its own way", async () => {
      const machineId = await makeMachine(client);
      await start(client, machineId, sources.echo);
      await waitFor(client, { machineId, consoleContains: "ready" });
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId, displayName: "ready" });
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("first\n") });
      await waitFor(client, { machineId, consoleContains: "got first" });
      const { machine: fork } = await client.call(SnapshotService, "forkMachine", { snapshotId: snapshot!.snapshotId });
      await client.call(MachineService, "runMachine", { machineId: fork!.machineId });
      await client.call(ConsoleService, "writeConsole", { machineId: fork!.machineId, data: Buffer.from("fork\n") });
      await waitFor(client, { machineId: fork!.machineId, consoleContains: "got fork" });
      const { machine } = await client.call(SnapshotService, "restoreMachine", {
        machineId,
        snapshotId: snapshot!.snapshotId,
      });
      expect(machine?.position).toEqual(snapshot?.position);
      await client.call(MachineService, "runMachine", { machineId });
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("second\n") });
      await waitFor(client, { machineId, consoleContains: "got second" });
      expect(await consoleText(client, machineId)).toBe("ready\ngot second\n");
      expect(await consoleText(client, fork!.machineId)).toBe("ready\ngot fork\n");
      const inUse = await refused(client.call(SnapshotService, "deleteSnapshot", { snapshotId: snapshot!.snapshotId }));
      expect(inUse).toMatchObject({ code: "FAILED_PRECONDITION", reason: "SNAPSHOT_IN_USE" });
    });

    test("what is forked or restored from a running machine is paused, and stays so while it is looked at", async () => {
      const machineId = await makeMachine(client);
      await start(client, machineId, sources.spin);
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
      const { snapshotId, position } = snapshot!;
      const { machine: fork } = await client.call(SnapshotService, "forkMachine", { snapshotId });
      await client.call(SnapshotService, "restoreMachine", { machineId, snapshotId });
      for (const id of [fork!.machineId, machineId]) {
        await client.call(TaskService, "listTasks", { machineId: id });
        await consoleText(client, id);
        const { machine } = await client.call(MachineService, "getMachine", { machineId: id });
        expect(machine).toMatchObject({ runState: RunState.PAUSED, position });
        const stepped = await client.call(MachineService, "stepMachine", { machineId: id, instructions: 5n });
        expect(stepped.machine?.position?.instructions).toBe(position!.instructions + 5n);
      }
    });

    test("a snapshot outlives its machine: it can still be forked", async () => {
      const machineId = await makeMachine(client);
      await start(client, machineId, sources.echo);
      await waitFor(client, { machineId, consoleContains: "ready" });
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
      await client.call(MachineService, "deleteMachine", { machineId });
      const { snapshotId } = snapshot!;
      const { machine } = await client.call(SnapshotService, "forkMachine", { snapshotId });
      const fork = machine!.machineId;
      await client.call(MachineService, "runMachine", { machineId: fork });
      await client.call(ConsoleService, "writeConsole", { machineId: fork, data: Buffer.from("on\n"), end: true });
      await waitFor(client, { machineId: fork, consoleContains: "end" });
      expect(await consoleText(client, fork)).toBe("got on\nend\n");
    });

    test("hibernation is not to be seen, but in the residency", async () => {
      const machineId = await makeMachine(client);
      await start(client, machineId, sources.echo);
      await waitFor(client, { machineId, consoleContains: "ready" });
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("before\n") });
      await waitFor(client, { machineId, consoleContains: "got before" });
      const { machine: awake } = await client.call(MachineService, "getMachine", { machineId });
      const { machine: asleep } = await client.call(MachineService, "hibernateMachine", { machineId });
      expect(asleep).toMatchObject({ residency: Residency.HIBERNATED, traceSequence: awake!.traceSequence });
      expect(asleep!.traceSequence).toBeGreaterThan(0n);
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("after\n"), end: true });
      await waitFor(client, { machineId, consoleContains: "end\n" });
      expect(await consoleText(client, machineId)).toBe("ready\ngot before\ngot after\nend\n");
    });

    test("a client that goes away in mid-stream leaves the machine as it is", async () => {
      const machineId = await makeMachine(client);
      await start(client, machineId, sources.count);
      const left = new AbortController();
      for await (const _ of client.stream(ConsoleService, "followConsole", { machineId }, left.signal)) {
        left.abort();
        break;
      }
      const { machine } = await client.call(MachineService, "pauseMachine", { machineId });
      expect(machine?.runState).toBe(RunState.PAUSED);
      await client.call(MachineService, "deleteMachine", { machineId });
      expect(await refused(client.call(MachineService, "getMachine", { machineId }))).toMatchObject({
        code: "NOT_FOUND",
      });
    });
  });
});
