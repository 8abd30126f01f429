/** Frames of bare machines, through both transports, and the cable that the command line is. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { BareNetwork, MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { NetworkService } from "../../proto/gen/ostler/v1/network_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { guest, hasCompiler } from "../guest/compile.ts";
import { ApiError, type Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const bytesOf = (mac: string): number[] => mac.split(":").map((byte) => Number.parseInt(byte, 16));
/** What the program in guest/bare/frames.c plays with. */
const ball = (to: string, from: string, number: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.of(...bytesOf(to), ...bytesOf(from), 0x88, 0xb5, number);

/** A machine that waits for the ball, and its address. */
async function player(client: Client, network = BareNetwork.FRAMES): Promise<{ machineId: string; mac: string }> {
  const image = { name: "frames", data: new Uint8Array(guest("bare/frames.c")) };
  const { program } = await client.call(ProgramService, "uploadProgram", image);
  const spec = { memoryBytes: 8_388_608n, bare: { firmware: { contentHash: program!.programHash }, network } };
  const { machine } = await client.call(MachineService, "createMachine", { spec });
  const { machineId } = machine!;
  await client.call(MachineService, "runMachine", { machineId });
  await waitFor(client, { machineId, consoleContains: "ready", idleOrPaused: true });
  return { machineId, mac: machine!.spec!.bare!.macAddress };
}

async function waitFor(client: Client, request: { machineId: string } & Record<string, unknown>): Promise<void> {
  for await (const _ of client.stream(MachineService, "waitMachine", { timeoutMs: 240_000, ...request }));
}

const consoleOf = async (client: Client, machineId: string): Promise<string> =>
  Buffer.from((await client.call(ConsoleService, "readConsole", { machineId })).data).toString();

async function refusalOf(promise: Promise<unknown>): Promise<[string, readonly string[]]> {
  const error = await promise.then(
    () => null,
    (refusal: unknown) => refusal,
  );
  expect(error).toBeInstanceOf(ApiError);
  return [(error as ApiError).code, (error as ApiError).fields];
}

describe.skipIf(!hasCompiler).each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  test("frames go in, and those that leave are told with their positions", async () => {
    const { machineId, mac } = await player(client);
    const peer = "52:54:00:aa:bb:cc";
    const send = (number: number) =>
      client.call(NetworkService, "sendFrame", { machineId, frame: ball(mac, peer, number) });
    expect(await send(9)).toMatchObject({ sent: 0n });
    await send(5);
    const seen: { data: Uint8Array; timeNs: bigint; token: string }[] = [];
    const stop = new AbortController();
    for await (const { frame, missed, resumeToken } of client.stream(
      NetworkService,
      "followFrames",
      { machineId, fromSequence: 1n },
      stop.signal,
    )) {
      expect([missed, frame!.sequence]).toEqual([0n, BigInt(seen.length + 1)]);
      seen.push({ data: frame!.data, timeNs: frame!.position!.timeNs, token: resumeToken });
      if (seen.length === 2) break;
    }
    expect(seen.map(({ data }) => [...data.subarray(0, 15)])).toEqual([8, 4].map((n) => [...ball(peer, mac, n)]));
    expect(seen[0]!.timeNs).toBeLessThan(seen[1]!.timeNs);
    for await (const { frame } of client.stream(NetworkService, "followFrames", {
      machineId,
      resumeToken: seen[0]!.token,
    })) {
      expect(frame!.sequence).toBe(2n);
      break;
    }
    // What was sent before it slept is no longer kept, and that is said.
    await client.call(MachineService, "hibernateMachine", { machineId });
    await send(3);
    for await (const { frame, missed } of client.stream(NetworkService, "followFrames", {
      machineId,
      fromSequence: 1n,
    })) {
      expect(missed).toBe(2n);
      if (frame !== undefined) expect([frame.sequence, frame.data[14]]).toEqual([3n, 2]);
      break;
    }
  });

  test("what is no frame, and machines without such a network, are refused", async () => {
    const { machineId } = await player(client);
    const send = (id: string, bytes: number) =>
      refusalOf(client.call(NetworkService, "sendFrame", { machineId: id, frame: new Uint8Array(bytes) }));
    expect(await send(machineId, 13)).toEqual(["INVALID_ARGUMENT", ["frame"]]);
    expect(await send(machineId, 1515)).toEqual(["INVALID_ARGUMENT", ["frame"]]);
    expect(await send("m-none", 60)).toEqual(["NOT_FOUND", []]);
    const other = await player(client, BareNetwork.RESPONDER);
    expect((await send(other.machineId, 60))[0]).toBe("FAILED_PRECONDITION");
    const following = client.stream(NetworkService, "followFrames", { machineId: other.machineId });
    expect((await refusalOf(following.next()))[0]).toBe("FAILED_PRECONDITION");
    const spec = { bare: { firmware: { contentHash: "0".repeat(64) }, macAddress: "53:00:00:00:00:00" } };
    expect(await refusalOf(client.call(MachineService, "createMachine", { spec }))).toEqual([
      "INVALID_ARGUMENT",
      ["spec.bare.mac_address"],
    ]);
  });
});

