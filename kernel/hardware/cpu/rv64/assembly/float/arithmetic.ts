/** Addition, multiplication, fused multiply-add, division and square root, exact in every rounding mode. */
import { raise } from "../state";
import { mulhu } from "../integer";
import {
  DZ, Kind, NV, Rounding, canonicalNan, exponentOf, infinity, invalid, kindOf, negativeOf, round, shiftJam, significandOf, unpack, zero,
} from "./format";

/** The NaN that follows from operands of which at least one is a NaN. */
function nan(a: Kind, b: Kind, double: bool): u64 {
  return a == Kind.Signalling || b == Kind.Signalling ? invalid(double) : canonicalNan(double);
}

/** a + b; with `subtract`, a - b. */
export function add(a: u64, b: u64, subtract: bool, mode: i32, double: bool): u64 {
  unpack(a, double);
  const ka = kindOf(), sa = negativeOf(), ea = exponentOf(), ma = significandOf();
  unpack(b, double);
  const kb = kindOf(), sb = negativeOf() != subtract, eb = exponentOf(), mb = significandOf();
  if (ka >= Kind.Quiet || kb >= Kind.Quiet) return nan(ka, kb, double);
  if (ka == Kind.Infinite) return kb == Kind.Infinite && sa != sb ? invalid(double) : infinity(sa, double);
  if (kb == Kind.Infinite) return infinity(sb, double);
  if (ka == Kind.Zero) {
    if (kb == Kind.Zero) return zero(sa == sb ? sa : mode == Rounding.Down, double);
    return round(sb, eb, mb, mode, double);
  }
  if (kb == Kind.Zero) return round(sa, ea, ma, mode, double);
  // One bit of headroom; the low bits of a significand are zero, so nothing is lost by it.
  const difference = ea - eb;
  const x = difference < 0 ? shiftJam(ma >> 1, -difference) : ma >> 1;
  const y = difference > 0 ? shiftJam(mb >> 1, difference) : mb >> 1;
  let sign = sa, sum = x + y;
  if (sa != sb) {
    if (x == y) return zero(mode == Rounding.Down, double);
    sign = x > y ? sa : sb;
    sum = x > y ? x - y : y - x;
  }
  const up = <i32>clz<u64>(sum);
  return round(sign, (difference < 0 ? eb : ea) + 1 - up, sum << up, mode, double);
}

export function multiply(a: u64, b: u64, mode: i32, double: bool): u64 {
  unpack(a, double);
  const ka = kindOf(), sa = negativeOf(), ea = exponentOf(), ma = significandOf();
  unpack(b, double);
  const kb = kindOf(), eb = exponentOf(), mb = significandOf();
  const sign = sa != negativeOf();
  if (ka >= Kind.Quiet || kb >= Kind.Quiet) return nan(ka, kb, double);
  if (ka == Kind.Infinite || kb == Kind.Infinite) return ka == Kind.Zero || kb == Kind.Zero ? invalid(double) : infinity(sign, double);
  if (ka == Kind.Zero || kb == Kind.Zero) return zero(sign, double);
  const top = <u64>mulhu(<i64>ma, <i64>mb) | <u64>(ma * mb != 0);
  const up = <i32>clz<u64>(top);
  return round(sign, ea + eb + 1 - up, top << up, mode, double);
}

/** a * b + c with one rounding; the product and the addend may be negated. */
export function fused(a: u64, b: u64, c: u64, negateProduct: bool, negateAddend: bool, mode: i32, double: bool): u64 {
  unpack(a, double);
  const ka = kindOf(), sa = negativeOf(), ea = exponentOf(), ma = significandOf();
  unpack(b, double);
  const kb = kindOf(), eb = exponentOf(), mb = significandOf();
  const sp = (sa != negativeOf()) != negateProduct;
  unpack(c, double);
  const kc = kindOf(), sc = negativeOf() != negateAddend, ec = exponentOf(), mc = significandOf();
  const meaningless = (ka == Kind.Infinite && kb == Kind.Zero) || (ka == Kind.Zero && kb == Kind.Infinite);
  if (ka >= Kind.Quiet || kb >= Kind.Quiet || kc >= Kind.Quiet || meaningless) {
    if (meaningless || ka == Kind.Signalling || kb == Kind.Signalling || kc == Kind.Signalling) raise(NV);
    return canonicalNan(double);
  }
  if (ka == Kind.Infinite || kb == Kind.Infinite) return kc == Kind.Infinite && sp != sc ? invalid(double) : infinity(sp, double);
  if (kc == Kind.Infinite) return infinity(sc, double);
  if (ka == Kind.Zero || kb == Kind.Zero) {
    if (kc == Kind.Zero) return zero(sp == sc ? sp : mode == Rounding.Down, double);
    return round(sc, ec, mc, mode, double);
  }
  const high = <u64>mulhu(<i64>ma, <i64>mb), low = ma * mb;
  const up = <i32>clz<u64>(high);
  const ep = ea + eb + 1 - up;
  const ph = up ? high << 1 | low >> 63 : high, pl = low << up;
  if (kc == Kind.Zero) return round(sp, ep, ph | <u64>(pl != 0), mode, double);
  return addWide(sp, ep, ph, pl, sc, ec, mc, mode, double);
}

