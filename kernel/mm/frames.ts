/**
 * Allocation of frames: a map of owners, searched from where the last search ended (next-fit).
 *
 * Contract: a frame is free exactly when its owner is `free`; `references` is 0 exactly then. The last few free
 * frames go to page tables only. Callers see `null` when there is none; freeing is by dropping references.
 */
import { assert } from "../lib/assert.ts";
import type { FrameNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { FrameOwner, type FramesState } from "./state.ts";

/** Takes a frame with one reference; its content is whatever was there. */
export function takeFrame(frames: FramesState, owner: FrameOwner): FrameNumber | null {
  const kept = owner === FrameOwner.table || owner === FrameOwner.kernel ? 0 : limits.reservedFrames;
  if (frames.free <= kept) return null;
  let found = frames.owner.indexOf(FrameOwner.free, frames.next);
  if (found < 0) found = frames.owner.indexOf(FrameOwner.free);
  assert(found >= 0, "the count of free frames is right");
  frames.owner[found] = owner;
  frames.references[found] = 1;
  frames.free -= 1;
  frames.next = found + 1 === frames.owner.length ? 0 : found + 1;
  return found as FrameNumber;
}

export function shareFrame(frames: FramesState, frame: FrameNumber): void {
  assert(frames.references[frame]! > 0, "only a used frame can be shared");
  frames.references[frame]! += 1;
}

/** Drops one reference; the last one frees the frame. */
export function dropFrame(frames: FramesState, frame: FrameNumber): void {
  assert(frames.references[frame]! > 0, "a used frame is dropped");
  frames.references[frame]! -= 1;
  if (frames.references[frame] !== 0) return;
  frames.owner[frame] = FrameOwner.free;
  frames.free += 1;
}
