/**
 * A pipeline of Debian's programs is stopped while all of it is busy, goes as a file to a server that has never seen
 * its machine, and ends there with the output, the count and the state that it would have had. What was printed before
 * stays behind: it is no part of a snapshot.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "../../api/cli/client.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import type { Client } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { rootArchive } from "./root.ts";

function archiveOrReason(): { archive: Uint8Array<ArrayBuffer> } | { reason: string } {
  try {
    return { archive: new Uint8Array(rootArchive()) };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

const found = archiveOrReason();
const reason = "reason" in found ? ` (Debian's packages cannot be had: ${found.reason})` : "";

const SCRIPT = `cd /tmp
seq 1 3000 | sed 's/7/seven/g' | tee all | mawk '{ n[length($0)]++; s += NR * length($0) } END { for (i in n) print i, n[i]; print s }' |
  sort -n | while read -r a b; do echo "$a:$b"; done
grep -c seven all
sort -r all | head -n 3`;
/** As bash and mawk print it on another machine. */
const OUTPUT = `1:8
2:72
3:648
4:1459
5:1
6:17
7:225
8:486
10:1
11:26
12:54
15:1
16:2
23232705:
813
sevensevenseven
sevenseven9
sevenseven8
`;

let from: TestServer;
let to: TestServer;
beforeAll(async () => {
  if ("reason" in found) return;
  [from, to] = await Promise.all([startServer(), startServer()]);
});
afterAll(async () => {
  await Promise.all([from?.stop(), to?.stop()]);
});

/** Runs up to a number of instructions, or for good. */
async function run(client: Client, machineId: string, untilInstructions = 0n): Promise<void> {
  await client.call(MachineService, "runMachine", { machineId, untilInstructions });
  await gather(client.stream(MachineService, "waitMachine", { machineId, idleOrPaused: true }));
}

async function printed(client: Client, machineId: string): Promise<string> {
  const { data } = await client.call(ConsoleService, "readConsole", { machineId });
  return Buffer.from(data).toString();
}

/** What is left when nothing is to be done: all that was printed, and the hash of the whole state. */
async function end(client: Client, machineId: string) {
  await client.call(MachineService, "pauseMachine", { machineId });
  const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
  const { machine } = await client.call(MachineService, "getMachine", { machineId });
  return { text: await printed(client, machineId), rootHash: snapshot!.rootHash, position: machine!.position };
}

async function moved(snapshotId: string): Promise<string> {
  const connection = new Connection({ address: to.grpc, key: to.adminKey, retryForMs: 0 });
  try {
    const requests = async function* () {
      for await (const { data } of from.client("grpc").stream(SnapshotService, "exportSnapshot", { snapshotId }))
        yield { data };
    };
    const [answer] = await gather(connection.service(SnapshotService).importSnapshot(requests()));
    const imported = { snapshotId: answer!.snapshot!.snapshotId };
    return (await to.client("grpc").call(SnapshotService, "forkMachine", imported)).machine!.machineId;
  } finally {
    connection.close();
  }
}

describe.skipIf("reason" in found)(`a busy pipeline on another server${reason}`, () => {
  test("goes on from any moment as if nothing had been", async () => {
    const client = from.client("grpc");
    const { archive: data } = found as { archive: Uint8Array<ArrayBuffer> };
    const { programHash: rootHash } = (await client.call(ProgramService, "uploadProgram", { name: "root", data }))
      .program!;
    const spec = { rootHash, environment: ["PATH=/usr/bin"], memoryBytes: 64n * 2n ** 20n };
    const { machineId } = (await client.call(MachineService, "createMachine", { spec })).machine!;
    const program = { case: "path", value: "/usr/bin/dash" } as const;
    await client.call(MachineService, "startProgram", { machineId, program, arguments: ["dash", "-c", SCRIPT] });
    const moments: { snapshotId: string; printed: string }[] = [];
    for (const untilInstructions of [3_000_001n, 9_999_999n]) {
      await run(client, machineId, untilInstructions);
      const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
      moments.push({ snapshotId: snapshot!.snapshotId, printed: await printed(client, machineId) });
    }
    await run(client, machineId);
    const whole = await end(client, machineId);
    expect(whole.text).toBe(OUTPUT);
    for (const { snapshotId, printed } of moments) {
      const { machine: here } = await client.call(SnapshotService, "forkMachine", { snapshotId });
      await run(client, here!.machineId);
      const expected = await end(client, here!.machineId);
      expect(expected).toMatchObject({ text: whole.text, position: whole.position });
      const there = await moved(snapshotId);
      await run(to.client("grpc"), there);
      expect(await end(to.client("grpc"), there)).toEqual({ ...expected, text: whole.text.slice(printed.length) });
    }
  });
});
