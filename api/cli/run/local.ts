/**
 * `ostler run --local`: the kernel in this process. Nothing is kept; the same program with the same input gives
 * the same instruction counts as on a server.
 */
import { basename } from "node:path";
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import type { Input } from "../../../kernel/index.ts";
import { MachineSpecSchema } from "../../../proto/gen/ostler/v1/machines_pb.js";
import type { LocalHooks, LocalResult, LocalRun } from "../../hosting/worker/local.ts";
import { exitStatus } from "../../services/common.ts";
import { configOf } from "../../services/spec.ts";
import { CommandError, ExitCode, readInput, UsageError } from "../failure.ts";
import type { Session } from "../session.ts";
import { checkExecutable } from "../shared.ts";
import { pumpStdin, standardInput } from "../stdin.ts";
import { sha256Hex } from "../uploads.ts";
import { type RunOptions, stuckError, tellEnding } from "./options.ts";
import { localTrace } from "./trace.ts";

/** A quarter of what a console holds unread. */
const PIECE_BYTES = 16_384;
const SIGINT = 2;
const SIGKILL = 9;

export async function runLocal(
  session: Session,
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<number> {
  const run = await localRun(program, args, options);
  const trace = localTrace(session.out, options.trace);
  const feed = new Feed(run.start.input.kind === "console");
  const { runLocally } = await import("../../hosting/worker/local.ts");
  const stopInterrupts = interruptible(feed);
  const timer = options.timeout === undefined ? undefined : setTimeout(() => feed.kill(SIGKILL, true), options.timeout);
  const hooks: LocalHooks = {
    output: (bytes) => show(session, bytes),
    trace: trace.show,
    inputs: () => feed.take(),
    waitForInput: () => feed.wait(),
  };
  try {
    const result = await runLocally({ ...run, traceMask: trace.mask }, hooks).finally(() => trace.end());
    return ended(session, options, result, feed.timedOut);
  } finally {
    clearTimeout(timer);
    stopInterrupts();
    feed.close();
  }
}

async function localRun(program: string, args: readonly string[], options: RunOptions): Promise<LocalRun> {
  const content = new Map<string, Uint8Array<ArrayBuffer>>();
  const file = (path: string, local: string) => {
    const bytes = readInput(local);
    const hash = sha256Hex(bytes);
    content.set(hash, bytes);
    return { path, contentHash: hash, size: BigInt(bytes.length) };
  };
  checkExecutable(program, readInput(program));
  const path = `/bin/${basename(program)}`;
  const files = [file(path, program), ...(options.file ?? []).map((given) => givenFile(given, file))];
  const spec = create(MachineSpecSchema, {
    files,
    memoryBytes: BigInt(options.memory ?? 0),
    seed: BigInt(options.seed ?? 0),
  });
  const input = standardInput(options.stdin);
  return {
    config: configOf(spec),
    content,
    traceMask: 0,
    start: {
      kind: "startProgram",
      path,
      arguments: [path, ...args],
      environment: options.env ?? null,
      input: input.kind === "known" ? { kind: "bytes", bytes: input.bytes } : { kind: "console" },
      limits: {
        instructions: options.instructions ?? 0,
        memoryBytes: options.memoryLimit ?? 0,
        outputBytes: options.outputLimit ?? 0,
      },
    },
  };
}

function givenFile<T>(given: string, file: (path: string, local: string) => T): T {
  const split = given.indexOf("=");
  if (split < 1 || !given.startsWith("/"))
    throw new UsageError(`--file ${given}: not /path=local`, "give for example --file /data/words.txt=words.txt");
  return file(given.slice(0, split), given.slice(split + 1));
}

function show(session: Session, bytes: Uint8Array): Promise<void> | void {
  if (!session.out.json) return session.out.bytes(bytes);
  session.out.record({
    event: "output",
    text: Buffer.from(bytes).toString("utf8"),
    data: Buffer.from(bytes).toString("base64"),
  });
}

/** What comes from outside, between two slices. */
class Feed {
  #waiting: Input[] = [];
  #wake: (() => void) | undefined;
  #taken = Promise.withResolvers<void>();
  #mayGrow: boolean;
  readonly #ended = new AbortController();
  timedOut = false;

  constructor(live: boolean) {
    this.#mayGrow = live;
    if (!live) return;
    const pumped = pumpStdin(this.#ended.signal, (bytes, end) => this.#type(bytes, end));
    pumped.finally(() => this.#endGrowth()).catch(() => undefined);
  }

  /** In pieces that fit into the console; waits until what was typed has been taken. */
  async #type(bytes: Uint8Array<ArrayBuffer>, end: boolean): Promise<void> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#add({ kind: "console", bytes: bytes.slice(at, at + PIECE_BYTES) });
      await this.#taken.promise;
    }
    if (end) this.#add({ kind: "consoleEnd" });
  }

  take(): Input[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#taken.resolve();
    this.#taken = Promise.withResolvers<void>();
    return taken;
  }

  /** Also when the program sleeps for ever: Ctrl-C or --timeout end it. */
  wait(): Promise<void> {
    if (this.#waiting.length > 0) return Promise.resolve();
    if (!this.#mayGrow) throw stuckError();
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Who waits already looks again, and is told that nothing comes any more. */
  #endGrowth(): void {
    this.#mayGrow = false;
    this.#wake?.();
  }

  kill(signal: number, timedOut = false): void {
    this.timedOut = timedOut;
    this.#add({ kind: "killTask", task: 1 as never, signal });
  }

  close(): void {
    this.#ended.abort();
  }

  #add(input: Input): void {
    this.#waiting.push(input);
    this.#wake?.();
  }
}

function interruptible(feed: Feed): () => void {
  const second = () => process.exit(ExitCode.signalBase + SIGINT);
  const first = () => {
    feed.kill(SIGINT);
    process.once("SIGINT", second);
  };
  process.once("SIGINT", first);
  return () => process.removeListener("SIGINT", first).removeListener("SIGINT", second);
}

function ended(session: Session, options: RunOptions, result: LocalResult, timedOut: boolean): number {
  if (result.kind === "refused") throw new CommandError(`${result.field}: ${result.message}`);
  if (result.kind === "frozen")
    throw new CommandError(
      `the machine broke: ${result.message}`,
      "this is a fault of Ostler; please report it with the program",
    );
  const { task, status, fault, instructions, peakMemoryBytes } = result.exit;
  const shown =
    status.kind === "exited"
      ? { case: "code" as const, value: status.code }
      : { case: "signal" as const, value: status.signal };
  const counts = { instructions: BigInt(instructions), peakMemoryBytes: BigInt(peakMemoryBytes) };
  return tellEnding(
    session,
    { task, status: shown, description: exitStatus(status, fault).description ?? "", timedOut, ...counts },
    options,
  );
}
