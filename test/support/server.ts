/** A whole server on free ports and a temporary data directory, in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig, type ServerConfig } from "../../api/config.ts";
import { serve } from "../../api/main.ts";
import { type Client, grpcClient, restClient } from "./client.ts";
import { locationOf } from "./store.ts";

export interface TestServer {
  http: string;
  grpc: string;
  adminKey: string;
  dataDir: string;
  /** The administrator's client on a transport; `metadata` is gRPC's alone. */
  client(transport: "grpc" | "rest", key?: string, metadata?: Record<string, string>): Client;
  stop(): Promise<void>;
}

export async function startServer(overrides: Partial<ServerConfig> = {}): Promise<TestServer> {
  const dataDir = overrides.dataDir ?? mkdtempSync(join(tmpdir(), "ostler-test-"));
  const config = readConfig(
    {},
    { httpPort: 0, grpcPort: 0, workers: 2, log: "errors", ...(await locationOf(dataDir)), ...overrides, dataDir },
  );
  const running = await serve(config);
  const adminKey = running.adminKey ?? "";
  const clients: Client[] = [];
  return {
    http: running.http,
    grpc: running.grpc,
    adminKey,
    dataDir,
    client(transport, key = adminKey, metadata = {}) {
      const client = transport === "grpc" ? grpcClient(running.grpc, key, metadata) : restClient(running.http, key);
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await running.close();
      if (overrides.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
