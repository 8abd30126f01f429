/**
 * What regular files hold: pages of their own, over an image that they were made from.
 *
 * A page that was never written comes from the image, whose frames all files of that content share; the first store
 * gives the file a page of its own. What neither has is a hole, and reads as zeros. Reads, writes and mappings all go
 * to these frames, so they agree at every instruction: when a page's frame changes, mappings of the old one are taken
 * out of all address spaces and fault again.
 *
 * A file that no name and no descriptor leads to any more is an orphan; it goes with its last mapping.
 */
import { pageBytes } from "../hal/types.ts";
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { FrameNumber, ImageId, StoredId } from "../lib/ids.ts";
import { dropFrame, shareFrame } from "./frames.ts";
import { getImage, imageContent, imagePage, imagePageContent, takeUserFrame } from "./images.ts";
import type { MmKernel } from "./kernel.ts";
import { FrameOwner, type Quota, type Region, type Space, type StoredFile } from "./state.ts";

/** In `pages`: zeros, whatever the image has there. */
const hole = -1;

export const getStored = (k: Pick<MmKernel, "mm">, id: StoredId): StoredFile =>
  must(k.mm.stored.get(id), `stored file ${id} exists`);

/** F_SEAL_SEAL: of most files nothing can be sealed. */
const sealed = 1;

export function createStored(k: Pick<MmKernel, "mm">, image: ImageId | null, quota: number | null = null): StoredFile {
  const size = image === null ? 0 : must(k.mm.images.get(image), "the image is known").size;
  const id = k.mm.nextStored++ as StoredId;
  const file = {
    id,
    size,
    image,
    imageBytes: size,
    pages: new Map(),
    quota,
    seals: sealed,
    orphan: false,
    mappings: 0,
    writers: 0,
    executions: 0,
  };
  k.mm.stored.set(file.id, file);
  return file;
}

/** Whether the image's frame is what the page should be: all of it is the file's, or zeros lie behind it. */
function isOfImage(k: MmKernel, file: StoredFile, index: number): boolean {
  if (file.image === null || index * pageBytes >= file.imageBytes) return false;
  return (index + 1) * pageBytes <= file.imageBytes || file.imageBytes === getImage(k, file.image).size;
}

/** The page's frame as it is now; null for a hole (or what the image has only a part of). */
function frameNow(k: MmKernel, file: StoredFile, index: number): FrameNumber | null | "outOfMemory" {
  const own = file.pages.get(index);
  if (own !== undefined) return own === hole ? null : (own as FrameNumber);
  if (!isOfImage(k, file, index)) return null;
  return imagePage(k, getImage(k, file.image!), index) ?? "outOfMemory";
}

/** What the image gives to a page that is to become the file's own. */
function fillFromImage(k: MmKernel, file: StoredFile, index: number, frame: FrameNumber): boolean {
  const bytes = Math.min(pageBytes, file.imageBytes - index * pageBytes);
  if (file.image === null || bytes <= 0 || file.pages.get(index) === hole) return true;
  const source = imagePage(k, getImage(k, file.image), index);
  if (source === null) return false;
  k.hal.memory.write(frame).set(k.hal.memory.read(source).subarray(0, bytes));
  return true;
}

const quotaOf = (k: Pick<MmKernel, "mm">, { quota }: StoredFile): Quota | undefined =>
  quota === null ? undefined : k.mm.quotas.get(quota);

/** Frames that the file may still take, by its bound. */
function roomInQuota(k: MmKernel, file: StoredFile): number {
  const quota = quotaOf(k, file);
  return quota === undefined ? Number.POSITIVE_INFINITY : quota.most - quota.frames;
}

function countFrames(k: MmKernel, file: StoredFile, change: 1 | -1): void {
  k.mm.storedFrames += change;
  const quota = quotaOf(k, file);
  if (quota !== undefined) quota.frames += change;
}

/** A frame that is the file's own, with what the page has; null when memory is short, or the file's bound is reached. */
export function ownPage(k: MmKernel, file: StoredFile, index: number): FrameNumber | null {
  leaveImage(k, file, index, index + 1);
  return takePage(k, file, index);
}

/** Pages [from, to) are about to be the file's own: whoever has those of the image mapped is to see that. */
function leaveImage(k: MmKernel, file: StoredFile, from: number, to: number): void {
  if (file.mappings === 0) return;
  const end = Math.min(to, Math.ceil(file.imageBytes / pageBytes));
  for (let index = from; index < end; index++)
    if (!file.pages.has(index) && isOfImage(k, file, index)) {
      unmapPages(k, file, index, end, false);
      break;
    }
}

