/**
 * Pages that are brought in before anybody touches them, and those that are to stay (mlock(2)). Nothing is ever taken
 * from a program behind its back here, so a lock keeps only the program itself from discarding what it has.
 */
import { type Access, Permission, pageBytes } from "../hal/types.ts";
import { spend } from "../lib/effort.ts";
import { type FaultResult, resolveFault } from "./fault.ts";
import type { MmKernel } from "./kernel.ts";
import { changeRange, partsOf } from "./regions.ts";

import type { Region, Space } from "./state.ts";
import { changeRegions, isShared } from "./tally.ts";

/** Brings in every page of [start, end) for one kind of access, up to the first that cannot be: why it cannot. */
export function bringIn(k: MmKernel, space: Space, start: number, end: number, access: Access): FaultResult {
  let pages = 0;
  let result: FaultResult = "resolved";
  for (let page = start; page < end && result === "resolved"; page += pageBytes) {
    result = resolveFault(k, space, page, access);
    pages += 1;
  }
  spend(k.effort, 2 * pages, "pages");
  return result;
}

/** How the pages of a region are touched first: a private one by a store, so that it is nobody else's afterwards. */
function firstAccess(region: Region): Access {
  if (region.permissions & Permission.write && !isShared(region)) return "write";
  return region.permissions & Permission.read ? "read" : "execute";
}

/** Brings in what is mapped of [start, end); false when some of it cannot be. */
export function populate(k: MmKernel, space: Space, start: number, end: number): boolean {
  return partsOf(space.regions, start, end).every(
    (part) => bringIn(k, space, part.start, part.end, firstAccess(part.region)) === "resolved",
  );
}

/** Locks what is mapped of [start, end), or lets it go. */
export function setLocked(k: MmKernel, space: Space, start: number, end: number, locked: boolean): void {
  spend(k.effort, 16 * space.regions.length, "items");
  const change = ({ locked: _before, ...region }: Region): Region =>
    locked && region.backing.kind !== "frame" ? { ...region, locked: true } : region;
  changeRegions(k, space, start, end, () => changeRange(space.regions, start, end, change));
}

const lockedIn = (regions: readonly Region[], start: number, end: number): number =>
  partsOf(regions, start, end).reduce((sum, part) => sum + (part.region.locked ? part.end - part.start : 0), 0);

/** Bytes that are locked in all, or of a range. */
export const lockedBytes = ({ regions }: Space, start = 0, end: number = Number.MAX_SAFE_INTEGER): number =>
  lockedIn(regions, start, end);
