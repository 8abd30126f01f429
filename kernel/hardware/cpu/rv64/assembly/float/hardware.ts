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
import { imm, rd, rdd, rs1, rs1d, rs1w, rs2, rs2d, rs3 } from "../state";

const LEAST_SINGLE: f32 = 1.1754943508222875e-38;
const BOX: i64 = 0xffffffff00000000;

/** Whether the NaN boxes are intact of registers of which these are the bits that all have. */
// @ts-ignore: decorator
@inline function boxed(all: i64): bool { return all >> 32 == -1; }
// @ts-ignore: decorator
@inline function single(a: i64): f32 { return reinterpret<f32>(<i32>a); }
// @ts-ignore: decorator
@inline export function ordered<T>(a: T, b: T): bool { return a == a && b == b; }
// @ts-ignore: decorator
@inline export function finite(value: f64): bool { return abs<f64>(value) <= f64.MAX_VALUE; }
// @ts-ignore: decorator
@inline export function normal(value: f64): bool { return abs<f64>(value) <= f64.MAX_VALUE && abs<f64>(value) > f64.MIN_NORMAL_VALUE; }
// @ts-ignore: decorator
@inline function finiteSingle(value: f32): bool { return abs<f32>(value) <= f32.MAX_VALUE; }
// @ts-ignore: decorator
@inline function normalSingle(value: f32): bool { return abs<f32>(value) <= f32.MAX_VALUE && abs<f32>(value) > LEAST_SINGLE; }

/** FMADD, FMSUB, FNMSUB and FNMADD by bits 3 and 2: the sign bit if the product, or the addend, is negated. */
// @ts-ignore: decorator
@inline function productSign(w: i32): u64 { return <u64>(w & 8) << 60; }
// @ts-ignore: decorator
@inline function addendSign(w: i32): u64 { return <u64>(w & 4) << 61; }

function give(p: i32, value: f64): bool {
  rdd(p, value);
  return true;
}

function giveSingle(p: i32, value: f32): bool {
  rd(p, <i64>reinterpret<i32>(value) | BOX);
  return true;
}

function giveBits(p: i32, value: i64): bool {
  rd(p, value);
  return true;
}

/* from the table: functions of floats */

/**
 * Executes an instruction of OP-FP, the one of record `p`, and returns true, or does nothing. Fused ones have their only
 * fast path in the dispatch loop.
 */
export function byHardware(p: i32): bool {
  const w = imm(p);
  if ((w & 0x7f) != 0x53) return false;
  const fcsr = load<u32>(L.FCSR);
  const inexact = <bool>(fcsr & 1);
  const field = (w >> 12) & 7;
  const nearest = field == 0 || (field == 7 && fcsr >> 5 == 0);
  /* from the table: host operations */
  return false;
}

/** So far from overflow that an error-free transformation is one. */
// @ts-ignore: decorator
@inline function areModerate(a: f64, b: f64): bool { return abs<f64>(a) < 1e300 && abs<f64>(b) < 1e300; }

/** The sum of rs1 and `b`, if it is exact, so that no flag is raised. */
function exactSum(p: i32, b: f64): bool {
  const a = rs1d(p);
  if (!areModerate(a, b)) return false;
  const sum = a + b;
  const part = sum - a;
  return (a - (sum - part)) + (b - part) == 0 && give(p, sum);
}

/** Odd parts of at most 53 bits together have a product of at most 53 bits. */
function exactProduct(p: i32): bool {
  const a = rs1d(p), b = rs2d(p);
  return areModerate(a, b) && significant(a) + significant(b) <= 53 && normal(a * b) && give(p, a * b);
}

/** Bits of the odd part of a normal number's significand. */
function significant(value: f64): i32 {
  return 53 - <i32>ctz<u64>(reinterpret<u64>(value) & 0xfffffffffffff | 0x10000000000000);
}

/**
 * A sum is known to a relative error of 2^-53. If the ends of an interval that is a little wider are rounded to the same
 * number, so is the sum.
 */
const ABOVE: f64 = 1.0000000000000009;
const BELOW: f64 = 0.9999999999999991;

/** The product of two binary32 is exact in binary64; `w` is the instruction. */
export function fusedSingle(p: i32, w: i32): bool {
  if (!boxed(rs1(p) & rs2(p) & rs3(p))) return false;
  const x = reinterpret<f64>(reinterpret<u64>(<f64>single(rs1(p)) * <f64>single(rs2(p))) ^ productSign(w));
  const c = reinterpret<f64>(reinterpret<u64>(<f64>single(rs3(p))) ^ addendSign(w));
  const sum = x + c;
  const value = <f32>sum;
  return <f32>(sum * ABOVE) == <f32>(sum * BELOW) && normalSingle(value) && giveSingle(p, value);
}

/** Multiplied by this, a significand falls into two halves of at most 26 bits. */
const SPLITTER: f64 = 134217729;

/**
 * The product as an unevaluated sum of two (Dekker), the addend added error-free to the upper one: together exactly
 * `sum` and two errors. Where a step overflows, the result is a NaN or infinite, and a product above 1e-200 has no part
 * that underflows. `w` is the instruction.
 */
export function fusedDouble(p: i32, w: i32): bool {
  const a = reinterpret<f64>(<u64>rs1(p) ^ productSign(w)), b = rs2d(p);
  const c = reinterpret<f64>(<u64>rs3(p) ^ addendSign(w));
  const high = a * b;
  if (!(abs<f64>(high) > 1e-200)) return false;
  const ta = a * SPLITTER, tb = b * SPLITTER;
  const ah = ta - (ta - a), bh = tb - (tb - b);
  const al = a - ah, bl = b - bh;
  const low = al * bl - (((high - ah * bh) - al * bh) - ah * bl);
  const sum = high + c;
  const part = sum - high;
  const rest = ((high - (sum - part)) + (c - part)) + low;
  const value = sum + rest;
  return sum + rest * ABOVE == sum + rest * BELOW && normal(value) && give(p, value);
}
