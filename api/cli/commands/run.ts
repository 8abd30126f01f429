/** `ostler run prog.elf args…`: as if the program ran here; its output, its input, its exit status. */
import { type Command, Option } from "commander";
import { UsageError } from "../failure.ts";
import { DEFAULT_TRACE, type RunOptions } from "../run/options.ts";
import { runRemote } from "../run/remote.ts";
import { action } from "../session.ts";
import { leaf, limitOptions } from "../shared.ts";
import { collect, collectPair, parseCount, parseDurationMs, parseSize } from "../units.ts";

const DETAILS = `
Options come before the program; what follows it belongs to the program.
Input: a file (< input.txt, or --stdin) is known beforehand, so that two runs are equal to the bit; a pipe or a
terminal is typed into the machine's console as it comes.
Output: standard output and standard error of the program are one stream, the machine's console.
Ctrl-C interrupts the program; a second one leaves. When this command is killed, the server ends the machine in a minute.
Status: the program's own, 128 + signal when it was killed, 124 after --timeout; 1 when it could not be run,
or when its input has ended and every thread waits for something that never comes.`;

function machineOptions(command: Command): Command {
  return command
    .option("--machine <machine>", "use this machine instead of a new one")
    .addOption(new Option("--memory <size>", "RAM of the new machine (default 64M)").argParser(parseSize))
    .addOption(new Option("--seed <n>", "seed of its randomness (default 0)").argParser(parseCount))
    .addOption(
      new Option("--file </path=local>", "a local file that the program can open; may be repeated").argParser(collect),
    )
    .option("--name <text>", "display name of the new machine (default: the program's)")
    .addOption(new Option("--label <name=value>", "label of the new machine; may be repeated").argParser(collectPair))
    .option("--keep", "keep the machine afterwards, and print its id")
    .option("--local", "without a server: run the machine in this process");
}

function programOptions(command: Command): Command {
  return limitOptions(command)
    .option(
      "--trace [filter]",
      "print what it does on standard error; --trace=<filter> for other events than calls and faults (see `ostler trace`)",
    )
    .option("--stdin <file>", "its standard input (- for this command's own)")
    .addOption(
      new Option("--env <NAME=value>", "environment, instead of the machine's; may be repeated").argParser(collect),
    )
    .addOption(new Option("--timeout <time>", "kill it after this much real time").argParser(parseDurationMs))
    .option("--stats", "say at the end what it used");
}

export const runCommand = programOptions(
  machineOptions(
    leaf("run <program> [args...]", "run a program: its output, its input, its exit status", [
      "ostler run hello.elf one two",
      "ostler run --trace hello.elf                      # with every system call, as strace shows it",
      "ostler run --trace=fault,memory --stats a.out",
      "ostler run --instructions 10M --timeout 5s a.out < input.txt",
      "ostler run --keep --memory 256M a.out             # look into the machine afterwards",
      "ostler run --local a.out                          # no server needed",
    ]),
  ),
)
  .passThroughOptions()
  .addHelpText("after", DETAILS)
  .action(
    action<RunOptions>(async (session, [program, ...args], options) => {
      if (!options.local) return runRemote(session, program!, args, options);
      for (const name of ["machine", "keep", "label"] as const) {
        if (options[name] !== undefined) throw new UsageError(`--${name} needs a server; it does not go with --local`);
      }
      const { runLocal } = await import("../run/local.ts");
      return runLocal(session, program!, args, options);
    }),
  );

/**
 * `--trace` has an optional value that only `=` gives, so that `--trace prog.elf` means the program. Commander
 * would take prog.elf as the value; a bare `--trace` is therefore completed before it is parsed.
 */
export function completeTraceOption(argv: readonly string[]): string[] {
  if (argv[2] !== "run") return [...argv];
  return argv.map((word, index) =>
    word === "--trace" && index > 2 && isBeforeProgram(argv, index) ? `--trace=${DEFAULT_TRACE}` : word,
  );
}

/** Options of `run` without a value; every other option takes the next word, unless it has an `=`. */
const FLAGS = new Set(["--keep", "--local", "--stats", "--trace", "--json", "--no-color", "--help", "-h"]);

function isBeforeProgram(argv: readonly string[], index: number): boolean {
  for (let at = 3; at < index; at++) {
    const word = argv[at]!;
    if (!word.startsWith("-") || word === "--") return false;
    if (!FLAGS.has(word) && !word.includes("=")) at++;
  }
  return true;
}
