/**
 * Copies of address spaces: the regions at once, what is in them when somebody stores to it.
 *
 * A page that could be stored to is read-only in both spaces from then on, and its frame has one reference more; the
 * next store makes it private again (fault.ts), by a copy if the other still sees it.
 */
import { Permission } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { FrameNumber, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { mayPromiseAgain } from "./accounting.ts";
import { beginExecution } from "./executing.ts";
import { shareFrame } from "./frames.ts";
import { reclaim } from "./images.ts";
import type { MmKernel } from "./kernel.ts";
import { createSpace, takeTableFor } from "./space.ts";
import type { Region, Space } from "./state.ts";
import { hasRoomForRegions, isGiven, tallyRegion } from "./tally.ts";

/** Room for as many page tables as the space has. */
function hasTables(k: MmKernel, space: Space): boolean {
  const wanted = space.tableFrames + limits.reservedFrames;
  return k.mm.frames.free >= wanted || (reclaim(k) > 0 && k.mm.frames.free >= wanted);
}

/** A space with the same content for another task; null when the machine has not the memory for it. */
export function copySpace(k: MmKernel, from: Space, task: TaskId): Space | null {
  if (!hasRoomForRegions(k, { regions: [] }, from.regions.length) || !mayPromiseAgain(k, from) || !hasTables(k, from))
    return null;
  const space = createSpace(k, task, from.frameLimit);
  assert(space !== null, "there was room for the tables");
  const { heapStart, heapEnd, mapTop, argumentsStart, argumentsEnd, environmentEnd, auxiliary, bounds } = from;
  Object.assign(space, { heapStart, heapEnd, mapTop, argumentsStart, argumentsEnd, environmentEnd });
  space.auxiliary = auxiliary.slice();
  space.bounds = { ...bounds };
  beginExecution(k, space, from.executable);
  spend(k.effort, from.regions.length, "items");
  for (const region of from.regions) {
    // What a capability put there is its holder's.
    if (isGiven(region) || region.atFork === "nothing") continue;
    // What is locked is so for one process only.
    const { locked: _locked, ...copied } = region;
    const copy: Region = { ...copied, backing: { ...region.backing } };
    space.regions.push(copy);
    tallyRegion(k, space, copy, 1);
    if (region.atFork !== "zeros") sharePages(k, from, space, region.start, region.end);
  }
  space.peakFrames = space.residentFrames;
  k.hal.mmu.flush();
  return space;
}

function sharePages(k: MmKernel, from: Space, to: Space, start: number, end: number): void {
  const { mmu } = k.hal;
  const stored: { address: number; frame: FrameNumber; permissions: number }[] = [];
  let pages = 0;
  mmu.forEach(from.root, start, end, (address, mapping) => {
    const { frame } = mapping;
    const permissions = mapping.permissions & ~Permission.write;
    if (permissions !== mapping.permissions) stored.push({ address, frame, permissions });
    shareFrame(k.mm.frames, frame);
    const done = mmu.map(to.root, address, { frame, permissions }, () => takeTableFor(k, to));
    assert(done, "there was room for the tables");
    pages += 1;
  });
  for (const { address, ...mapping } of stored) mmu.map(from.root, address, mapping, () => null);
  to.residentFrames += pages;
  spend(k.effort, pages + stored.length, "pages");
}
