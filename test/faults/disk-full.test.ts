/** The disk fills up under load, and there is room again later. SQLite refuses to grow, as it does on a full disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFirstAdmin } from "../../api/auth/identity.ts";
import { readConfig } from "../../api/config.ts";
import { createServer, type OstlerServer } from "../../api/server.ts";
import { openStoreOn, type Store } from "../../api/store/index.ts";
import type { Provider } from "../../api/store/provider.ts";
import { openSqlite } from "../../api/store/sqlite/provider.ts";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { type Client, grpcClient } from "../support/client.ts";
import { hasCompiler, sources } from "../support/guest.ts";
import { eventually } from "../support/hosting.ts";
import { checkWriter, consoleOf, numbersIn, remoteWriter, startProgram, writeThrough } from "../support/ledger.ts";

let dataDir: string;
let provider: Provider;
let store: Store;
let server: OstlerServer;
let client: Client;
let http: string;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "ostler-full-"));
  provider = await openSqlite(dataDir);
  store = await openStoreOn(provider);
  const key = await createFirstAdmin(store);
  server = await createServer(store, readConfig({}, { dataDir, httpPort: 0, grpcPort: 0, workers: 2, log: "none" }));
  const addresses = await server.listen();
  http = addresses.http;
  client = grpcClient(addresses.grpc, key!);
});
afterAll(async () => {
  client.close();
  await server.close();
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const growUpTo = (pages: number) => provider.writer.$queryRawUnsafe(`PRAGMA max_page_count = ${pages}`);
const readiness = async () => (await fetch(`${http}/readyz`)).status;

test("what is acknowledged is kept, refusals say when to come back, and all goes on when there is room", async () => {
  const writers = [await remoteWriter(client), await remoteWriter(client)];
  const counter = hasCompiler ? await startProgram(client, sources.count) : null;
  const stop = new AbortController();
  const loads = writers.map((writer) => writeThrough(writer, client, stop.signal));
  const grows = async () => {
    const before = writers.map(({ acknowledged }) => acknowledged.length);
    await eventually(() => writers.every(({ acknowledged }, at) => acknowledged.length > before[at]! + 3));
  };
  await grows();

  // Less than it has: not a page more.
  await growUpTo(1);
  const upload = () => client.call(ProgramService, "uploadProgram", { name: "large", data: new Uint8Array(4 << 20) });
  await expect(upload()).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "STORE_FULL" });
  await expect(upload()).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "STORE_FULL" });
  const written = writers.map(({ sent }) => sent);
  await eventually(() => writers.every(({ sent }, at) => sent > written[at]! + 3));

  await growUpTo(1 << 30);
  await grows();
  stop.abort();
  const refusals = new Set((await Promise.all(loads)).flatMap((each) => [...each]));
  expect([...refusals].filter((each) => !each.startsWith("UNAVAILABLE "))).toEqual([]);
  await upload();
  await eventually(async () => (await readiness()) === 200);
  for (const writer of writers) checkWriter(writer, numbersIn(await consoleOf(client, writer.machineId)));
  expect(await store.contents.integrity()).toEqual([]);
  if (counter === null) return;
  const printed = (await consoleOf(client, counter)).length;
  await eventually(async () => (await consoleOf(client, counter)).length > printed);
});
