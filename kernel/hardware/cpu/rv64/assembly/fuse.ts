/**
 * Fused records: what the dispatch loop does at a record may be the work of the instructions behind it too, where they are
 * one of the sequences of ../instructions/sequences.ts. It then finds its way once instead of once for each.
 *
 * Only `dispatch` of the first record says so. The records of the others stay as they are, for who jumps to them, and `op`
 * stays the operation of the one instruction, for everything but the dispatch loop. A sequence lies within a straight
 * line, so nothing ends or begins in the middle of it but an exception, and the budget. Where the budget ends a Stop is
 * planted, and up to there nothing is fused as long as it stands. In the timed core a sequence lies within a line of the
 * cache, too, so that who begins it has fetched all of it.
 */
import { Op } from "./ops";
import { delta, dispatchOf, opOf } from "./state";
import { isSameLine } from "./timed";

/** The operation of record `p`, some way behind the first one of a sequence. */
// @ts-ignore: decorator
@inline function following(first: i32, p: i32): i32 { return TIMED && !isSameLine(first, p) ? Op.None : opOf(p); }

/** The longest sequence at record `p`, or its own operation. */
function sequenceAt(p: i32): Op {
  /* from the table: sequences */
  return opOf(p);
}

/** Fuses the records from `p` up to `end`, of a straight line. */
export function fuse(p: i32, end: i32): void {
  for (; p < end; p += delta(p)) store<u16>(p, sequenceAt(p));
}

/** Makes the line at `p` end after `left` instructions; gives the record where it does. */
export function plantStop(p: i32, left: i32): i32 {
  for (; left > 0; left--) {
    store<u16>(p, opOf(p));
    p += delta(p);
  }
  store<u16>(p, Op.Stop);
  return p;
}

/** Takes the Stop at `plant`, if any, away from the line at `p`, unless the records have been emptied since. */
export function unplant(plant: i32, p: i32): void {
  if (plant && dispatchOf(plant) == Op.Stop) fuse(p, plant + delta(plant));
}
