/**
 * What the regions of all address spaces add up to, kept as they change: how many there are, what they promise, and how
 * often each file is mapped. So nobody who asks has to go through all of them.
 *
 * Must hold: `space.promised` is what the space's regions promise, `mm.promised` and `mm.regions` the same of all spaces,
 * and `mappings` of a file the regions that it backs. So every change of regions is made through here.
 */
import { Permission } from "../hal/types.ts";
import { limits } from "../lib/limits.ts";
import { tooLongPath } from "../lib/text.ts";
import type { MmKernel } from "./kernel.ts";
import { partsOf } from "./regions.ts";
import type { Region, Space } from "./state.ts";

type TallyKernel = Pick<MmKernel, "mm">;

export const isStack = (region: Region): boolean => region.name.startsWith("[stack");

/** Its frames are some capability's, and counted there. */
export const isGiven = ({ backing }: Region): boolean => backing.kind === "frame";

export const isShared = ({ backing }: Region): boolean => backing.kind === "file" && backing.shared;

/** Whether a region's pages count as promised from the start: private memory, but not stacks. */
export const isPromised = (region: Region): boolean =>
  !isStack(region) &&
  !isGiven(region) &&
  !isShared(region) &&
  ((region.permissions & Permission.write) !== 0 || (region.backing.kind === "anonymous" && region.permissions !== 0));

/** Counts a region, or the part of it that is in a range, in or out. */
function tally(k: TallyKernel, space: Space, region: Region, bytes: number, sign: 1 | -1): void {
  const { backing } = region;
  const file = backing.kind === "file" ? k.mm.stored.get(backing.file) : undefined;
  if (file !== undefined) file.mappings += sign;
  if (!isPromised(region)) return;
  space.promised += sign * bytes;
  k.mm.promised += sign * bytes;
}

/** Of very many regions, long names would be more than all else that is known of them. */
function boundName(region: Region, regions: number): void {
  if (regions > limits.namedRegions && region.name.length > limits.shortPathBytes) region.name = tooLongPath;
}

/** One more region, or one less. */
export function tallyRegion(k: TallyKernel, space: Space, region: Region, sign: 1 | -1): void {
  k.mm.regions += sign;
  boundName(region, k.mm.regions);
  tally(k, space, region, region.end - region.start, sign);
}

/** Changes what regions are in [start, end), by a function that leaves all others as they are (but for merging them). */
export function changeRegions<T>(k: TallyKernel, space: Space, start: number, end: number, change: () => T): T {
  const { regions } = space;
  const before = partsOf(regions, start, end);
  // Of a region that is cut, what is left is one of its own.
  const from = Math.min(start, before[0]?.region.start ?? start);
  const to = Math.max(end, before.at(-1)?.region.end ?? end);
  const count = regions.length;
  for (const { region } of before) tally(k, space, region, region.end - region.start, -1);
  const result = change();
  k.mm.regions += regions.length - count;
  for (const part of partsOf(regions, from, to)) {
    tally(k, space, part.region, part.end - part.start, 1);
    boundName(part.region, k.mm.regions);
  }
  return result;
}

/** Whether a space may have so many regions more. */
export const hasRoomForRegions = (k: TallyKernel, { regions }: Pick<Space, "regions">, more: number): boolean =>
  regions.length + more <= limits.regions && k.mm.regions + more <= limits.allRegions;