/** The same as ownPage, of a page of the image that nobody has mapped. */
function takePage(k: MmKernel, file: StoredFile, index: number): FrameNumber | null {
  const own = file.pages.get(index) ?? hole;
  if (own !== hole) return own as FrameNumber;
  if (roomInQuota(k, file) <= 0) return null;
  const frame = takeUserFrame(k, FrameOwner.file);
  if (frame === null) return null;
  k.hal.memory.clear(frame);
  if (!fillFromImage(k, file, index, frame)) {
    dropFrame(k.mm.frames, frame);
    return null;
  }
  file.pages.set(index, frame);
  countFrames(k, file, 1);
  return frame;
}

/**
 * The frame to map for a page of the file, with a reference for the mapping; holes are given a page. Where the file may
 * have no more, it is as if it ended.
 */
export function frameToMap(
  k: MmKernel,
  file: StoredFile,
  index: number,
  store: boolean,
): FrameNumber | "beyondFile" | "outOfMemory" {
  if (index * pageBytes >= file.size) return "beyondFile";
  const now = store ? null : frameNow(k, file, index);
  if (now === "outOfMemory") return now;
  const frame = now ?? ownPage(k, file, index);
  if (frame === null) return roomInQuota(k, file) <= 0 ? "beyondFile" : "outOfMemory";
  shareFrame(k.mm.frames, frame);
  return frame;
}

/** The pieces of a range, page by page; stops where `visit` says false, and tells how far it came. */
function eachPiece(
  start: number,
  end: number,
  visit: (index: number, from: number, to: number, at: number) => boolean,
): number {
  let at = start;
  while (at < end) {
    const index = Math.floor(at / pageBytes);
    const from = at - index * pageBytes;
    const to = Math.min(pageBytes, from + end - at);
    if (!visit(index, from, to, at - start)) break;
    at += to - from;
  }
  return at - start;
}

/** Bytes of the file; ends where it ends. null when memory is short. */
export function readStored(k: MmKernel, file: StoredFile, offset: number, count: number): Uint8Array | null {
  const end = Math.min(file.size, offset + count);
  const bytes = new Uint8Array(Math.max(0, end - offset));
  spend(k.effort, bytes.length, "bytes");
  const done = eachPiece(offset, end, (index, from, to, at) => {
    const frame = frameNow(k, file, index);
    if (frame === "outOfMemory") return false;
    if (frame !== null) bytes.set(k.hal.memory.read(frame).subarray(from, to), at);
    else if (isPartlyOfImage(k, file, index)) return readPart(k, file, index, from, bytes.subarray(at, at + to - from));
    return true;
  });
  return done === bytes.length ? bytes : null;
}

const isPartlyOfImage = (k: MmKernel, file: StoredFile, index: number): boolean =>
  !file.pages.has(index) && file.image !== null && index * pageBytes < file.imageBytes && !isOfImage(k, file, index);

/** Of a page that the image was cut in, what is left of it. */
function readPart(k: MmKernel, file: StoredFile, index: number, from: number, into: Uint8Array): boolean {
  const frame = imagePage(k, getImage(k, file.image!), index);
  if (frame === null) return false;
  const end = file.imageBytes - index * pageBytes;
  if (from < end) into.set(k.hal.memory.read(frame).subarray(from, Math.min(end, from + into.length)));
  return true;
}

/** For inspection: a page as it would be read, bringing nothing in. */
export function peekStored(k: MmKernel, file: StoredFile, index: number): Uint8Array {
  const own = file.pages.get(index);
  if (own !== undefined) return own === hole ? new Uint8Array(pageBytes) : k.hal.memory.read(own as FrameNumber);
  const bytes = new Uint8Array(pageBytes);
  const [start, end] = [index * pageBytes, Math.min(file.imageBytes, (index + 1) * pageBytes)];
  if (file.image === null || start >= end) return bytes;
  const image = getImage(k, file.image);
  const frame = image.frames[index]!;
  if (frame >= 0) bytes.set(k.hal.memory.read(frame as FrameNumber).subarray(0, end - start));
  else bytes.set(imagePageContent(k, image, index).subarray(0, end - start));
  return bytes;
}

/** All that the file holds, bringing nothing in. Of one that is as its image is, the host's own bytes: not to be changed. */
export function contentOfStored(k: MmKernel, file: StoredFile): Uint8Array {
  const image = file.image === null ? null : getImage(k, file.image);
  if (image !== null && file.pages.size === 0 && file.imageBytes === image.size && file.size === image.size)
    return imageContent(k, image);
  spend(k.effort, file.size, "bytes");
  const bytes = new Uint8Array(file.size);
  for (let at = 0; at < file.size; at += pageBytes)
    bytes.set(peekStored(k, file, at / pageBytes).subarray(0, file.size - at), at);
  return bytes;
}

