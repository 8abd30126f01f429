/** `ostler console …`: type into a machine's console, read it, follow it, sit at it. */
import process from "node:process";
import { Option } from "commander";
import {
  ConsoleService,
  type FollowConsoleResponse,
  FollowConsoleResponseSchema,
  ReadConsoleResponseSchema,
  type WriteConsoleResponse,
  WriteConsoleResponseSchema,
} from "../../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../../proto/gen/ostler/v1/machines_pb.js";
import { CommandError, UsageError } from "../failure.ts";
import { messageJson } from "../output.ts";
import { type Waiting, whenThereIsRoom } from "../room.ts";
import { action, type Session } from "../session.ts";
import { group, leaf } from "../shared.ts";
import { attachTerminal } from "../terminal.ts";
import { parseCount, parseTask } from "../units.ts";

/** A quarter of what a console holds unread: several pieces fit. */
const WRITE_BYTES = 16_384;

/** Output from an offset on, over losses of the connection. */
export function followConsole(
  session: Session,
  machineId: string,
  from: number | bigint,
  task: number,
  signal: AbortSignal,
): AsyncGenerator<FollowConsoleResponse> {
  let offset = BigInt(from);
  async function* open() {
    const consoles = await session.service(ConsoleService);
    for await (const answer of consoles.followConsole({ machineId, offset, untilTaskExited: task }, { signal })) {
      offset = answer.offset + BigInt(answer.data.length);
      yield answer;
    }
  }
  return session.follow(open, signal);
}

/** Types bytes, in pieces that fit. Each is durable when the promise resolves; a full console is waited for. */
export async function writeConsole(
  session: Session,
  machineId: string,
  data: Uint8Array,
  end: boolean,
  waiting: Waiting = {},
): Promise<WriteConsoleResponse> {
  const consoles = await session.service(ConsoleService);
  for (let at = 0; ; at += WRITE_BYTES) {
    const last = at + WRITE_BYTES >= data.length;
    const request = { machineId, data: data.subarray(at, at + WRITE_BYTES), end: end && last };
    const answer = await whenThereIsRoom(() => consoles.writeConsole(request), waiting);
    if (answer === undefined)
      throw new CommandError(
        `the console is still full; ${at} of ${data.length} bytes were typed`,
        "a program has to read them; --deadline says how long to wait for it",
      );
    if (last) return answer;
  }
}

const writeCommand = leaf(
  "write <machine> [text...]",
  "type a line into the console (without text: standard input as it is)",
  [
    'ostler console write m-1234 "hello"',
    "ostler console write m-1234 --end < input.txt",
    "ostler console write m-1234 --no-newline y",
  ],
)
  .option("--end", "end of file after it")
  .option("--no-newline", "do not end the text with a newline")
  .action(
    action<{ end?: boolean; newline: boolean }>(async (session, [machineId, ...words], options) => {
      if (words.length === 0 && process.stdin.isTTY && !options.end)
        throw new UsageError("nothing to type", "give text, or pipe it in: echo hello | ostler console write m-1234");
      const text = words.join(" ") + (options.newline && words.length > 0 ? "\n" : "");
      const piped = words.length === 0 && !process.stdin.isTTY;
      const data = piped ? await readAll() : new TextEncoder().encode(text);
      const { deadline } = session.options;
      const answer = await writeConsole(session, machineId!, data, options.end === true, {
        giveUpAt: deadline === undefined ? undefined : Date.now() + deadline,
        onFull: () => session.out.note("the console is full; waiting for the program to read"),
      });
      session.out.message(WriteConsoleResponseSchema, answer, () => "");
    }),
  );

async function readAll(): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const readCommand = leaf("read <machine>", "print the console's output so far", [
  "ostler console read m-1234",
  "ostler console read m-1234 --from 4096",
])
  .addOption(new Option("--from <offset>", "from this byte on").argParser(parseCount))
  .action(
    action<{ from?: number }>(async (session, [machineId], options) => {
      const consoles = await session.service(ConsoleService);
      let offset = BigInt(options.from ?? 0);
      for (;;) {
        const answer = await consoles.readConsole({ machineId: machineId!, offset });
        if (answer.offset > offset) session.out.note(`output before byte ${answer.offset} is no longer kept`);
        if (session.out.json) return session.out.record(messageJson(ReadConsoleResponseSchema, answer));
        await session.out.bytes(answer.data);
        offset = answer.offset + BigInt(answer.data.length);
        if (answer.data.length === 0 || offset >= answer.consoleLength) return;
      }
    }),
  );

interface FollowOptions {
  from?: number;
  task?: number;
  new?: boolean;
}

const followCommand = leaf(
  "follow <machine>",
  "print the console's output as it comes, from its beginning; goes on when the server was away",
  [
    "ostler console follow m-1234",
    "ostler console follow m-1234 --task 1      # until task 1 has ended",
    "ostler console follow m-1234 --new         # only what comes from now on",
  ],
)
  .addOption(new Option("--from <offset>", "from this byte on").argParser(parseCount))
  .option("--new", "only new output")
  .addOption(new Option("--task <task>", "until this task has ended").argParser(parseTask))
  .action(
    action<FollowOptions>(async (session, [machineId], options) => {
      const { machine } = await (await session.service(MachineService)).getMachine({ machineId: machineId! });
      const from = options.new ? machine!.consoleLength : (options.from ?? 0);
      for await (const answer of followConsole(session, machineId!, from, options.task ?? 0, session.interruptible())) {
        if (session.out.json) session.out.record(messageJson(FollowConsoleResponseSchema, answer));
        else await session.out.bytes(answer.data);
      }
    }),
  );

const attachCommand = leaf(
  "attach <machine>",
  "sit at the console: what you type goes in, what it prints comes out; Ctrl-D ends its input, Ctrl-] leaves",
  ["ostler console attach m-1234"],
)
  .addOption(
    new Option("--from <offset>", "show output from this byte on (default: the last 4 KiB)").argParser(parseCount),
  )
  .addOption(new Option("--task <task>", "until this task has ended").argParser(parseTask))
  .option("--no-echo", "do not show what is typed")
  .action(
    action<FollowOptions & { echo: boolean }>(async (session, [machineId], options) => {
      if (session.out.json)
        throw new UsageError(
          "attach is for people; it has no --json",
          "use `console follow --json` and `console write`",
        );
      const { machine } = await (await session.service(MachineService)).getMachine({ machineId: machineId! });
      const length = Number(machine!.consoleLength);
      const from = options.from ?? Math.max(0, length - 4096);
      await attachTerminal(session, {
        machineId: machineId!,
        offset: BigInt(from),
        task: options.task ?? 0,
        echo: options.echo,
        isSerialLine: machine!.spec?.bare !== undefined,
      });
    }),
  );

export const consoleCommand = group("console", "a machine's console", [
  followCommand,
  readCommand,
  writeCommand,
  attachCommand,
]);
