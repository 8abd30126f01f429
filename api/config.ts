/** Options of the server: from the environment and the command line to one checked record. */
import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { createSecureContext } from "node:tls";

export interface ServerConfig {
  dataDir: string;
  databaseUrl: string;
  host: string;
  httpPort: number;
  grpcPort: number;
  workers: number;
  workerStuckMs: number;
  translate: boolean;
  maxResidentMachines: number;
  memoryCeilingBytes: number;
  hibernateAfterMs: number;
  unattendedMs: number;
  machinesPerUser: number;
  courseMachines: number;
  instructionsPerHour: number;
  courseInstructionsPerHour: number;
  storagePerUserBytes: number;
  courseStorageBytes: number;
  requestsPerSecond: number;
  courseRequestsPerSecond: number;
  traceBytesPerHour: number;
  courseTraceBytesPerHour: number;
  runningPerUser: number;
  courseRunning: number;
  memoryPerUserBytes: number;
  courseMemoryBytes: number;
  uploadBytes: number;
  collectEveryMs: number;
  keepGradedDays: number;
  auditDays: number;
  tlsCert: string;
  tlsKey: string;
  drainMs: number;
  metrics: "admin" | "open" | "off";
  log: "all" | "errors" | "none";
}

export class ConfigError extends Error {}

interface Setting<T> {
  variable: string;
  fallback: T;
  read(text: string): T | string;
  help: string;
}

export const isPostgresqlUrl = (text: string): boolean => /^postgres(ql)?:\/\//.test(text);

const MAX_PORT = 65_535;
/** The kernel has no larger files. */
const MAX_UPLOAD_BYTES = 1024 * 1024 * 1024;
/** Several times what the longest steps take: the pages of a large snapshot on their way to the main thread. */
const LEAST_STUCK_MS = 10_000;
/** What one machine of the usual size may need. */
const LEAST_CEILING_BYTES = 64 * 1024 * 1024;

/** Of the host, or of the control group that the process was put in, unless that has no limit of its own. */
const memoryBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);

const whole =
  (min: number, max: number) =>
  (text: string): number | string => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max ? value : `must be a whole number from ${min} to ${max}`;
  };
const text = (value: string): string => value;

/** Of a quota, which can be set otherwise for a user and a course (`ostler quota`). */
const limit = (variable: string, help: string): Setting<number> => ({
  variable,
  fallback: 0,
  read: whole(0, Number.MAX_SAFE_INTEGER),
  help: `${help}; 0: no limit`,
});