/** Bytes of frames that a write would take: of pages that the file has not of its own yet. */
export function newBytes(k: Pick<MmKernel, "effort">, file: StoredFile, offset: number, count: number): number {
  const [first, end] = [Math.floor(offset / pageBytes), Math.ceil((offset + count) / pageBytes)];
  let pages = end - first;
  for (const index of ownPagesIn(k, file, first, end)) if (file.pages.get(index) !== hole) pages -= 1;
  return pages * pageBytes;
}

/** Indices of [first, end) that the file has a page for, or a hole over its image: files are mostly larger than what is in them. */
function ownPagesIn(k: Pick<MmKernel, "effort">, { pages }: StoredFile, first: number, end: number): number[] {
  spend(k.effort, Math.min(end - first, pages.size), "items");
  if (end - first > pages.size) return [...pages.keys()].filter((index) => first <= index && index < end);
  return Array.from({ length: end - first }, (_, i) => first + i).filter((index) => pages.has(index));
}

/** Puts bytes into the file, which grows to hold them: how many there was memory for. */
export function writeStored(k: MmKernel, file: StoredFile, offset: number, bytes: Uint8Array): number {
  spend(k.effort, bytes.length, "bytes");
  leaveImage(k, file, Math.floor(offset / pageBytes), Math.ceil((offset + bytes.length) / pageBytes));
  const done = eachPiece(offset, offset + bytes.length, (index, from, to, at) => {
    const frame = takePage(k, file, index);
    if (frame === null) return false;
    k.hal.memory.write(frame).set(bytes.subarray(at, at + to - from), from);
    return true;
  });
  if (done > 0) file.size = Math.max(file.size, offset + done);
  return done;
}

function dropPage(k: MmKernel, file: StoredFile, index: number): void {
  const own = file.pages.get(index) ?? hole;
  file.pages.delete(index);
  if (own === hole) return;
  dropFrame(k.mm.frames, own as FrameNumber);
  countFrames(k, file, -1);
}

/** Sets the size; what is cut off is gone, and zeros if the file grows again. False when memory is short. */
export function resizeStored(k: MmKernel, file: StoredFile, size: number): boolean {
  if (size < file.size) {
    const last = Math.floor(size / pageBytes);
    if (size % pageBytes !== 0 && file.pages.has(last) && !clearPart(k, file, last, size % pageBytes, pageBytes))
      return false;
    const end = Math.ceil(size / pageBytes);
    spend(k.effort, file.pages.size, "items");
    for (const index of [...file.pages.keys()]) if (index >= end) dropPage(k, file, index);
    const cutImage = size % pageBytes !== 0 && !file.pages.has(last);
    file.imageBytes = Math.min(file.imageBytes, size);
    unmapPages(k, file, cutImage ? last : end, Number.POSITIVE_INFINITY, true);
  }
  file.size = size;
  return true;
}

/** Makes a part of a page zeros, if there is anything in it. */
function clearPart(k: MmKernel, file: StoredFile, index: number, from: number, to: number): boolean {
  if (!isData(file, index)) return true;
  const frame = ownPage(k, file, index);
  if (frame === null) return false;
  k.hal.memory.write(frame).fill(0, from, to);
  return true;
}

/** Makes a range zeros and gives its whole pages back (FALLOC_FL_PUNCH_HOLE). False when memory is short. */
export function punchStored(k: MmKernel, file: StoredFile, start: number, end: number): boolean {
  const stop = Math.min(end, file.size);
  if (start >= stop) return true;
  const first = Math.ceil(start / pageBytes);
  const behind = stop === file.size ? Math.ceil(stop / pageBytes) : Math.floor(stop / pageBytes);
  // All at once: whoever has the file mapped is looked for only once.
  unmapPages(k, file, first, behind, false);
  const [head, tail] = [first * pageBytes, behind * pageBytes];
  if (start < head && !clearPart(k, file, first - 1, start % pageBytes, Math.min(stop, head) - head + pageBytes))
    return false;
  for (const index of ownPagesIn(k, file, first, behind)) dropPage(k, file, index);
  const ofImage = Math.min(behind, endOfImage(file));
  for (let index = first; index < ofImage; index++) file.pages.set(index, hole);
  spend(k.effort, Math.max(0, ofImage - first), "items");
  return tail >= stop || tail < head || clearPart(k, file, behind, 0, stop - tail);
}

/** Gives every page of a range a frame (fallocate(2)): false when there is not the memory. */
export function fillStored(k: MmKernel, file: StoredFile, start: number, end: number): boolean {
  const wanted = Math.ceil(end / pageBytes) - Math.floor(start / pageBytes);
  if (wanted > k.mm.frames.free) return false;
  if (newBytes(k, file, start, end - start) > roomInQuota(k, file) * pageBytes) return false;
  spend(k.effort, wanted, "pages");
  leaveImage(k, file, Math.floor(start / pageBytes), Math.ceil(end / pageBytes));
  return eachPiece(start, end, (index) => takePage(k, file, index) !== null) >= end - start;
}

