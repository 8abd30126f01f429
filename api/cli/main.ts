/** The command line: parse, run, and end with a status that scripts can rely on (see failure.ts). */
import process from "node:process";
import { CommanderError } from "commander";
import { completeTraceOption } from "./commands/run.ts";
import { describe, ExitCode, errorJson, exitCodeOf } from "./failure.ts";
import { manyLines } from "./output.ts";
import { buildProgram } from "./program.ts";
import { reader } from "./reader.ts";

/** `ostler trace … | head`: the reader has gone, which is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (reader.gone !== null) reader.gone();
  else process.exit(process.exitCode ?? 0);
});

try {
  const program = await buildProgram(process.argv);
  await program.parseAsync(completeTraceOption(process.argv));
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has written what was wrong, or the help that was asked for.
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  } else {
    report(error);
    process.exitCode = exitCodeOf(error);
  }
}

function report(error: unknown): void {
  if (process.argv.includes("--json")) {
    process.stderr.write(`${JSON.stringify(errorJson(error))}\n`);
    return;
  }
  const { message, help } = describe(error);
  process.stderr.write(`ostler: ${manyLines(message)}\n`);
  for (const line of help) process.stderr.write(`        ${manyLines(line)}\n`);
}
