/** MachineService: create, look, list, delete, run, pause, step, wait, start programs, hibernate. */
import { fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Input, StandardInput, TaskId } from "../../kernel/index.ts";
import {
  CreateMachineRequestSchema,
  CreateMachineResponseSchema,
  type MachineSchema,
  type MachineService,
  MachineSpecSchema,
  Residency,
  RunState,
  type StartProgramRequest,
  StartProgramRequestSchema,
  StartProgramResponseSchema,
  type TaskLimits,
  type WaitMachineRequest,
  type WaitMachineResponseSchema,
} from "../../proto/gen/ostler/v1/machines_pb.js";
import { scopeOf } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { failedPrecondition, invalid, notFound } from "../errors.ts";
import { contentIn } from "../hosting/collection/references.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import { isQuarantined } from "../hosting/quarantine.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import type { Bytes, MachineRow, MachineStatus, NewMachine, Owner, SomeOwner } from "../store/types.ts";
import {
  type Deps,
  exitStatus,
  holding,
  idFor,
  machineRow,
  once,
  ownerIn,
  pageQuery,
  toNumber,
  toPosition,
  toTimestamp,
} from "./common.ts";
import { completeSpec } from "./spec.ts";

const RUN_STATES = {
  running: RunState.RUNNING,
  paused: RunState.PAUSED,
  idle: RunState.IDLE,
  frozen: RunState.FROZEN,
} as const satisfies Record<MachineStatus["run"], RunState>;
/** Machines that grading keeps do not count against their owner; no client can make an id like that. */
const GRADING_PREFIXES = ["m-g", "m-a"];
export const isOfGrading = ({ id }: Pick<MachineRow, "id">): boolean =>
  GRADING_PREFIXES.some((prefix) => id.startsWith(prefix));
const MAX_WAIT_MS = 3_600_000;
const PROGRESS_EVERY_MS = 1_000;

/** The machine as clients may know it now: from memory when it is awake, else from the store. */
export function toMachine(deps: Deps, row: MachineRow): MessageInitShape<typeof MachineSchema> {
  const awake = deps.hosting.peek(row.id);
  const visible = awake?.visible ?? null;
  const status = visible?.summary ?? row.status;
  return {
    machineId: row.id,
    courseId: row.courseId,
    ownerId: row.ownerId,
    displayName: row.displayName,
    labels: row.labels,
    spec: fromBinary(MachineSpecSchema, row.spec),
    runState: RUN_STATES[status.run],
    runReason: status.reason,
    position: toPosition(visible?.summary.position ?? row.reached),
    consoleLength: BigInt(status.consoleLength),
    journalSequence: BigInt(visible?.sequence ?? row.lastSequence),
    traceSequence: BigInt(status.traceSequence),
    residency: visible === null ? Residency.HIBERNATED : Residency.ACTIVE,
    originSnapshotId: row.originSnapshotId ?? "",
    createdAt: toTimestamp(row.createdAt),
    updatedAt: toTimestamp(row.updatedAt),
    taskCount: status.taskCount,
    ephemeral: row.ephemeral,
  };
}

export async function assertRoomForMachine(deps: Deps, { courseId, ownerId }: Owner): Promise<void> {
  await deps.quotas.assertRoomForMachine({ courseId, ownerId }, (scope) => countMachines(deps, scope));
}

/** The machine of this id: made by `make`, unless an earlier request made it. */
export async function machineOnce(
  deps: Deps,
  { courseId, ownerId }: Owner,
  id: string,
  make: () => Promise<MachineRow>,
): Promise<MachineRow> {
  const made = await deps.store.machines.get(id);
  return made ?? deps.quotas.makingMachine({ courseId, ownerId }, (scope) => countMachines(deps, scope), make);
}

/** But for those that grading makes. */
export const countMachines = (
  { store }: Pick<Deps, "store">,
  { courseId, ownerId }: { courseId: string; ownerId: string | null },
): Promise<number> => store.machines.count({ courseIds: [courseId], ownerId }, GRADING_PREFIXES);

