/**
 * Records a snapshot of the current version of the state, to be loaded by every later release
 * (test/kernel/golden-snapshot.test.ts): `node test/golden/record-snapshot.ts`. A file that exists is never replaced.
 *
 * The machine is in the middle of a program, with a client's task that has memory of its own.
 */
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { captureSnapshot } from "../../kernel/index.ts";
import { decodePlain } from "../../kernel/lib/codec.ts";
import { guest } from "../guest/compile.ts";
import { call, fileOf, int, mustApply, noLimits, sha256, startInput, testMachine } from "../support/machine.ts";

const program = guest("tiny.S", "-nostdlib");
const file = fileOf("/bin/tiny", program);
const machine = testMachine({ memoryBytes: 8 * 2 ** 20, files: [file] });
const client = mustApply(machine, { kind: "createRemoteTask", name: "client", limits: noLimits })!;
const mapped = call(machine, client, 222, int(0), int(65536), int(3), int(0x22), int(-1), int(0))!.value;
for (const page of [0, 3, 9]) {
  const address = Number(mapped) + page * 4096;
  mustApply(machine, { kind: "writeVirtual", task: client, address, bytes: new TextEncoder().encode(`page ${page}`) });
}
mustApply(machine, startInput("/bin/tiny"));
machine.run({ instructions: 3, timeNs: Number.MAX_SAFE_INTEGER });

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const { root, blobs } = captureSnapshot(machine, null, sha256);
const { version } = decodePlain(machine.encodeState()) as { version: number };
const golden = {
  root,
  client,
  mapped: Number(mapped),
  blobs: Object.fromEntries(blobs.map(({ hash, data }) => [hash, base64(data)])),
  program: base64(program),
};
const path = fileURLToPath(new URL(`snapshot-${version}.json.gz`, import.meta.url));
if (existsSync(path)) throw new Error(`${path} is there already: what was released stays as it is`);
writeFileSync(path, gzipSync(JSON.stringify(golden), { level: 9 }));
