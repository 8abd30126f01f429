/**
 * Decoding of F and D. Moves and loads become integer operations on the offsets of floating-point registers. Arithmetic
 * that the dispatch loop has a fast path for gets an operation of its own; the rest is `Float`. In every case `imm` is
 * the instruction, from which the exact path works. While floating point is guarded (mstatus.FS), all of it becomes
 * `FloatGuarded`.
 */
import { Op } from "./ops";
import { floatIsGuarded } from "./privilege";
import { fr, put, xd, xs } from "./state";

/** Rounding mode fields 5 and 6 are reserved; 7 means the dynamic mode. */
// @ts-ignore: decorator
@inline function badRounding(w: i32): bool { return ((w >> 12) & 7) == 5 || ((w >> 12) & 7) == 6; }
/** The fast paths round to nearest even, which they check for the dynamic mode. */
// @ts-ignore: decorator
@inline function maybeNearest(w: i32): bool { return ((w >> 12) & 7) == 0 || ((w >> 12) & 7) == 7; }

/** Takes the place of what has been decoded at `p` if it may not be executed just so. */
export function guard(p: i32, bits: i32, length: i32): void {
  if (floatIsGuarded()) put(p, Op.FloatGuarded, length, 0, 0, 0, bits);
}

/** LOAD-FP, STORE-FP and OP-FP. False when the instruction is undefined. */
export function decodeFloat(p: i32, w: i32): bool {
  const f3 = (w >> 12) & 7;
  const a = (w >> 15) & 31, b = (w >> 20) & 31, d = (w >> 7) & 31;
  switch ((w >> 2) & 31) {
    case 0x01:
      if (f3 != 2 && f3 != 3) return false;
      put(p, f3 == 2 ? Op.Flw : Op.Ld, 4, fr(d), xs(a), 0, w >> 20);
      return true;
    case 0x09:
      if (f3 != 2 && f3 != 3) return false;
      put(p, f3 == 2 ? Op.Sw : Op.Sd, 4, 0, xs(a), fr(b), (w >> 25) << 5 | d);
      return true;
    default:
      return decodeOperation(p, w, f3, a, b, d);
  }
}

function decodeOperation(p: i32, w: i32, f3: i32, a: i32, b: i32, d: i32): bool {
  const f7 = w >>> 25;
  const double = f7 & 1;
  if (f7 & 2) return false;
  switch (f7 >> 2) {
    case 0x00: return arithmetic(p, w, double ? Op.FaddD : Op.FaddS, a, b, d);
    case 0x01: return arithmetic(p, w, double ? Op.FsubD : Op.FsubS, a, b, d);
    case 0x02: return arithmetic(p, w, double ? Op.FmulD : Op.FmulS, a, b, d);
    case 0x03: return arithmetic(p, w, Op.Float, a, b, d);
    case 0x0b: return b == 0 && arithmetic(p, w, Op.Float, a, b, d);
    case 0x04: {
      if (f3 > 2) return false;
      const op = double ? (f3 == 0 ? Op.FsgnjD : f3 == 1 ? Op.FsgnjnD : Op.FsgnjxD) : Op.Float;
      put(p, op, 4, fr(d), fr(a), fr(b), w);
      return true;
    }
    case 0x05:
      if (f3 > 1) return false;
      put(p, Op.Float, 4, fr(d), fr(a), fr(b), w);
      return true;
    case 0x08:
      // Between the two formats: rs2 names the source format.
      return b == (double ^ 1) && arithmetic(p, w, Op.Float, a, b, d);
    case 0x14: {
      if (f3 > 2) return false;
      const op = double ? (f3 == 2 ? Op.FeqD : f3 == 1 ? Op.FltD : Op.FleD) : Op.Float;
      put(p, op, 4, xd(d), fr(a), fr(b), w);
      return true;
    }
    case 0x18:
      if (b > 3 || badRounding(w)) return false;
      put(p, Op.Float, 4, xd(d), fr(a), 0, w);
      return true;
    case 0x1a:
      if (b > 3 || badRounding(w)) return false;
      put(p, double && b == 0 && f3 == 0 ? Op.FcvtDW : Op.Float, 4, fr(d), xs(a), 0, w);
      return true;
    case 0x1c:
      if (b || f3 > 1) return false;
      if (f3 == 1) put(p, Op.Float, 4, xd(d), fr(a), 0, w);
      else put(p, double ? Op.Mv : Op.Addiw, 4, xd(d), fr(a), 0, 0);
      return true;
    case 0x1e:
      if (b || f3) return false;
      put(p, double ? Op.Mv : Op.FmvWX, 4, fr(d), xs(a), 0, 0);
      return true;
    default:
      return false;
  }
}

function arithmetic(p: i32, w: i32, fast: Op, a: i32, b: i32, d: i32): bool {
  if (badRounding(w)) return false;
  put(p, maybeNearest(w) ? fast : Op.Float, 4, fr(d), fr(a), fr(b), w);
  return true;
}

/** FMADD, FMSUB, FNMSUB, FNMADD. */
export function decodeFused(p: i32, w: i32): bool {
  const format = (w >> 25) & 3;
  if (format > 1 || badRounding(w)) return false;
  put(p, maybeNearest(w) ? (format ? Op.FmaddD : Op.FmaddS) : Op.Float, 4, fr((w >> 7) & 31), fr((w >> 15) & 31), fr((w >> 20) & 31), w);
  store<u16>(p, fr(w >>> 27), 10);
  return true;
}
