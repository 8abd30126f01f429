/** The process: data directory, first key, sockets, signals. `npm start` and `ostler serve` come here. */
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { createFirstAdmin } from "./auth/identity.ts";
import { readConfig, type ServerConfig } from "./config.ts";
import { makeDirectory } from "./directories.ts";
import { createServer, type OstlerServer, version } from "./server.ts";
import { directoryError, startError, storeError } from "./start-error.ts";
import { openStore } from "./store/index.ts";
import { type Store, StoreUnavailableError } from "./store/types.ts";
import { startTracing } from "./telemetry/tracing.ts";

const KEY_FILE = "admin.key";
const PID_FILE = "server.pid";
/** Beyond the time to drain: for what writes its last rows, and for nothing that hangs. */
const LAST_ROWS_MS = 5_000;

export interface RunningServer {
  http: string;
  grpc: string;
  /** Set when this start made the first admin. */
  adminKey: string | null;
  close(): Promise<void>;
}

/** Opens the store, makes the first admin on an empty one, and listens. */
export async function serve(config: ServerConfig): Promise<RunningServer> {
  const endTracing = await startTracing(process.env, version, (why) => logTelemetry(config, why));
  const store = await openStore(config).catch(async (error: unknown) => {
    await endTracing();
    throw storeError(error, config);
  });
  const pidFile = join(config.dataDir, PID_FILE);
  let server: OstlerServer | null = null;
  try {
    claim(config, pidFile);
    const adminKey = await createFirstAdmin(store, (key) => writeKeyFile(config.dataDir, key));
    server = await createServer(store, config);
    const addresses = await server.listen();
    return { ...addresses, adminKey, close: () => shutDown(server, store, pidFile).finally(endTracing) };
  } catch (error) {
    // Threads and sockets that were there already would keep the process alive.
    await shutDown(server, store, pidFile).finally(endTracing);
    throw error instanceof StoreUnavailableError ? storeError(error, config) : error;
  }
}

/** Says whose the data directory is: of a server on PostgreSQL, too, which keeps the administrator's key there. */
function claim({ dataDir }: ServerConfig, pidFile: string): void {
  try {
    makeDirectory(dataDir);
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    throw directoryError(error, dataDir);
  }
}

async function shutDown(server: OstlerServer | null, store: Store, pidFile: string): Promise<void> {
  await server?.close();
  await store.close();
  rmSync(pidFile, { force: true });
}

function logTelemetry(config: ServerConfig, message: string): void {
  if (config.log === "none") return;
  const line = { time: new Date().toISOString(), level: "error", event: "telemetry", message };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

/** For the command line on the same machine; readable by the server's user only. */
function writeKeyFile(dataDir: string, key: string): void {
  const file = join(dataDir, KEY_FILE);
  try {
    writeFileSync(file, `${key}\n`, { mode: 0o600 });
    chmodSync(file, 0o600);
  } catch (error) {
    throw directoryError(error, dataDir);
  }
}

/** Serves until a signal says stop. Resolves to the exit code. */
export async function main(overrides: Partial<ServerConfig> = {}): Promise<number> {
  let running: RunningServer;
  let config: ServerConfig;
  try {
    config = readConfig(process.env, overrides);
    running = await serve(config);
    announce(running, config);
  } catch (error) {
    console.error(`ostler: ${startError(error)}`);
    return 1;
  }
  const signal = await new Promise<string>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve(name));
  });
  console.log(`ostler: ${signal}, putting machines away (again to stop at once)`);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(130));
  const late = setTimeout(() => {
    console.error("ostler: that takes too long, ending now; nothing that was acknowledged is lost");
    process.exit(1);
  }, config.drainMs + LAST_ROWS_MS);
  await running.close();
  clearTimeout(late);
  return 0;
}

function announce(running: RunningServer, config: ServerConfig): void {
  console.log(`ostler: REST   ${running.http}  (documentation at ${running.http}/docs)`);
  console.log(`ostler: gRPC   ${running.grpc}`);
  console.log(`ostler: data   ${config.dataDir}`);
  if (running.adminKey === null) return;
  console.log(
    `ostler: first admin key (shown only now; also in ${join(config.dataDir, KEY_FILE)}): ${running.adminKey}`,
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.length === 2) process.exitCode = await main();
  else {
    // The options of `ostler serve`, --help too. Not waited for: it imports this module, which has to be there by then.
    process.argv.splice(2, 0, "serve");
    void import("./cli/main.ts");
  }
}
