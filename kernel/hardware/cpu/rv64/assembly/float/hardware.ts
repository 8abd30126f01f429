/**
 * Floating point by the host's own instructions, where result and flags are provably those of the exact path.
 *
 * The host rounds to nearest even, so nothing here applies in another mode. Flags: if the inexact flag is set already, it
 * does not matter whether the result is exact; it remains to exclude the other four. A finite result excludes NV, DZ
 * and OF (a NaN or infinite operand, an invalid operation, a division by zero and an overflow all give NaN or infinity,
 * save for x / infinity, which gives zero). UF needs a result at or below the least normal number; sums in that range are
 * exact and need no check, everything else at or below it is left to the exact path. If the inexact flag is clear, only
 * results that an error-free transformation shows to be exact are taken.
 */
import * as L from "../layout";
import { imm, rd, rdd, rs1, rs1d, rs2, rs2d, rs3 } from "../state";

const LEAST_SINGLE: f32 = 1.1754943508222875e-38;
const BOX: i64 = 0xffffffff00000000;

/** The values of a register pair whose NaN boxes are intact. */
// @ts-ignore: decorator
@inline function boxed(a: i64, b: i64): bool { return (a & b) >> 32 == -1; }
// @ts-ignore: decorator
@inline function single(a: i64): f32 { return reinterpret<f32>(<i32>a); }
// @ts-ignore: decorator
@inline function normal(value: f64): bool { return abs<f64>(value) <= f64.MAX_VALUE && abs<f64>(value) > f64.MIN_NORMAL_VALUE; }
// @ts-ignore: decorator
@inline function normalSingle(value: f32): bool { return abs<f32>(value) <= f32.MAX_VALUE && abs<f32>(value) > LEAST_SINGLE; }

function give(p: i32, value: f64): bool {
  rdd(p, value);
  return true;
}

function giveSingle(p: i32, value: f32): bool {
  rd(p, <i64>reinterpret<i32>(value) | BOX);
  return true;
}

/** Executes the instruction of record `p` and returns true, or does nothing. */
export function byHardware(p: i32): bool {
  const w = imm(p);
  const fcsr = load<u32>(L.FCSR);
  const f3 = (w >> 12) & 7;
  if (f3 != 0 && (f3 != 7 || fcsr >> 5 != 0)) return false;
  const isDouble = (w >> 25) & 1;
  const opcode = (w >> 2) & 31;
  if (!(fcsr & 1)) return isDouble && opcode == 0x14 && exactly(p, w >>> 27);
  if (opcode == 0x14) return isDouble ? doubleOperation(p, w >>> 27) : singleOperation(p, w >>> 27);
  const product: u64 = (opcode & 2) != 0 ? 0x8000000000000000 : 0;
  const addend: u64 = opcode == 0x11 || opcode == 0x13 ? 0x8000000000000000 : 0;
  return isDouble ? fusedDouble(p, product, addend) : fusedSingle(p, product, addend);
}

function doubleOperation(p: i32, operation: i32): bool {
  const a = rs1d(p), b = rs2d(p);
  switch (operation) {
    case 0x03: return normal(a / b) && give(p, a / b);
    case 0x0b: return normal(sqrt<f64>(a)) && give(p, sqrt<f64>(a));
    case 0x08: {
      const value = single(rs1(p));
      return rs1(p) >> 32 == -1 && abs<f32>(value) <= f32.MAX_VALUE && give(p, <f64>value);
    }
    default: return false;
  }
}

function singleOperation(p: i32, operation: i32): bool {
  if (operation == 0x08) {
    const value = <f32>rs1d(p);
    return normalSingle(value) && giveSingle(p, value);
  }
  if (operation == 0x0b) {
    const root = sqrt<f32>(single(rs1(p)));
    return rs1(p) >> 32 == -1 && normalSingle(root) && giveSingle(p, root);
  }
  if (operation > 3 || !boxed(rs1(p), rs2(p))) return false;
  const a = single(rs1(p)), b = single(rs2(p));
  switch (operation) {
    case 0x00: return abs<f32>(a + b) <= f32.MAX_VALUE && giveSingle(p, a + b);
    case 0x01: return abs<f32>(a - b) <= f32.MAX_VALUE && giveSingle(p, a - b);
    case 0x02: return normalSingle(a * b) && giveSingle(p, a * b);
    default: return normalSingle(a / b) && giveSingle(p, a / b);
  }
}

