/**
 * Making a program from a file: plan (checks, changes nothing), then start (cannot fail).
 *
 * The plan knows how many frames the start takes, so that a start that has begun ends.
 */
import { Permission, pageBytes, type SavedContext } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import type { StoredId, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { MmKernel } from "../mm/kernel.ts";
import { addRegion, createSpace, lowestAddress, stackTop, vdsoAddress } from "../mm/space.ts";
import type { Space } from "../mm/state.ts";
import { copyOut } from "../mm/user.ts";
import { type Bounds, type Executable, parseExecutable } from "./elf.ts";
import { buildStack, type StackPlan } from "./stack.ts";

export interface Program {
  path: string;
  file: StoredId;
  executable: Executable;
  arguments: readonly string[];
  environment: readonly string[];
}

/** Where Linux puts position-independent executables in a Sv39 address space: two thirds up. */
const independentBase = 0x2a_aaaa_a000;
/** Left free for the heap between a fixed program and what is mapped from above. */
const heapRoom = 1024 * 1024;

export function planProgram(
  k: Pick<MmKernel, "hal">,
  content: Uint8Array,
): { ok: true; executable: Executable } | { ok: false; message: string } {
  const highest = stackTop(k) - limits.stackBytes - 2 * heapRoom;
  const bounds: Bounds = { lowest: lowestAddress, highest, independentBase };
  return parseExecutable(content, k.hal.isa, bounds);
}

/** Frames that starting takes at most: the stack's first pages and the tables to them, and the root. */
export function framesToStart(stackBytes: number): number {
  return Math.ceil(stackBytes / pageBytes) + 1 + 4;
}

/** Bytes that arguments and environment take on the stack, pointers and all. */
export const stackBytesOf = (strings: readonly string[]): number =>
  strings.reduce((sum, text) => sum + text.length * 3 + 1 + 8, 1024);

/** The address space and first registers of a program. `random` are the 16 bytes of AT_RANDOM. */
export function loadProgram(
  k: MmKernel,
  task: TaskId,
  program: Program,
  options: { frameLimit: number; random: Uint8Array; userId: number; auxiliary: StackPlan["auxiliary"] },
): { space: Space; context: SavedContext } {
  const { executable } = program;
  const space = createSpace(k, task, options.frameLimit);
  assert(space !== null, "there was a frame for the top table");
  for (const { start, end, permissions, offset, fileBytes } of executable.segments) {
    addRegion(k, space, {
      start,
      end,
      permissions,
      backing: { kind: "file", file: program.file, offset, fileBytes, beyond: "zero", shared: false, writable: false },
      name: program.path,
    });
  }
  space.heapStart = executable.end;
  space.heapEnd = executable.end;
  const top = stackTop(k);
  const permissions = Permission.read | Permission.write;
  addRegion(k, space, {
    start: top - limits.stackBytes,
    end: top,
    permissions,
    backing: { kind: "anonymous" },
    name: "[stack]",
  });
  addRegion(k, space, {
    start: vdsoAddress(space),
    end: vdsoAddress(space) + pageBytes,
    permissions: Permission.read | Permission.execute,
    backing: { kind: "vdso" },
    name: "[vdso]",
  });
  const stack = buildStack({
    top,
    path: program.path,
    arguments: program.arguments,
    environment: program.environment,
    random: options.random,
    headersAddress: executable.headersAddress,
    headersCount: executable.headersCount,
    entry: executable.entry,
    pageBytes,
    vdso: vdsoAddress(space),
    hardwareCapabilities: k.hal.isa.hardwareCapabilities,
    userId: options.userId,
    auxiliary: options.auxiliary,
  });
  space.argumentsStart = stack.argumentsStart;
  space.argumentsEnd = stack.argumentsEnd;
  assert(copyOut(k, space, BigInt(stack.pointer), stack.bytes) === null, "there were frames for the stack");
  return { space, context: k.hal.contexts.create(executable.entry, stack.pointer) };
}
