/** What there are limits of. One row a kind: whose defaults it has, how it is told, what can be done about it. */
import type { ServerConfig } from "../config.ts";

export const SECOND_MS = 1_000;
export const HOUR_MS = 3_600_000;

export interface QuotaKind {
  /** The server's default of a member of a course, and of all members together. 0: none. */
  readonly user: keyof ServerConfig;
  readonly course: keyof ServerConfig;
  /** Of an allowance: in what time as much as the limit fills up, and how much of that there is at most. */
  readonly allowance?: { readonly periodMs: number; readonly burst: number; readonly isKept: boolean };
  readonly reason: string;
  /** As in "5 machines". */
  readonly unit: string;
  /** What helps. */
  readonly advice: string;
  /** When it is worth asking again, where that is not known. */
  readonly retryAfterMs?: number;
}

const hourly = { periodMs: HOUR_MS, burst: 1, isKept: true };

export const QUOTA_KINDS = {
  requests: {
    user: "requestsPerSecond",
    course: "courseRequestsPerSecond",
    allowance: { periodMs: SECOND_MS, burst: 10, isKept: false },
    reason: "TOO_MANY_REQUESTS",
    unit: "calls a second",
    advice: "call less often",
  },
  instructions: {
    user: "instructionsPerHour",
    course: "courseInstructionsPerHour",
    allowance: hourly,
    reason: "INSTRUCTIONS_USED_UP",
    unit: "instructions an hour",
    advice: "try again later",
  },
  traceBytes: {
    user: "traceBytesPerHour",
    course: "courseTraceBytesPerHour",
    allowance: hourly,
    reason: "TRACE_USED_UP",
    unit: "bytes of traces an hour",
    advice: "try again later, or filter more",
  },
  running: {
    user: "runningPerUser",
    course: "courseRunning",
    reason: "TOO_MANY_RUNNING",
    unit: "machines running at once",
    advice: "pause one that need not run",
    retryAfterMs: 5_000,
  },
  memory: {
    user: "memoryPerUserBytes",
    course: "courseMemoryBytes",
    reason: "TOO_MUCH_MEMORY",
    unit: "bytes of RAM of machines in memory",
    advice: "pause machines that need not run: those that are at rest make room by themselves",
    retryAfterMs: 5_000,
  },
  machines: {
    user: "machinesPerUser",
    course: "courseMachines",
    reason: "TOO_MANY_MACHINES",
    unit: "machines",
    advice: "delete some first",
  },
  storage: {
    user: "storagePerUserBytes",
    course: "courseStorageBytes",
    reason: "TOO_MUCH_STORAGE",
    unit: "bytes of programs and snapshots",
    advice: "delete some first",
    retryAfterMs: 60_000,
  },
} as const satisfies Record<string, QuotaKind>;

export type QuotaName = keyof typeof QUOTA_KINDS;
export const QUOTA_NAMES = Object.keys(QUOTA_KINDS) as QuotaName[];
export const isQuotaName = (text: string): text is QuotaName => Object.hasOwn(QUOTA_KINDS, text);

/** Beside limits, what part of the processor one gets: nothing is refused for it. */
export const WEIGHT = "weight";
export type SettingName = QuotaName | typeof WEIGHT;
export const SETTING_NAMES: readonly SettingName[] = [...QUOTA_NAMES, WEIGHT];
export const MOST_WEIGHT = 10_000;

export const kindOf = (name: QuotaName): QuotaKind => QUOTA_KINDS[name];

/** The part of the configuration that limits are read from. */
export type QuotaDefaults = Pick<ServerConfig, (typeof QUOTA_KINDS)[QuotaName]["user" | "course"]>;
