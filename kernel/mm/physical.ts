/**
 * The map of RAM: which ranges of it there are, and the zones that frames are allocated from.
 *
 * A range says what memory is for; all but the available and the persistent ones belong to somebody from the start. A
 * zone is a continuous range with one property: `dma` lies below an address, for devices that reach no higher;
 * `persistent` is given to who asks for it by name; `normal` is the rest.
 */
import { pageBytes } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import { limits } from "../lib/limits.ts";
import { type AllocatorKind, type AllocatorState, orderOf } from "./allocators/allocator.ts";
import { allocatorFor } from "./allocators/table.ts";

/** What a part of RAM can be set aside as. */
export type SetAsideKind = "reserved" | "firmware" | "kernel" | "persistent";
export type RamKind = "available" | SetAsideKind;
export type ZoneKind = "normal" | "dma" | "persistent";

export interface SetAside {
  kind: SetAsideKind;
  /** Whole pages. */
  bytes: number;
  /** The end of RAM that it is taken from: the first listed is the outermost. */
  at: "start" | "end";
}

/** What counts against the memory that there is: what programs were promised, or what they use (accounting.ts). */
export type CommitPolicy = "strict" | "overcommit";

/** How a machine's RAM is used; part of its config. */
export interface PhysicalMemoryConfig {
  allocator: AllocatorKind;
  setAside: SetAside[];
  /** What of RAM, from its start, is the zone `dma`. 0: there is none. */
  dmaBytes: number;
  commit: CommitPolicy;
}

/** What must be left of RAM for general use. */
export const leastAvailableBytes = limits.leastAvailableFrames * pageBytes;

export const plainMemory: PhysicalMemoryConfig = { allocator: "bitmap", setAside: [], dmaBytes: 0, commit: "strict" };

/** Frames [first, end) of RAM. */
export interface RamRange {
  kind: RamKind;
  first: number;
  end: number;
}

export interface Zone {
  kind: ZoneKind;
  first: number;
  end: number;
  free: number;
  allocator: AllocatorState;
}

/** The ranges of RAM, ascending; neighbours of one kind stay apart when they were listed apart. */
export function ramRanges(frames: number, { setAside }: PhysicalMemoryConfig): RamRange[] {
  const low: RamRange[] = [];
  const high: RamRange[] = [];
  let first = 0;
  let end = frames;
  for (const { kind, bytes, at } of setAside) {
    assert(bytes > 0 && bytes % pageBytes === 0, "what is set aside is whole pages");
    const size = bytes / pageBytes;
    if (at === "start") low.push({ kind, first, end: (first += size) });
    else high.unshift({ kind, end, first: (end -= size) });
  }
  assert(end - first >= limits.leastAvailableFrames || setAside.length === 0, "enough of RAM stays available");
  return [...low, { kind: "available", first, end }, ...high];
}

/** Zones in the order in which memory for no special purpose is taken from them. */
export function initZones(ranges: readonly RamRange[], { allocator, dmaBytes }: PhysicalMemoryConfig): Zone[] {
  const zones: Zone[] = [];
  const add = (kind: ZoneKind, first: number, end: number): void => {
    if (first >= end) return;
    zones.push({ kind, first, end, free: end - first, allocator: allocatorFor(allocator).init(first, end) });
  };
  assert(dmaBytes % pageBytes === 0, "a zone ends with a page");
  const border = dmaBytes / pageBytes;
  const available = ranges.filter(({ kind }) => kind === "available");
  for (const { first, end } of available) add("normal", Math.max(first, border), end);
  for (const { first, end } of available) add("dma", first, Math.min(end, border));
  for (const { kind, first, end } of ranges) if (kind === "persistent") add("persistent", first, end);
  return zones;
}

/** 2^order frames of a zone from `first` on, which is aligned to as many. */
export interface Block {
  first: number;
  order: number;
  /** Of a zone for general use. */
  general: boolean;
}

/** Zones as blocks, each as large as can be; those for general use first. */
export function blocksOf(zones: readonly Zone[]): Block[] {
  const blocks: Block[] = [];
  for (const { kind, first: start, end } of zones) {
    for (let first = start; first < end; first += 2 ** blocks.at(-1)!.order) {
      // Of frame 0 any order is aligned.
      const aligned = first === 0 ? Number.POSITIVE_INFINITY : 31 - Math.clz32(first & -first);
      blocks.push({ first, order: Math.min(aligned, orderOf(end - first)), general: kind !== "persistent" });
    }
  }
  return [...blocks.filter(({ general }) => general), ...blocks.filter(({ general }) => !general)];
}

/** How well what is free hangs together. */
export interface FreeFigures {
  frames: number;
  /** Of the largest piece. An allocator's pieces are its own: a buddy's are blocks, which can be taken whole. */
  largest: number;
  /** Pieces of 2^i to 2^(i+1) - 1 frames. */
  piecesByOrder: number[];
}

export function freeFigures(zones: readonly Zone[]): FreeFigures {
  const figures: FreeFigures = { frames: 0, largest: 0, piecesByOrder: [] };
  for (const { allocator } of zones) {
    allocatorFor(allocator.kind).eachFree(allocator, (_first, frames) => {
      const order = orderOf(frames);
      while (figures.piecesByOrder.length <= order) figures.piecesByOrder.push(0);
      figures.piecesByOrder[order]! += 1;
      figures.frames += frames;
      figures.largest = Math.max(figures.largest, frames);
    });
  }
  return figures;
}
