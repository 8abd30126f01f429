/**
 * Making a program from a file: plan (checks, changes nothing), then start (cannot fail).
 *
 * The plan knows how many frames the start takes, so that a start that has begun ends.
 */
import { Permission, pageBytes, type SavedContext } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import { alignDown, alignUp } from "../lib/bits.ts";
import type { StoredId, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { beginExecution } from "../mm/executing.ts";
import type { MmKernel } from "../mm/kernel.ts";
import { findGap, isFree } from "../mm/regions.ts";
import { addRegion, createSpace, lowestAddress, mapTopOf, stackTop, vdsoAddress } from "../mm/space.ts";
import type { Space, SpaceBounds } from "../mm/state.ts";
import { copyOut } from "../mm/user.ts";
import { type Bounds, type Executable, moved, type Parsed, parseExecutable, type Source } from "./elf.ts";
import { buildStack, type Identity, type StackPlan } from "./stack.ts";

/** A file that is to be in memory, and how. */
export interface LoadedFile {
  path: string;
  file: StoredId;
  executable: Executable;
}

export interface Program extends LoadedFile {
  /** The dynamic linker, where it begins. */
  interpreter: LoadedFile | null;
  /** What AT_EXECFN says: the path that was asked for. */
  name: string;
  arguments: readonly string[];
  environment: readonly string[];
}

/** Where Linux puts position-independent executables in a Sv39 address space: two thirds up. */
const independentBase = 0x2a_aaaa_a000;
/** Left free for the heap between a fixed program and what is mapped from above. */
const heapRoom = 1024 * 1024;

export function planProgram(k: Pick<MmKernel, "hal">, source: Source): Parsed {
  const highest = mapTopOf(k) - heapRoom;
  const bounds: Bounds = { lowest: lowestAddress, highest, independentBase };
  return parseExecutable(source, k.hal.isa, bounds);
}

/** Frames that starting takes at most: the stack's first pages and the tables to them, and the root. */
export function framesToStart(stackBytes: number): number {
  return Math.ceil(stackBytes / pageBytes) + 1 + 4;
}

/** Bytes that arguments and environment take on the stack, pointers and all. */
export const stackBytesOf = (strings: readonly string[]): number =>
  strings.reduce((sum, text) => sum + text.length * 3 + 1 + 8, 1024);

function mapSegments(k: MmKernel, space: Space, { path, file }: LoadedFile, { segments }: Executable): void {
  for (const { start, end, permissions, offset, fileBytes } of segments) {
    addRegion(k, space, {
      start,
      end,
      permissions,
      backing: { kind: "file", file, offset, fileBytes, beyond: "zero", shared: false, writable: false },
      name: path,
    });
  }
}

/** Where the dynamic linker goes: where mmap would put it, or, if it has a place of its own, there. null: no room. */
function placeOfLinker(k: Pick<MmKernel, "hal">, { segments }: Executable, linker: Executable): number | null {
  const top = mapTopOf(k);
  if (linker.base !== 0) return findGap(segments, linker.end - linker.base, lowestAddress, top);
  const { start } = linker.segments[0]!;
  return linker.end <= top && isFree(segments, start, linker.end) ? 0 : null;
}

export const leavesRoom = (k: Pick<MmKernel, "hal">, program: Executable, linker: Executable): boolean =>
  placeOfLinker(k, program, linker) !== null;

function mapInterpreter(k: MmKernel, space: Space, program: Executable, interpreter: LoadedFile): Executable {
  const { executable } = interpreter;
  const place = placeOfLinker(k, program, executable);
  assert(place !== null, "there is room for the dynamic linker");
  const there = moved(executable, place - executable.base);
  mapSegments(k, space, interpreter, there);
  return there;
}

/** As much as is in use, and room for a while; it grows when more is needed. */
function mapStack(k: MmKernel, space: Space, pointer: number): void {
  const end = stackTop(k);
  const most = Math.max(space.bounds.stack, alignUp(end - pointer, pageBytes));
  const start = Math.max(alignDown(pointer - limits.firstStackBytes, pageBytes), end - most);
  const permissions = Permission.read | Permission.write;
  addRegion(k, space, { start, end, permissions, backing: { kind: "anonymous" }, name: "[stack]", growsDown: true });
}

function mapVdso(k: MmKernel, space: Space): void {
  addRegion(k, space, {
    start: vdsoAddress(space),
    end: vdsoAddress(space) + pageBytes,
    permissions: Permission.read | Permission.execute,
    backing: { kind: "vdso" },
    name: "[vdso]",
  });
}

export interface LoadOptions {
  frameLimit: number;
  /** The 16 bytes of AT_RANDOM. */
  random: Uint8Array;
  identity: Identity;
  auxiliary: StackPlan["auxiliary"];
  bounds: SpaceBounds;
}

/** The address space and first registers of a program. */
export function loadProgram(
  k: MmKernel,
  task: TaskId,
  program: Program,
  options: LoadOptions,
): { space: Space; context: SavedContext } {
  const { executable, interpreter } = program;
  const space = createSpace(k, task, options.frameLimit);
  assert(space !== null, "there was a frame for the top table");
  space.bounds = { ...options.bounds };
  beginExecution(k, space, program.file);
  mapSegments(k, space, program, executable);
  space.heapStart = executable.end;
  space.heapEnd = executable.end;
  mapVdso(k, space);
  const linker = interpreter === null ? null : mapInterpreter(k, space, executable, interpreter);
  const stack = buildStack({
    top: stackTop(k),
    path: program.name,
    arguments: program.arguments,
    environment: program.environment,
    random: options.random,
    headersAddress: executable.headersAddress,
    headersCount: executable.headersCount,
    entry: executable.entry,
    base: linker?.base ?? 0,
    pageBytes,
    vdso: vdsoAddress(space),
    hardwareCapabilities: k.hal.isa.hardwareCapabilities,
    identity: options.identity,
    auxiliary: options.auxiliary,
  });
  const { argumentsStart, argumentsEnd, environmentEnd, auxiliary } = stack;
  Object.assign(space, { argumentsStart, argumentsEnd, environmentEnd, auxiliary });
  mapStack(k, space, stack.pointer);
  assert(copyOut(k, space, BigInt(stack.pointer), stack.bytes) === null, "there were frames for the stack");
  return { space, context: k.hal.contexts.create(linker?.entry ?? executable.entry, stack.pointer) };
}
