/**
 * What the user sees when something went wrong, and with which status the command ends:
 * 0 done, 1 refused by the server or impossible, 2 wrong usage. `run` ends as its program ended.
 */
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { Code, codeName, type OstlerError } from "../errors.ts";

export const ExitCode = { ok: 0, failed: 1, usage: 2, timeout: 124, signalBase: 128 } as const;

/** The command line itself is wrong. `help` says what would be right. */
export class UsageError extends Error {
  readonly help: string;
  constructor(message: string, help = "") {
    super(message);
    this.help = help;
  }
}

/** Not the server's word but ours: a file that is not there, a server that does not answer. */
export class CommandError extends Error {
  readonly help: string;
  constructor(message: string, help = "") {
    super(message);
    this.help = help;
  }
}

/** Options that set a field of a request; the message then names what the user typed. */
const OPTION_OF_FIELD: Record<string, string> = {
  course_id: "--course",
  "spec.memory_bytes": "--memory",
  "spec.physical_memory.set_aside": "--set-aside",
  "spec.physical_memory.dma_bytes": "--dma",
  "spec.seed": "--seed",
  "spec.quantum_instructions": "--quantum",
  "spec.hostname": "--hostname",
  "spec.files": "--file",
  "spec.environment": "--env",
  environment: "--env",
  display_name: "--name",
  expires_at: "--expires",
  keys_expire_at: "--expires",
  role_at_most: "--role",
  operations: "--operation",
  labels: "--label",
  page_size: "--page-size",
  standard_input: "--stdin",
  "limits.instructions": "--instructions",
  "filter.expression": "--expression",
  "filter.categories": "--filter",
};

/** Says which option sets a field, given by its path or by its name alone. */
export function optionOf(field: string): string {
  const bare = field.replace(/\[.*$/, "");
  const named = Object.keys(OPTION_OF_FIELD).find((path) => path.endsWith(`.${field}`));
  const option = OPTION_OF_FIELD[field] ?? OPTION_OF_FIELD[bare] ?? OPTION_OF_FIELD[named ?? ""];
  return option === undefined ? "" : ` (option ${option})`;
}

/** Reads a file of the user's. */
export function readInput(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Writes a file of the user's. */
export function writeOutput(path: string, content: string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** For what comes bit by bit. Opened before anything is asked for, so that a bad path costs nothing. */
export function openOutput(path: string): Promise<ReturnType<typeof createWriteStream>> {
  const file = createWriteStream(path);
  return new Promise((resolve, reject) => {
    file.once("open", () => resolve(file));
    file.once("error", (error) => reject(unwritable(path, error)));
  });
}

export const unreadable = (path: string, error: unknown): CommandError =>
  fileError(path, error, { ENOENT: "there is no such file", EACCES: "you may not read it" });

export const unwritable = (path: string, error: unknown): CommandError =>
  fileError(path, error, { ENOENT: "there is no such directory", EACCES: "you may not write it" });

function fileError(path: string, error: unknown, words: Record<string, string>): CommandError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = { EISDIR: "it is a directory", ENOTDIR: "a part of it is no directory", ...words }[code ?? ""];
  return new CommandError(`${path}: ${why ?? message}`);
}

/** One line what went wrong, then lines that help. */
export function describe(error: unknown): { message: string; help: string[] } {
  if (error instanceof UsageError || error instanceof CommandError) {
    return { message: error.message, help: error.help === "" ? [] : [error.help] };
  }
  if (isServerError(error)) return { message: serverMessage(error), help: serverHelp(error) };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), help: [] };
}

/** By shape: the class would drag the transport in even for `--help`. */
export function isServerError(error: unknown): error is OstlerError {
  return error instanceof Error && error.name === "OstlerError";
}

function serverMessage(error: OstlerError): string {
  const [only, ...more] = error.violations;
  return only !== undefined && more.length === 0 ? `${error.message}${optionOf(only.field)}` : error.message;
}

function serverHelp(error: OstlerError): string[] {
  const help: string[] = [];
  if (error.violations.length > 1) {
    for (const { field, description } of error.violations) help.push(`${field}: ${description}${optionOf(field)}`);
  } else if (error.violations.length === 1 && !error.message.includes(error.violations[0]!.description)) {
    help.push(`${error.violations[0]!.field}: ${error.violations[0]!.description}`);
  }
  if (error.code === Code.UNAUTHENTICATED) {
    help.push(
      "give a key with --key or OSTLER_KEY; on the server's own machine the key file <data>/admin.key is found by itself",
    );
  }
  if (error.retryAfterMs !== undefined) help.push(`try again in ${Math.max(0.1, error.retryAfterMs / 1000)} s`);
  return help;
}

/** For --json: the same facts for programs. */
export function errorJson(error: unknown): Record<string, unknown> {
  const { message, help } = describe(error);
  if (!isServerError(error))
    return { error: { code: error instanceof UsageError ? "USAGE" : "CLIENT", message, help } };
  const { code, reason, violations, retryAfterMs, metadata } = error;
  return {
    error: {
      code: codeName(code),
      reason,
      message: error.message,
      violations,
      metadata,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  };
}

export const exitCodeOf = (error: unknown): number => (error instanceof UsageError ? ExitCode.usage : ExitCode.failed);
