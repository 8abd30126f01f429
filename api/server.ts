/**
 * The server without sockets: store, hosting, grading and the operations, mounted on both transports.
 * Tests build one and listen on free ports; main.ts adds the process around it.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { AdminService } from "../proto/gen/ostler/v1/admin_pb.js";
import { AuditService } from "../proto/gen/ostler/v1/audit_pb.js";
import { CapabilityService } from "../proto/gen/ostler/v1/capabilities_pb.js";
import { ConsoleService } from "../proto/gen/ostler/v1/console_pb.js";
import { CourseService } from "../proto/gen/ostler/v1/courses_pb.js";
import { GradingService } from "../proto/gen/ostler/v1/grading_pb.js";
import { HistoryService } from "../proto/gen/ostler/v1/history_pb.js";
import { MachineService } from "../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService } from "../proto/gen/ostler/v1/memory_pb.js";
import { NetworkService } from "../proto/gen/ostler/v1/network_pb.js";
import { ProgramService } from "../proto/gen/ostler/v1/programs_pb.js";
import { QuotaService } from "../proto/gen/ostler/v1/quotas_pb.js";
import { SnapshotService } from "../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../proto/gen/ostler/v1/tasks_pb.js";
import { TerminalService } from "../proto/gen/ostler/v1/terminals_pb.js";
import { TraceService } from "../proto/gen/ostler/v1/traces_pb.js";
import { UserService } from "../proto/gen/ostler/v1/users_pb.js";
import { Quotas } from "./admission/quotas.ts";
import { admission, paced } from "./admission/requests.ts";
import { Residents } from "./admission/residents.ts";
import { authorised, type Lookup } from "./auth/authorise.ts";
import { isAdmin } from "./auth/caller.ts";
import { authenticator, type Identify, identifier } from "./auth/identity.ts";
import { OpenStreams } from "./auth/open-streams.ts";
import { readTls, type ServerConfig, type Tls } from "./config.ts";
import { Code, permissionDenied } from "./errors.ts";
import { Grading } from "./grading/grader.ts";
import { createGrpcServer, type GrpcServer } from "./grpc/index.ts";
import { Hosting } from "./hosting/hosting.ts";
import { callRecord, createPipeline, drainError, implement, type Operation, type Pipeline } from "./operation.ts";
import { createRestServer, type MonitorPages, mountMonitorPages, type RestServer, readComments } from "./rest/index.ts";
import { adminService } from "./services/admin.ts";
import { AuditLog, auditService } from "./services/audit.ts";
import { capabilityService } from "./services/capabilities.ts";
import { type Deps, lookupOf } from "./services/common.ts";
import { consoleService } from "./services/console.ts";
import { courseService } from "./services/courses.ts";
import { behind, doorOfCalls } from "./services/door.ts";
import { storeFailure, withKindErrors } from "./services/failures.ts";
import { gradingService } from "./services/grading.ts";
import { historyService } from "./services/history.ts";
import { Housekeeping } from "./services/housekeeping.ts";
import { isOfGrading, machineService } from "./services/machines.ts";
import { memoryService } from "./services/memory.ts";
import { networkService } from "./services/network.ts";
import { programService } from "./services/programs.ts";
import { quotaService } from "./services/quotas.ts";
import { snapshotService } from "./services/snapshots.ts";
import { configOfRow } from "./services/spec.ts";
import { taskService } from "./services/tasks.ts";
import { terminalService } from "./services/terminals.ts";
import { replayDoor, traceService } from "./services/traces.ts";
import { watchUnattended } from "./services/unattended.ts";
import { savingQuotas, startUpkeep } from "./services/upkeep.ts";
import { userService } from "./services/users.ts";
import type { Store } from "./store/types.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { Readiness } from "./telemetry/readiness.ts";
import { sourcesOf } from "./telemetry/sources.ts";
import { spanIds } from "./telemetry/spans.ts";

const mebibyte = 1024 * 1024;
/** Programs and boot images up to 64 MiB, and some room around them. */
const MESSAGE_LIMIT_BYTES = 68 * mebibyte;
/** Of JSON: submissions up to 16 MiB as base64. */
const BODY_LIMIT_BYTES = 40 * mebibyte;
const DAY_MS = 86_400_000;
const DRAIN_LOOK_MS = 20;
/** Calls that have not finished by then are told that the server ends. */
const LAST_CALLS_MS = 500;
const LEAST_SAVE_MS = 1_000;
const descriptors = fileURLToPath(new URL("../proto/gen/descriptors.binpb", import.meta.url));
export const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