export function toTaskLimits(limits: TaskLimits | undefined) {
  return {
    instructions: Number(limits?.instructions ?? 0n),
    memoryBytes: Number(limits?.memoryBytes ?? 0n),
    outputBytes: Number(limits?.outputBytes ?? 0n),
  };
}

const isRunning = ({ hosting }: Pick<Deps, "hosting">, machineId: string): boolean =>
  hosting.peek(machineId)?.visible.summary.run === "running";

export function machineService(deps: Deps): ServiceImplementation<typeof MachineService> {
  const applyTo = async (machineId: string, input: Input) => {
    const machine = await deps.hosting.use(machineId);
    await machine.apply(input);
    return { machine: toMachine(deps, machine.row) };
  };

  return {
    createMachine(request, context) {
      const schemas = { request: CreateMachineRequestSchema, response: CreateMachineResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const owner = ownerIn(context, request.courseId);
        const row = await deps.store.holds.during(async (hold) => {
          const spec = await completeSpec(deps.store, owner, request.spec, "spec", hold);
          const id = idFor("m", owner.ownerId, request.idempotencyKey);
          const fresh = newMachineRow(id, owner, request, toBinary(MachineSpecSchema, spec));
          return machineOnce(deps, owner, id, () => deps.store.machines.create(fresh));
        });
        return { machine: toMachine(deps, row) };
      });
    },

    async getMachine({ machineId }) {
      const awake = deps.hosting.peek(machineId);
      if (awake?.visible.summary.run === "running") await awake.query({ kind: "summary" }).catch(() => {});
      return { machine: toMachine(deps, await machineRow(deps, machineId)) };
    },

    async listMachines(request, context) {
      const scope = scopeOf(callerOf(context), "machine.read", request);
      const labels = { ...request.labels };
      for (const label of request.label) {
        const cut = label.indexOf("=");
        labels[label.slice(0, cut)] = label.slice(cut + 1);
      }
      const run = Object.entries(RUN_STATES).find(([, state]) => state === request.runState)?.[0] as
        | MachineStatus["run"]
        | undefined;
      const query = {
        ...pageQuery(request),
        ...scope,
        labels,
        nameContains: request.nameContains,
        run: run ?? null,
      };
      const { items, nextPageToken } = await deps.store.machines.list(query);
      return { machines: items.map((row) => toMachine(deps, row)), nextPageToken };
    },

    async deleteMachine({ machineId }) {
      if (!(await deps.hosting.delete(machineId))) throw notFound("machine", machineId);
      return {};
    },

    async runMachine(request) {
      const limit = (value: bigint, field: string) => (value === 0n ? null : toNumber(value, field));
      const input = {
        kind: "resume",
        untilInstructions: limit(request.untilInstructions, "until_instructions"),
        untilTimeNs: limit(request.untilTimeNs, "until_time_ns"),
      } as const;
      const row = await machineRow(deps, request.machineId);
      return deps.quotas.starting(row, isRunning(deps, row.id), () => applyTo(row.id, input));
    },

    pauseMachine: (request) => applyTo(request.machineId, { kind: "pause" }),

    async stepMachine(request, context) {
      const machine = await deps.hosting.use(request.machineId);
      const before = await deps.quotas.starting(machine.row, isRunning(deps, machine.id), async () => {
        await machine.apply({ kind: "pause" });
        const { instructions } = machine.visible.summary.position;
        const untilInstructions = instructions + (Number(request.instructions) || 1);
        await machine.apply({ kind: "resume", untilInstructions, untilTimeNs: null });
        return instructions;
      });
      await until(machine, context.signal, () => machine.visible.summary.run !== "running");
      if (machine.visible.summary.run === "idle") await machine.apply({ kind: "pause" });
      const executed = machine.visible.summary.position.instructions - before;
      return { machine: toMachine(deps, machine.row), executed: BigInt(executed) };
    },

    async *waitMachine(request, context) {
      const machine = await deps.hosting.use(request.machineId);
      yield* holding(machine, () => wait(deps, machine, request, context.signal));
    },

    startProgram(request, context) {
      const schemas = { request: StartProgramRequestSchema, response: StartProgramResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const machine = await deps.hosting.use(request.machineId);
        const start = async () => {
          const path = await programPath(deps, context, machine, request);
          const { task } = await machine.apply(startInput(request, path));
          if (request.run) await machine.apply({ kind: "resume", untilInstructions: null, untilTimeNs: null });
          return { task: task!, machine: toMachine(deps, machine.row) };
        };
        return request.run ? deps.quotas.starting(machine.row, isRunning(deps, machine.id), start) : start();
      });
    },

    async thawMachine({ machineId }) {
      const before = await machineRow(deps, machineId);
      if (!isQuarantined(before)) {
        const why = "Only machines that were frozen because they ended the server's workers can be thawed";
        throw failedPrecondition("NOT_QUARANTINED", `${why}; ${machineId} is not one.`);
      }
      return { machine: toMachine(deps, await deps.hosting.thaw(machineId)) };
    },

    async hibernateMachine({ machineId }) {
      await deps.hosting.hibernate(machineId);
      return { machine: toMachine(deps, await machineRow(deps, machineId)) };
    },
  };
}

