/** The allocators there are, by the kind of their state. */
import type { AllocatorKind, AllocatorOps, AllocatorState } from "./allocator.ts";
import { bitmap } from "./bitmap.ts";
import { buddy } from "./buddy.ts";
import { freeList } from "./free-list.ts";

export const allocators: { readonly [Kind in AllocatorKind]: AllocatorOps<Extract<AllocatorState, { kind: Kind }>> } = {
  bitmap,
  free_list: freeList,
  buddy,
};

/** The functions for a state, whatever kind it is of. */
export const allocatorFor = (kind: AllocatorKind): AllocatorOps<AllocatorState> =>
  allocators[kind] as AllocatorOps<AllocatorState>;
