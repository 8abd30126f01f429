import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, isUnreachable, resuming } from "../../api/cli/client.ts";
import { Code, invalid, OstlerError, resourceExhausted, unavailable } from "../../api/errors.ts";
import { createGrpcServer, type GrpcServer } from "../../api/grpc/index.ts";
import { type Context, createPipeline, implement } from "../../api/operation.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";

/** When to come again, by instructions: soon, too late, and before one is given up. */
const WAITS = [0, 10, 1e9, 4_900];

let server: GrpcServer;
let connection: Connection;
let keys: string[];
let failuresLeft: number;
let cancelled: Promise<void>;

beforeEach(async () => {
  keys = [];
  failuresLeft = 0;
  let onCancelled: () => void;
  cancelled = new Promise((resolve) => (onCancelled = resolve));
  const machines = implement(MachineService, {
    createMachine({ idempotencyKey, displayName }) {
      keys.push(idempotencyKey);
      if (failuresLeft-- > 0) throw unavailable("BUSY", "not now", 10);
      return { machine: { machineId: "m-1", displayName } };
    },
    stepMachine({ instructions }) {
      keys.push("step");
      if (failuresLeft-- > 0) throw resourceExhausted("TOO_MANY_REQUESTS", "too often", WAITS[Number(instructions)]);
      throw unavailable("BUSY", "not now", 10);
    },
    getMachine({ machineId }, context: Context) {
      if (machineId === "headers") return { machine: { machineId: context.requestHeaders.get("authorization") ?? "" } };
      throw invalid("machine_id", "must be m-1");
    },
  });
  const consoles = implement(ConsoleService, {
    async *followConsole({ machineId, offset }, context: Context) {
      const bytes = new TextEncoder().encode("0123456789").subarray(Number(offset));
      for (const [index, byte] of bytes.entries()) {
        if (failuresLeft > 0 && index === 3) {
          failuresLeft -= 1;
          throw unavailable("SERVER_DRAINING", "going away", 10);
        }
        yield { offset: offset + BigInt(index), data: new Uint8Array([byte]) };
      }
      if (machineId !== "endless") return;
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      onCancelled();
    },
  });
  server = createGrpcServer({
    operations: [...machines, ...consoles],
    pipeline: createPipeline({ log: () => undefined }),
  });
  const port = await server.bind("127.0.0.1:0");
  connection = new Connection({ address: `127.0.0.1:${port}`, key: "ostler_secret", retryForMs: 5_000 });
});

afterEach(async () => {
  connection.close();
  await server.drain(0);
});

describe("the gRPC client of the command line", () => {
  it("sends the key as a bearer token", async () => {
    const { machine } = await connection.service(MachineService).getMachine({ machineId: "headers" });
    expect(machine!.machineId).toBe("Bearer ostler_secret");
  });

  it("repeats a creation under one idempotency key while the server is away", async () => {
    failuresLeft = 2;
    const { machine } = await connection.service(MachineService).createMachine({ displayName: "x" });
    expect(machine!.displayName).toBe("x");
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).not.toBe("");
  });

  it("keeps a key that the caller gave", async () => {
    await connection.service(MachineService).createMachine({ idempotencyKey: "mine" });
    expect(keys).toEqual(["mine"]);
  });

  it("does not repeat what would be done twice", async () => {
    await expect(
      connection.service(MachineService).stepMachine({ machineId: "m-1", instructions: 5n }),
    ).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    expect(keys).toEqual(["step"]);
  });

  it("comes again when it is told to, if that is soon enough", async () => {
    failuresLeft = 3;
    const step = (instructions: bigint) =>
      connection.service(MachineService).stepMachine({ machineId: "m-1", instructions });
    await expect(step(2n)).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED, reason: "TOO_MANY_REQUESTS" });
    expect(keys).toHaveLength(1);
    await expect(step(1n)).rejects.toMatchObject({ code: Code.UNAVAILABLE });
    expect(keys).toHaveLength(4);
  });

  it("does not wait for who has given up", async () => {
    failuresLeft = 1;
    const stop = new AbortController();
    const { signal } = stop;
    const stepped = connection.service(MachineService).stepMachine({ machineId: "m-1", instructions: 3n }, { signal });
    const ended = expect(stepped).rejects.toMatchObject({ reason: "TOO_MANY_REQUESTS" });
    await vi.waitFor(() => expect(keys).toEqual(["step"]));
    stop.abort();
    await ended;
  });

  it("gives errors with field, reason and code", async () => {
    const error = await connection
      .service(MachineService)
      .getMachine({ machineId: "nobody" })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(OstlerError);
    expect(error).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      violations: [{ field: "machine_id", description: "must be m-1" }],
    });
  });

  it("tells a server that is not there from one that has no time", async () => {
    const nobody = new Connection({ address: "127.0.0.1:1", key: undefined, retryForMs: 0 });
    const error = await nobody
      .service(MachineService)
      .getMachine({ machineId: "m" })
      .catch((caught: unknown) => caught);
    nobody.close();
    expect(isUnreachable(error)).toBe(true);
    expect(isUnreachable(unavailable("BUSY", "not now"))).toBe(false);
  });

  it("cancels a stream that is left early", async () => {
    for await (const { data } of connection.service(ConsoleService).followConsole({ machineId: "endless" })) {
      expect(data[0]).toBe("0".charCodeAt(0));
      break;
    }
    await cancelled;
  });

  it("continues a stream where it was lost, without a gap and without repetition", async () => {
    failuresLeft = 2;
    let offset = 0n;
    const lost: boolean[] = [];
    const open = async function* () {
      for await (const answer of connection.service(ConsoleService).followConsole({ machineId: "m-1", offset })) {
        offset = answer.offset + 1n;
        yield String.fromCharCode(answer.data[0]!);
      }
    };
    let text = "";
    for await (const char of resuming(open, { patienceMs: 5_000, onLost: (isLost) => lost.push(isLost) })) text += char;
    expect(text).toBe("0123456789");
    expect(lost).toEqual([true, false, true, false]);
  });
});
