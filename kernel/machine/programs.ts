/** Starting programs: everything is checked first (see apply.ts). */
import { sel4Auxiliary, writeBootInfo } from "../abi/sel4/bootinfo.ts";
import { pageBytes } from "../hal/types.ts";
import { createWorld, mayCreateWorld, tablesOfWorld } from "../ipc/sel4/world.ts";
import { limits } from "../lib/limits.ts";
import { randomBytes } from "../lib/random.ts";
import { encodeText } from "../lib/text.ts";
import { framesToStart, loadProgram, type Program, planProgram, stackBytesOf } from "../loader/program.ts";
import { getImage, reclaimableFrames } from "../mm/images.ts";
import { userId } from "../thread/credentials.ts";
import type { Task, TaskLimits } from "../thread/state.ts";
import { createTask, nextTaskId } from "../thread/tasks.ts";
import { duplicate, openTarget } from "../vfs/descriptors.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import type { Input, InputError, StandardInput } from "./types.ts";

type Start = Extract<Input, { kind: "startProgram" }>;
type Refusal = { error: InputError };

const readWrite = 2;

export function limitsProblem(wanted: TaskLimits): Refusal | null {
  for (const name of ["instructions", "memoryBytes", "outputBytes"] as const) {
    if (!Number.isSafeInteger(wanted[name]) || wanted[name] < 0)
      return refuse("invalid", `limits.${name}`, "must be a count, or 0 for no limit");
  }
  return null;
}

/** Whether there is room for one more task of this many frames and open files. */
export function roomProblem(k: Kernel, frames: number, files: number, memoryBytes: number): Refusal | null {
  const { tasks, threads, openFiles } = k.config.limits;
  if (k.threads.tasks.size >= tasks) return refuse("exhausted", "", `the machine runs ${tasks} tasks, its limit`);
  if (k.threads.threads.size >= threads)
    return refuse("exhausted", "", `the machine has ${threads} threads, its limit`);
  if (k.files.open.size + files > openFiles)
    return refuse("exhausted", "", `the machine has ${openFiles} open files, its limit`);
  if (memoryBytes !== 0 && memoryBytes < frames * pageBytes) {
    return refuse(
      "invalid",
      "limits.memoryBytes",
      `must be at least ${frames * pageBytes} bytes: the task would not even start`,
    );
  }
  const free = k.mm.frames.free - limits.reservedFrames + reclaimableFrames(k);
  return frames > free ? refuse("exhausted", "", "the machine's memory is used up") : null;
}

export const frameLimitOf = ({ memoryBytes }: TaskLimits): number => Math.floor(memoryBytes / pageBytes);

function stringsProblem(field: string, strings: readonly string[]): Refusal | null {
  const index = strings.findIndex((text) => text.includes("\0"));
  return index < 0 ? null : refuse("invalid", `${field}[${index}]`, "must not contain a NUL character");
}

function argumentsProblem(start: Start, environment: readonly string[]): Refusal | null {
  const problem = stringsProblem("arguments", start.arguments) ?? stringsProblem("environment", environment);
  if (problem !== null) return problem;
  if (start.arguments.length + environment.length > limits.argumentCount) {
    return refuse("invalid", "arguments", `at most ${limits.argumentCount} arguments and environment strings in all`);
  }
  const bytes = [...start.arguments, ...environment].reduce((sum, text) => sum + encodeText(text).length + 9, 0);
  return bytes > limits.argumentBytes
    ? refuse("invalid", "arguments", `arguments and environment take ${bytes} bytes, more than ${limits.argumentBytes}`)
    : null;
}

function inputProblem({ input }: Start): Refusal | null {
  if (input.kind === "bytes" && input.bytes.length > limits.inspectBytes) {
    return refuse("invalid", "input.bytes", `at most ${limits.inspectBytes} bytes`);
  }
  return null;
}

/** The file as a program, or why it is none. */
function findProgram(k: Kernel, start: Start, environment: readonly string[]): Program | Refusal {
  const entry = k.files.entries.get(start.path);
  if (entry === undefined) return refuse("notFound", "path", `the machine has no file ${start.path}`);
  if ((entry.mode & 0o111) === 0) {
    return refuse(
      "badExecutable",
      "path",
      `${start.path} has no execute permission (mode 0o${entry.mode.toString(8)})`,
    );
  }
  const content = k.content(getImage(k, entry.image).hash);
  if (content.length !== entry.size)
    return refuse("invalid", "path", `${start.path} was announced with ${entry.size} bytes but has ${content.length}`);
  const plan = planProgram(k, content);
  if (!plan.ok) return refuse("badExecutable", "path", `${start.path}: ${plan.message}`);
  return { path: start.path, image: entry.image, executable: plan.executable, arguments: start.arguments, environment };
}

/** Why there can be no root task now. */
export const noWorld = [
  "exhausted",
  "",
  "the machine has not enough free memory in one piece for a root task's objects",
] as const;

export function planProgramStart(k: Kernel, start: Start): Plan {
  const environment = start.environment ?? k.config.environment;
  const problem = limitsProblem(start.limits) ?? argumentsProblem(start, environment) ?? inputProblem(start);
  if (problem !== null) return problem;
  const program = findProgram(k, start, environment);
  if ("error" in program) return program;
  const { wantsCapabilities } = program.executable;
  const ownTables = wantsCapabilities ? tablesOfWorld : 0;
  const frames = framesToStart(stackBytesOf([start.path, ...start.arguments, ...environment])) + ownTables;
  const noRoom = roomProblem(k, frames, 2, start.limits.memoryBytes);
  if (noRoom === null && wantsCapabilities && !mayCreateWorld(k)) return refuse(...noWorld);
  return noRoom ?? { perform: () => startProgram(k, start, program).id };
}

function startProgram(k: Kernel, start: Start, program: Program): Task {
  const random = randomBytes(k.random, 16);
  const { space, context } = loadProgram(k, nextTaskId(k), program, {
    frameLimit: frameLimitOf(start.limits),
    random,
    userId,
    auxiliary: program.executable.wantsCapabilities ? sel4Auxiliary : [],
  });
  const name = start.path.slice(start.path.lastIndexOf("/") + 1);
  const { task, thread } = createTask(
    k,
    { name, kind: "program", space: space.id, limits: start.limits, executable: start.path },
    context,
  );
  openStandardFiles(k, task, start.input);
  if (program.executable.wantsCapabilities) writeBootInfo(k, createWorld(k, task, thread, space));
  k.readyQueue.ready(thread);
  return task;
}

/** Descriptors 0, 1 and 2. */
export function openStandardFiles(k: Kernel, task: Task, input: StandardInput): void {
  if (input.kind === "bytes") openTarget(k, task, { kind: "bytes", bytes: input.bytes.slice() }, 0, false);
  const first = openTarget(k, task, { kind: "console" }, readWrite, false) as number;
  while (task.descriptors.length < 3) duplicate(k, task, first, 0, false);
}
