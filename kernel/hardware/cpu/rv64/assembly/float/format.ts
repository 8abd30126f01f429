/**
 * IEEE 754 binary32 and binary64 by integer arithmetic: taking values apart, rounding, and putting them together.
 * (Unprivileged specification, "F" and "D": flags, canonical NaN, NaN boxing, underflow detected after rounding.)
 *
 * A finite nonzero value is sign, exponent and a 64-bit significand with bit 63 set: significand * 2^(exponent - 63).
 * Both formats share it, so every operation is written once. `double` selects the format; a binary32 is NaN-boxed on
 * the way out and checked on the way in. Results of operations may be inexact in the last bit only by "jamming": bit 0
 * is set if anything nonzero was lost below it, which no rounding can tell from the exact value.
 */
import { raise } from "../state";

export const NX: i32 = 1, UF: i32 = 2, OF: i32 = 4, DZ: i32 = 8, NV: i32 = 16;

export const enum Rounding { NearestEven, TowardZero, Down, Up, NearestAway }

export const enum Kind { Zero, Finite, Infinite, Quiet, Signalling }

// The last value taken apart.
let kind: Kind = Kind.Zero;
let negative: bool = false;
let exponent: i32 = 0;
let significand: u64 = 0;

// @ts-ignore: decorator
@inline export function kindOf(): Kind { return kind; }
// @ts-ignore: decorator
@inline export function negativeOf(): bool { return negative; }
// @ts-ignore: decorator
@inline export function exponentOf(): i32 { return exponent; }
// @ts-ignore: decorator
@inline export function significandOf(): u64 { return significand; }

/** A register as binary32: what is not NaN-boxed reads as the canonical NaN. */
// @ts-ignore: decorator
@inline export function unbox(bits: u64): u64 { return bits >> 32 == 0xffffffff ? bits & 0xffffffff : 0x7fc00000; }
// @ts-ignore: decorator
@inline export function box(bits: u64): u64 { return bits | 0xffffffff00000000; }

/** Takes a register apart into `kindOf`, `negativeOf`, `exponentOf` and `significandOf`. */
export function unpack(bits: u64, double: bool): void {
  let fraction: u64, field: i32, top: i32;
  if (double) {
    negative = <bool>(bits >> 63);
    field = <i32>(bits >> 52) & 0x7ff;
    fraction = bits << 12;
    top = 0x7ff;
  } else {
    bits = unbox(bits);
    negative = <bool>(bits >> 31);
    field = <i32>(bits >> 23) & 0xff;
    fraction = bits << 41;
    top = 0xff;
  }
  if (field == top) {
    kind = fraction == 0 ? Kind.Infinite : fraction >> 63 ? Kind.Quiet : Kind.Signalling;
  } else if (field) {
    kind = Kind.Finite;
    exponent = field - (top >> 1);
    significand = fraction >> 1 | 0x8000000000000000;
  } else if (fraction) {
    const shift = clz<u64>(fraction);
    kind = Kind.Finite;
    exponent = -(top >> 1) - <i32>shift;
    significand = fraction << shift;
  } else kind = Kind.Zero;
}

export function zero(sign: bool, double: bool): u64 {
  return double ? <u64>sign << 63 : box(<u64>sign << 31);
}

export function infinity(sign: bool, double: bool): u64 {
  return double ? <u64>sign << 63 | 0x7ff0000000000000 : box(<u64>sign << 31 | 0x7f800000);
}

export function canonicalNan(double: bool): u64 {
  return double ? 0x7ff8000000000000 : box(0x7fc00000);
}

export function invalid(double: bool): u64 {
  raise(NV);
  return canonicalNan(double);
}

/** Shifts right; bit 0 of the result tells if anything was lost. */
export function shiftJam(value: u64, count: i32): u64 {
  if (count == 0) return value;
  if (count > 63) return <u64>(value != 0);
  return value >> count | <u64>(value << (64 - count) != 0);
}

/** Rounds to the format, raises the flags, and gives the register's new bits. Bit 63 of `sig` must be set. */
export function round(sign: bool, exp: i32, sig: u64, mode: i32, double: bool): u64 {
  const shift = double ? 11 : 40;
  const bias = double ? 1023 : 127;
  const mask = (<u64>1 << shift) - 1;
  const half = <u64>1 << (shift - 1);
  let increment: u64 = 0;
  if (mode == Rounding.NearestEven || mode == Rounding.NearestAway) increment = half;
  else if (mode == (sign ? Rounding.Down : Rounding.Up)) increment = mask;

  const subnormal = exp < 1 - bias;
  let tiny = false;
  if (subnormal) {
    // Tiny unless rounding with an unbounded exponent would carry up to the least normal number.
    tiny = exp < -bias || sig + increment >= sig;
    sig = shiftJam(sig, 1 - bias - exp);
  }
  const lost = sig & mask;
  if (lost) raise(tiny ? NX | UF : NX);
  const sum = sig + increment;
  let kept = sum >> shift;
  if (sum < sig) {
    kept |= <u64>1 << (64 - shift);
    if (!subnormal) {
      kept >>= 1;
      exp++;
    }
  }
  if (mode == Rounding.NearestEven && lost == half) kept &= ~1;
  if (subnormal) return double ? <u64>sign << 63 | kept : box(<u64>sign << 31 | kept);
  if (exp > bias) return overflow(sign, mode, double);
  const field = <u64>(exp + bias - 1);
  return double ? (<u64>sign << 63) + (field << 52) + kept : box((<u64>sign << 31) + (field << 23) + kept);
}

function overflow(sign: bool, mode: i32, double: bool): u64 {
  raise(OF | NX);
  const toInfinity = mode == Rounding.NearestEven || mode == Rounding.NearestAway || mode == (sign ? Rounding.Down : Rounding.Up);
  // The greatest finite number is the pattern just below infinity.
  return infinity(sign, double) - <u64>!toInfinity;
}
