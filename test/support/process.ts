/** The server as a process of its own, to be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { grpcClient, restClient } from "./client.ts";
import { locationOf } from "./store.ts";

const root = join(import.meta.dirname, "../..");
const cache = join(root, "deploy/setup/compile-cache.mjs");

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #dataDir: string;
  readonly http: string;
  readonly grpc: string;
  /** Resolves to the exit code; null: a signal ended it. */
  readonly ended: Promise<number | null>;
  /** What it has printed so far. */
  output = "";

  private constructor(child: ChildProcess, dataDir: string, http: string, grpc: string) {
    this.#child = child;
    this.ended = new Promise((resolve) => child.once("exit", resolve));
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.#dataDir = dataDir;
    this.http = http;
    this.grpc = grpc;
  }

  /** Resolves when it listens; rejects with its output if it ends before. */
  static async start(dataDir: string, environment: Record<string, string> = {}): Promise<ServerProcess> {
    const { databaseUrl } = await locationOf(dataDir);
    const child = spawn(process.execPath, ["--import", cache, join(root, "api/main.ts")], {
      env: {
        ...process.env,
        OSTLER_DATA: dataDir,
        DATABASE_URL: databaseUrl,
        OSTLER_HTTP_PORT: "0",
        OSTLER_GRPC_PORT: "0",
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const ready = new Promise<ServerProcess>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output += chunk.toString();
        const http = /REST\s+(http:\S+)/.exec(output)?.[1];
        const grpc = /gRPC\s+(\S+)/.exec(output)?.[1];
        if (http !== undefined && grpc !== undefined && output.includes("data "))
          resolve(new ServerProcess(child, dataDir, http, grpc));
      };
      child.stdout!.on("data", read);
      child.stderr!.on("data", read);
      child.on("close", (code) => reject(new Error(`the server ended with ${code}:\n${output}`)));
    });
    return ready;
  }

  get adminKey(): string {
    return readFileSync(join(this.#dataDir, "admin.key"), "utf8").trim();
  }

  client(transport: "grpc" | "rest" = "grpc") {
    return transport === "grpc" ? grpcClient(this.grpc, this.adminKey) : restClient(this.http, this.adminKey);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Does not wait for what it does about it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.signal(signal);
    await this.ended;
  }
}
