/**
 * Which automatic snapshots a machine keeps: the newest few, and of the older ones ever fewer the older they are, so that
 * their number grows with the logarithm of the history while going back by some work re-executes an eighth of it at
 * most (or what lies between two seek points, if that is more).
 */
import type { SnapshotRow, Store } from "../../store/types.ts";
import type { InUse } from "./in-use.ts";
import type { Pacer } from "./pace.ts";

export type Point = Pick<SnapshotRow, "id" | "kind" | "at" | "sequence">;

/** One to wake from, and the ones before it in case that is damaged. */
export const NEWEST_KEPT = 3;
const GAP_SHARE = 1 / 8;
/** What an entry of the journal costs to apply again, in instructions: seek points are laid by the same measure. */
const INSTRUCTIONS_PER_ENTRY = 1_000_000;
const SEEK_POINT_INSTRUCTIONS = 2_000_000_000;
const MACHINES_PER_PAGE = 100;

const workAt = ({ at, sequence }: Point): number => at.instructions + sequence * INSTRUCTIONS_PER_ENTRY;

/** Ids of those that can go. `line`: all points of a machine's history, oldest first; those of users stay. */
export function superfluous(line: readonly Point[]): string[] {
  const newest = line.at(-1);
  if (newest === undefined) return [];
  const gone: string[] = [];
  const kept = line.slice(0, 1);
  for (const [index, point] of line.entries()) {
    const next = line[index + 1];
    if (index === 0) continue;
    const gap = next === undefined ? 0 : workAt(next) - workAt(kept.at(-1)!);
    const distance = next === undefined ? 0 : workAt(newest) - workAt(next);
    const isNear = index >= line.length - NEWEST_KEPT;
    const isWide = gap > Math.max(SEEK_POINT_INSTRUCTIONS, distance * GAP_SHARE);
    if (point.kind === "user" || isNear || isWide) kept.push(point);
    else gone.push(point.id);
  }
  return gone;
}

/** Returns how many were deleted. */
export async function thinSnapshots(
  { snapshots }: Pick<Store, "snapshots">,
  inUse: InUse,
  pacer: Pacer,
): Promise<number> {
  let deleted = await snapshots.deleteStray();
  for (let after = ""; ; ) {
    const machines = await snapshots.crowded(NEWEST_KEPT, after, MACHINES_PER_PAGE);
    for (const id of machines) {
      const gone = superfluous(await snapshots.line(id));
      deleted += await inUse.deleting(gone, (ids) => snapshots.deleteAutomatic(ids));
      await pacer.rest();
    }
    if (machines.length < MACHINES_PER_PAGE) return deleted;
    after = machines.at(-1)!;
  }
}
