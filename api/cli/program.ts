/** The whole command line as one tree of commands. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { callCommand, syscallsCommand } from "./commands/call.ts";
import { consoleCommand } from "./commands/console.ts";
import { gradeCommand } from "./commands/grade.ts";
import { machineCommand } from "./commands/machine.ts";
import { memoryCommand } from "./commands/memory.ts";
import { programCommand } from "./commands/program.ts";
import { runCommand } from "./commands/run.ts";
import { healthCommand, serveCommand } from "./commands/serve.ts";
import { snapshotCommand } from "./commands/snapshot.ts";
import { taskGroup } from "./commands/task.ts";
import { traceCommand } from "./commands/trace.ts";
import { keyCommand, userCommand } from "./commands/user.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };

const INTRODUCTION = `Machines that you can run programs on, stop, copy, trace and grade.

Examples:
  $ ostler run hello.elf one two              # run a program, see its output, get its exit status
  $ ostler run --trace hello.elf              # and every system call it makes
  $ M=$(ostler machine create --quiet)        # a machine that stays
  $ ostler machine start $M hello.elf
  $ ostler console follow $M

Every command has --help with examples, and --json for scripts.
Status: 0 done, 1 refused or failed, 2 wrong usage; \`run\` ends as its program did (128 + signal when killed).
Environment: OSTLER_SERVER, OSTLER_KEY, OSTLER_KEY_FILE, OSTLER_DATA, NO_COLOR.`;

export function buildProgram(): Command {
  const program = new Command("ostler")
    .version(version, "-V, --version", "print the version")
    .description("Ostler keeps simulated computers.")
    .addHelpText("after", `\n${INTRODUCTION}`)
    .enablePositionalOptions();
  const groups: [string, Command[]][] = [
    ["Run:", [runCommand, serveCommand, healthCommand]],
    ["Machines:", [machineCommand, consoleCommand, traceCommand, snapshotCommand, memoryCommand, taskGroup, callCommand, syscallsCommand, programCommand]],
    ["Courses:", [gradeCommand, userCommand, keyCommand]],
  ];
  for (const [heading, commands] of groups) for (const command of commands) program.addCommand(command.helpGroup(heading));
  prepare(program);
  return program;
}

/** Settings that commander does not hand down to commands that were built on their own. */
function prepare(command: Command): void {
  command.exitOverride().enablePositionalOptions().showHelpAfterError("(add --help for what is possible, and examples)").showSuggestionAfterError();
  command.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "ostler: ")) });
  command.configureHelp({ sortOptions: false, helpWidth: Math.min(process.stdout.columns ?? 100, 120) });
  for (const sub of command.commands) prepare(sub);
}
