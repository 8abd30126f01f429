/** Traces through both transports: catalogue, live streams, resuming, the past by re-execution, exports, filters. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { TraceEncoding, TraceFormat, type TraceRecord, TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import { ApiError, type Client } from "../support/client.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

async function start(client: Client, source: string, run: boolean): Promise<{ machineId: string; task: number }> {
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data: compileC(source) });
  const { machine } = await client.call(MachineService, "createMachine", {});
  const { machineId } = machine!;
  const programHash = { case: "programHash", value: program!.programHash } as const;
  const { task } = await client.call(MachineService, "startProgram", { machineId, program: programHash, run });
  return { machineId, task };
}

async function ended(client: Client, machineId: string, task: number): Promise<void> {
  for await (const _ of client.stream(MachineService, "waitMachine", {
    machineId,
    taskExited: task,
    timeoutMs: 240_000,
  }));
}

/** A machine with two lines of conversation behind it. */
async function conversation(client: Client): Promise<{ machineId: string; task: number }> {
  const made = await start(client, sources.echo, true);
  for (const line of ["one\n", "two\n"]) {
    await client.call(ConsoleService, "writeConsole", { machineId: made.machineId, data: Buffer.from(line) });
  }
  await client.call(ConsoleService, "writeConsole", { machineId: made.machineId, end: true });
  await ended(client, made.machineId, made.task);
  return made;
}

async function records(stream: AsyncIterable<{ records: TraceRecord[] }>): Promise<TraceRecord[]> {
  const all: TraceRecord[] = [];
  for await (const message of stream) all.push(...message.records);
  return all;
}

