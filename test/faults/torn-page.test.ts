/** A sector of the database's file is not what was written: found, named, gone around, and no other machine's concern. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openStore } from "../../api/store/index.ts";
import { AdminService } from "../../proto/gen/ostler/v1/admin_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../../proto/gen/ostler/v1/memory_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import type { Client } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { sha256Hex } from "../support/machine.ts";
import { startServer } from "../support/server.ts";
import { onPostgresql } from "../support/store.ts";

const SECTOR = 512;
const PAGE = 4096;
const ADDRESS = 0x8180_0000n;
const dataDir = mkdtempSync(join(tmpdir(), "ostler-torn-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** Bytes that are nowhere else. */
const page = (seed: number) => new Uint8Array(PAGE).map((_, at) => (Math.imul(at + 1, seed) >>> 11) & 0xff);

async function machineWith(client: Client, content: Uint8Array<ArrayBuffer>): Promise<string> {
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  await client.call(MemoryService, "writePhysicalMemory", { machineId, address: ADDRESS, data: content });
  await client.call(SnapshotService, "createSnapshot", { machineId });
  return machineId;
}

const contentOf = async (client: Client, machineId: string): Promise<Uint8Array> => {
  const { data } = await client.call(MemoryService, "readPhysicalMemory", {
    machineId,
    address: ADDRESS,
    length: PAGE,
  });
  return new Uint8Array(data);
};

/** The file has the bytes twice: in the machine's journal, and as content by its hash. The content is what is torn. */
async function tear(content: Uint8Array<ArrayBuffer>): Promise<void> {
  const file = join(dataDir, "ostler.db");
  const sound = readFileSync(file);
  // A page of content lies in one of the database's pages, but for its beginning.
  const inside = Buffer.from(content.subarray(PAGE - 2 * SECTOR, PAGE - SECTOR));
  for (let at = sound.indexOf(inside); at >= 0; at = sound.indexOf(inside, at + 1)) {
    writeFileSync(file, Buffer.from(sound).fill(0, at, at + SECTOR));
    const store = await openStore({ dataDir });
    const damaged = await store.blobs.damaged([sha256Hex(content)]);
    await store.close();
    if (damaged.length > 0) return;
    writeFileSync(file, sound);
  }
  expect.unreachable("the page is not in the file");
}

test.skipIf(onPostgresql)(
  "a torn page of the database is named, and its machine comes back around it (of a file of SQLite)",
  async () => {
    const [torn, whole] = [page(2_654_435_761), page(2_246_822_519)];
    const first = await startServer({ dataDir, log: "none" });
    const before = first.client("grpc");
    const [hurt, well] = [await machineWith(before, torn), await machineWith(before, whole)];
    for (const machineId of [hurt, well]) await before.call(MachineService, "hibernateMachine", { machineId });
    await first.stop();
    await tear(torn);

    const second = await startServer({ dataDir, log: "none" });
    try {
      const client = second.client("grpc", first.adminKey);
      const events = await gather(client.stream(AdminService, "checkStore", { share: 1 }));
      const findings = events.flatMap(({ event }) => (event.case === "finding" ? [event.value.text] : []));
      expect(findings.some((text) => /content .* is damaged/.test(text))).toBe(true);
      expect(await contentOf(client, well)).toEqual(whole);
      await expect(contentOf(client, hurt)).rejects.toMatchObject({ code: "DATA_LOSS", reason: "MACHINE_DAMAGED" });
      expect(await contentOf(client, hurt)).toEqual(torn);
      expect(await contentOf(client, well)).toEqual(whole);
    } finally {
      await second.stop();
    }
  },
);
