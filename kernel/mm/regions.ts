/**
 * The sorted list of regions of an address space: pure list work, no page tables.
 *
 * Invariant: page-aligned, ascending, disjoint. Neighbours that are alike are one region.
 */

import type { Permissions } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import type { Backing, Region } from "./state.ts";

type Range = Pick<Region, "start" | "end">;

/** Index of the first region that ends behind the address. */
export function firstBehind(regions: readonly Range[], address: number): number {
  let low = 0;
  let high = regions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (regions[middle]!.end <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function findRegion(regions: readonly Region[], address: number): Region | null {
  const region = regions[firstBehind(regions, address)];
  return region !== undefined && region.start <= address ? region : null;
}

/** Whether a capability's holder has put pages into [start, end): only those who have the capability change them. */
export function hasFrames(regions: readonly Region[], start: number, end: number): boolean {
  for (let i = firstBehind(regions, start); i < regions.length && regions[i]!.start < end; i++)
    if (regions[i]!.backing.kind === "frame") return true;
  return false;
}

/** Whether a file is shown in [start, end) that was not opened for writing: no protection makes it writable. */
export function showsReadOnly(regions: readonly Region[], start: number, end: number): boolean {
  for (let i = firstBehind(regions, start); i < regions.length && regions[i]!.start < end; i++) {
    const { backing } = regions[i]!;
    if (backing.kind === "file" && backing.shared && !backing.writable) return true;
  }
  return false;
}

/** Whether a file is shown in [start, end) that is not to be executed: no protection makes it executable. */
export function showsData(regions: readonly Region[], start: number, end: number): boolean {
  for (let i = firstBehind(regions, start); i < regions.length && regions[i]!.start < end; i++) {
    const { backing } = regions[i]!;
    if (backing.kind === "file" && backing.data) return true;
  }
  return false;
}

/** Whether regions cover every byte of [start, end). */
export function covers(regions: readonly Region[], start: number, end: number): boolean {
  let at = start;
  for (let i = firstBehind(regions, start); at < end; i++) {
    const region = regions[i];
    if (region === undefined || region.start > at) return false;
    at = region.end;
  }
  return true;
}

export function isFree(regions: readonly Range[], start: number, end: number): boolean {
  const region = regions[firstBehind(regions, start)];
  return region === undefined || region.start >= end;
}

/** The highest free range of this size below `top`, not below `bottom`, nor right below a stack; null if there is none. */
export function findGap(
  regions: readonly (Range & Pick<Region, "growsDown">)[],
  size: number,
  bottom: number,
  top: number,
  guard = 0,
): number | null {
  let end = top;
  for (let i = firstBehind(regions, top - 1); i >= 0; i--) {
    const region = regions[i];
    if (region === undefined || region.start >= top) continue;
    if (end - region.end >= size) break;
    end = Math.min(end, region.start - (region.growsDown ? guard : 0));
  }
  return end - size >= bottom ? end - size : null;
}

/** What backs the part of a region that begins `delta` bytes in. */
function backingFrom(backing: Backing, delta: number): Backing {
  if (backing.kind === "anonymous" || backing.kind === "vdso") return { ...backing };
  assert(backing.kind === "file", "what a capability mapped is one piece");
  return { ...backing, offset: backing.offset + delta, fileBytes: Math.max(0, backing.fileBytes - delta) };
}

/** Makes `address` a border between regions, if it is inside one. */
function splitAt(regions: Region[], address: number): void {
  const index = firstBehind(regions, address);
  const region = regions[index];
  if (region === undefined || region.start >= address) return;
  const upper: Region = { ...region, start: address, backing: backingFrom(region.backing, address - region.start) };
  region.end = address;
  regions.splice(index + 1, 0, upper);
}

function alike(lower: Region, upper: Region): boolean {
  return (
    lower.end === upper.start &&
    lower.permissions === upper.permissions &&
    lower.name === upper.name &&
    lower.growsDown === upper.growsDown &&
    lower.locked === upper.locked &&
    lower.atFork === upper.atFork &&
    lower.backing.kind === "anonymous" &&
    upper.backing.kind === "anonymous"
  );
}

function mergeAt(regions: Region[], index: number): void {
  const lower = regions[index];
  const upper = regions[index + 1];
  if (lower === undefined || upper === undefined || !alike(lower, upper)) return;
  lower.end = upper.end;
  regions.splice(index + 1, 1);
}

/** Puts a region into a range that is free. */
export function insertRegion(regions: Region[], region: Region): void {
  assert(region.start < region.end && isFree(regions, region.start, region.end), "a region goes where none is");
  const index = firstBehind(regions, region.start);
  regions.splice(index, 0, region);
  mergeAt(regions, index);
  mergeAt(regions, index - 1);
}

/** Takes everything in [start, end) out and returns it. */
export function removeRange(regions: Region[], start: number, end: number): Region[] {
  splitAt(regions, start);
  splitAt(regions, end);
  const from = firstBehind(regions, start);
  let to = from;
  while (to < regions.length && regions[to]!.start < end) to += 1;
  return regions.splice(from, to - from);
}

/**
 * Regions in [start, end) become what `change` makes of them. One pass: putting very many back one by one would move the
 * rest of the list each time.
 */
export function changeRange(regions: Region[], start: number, end: number, change: (region: Region) => Region): void {
  const changed: Region[] = [];
  for (const region of removeRange(regions, start, end)) {
    changed.push(change(region));
    mergeAt(changed, changed.length - 2);
  }
  const at = firstBehind(regions, start);
  regions.splice(at, 0, ...changed);
  mergeAt(regions, at + changed.length - 1);
  mergeAt(regions, at - 1);
}

export const protectRange = (regions: Region[], start: number, end: number, permissions: Permissions): void =>
  changeRange(regions, start, end, (region) => ({ ...region, permissions }));

/** Of [start, end) what is in regions, in order. */
export function partsOf(regions: readonly Region[], start: number, end: number): (Range & { region: Region })[] {
  const parts: (Range & { region: Region })[] = [];
  for (let i = firstBehind(regions, start); i < regions.length && regions[i]!.start < end; i++) {
    const region = regions[i]!;
    parts.push({ start: Math.max(start, region.start), end: Math.min(end, region.end), region });
  }
  return parts;
}
