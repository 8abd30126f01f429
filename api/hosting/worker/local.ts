/**
 * One machine in this process, without server, worker or database: what `ostler run --local` uses. The same kernel
 * and the same residents as in a worker, so a program runs as it would on a server.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Input, MachineConfig, Output, TaskId } from "../../../kernel/index.ts";
import { compileCpu } from "../cpu.ts";
import { ContentCache, type ContentFetcher } from "./content.ts";
import { type Resident, ResidentFactory } from "./resident.ts";

const CONTENT_BYTES = 256 * 1024 * 1024;
/** Short enough that keys and Ctrl-C are noticed at once. */
const SLICE_INSTRUCTIONS = 1_000_000;
/** Bounded by what the trace ring holds between two drains. */
const TRACED_SLICE_INSTRUCTIONS = 100_000;

export type LocalStart = Extract<Input, { kind: "startProgram" }>;
export type LocalExit = Extract<Output, { kind: "taskExited" }>;

export interface LocalRun {
  config: MachineConfig;
  /** Content of the config's files, by hash. */
  content: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  start: LocalStart;
  traceMask: number;
}

export interface LocalHooks {
  output(bytes: Uint8Array): Promise<void> | void;
  /** Packed records. */
  trace(records: Uint8Array<ArrayBuffer>): void;
  /** Inputs that arrived since the last time it was asked. */
  inputs(): Input[];
  /** Resolves when `inputs` has something. */
  waitForInput(): Promise<void>;
}

export type LocalResult =
  | { kind: "exited"; exit: LocalExit }
  | { kind: "refused"; field: string; message: string }
  | { kind: "frozen"; message: string };

/** Runs the program to its end. */
export async function runLocally(run: LocalRun, hooks: LocalHooks): Promise<LocalResult> {
  const factory = new ResidentFactory(compileCpu(), new ContentCache(mapFetcher(run.content), CONTENT_BYTES));
  const resident = await factory.create({ kind: "config", config: run.config }, 0);
  resident.machine.setTraceMask(run.traceMask);
  const started = resident.apply(run.start);
  if (!started.ok) return { kind: "refused", field: started.error.field, message: started.error.message };
  resident.apply({ kind: "resume", untilInstructions: null, untilTimeNs: null });
  return untilExit(resident, started.task!, run.traceMask, hooks);
}

async function untilExit(resident: Resident, task: TaskId, traceMask: number, hooks: LocalHooks): Promise<LocalResult> {
  const size = traceMask === 0 ? SLICE_INSTRUCTIONS : TRACED_SLICE_INSTRUCTIONS;
  let waiting: Input[] = [];
  for (;;) {
    waiting = applyWhatFits(resident, [...waiting, ...hooks.inputs()]);
    const { instructions } = resident.machine.position();
    const stop = resident.run({ instructions: instructions + size, timeNs: Number.MAX_SAFE_INTEGER });
    const exit = await deliver(resident, task, hooks);
    if (exit !== undefined) return { kind: "exited", exit };
    if (stop.kind === "frozen") return { kind: "frozen", message: stop.message };
    // A program that ran before it went idle may have made room by reading.
    const mayFit = waiting.length > 0 && resident.machine.position().instructions > instructions;
    if (stop.kind === "limit" || mayFit) await turn();
    else await hooks.waitForInput();
  }
}

/** Applies inputs; what is typed stays in order and waits while the console is full. The rest passes it. */
function applyWhatFits(resident: Resident, inputs: Input[]): Input[] {
  const waiting: Input[] = [];
  for (const input of inputs) {
    const isTyped = input.kind === "console" || input.kind === "consoleEnd";
    if (isTyped && waiting.length > 0) waiting.push(input);
    else if (!fits(resident, input)) waiting.push(input);
  }
  return waiting;
}

function fits(resident: Resident, input: Input): boolean {
  const result = resident.apply(input);
  return result.ok || result.error.code !== "exhausted";
}

/** Hands out what the machine said; the watched task's end, if it was among it. */
async function deliver(resident: Resident, task: TaskId, hooks: LocalHooks): Promise<LocalExit | undefined> {
  const { outputs, trace } = resident.mark();
  if (trace.length > 0) hooks.trace(trace);
  let exit: LocalExit | undefined;
  for (const output of outputs) {
    if (output.kind === "console") await hooks.output(output.bytes);
    if (output.kind === "taskExited" && output.task === task) exit = output;
  }
  return exit;
}

function mapFetcher(content: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): ContentFetcher {
  const now = (hashes: readonly string[]) => hashes.map((hash) => content.get(hash) ?? null);
  return { now, later: async (hashes) => now(hashes) };
}