/** The product ph:pl (bit 127 set, at least 22 low bits clear) plus the addend mc. */
function addWide(sp: bool, ep: i32, ph: u64, pl: u64, sc: bool, ec: i32, mc: u64, mode: i32, double: bool): u64 {
  // One bit of headroom in both, then both at the larger exponent.
  let xl = pl >> 1 | ph << 63, xh = ph >> 1, yl = mc << 63, yh = mc >> 1;
  let exp = ep;
  if (ep < ec) {
    xl = lowJam(xh, xl, ec - ep);
    xh = ec - ep > 63 ? 0 : xh >> (ec - ep);
    exp = ec;
  } else if (ec < ep) {
    yl = lowJam(yh, yl, ep - ec);
    yh = ep - ec > 63 ? 0 : yh >> (ep - ec);
  }
  let sign = sp, low = xl + yl, high = xh + yh + <u64>(xl + yl < xl);
  if (sp != sc) {
    if (xh == yh && xl == yl) return zero(mode == Rounding.Down, double);
    if (xh > yh || (xh == yh && xl > yl)) {
      low = xl - yl;
      high = xh - yh - <u64>(xl < yl);
    } else {
      sign = sc;
      low = yl - xl;
      high = yh - xh - <u64>(yl < xl);
    }
  }
  exp += 1;
  if (!high) {
    high = low;
    low = 0;
    exp -= 64;
  }
  const up = <i32>clz<u64>(high);
  const top = up ? high << up | low >> (64 - up) : high;
  return round(sign, exp - up, top | <u64>(low << up != 0), mode, double);
}

/** Low half of high:low shifted right by `count`, jammed. */
function lowJam(high: u64, low: u64, count: i32): u64 {
  if (count >= 64) return shiftJam(high, count - 64) | <u64>(low != 0);
  return high << (64 - count) | shiftJam(low, count);
}

export function divide(a: u64, b: u64, mode: i32, double: bool): u64 {
  unpack(a, double);
  const ka = kindOf(), sa = negativeOf(), ea = exponentOf(), ma = significandOf();
  unpack(b, double);
  const kb = kindOf(), eb = exponentOf(), mb = significandOf();
  const sign = sa != negativeOf();
  if (ka >= Kind.Quiet || kb >= Kind.Quiet) return nan(ka, kb, double);
  if (ka == Kind.Infinite) return kb == Kind.Infinite ? invalid(double) : infinity(sign, double);
  if (kb == Kind.Infinite) return zero(sign, double);
  if (kb == Kind.Zero) {
    if (ka == Kind.Zero) return invalid(double);
    raise(DZ);
    return infinity(sign, double);
  }
  if (ka == Kind.Zero) return zero(sign, double);
  let exp = ea - eb, rest = ma - mb;
  if (ma < mb) {
    exp--;
    rest += ma;
  }
  let quotient: u64 = 1;
  for (let i = 0; i < 63; i++) {
    const carry = rest >> 63;
    rest <<= 1;
    quotient <<= 1;
    if (carry || rest >= mb) {
      rest -= mb;
      quotient |= 1;
    }
  }
  return round(sign, exp, quotient | <u64>(rest != 0), mode, double);
}

export function squareRoot(a: u64, mode: i32, double: bool): u64 {
  unpack(a, double);
  const kind = kindOf(), sign = negativeOf(), exp = exponentOf();
  if (kind >= Kind.Quiet) return nan(kind, Kind.Zero, double);
  if (kind == Kind.Zero) return zero(sign, double);
  if (sign) return invalid(double);
  if (kind == Kind.Infinite) return infinity(false, double);
  // The radicand is in [1, 4); two of its bits give one of the root, most significant first.
  let radicand = exp & 1 ? significandOf() : significandOf() >> 1;
  let root: u64 = 0, rest: u64 = 0;
  for (let i = 0; i < 58; i++) {
    rest = rest << 2 | radicand >> 62;
    radicand <<= 2;
    const trial = root << 2 | 1;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1;
    }
  }
  return round(false, exp >> 1, root << 6 | <u64>(rest != 0), mode, double);
}
