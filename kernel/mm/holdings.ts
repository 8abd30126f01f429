/**
 * Who has how much of a range of frames: counted from the page tables and the page cache, for who asks. Nothing of it is
 * kept, so nothing of it can be wrong.
 *
 * Must hold: of a range that is for general use the free frames, what each address space has of its own, the pages
 * that several have, the page cache and the untyped memory add up to the whole.
 */
import { FrameOwner } from "./frames.ts";
import type { MmKernel } from "./kernel.ts";
import type { Space } from "./state.ts";

/** Frames [first, end). */
export interface FrameRange {
  first: number;
  end: number;
}

/** What an address space has of a range, in frames. */
export interface Holding {
  /** Pages that nobody else has. */
  pages: number;
  tables: number;
  /** Pages that others have, too, until one of them stores to it. */
  shared: number;
}

const within = ({ first, end }: FrameRange, frame: number): boolean => frame >= first && frame < end;

export function holdingOf(k: MmKernel, space: Space, range: FrameRange): Holding {
  const { owner, references } = k.mm.frames;
  const holding = { pages: 0, tables: 0, shared: 0 };
  k.hal.mmu.forEach(space.root, 0, k.hal.mmu.userEnd, (_address, { frame }) => {
    if (!within(range, frame) || owner[frame] !== FrameOwner.anonymous) return;
    if (references[frame] === 1) holding.pages += 1;
    else holding.shared += 1;
  });
  k.hal.mmu.eachTable(space.root, (frame) => {
    if (within(range, frame) && owner[frame] === FrameOwner.table) holding.tables += 1;
  });
  return holding;
}

/** Frames of a range by whose they are. */
export interface Use {
  free: number;
  cached: number;
  untyped: number;
  /** Pages that several address spaces have: each is one frame, however many see it. */
  shared: number;
}

export function useOf(k: Pick<MmKernel, "mm">, { first, end }: FrameRange): Use {
  const { owner, references } = k.mm.frames;
  const use = { free: 0, cached: 0, untyped: 0, shared: 0 };
  for (let frame = first; frame < end; frame++) {
    if (owner[frame] === FrameOwner.free) use.free += 1;
    else if (owner[frame] === FrameOwner.image || owner[frame] === FrameOwner.file) use.cached += 1;
    else if (owner[frame] === FrameOwner.untyped) use.untyped += 1;
    else if (owner[frame] === FrameOwner.anonymous && references[frame]! > 1) use.shared += 1;
  }
  return use;
}
