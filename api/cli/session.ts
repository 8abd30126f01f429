/**
 * What every command works with: the connection, the output, Ctrl-C. `action` wraps a command's function so that
 * each of them is only what it does: options in, result out.
 */
import process from "node:process";
import type { DescService } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import type { Connection, ServiceClient } from "./client.ts";
import { type Access, DEFAULT_SERVER, resolveAccess } from "./credentials.ts";
import { CommandError } from "./failure.ts";
import { Output } from "./output.ts";
import { parseDurationMs } from "./units.ts";

export interface GlobalOptions {
  server?: string;
  key?: string;
  keyFile?: string;
  course?: string;
  data?: string;
  json?: boolean;
  color?: boolean;
  retryFor?: number;
  deadline?: number;
}

/** Longer than a server takes to start. */
const DEFAULT_RETRY_MS = 10_000;
/** How long a follower waits for a server that went away. */
const FOLLOW_PATIENCE_MS = 120_000;

/** Options that every command has, in a group of their own in `--help`. */
export function commonOptions(command: Command): Command {
  const group = (option: Option) => command.addOption(option.helpGroup("Common options:"));
  group(new Option("--json", "print JSON (one document; streams: one line each)"));
  group(new Option("--no-color", "no colours (also: NO_COLOR)"));
  group(new Option("--server <host:port>", `the server's gRPC address (OSTLER_SERVER; default ${DEFAULT_SERVER})`));
  group(new Option("--key <key>", "API key (OSTLER_KEY)"));
  group(
    new Option(
      "--key-file <file>",
      "file with the API key (OSTLER_KEY_FILE; default on this machine: <data>/admin.key)",
    ),
  );
  group(new Option("--course <course>", "the course that it is about, for those who are in several (OSTLER_COURSE)"));
  group(new Option("--data <directory>", "the server's data directory, to find its key (OSTLER_DATA)"));
  group(
    new Option(
      "--retry-for <time>",
      "repeat calls this long while the server is away or asks to come again (default 10s)",
    ).argParser(parseDurationMs),
  );
  group(new Option("--deadline <time>", "give up on a call after this time (default 60s)").argParser(parseDurationMs));
  return command;
}

export class Session {
  readonly options: GlobalOptions;
  readonly out: Output;
  readonly access: Access;
  #connection: Connection | undefined;
  #isLost = false;
  /** Aborted by the first Ctrl-C, unless the command handles it itself. */
  readonly interrupted = new AbortController();

  constructor(options: GlobalOptions) {
    this.options = options;
    this.out = new Output({ json: options.json === true, colour: wantsColour(options) });
    this.access = resolveAccess(options, process.env);
  }

  get signal(): AbortSignal {
    return this.interrupted.signal;
  }

  get patienceMs(): number {
    return this.options.retryFor ?? FOLLOW_PATIENCE_MS;
  }

  /** Loads the transport only when a command talks to the server. */
  async service<S extends DescService>(service: S): Promise<ServiceClient<S>> {
    if (this.#connection === undefined) {
      const { Connection } = await import("./client.ts");
      this.#connection = new Connection({
        address: this.access.address,
        key: this.access.key,
        course: this.options.course ?? process.env["OSTLER_COURSE"],
        retryForMs: this.options.retryFor ?? DEFAULT_RETRY_MS,
        deadlineMs: this.options.deadline,
        onWaiting: () => this.out.note(`waiting for the server at ${this.access.address}`),
      });
    }
    return this.#connection.service(service);
  }

  close(): void {
    this.#connection?.close();
  }

  /** A stream that goes on after the server was away. */
  async *follow<T>(open: () => AsyncIterable<T>, signal: AbortSignal = this.signal): AsyncGenerator<T> {
    const { resuming } = await import("./client.ts");
    yield* resuming(open, {
      patienceMs: this.patienceMs,
      retryForMs: this.options.retryFor ?? DEFAULT_RETRY_MS,
      signal,
      onLost: (lost) => this.#tellLost(lost),
    });
  }

  /** Streams lose the server together: it is said once. */
  #tellLost(lost: boolean): void {
    if (lost === this.#isLost) return;
    this.#isLost = lost;
    this.out.note(lost ? "connection lost; waiting for the server" : "the server is back; continuing");
  }

  /** Ctrl-C ends the stream that this signal belongs to; a second one ends the process. */
  interruptible(): AbortSignal {
    process.once("SIGINT", () => {
      this.interrupted.abort();
      process.once("SIGINT", () => process.exit(130));
    });
    return this.signal;
  }
}

function wantsColour(options: GlobalOptions): boolean {
  if (options.color === false || process.env["NO_COLOR"]) return false;
  return process.stdout.isTTY === true;
}

/** Turns "the server does not answer" into what to do about it; everything else passes. */
export async function explain(error: unknown, access: Access): Promise<unknown> {
  const { isOtherProtocol, isUnreachable } = await import("./client.ts");
  if (isOtherProtocol(error))
    return new CommandError(
      `what answers at ${access.address} does not speak gRPC`,
      `--server wants the gRPC address (default ${DEFAULT_SERVER}), not that of REST`,
    );
  if (!isUnreachable(error)) return error;
  const refused = (error as Error).message
    .replace(/^.*Last error: (?:Error: )?/s, "")
    .replace(/\. Resolution note:.*$/s, "");
  return new CommandError(
    `no Ostler server answers at ${access.address} (${refused})`,
    "start one with `npm start` or `ostler serve`, or name another with --server or OSTLER_SERVER",
  );
}

type Positionals = readonly (string | string[] | undefined)[];

/** Runs a command's function with a session; commander passes positionals, options, command. */
export function action<Options extends object>(
  run: (session: Session, positionals: string[], options: Options) => Promise<number | void>,
) {
  return async (...args: unknown[]): Promise<void> => {
    const command = args.at(-1) as Command;
    const options = command.optsWithGlobals<GlobalOptions & Options>();
    const session = new Session(options);
    const positionals = (args.slice(0, -2) as Positionals).flat().filter((value) => value !== undefined);
    try {
      process.exitCode = (await run(session, positionals, options)) ?? 0;
    } catch (error) {
      const interrupted =
        session.signal.aborted && error instanceof Error && /abort|cancel/i.test(error.name + error.message);
      if (interrupted) process.exitCode = 130;
      else throw await explain(error, session.access);
    } finally {
      session.close();
    }
  };
}
