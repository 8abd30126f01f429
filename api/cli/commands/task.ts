/** Programs and tasks of a machine: `ostler machine start|tasks|task|kill`, `ostler task create`. */
import { existsSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { Option } from "commander";
import { MachineService, StartProgramResponseSchema } from "../../../proto/gen/ostler/v1/machines_pb.js";
import {
  CreateRemoteTaskResponseSchema,
  GetTaskResponseSchema,
  KillTaskResponseSchema,
  ListTasksResponseSchema,
  type Task,
  TaskKind,
  TaskService,
  ThreadState,
} from "../../../proto/gen/ostler/v1/tasks_pb.js";
import { CommandError, readInput } from "../failure.ts";
import { type Column, list, table } from "../output.ts";
import { action, type Session } from "../session.ts";
import {
  argument,
  checkExecutable,
  enumName,
  group,
  type LimitOptions,
  leaf,
  limitOptions,
  limitsOf,
  type PageOptions,
  pageOptions,
  pages,
} from "../shared.ts";
import { collect, formatCount, formatHex, formatSize, parseTask } from "../units.ts";
import { upload } from "../uploads.ts";

const LAST_SIGNAL = 64;
const HASH = /^[0-9a-f]{64}$/;

export interface ProgramChoice {
  program: { case: "programHash"; value: string } | { case: "path"; value: string };
  asPath: string;
  /** Name that the program is started under. */
  argv0: string;
}

/** A local file (uploaded when new), a hash, or a file of the machine. */
export async function chooseProgram(session: Session, given: string, inMachine: boolean): Promise<ProgramChoice> {
  if (inMachine) return { program: { case: "path", value: given }, asPath: "", argv0: given };
  if (HASH.test(given) && !existsSync(given))
    return { program: { case: "programHash", value: given }, asPath: "", argv0: "" };
  checkExecutable(given, readInput(given));
  const { hash, name } = await upload(session, given);
  return { program: { case: "programHash", value: hash }, asPath: `/bin/${name}`, argv0: `/bin/${name}` };
}

/** argv for the server: with arguments it must be whole, without it knows the name itself. */
export function argumentsOf(choice: ProgramChoice, args: readonly string[]): string[] {
  return args.length === 0 ? [] : [choice.argv0 || "program", ...args];
}

interface StartOptions extends LimitOptions {
  inMachine?: boolean;
  env?: string[];
  stdin?: string;
  run: boolean;
  quiet?: boolean;
}

export const startCommand = limitOptions(
  leaf(
    "start <machine> <program> [args...]",
    "start a program (a local file, a hash, or a file of the machine) and let the machine run",
    [
      "ostler machine start m-1234 prog.elf one two",
      "ostler machine start m-1234 --in-machine /bin/sh",
      "ostler machine start --instructions 10M --stdin input.txt m-1234 prog.elf",
    ],
  ),
)
  .passThroughOptions()
  .option("--in-machine", "the program is a path inside the machine")
  .addOption(
    new Option("--env <NAME=value>", "environment, instead of the machine's; may be repeated").argParser(collect),
  )
  .option("--stdin <file>", "its standard input is this file, not the console")
  .option("--no-run", "do not let the machine run")
  .option("-q, --quiet", "print the task number only")
  .action(
    action<StartOptions>(async (session, [machineId, given, ...args], options) => {
      const choice = await chooseProgram(session, given!, options.inMachine === true);
      const answer = await (await session.service(MachineService)).startProgram({
        machineId: machineId!,
        program: choice.program,
        asPath: choice.asPath,
        arguments: argumentsOf(choice, args),
        environment: options.env ?? [],
        ...(options.stdin !== undefined && { standardInput: readInput(options.stdin) }),
        limits: limitsOf(options),
        run: options.run,
      });
      if (options.quiet) session.out.line(String(answer.task));
      else session.out.message(StartProgramResponseSchema, answer, () => `task ${answer.task} started in ${machineId}`);
    }),
  );

const howEnded = (task: Task): string =>
  task.exited
    ? (task.exitStatus?.description ?? "ended")
    : task.threads.map(({ state, wait }) => enumName(ThreadState, state) + (wait === "" ? "" : `: ${wait}`)).join(", ");

const taskColumns: readonly Column<Task>[] = [
  { title: "TASK", value: (task) => String(task.task), align: "right" },
  { title: "NAME", value: (task) => task.name },
  { title: "KIND", value: (task) => enumName(TaskKind, task.kind) },
  { title: "INSTRUCTIONS", value: (task) => formatCount(task.instructions), align: "right" },
  { title: "MEMORY", value: (task) => formatSize(task.memoryBytes), align: "right" },
  { title: "PEAK", value: (task) => formatSize(task.peakMemoryBytes), align: "right" },
  { title: "OUTPUT", value: (task) => formatSize(task.outputBytes), align: "right" },
  { title: "CALLS", value: (task) => formatCount(task.systemCalls), align: "right" },
  { title: "FAULTS", value: (task) => formatCount(task.pageFaults), align: "right" },
  { title: "STATE", value: howEnded },
];

export const tasksCommand = pageOptions(
  leaf("tasks <machine>", "list a machine's tasks", ["ostler machine tasks m-1234"]),
).action(
  action<PageOptions>(async (session, [machineId], options) => {
    const tasks = await session.service(TaskService);
    const { items, nextPageToken } = await pages(session, options, async (page) => {
      const answer = await tasks.listTasks({ machineId: machineId!, ...page });
      return { items: answer.tasks, nextPageToken: answer.nextPageToken };
    });
    const answer = create(ListTasksResponseSchema, { tasks: items, nextPageToken });
    session.out.message(ListTasksResponseSchema, answer, () =>
      items.length === 0 ? "no tasks" : table(taskColumns, items),
    );
  }),
);

export const taskCommand = leaf("task <machine> <task>", "show a task with its threads and its address space", [
  "ostler machine task m-1234 1",
]).action(
  action(async (session, [machineId, task]) => {
    const answer = await (await session.service(TaskService)).getTask({
      machineId: machineId!,
      task: argument("task", task!, parseTask),
    });
    session.out.message(GetTaskResponseSchema, answer, () => {
      const threads = table(
        [
          { title: "THREAD", value: (thread) => String(thread.thread), align: "right" },
          { title: "STATE", value: (thread) => enumName(ThreadState, thread.state) },
          { title: "PC", value: (thread) => formatHex(thread.pc) },
          { title: "INSTRUCTIONS", value: (thread) => formatCount(thread.instructions), align: "right" },
          { title: "WAITS FOR", value: (thread) => thread.wait },
        ],
        answer.task!.threads,
      );
      const regions = table(
        [
          { title: "START", value: (region) => formatHex(region.start), align: "right" },
          { title: "END", value: (region) => formatHex(region.end), align: "right" },
          { title: "MAY", value: (region) => region.permissions },
          { title: "RESIDENT", value: (region) => formatSize(region.residentBytes), align: "right" },
          { title: "WHAT", value: (region) => region.name },
        ],
        answer.regions,
      );
      return [taskText(answer.task!), "", threads, "", regions].join("\n");
    });
  }),
);

function taskText(task: Task): string {
  return list([
    ["task", `${task.task} (${task.name}, ${enumName(TaskKind, task.kind)})`],
    ["state", howEnded(task)],
    ["instructions", String(task.instructions)],
    ["memory", `${formatSize(task.memoryBytes)} now, ${formatSize(task.peakMemoryBytes)} at most`],
    ["output", formatSize(task.outputBytes)],
    ["system calls", String(task.systemCalls)],
    ["page faults", String(task.pageFaults)],
  ]);
}

/** 9, KILL or SIGKILL. */
export async function parseSignal(text: string): Promise<number> {
  const { signalName } = await import("../../../kernel/catalogue.ts");
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const numbers = Array.from({ length: LAST_SIGNAL }, (_, index) => index + 1);
  const number = numbers.find((candidate) => String(candidate) === text || signalName(candidate) === name);
  if (number === undefined)
    throw new CommandError(`${text}: no such signal`, "give a number or a name, for example 9, TERM or SIGSEGV");
  return number;
}

export const killCommand = leaf("kill <machine> <task>", "send a signal to a task (default SIGKILL)", [
  "ostler machine kill m-1234 1",
  "ostler machine kill m-1234 1 --signal TERM",
])
  .option("--signal <signal>", "number or name", "KILL")
  .action(
    action<{ signal: string }>(async (session, [machineId, task], options) => {
      const tasks = await session.service(TaskService);
      const answer = await tasks.killTask({
        machineId: machineId!,
        task: argument("task", task!, parseTask),
        signal: await parseSignal(options.signal),
      });
      session.out.message(
        KillTaskResponseSchema,
        answer,
        () => `task ${task}: ${howEnded(answer.task!) || "signalled"}`,
      );
    }),
  );

interface RemoteOptions extends LimitOptions {
  name?: string;
  capabilities?: boolean;
  quiet?: boolean;
}

const createRemote = limitOptions(
  leaf("create <machine>", "make a remote-driven task: its system calls come from `ostler call`", [
    "T=$(ostler task create m-1234 --quiet)",
    'ostler call m-1234 $T write 1 "hello" 5',
    "ostler task create m-1234 --capabilities          # for `ostler capability invoke`, too",
  ]),
)
  .option("--name <text>", "its name")
  .option("--capabilities", "it is a root task: half of the free memory is its own, as untyped capabilities")
  .option("-q, --quiet", "print the task number only")
  .action(
    action<RemoteOptions>(async (session, [machineId], options) => {
      const tasks = await session.service(TaskService);
      const answer = await tasks.createRemoteTask({
        machineId: machineId!,
        name: options.name ?? "",
        limits: limitsOf(options),
        capabilities: options.capabilities === true,
      });
      if (options.quiet) session.out.line(String(answer.task!.task));
      else
        session.out.message(
          CreateRemoteTaskResponseSchema,
          answer,
          () => `task ${answer.task!.task} created in ${machineId}`,
        );
    }),
  );

export const taskGroup = group("task", "remote-driven tasks", [createRemote]);
