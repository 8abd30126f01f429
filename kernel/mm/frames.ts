/**
 * Allocation of frames: whose each one is, and how often it is referred to. Which one is given out next is the
 * business of its zone's allocator.
 *
 * Contract: a frame is free exactly when its owner is `free`; `references` is 0 exactly then. The last few free
 * frames go to page tables only. Callers see `null` when there is none; freeing is by dropping references.
 */
import { assert } from "../lib/assert.ts";
import type { FrameNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { allocatorFor } from "./allocators/table.ts";
import { initZones, type PhysicalMemoryConfig, plainMemory, ramRanges, type Zone, type ZoneKind } from "./physical.ts";

/** Whose a frame is. The numbers are in snapshots: they never change. */
export const FrameOwner = {
  free: 0,
  kernel: 1,
  table: 2,
  anonymous: 3,
  image: 4,
  untyped: 5,
  firmware: 6,
  reserved: 7,
  file: 8,
} as const;
export type FrameOwner = (typeof FrameOwner)[keyof typeof FrameOwner];

export interface FramesState {
  /** By frame of RAM. */
  owner: Uint8Array;
  /** Page-table entries, and the page cache, that refer to the frame. */
  references: Uint32Array;
  /** Frames for general use, and those of them that are free. Persistent memory is not among them. */
  total: number;
  free: number;
  zones: Zone[];
}

const isGeneral = ({ kind }: Zone): boolean => kind !== "persistent";

export function initFrames(frames: number, config: PhysicalMemoryConfig = plainMemory): FramesState {
  const ranges = ramRanges(frames, config);
  const owner = new Uint8Array(frames);
  const references = new Uint32Array(frames);
  for (const { kind, first, end } of ranges) {
    if (kind === "available" || kind === "persistent") continue;
    owner.fill(FrameOwner[kind], first, end);
    references.fill(1, first, end);
  }
  const zones = initZones(ranges, config);
  const total = zones.filter(isGeneral).reduce((sum, { free }) => sum + free, 0);
  return { owner, references, total, free: total, zones };
}

/** Takes a frame with one reference; its content is whatever was there. */
export const takeFrame = (frames: FramesState, owner: FrameOwner): FrameNumber | null => takeRun(frames, 0, owner);

/**
 * Takes 2^order frames in a row, the first aligned to as many, each with one reference. From a zone of the kind that is
 * named, or from any for general use.
 */
export function takeRun(
  frames: FramesState,
  order: number,
  owner: FrameOwner,
  kind: ZoneKind | null = null,
): FrameNumber | null {
  const count = 2 ** order;
  const kept = owner === FrameOwner.table || owner === FrameOwner.kernel ? 0 : limits.reservedFrames;
  if (kind !== "persistent" && frames.free < kept + count) return null;
  for (const zone of frames.zones) {
    if (zone.free < count || (kind === null ? !isGeneral(zone) : zone.kind !== kind)) continue;
    const first = allocatorFor(zone.allocator.kind).take(zone.allocator, order);
    if (first === null) continue;
    zone.free -= count;
    if (isGeneral(zone)) frames.free -= count;
    for (let frame = first; frame < first + count; frame++) {
      assert(frames.owner[frame] === FrameOwner.free, "an allocator gives out what is free");
      frames.owner[frame] = owner;
      frames.references[frame] = 1;
    }
    return first as FrameNumber;
  }
  assert(order > 0 || kind !== null, "the count of free frames is right");
  return null;
}

export function shareFrame(frames: FramesState, frame: FrameNumber): void {
  assert(frames.references[frame]! > 0, "only a used frame can be shared");
  frames.references[frame]! += 1;
}

/** Drops one reference; the last one frees the frame. */
export function dropFrame(frames: FramesState, frame: FrameNumber): void {
  assert(frames.references[frame]! > 0, "a used frame is dropped");
  frames.references[frame]! -= 1;
  if (frames.references[frame] === 0) release(frames, frame, 0);
}

/** Gives back a run that nothing refers to but the one who took it. */
export function dropRun(frames: FramesState, first: FrameNumber, order: number): void {
  for (let frame: number = first; frame < first + 2 ** order; frame++) {
    assert(frames.references[frame] === 1, "a run is given back when nobody else refers to it");
    frames.references[frame] = 0;
  }
  release(frames, first, order);
}

function release(frames: FramesState, first: FrameNumber, order: number): void {
  const count = 2 ** order;
  for (let frame: number = first; frame < first + count; frame++) frames.owner[frame] = FrameOwner.free;
  for (const zone of frames.zones) {
    if (first < zone.first || first >= zone.end) continue;
    zone.free += count;
    if (isGeneral(zone)) frames.free += count;
    allocatorFor(zone.allocator.kind).give(zone.allocator, first, order);
    return;
  }
  assert(false, "only memory of a zone is given back");
}
