/**
 * Memory accounting: what programs were promised, against what there is. By one of two policies:
 *
 * - `strict`: the private memory that all address spaces were given adds up to no more than the machine has. A program
 *   meets the end of memory as ENOMEM, where it asks.
 * - `overcommit`: a mapping is a promise that need not be kept; only memory that is used counts. Address spaces can be
 *   large and sparse, and the end of memory comes at a fault, where somebody has to go (thread/victim.ts).
 *
 * Stacks are reserved large and used little, and nobody asks for page tables and cached pages: none of these is
 * promised. So with `strict`, too, a fault can find no frame, but it is rare; it ends the task that faulted.
 */
import { Permission, pageBytes } from "../hal/types.ts";
import { spend } from "../lib/effort.ts";
import type { MmKernel } from "./kernel.ts";
import { type CommitPolicy, plainMemory } from "./physical.ts";
import { residentBytes, tablesFor } from "./space.ts";
import type { Region, Space } from "./state.ts";
import { isGiven, isPromised } from "./tally.ts";

export const commitPolicy = (k: Pick<MmKernel, "config">): CommitPolicy =>
  (k.config.physicalMemory ?? plainMemory).commit;

/** What all address spaces were promised, and what stored files hold, in bytes: it is not for others to have. */
export const promisedBytes = ({ mm }: Pick<MmKernel, "mm">): number => mm.storedFrames * pageBytes + mm.promised;

/** Whether a file may take so many bytes more, so that no promise is broken by it. */
export const mayStoreBytes = (k: MmKernel, bytes: number): boolean =>
  commitPolicy(k) === "overcommit" || promisedBytes(k) + bytes <= memoryLimit(k);

/** What RLIMIT_DATA counts: private memory that can be stored to, but not stacks. */
const isData = ({ permissions, backing, growsDown }: Region): boolean =>
  (permissions & Permission.write) !== 0 && growsDown !== true && !(backing.kind === "file" && backing.shared);

/** Bytes of all regions, and of those that RLIMIT_DATA counts. */
function extentOf(k: Pick<MmKernel, "effort">, { regions }: Space): { total: number; data: number } {
  spend(k.effort, regions.length, "items");
  let [total, data] = [0, 0];
  for (const region of regions) {
    total += region.end - region.start;
    if (isData(region)) data += region.end - region.start;
  }
  return { total, data };
}

/** Whether the space's bounds permit `region` in the place of `instead` bytes that are there now. */
export function mayExpand(k: MmKernel, space: Space, region: Region, instead = 0): boolean {
  const { bounds } = space;
  if (bounds.total === Number.MAX_SAFE_INTEGER && bounds.data === Number.MAX_SAFE_INTEGER) return true;
  const { total, data } = extentOf(k, space);
  const more = region.end - region.start - instead;
  return total + more <= bounds.total && (!isData(region) || data + more <= bounds.data);
}

/** The same of memory that is there and can be stored to from now on. */
export function mayBecomeData(k: MmKernel, space: Space, bytes: number): boolean {
  return space.bounds.data === Number.MAX_SAFE_INTEGER || extentOf(k, space).data + bytes <= space.bounds.data;
}

/** What there is for general use: the bound of promises (strict), or of what is used (overcommit). */
export const memoryLimit = (k: Pick<MmKernel, "mm">): number => k.mm.frames.total * pageBytes;
export const usedBytes = (k: Pick<MmKernel, "mm">): number => (k.mm.frames.total - k.mm.frames.free) * pageBytes;

/** Whether the machine may promise all that a space was promised to another one, too. */
export const mayPromiseAgain = (k: MmKernel, space: Space): boolean =>
  commitPolicy(k) === "overcommit" || promisedBytes(k) + space.promised <= memoryLimit(k);

/**
 * Whether `bytes` more of private memory may be promised, by the machine and by the space's own limit. Under the
 * latter what is promised counts whole, the rest as far as it is there.
 */
export function mayCommit(k: MmKernel, space: Space, bytes: number): boolean {
  if (commitPolicy(k) === "overcommit") return true;
  if (promisedBytes(k) + bytes > memoryLimit(k)) return false;
  if (space.frameLimit === 0) return true;
  const promised = space.promised + bytes;
  const tables = tablesFor(bytes);
  // All that is there is more than what is there and was not promised.
  if (promised + (space.residentFrames + tables) * pageBytes <= space.frameLimit * pageBytes) return true;
  let there = (space.tableFrames + tables) * pageBytes;
  for (const region of space.regions)
    if (!isPromised(region) && !isGiven(region)) there += residentBytes(k, space, region);
  return promised + there <= space.frameLimit * pageBytes;
}
