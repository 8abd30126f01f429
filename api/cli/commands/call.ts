/** `ostler call`: one system call in a remote-driven task. `ostler syscalls`: those that the kernel knows. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CallArgumentSchema,
  CallResponseSchema,
  ListSystemCallsResponseSchema,
  type SystemCall,
  TaskService,
} from "../../../proto/gen/ostler/v1/tasks_pb.js";
import { ExitCode, readInput, UsageError } from "../failure.ts";
import { hexBytes, hexDump } from "../hex.ts";
import { type Column, table } from "../output.ts";
import { action } from "../session.ts";
import { argument, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { parseSize, parseTask } from "../units.ts";

type Argument = MessageInitShape<typeof CallArgumentSchema>;

/** 3, -1, 0x10 → integer; buffer:64 → buffer; @file and hex:… → bytes; anything else, or text:…, → string. */
export function parseArgument(given: string): Argument {
  if (/^[+-]?\d+$/.test(given) || /^0x[0-9a-f]+$/i.test(given))
    return { argument: { case: "integer", value: integer(given) } };
  const [, kind, rest] = /^(buffer|text|hex):(.*)$/s.exec(given) ?? [];
  if (kind === "buffer") return { argument: { case: "buffer", value: argument("args", rest!, parseSize) } };
  if (kind === "text") return { argument: { case: "text", value: rest! } };
  if (kind === "hex") return { argument: { case: "data", value: hexBytes(rest!) } };
  if (given.startsWith("@")) return { argument: { case: "data", value: readInput(given.slice(1)) } };
  return { argument: { case: "text", value: given } };
}

/** Hexadecimal up to 64 bits names a bit pattern: 0xffffffffffffffff is -1. */
function integer(given: string): bigint {
  const value = BigInt(given.replace(/^\+/, ""));
  if (value >= 2n ** 64n || value < -(2n ** 63n)) throw new UsageError(`${given}: does not fit in 64 bits`);
  return BigInt.asIntN(64, value);
}

export const callCommand = leaf(
  "call <machine> <task> <name> [args...]",
  "make one system call in a remote-driven task and wait for its result",
  [
    "T=$(ostler task create m-1234 --quiet)",
    'ostler call m-1234 $T write 1 "hello" 5',
    "ostler call m-1234 $T read 0 buffer:64 64",
    "ostler call m-1234 $T openat -100 /etc/motd 0 0",
    "ostler call m-1234 $T 9999                       # any number; this one is not known (ENOSYS)",
  ],
)
  .addHelpText(
    "after",
    "\nArguments: 3, -1, 0x10 are integers; buffer:64 is a zeroed buffer whose content is shown afterwards;\n@file and hex:0a0b are bytes; text:3 is the text 3; everything else is text. Ends with status 1 when the call fails.",
  )
  .action(
    action(async (session, [machineId, task, name, ...args]) => {
      const tasks = await session.service(TaskService);
      const call = /^\d+$/.test(name!)
        ? { case: "number" as const, value: Number(name) }
        : { case: "name" as const, value: name! };
      const request = {
        machineId: machineId!,
        task: argument("task", task!, parseTask),
        call,
        arguments: args.map(parseArgument),
      };
      const answer = await tasks.call(request, { deadlineMs: 0, signal: session.interruptible() });
      session.out.message(CallResponseSchema, answer, () => {
        const why = answer.errorDescription === "" ? "" : `  (${answer.errorDescription})`;
        const ended = answer.taskAlive ? [] : ["the call ended the task"];
        return [
          `${answer.text || `= ${answer.value}`}${why}`,
          ...answer.buffers.map((bytes) => hexDump(bytes)),
          ...ended,
        ]
          .filter((line) => line !== "")
          .join("\n");
      });
      return answer.errorName === "" ? ExitCode.ok : ExitCode.failed;
    }),
  );

const columns: readonly Column<SystemCall>[] = [
  { title: "NR", value: (call) => String(call.number), align: "right" },
  { title: "NAME", value: (call) => call.name },
  { title: "SUPPORT", value: (call) => call.support },
  { title: "ARGUMENTS", value: (call) => call.parameters.map(({ name, kind }) => `${name}: ${kind}`).join(", ") },
  { title: "NOTE", value: (call) => call.note },
];

export const syscallsCommand = pageOptions(
  leaf("syscalls", "list the system calls that the kernel knows", [
    "ostler syscalls",
    "ostler syscalls --json | jq '.systemCalls[].name'",
  ]),
).action(
  action<PageOptions>(async (session, _, options) => {
    const tasks = await session.service(TaskService);
    const { items, nextPageToken } = await pages(session, { pageSize: 1000, all: true, ...options }, async (page) => {
      const answer = await tasks.listSystemCalls(page);
      return { items: answer.systemCalls, nextPageToken: answer.nextPageToken };
    });
    const answer = create(ListSystemCallsResponseSchema, { systemCalls: items, nextPageToken });
    session.out.message(ListSystemCallsResponseSchema, answer, () => table(columns, items));
  }),
);