/** One row an option; `ostler serve --help` and the documentation show them. */
export const settings: { [Name in keyof ServerConfig]: Setting<ServerConfig[Name]> } = {
  dataDir: {
    variable: "OSTLER_DATA",
    fallback: "data",
    read: (value) => (value === "" ? "must be the path of a directory" : value),
    help: "directory of the database",
  },
  databaseUrl: {
    variable: "DATABASE_URL",
    fallback: "",
    read: (value) => (value === "" || isPostgresqlUrl(value) ? value : ("must be a URL like postgresql://…" as never)),
    help: "a PostgreSQL database to store everything in; empty: SQLite in the data directory",
  },
  host: { variable: "OSTLER_HOST", fallback: "127.0.0.1", read: text, help: "address to listen on; 0.0.0.0 for all" },
  httpPort: {
    variable: "OSTLER_HTTP_PORT",
    fallback: 8080,
    read: whole(0, MAX_PORT),
    help: "port of REST; 0 picks a free one",
  },
  grpcPort: {
    variable: "OSTLER_GRPC_PORT",
    fallback: 50_051,
    read: whole(0, MAX_PORT),
    help: "port of gRPC; 0 picks a free one",
  },
  workers: {
    variable: "OSTLER_WORKERS",
    fallback: Math.max(1, Math.min(16, availableParallelism())),
    read: whole(1, 64),
    help: "worker threads that run machines",
  },
  workerStuckMs: {
    variable: "OSTLER_WORKER_STUCK_MS",
    fallback: 30_000,
    read: (value) => (value === "0" ? 0 : whole(LEAST_STUCK_MS, 3_600_000)(value)),
    help: "a worker thread that hangs in one step for so long is ended, and its machines come back in others; 0: never",
  },
  translate: {
    variable: "OSTLER_TRANSLATE",
    fallback: true,
    read: (value) => (value === "on" || value === "off" ? value === "on" : "must be on or off"),
    help: "on: hot guest code is translated to WebAssembly; off: all is interpreted, with the same results",
  },
  maxResidentMachines: {
    variable: "OSTLER_MAX_RESIDENT",
    fallback: 64,
    read: whole(1, 10_000),
    help: "machines in memory at once; the others hibernate",
  },
  memoryCeilingBytes: {
    variable: "OSTLER_MEMORY_CEILING_BYTES",
    fallback: Math.max(LEAST_CEILING_BYTES, Math.floor((memoryBytes() * 3) / 4)),
    read: whole(LEAST_CEILING_BYTES, Number.MAX_SAFE_INTEGER),
    help: "memory that machines take of the host, of which the default is three quarters; beyond it the others hibernate",
  },
  hibernateAfterMs: {
    variable: "OSTLER_HIBERNATE_AFTER_MS",
    fallback: 300_000,
    read: whole(100, 86_400_000),
    help: "an idle machine leaves memory after this time",
  },
  unattendedMs: {
    variable: "OSTLER_UNATTENDED_MS",
    fallback: 60_000,
    read: whole(100, 86_400_000),
    help: "an ephemeral machine (of `ostler run`) is deleted when its client has been gone for so long",
  },
  machinesPerUser: {
    variable: "OSTLER_MACHINES_PER_USER",
    fallback: 1_000,
    read: whole(1, 1_000_000),
    help: "machines that one user may own",
  },
  courseMachines: limit("OSTLER_COURSE_MACHINES", "machines that all members of a course may own"),
  instructionsPerHour: limit(
    "OSTLER_INSTRUCTIONS_PER_HOUR",
    "instructions that one user's machines may execute in an hour",
  ),
  courseInstructionsPerHour: limit("OSTLER_COURSE_INSTRUCTIONS_PER_HOUR", "the same of all members of a course"),
  storagePerUserBytes: limit(
    "OSTLER_STORAGE_PER_USER_BYTES",
    "bytes of programs and snapshots that one user may store",
  ),
  courseStorageBytes: limit("OSTLER_COURSE_STORAGE_BYTES", "the same of all members of a course"),
  requestsPerSecond: limit("OSTLER_REQUESTS_PER_SECOND", "calls that one user may make in a second"),
  courseRequestsPerSecond: limit("OSTLER_COURSE_REQUESTS_PER_SECOND", "the same of all members of a course"),
  traceBytesPerHour: limit("OSTLER_TRACE_BYTES_PER_HOUR", "bytes of traces that one user may read in an hour"),
  courseTraceBytesPerHour: limit("OSTLER_COURSE_TRACE_BYTES_PER_HOUR", "the same of all members of a course"),
  runningPerUser: limit("OSTLER_RUNNING_PER_USER", "machines of one user that may run at once"),
  courseRunning: limit("OSTLER_COURSE_RUNNING", "the same of all members of a course"),
  memoryPerUserBytes: limit("OSTLER_MEMORY_PER_USER_BYTES", "RAM of one user's machines that are in memory"),
  courseMemoryBytes: limit("OSTLER_COURSE_MEMORY_BYTES", "the same of all members of a course"),
  uploadBytes: {
    variable: "OSTLER_UPLOAD_BYTES",
    fallback: 1024 * 1024 * 1024,
    read: whole(1, MAX_UPLOAD_BYTES),
    help: "bytes that one uploaded file or archive may have",
  },
  collectEveryMs: {
    variable: "OSTLER_COLLECT_EVERY_MS",
    fallback: 3_600_000,
    read: whole(0, 86_400_000),
    help: "how often what nobody needs any more is deleted; 0: only when an admin asks",
  },
  keepGradedDays: {
    variable: "OSTLER_KEEP_GRADED_DAYS",
    fallback: 180,
    read: whole(0, 36_500),
    help: "a machine that ran a test is deleted when nobody used it for so many days; 0: never",
  },
  auditDays: {
    variable: "OSTLER_AUDIT_DAYS",
    fallback: 400,
    read: whole(0, 36_500),
    help: "events of the audit log are kept for so many days; 0: for ever",
  },
  tlsCert: {
    variable: "OSTLER_TLS_CERT",
    fallback: "",
    read: text,
    help: "PEM file with the certificate and its chain: both ports speak TLS then",
  },
  tlsKey: {
    variable: "OSTLER_TLS_KEY",
    fallback: "",
    read: text,
    help: "PEM file with the certificate's private key",
  },
  drainMs: {
    variable: "OSTLER_DRAIN_MS",
    fallback: 20_000,
    read: whole(100, 600_000),
    help: "how long a server that is told to end lets calls finish and saves machines",
  },
  metrics: {
    variable: "OSTLER_METRICS",
    fallback: "admin",
    read: (value) =>
      value === "admin" || value === "open" || value === "off" ? value : ("must be admin, open or off" as never),
    help: "who may read /metrics: admin (with a key), open (anyone) or off",
  },
  log: {
    variable: "OSTLER_LOG",
    fallback: "errors",
    read: (value) =>
      value === "all" || value === "errors" || value === "none" ? value : ("must be all, errors or none" as never),
    help: "calls to log: all, errors or none",
  },
};

/** Environment first, `overrides` (command line) over it. Throws ConfigError naming the variable and what would be right. */
export function readConfig(environment: NodeJS.ProcessEnv, overrides: Partial<ServerConfig> = {}): ServerConfig {
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings) as [keyof ServerConfig, Setting<unknown>][]) {
    const given = environment[setting.variable];
    config[name] = overrides[name] ?? (given === undefined || given === "" ? setting.fallback : parse(setting, given));
  }
  return config as unknown as ServerConfig;
}

export interface Tls {
  cert: Buffer;
  key: Buffer;
}

/** Null: without TLS. Throws ConfigError for half of it, or for files that do not go together. */
export function readTls({ tlsCert, tlsKey }: Pick<ServerConfig, "tlsCert" | "tlsKey">): Tls | null {
  if (tlsCert === "" && tlsKey === "") return null;
  const { variable: certVariable } = settings.tlsCert;
  const { variable: keyVariable } = settings.tlsKey;
  if (tlsCert === "" || tlsKey === "")
    throw new ConfigError(`${certVariable} and ${keyVariable} go together: set both`);
  const read = (variable: string, file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new ConfigError(`${variable}=${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  };
  const tls = { cert: read(certVariable, tlsCert), key: read(keyVariable, tlsKey) };
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new ConfigError(
      `${certVariable} and ${keyVariable} are no certificate and its key: ${(error as Error).message}`,
    );
  }
  return tls;
}

function parse(setting: Setting<unknown>, given: string): unknown {
  const value = setting.read(given);
  const refused = typeof value === "string" && value.startsWith("must be ");
  if (refused) throw new ConfigError(`${setting.variable}=${given}: ${value}`);
  return value;
}
