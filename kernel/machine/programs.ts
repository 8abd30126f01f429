/** Starting programs: everything is checked first (see apply.ts). */
import { sel4Auxiliary, writeBootInfo } from "../abi/sel4/bootinfo.ts";
import { hasRoomForCapabilities } from "../cap/slots.ts";
import { pageBytes } from "../hal/types.ts";
import { createWorld, tablesOfWorld, worldProblem } from "../ipc/sel4/world.ts";
import { assert } from "../lib/assert.ts";
import { limits } from "../lib/limits.ts";
import { randomBytes } from "../lib/random.ts";
import { encodeText } from "../lib/text.ts";
import { type Executable, sourceOf } from "../loader/elf.ts";
import {
  framesToStart,
  type LoadedFile,
  leavesRoom,
  loadProgram,
  type Program,
  planProgram,
  stackBytesOf,
} from "../loader/program.ts";
import { reclaimableFrames } from "../mm/images.ts";
import { usualBounds } from "../mm/space.ts";
import { copyCredentials, userCredentials } from "../thread/credentials.ts";
import type { Credentials, Place, Task, TaskLimits } from "../thread/state.ts";
import { createTask, nextTaskId } from "../thread/tasks.ts";
import { hasRoomForHost } from "../tty/pty.ts";
import { openTarget } from "../vfs/descriptors.ts";
import { attributesOf, filesystemOf, opsOfFilesystem } from "../vfs/filesystem.ts";
import { findForHost, host } from "../vfs/given.ts";
import { openHostConsole, openHostTerminal } from "../vfs/host-terminal.ts";
import { firstNamespace, topOf } from "../vfs/mounts.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import { windowProblem } from "./terminals.ts";
import type { Input, InputError, StandardInput } from "./types.ts";

type Start = Extract<Input, { kind: "startProgram" }>;
type Refusal = { error: InputError };

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
  // Its first descriptors, and what it has of the pools of memory.
  if (!hasRoomForCapabilities(k, 256))
    return refuse("exhausted", "", `the machine has ${limits.capabilities} capabilities, the most that there can be`);
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

function inputProblem(k: Kernel, { input }: Start): Refusal | null {
  if (input.kind === "terminal") {
    const problem = windowProblem("input.", input);
    if (problem !== null || hasRoomForHost(k)) return problem;
    return refuse("exhausted", "input", "the machine has as many terminals as it may have; close one");
  }
  if (input.kind === "bytes" && input.bytes.length > limits.inspectBytes) {
    return refuse("invalid", "input.bytes", `at most ${limits.inspectBytes} bytes`);
  }
  return null;
}

/** A file and where it is: opened only when the program is to start. */
interface FoundFile {
  path: string;
  place: Place;
  executable: Executable;
}

interface Found extends FoundFile {
  interpreter: FoundFile | null;
}

/** The file at a path as something to load, or why it is none. Changes nothing. */
function findExecutable(k: Kernel, path: string): FoundFile | Refusal {
  const place = findForHost(k, path);
  if ("errno" in place) return refuse("notFound", "path", `the machine has no file ${path}`);
  const attributes = attributesOf(k, place);
  if ((attributes.mode & 0o111) === 0) {
    const mode = (attributes.mode & 0o7777).toString(8);
    return refuse("badExecutable", "path", `${path} has no execute permission (mode 0o${mode})`);
  }
  if (attributes.size > limits.hostFileBytes)
    return refuse("badExecutable", "path", `${path} has more than ${limits.hostFileBytes} bytes`);
  const fs = filesystemOf(k, place.mount);
  const content = opsOfFilesystem(k, fs).content(k, fs, place.inode);
  if (content === null) return refuse("badExecutable", "path", `${path} is no regular file`);
  if (content.length !== attributes.size) {
    const sizes = `${attributes.size} bytes but has ${content.length}`;
    return refuse("invalid", "path", `${path} was announced with ${sizes}`);
  }
  const plan = planProgram(k, sourceOf(content));
  return plan.ok
    ? { path, place, executable: plan.executable }
    : refuse("badExecutable", "path", `${path}: ${plan.message}`);
}

