/** What a state of version 5 needs to be one of version 6: a step for each thing that came, in the order they came. */

import type { SysvState } from "../ipc/sysv/state.ts";
import type { MmState } from "../mm/state.ts";
import { isPromised } from "../mm/tally.ts";
import type { ThreadsState } from "../thread/state.ts";
import type { AnyState } from "./migrations.ts";

/** What regions add up to was counted whenever somebody asked. */
function sums(state: AnyState): void {
  const { mm } = state["kernel"] as { mm: MmState };
  Object.assign(mm, { regions: 0, promised: 0 });
  for (const file of mm.stored.values()) file.mappings = 0;
  for (const space of mm.spaces.values()) {
    mm.regions += space.regions.length;
    space.promised = 0;
    for (const region of space.regions) {
      if (region.backing.kind === "file") mm.stored.get(region.backing.file)!.mappings += 1;
      if (isPromised(region)) space.promised += region.end - region.start;
    }
    mm.promised += space.promised;
  }
}

/** Mappings of files could be made to grow downwards, as stacks do. */
function onlyMemoryGrows(state: AnyState): void {
  const { mm } = state["kernel"] as { mm: MmState };
  for (const { regions } of mm.spaces.values())
    for (const region of regions) if (region.backing.kind === "file") delete region.growsDown;
}

/** Segments were looked for in all tables, and one whose memory had gone stayed there until somebody looked. */
function segmentsByFile(state: AnyState): void {
  const { sysv, mm, threads } = state["kernel"] as { sysv: SysvState; mm: MmState; threads: ThreadsState };
  sysv.segments = new Map();
  for (const [space, { segments, sets, queues }] of [...sysv.spaces]) {
    for (const [index, { id, file }] of [...segments.entries]) {
      if (mm.stored.has(file)) sysv.segments.set(file, { space, id });
      else {
        segments.entries.delete(index);
        sysv.held.objects -= 1;
      }
    }
    const isEmpty = [segments, sets, queues].every(({ entries }) => entries.size === 0);
    if (isEmpty && space !== 0 && !threads.namespaces.has(space)) sysv.spaces.delete(space);
  }
}

/** All threads were scheduled alike, and nice was a task's. */
function oneSchedulingForAll(state: AnyState): void {
  const { threads } = state["kernel"] as {
    threads: {
      tasks: Map<number, { traits: { nice?: number } }>;
      threads: Map<number, { task: number }>;
    };
  };
  for (const thread of threads.threads.values()) {
    const nice = threads.tasks.get(thread.task)!.traits.nice ?? 0;
    Object.assign(thread, { scheduling: { policy: "other", nice, resetOnFork: false } });
  }
  for (const { traits } of threads.tasks.values()) delete traits.nice;
}

/** There was no bound of what is to be undone, and so no count. */
function adjustments(state: AnyState): void {
  const { sysv } = state["kernel"] as { sysv: SysvState };
  sysv.held.adjustments = 0;
  for (const { sets } of sysv.spaces.values())
    for (const { undo } of sets.entries.values()) for (const own of undo.values()) sysv.held.adjustments += own.size;
}

/** No file could be sealed. */
function sealedFiles(state: AnyState): void {
  const { mm } = state["kernel"] as { mm: MmState };
  for (const file of mm.stored.values()) file.seals = 1;
}

export const version6: readonly ((state: AnyState) => void)[] = [
  sums,
  onlyMemoryGrows,
  segmentsByFile,
  oneSchedulingForAll,
  adjustments,
  sealedFiles,
];
