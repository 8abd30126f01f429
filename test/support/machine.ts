/**
 * A machine for tests, and what tests do with one again and again. What is jumped to a few times is translated, far sooner
 * than in a server, unless CPU_TRANSLATE is off.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import {
  type ApplyResult,
  type CallArgument,
  type CallId,
  type CpuModules,
  createMachine,
  createRv64Core,
  type Input,
  type Machine,
  type MachineConfig,
  type MachinePorts,
  type Output,
  type RunStop,
  restoreMachine,
  type TaskId,
  Translations,
} from "../../kernel/index.ts";

const cpuFile = (name: string): URL => new URL(`../../kernel/hardware/cpu/rv64/build/${name}`, import.meta.url);
const compiled = (name: string): WebAssembly.Module => new WebAssembly.Module(readFileSync(cpuFile(name)));
let cpu: CpuModules | null = null;
const cpuModules = (): CpuModules =>
  (cpu ??= {
    functional: compiled("rv64.wasm"),
    timed: compiled("rv64-timed.wasm"),
    translations: process.env["CPU_TRANSLATE"] === "off" ? undefined : new Translations({ jumps: 4, credit: 1e6 }),
  });

export const sha256 = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createHash("sha256").update(bytes).digest());
export const sha256Hex = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const contents = new Map<string, Uint8Array>();

/** Makes bytes known to every machine of the test as a file's content. */
export function fileOf(
  path: string,
  bytes: Uint8Array,
  mode = 0o755,
): { path: string; content: string; size: number; mode: number } {
  const content = sha256Hex(bytes);
  contents.set(content, bytes);
  return { path, content, size: bytes.length, mode };
}

export const noLimits = { instructions: 0, memoryBytes: 0, outputBytes: 0 };
export const forever = { instructions: Number.MAX_SAFE_INTEGER, timeNs: Number.MAX_SAFE_INTEGER };

export const testPorts = (overrides: Partial<MachinePorts> = {}): MachinePorts => ({
  createCore: (options) => createRv64Core(cpuModules(), options),
  sha256,
  content(hash) {
    const bytes = contents.get(hash);
    if (bytes === undefined) throw new Error(`the test gave no content ${hash}`);
    return bytes;
  },
  fetchPages() {
    throw new Error("the test has no absent pages");
  },
  ...overrides,
});

export const testConfig = (overrides: Partial<MachineConfig> = {}): MachineConfig => ({
  memoryBytes: 16 * 2 ** 20,
  seed: 42n,
  quantumInstructions: 10_000,
  realtimeEpochNs: 1_700_000_000_000_000_000n,
  hostname: "testbox",
  environment: ["HOME=/", "LANG=C"],
  files: [],
  limits: { tasks: 64, threads: 256, openFiles: 1024 },
  ...overrides,
});

export const testMachine = (overrides: Partial<MachineConfig> = {}, ports: Partial<MachinePorts> = {}): Machine =>
  createMachine(testConfig(overrides), testPorts(ports));

export { restoreMachine };

export function mustApply(machine: Machine, input: Input): TaskId | undefined {
  const result: ApplyResult = machine.apply(input);
  if (!result.ok) throw new Error(`${input.kind} was refused: ${JSON.stringify(result.error)}`);
  return result.task;
}

/** Runs until something other than a limit stops the machine, or a number of instructions is used up. */
export function runOn(machine: Machine, instructions = 200_000_000): RunStop {
  const last = machine.position().instructions + instructions;
  for (;;) {
    const stop = machine.run({ instructions: last, timeNs: Number.MAX_SAFE_INTEGER });
    if (stop.kind !== "limit" || machine.position().instructions >= last) return stop;
  }
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const consoleOf = (outputs: readonly Output[]): string =>
  outputs.map((output) => (output.kind === "console" ? text(output.bytes) : "")).join("");
export type Exit = Extract<Output, { kind: "taskExited" }>;
/** How the first task ended that ended, or the one that is named. */
export const exitOf = (outputs: readonly Output[], task?: TaskId): Exit | undefined =>
  outputs.find(
    (output): output is Exit => output.kind === "taskExited" && (task === undefined || output.task === task),
  );

export interface ProgramRun {
  machine: Machine;
  task: TaskId;
  stop: RunStop;
  outputs: Output[];
  console: string;
  exit: Exit | undefined;
}

export interface ProgramOptions {
  arguments?: string[];
  environment?: string[] | null;
  stdin?: string;
  limits?: Partial<typeof noLimits>;
  config?: Partial<MachineConfig>;
  instructions?: number;
  trace?: number;
}

export function startInput(path: string, options: ProgramOptions = {}): Extract<Input, { kind: "startProgram" }> {
  return {
    kind: "startProgram",
    path,
    arguments: options.arguments ?? [path],
    environment: options.environment ?? null,
    input:
      options.stdin === undefined
        ? { kind: "console" }
        : { kind: "bytes", bytes: new TextEncoder().encode(options.stdin) },
    limits: { ...noLimits, ...options.limits },
  };
}

/** Starts a program in a machine of its own and runs it to its end. */
export function runProgram(program: Uint8Array, options: ProgramOptions = {}): ProgramRun {
  const file = fileOf("/bin/program", program);
  const machine = testMachine({ ...options.config, files: [file, ...(options.config?.files ?? [])] });
  if (options.trace !== undefined) machine.setTraceMask(options.trace);
  const task = mustApply(machine, startInput("/bin/program", options))!;
  const stop = runOn(machine, options.instructions);
  const outputs = machine.drainOutputs();
  return { machine, task, stop, outputs, console: consoleOf(outputs), exit: exitOf(outputs, task) };
}

export interface CallResult {
  value: bigint;
  buffers: Uint8Array[];
  text: string;
}

let nextCall = 1;
export const int = (value: number | bigint): CallArgument => ({ kind: "integer", value: BigInt(value) });

/** Makes a call through a remote task; undefined while it blocks. */
export function startCall(machine: Machine, task: TaskId, number: number, args: CallArgument[]): CallId {
  const call = nextCall++ as CallId;
  mustApply(machine, { kind: "call", call, task, number, arguments: args });
  return call;
}

export function call(machine: Machine, task: TaskId, number: number, ...args: CallArgument[]): CallResult | undefined {
  const id = startCall(machine, task, number, args);
  for (const output of machine.drainOutputs()) if (output.kind === "callDone" && output.call === id) return output;
  return undefined;
}
