/** ConsoleService: type, read, follow, attach. Followers read by offset: from memory when up to date, else from the store. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TaskId } from "../../kernel/index.ts";
import {
  type AttachConsoleOpen,
  type AttachConsoleRequest,
  type ConsoleService,
  type FollowConsoleResponseSchema,
  WriteConsoleRequestSchema,
  WriteConsoleResponseSchema,
} from "../../proto/gen/ostler/v1/console_pb.js";
import { invalid, notFound } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import { type Deps, holding, once, resumeNumber, toNumber } from "./common.ts";

const READ_BYTES = 64 * 1024;
const MAX_READ_BYTES = 1024 * 1024;

export function consoleService(deps: Deps): ServiceImplementation<typeof ConsoleService> {
  return {
    writeConsole(request, context) {
      const schemas = { request: WriteConsoleRequestSchema, response: WriteConsoleResponseSchema };
      return once(deps, context, schemas, request, async () => {
        if (request.data.length === 0 && !request.end) throw invalid("data", "must not be empty unless `end` is set");
        const machine = await deps.hosting.use(request.machineId);
        return { consoleLength: BigInt(await type(machine, request.data, request.end)) };
      });
    },

    async readConsole(request) {
      const machine = await deps.hosting.use(request.machineId);
      const from = toNumber(request.offset, "offset");
      const { offset, bytes } = await machine.readConsole(from, request.limit || MAX_READ_BYTES);
      return { offset: BigInt(offset), data: bytes, consoleLength: BigInt(machine.visible.summary.consoleLength) };
    },

    async *followConsole(request, context) {
      const machine = await deps.hosting.use(request.machineId);
      const offset = resumeNumber(request.resumeToken) ?? toNumber(request.offset, "offset");
      yield* holding(machine, () => follow(machine, offset, request.untilTaskExited as TaskId, context.signal));
    },

    async *attachConsole(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done || first.value.message.case !== "open") throw invalid("open", "the first message must be `open`");
      const open = first.value.message.value;
      const machine = await deps.hosting.use(open.machineId);
      yield* holding(machine, () => attach(machine, open, iterator, context));
    },
  };
}

/** How much output there was when the first of it was received: what follows from it comes behind. */
async function type(machine: HostedMachine, data: Uint8Array, end: boolean): Promise<number> {
  const typed = data.length > 0 ? await machine.apply({ kind: "console", bytes: data }) : null;
  const ended = end ? await machine.apply({ kind: "consoleEnd" }) : null;
  return (typed ?? ended)!.summary.consoleLength;
}

/** Output from `offset` on; ends with the task, if one is named and all of its output has been sent. */
async function* follow(
  machine: HostedMachine,
  start: number,
  task: TaskId,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof FollowConsoleResponseSchema> & { data: Uint8Array }> {
  if (task !== 0 && !(await machine.learnExit(task))) throw notFound("task", String(task));
  const decoder = new TextDecoder();
  let offset = start;
  for (;;) {
    signal.throwIfAborted();
    // Asked before reading: output that came before the end is then sure to be read.
    const ended = task === 0 ? undefined : machine.exit(task);
    const read = await machine.readConsole(offset, READ_BYTES);
    if (read.bytes.length > 0) {
      offset = read.offset + read.bytes.length;
      const text = decoder.decode(read.bytes, { stream: true });
      yield { offset: BigInt(read.offset), data: read.bytes, text, resumeToken: String(offset) };
      continue;
    }
    if (ended !== undefined && offset >= ended.consoleLength) return;
    // A machine that was taken back still says to have output that is gone: asking again would never end.
    machine.assertUsable();
    const isUpToDate = offset >= machine.visible.summary.consoleLength;
    if (isUpToDate && (task === 0 || machine.exit(task) === undefined)) await machine.bell.next(signal);
  }
}

/** Writes what comes in while output goes out. A write that fails ends the stream with its error. */
async function* attach(
  machine: HostedMachine,
  open: AttachConsoleOpen,
  requests: AsyncIterator<AttachConsoleRequest>,
  context: Context,
) {
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const writing = (async () => {
    for (let next = await requests.next(); !next.done; next = await requests.next()) {
      const { message } = next.value;
      if (message.case === "open") throw invalid("open", "only the first message may be `open`");
      if (message.case === "data" && message.value.length > 0) await type(machine, message.value, false);
      if (message.case === "end" && message.value) await type(machine, new Uint8Array(0), true);
    }
  })();
  writing.catch((error) => failed.abort(error));
  for await (const { offset, data } of follow(
    machine,
    toNumber(open.offset, "open.offset"),
    open.untilTaskExited as TaskId,
    signal,
  )) {
    yield { offset: offset!, data };
  }
}