/** The program, with the dynamic linker that it needs. */
function findProgram(k: Kernel, { path }: Start): Found | Refusal {
  const found = findExecutable(k, path);
  if ("error" in found) return found;
  const { interpreter: name } = found.executable;
  if (name === null) return { ...found, interpreter: null };
  const interpreter = findExecutable(k, name);
  if (!("error" in interpreter)) {
    if (leavesRoom(k, found.executable, interpreter.executable)) return { ...found, interpreter };
    return refuse("badExecutable", "path", `${path}: the program leaves no room for ${name}`);
  }
  const why = `the program is dynamically linked, and ${interpreter.error.message}; link it with -static`;
  return refuse("badExecutable", "path", `${path}: ${why}`);
}

/** What the file that was found holds, for an address space to show. */
function openExecutable(k: Kernel, { path, place, executable }: FoundFile): LoadedFile {
  const fs = filesystemOf(k, place.mount);
  const target = opsOfFilesystem(k, fs).open(k, fs, place.inode, host(k));
  assert(typeof target !== "string" && target.kind === "regular", "a program is a regular file");
  return { path, executable, file: target.file };
}

function openProgram(k: Kernel, start: Start, environment: readonly string[], found: Found): Program {
  const interpreter = found.interpreter === null ? null : openExecutable(k, found.interpreter);
  const { path: name, arguments: args } = start;
  return { ...openExecutable(k, found), interpreter, name, arguments: args, environment };
}

/** `credentials`: whom the program acts for. */
export function planProgramStart(k: Kernel, start: Start, credentials: Credentials = userCredentials()): Plan {
  const environment = start.environment ?? k.config.environment;
  const problem = limitsProblem(start.limits) ?? argumentsProblem(start, environment) ?? inputProblem(k, start);
  if (problem !== null) return problem;
  const found = findProgram(k, start);
  if ("error" in found) return found;
  const { wantsCapabilities } = found.executable;
  const ownTables = wantsCapabilities ? tablesOfWorld : 0;
  const frames = framesToStart(stackBytesOf([start.path, ...start.arguments, ...environment])) + ownTables;
  const noRoom = roomProblem(k, frames, 2, start.limits.memoryBytes);
  const noWorld = wantsCapabilities ? worldProblem(k) : null;
  if (noRoom === null && noWorld !== null) return refuse("exhausted", "", noWorld);
  return noRoom ?? { perform: () => startProgram(k, start, openProgram(k, start, environment, found), credentials).id };
}

function startProgram(k: Kernel, start: Start, program: Program, credentials: Credentials): Task {
  const random = randomBytes(k.random, 16);
  const { space, context } = loadProgram(k, nextTaskId(k), program, {
    frameLimit: frameLimitOf(start.limits),
    random,
    identity: credentials,
    bounds: usualBounds,
    auxiliary: program.executable.wantsCapabilities ? sel4Auxiliary : [],
  });
  const name = start.path.slice(start.path.lastIndexOf("/") + 1);
  const { limits: wanted, path: executable } = start;
  const root = topOf(k, firstNamespace);
  const { task, thread } = createTask(
    k,
    { name, kind: "program", space: space.id, limits: wanted, executable, root },
    context,
  );
  task.credentials = copyCredentials(credentials);
  openStandardFiles(k, task, start.input);
  if (program.executable.wantsCapabilities) writeBootInfo(k, createWorld(k, task, thread, space));
  k.readyQueue.ready(thread);
  return task;
}

/** Descriptors 0, 1 and 2. */
export function openStandardFiles(k: Kernel, task: Task, input: StandardInput): void {
  if (input.kind === "terminal") {
    openHostTerminal(k, task, input.rows, input.columns);
    return;
  }
  if (input.kind === "bytes") openTarget(k, task, { kind: "bytes", bytes: input.bytes.slice() }, 0, false);
  openHostConsole(k, task);
}