/** A command that goes on until it is told to end. */
function ostler(args: string[]) {
  const cli = join(import.meta.dirname, "../../api/cli/ostler.mjs");
  const env = { ...process.env, OSTLER_SERVER: server.grpc, OSTLER_DATA: server.dataDir };
  const child = spawn(process.execPath, [cli, ...args], { env });
  let text = "";
  const changed = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    text += chunk;
    for (const look of changed) look();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const status = new Promise<number | null>((resolve) => child.on("close", resolve));
  const all = (): string => text;
  const says = (wanted: string) =>
    new Promise<void>((resolve) => {
      const look = () => all().includes(wanted) && resolve();
      changed.add(look);
      look();
    });
  return { child, status, says, text: all };
}

describe.skipIf(!hasCompiler)("the command line", () => {
  test("is the cable between two machines", async () => {
    const client = server.client("grpc");
    const [a, b] = [await player(client), await player(client)];
    expect(a.mac).not.toBe(b.mac);
    const cable = ostler(["network", "connect", "--json", a.machineId, b.machineId]);
    await cable.says("connected");
    const frame = Buffer.from(ball(a.mac, b.mac, 4)).toString("hex");
    expect(await ostler(["network", "send", a.machineId, frame]).status).toBe(0);
    await waitFor(client, { machineId: a.machineId, consoleContains: "caught 0" });
    expect(await consoleOf(client, a.machineId)).toBe("ready\ncaught 4\ncaught 2\ncaught 0\n");
    expect(await consoleOf(client, b.machineId)).toBe("ready\ncaught 3\ncaught 1\n");
    cable.child.kill("SIGINT");
    expect(await cable.status).toBe(0);
    expect(cable.text()).toContain(a.machineId);
  });

  test("writes what a machine sends for Wireshark", async () => {
    const client = server.client("grpc");
    const { machineId, mac } = await player(client);
    await client.call(NetworkService, "sendFrame", { machineId, frame: ball(mac, "52:54:00:00:00:09", 7) });
    const path = join(server.dataDir, "frames.pcap");
    const capture = ostler(["network", "follow", "--json", "--from", "1", "--pcap", path, machineId]);
    await capture.says('"sequence"');
    capture.child.kill("SIGINT");
    await capture.status;
    const file = readFileSync(path);
    expect([file.length, file.readUInt32LE(0), file.readUInt32LE(20), file.readUInt32LE(32)]).toEqual([
      24 + 16 + 60,
      0xa1b23c4d,
      1,
      60,
    ]);
    expect([...file.subarray(40, 55)]).toEqual([...ball("52:54:00:00:00:09", mac, 6)]);
  });
});
