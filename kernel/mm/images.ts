/**
 * The page cache: contents of files in frames, shared by all who map or read them.
 *
 * An image is content, named by its hash, and never changes; a path may come to name another image. A page is
 * brought in when it is first used and given up again when memory runs out and nobody maps it.
 */
import { pageBytes } from "../hal/types.ts";
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { FrameNumber, ImageId } from "../lib/ids.ts";
import { memoryReclaim } from "../trace/events/memory.ts";
import { dropFrame, takeFrame } from "./frames.ts";
import type { MmKernel } from "./kernel.ts";
import { FrameOwner, type Image } from "./state.ts";

export const getImage = (k: MmKernel, id: ImageId): Image => must(k.mm.images.get(id), `image ${id} exists`);

/** The image of a content; makes it known if it is not. */
export function addImage(k: Pick<MmKernel, "mm">, hash: string, size: number, offset = 0): ImageId {
  for (const image of k.mm.images.values())
    if (image.hash === hash && image.size === size && image.offset === offset) return image.id;
  const id = k.mm.nextImage++ as ImageId;
  k.mm.images.set(id, { id, hash, offset, size, frames: new Int32Array(Math.ceil(size / pageBytes)).fill(-1) });
  return id;
}

/** A frame for user memory or the page cache, if need be by giving up cached pages. */
export function takeUserFrame(k: MmKernel, owner: FrameOwner): FrameNumber | null {
  return takeFrame(k.mm.frames, owner) ?? (reclaim(k) > 0 ? takeFrame(k.mm.frames, owner) : null);
}

/** Frames that `reclaim` would free. */
export function reclaimableFrames(k: Pick<MmKernel, "mm">): number {
  let count = 0;
  for (const image of k.mm.images.values()) {
    for (const frame of image.frames) if (frame >= 0 && k.mm.frames.references[frame] === 1) count += 1;
  }
  return count;
}

export function reclaim(k: MmKernel): number {
  let count = 0;
  for (const image of k.mm.images.values()) {
    spend(k.effort, 1 + image.frames.length, "pages");
    for (let i = 0; i < image.frames.length; i++) {
      const frame = image.frames[i]! as FrameNumber;
      if (frame < 0 || k.mm.frames.references[frame] !== 1) continue;
      dropFrame(k.mm.frames, frame);
      image.frames[i] = -1;
      count += 1;
    }
  }
  if (k.trace.on(memoryReclaim)) k.trace.write(memoryReclaim, { frames: count });
  return count;
}

/** All bytes of an image, the host's own: not to be changed. */
export function imageContent(k: MmKernel, { hash, offset, size }: Image): Uint8Array {
  return partOfContent(k, hash, offset, size);
}

function partOfContent(k: MmKernel, hash: string, offset: number, length: number): Uint8Array {
  const bytes = k.content(hash, offset, length);
  assert(bytes.length === length, `the content of ${hash} has the size it was announced with`);
  return bytes;
}

/** What the image has of a page: not the kernel's to change. */
export function imagePageContent(k: MmKernel, { hash, offset, size }: Image, index: number): Uint8Array {
  const at = index * pageBytes;
  return partOfContent(k, hash, offset + at, Math.min(pageBytes, size - at));
}

/** The frame with a page of the file (zeros behind its end), or null when memory is short. */
export function imagePage(k: MmKernel, image: Image, index: number): FrameNumber | null {
  const cached = image.frames[index];
  assert(cached !== undefined, "the page is inside the file");
  if (cached >= 0) return cached as FrameNumber;
  const frame = takeUserFrame(k, FrameOwner.image);
  if (frame === null) return null;
  const content = imagePageContent(k, image, index);
  k.hal.memory.clear(frame);
  k.hal.memory.write(frame).set(content);
  image.frames[index] = frame;
  return frame;
}
