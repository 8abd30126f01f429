/** Seeking in a machine's history and comparing moments of it, through both transports. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { HistoryService } from "../../proto/gen/ostler/v1/history_pb.js";
import { MachineService, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { ApiError, Client } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

type Place = { machineId: string; instructions?: bigint; journalSequence?: bigint };

/** The last message of a seek. */
async function seek(client: Client, machineId: string, instructions: bigint, more: object = {}) {
  let last: Awaited<ReturnType<typeof seekOnce>> | undefined;
  for await (const message of client.stream(HistoryService, "seekMachine", { machineId, instructions, ...more }))
    last = message;
  return last!;
}
const seekOnce = async (client: Client) => {
  for await (const message of client.stream(HistoryService, "seekMachine", {})) return message;
  throw new Error("no message");
};

async function compare(client: Client, left: Place, right: Place, more: object = {}) {
  const messages = [];
  for await (const message of client.stream(HistoryService, "compareMachines", { left, right, ...more }))
    messages.push(message);
  return {
    state: messages.find(({ state }) => state !== undefined)!.state!,
    trace: messages.find(({ trace }) => trace !== undefined)?.trace,
  };
}

const refused = (work: Promise<unknown>) =>
  work.then(
    () => Promise.reject(new Error("was accepted")),
    (error) => error,
  );

async function consoleOf(client: Client, machineId: string): Promise<string> {
  return Buffer.from((await client.call(ConsoleService, "readConsole", { machineId })).data).toString();
}

async function until(client: Client, machineId: string, consoleContains: string): Promise<void> {
  for await (const _ of client.stream(MachineService, "waitMachine", {
    machineId,
    consoleContains,
    timeoutMs: 240_000,
  }));
}

async function startEcho(client: Client): Promise<string> {
  const data = compileC(sources.echo);
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data });
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { machineId } = machine!;
  const programHash = { case: "programHash", value: program!.programHash } as const;
  await client.call(MachineService, "startProgram", { machineId, program: programHash, run: true });
  await until(client, machineId, "ready\n");
  return machineId;
}

async function type(client: Client, machineId: string, text: string): Promise<void> {
  await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from(text) });
  await until(client, machineId, `got ${text}`);
}

/** Where it stands once it has nothing to do. */
async function standing(client: Client, machineId: string): Promise<bigint> {
  return (await atRest(client, machineId)).position!.instructions;
}

