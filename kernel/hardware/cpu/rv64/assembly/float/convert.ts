/** Conversions, comparisons, minimum and maximum, classification. */
import { raise } from "../state";
import {
  Kind, NV, NX, Rounding, box, canonicalNan, exponentOf, infinity, kindOf, negativeOf, round, significandOf, unbox, unpack, zero,
} from "./format";

/** To an integer of `width` bits; out of range saturates and is invalid. 32-bit results are sign-extended. */
export function toInteger(bits: u64, isSigned: bool, width: i32, mode: i32, double: bool): i64 {
  unpack(bits, double);
  const kind = kindOf(), exp = exponentOf();
  if (kind == Kind.Zero) return 0;
  const sign = kind < Kind.Quiet && negativeOf();
  let whole: u64 = 0, fraction: u64 = 1;
  let range = kind == Kind.Finite && exp < 64;
  if (exp >= 0) {
    whole = significandOf() >> (63 - exp);
    fraction = exp == 63 ? 0 : significandOf() << (exp + 1);
  } else if (exp == -1) fraction = significandOf();
  if (range && roundsUp(whole, fraction, sign, mode)) {
    whole++;
    range = whole != 0;
  }
  let limit: u64 = width == 64 ? ~0 : 0xffffffff;
  if (isSigned) limit = (limit >> 1) + <u64>sign;
  else if (sign) limit = 0;
  if (!range || whole > limit) {
    raise(NV);
    whole = limit;
  } else if (fraction) raise(NX);
  const value = sign ? -<i64>whole : <i64>whole;
  return width == 64 ? value : <i64><i32>value;
}

function roundsUp(whole: u64, fraction: u64, sign: bool, mode: i32): bool {
  const half: u64 = 0x8000000000000000;
  switch (mode) {
    case Rounding.NearestEven: return fraction > half || (fraction == half && (whole & 1) != 0);
    case Rounding.NearestAway: return fraction >= half;
    case Rounding.Down: return sign && fraction != 0;
    case Rounding.Up: return !sign && fraction != 0;
    default: return false;
  }
}

export function fromInteger(value: i64, isSigned: bool, mode: i32, double: bool): u64 {
  if (!value) return zero(false, double);
  const sign = isSigned && value < 0;
  const magnitude = sign ? <u64>-value : <u64>value;
  const up = <i32>clz<u64>(magnitude);
  return round(sign, 63 - up, magnitude << up, mode, double);
}

/** From the other format to the one named by `double`. */
export function convertFormat(bits: u64, mode: i32, double: bool): u64 {
  unpack(bits, !double);
  const kind = kindOf();
  if (kind == Kind.Signalling) raise(NV);
  if (kind >= Kind.Quiet) return canonicalNan(double);
  if (kind == Kind.Infinite) return infinity(negativeOf(), double);
  if (kind == Kind.Zero) return zero(negativeOf(), double);
  return round(negativeOf(), exponentOf(), significandOf(), mode, double);
}

/** The operand as a binary64, which every comparison can then use. Exact, and quiet about signalling NaNs. */
// @ts-ignore: decorator
@inline function asDouble(bits: u64, double: bool): f64 {
  return double ? reinterpret<f64>(bits) : <f64>reinterpret<f32>(<u32>unbox(bits));
}

// @ts-ignore: decorator
@inline function isSignalling(bits: u64, double: bool): bool {
  unpack(bits, double);
  return kindOf() == Kind.Signalling;
}

/** funct3: 0 fle, 1 flt (invalid on any NaN), 2 feq (invalid on signalling NaNs only). */
export function compare(a: u64, b: u64, relation: i32, double: bool): i64 {
  const x = asDouble(a, double), y = asDouble(b, double);
  if (x != x || y != y) {
    if (relation != 2 || isSignalling(a, double) || isSignalling(b, double)) raise(NV);
    return 0;
  }
  return relation == 2 ? x == y : relation == 1 ? x < y : x <= y;
}

/** IEEE 754-2019 minimumNumber and maximumNumber (F version 2.2); -0 is less than +0. */
export function pick(a: u64, b: u64, greatest: bool, double: bool): u64 {
  const x = asDouble(a, double), y = asDouble(b, double);
  if (x != x || y != y) {
    if (isSignalling(a, double) || isSignalling(b, double)) raise(NV);
    if (x != x && y != y) return canonicalNan(double);
    return x != x ? b : a;
  }
  if (x == y) {
    // Equal but for the sign of zero: as bits, minimum is "or" of the signs and maximum "and".
    return greatest ? a & b : a | b;
  }
  return x < y != greatest ? a : b;
}

export function classify(bits: u64, double: bool): i64 {
  unpack(bits, double);
  const sign = negativeOf();
  switch (kindOf()) {
    case Kind.Zero: return sign ? 1 << 3 : 1 << 4;
    case Kind.Infinite: return sign ? 1 << 0 : 1 << 7;
    case Kind.Signalling: return 1 << 8;
    case Kind.Quiet: return 1 << 9;
    default: {
      const subnormal = exponentOf() < (double ? -1022 : -126);
      return subnormal ? (sign ? 1 << 2 : 1 << 5) : sign ? 1 << 1 : 1 << 6;
    }
  }
}

/** Sign injection: funct3 0 copies, 1 inverts, 2 multiplies the sign of b. */
export function injectSign(a: u64, b: u64, how: i32, double: bool): u64 {
  const top: u64 = double ? 0x8000000000000000 : 0x80000000;
  if (!double) {
    a = unbox(a);
    b = unbox(b);
  }
  const sign = (how == 0 ? b : how == 1 ? ~b : a ^ b) & top;
  const value = (a & ~top) | sign;
  return double ? value : box(value);
}
