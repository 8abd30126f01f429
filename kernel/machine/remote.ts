/**
 * Tasks whose system calls come from a client instead of instructions.
 *
 * Such a task has an address space with a scratch region and one thread that never executes. A call's arguments
 * are laid into the scratch memory, the registers are set as a program would set them, and the same dispatch
 * follows as after a trap. So it works while the machine is paused, and blocks and resumes like any call.
 */
import { writeBootInfo } from "../abi/sel4/bootinfo.ts";
import { dispatch } from "../entry/syscall.ts";
import { Permission } from "../hal/types.ts";
import { createWorld, worldProblem } from "../ipc/sel4/world.ts";
import { assert } from "../lib/assert.ts";
import { alignUp } from "../lib/bits.ts";
import { type Errno, errnoResult } from "../lib/errno.ts";
import type { CallId, TaskId, ThreadId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { encodeText } from "../lib/text.ts";
import { covers } from "../mm/regions.ts";
import { addRegion, createSpace, discardPages, getSpace, unmapRange } from "../mm/space.ts";
import type { Space } from "../mm/state.ts";
import { copyOut } from "../mm/user.ts";
import { beginRemoteCall, block } from "../thread/blocking.ts";
import type { Task, Thread } from "../thread/state.ts";
import { createTask, nextTaskId, taskOf } from "../thread/tasks.ts";
import { firstNamespace, topOf } from "../vfs/mounts.ts";
import type { Kernel } from "./kernel.ts";
import { liveTask, type Plan, refuse } from "./plan.ts";
import { frameLimitOf, limitsProblem, openStandardFiles, roomProblem } from "./programs.ts";
import type { CallArgument, Input, InputError } from "./types.ts";

type Create = Extract<Input, { kind: "createRemoteTask" }>;
type CallInput = Extract<Input, { kind: "call" }>;

const scratchStart = 0x1000_0000;
const heapStart = 0x2000_0000;
const argumentCount = 6;
const alignment = 16;

function addScratch(k: Kernel, space: Space): void {
  const permissions = Permission.read | Permission.write;
  addRegion(k, space, {
    start: scratchStart,
    end: scratchStart + limits.scratchBytes,
    permissions,
    backing: { kind: "anonymous" },
    name: "[scratch]",
  });
}

export function planRemoteTask(k: Kernel, { name, limits: wanted, capabilities }: Create): Plan {
  if (name === "" || name.length > 255 || name.includes("\0"))
    return refuse("invalid", "name", "must have 1 to 255 characters, no NUL");
  const problem = limitsProblem(wanted) ?? roomProblem(k, 8, 1, wanted.memoryBytes);
  const noWorld = capabilities === true ? worldProblem(k) : null;
  if (problem === null && noWorld !== null) return refuse("exhausted", "", noWorld);
  return problem ?? { perform: () => createRemoteTask(k, name, wanted, capabilities === true).id };
}

function createRemoteTask(k: Kernel, name: string, wanted: Create["limits"], capabilities: boolean): Task {
  const space = createSpace(k, nextTaskId(k), frameLimitOf(wanted));
  assert(space !== null, "there was a frame for the top table");
  addScratch(k, space);
  space.heapStart = heapStart;
  space.heapEnd = heapStart;
  const context = k.hal.contexts.create(0, 0);
  const { task, thread } = createTask(
    k,
    { name, kind: "remote", space: space.id, limits: wanted, executable: "", root: topOf(k, firstNamespace) },
    context,
  );
  openStandardFiles(k, task, { kind: "console" });
  if (capabilities) writeBootInfo(k, createWorld(k, task, thread, space));
  block(k, thread, { kind: "remote", queue: null, deadlineNs: null });
  return task;
}

export function threadOfCall(k: Kernel, call: CallId): Thread | null {
  for (const thread of k.threads.threads.values()) if (thread.call?.id === call) return thread;
  return null;
}

/** What a call's arguments become: registers, and pieces of scratch memory. */
interface Laid {
  registers: bigint[];
  pieces: { address: number; bytes: Uint8Array }[];
  buffers: { address: number; size: number }[];
}

function bytesOf(argument: CallArgument): Uint8Array | null {
  switch (argument.kind) {
    case "integer":
      return null;
    case "string":
      return encodeText(`${argument.value}\0`);
    case "bytes":
      return argument.value;
    case "buffer":
      return new Uint8Array(argument.size);
  }
}

function layOut(args: readonly CallArgument[]): Laid | { error: InputError } {
  if (args.length > argumentCount)
    return refuse("invalid", "arguments", `a call has at most ${argumentCount} arguments`);
  const laid: Laid = { registers: [], pieces: [], buffers: [] };
  let used = 0;
  for (const [index, argument] of args.entries()) {
    const field = `arguments[${index}]`;
    if (
      argument.kind === "buffer" &&
      !(Number.isInteger(argument.size) && argument.size >= 0 && argument.size <= limits.scratchBytes)
    ) {
      return refuse("invalid", field, `a buffer has 0 to ${limits.scratchBytes} bytes`);
    }
    const bytes = bytesOf(argument);
    if (bytes === null) {
      laid.registers.push(BigInt.asUintN(64, (argument as { value: bigint }).value));
      continue;
    }
    if (used + bytes.length > limits.scratchBytes)
      return refuse(
        "invalid",
        field,
        `the arguments take more than the ${limits.scratchBytes} bytes that there are for them`,
      );
    const address = scratchStart + used;
    laid.registers.push(BigInt(address));
    laid.pieces.push({ address, bytes });
    if (argument.kind === "buffer") laid.buffers.push({ address, size: argument.size });
    used = alignUp(used + bytes.length, alignment);
  }
  return laid;
}

/** The thread that a client's next call is made through. */
export function idleThread(k: Kernel, id: TaskId, call: CallId): Thread | { error: InputError } {
  const task = liveTask(k, id);
  if ("error" in task) return task;
  if (task.kind !== "remote")
    return refuse("failedPrecondition", "task", `task ${task.id} is a program: it makes its calls itself`);
  if (threadOfCall(k, call) !== null) return refuse("invalid", "call", `call ${call} is being made already`);
  // A task's first thread has its number; others are of its own making.
  const thread = k.threads.threads.get(task.id as number as ThreadId);
  if (thread === undefined)
    return refuse("failedPrecondition", "task", `the thread of task ${task.id} went with the last capability to it`);
  if (thread.call !== null)
    return refuse("failedPrecondition", "task", `task ${task.id} is in call ${thread.call.id}: one at a time`);
  return thread;
}

export function planCall(k: Kernel, input: CallInput): Plan {
  const thread = idleThread(k, input.task, input.call);
  if ("error" in thread) return thread;
  if (!Number.isSafeInteger(input.number) || input.number < 0)
    return refuse("invalid", "number", "must be the number of a system call");
  const laid = layOut(input.arguments);
  if ("error" in laid) return laid;
  return {
    perform() {
      makeCall(k, thread, input, laid);
      return undefined;
    },
  };
}

/**
 * Puts the arguments into scratch memory, which holds nothing else: a length that goes beyond an argument reaches
 * zeros, not what an earlier call left. It is made anew if the task had unmapped it.
 */
function fillScratch(k: Kernel, space: Space, laid: Laid): Errno | null {
  const end = scratchStart + limits.scratchBytes;
  if (!covers(space.regions, scratchStart, end)) {
    unmapRange(k, space, scratchStart, end);
    addScratch(k, space);
  } else {
    discardPages(k, space, scratchStart, end);
  }
  for (const { address, bytes } of laid.pieces) {
    const errno = copyOut(k, space, BigInt(address), bytes, true);
    if (errno !== null) return errno;
  }
  return null;
}

function makeCall(k: Kernel, thread: Thread, input: CallInput, laid: Laid): void {
  const errno = fillScratch(k, getSpace(k, taskOf(k, thread).space), laid);
  if (errno !== null) {
    k.outlet.callDone(
      input.call,
      errnoResult(errno),
      laid.buffers.map(({ size }) => new Uint8Array(size)),
      "",
      null,
    );
    return;
  }
  beginRemoteCall(thread);
  thread.call = { id: input.call, buffers: laid.buffers };
  k.hal.contexts.setCall(thread.context, BigInt(input.number), laid.registers);
  k.subject = thread;
  dispatch(k, thread);
  k.subject = null;
}