async function atRest(client: Client, machineId: string) {
  for await (const _ of client.stream(MachineService, "waitMachine", { machineId, idleOrPaused: true }));
  return (await client.call(MachineService, "getMachine", { machineId })).machine!;
}

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("a machine that did nothing can be seeked to its beginning, and equals itself", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {});
    const { machineId } = machine!;
    const { view, stopped } = await seek(client, machineId, 0n);
    expect(view).toMatchObject({ runState: RunState.PAUSED, labels: { "view-of": machineId } });
    expect(stopped).toBe("");
    const { state } = await compare(client, { machineId }, { machineId });
    expect(state).toMatchObject({ differences: [], truncated: false, differingPages: 0n, pages: [] });
    expect(state.leftRoot).toBe(state.rightRoot);
  });

  test("what cannot be is refused with its field", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {});
    const { machineId } = machine!;
    const other = await client.call(MachineService, "createMachine", {});
    const cases = [
      { work: () => seek(client, machineId, 0n, { viewId: other.machine!.machineId }), field: "view_id" },
      { work: () => compare(client, { machineId }, { machineId, instructions: 5n }), field: "right.instructions" },
      {
        work: () => compare(client, { machineId }, { machineId }, { trace: true, fromInstructions: 5n }),
        field: "from_instructions",
      },
      {
        work: () => compare(client, { machineId }, { machineId }, { filter: { expression: "no" } }),
        field: "filter.expression",
      },
    ];
    for (const { work, field } of cases) expect(await refused(work())).toMatchObject({ fields: [field] });
    expect(await refused(seek(client, "m-none", 0n))).toMatchObject({ code: "NOT_FOUND" });
  });

  test("others' machines look as if they were not there", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {});
    const { machineId } = machine!;
    const { user } = await client.call(UserService, "createUser", {
      userId: `stranger-${transport}`,
      role: UserRole.STUDENT,
    });
    const { secret } = await client.call(UserService, "createKey", { userId: user!.userId });
    const stranger = server.client(transport, secret);
    const mine = await stranger.call(MachineService, "createMachine", {});
    const own = { machineId: mine.machine!.machineId };
    for (const work of [
      () => seek(stranger, machineId, 0n),
      () => seek(stranger, own.machineId, 0n, { viewId: machineId }),
      () => compare(stranger, own, { machineId }),
      () => compare(stranger, { machineId }, own),
    ])
      expect(await refused(work())).toMatchObject({ code: "NOT_FOUND" });
  });

  describe.skipIf(!hasCompiler)("with a program that gcc compiled", () => {
    test("a view is the machine as it was, in either direction; the machine goes on undisturbed", async () => {
      const machineId = await startEcho(client);
      const ready = await standing(client, machineId);
      await type(client, machineId, "one\n");
      const { position, journalSequence } = await atRest(client, machineId);
      const one = position!.instructions;
      await type(client, machineId, "two\n");
      const { view, snapshot } = await seek(client, machineId, one, { journalSequence });
      const { machineId: viewId } = view!;
      expect(view!.position!.instructions).toBe(one);
      expect(await consoleOf(client, viewId)).toBe("ready\ngot one\n");
      const back = await seek(client, machineId, ready - 1_000n, { viewId });
      expect(back.view!.machineId).toBe(viewId);
      expect(back.view!.position!.instructions).toBe(ready - 1_000n);
      expect("ready\n".startsWith(await consoleOf(client, viewId))).toBe(true);
      expect((await client.call(TaskService, "listTasks", { machineId: viewId })).tasks).toHaveLength(1);
      const told = await seek(client, machineId, one, { viewId });
      expect(told.view!.journalSequence).toBe(journalSequence + 1n);
      const again = await seek(client, machineId, one, { viewId, journalSequence });
      expect(again.snapshot!.rootHash).toBe(snapshot!.rootHash);
      expect(await consoleOf(client, viewId)).toBe("ready\ngot one\n");
      await type(client, machineId, "three\n");
      await client.call(MachineService, "runMachine", { machineId: viewId });
      await type(client, viewId, "otherwise\n");
      expect(await consoleOf(client, machineId)).toBe("ready\ngot one\ngot two\ngot three\n");
      expect(await consoleOf(client, viewId)).toBe("ready\ngot one\ngot otherwise\n");
    });

    test("a view differs in nothing but the pause from a machine that ran there and no further", async () => {
      const machineId = await startEcho(client);
      const middle = (await standing(client, machineId)) / 2n;
      const { view } = await seek(client, machineId, middle);
      const { view: start } = await seek(client, machineId, 0n);
      await client.call(MachineService, "runMachine", { machineId: start!.machineId, untilInstructions: middle });
      for await (const _ of client.stream(MachineService, "waitMachine", {
        machineId: start!.machineId,
        idleOrPaused: true,
      }));
      const { state } = await compare(client, { machineId: view!.machineId }, { machineId: start!.machineId });
      expect(state.leftPosition).toEqual(state.rightPosition);
      expect(state.differingPages).toBe(0n);
      // Being paused and run again are inputs of their own, and leave their events.
      const parts = new Set(state.differences.map(({ path }) => path.split(".")[0]));
      expect([...parts]).toEqual(["control", "trace"]);
    });

    test("further than the machine has come, a view goes on without input, and says where it had to stop", async () => {
      const machineId = await startEcho(client);
      const present = await standing(client, machineId);
      const { view, stopped } = await seek(client, machineId, present + 1_000_000n);
      expect(stopped).toMatch(/waits for input/);
      expect(view).toMatchObject({ runState: RunState.PAUSED, position: { instructions: present } });
      const { view: early } = await seek(client, machineId, present / 2n);
      const on = await seek(client, early!.machineId, present / 2n + 1_234n);
      expect(on.stopped).toBe("");
      expect(on.view!.position!.instructions).toBe(present / 2n + 1_234n);
    });

    test("what lies before a fork is in the machine that it was forked from", async () => {
      const machineId = await startEcho(client);
      await type(client, machineId, "one\n");
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
      const { machine } = await client.call(SnapshotService, "forkMachine", { snapshotId: snapshot!.snapshotId });
      const fork = machine!.machineId;
      const early = snapshot!.position!.instructions / 2n;
      const direct = await seek(client, machineId, early);
      const through = await seek(client, fork, early);
      expect(through.snapshot!.rootHash).toBe(direct.snapshot!.rootHash);
      expect(through.view!.labels["view-of"]).toBe(fork);
      await client.call(MachineService, "deleteMachine", { machineId });
      const gone = await refused(seek(client, fork, early));
      expect(gone).toMatchObject({ code: "OUT_OF_RANGE", fields: ["instructions"] });
      expect((gone as ApiError).message).toContain(String(snapshot!.position!.instructions));
    });

    test("two that were told different things differ where they were told", async () => {
      const machineId = await startEcho(client);
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
      const { machine } = await client.call(SnapshotService, "forkMachine", { snapshotId: snapshot!.snapshotId });
      const fork = machine!.machineId;
      await client.call(MachineService, "runMachine", { machineId: fork });
      await type(client, machineId, "left\n");
      await type(client, fork, "right\n");
      const filter = { categories: ["syscall"] };
      const { state, trace } = await compare(client, { machineId }, { machineId: fork }, { trace: true, filter });
      expect(state.leftRoot).not.toBe(state.rightRoot);
      expect(state.differences.length).toBeGreaterThan(0);
      expect(state.differingPages).toBeGreaterThan(0n);
      const [page] = state.pages;
      expect(page!.left[0]).not.toBe(page!.right[0]);
      expect(page!.physicalAddress! >= 0x8000_0000n).toBe(true);
      expect(trace).toMatchObject({ equal: false, fromInstructions: snapshot!.position!.instructions });
      expect(trace!.left!.fields["name"]!.value.value).toBe("read");
      expect(trace!.left!.event).toBe(trace!.right!.event);
      const all: unknown[] = [];
      for await (const { records } of client.stream(TraceService, "queryTrace", {
        machineId,
        filter,
        fromInstructions: trace!.fromInstructions,
      }))
        all.push(...records);
      expect(all[Number(trace!.equalEvents)]).toEqual(trace!.left);
    });

    test("a machine and its past: equal so far, then one goes on", async () => {
      const machineId = await startEcho(client);
      const { position, journalSequence } = await atRest(client, machineId);
      await type(client, machineId, "more\n");
      const past = { machineId, instructions: position!.instructions, journalSequence };
      const tooEarly = { ...past, journalSequence: 1n, instructions: position!.instructions };
      expect(await refused(compare(client, tooEarly, { machineId }))).toMatchObject({
        fields: ["left.journal_sequence"],
      });
      const { state, trace } = await compare(
        client,
        past,
        { machineId },
        { trace: true, compareTimes: true, limit: 1 },
      );
      expect(state).toMatchObject({ truncated: true, differences: [{}] });
      expect(state.pages.length).toBeLessThanOrEqual(1);
      expect(trace).toMatchObject({ equal: false });
      expect(trace!.left).toBeUndefined();
      expect(trace!.right).toBeDefined();
      const same = await compare(client, past, past, { trace: true, compareTimes: true });
      expect(same.trace).toMatchObject({ equal: true, equalEvents: trace!.equalEvents });
      expect(same.state.leftRoot).toBe(same.state.rightRoot);
    });
  });
});