export interface OstlerServer {
  readonly grpc: GrpcServer;
  readonly rest: RestServer;
  readonly hosting: Hosting;
  /** Opens both ports; resolves to where they are. */
  listen(): Promise<{ http: string; grpc: string }>;
  /** Drains calls, puts machines away. The store is closed by whoever opened it. */
  close(graceMs?: number): Promise<void>;
}

export async function createServer(given: Store, config: ServerConfig): Promise<OstlerServer> {
  // Before there are threads, which would go on if this is refused.
  const tls = readTls(config) ?? undefined;
  const metrics = new Metrics();
  const store = { ...given, journal: { ...given.journal, commit: metrics.timingCommits(given.journal.commit) } };
  const quotas = new Quotas(store, config);
  await quotas.load();
  const hosting = hostingOf(store, config, quotas);
  const { identify, rolesChanged, authorised } = identityOf(store);
  const deps: Deps = { store, hosting, quotas, uploadBytes: config.uploadBytes, rolesChanged };
  const grading = new Grading(deps, { mayStart: (row, beside) => quotas.mayGrade(row, beside) });
  const housekeeping = new Housekeeping(deps, {
    everyMs: config.collectEveryMs,
    keepGradedMs: config.keepGradedDays * DAY_MS,
    onError: (error) => logBackground(config, error, ""),
  });
  const audit = new AuditLog(store.audit, (error) => logBackground(config, error, ""));
  const operations = operationsOf({ deps, grading, housekeeping, audit, authorise: authorised(lookupOf(deps)) });
  const readiness = new Readiness({ check: () => store.check(), onChange: (isReady) => grpc.setServing(isReady) });
  const pipeline = pipelineOf(config, admission(authenticator(identify), quotas), metrics, readiness);
  const { grpc, rest } = await transportsOf(tls, operations, pipeline);
  grpc.setServing(false);
  const activeCalls = () => grpc.activeCalls + rest.activeCalls();
  const uploadBytes = () => rest.uploadBytes() + grpc.uploadBytes();
  const weights = () => quotas.weights();
  const parts = { store, hosting, grading, housekeeping, weights, activeCalls, uploadBytes };
  for (const source of sourcesOf(parts)) metrics.add(source);
  mountMonitorPages(rest.app, monitorPages(config, metrics, readiness, identify));

  let endUpkeep = () => {};
  let endSaving = async () => {};
  let endWatch = () => {};
  return {
    grpc,
    rest,
    hosting,
    async listen() {
      const http = await rest.app.listen({ host: config.host, port: config.httpPort });
      const port = await grpc.bind(`${config.host}:${config.grpcPort}`);
      await grading.resume();
      hosting.resumeRunning().catch((error) => logBackground(config, error, ""));
      endSaving = savingQuotas(quotas, (error) => logBackground(config, error, ""));
      endUpkeep = startUpkeep(store, config.auditDays * DAY_MS, (error) => logBackground(config, error, ""));
      housekeeping.start();
      endWatch = watchUnattended(deps, config.unattendedMs, (error) => logBackground(config, error, ""));
      await readiness.start();
      return { http, grpc: `${config.host}:${port}` };
    },
    async close(graceMs = config.drainMs) {
      const deadline = performance.now() + graceMs;
      readiness.drain();
      endUpkeep();
      endWatch();
      for (const transport of [grpc, rest]) transport.endStreams();
      // New calls are still heard, and told when to come again; those that are under way finish.
      const callsUntil = performance.now() + graceMs / 2;
      while (activeCalls() > 0 && performance.now() < callsUntil) await sleep(DRAIN_LOOK_MS);
      await housekeeping.close();
      await Promise.all([grpc.drain(LAST_CALLS_MS), rest.drain(LAST_CALLS_MS)]);
      await grading.close();
      await hosting.close(Math.max(LEAST_SAVE_MS, deadline - performance.now()));
      await audit.close();
      await endSaving();
    },
  };
}

async function transportsOf(tls: Tls | undefined, operations: Operation[], pipeline: Pipeline) {
  const common = { operations, pipeline, tls };
  const rest = await createRestServer({
    ...common,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    uploadLimitBytes: MESSAGE_LIMIT_BYTES,
    document: () => ({ title: "Ostler", version, comments: readComments(descriptors) }),
  });
  return { grpc: createGrpcServer({ ...common, receiveLimitBytes: MESSAGE_LIMIT_BYTES }), rest };
}

