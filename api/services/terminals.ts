/** TerminalService: terminals that programs were started on, beside the console. Read by offset, from the machine itself. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TaskId, TerminalOutput } from "../../kernel/index.ts";
import {
  type FollowTerminalResponseSchema,
  type TerminalService,
  WriteTerminalRequestSchema,
  WriteTerminalResponseSchema,
} from "../../proto/gen/ostler/v1/terminals_pb.js";
import { notFound } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { ServiceImplementation } from "../operation.ts";
import { type Deps, holding, once, resumeNumber, toNumber } from "./common.ts";

export function terminalService(deps: Deps): ServiceImplementation<typeof TerminalService> {
  return {
    async listTerminals({ machineId }) {
      const machine = await deps.hosting.use(machineId);
      const { terminals } = await machine.query({ kind: "terminals" });
      return {
        terminals: (terminals ?? []).map(({ task, number, rows, columns, length }) => ({
          task,
          device: number === null ? "" : `/dev/pts/${number}`,
          rows,
          columns,
          length: BigInt(length),
          ended: number === null,
        })),
      };
    },

    writeTerminal(request, context) {
      const schemas = { request: WriteTerminalRequestSchema, response: WriteTerminalResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const machine = await deps.hosting.use(request.machineId);
        await machine.apply({ kind: "terminalInput", task: request.task as TaskId, bytes: request.data });
        return {};
      });
    },

    async readTerminal(request) {
      const machine = await deps.hosting.use(request.machineId);
      const from = toNumber(request.offset, "offset");
      const { offset, bytes, length, ended } = await outputOf(machine, request.task as TaskId, from);
      return { offset: BigInt(offset), data: bytes, length: BigInt(length), ended };
    },

    async *followTerminal(request, context) {
      const machine = await deps.hosting.use(request.machineId);
      const offset = resumeNumber(request.resumeToken) ?? toNumber(request.offset, "offset");
      yield* holding(machine, () => follow(machine, request.task as TaskId, offset, context.signal));
    },

    async resizeTerminal({ machineId, task, size }) {
      const machine = await deps.hosting.use(machineId);
      const { rows, columns } = size!;
      await machine.apply({ kind: "terminalWindow", task: task as TaskId, rows, columns });
      return {};
    },

    async closeTerminal({ machineId, task }) {
      const machine = await deps.hosting.use(machineId);
      await machine.apply({ kind: "terminalClose", task: task as TaskId });
      return {};
    },
  };
}

async function outputOf(machine: HostedMachine, task: TaskId, from: number): Promise<TerminalOutput> {
  const { terminalOutput } = await machine.query({ kind: "terminalOutput", task, from });
  if (terminalOutput === null || terminalOutput === undefined) throw notFound("terminal of task", String(task));
  return terminalOutput;
}

/** What is printed from `start` on; ends with the terminal. */
async function* follow(
  machine: HostedMachine,
  task: TaskId,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof FollowTerminalResponseSchema>> {
  const decoder = new TextDecoder();
  let from = start;
  for (;;) {
    signal.throwIfAborted();
    // Asked before reading: what comes after that is then sure to be news.
    const news = machine.terminalNews(task);
    const { offset, bytes, ended } = await outputOf(machine, task, from);
    if (bytes.length > 0) {
      from = offset + bytes.length;
      const text = decoder.decode(bytes, { stream: true });
      yield { offset: BigInt(offset), data: bytes, text, resumeToken: String(from) };
      continue;
    }
    if (ended) return;
    while (machine.terminalNews(task) === news) {
      machine.assertUsable();
      signal.throwIfAborted();
      await machine.bell.next(signal);
    }
  }
}
