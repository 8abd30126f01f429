/** TaskService: tasks and threads, and system calls made from outside through remote-driven tasks. */
import { getSystemErrorMessage } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { errnoOf, sel4CallCatalogue, systemCallCatalogue } from "../../kernel/catalogue.ts";
import type { CallArgument as KernelArgument, TaskId, TaskInfo, ThreadInfo } from "../../kernel/index.ts";
import {
  type CallArgument,
  type CallRequest,
  CallRequestSchema,
  CallResponseSchema,
  CreateRemoteTaskRequestSchema,
  CreateRemoteTaskResponseSchema,
  TaskKind,
  type TaskSchema,
  type TaskService,
  ThreadState,
} from "../../proto/gen/ostler/v1/tasks_pb.js";
import { invalid, notFound } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { ServiceImplementation } from "../operation.ts";
import { type Deps, exitStatus, once } from "./common.ts";
import { toTaskLimits } from "./machines.ts";
import { type CallDone, remoteCall } from "./remote-calls.ts";

const SIGKILL = 9;
const DEFAULT_PAGE = 100;
const THREAD_STATES = {
  ready: ThreadState.READY,
  running: ThreadState.RUNNING,
  blocked: ThreadState.BLOCKED,
  exited: ThreadState.EXITED,
} as const satisfies Record<ThreadInfo["state"], ThreadState>;

const numbersByName = new Map(systemCallCatalogue().map((row) => [row.name, row.number]));

function toTask(info: TaskInfo): MessageInitShape<typeof TaskSchema> {
  return {
    task: info.task,
    name: info.name,
    kind: info.kind === "program" ? TaskKind.PROGRAM : TaskKind.REMOTE,
    exited: info.state === "exited",
    ...(info.status !== null && { exitStatus: exitStatus(info.status, null) }),
    threads: info.threads.map(({ thread, state, wait, pc, instructions }) => ({
      thread,
      state: THREAD_STATES[state],
      wait,
      pc,
      instructions: BigInt(instructions),
    })),
    instructions: BigInt(info.instructions),
    memoryBytes: BigInt(info.memoryBytes),
    peakMemoryBytes: BigInt(info.peakMemoryBytes),
    outputBytes: BigInt(info.outputBytes),
    systemCalls: BigInt(info.systemCalls),
    pageFaults: BigInt(info.pageFaults),
  };
}

export function taskService(deps: Deps): ServiceImplementation<typeof TaskService> {
  return {
    async listTasks(request) {
      const machine = await deps.hosting.use(request.machineId);
      const tasks = (await machine.query({ kind: "tasks" })).tasks ?? [];
      const { items, nextPageToken } = pageOf(tasks, request, (info) => info.task);
      return { tasks: items.map(toTask), nextPageToken };
    },

    async getTask({ machineId, task }) {
      const machine = await deps.hosting.use(machineId);
      const { tasks, regions } = await machine.query({ kind: "regions", task: task as TaskId });
      const info = tasks?.find((candidate) => candidate.task === task);
      if (info === undefined) throw notFound("task", String(task));
      const shown = (regions ?? []).map((region) => ({
        start: BigInt(region.start),
        end: BigInt(region.end),
        permissions: region.permissions,
        name: region.name,
        residentBytes: BigInt(region.residentBytes),
      }));
      return { task: toTask(info), regions: shown };
    },

    async killTask({ machineId, task, signal }) {
      const machine = await deps.hosting.use(machineId);
      await machine.apply({ kind: "killTask", task: task as TaskId, signal: signal || SIGKILL });
      return { task: toTask(await taskOf(machine, task)) };
    },

    createRemoteTask(request, context) {
      const schemas = { request: CreateRemoteTaskRequestSchema, response: CreateRemoteTaskResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const machine = await deps.hosting.use(request.machineId);
        const limits = toTaskLimits(request.limits);
        const { name, capabilities } = request;
        // Entries of tasks without are as they always were.
        const extra = capabilities ? { capabilities } : {};
        const { task } = await machine.apply({ kind: "createRemoteTask", name: name || "remote", limits, ...extra });
        return { task: toTask(await taskOf(machine, task!)) };
      });
    },

    call(request, context) {
      const schemas = { request: CallRequestSchema, response: CallResponseSchema };
      const input = () => ({
        kind: "call" as const,
        task: request.task as TaskId,
        number: numberOf(request),
        arguments: request.arguments.map(toArgument),
      });
      return remoteCall(deps, context, schemas, request, { input, answer: callResponse });
    },

    listSystemCalls(request) {
      const rows = [...systemCallCatalogue(), ...sel4CallCatalogue()];
      // Those below zero come behind all others.
      const order = ({ number }: { number: number }): number => (number < 0 ? 2 ** 31 - number : number);
      const { items, nextPageToken } = pageOf(rows, request, order);
      return {
        systemCalls: items.map((row) => ({ ...row, parameters: [...row.parameters], errors: [...row.errors] })),
        nextPageToken,
      };
    },
  };
}

async function taskOf(machine: HostedMachine, task: number): Promise<TaskInfo> {
  const info = (await machine.query({ kind: "tasks" })).tasks?.find((candidate) => candidate.task === task);
  if (info === undefined) throw notFound("task", String(task));
  return info;
}

/** Pages of a list in memory that is ordered by a number; the token is the last number given. */
function pageOf<T>(all: readonly T[], request: { pageSize: number; pageToken: string }, keyOf: (item: T) => number) {
  if (!/^[0-9]{0,15}$/.test(request.pageToken))
    throw invalid("page_token", "must be a next_page_token of the page before");
  const after = request.pageToken === "" ? -1 : Number(request.pageToken);
  const rest = [...all].sort((a, b) => keyOf(a) - keyOf(b)).filter((item) => keyOf(item) > after);
  const items = rest.slice(0, request.pageSize || DEFAULT_PAGE);
  return { items, nextPageToken: items.length < rest.length ? String(keyOf(items.at(-1)!)) : "" };
}

function numberOf(request: CallRequest): number {
  if (request.call.case !== "name") return request.call.value ?? 0;
  const name = request.call.value;
  const number = numbersByName.get(name);
  if (number === undefined)
    throw invalid(
      "name",
      `the kernel knows no system call ${JSON.stringify(name)}; ListSystemCalls shows those it knows`,
    );
  return number;
}

function toArgument({ argument }: CallArgument): KernelArgument {
  switch (argument.case) {
    case "integer":
      return { kind: "integer", value: argument.value };
    case "text":
      return { kind: "string", value: argument.value };
    case "data":
      return { kind: "bytes", value: argument.value };
    case "buffer":
      return { kind: "buffer", size: argument.value };
    default:
      throw invalid("arguments", "each argument must be an integer, a text, data or a buffer");
  }
}

function callResponse(done: CallDone, taskAlive: boolean): MessageInitShape<typeof CallResponseSchema> {
  const error = errnoOf(done.value);
  return {
    value: done.value,
    errorName: error ?? "",
    errorDescription: error === null ? "" : getSystemErrorMessage(Number(done.value)),
    buffers: done.buffers,
    text: done.text,
    taskAlive,
  };
}
