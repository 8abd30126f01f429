/** The whole command line as one tree of commands. Only the branch that is asked for is loaded. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { commonOptions } from "./session.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const INTRODUCTION = `Machines that you can run programs on, stop, copy, trace and grade.

Examples:
  $ ostler run hello.elf one two              # run a program, see its output, get its exit status
  $ ostler run --trace hello.elf              # and every system call it makes
  $ M=$(ostler machine create --quiet)        # a machine that stays
  $ ostler machine start $M hello.elf
  $ ostler console follow $M

Every command has --help with examples, and --json for scripts.
Status: 0 done, 1 refused or failed, 2 wrong usage; \`run\` ends as its program did (128 + signal when killed).
Environment: OSTLER_SERVER, OSTLER_KEY, OSTLER_KEY_FILE, OSTLER_COURSE, OSTLER_DATA, NO_COLOR.`;

interface Branch {
  heading: string;
  summary: string;
  load(): Promise<Command>;
}

const RUN = "Run:";
const MACHINES = "Machines:";
const COURSES = "Courses:";
const OPERATORS = "Operators:";

/** In the order of `ostler --help`. */
export const branches: Record<string, Branch> = {
  run: {
    heading: RUN,
    summary: "run a program: its output, its input, its exit status",
    load: async () => (await import("./commands/run.ts")).runCommand,
  },
  serve: {
    heading: RUN,
    summary: "start a server here",
    load: async () => (await import("./commands/serve.ts")).serveCommand,
  },
  health: {
    heading: RUN,
    summary: "ask whether the server works",
    load: async () => (await import("./commands/health.ts")).healthCommand,
  },
  machine: {
    heading: MACHINES,
    summary: "create, look at, run and end machines",
    load: async () => (await import("./commands/machine.ts")).machineCommand,
  },
  console: {
    heading: MACHINES,
    summary: "type into a machine's console, read it, sit at it",
    load: async () => (await import("./commands/console.ts")).consoleCommand,
  },
  terminal: {
    heading: MACHINES,
    summary: "terminals beside the console: a program on one, and sitting at it",
    load: async () => (await import("./commands/terminal.ts")).terminalCommand,
  },
  network: {
    heading: MACHINES,
    summary: "frames of a bare machine: send them, capture them, connect machines",
    load: async () => (await import("./commands/network.ts")).networkCommand,
  },
  trace: {
    heading: MACHINES,
    summary: "what a machine does, and what it did",
    load: async () => (await import("./commands/trace.ts")).traceCommand,
  },
  snapshot: {
    heading: MACHINES,
    summary: "keep states, go back to them, fork from them",
    load: async () => (await import("./commands/snapshot.ts")).snapshotCommand,
  },
  memory: {
    heading: MACHINES,
    summary: "bytes of a machine or of a task",
    load: async () => (await import("./commands/memory.ts")).memoryCommand,
  },
  capability: {
    heading: MACHINES,
    summary: "who holds which capabilities, and calls through them",
    load: async () => (await import("./commands/capability.ts")).capabilityCommand,
  },
  task: {
    heading: MACHINES,
    summary: "remote-driven tasks, whose system calls come from here",
    load: async () => (await import("./commands/task.ts")).taskGroup,
  },
  call: {
    heading: MACHINES,
    summary: "make one system call in a remote-driven task",
    load: async () => (await import("./commands/call.ts")).callCommand,
  },
  syscalls: {
    heading: MACHINES,
    summary: "list the system calls that the kernel knows",
    load: async () => (await import("./commands/call.ts")).syscallsCommand,
  },
  program: {
    heading: MACHINES,
    summary: "programs and files, kept once by content",
    load: async () => (await import("./commands/program.ts")).programCommand,
  },
  grade: {
    heading: COURSES,
    summary: "assignments, submissions, reports",
    load: async () => (await import("./commands/grade.ts")).gradeCommand,
  },
  course: {
    heading: COURSES,
    summary: "courses, and who is in them with which role",
    load: async () => (await import("./commands/course.ts")).courseCommand,
  },
  quota: {
    heading: COURSES,
    summary: "what members of a course may use up, and have",
    load: async () => (await import("./commands/quota.ts")).quotaCommand,
  },
  user: {
    heading: COURSES,
    summary: "users of the server",
    load: async () => (await import("./commands/user.ts")).userCommand,
  },
  audit: {
    heading: OPERATORS,
    summary: "who did what to what, or was refused it",
    load: async () => (await import("./commands/audit.ts")).auditCommand,
  },
  backup: {
    heading: OPERATORS,
    summary: "write all that is stored to a file, while the server works",
    load: async () => (await import("./commands/backup.ts")).backupCommand,
  },
  restore: {
    heading: OPERATORS,
    summary: "make a data directory from such a file",
    load: async () => (await import("./commands/backup.ts")).restoreCommand,
  },
  fsck: {
    heading: OPERATORS,
    summary: "check all that is stored",
    load: async () => (await import("./commands/fsck.ts")).fsckCommand,
  },
  store: {
    heading: OPERATORS,
    summary: "the store of a running server",
    load: async () => (await import("./commands/store.ts")).storeCommand,
  },
  key: { heading: COURSES, summary: "API keys", load: async () => (await import("./commands/user.ts")).keyCommand },
};

/** `argv` as process.argv: says which branch is wanted. */
export async function buildProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command("ostler")
    .version(version, "-V, --version", "print the version")
    .description("Ostler keeps simulated computers.")
    .addHelpText("after", `\n${INTRODUCTION}`)
    .helpCommand("help [command]", "the same as --help")
    .enablePositionalOptions();
  const words = argv.slice(2).filter((word) => !word.startsWith("-"));
  const wanted = words[0] === "help" ? words[1] : words[0];
  for (const [name, { heading, summary, load }] of Object.entries(branches)) {
    const command = name === wanted ? await load() : new Command(name).summary(summary);
    program.addCommand(command.helpGroup(heading));
  }
  prepare(program, wanted !== "serve");
  return program;
}

/** What commander does not hand down to commands that were built on their own. */
function prepare(command: Command, withCommonOptions: boolean): void {
  command
    .exitOverride()
    .showHelpAfterError("(add --help for what is possible, and examples)")
    .showSuggestionAfterError();
  command.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "ostler: ")) });
  command.configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 120) });
  if (withCommonOptions && command.parent !== null && command.commands.length === 0) commonOptions(command);
  for (const sub of command.commands) prepare(sub, withCommonOptions);
}
