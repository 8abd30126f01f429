/** A debugger's reads and writes of memory. Reads change nothing; writes are inputs. */
import { pageBytes } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import { hex } from "../lib/bits.ts";
import type { FrameNumber, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { reclaimableFrames } from "../mm/images.ts";
import { covers } from "../mm/regions.ts";
import { getSpace, permissionText, residentBytes } from "../mm/space.ts";
import { copyOut, peek } from "../mm/user.ts";
import type { Kernel } from "./kernel.ts";
import { liveTask, type Plan, refuse } from "./plan.ts";
import type { Input, RegionInfo } from "./types.ts";

type Of<Kind extends Input["kind"]> = Extract<Input, { kind: Kind }>;

const isRange = (address: number, length: number): boolean =>
  Number.isSafeInteger(address) &&
  address >= 0 &&
  Number.isSafeInteger(length) &&
  length >= 0 &&
  length <= limits.inspectBytes;

/** Calls back with the pieces of a range of RAM, page by page. */
function eachFrame(
  k: Kernel,
  address: number,
  length: number,
  visit: (frame: FrameNumber, from: number, to: number, at: number) => void,
): void {
  const start = address - k.ram.base;
  for (let at = 0; at < length; ) {
    const frame = Math.floor((start + at) / pageBytes);
    const from = start + at - frame * pageBytes;
    const to = Math.min(pageBytes, from + length - at);
    visit(frame as FrameNumber, from, to, at);
    at += to - from;
  }
}

const inRam = (k: Kernel, address: number, length: number): boolean =>
  isRange(address, length) && address >= k.ram.base && address + length <= k.ram.base + k.ram.pages * pageBytes;

export function readPhysical(k: Kernel, address: number, length: number): Uint8Array | null {
  if (!inRam(k, address, length)) return null;
  const bytes = new Uint8Array(length);
  eachFrame(k, address, length, (frame, from, to, at) => bytes.set(k.ram.read(frame).subarray(from, to), at));
  return bytes;
}

export function planWritePhysical(k: Kernel, { address, bytes }: Of<"writePhysical">): Plan {
  if (bytes.length > limits.inspectBytes)
    return refuse("invalid", "bytes", `at most ${limits.inspectBytes} bytes at once`);
  if (!inRam(k, address, bytes.length)) {
    return refuse("badAddress", "address", `RAM is ${hex(k.ram.base)} to ${hex(k.ram.base + k.ram.pages * pageBytes)}`);
  }
  return {
    perform() {
      eachFrame(k, address, bytes.length, (frame, from, to, at) =>
        k.ram.write(frame).set(bytes.subarray(at, at + to - from), from),
      );
      k.hal.mmu.flush();
      k.hal.hart.dropReservation();
      return undefined;
    },
  };
}

export function readVirtual(k: Kernel, id: TaskId, address: number, length: number): Uint8Array | null {
  const task = k.threads.tasks.get(id);
  if (task === undefined || !isRange(address, length)) return null;
  const space = getSpace(k, task.space);
  return covers(space.regions, address, address + length) ? peek(k, space, address, length) : null;
}

export function planWriteVirtual(k: Kernel, { task: id, address, bytes }: Of<"writeVirtual">): Plan {
  const task = liveTask(k, id);
  if ("error" in task) return task;
  if (!isRange(address, bytes.length))
    return refuse("invalid", "bytes", `at most ${limits.inspectBytes} bytes at once`);
  const space = getSpace(k, task.space);
  if (!covers(space.regions, address, address + bytes.length))
    return refuse("badAddress", "address", "the task has no memory there, or not that much");
  if (peek(k, space, address, bytes.length) === null)
    return refuse("badAddress", "address", "beyond the end of a mapped file");
  // Each page may need a copy, what it is a copy of, and tables.
  const frames = 2 * (Math.ceil(bytes.length / pageBytes) + 1) + 8;
  const free = k.mm.frames.free - limits.reservedFrames + reclaimableFrames(k);
  const left = space.frameLimit === 0 ? frames : space.frameLimit - space.residentFrames;
  if (frames > free || frames > left)
    return refuse("exhausted", "bytes", "there is no memory for the task's own copy of these pages");
  return {
    perform() {
      assert(copyOut(k, space, BigInt(address), bytes, true) === null, "what was checked can be written");
      k.hal.hart.dropReservation();
      return undefined;
    },
  };
}

export function listRegions(k: Kernel, id: TaskId): RegionInfo[] | null {
  const task = k.threads.tasks.get(id);
  if (task === undefined) return null;
  const space = getSpace(k, task.space);
  return space.regions.map((region) => {
    const { start, end, permissions, name } = region;
    return {
      start,
      end,
      permissions: permissionText(permissions),
      name,
      residentBytes: residentBytes(k, space, region),
    };
  });
}