export function newMachineRow(
  id: string,
  owner: SomeOwner,
  fields: { displayName: string; labels: Record<string, string>; ephemeral?: boolean },
  spec: Uint8Array,
): NewMachine {
  return {
    id,
    ...owner,
    displayName: fields.displayName,
    labels: fields.labels,
    ephemeral: fields.ephemeral ?? false,
    spec: spec as Bytes,
    originSnapshotId: null,
    lastSequence: 0,
    reached: { instructions: 0, timeNs: 0 },
    status: { run: "paused", reason: "new", consoleLength: 0, taskCount: 0, traceSequence: 0 },
  };
}

/** The path of the program in the machine; an uploaded program becomes a file of the machine first. */
async function programPath(
  deps: Deps,
  context: Context,
  machine: HostedMachine,
  request: StartProgramRequest,
): Promise<string> {
  if (request.program.case !== "programHash") return request.program.value ?? "";
  const hash = request.program.value;
  return deps.store.holds.during(async (hold) => {
    hold.add(contentIn(hash));
    const program =
      (await deps.store.programs.get({ ...machine.row, ownerId: callerOf(context).id }, hash)) ??
      (await deps.store.programs.get(machine.row, hash));
    if (program === null) throw notFound("program", hash);
    const path = request.asPath || `/bin/${program.name || hash.slice(0, 12)}`;
    if (!/^(\/[^/\0]+)+$/.test(path)) throw invalid("as_path", "must be an absolute path, for example /bin/prog");
    await machine.apply({ kind: "addFile", file: { path, content: hash, size: program.size, mode: 0o755 } });
    return path;
  });
}

function inputOf({ standardInput, terminal }: StartProgramRequest): StandardInput {
  if (terminal === undefined)
    return standardInput === undefined ? { kind: "console" } : { kind: "bytes", bytes: standardInput };
  if (standardInput !== undefined) throw invalid("standard_input", "a program on a terminal reads what is typed there");
  return { kind: "terminal", rows: terminal.rows, columns: terminal.columns };
}

function startInput(request: StartProgramRequest, path: string): Input {
  return {
    kind: "startProgram",
    path,
    arguments: request.arguments.length > 0 ? request.arguments : [path],
    environment: request.environment.length > 0 ? request.environment : null,
    input: inputOf(request),
    limits: toTaskLimits(request.limits),
  };
}

/** Waits until the condition holds in what is visible. */
export async function until(machine: HostedMachine, signal: AbortSignal, condition: () => boolean): Promise<void> {
  while (!condition()) {
    machine.assertUsable();
    signal.throwIfAborted();
    await machine.bell.next(signal);
  }
}

