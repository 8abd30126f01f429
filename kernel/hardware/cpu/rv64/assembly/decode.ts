/**
 * Decoding of instructions into records. Which instruction it is, and where its operands are, is in ../instructions: the
 * functions here are made from it, but for those that choose between ways of recording the same. HINTs come out as
 * ordinary operations on the sink; everything undefined becomes `Illegal` with its bits.
 *
 * `offset` is the instruction's place in its page. Jumps within the page are kept as distances between records, others
 * as distances from the start of the page. `near` is false where the records around `p` are not those of the page.
 *
 * Floating point: arithmetic that the dispatch loop has a fast path for gets an operation of its own; the rest is `Float`.
 * In every case `imm` is the instruction, from which the exact path works. While floating point is guarded (mstatus.FS),
 * all of it becomes `FloatGuarded`.
 */
import { Op } from "./ops";
import { floatIsGuarded } from "./privilege";
import { fr, put, xd, xs } from "./state";
import { translating } from "./translated";

function illegal(p: i32, w: i32, length: i32): void {
  put(p, Op.Illegal, length, 0, 0, 0, w);
}

/** Takes the place of what has been decoded at `p` if it may not be executed just so. */
function guard(p: i32, w: i32, length: i32): void {
  if (floatIsGuarded()) put(p, Op.FloatGuarded, length, 0, 0, 0, w);
}

/** Rounding mode fields 5 and 6 are reserved; 7 means the dynamic mode. */
// @ts-ignore: decorator
@inline function isReservedMode(w: i32): bool { return ((w >> 12) & 7) == 5 || ((w >> 12) & 7) == 6; }
/** The fast paths round to nearest even, which they check for the dynamic mode. */
// @ts-ignore: decorator
@inline function mayBeNearest(w: i32): bool { return ((w >> 12) & 7) == 0 || ((w >> 12) & 7) == 7; }
/** What is always exact rounds in no mode; but the dynamic one may be reserved, which is not checked then. */
// @ts-ignore: decorator
@inline function isNearest(w: i32): bool { return ((w >> 12) & 7) == 0; }

/**
 * A conditional branch; `op` is the near form. With a translator, what goes back or calls takes the far form even
 * within a page, because that is where the dispatch loop looks for translated code.
 */
function branch(p: i32, op: Op, length: i32, a: i32, b: i32, offset: i32, near: bool, distance: i32): void {
  const target = offset + distance;
  if (near && <u32>target < 4096 && !(distance <= 0 && translating())) put(p, op, length, 0, a, b, distance << 3);
  else put(p, op + (length == 2 ? Op.BeqFarC - Op.BeqC : Op.BeqFar - Op.Beq), length, 0, a, b, target);
}

function jump(p: i32, length: i32, register: i32, offset: i32, near: bool, distance: i32): void {
  const target = offset + distance;
  if (near && <u32>target < 4096 && !((register || distance <= 0) && translating())) put(p, register ? Op.Jal : Op.Jump, length, xd(register), 0, 0, distance << 3);
  else put(p, Op.JalFar, length, xd(register), 0, 0, target);
}

function indirect(p: i32, length: i32, register: i32, base: i32, distance: i32): void {
  put(p, register ? Op.Jalr : Op.Jr, length, xd(register), base, 0, distance);
}

/* from the table: forms of operands */

export function decode32(p: i32, w: i32, offset: i32, near: bool): void {
  /* from the table: encodings */
  illegal(p, w, 4);
}

/** `w` is the halfword. */
export function decode16(p: i32, w: i32, offset: i32): void {
  const near = true;
  /* from the table: compressed encodings */
  illegal(p, w, 2);
}
