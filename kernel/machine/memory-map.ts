/** How the physical address space is divided, and who has the frames of RAM; for hosts that look. */
import { pageBytes } from "../hal/types.ts";
import { commitPolicy, memoryLimit, promisedBytes, usedBytes } from "../mm/accounting.ts";
import { FrameOwner } from "../mm/frames.ts";
import { freeFigures, plainMemory, ramRanges } from "../mm/physical.ts";
import { addressMap } from "./catalogue.ts";
import type { Kernel } from "./kernel.ts";
import { poolInfos } from "./pools.ts";
import type { FrameOwnerName, FrameRuns, MemoryMapInfo, MemoryRangeInfo } from "./types.ts";

const ownerNames = Object.keys(FrameOwner) as FrameOwnerName[];
const nameOf = new Map<number, FrameOwnerName>(ownerNames.map((name) => [FrameOwner[name], name]));

function rangesOf(k: Kernel): MemoryRangeInfo[] {
  const { ram, uart, ...others } = addressMap;
  // Beside a kernel of ours there is the console's line only.
  const devices = Object.entries(k.bare === null ? { uart } : { uart, ...others });
  const ranges: MemoryRangeInfo[] = devices.map(([name, place]) => {
    const { base, bytes } = place;
    return { kind: "device", start: base, bytes: bytes * ("count" in place ? place.count : 1), name };
  });
  for (const { kind, first, end } of ramRanges(k.ram.pages, k.config.physicalMemory ?? plainMemory))
    ranges.push({ kind, start: ram.base + first * pageBytes, bytes: (end - first) * pageBytes, name: "ram" });
  return ranges.sort((a, b) => a.start - b.start);
}

export function memoryMap(k: Kernel): MemoryMapInfo {
  const { owner, zones } = k.mm.frames;
  const counts = new Uint32Array(ownerNames.length);
  for (const each of owner) counts[each]! += 1;
  return {
    ranges: rangesOf(k),
    zones: zones.map((zone) => ({
      kind: zone.kind,
      start: k.ram.base + zone.first * pageBytes,
      bytes: (zone.end - zone.first) * pageBytes,
      free: freeFigures([zone]),
    })),
    allocator: zones[0]!.allocator.kind,
    frameBytes: pageBytes,
    frames: owner.length,
    free: freeFigures(zones.filter(({ kind }) => kind !== "persistent")),
    owners: ownerNames
      .map((name) => ({ owner: name, frames: counts[FrameOwner[name]]! }))
      .filter(({ frames }) => frames > 0),
    pools: poolInfos(k),
    accounting: {
      policy: commitPolicy(k),
      promisedBytes: promisedBytes(k),
      usedBytes: usedBytes(k),
      limitBytes: memoryLimit(k),
    },
  };
}

/** Runs of frames with the same owner and as many references, at most `limit` of them, from frame `from` on. */
export function frameRuns(k: Kernel, from: number, limit: number, wanted: FrameOwnerName | null): FrameRuns {
  const { owner, references } = k.mm.frames;
  const list: FrameRuns = { runs: [], next: null };
  for (let first = from; first < owner.length; ) {
    let end = first + 1;
    while (end < owner.length && owner[end] === owner[first] && references[end] === references[first]) end += 1;
    const name = nameOf.get(owner[first]!)!;
    if (wanted === null || wanted === name) {
      if (list.runs.length === limit) return { ...list, next: first };
      const start = k.ram.base + first * pageBytes;
      list.runs.push({ start, frames: end - first, owner: name, references: references[first]! });
    }
    first = end;
  }
  return list;
}