/** Sums and products of binary64 that are exact, so that no flag is raised. */
function exactly(p: i32, operation: i32): bool {
  const a = rs1d(p);
  const b = operation == 1 ? -rs2d(p) : rs2d(p);
  // Far from overflow, so that the transformation itself is error-free.
  const limit: f64 = 1e300;
  if (!(abs<f64>(a) < limit && abs<f64>(b) < limit)) return false;
  if (operation <= 1) {
    const sum = a + b;
    const part = sum - a;
    return (a - (sum - part)) + (b - part) == 0 && give(p, sum);
  }
  if (operation != 2) return false;
  // Odd parts of at most 53 bits together have a product of at most 53 bits.
  const bits = significant(a) + significant(b);
  return bits <= 53 && normal(a * b) && give(p, a * b);
}

/** Bits of the odd part of a normal number's significand. */
function significant(value: f64): i32 {
  return 53 - <i32>ctz<u64>(reinterpret<u64>(value) & 0xfffffffffffff | 0x10000000000000);
}

/** Rounds a sum and its error, given by an error-free transformation, to odd. */
// @ts-ignore: decorator
@inline function toOdd(sum: f64, error: f64): f64 {
  const bits = reinterpret<i64>(sum);
  if (error == 0 || bits & 1) return sum;
  return reinterpret<f64>((error > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

/**
 * The product of two binary32 is exact in binary64. The sum rounded to odd there, then to nearest in binary32, is
 * correctly rounded, because 53 >= 24 + 2.
 */
function fusedSingle(p: i32, product: u64, addend: u64): bool {
  if (!boxed(rs1(p), rs2(p)) || rs3(p) >> 32 != -1) return false;
  const x = reinterpret<f64>(reinterpret<u64>(<f64>single(rs1(p)) * <f64>single(rs2(p))) ^ product);
  const c = reinterpret<f64>(reinterpret<u64>(<f64>single(rs3(p))) ^ addend);
  const sum = x + c;
  if (sum == 0) return false;
  const part = sum - x;
  const value = <f32>toOdd(sum, (x - (sum - part)) + (c - part));
  return normalSingle(value) && giveSingle(p, value);
}

/** Within these bounds none of the steps of `fusedDouble` overflows or underflows. */
// @ts-ignore: decorator
@inline function moderate(value: f64): bool { return abs<f64>(value) < 1e140 && abs<f64>(value) > 1e-110; }

/** Multiplied by this, a significand falls into two halves of at most 26 bits. */
const SPLITTER: f64 = 134217729;

/**
 * S. Boldo, G. Melquiond, "Emulation of a FMA and Correctly Rounded Sums" (2008): the product as an unevaluated sum of
 * two (Dekker), the addend added error-free to both, the low parts rounded to odd, and one rounding to nearest.
 */
function fusedDouble(p: i32, product: u64, addend: u64): bool {
  const a = reinterpret<f64>(<u64>rs1(p) ^ product), b = rs2d(p);
  const c = reinterpret<f64>(<u64>rs3(p) ^ addend);
  if (!moderate(a) || !moderate(b) || !(moderate(c) || c == 0)) return false;
  const ta = a * SPLITTER, tb = b * SPLITTER;
  const ah = ta - (ta - a), bh = tb - (tb - b);
  const al = a - ah, bl = b - bh;
  const uh = a * b;
  const ul = al * bl - (((uh - ah * bh) - al * bh) - ah * bl);
  const th = c + ul, tp = th - c;
  const tl = (c - (th - tp)) + (ul - tp);
  const vh = uh + th, vp = vh - uh;
  const vl = (uh - (vh - vp)) + (th - vp);
  const low = tl + vl, lp = low - tl;
  const value = vh + toOdd(low, (tl - (low - lp)) + (vl - lp));
  return normal(value) && give(p, value);
}