const keyOf = ({ sequence, event, instructions, timeNs }: TraceRecord) =>
  `${sequence} ${event} ${instructions} ${timeNs}`;

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("the catalogue names every event with its fields, and the packed format", async () => {
    const { events, categories, recordFormat } = await client.call(TraceService, "getTraceCatalogue", {});
    const exit = events.find((event) => event.name === "syscall.exit");
    expect(exit?.fields.map((field) => field.name)).toContain("value");
    expect(categories).toContain("syscall");
    expect(recordFormat).toMatch(/little-endian/i);
  });

  test("a filter that cannot be is refused with its field and where", async () => {
    const { machine } = await client.call(MachineService, "createMachine", {});
    const wrong = [
      { filter: { expression: "event ==" }, field: "filter.expression" },
      { filter: { expression: "nosuch == 1" }, field: "filter.expression" },
      { filter: { categories: ["sycsall"] }, field: "filter.categories" },
    ];
    for (const { filter, field } of wrong) {
      const error = await records(
        client.stream(TraceService, "queryTrace", { machineId: machine!.machineId, filter }),
      ).catch((reason) => reason);
      expect(error).toBeInstanceOf(ApiError);
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", fields: [field] });
    }
  });

  test("system calls can be listed by pages", async () => {
    const names: string[] = [];
    let pageToken = "";
    do {
      const page = await client.call(TaskService, "listSystemCalls", { pageSize: 25, pageToken });
      names.push(...page.systemCalls.map((call) => call.name));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["read", "write", "exit_group", "clock_gettime"]));
    const sel4 = names.filter((name) => name.startsWith("seL4_"));
    expect(sel4.slice(0, 3)).toEqual(["seL4_Call", "seL4_ReplyRecv", "seL4_Send"]);
    expect(names.slice(-sel4.length)).toEqual(sel4);
  });

  describe.skipIf(!hasCompiler)("with programs that gcc compiled", () => {
    test("what was streamed live is what a query finds afterwards", async () => {
      const { machineId, task } = await start(client, sources.echo, false);
      const filter = { categories: ["syscall", "task"] };
      const live = records(
        client.stream(TraceService, "followTrace", { machineId, filter, untilTaskExited: task, afterSequence: 0n }),
      );
      await client.call(MachineService, "runMachine", { machineId });
      await client.call(ConsoleService, "writeConsole", { machineId, data: Buffer.from("hello\n"), end: true });
      await ended(client, machineId, task);
      const streamed = await live;
      const queried = await records(client.stream(TraceService, "queryTrace", { machineId, filter }));
      expect(streamed.length).toBeGreaterThan(10);
      expect(streamed.map(keyOf)).toEqual(queried.map(keyOf));
      expect(streamed.some((record) => record.event === "task.exit")).toBe(true);
    });

    test("a stream that resumes after an event brings exactly the rest", async () => {
      const { machineId, task } = await conversation(client);
      const all = await records(client.stream(TraceService, "queryTrace", { machineId }));
      const middle = all[Math.floor(all.length / 2)]!;
      const rest = await records(
        client.stream(TraceService, "followTrace", {
          machineId,
          afterSequence: middle.sequence,
          untilTaskExited: task,
        }),
      );
      expect(rest.map(keyOf)).toEqual(all.filter((record) => record.sequence > middle.sequence).map(keyOf));
    });

    test("an expression picks events by their fields", async () => {
      const { machineId } = await conversation(client);
      const filter = { expression: 'event == "syscall.exit" && fields.name == "write" && fields.value > 0' };
      const found = await records(client.stream(TraceService, "queryTrace", { machineId, filter }));
      // stdio is unbuffered here: printf's text and the newline are calls of their own.
      expect(found).toHaveLength(6);
      expect(found.every((record) => record.fields["name"]?.value.value === "write")).toBe(true);
    });

    test("a range and a limit bound what comes", async () => {
      const { machineId } = await conversation(client);
      const all = await records(
        client.stream(TraceService, "queryTrace", { machineId, filter: { categories: ["syscall"] } }),
      );
      const [from, to] = [all[4]!.instructions, all[9]!.instructions];
      const range = { machineId, filter: { categories: ["syscall"] }, fromInstructions: from, toInstructions: to };
      const inside = await records(client.stream(TraceService, "queryTrace", range));
      expect(inside.map(keyOf)).toEqual(
        all.filter(({ instructions }) => instructions >= from && instructions <= to).map(keyOf),
      );
      let truncated = false;
      let count = 0;
      for await (const message of client.stream(TraceService, "queryTrace", { machineId, limit: 3 })) {
        count += message.records.length;
        truncated ||= message.truncated;
      }
      expect([count, truncated]).toEqual([3, true]);
      const beyond = client.stream(TraceService, "queryTrace", { machineId, toInstructions: 10n ** 12n });
      await expect(records(beyond)).rejects.toMatchObject({ code: "OUT_OF_RANGE", fields: ["to_instructions"] });
    });

    test("text reads like strace, packed bytes are the same events", async () => {
      const { machineId } = await conversation(client);
      const filter = { categories: ["syscall"] };
      let text = "";
      for await (const message of client.stream(TraceService, "queryTrace", {
        machineId,
        filter,
        encoding: TraceEncoding.TEXT,
      }))
        text += message.text;
      expect(text).toContain('write(1, "got one\\n", 8) = 8');
      expect(text).toContain("exit_group(0) = ?");
      let packed = 0;
      for await (const message of client.stream(TraceService, "queryTrace", {
        machineId,
        filter,
        encoding: TraceEncoding.PACKED,
      })) {
        const bytes = Buffer.from(message.packed);
        for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) packed++;
      }
      expect(packed).toBe((await records(client.stream(TraceService, "queryTrace", { machineId, filter }))).length);
    });

    test("exports are files of their kind", async () => {
      const { machineId } = await conversation(client);
      const file = async (format: TraceFormat) => {
        const parts: Uint8Array[] = [];
        for await (const message of client.stream(TraceService, "exportTrace", { machineId, format }))
          parts.push(message.data);
        return Buffer.concat(parts);
      };
      expect((await file(TraceFormat.TEXT)).toString()).toContain("read(0");
      const chrome = JSON.parse((await file(TraceFormat.CHROME_JSON)).toString());
      expect(chrome.traceEvents.length).toBeGreaterThan(10);
      // A Perfetto trace is a sequence of packets: field 1, length-delimited.
      expect((await file(TraceFormat.PERFETTO))[0]).toBe(0x0a);
    });

    test("a long re-execution ends when its client goes away", async () => {
      const { machineId } = await start(client, sources.spin, true);
      for await (const _ of client.stream(MachineService, "waitMachine", {
        machineId,
        instructions: 30_000_000n,
        timeoutMs: 240_000,
      }));
      await client.call(MachineService, "pauseMachine", { machineId });
      const left = new AbortController();
      setTimeout(() => left.abort(), 50);
      await records(client.stream(TraceService, "queryTrace", { machineId }, left.signal));
      const { machine } = await client.call(MachineService, "getMachine", { machineId });
      expect(machine?.machineId).toBe(machineId);
    });
  });
});