/** Who calls, and what streams are open. */
function identityOf(store: Store) {
  const { identify, current, forget } = identifier(store);
  const streams = new OpenStreams(current);
  return {
    identify,
    rolesChanged() {
      forget();
      streams.changed();
    },
    authorised: (lookup: Lookup) => authorised(lookup, current, streams),
  };
}

function hostingOf(store: Store, config: ServerConfig, quotas: Quotas): Hosting {
  const hosting: Hosting = new Hosting(
    store,
    {
      workers: config.workers,
      ...(config.workerStuckMs > 0 && { watches: true, stuckMs: config.workerStuckMs }),
      translate: config.translate,
      weights: () => quotas.weights(),
      maxResident: config.maxResidentMachines,
      memoryCeilingBytes: config.memoryCeilingBytes,
      hibernateAfterMs: config.hibernateAfterMs,
      executed: (owner, instructions) => quotas.executed(owner, instructions),
      runs: (row) => isOfGrading(row) || quotas.mayRun(row),
      async arrives(row) {
        if (!isOfGrading(row)) await residents.arrives(row.id, row, configOfRow(row).memoryBytes);
      },
      left: (machineId) => quotas.left(machineId),
      onError: (error, machine) => logBackground(config, error, machine),
    },
    configOfRow,
  );
  const residents = new Residents(hosting, quotas);
  return hosting;
}

function monitorPages(config: ServerConfig, metrics: Metrics, readiness: Readiness, identify: Identify): MonitorPages {
  return {
    version,
    async ready() {
      await readiness.look();
      return readiness.why;
    },
    metrics:
      config.metrics === "off"
        ? null
        : {
            contentType: metrics.contentType,
            text: () => metrics.text(),
            async admit(authorization) {
              if (config.metrics === "open") return;
              const user = await identify(authorization);
              if (!isAdmin(user)) throw permissionDenied("Only admins may read the server's figures.");
            },
          },
  };
}

interface Parts {
  deps: Deps;
  grading: Grading;
  housekeeping: Housekeeping;
  audit: AuditLog;
  authorise(operation: Operation): Operation;
}

function operationsOf({ deps, grading, housekeeping, audit, authorise }: Parts): Operation[] {
  const door = doorOfCalls();
  const replays = replayDoor();
  return [
    ...implement(MachineService, machineService(deps)),
    ...implement(TaskService, taskService(deps)),
    ...implement(ConsoleService, consoleService(deps)),
    ...implement(TerminalService, terminalService(deps)),
    ...implement(NetworkService, networkService(deps)),
    ...implement(MemoryService, memoryService(deps)),
    ...implement(CapabilityService, capabilityService(deps)),
    ...implement(SnapshotService, snapshotService(deps)),
    ...implement(TraceService, traceService(deps, replays)),
    ...implement(HistoryService, historyService(deps, replays)),
    ...implement(ProgramService, programService(deps)),
    ...implement(GradingService, gradingService(deps, grading)),
    ...implement(UserService, userService(deps)),
    ...implement(CourseService, courseService(deps)),
    ...implement(AuditService, auditService(deps)),
    ...implement(QuotaService, quotaService(deps)),
    ...implement(AdminService, adminService(deps, housekeeping)),
  ].map((operation) => behind(door, audit.audited(withKindErrors(authorise(paced(operation, deps.quotas))))));
}

function pipelineOf(
  config: ServerConfig,
  authenticate: Pipeline["authenticate"],
  metrics: Metrics,
  readiness: Readiness,
): Pipeline {
  const all = createPipeline();
  return {
    async authenticate(context) {
      if (readiness.isDraining) throw drainError();
      try {
        await authenticate(context);
      } catch (error) {
        throw storeFailure(error);
      }
    },
    onFinish(context, code, durationMs, error) {
      metrics.callEnded(context, code, durationMs, error);
      if (config.log === "all") all.onFinish(context, code, durationMs, error);
      else if (config.log === "errors" && code === Code.INTERNAL)
        process.stderr.write(`${JSON.stringify(callRecord(context, code, durationMs, error))}\n`);
    },
  };
}

function logBackground(config: ServerConfig, error: unknown, machine: string): void {
  if (config.log === "none") return;
  const stack = error instanceof Error ? error.stack : String(error);
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), level: "error", event: "machine", machine, ...spanIds(), stack })}\n`,
  );
}
