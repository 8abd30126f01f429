/** `ostler terminal …`: programs on terminals beside the console, and sitting at those. */
import process from "node:process";
import { Option } from "commander";
import { MachineService, StartProgramResponseSchema } from "../../../proto/gen/ostler/v1/machines_pb.js";
import {
  FollowTerminalResponseSchema,
  ListTerminalsResponseSchema,
  type Terminal,
  TerminalService,
} from "../../../proto/gen/ostler/v1/terminals_pb.js";
import { CommandError, UsageError } from "../failure.ts";
import { type Column, messageJson, table } from "../output.ts";
import { type Waiting, whenThereIsRoom } from "../room.ts";
import { action, type Session } from "../session.ts";
import { argument, group, leaf } from "../shared.ts";
import { readSerialKeys } from "../terminal.ts";
import { formatSize, parseCount, parseTask } from "../units.ts";

/** What one message may bring. */
const WRITE_BYTES = 4096;

const taskOf = (given: string): number => argument("task", given, parseTask);

const openCommand = leaf(
  "open <machine> <program> [args...]",
  "start a program of the machine on a terminal of its own, and let the machine run",
  ["ostler terminal open m-1234 /bin/sh", "ostler terminal attach m-1234 12     # with the task that open printed"],
)
  .passThroughOptions()
  .addOption(new Option("--rows <count>", "default: of this terminal, or 24").argParser(parseCount))
  .addOption(new Option("--columns <count>", "default: of this terminal, or 80").argParser(parseCount))
  .option("-q, --quiet", "print the task number only")
  .action(
    action<{ rows?: number; columns?: number; quiet?: boolean }>(
      async (session, [machineId, path, ...args], options) => {
        const { rows, columns } = process.stdout;
        const answer = await (await session.service(MachineService)).startProgram({
          machineId: machineId!,
          program: { case: "path", value: path! },
          arguments: [path!, ...args],
          terminal: { rows: options.rows ?? rows ?? 24, columns: options.columns ?? columns ?? 80 },
          run: true,
        });
        if (options.quiet) session.out.line(String(answer.task));
        else
          session.out.message(
            StartProgramResponseSchema,
            answer,
            () => `task ${answer.task} started on a terminal; ostler terminal attach ${machineId} ${answer.task}`,
          );
      },
    ),
  );

const columns: readonly Column<Terminal>[] = [
  { title: "TASK", value: ({ task }) => String(task), align: "right" },
  { title: "DEVICE", value: ({ device, ended }) => (ended ? "ended" : device) },
  { title: "SIZE", value: (terminal) => (terminal.ended ? "" : `${terminal.rows}x${terminal.columns}`) },
  { title: "OUTPUT", value: ({ length }) => formatSize(length), align: "right" },
];

const listCommand = leaf("list <machine>", "list a machine's terminals", ["ostler terminal list m-1234"]).action(
  action(async (session, [machineId]) => {
    const answer = await (await session.service(TerminalService)).listTerminals({ machineId: machineId! });
    session.out.message(ListTerminalsResponseSchema, answer, () =>
      answer.terminals.length === 0 ? "no terminals" : table(columns, answer.terminals),
    );
  }),
);

/** What is printed from an offset on, over losses of the connection. */
function follow(session: Session, machineId: string, task: number, from: bigint, signal: AbortSignal) {
  let offset = from;
  async function* open() {
    const terminals = await session.service(TerminalService);
    for await (const answer of terminals.followTerminal({ machineId, task, offset }, { signal })) {
      offset = answer.offset + BigInt(answer.data.length);
      yield answer;
    }
  }
  return session.follow(open, signal);
}

const followCommand = leaf("follow <machine> <task>", "print what a terminal shows as it comes, until it has ended", [
  "ostler terminal follow m-1234 12",
])
  .addOption(new Option("--from <offset>", "from this byte on").argParser(parseCount))
  .action(
    action<{ from?: number }>(async (session, [machineId, task], options) => {
      const from = BigInt(options.from ?? 0);
      for await (const answer of follow(session, machineId!, taskOf(task!), from, session.interruptible())) {
        if (session.out.json) session.out.record(messageJson(FollowTerminalResponseSchema, answer));
        else await session.out.bytes(answer.data);
      }
    }),
  );

