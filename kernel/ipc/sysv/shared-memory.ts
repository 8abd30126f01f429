/**
 * Shared memory: segments that are attached as mappings of a file without a name (shmat(2)).
 *
 * How often one is attached is how often its file is mapped, as /proc has it: of a mapping, a part that is cut out makes
 * two. A segment that was removed while it is attached has its memory, and is there by its id, until the
 * last that shows it is gone (SHM_DEST).
 */
import { pageBytes } from "../../hal/types.ts";
import { must } from "../../lib/assert.ts";
import { alignUp } from "../../lib/bits.ts";
import { spend } from "../../lib/effort.ts";
import type { StoredId } from "../../lib/ids.ts";
import { partsOf } from "../../mm/regions.ts";
import { getSpace } from "../../mm/space.ts";
import type { Region, Space } from "../../mm/state.ts";
import { createStored, getStored, releaseStored } from "../../mm/stored.ts";
import type { Task } from "../../thread/state.ts";
import { dropEmptied, find, removeObject, type SysvKernel, secondsNow } from "./objects.ts";
import type { IpcObject, Segment } from "./state.ts";

/** In the mode: it goes when nobody has it attached any more; it is locked (SHM_LOCK). */
export const SegmentMode = { destroyed: 0o1000, locked: 0o2000 } as const;

export function createSegment(k: SysvKernel, task: Task, base: IpcObject, size: number): Segment {
  const file = createStored(k, null);
  file.size = alignUp(size, pageBytes);
  k.sysv.segments.set(file.id, { space: task.namespaces.ipc, id: base.id });
  return { ...base, size, file: file.id, attachedAt: 0, detachedAt: 0, creator: task.id, last: 0 };
}

export const pagesOf = ({ size }: Segment): number => Math.ceil(size / pageBytes);

const shows = ({ backing }: Region, file: StoredId): boolean => backing.kind === "file" && backing.file === file;

/** How often it is attached. */
export const attachments = (k: SysvKernel, { file }: Segment): number => getStored(k, file).mappings;

/** IPC_RMID: nobody finds it by its key any more; what has it attached keeps it. */
export function removeSegment(k: SysvKernel, segment: Segment): void {
  if (segment.mode & SegmentMode.destroyed) return;
  Object.assign(segment, { mode: segment.mode | SegmentMode.destroyed, key: 0 });
  releaseStored(k, segment.file);
}

/** A file's memory has gone with the last that showed it. If it was a segment's, that goes, too. */
export function endSegment(k: SysvKernel, file: StoredId): void {
  const place = k.sysv.segments.get(file);
  if (place === undefined) return;
  k.sysv.segments.delete(file);
  const { segments } = must(k.sysv.spaces.get(place.space), "a segment's name space is there");
  removeObject(k, segments, must(find(segments, place.id), "the segment is there"));
  dropEmptied(k, place.space);
}

/** The segment that a mapping shows, of whatever name space. */
export function segmentShown({ sysv }: SysvKernel, { backing }: Region): Segment | null {
  const place = backing.kind === "file" && backing.shared ? sysv.segments.get(backing.file) : undefined;
  return place === undefined ? null : find(sysv.spaces.get(place.space)!.segments, place.id);
}

export const noteAttached = (k: SysvKernel, task: Task, segment: Segment): void => {
  Object.assign(segment, { attachedAt: secondsNow(k), last: task.id });
};
export const noteDetached = (k: SysvKernel, task: Task, segment: Segment): void => {
  Object.assign(segment, { detachedAt: secondsNow(k), last: task.id });
};

/** Segments that an address space shows. */
function shownIn(k: SysvKernel, { regions }: Space): Segment[] {
  if (k.sysv.segments.size === 0) return [];
  spend(k.effort, regions.length, "items");
  return regions.flatMap((region) => segmentShown(k, region) ?? []);
}

/** Of the task's address space a range is unmapped. */
export function noteUnmapped(k: SysvKernel, task: Task, start: number, end: number): void {
  if (k.sysv.segments.size === 0) return;
  const parts = partsOf(getSpace(k, task.space).regions, start, end);
  spend(k.effort, parts.length, "items");
  for (const { region } of parts) {
    const segment = segmentShown(k, region);
    if (segment !== null) noteDetached(k, task, segment);
  }
}

/** What a mapping shows is mapped once more by it. */
export function noteMapped(k: SysvKernel, task: Task, region: Region): void {
  const segment = segmentShown(k, region);
  if (segment !== null) noteAttached(k, task, segment);
}

/** A child that was forked has attached what its parent has; it is the parent's doing. */
export function inheritSegments(k: SysvKernel, from: Task, to: Task): void {
  for (const segment of shownIn(k, getSpace(k, to.space))) noteAttached(k, from, segment);
}

/** A task leaves its address space; with the last that runs there all is detached. */
export function leaveSegments(k: SysvKernel, task: Task): void {
  const space = getSpace(k, task.space);
  if (space.users > 1) return;
  for (const segment of shownIn(k, space)) noteDetached(k, task, segment);
}

/** The mappings of the attachment that begins at an address: what is left of it. Empty: there is none. */
export function attachedAt(
  k: SysvKernel,
  { regions }: Space,
  address: number,
): { segment: Segment; parts: Region[] } | null {
  spend(k.effort, regions.length, "items");
  for (const first of regions) {
    if (first.start < address || first.backing.kind !== "file" || first.backing.offset !== first.start - address)
      continue;
    const segment = segmentShown(k, first);
    if (segment === null) continue;
    const { file } = segment;
    const end = address + pagesOf(segment) * pageBytes;
    const isPart = (region: Region): boolean =>
      shows(region, file) &&
      region.start < end &&
      (region.backing as { offset: number }).offset === region.start - address;
    return { segment, parts: regions.filter((region) => region.start >= address && isPart(region)) };
  }
  return null;
}