/** Bytes that the file takes: its own pages, and what it has of its image. */
export function storedBytes(k: MmKernel, file: StoredFile): number {
  // Without an image there are no holes in it, and nothing that is the image's.
  if (file.imageBytes === 0) return file.pages.size * pageBytes;
  spend(k.effort, file.pages.size, "items");
  let pages = Math.ceil(Math.min(file.imageBytes, file.size) / pageBytes);
  for (const [index, frame] of file.pages) {
    const inImage = index * pageBytes < file.imageBytes;
    if (frame === hole) pages -= 1;
    else if (!inImage) pages += 1;
  }
  return pages * pageBytes;
}

/** Whether a page is the file's own, or its image's. */
const isData = (file: StoredFile, index: number): boolean =>
  (file.pages.get(index) ?? (index < endOfImage(file) ? 0 : hole)) !== hole;

/** Pages of the image that the file began with. */
const endOfImage = ({ image, imageBytes }: StoredFile): number =>
  image === null ? 0 : Math.ceil(imageBytes / pageBytes);

/** The first byte from `from` on that is data, or that is in a hole (SEEK_DATA, SEEK_HOLE); null: there is none. */
export function seekStored(k: MmKernel, file: StoredFile, from: number, wanted: "data" | "hole"): number | null {
  const end = Math.ceil(file.size / pageBytes);
  // Behind it nothing is but pages of the file's own, and holes between them.
  const imagePages = endOfImage(file);
  let index = Math.floor(from / pageBytes);
  const first = index;
  while (index < end && isData(file, index) !== (wanted === "data") && (wanted === "hole" || index < imagePages))
    index += 1;
  spend(k.effort, 1 + index - first, "items");
  if (wanted === "data" && !isData(file, index)) {
    const behind = ownPagesIn(k, file, index, end).filter((page) => isData(file, page));
    index = behind.reduce((least, page) => Math.min(least, page), end);
  }
  if (index >= end) return wanted === "hole" ? file.size : null;
  return Math.max(from, index * pageBytes);
}

/** No inode has it any more: it goes, now or with its last mapping. */
export function releaseStored(k: MmKernel, id: StoredId): void {
  const file = getStored(k, id);
  file.orphan = true;
  endOrphan(k, file);
}

/** It is mapped so that it can be changed, now or by mprotect(2). */
export function isMappedForWriting(k: MmKernel, { id, mappings }: StoredFile): boolean {
  if (mappings === 0) return false;
  for (const { regions } of k.mm.spaces.values()) {
    spend(k.effort, regions.length, "items");
    for (const { backing } of regions)
      if (backing.kind === "file" && backing.file === id && backing.shared && backing.writable) return true;
  }
  return false;
}

function endOrphan(k: MmKernel, file: StoredFile): void {
  if (file.mappings > 0) return;
  spend(k.effort, file.pages.size, "items");
  for (const index of [...file.pages.keys()]) dropPage(k, file, index);
  k.mm.stored.delete(file.id);
  k.endStored(file.id);
}

/** These regions are in no space any more: an orphan among what they showed may have been seen for the last time. */
export function forgetRegions(k: MmKernel, regions: readonly Region[]): void {
  for (const { backing } of regions) {
    if (backing.kind !== "file") continue;
    const file = k.mm.stored.get(backing.file);
    if (file?.orphan) endOrphan(k, file);
  }
}

/** Takes pages [from, to) of the file out of all spaces; `copies`: private copies of them, too. */
function unmapPages(k: MmKernel, file: StoredFile, from: number, to: number, copies: boolean): void {
  if (file.mappings === 0) return;
  for (const space of k.mm.spaces.values()) {
    spend(k.effort, space.regions.length, "items");
    for (const region of space.regions)
      if (region.backing.kind === "file" && region.backing.file === file.id)
        unmapRegionPages(k, space, region, [from, to], copies);
  }
}

function unmapRegionPages(
  k: MmKernel,
  space: Space,
  region: Region,
  [from, to]: [number, number],
  copies: boolean,
): void {
  const { offset } = region.backing as { offset: number };
  const place = (index: number): number =>
    Math.min(region.end, Math.max(region.start, region.start + index * pageBytes - offset));
  const [start, end] = [place(from), place(to)];
  if (start >= end) return;
  const pages: number[] = [];
  k.hal.mmu.forEach(space.root, start, end, (address, { frame }) => {
    if (copies || k.mm.frames.owner[frame] !== FrameOwner.anonymous) pages.push(address);
  });
  spend(k.effort, 2 * pages.length, "pages");
  for (const page of pages) {
    dropFrame(k.mm.frames, must(k.hal.mmu.unmap(space.root, page), "the page was mapped").frame);
    space.residentFrames -= 1;
  }
  if (pages.length > 0) k.hal.mmu.flush();
}
