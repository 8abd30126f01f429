/** Terminals beside the console, by the same cases through gRPC and REST. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TerminalService } from "../../proto/gen/ostler/v1/terminals_pb.js";
import { guest, hasCompiler } from "../guest/compile.ts";
import type { ApiError, Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const size = { rows: 30, columns: 90 };
const keys = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));

async function start(client: Client, fields: object = {}): Promise<{ machineId: string; task: number }> {
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  const data = new Uint8Array(guest("host-terminal"));
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data });
  const chosen = { case: "programHash", value: program!.programHash } as const;
  const { task } = await client.call(MachineService, "startProgram", {
    ...{ machineId, program: chosen, terminal: size, run: true },
    ...fields,
  });
  return { machineId, task };
}

const refused = async (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(
    () => expect.fail("it should have been refused"),
    (error: unknown) => error as ApiError,
  );

describe.skipIf(!hasCompiler).each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("a program on a terminal sees what is typed and its window, and is seen until it ends", async () => {
    const at = await start(client);
    let seen = "";
    let next = 0;
    // Each is done when what stands before it was seen.
    const steps: [string, () => Promise<unknown>][] = [
      ["window 30x90", () => client.call(TerminalService, "writeTerminal", { ...at, data: keys("hello\r") })],
      ["got hello", () => client.call(TerminalService, "resizeTerminal", { ...at, size: { rows: 50, columns: 132 } })],
      ["window 50x132", () => client.call(TerminalService, "writeTerminal", { ...at, data: keys("quit\r") })],
    ];
    for await (const { offset, data } of client.stream(TerminalService, "followTerminal", at)) {
      expect(Number(offset)).toBe(seen.length);
      seen += Buffer.from(data).toString();
      while (next < steps.length && seen.includes(steps[next]![0])) await steps[next++]![1]();
    }
    expect(seen.split("\r\n").slice(1)).toEqual(["window 30x90", "hello", "got hello", "window 50x132", "quit", ""]);
    const read = await client.call(TerminalService, "readTerminal", { ...at, offset: 5n });
    expect(read).toMatchObject({ offset: 5n, length: BigInt(seen.length), ended: true });
    expect(Buffer.from(read.data).toString()).toBe(seen.slice(5));
    const { terminals } = await client.call(TerminalService, "listTerminals", at);
    expect(terminals).toMatchObject([{ task: at.task, device: "", ended: true, length: BigInt(seen.length) }]);
  });

  test("closing one hangs up", async () => {
    const at = await start(client);
    const { terminals } = await client.call(TerminalService, "listTerminals", at);
    expect(terminals).toMatchObject([{ task: at.task, device: "/dev/pts/0", ...size, ended: false }]);
    await client.call(TerminalService, "closeTerminal", at);
    const waited = client.stream(MachineService, "waitMachine", { machineId: at.machineId, taskExited: at.task });
    let status: unknown;
    for await (const message of waited) if (message.exitStatus) status = message.exitStatus.status;
    expect(status).toMatchObject({ case: "signal", value: 1 });
    const late = await refused(client.call(TerminalService, "writeTerminal", { ...at, data: keys("x") }));
    expect(late.message).toContain("has ended");
  });

  test("what cannot be is refused with the field that is wrong", async () => {
    const both = await refused(start(client, { standardInput: keys("x") }));
    expect(both.message).toContain("standard_input");
    const { machineId } = await start(client);
    const nobody = await refused(client.call(TerminalService, "readTerminal", { machineId, task: 999 }));
    expect(nobody.message).toContain("999");
    const flat = await refused(start(client, { terminal: { rows: 0, columns: 1 } }));
    expect(flat.message).toContain("rows");
  });
});
