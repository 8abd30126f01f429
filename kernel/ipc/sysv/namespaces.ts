/** The end of an IPC name space: all that is in it goes, but what is attached goes with its last attachment. */
import { removeQueue } from "./messages.ts";
import { dropEmptied, type SysvKernel } from "./objects.ts";
import { removeSet } from "./semaphores.ts";
import { removeSegment } from "./shared-memory.ts";

/** Nobody has the name space any more: it is in no table of them. */
export function endIpc(k: SysvKernel, id: number): void {
  const space = k.sysv.spaces.get(id);
  if (space === undefined) return;
  for (const segment of [...space.segments.entries.values()]) removeSegment(k, segment);
  for (const set of [...space.sets.entries.values()]) removeSet(k, id, space.sets, set);
  for (const queue of [...space.queues.entries.values()]) removeQueue(k, id, space.queues, queue);
  dropEmptied(k, id);
}
