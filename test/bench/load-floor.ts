/**
 * The floor of a durable call: grpc-js whose handler puts the bytes that came into a database and answers when they are
 * on disk. Who comes while a commit is under way shares the next one. Nothing is checked, known or kept in order.
 * A process of its own: node load-floor.ts <file or postgresql://…>; sends its port.
 */
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import Driver from "libsql";
import { Client } from "pg";
import { isPostgresqlUrl } from "../../api/config.ts";

export const FLOOR_PATH = "/floor.Floor/Put";
const same = (bytes: Buffer) => bytes;
export const floorMethod = {
  path: FLOOR_PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const;

type Write = (rows: readonly Buffer[]) => Promise<void> | void;

function sqliteWriter(file: string): Write {
  const database = new Driver(file);
  database.exec(
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE f (id INTEGER PRIMARY KEY, data BLOB)",
  );
  const insert = database.prepare("INSERT INTO f (data) VALUES (?)");
  return (rows) => {
    database.exec("BEGIN IMMEDIATE");
    for (const row of rows) insert.run([row]);
    database.exec("COMMIT");
  };
}

async function postgresqlWriter(url: string): Promise<Write> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("CREATE TABLE f (id BIGSERIAL PRIMARY KEY, data BYTEA)");
  return async (rows) => {
    const values = rows.map((_, index) => `($${index + 1})`).join(", ");
    await client.query(`INSERT INTO f (data) VALUES ${values}`, [...rows]);
  };
}

async function serve(place: string): Promise<void> {
  const write = isPostgresqlUrl(place) ? await postgresqlWriter(place) : sqliteWriter(place);
  let waiting: { bytes: Buffer; done: () => void }[] = [];
  let isWriting = false;
  const drain = async () => {
    isWriting = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      await write(group.map(({ bytes }) => bytes));
      for (const { done } of group) done();
      await new Promise((resolve) => setImmediate(resolve));
    }
    isWriting = false;
  };
  const put: handleUnaryCall<Buffer, Buffer> = (call, reply) => {
    waiting.push({ bytes: call.request, done: () => reply(null, call.request) });
    if (!isWriting) setImmediate(() => isWriting || void drain());
  };
  const server = new Server();
  server.addService({ put: floorMethod }, { put });
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.send?.(port);
  });
}

if (process.send !== undefined && process.argv[2] !== undefined) await serve(process.argv[2]);