type WaitAnswer = MessageInitShape<typeof WaitMachineResponseSchema>;

async function* wait(
  deps: Deps,
  machine: HostedMachine,
  request: WaitMachineRequest,
  signal: AbortSignal,
): AsyncGenerator<WaitAnswer> {
  const task = request.taskExited as TaskId;
  if (task !== 0 && !(await machine.learnExit(task))) throw notFound("task", String(task));
  const search = new ConsoleSearch(machine, request.consoleContains, Number(request.consoleOffset));
  const conditions = conditionsOf(machine, request, search);
  if (conditions.length === 0) {
    throw invalid(
      "idle_or_paused",
      "name a condition to wait for: idle_or_paused, task_exited, console_contains or instructions",
    );
  }
  const deadline = performance.now() + (request.timeoutMs || MAX_WAIT_MS);
  let reportAt = performance.now() + PROGRESS_EVERY_MS;
  for (;;) {
    machine.assertUsable();
    signal.throwIfAborted();
    await search.advance();
    const held =
      conditions.find(({ holds }) => holds())?.name ?? (performance.now() >= deadline ? "timeout" : undefined);
    if (held !== undefined) return yield ended(deps, machine, request, held);
    if (performance.now() >= reportAt) {
      reportAt = performance.now() + PROGRESS_EVERY_MS;
      yield { machine: toMachine(deps, machine.row) };
    }
    await machine.bell.next(signal, Math.max(1, Math.min(deadline, reportAt) - performance.now()));
  }
}

function conditionsOf(
  machine: HostedMachine,
  request: WaitMachineRequest,
  search: ConsoleSearch,
): { name: string; holds(): boolean }[] {
  const conditions: { name: string; holds(): boolean }[] = [];
  const { summary } = machine.visible;
  if (request.taskExited !== 0) {
    const task = request.taskExited as TaskId;
    conditions.push({ name: "task_exited", holds: () => machine.exit(task) !== undefined });
  }
  if (request.consoleContains !== "") conditions.push({ name: "console_contains", holds: () => search.found });
  if (request.instructions !== 0n) {
    const wanted = toNumber(request.instructions, "instructions");
    conditions.push({ name: "instructions", holds: () => machine.visible.summary.position.instructions >= wanted });
  }
  if (request.idleOrPaused || summary.run === "frozen") {
    conditions.push({ name: "idle_or_paused", holds: () => machine.visible.summary.run !== "running" });
  }
  return conditions;
}

function ended(deps: Deps, machine: HostedMachine, request: WaitMachineRequest, endedBy: string): WaitAnswer {
  const exit = machine.exit(request.taskExited as TaskId);
  return {
    machine: toMachine(deps, machine.row),
    endedBy,
    ...(exit !== undefined && { exitStatus: exitStatus(exit.status, exit.fault) }),
  };
}

/** Looks for bytes in console output as it grows, also where they straddle two chunks. */
class ConsoleSearch {
  readonly #machine: HostedMachine;
  readonly #needle: Buffer;
  #offset: number;
  #tail = Buffer.alloc(0);
  found = false;

  constructor(machine: HostedMachine, needle: string, offset: number) {
    this.#machine = machine;
    this.#needle = Buffer.from(needle);
    this.#offset = offset;
  }

  async advance(): Promise<void> {
    while (this.#needle.length > 0 && !this.found && this.#offset < this.#machine.visible.summary.consoleLength) {
      const { offset, bytes } = await this.#machine.readConsole(this.#offset, 64 * 1024);
      if (bytes.length === 0) return;
      const seen = offset === this.#offset ? Buffer.concat([this.#tail, bytes]) : Buffer.from(bytes);
      this.found = seen.includes(this.#needle);
      this.#tail = seen.subarray(Math.max(0, seen.length - this.#needle.length + 1));
      this.#offset = offset + bytes.length;
    }
  }
}