/** Types bytes, in pieces that fit; a full terminal is waited for. */
async function write(
  session: Session,
  machineId: string,
  task: number,
  data: Uint8Array<ArrayBuffer>,
  waiting: Waiting = {},
): Promise<void> {
  const terminals = await session.service(TerminalService);
  for (let at = 0; at < data.length; at += WRITE_BYTES) {
    const request = { machineId, task, data: data.subarray(at, at + WRITE_BYTES) };
    if ((await whenThereIsRoom(() => terminals.writeTerminal(request), waiting)) === undefined)
      throw new CommandError(
        `the terminal is still full; ${at} of ${data.length} bytes were typed`,
        "a program has to read them; --deadline says how long to wait for it",
      );
  }
}

const writeCommand = leaf("write <machine> <task> <text...>", "type a line at a terminal", [
  'ostler terminal write m-1234 12 "ls -l"',
  "ostler terminal write m-1234 12 --no-newline y",
])
  .option("--no-newline", "do not press Enter after it")
  .action(
    action<{ newline: boolean }>(async (session, [machineId, task, ...words], options) => {
      const text = words.join(" ") + (options.newline ? "\r" : "");
      const { deadline } = session.options;
      await write(session, machineId!, taskOf(task!), new TextEncoder().encode(text), {
        giveUpAt: deadline === undefined ? undefined : Date.now() + deadline,
        onFull: () => session.out.note("the terminal is full; waiting for the program to read"),
      });
    }),
  );

const resizeCommand = leaf("resize <machine> <task> <rows> <columns>", "say how large a terminal's window is", [
  "ostler terminal resize m-1234 12 50 132",
]).action(
  action(async (session, [machineId, task, rows, columns]) => {
    const size = { rows: argument("rows", rows!, parseCount), columns: argument("columns", columns!, parseCount) };
    await (await session.service(TerminalService)).resizeTerminal({ machineId: machineId!, task: taskOf(task!), size });
  }),
);

const closeCommand = leaf("close <machine> <task>", "hang up: the program on the terminal gets SIGHUP", [
  "ostler terminal close m-1234 12",
]).action(
  action(async (session, [machineId, task]) => {
    await (await session.service(TerminalService)).closeTerminal({ machineId: machineId!, task: taskOf(task!) });
  }),
);

/** Keys go to the terminal as they are pressed, up to the one that leaves. */
async function typeKeys(session: Session, machineId: string, task: number, left: AbortController): Promise<void> {
  for await (const chunk of process.stdin) {
    const { data, end } = readSerialKeys(chunk as Buffer);
    await write(session, machineId, task, data, { signal: left.signal });
    if (end === "leave") return left.abort();
  }
}

/** The machine's terminal is as large as this one. */
async function resizeToOwn(session: Session, machineId: string, task: number): Promise<void> {
  const { rows, columns } = process.stdout;
  if (rows === undefined || columns === undefined) return;
  await (await session.service(TerminalService)).resizeTerminal({ machineId, task, size: { rows, columns } });
}

async function attach(session: Session, machineId: string, task: number): Promise<void> {
  const { stdin } = process;
  const left = new AbortController();
  const resize = () => void resizeToOwn(session, machineId, task).catch(() => {});
  session.out.note(`at the terminal of task ${task} of ${machineId}; Ctrl-] leaves`);
  await resizeToOwn(session, machineId, task);
  process.on("SIGWINCH", resize);
  stdin.setRawMode?.(true);
  try {
    // What ends the typing ends the showing, too.
    typeKeys(session, machineId, task, left).catch((error) => left.abort(error));
    for await (const { data } of follow(session, machineId, task, 0n, left.signal)) await session.out.bytes(data);
  } catch (error) {
    if (!left.signal.aborted || left.signal.reason instanceof Error === false) throw error;
    if ((left.signal.reason as Error).name !== "AbortError") throw left.signal.reason;
  } finally {
    process.off("SIGWINCH", resize);
    stdin.setRawMode?.(false);
    // A read that is under way would keep the process alive.
    stdin.destroy();
    process.stderr.write("\n");
  }
}

const attachCommand = leaf(
  "attach <machine> <task>",
  "sit at a terminal: every key goes there, the window's size too; Ctrl-] leaves",
  ["ostler terminal attach m-1234 12"],
).action(
  action(async (session, [machineId, task]) => {
    if (session.out.json || process.stdin.isTTY !== true)
      throw new UsageError("attach is for people at a terminal", "use `terminal follow` and `terminal write`");
    await attach(session, machineId!, taskOf(task!));
  }),
);

export const terminalCommand = group("terminal", "terminals beside a machine's console", [
  openCommand,
  listCommand,
  attachCommand,
  followCommand,
  writeCommand,
  resizeCommand,
  closeCommand,
]);
