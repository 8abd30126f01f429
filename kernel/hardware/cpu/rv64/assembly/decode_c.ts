/**
 * Decoding of compressed instructions (C extension, RV64C) straight into records. Reserved encodings are illegal,
 * HINTs fall out as operations on the sink.
 */
import { Op } from "./ops";
import { fr, put, xd, xs } from "./state";
import { branch, illegal, jump } from "./decode";
import { guard } from "./decode_float";

/** Bit `from` (and `width - 1` above it) of h, moved to `to`. */
// @ts-ignore: decorator
@inline function bits(h: i32, from: i32, width: i32, to: i32): i32 { return ((h >> from) & ((1 << width) - 1)) << to; }
// @ts-ignore: decorator
@inline function signed(value: i32, width: i32): i32 { return (value << (32 - width)) >> (32 - width); }
/** The three-bit register fields: x8..x15. */
// @ts-ignore: decorator
@inline function low(h: i32): i32 { return 8 + ((h >> 2) & 7); }
// @ts-ignore: decorator
@inline function high(h: i32): i32 { return 8 + ((h >> 7) & 7); }

export function decode16(p: i32, h: i32, offset: i32): void {
  let done: bool;
  if ((h & 3) == 0) done = quadrant0(p, h);
  else if ((h & 3) == 1) done = quadrant1(p, h, offset);
  else done = quadrant2(p, h);
  if (!done) illegal(p, h, 2);
}

function quadrant0(p: i32, h: i32): bool {
  const word = bits(h, 10, 3, 3) | bits(h, 6, 1, 2) | bits(h, 5, 1, 6);
  const doubleword = bits(h, 10, 3, 3) | bits(h, 5, 2, 6);
  switch (h >> 13) {
    case 0: {
      const value = bits(h, 11, 2, 4) | bits(h, 7, 4, 6) | bits(h, 6, 1, 2) | bits(h, 5, 1, 3);
      if (!value) return false;
      put(p, Op.AddiC, 2, xd(low(h)), xs(2), 0, value);
      return true;
    }
    case 1: put(p, Op.LdC, 2, fr(low(h)), xs(high(h)), 0, doubleword); guard(p, h, 2); return true;
    case 2: put(p, Op.LwC, 2, xd(low(h)), xs(high(h)), 0, word); return true;
    case 3: put(p, Op.LdC, 2, xd(low(h)), xs(high(h)), 0, doubleword); return true;
    case 5: put(p, Op.SdC, 2, 0, xs(high(h)), fr(low(h)), doubleword); guard(p, h, 2); return true;
    case 6: put(p, Op.SwC, 2, 0, xs(high(h)), xs(low(h)), word); return true;
    case 7: put(p, Op.SdC, 2, 0, xs(high(h)), xs(low(h)), doubleword); return true;
    default: return false;
  }
}

function quadrant1(p: i32, h: i32, offset: i32): bool {
  const register = (h >> 7) & 31;
  const value = signed(bits(h, 12, 1, 5) | bits(h, 2, 5, 0), 6);
  switch (h >> 13) {
    case 0: put(p, Op.AddiC, 2, xd(register), xs(register), 0, value); return true;
    case 1:
      if (!register) return false;
      put(p, Op.AddiwC, 2, xd(register), xs(register), 0, value);
      return true;
    case 2: put(p, Op.LiC, 2, xd(register), 0, 0, value); return true;
    case 3: {
      if (!value) return false;
      if (register == 2) {
        const adjust = bits(h, 12, 1, 9) | bits(h, 6, 1, 4) | bits(h, 5, 1, 6) | bits(h, 3, 2, 7) | bits(h, 2, 1, 5);
        put(p, Op.AddiC, 2, xd(2), xs(2), 0, signed(adjust, 10));
      } else put(p, Op.LiC, 2, xd(register), 0, 0, value << 12);
      return true;
    }
    case 4: return compute(p, h, value);
    case 5: {
      const distance = bits(h, 12, 1, 11) | bits(h, 11, 1, 4) | bits(h, 9, 2, 8) | bits(h, 8, 1, 10) | bits(h, 7, 1, 6)
        | bits(h, 6, 1, 7) | bits(h, 3, 3, 1) | bits(h, 2, 1, 5);
      jump(p, 2, 0, offset, true, signed(distance, 12));
      return true;
    }
    default: {
      const distance = bits(h, 12, 1, 8) | bits(h, 10, 2, 3) | bits(h, 5, 2, 6) | bits(h, 3, 2, 1) | bits(h, 2, 1, 5);
      branch(p, h >> 13 == 6 ? Op.BeqC : Op.BneC, 2, xs(high(h)), xs(0), offset, true, signed(distance, 9));
      return true;
    }
  }
}

function compute(p: i32, h: i32, value: i32): bool {
  const d = xd(high(h));
  switch ((h >> 10) & 3) {
    case 0: put(p, Op.SrliC, 2, d, d, 0, value & 63); return true;
    case 1: put(p, Op.SraiC, 2, d, d, 0, value & 63); return true;
    case 2: put(p, Op.AndiC, 2, d, d, 0, value); return true;
    default: {
      const b = xs(low(h));
      switch (bits(h, 12, 1, 2) | bits(h, 5, 2, 0)) {
        case 0: put(p, Op.SubC, 2, d, d, b, 0); return true;
        case 1: put(p, Op.XorC, 2, d, d, b, 0); return true;
        case 2: put(p, Op.OrC, 2, d, d, b, 0); return true;
        case 3: put(p, Op.AndC, 2, d, d, b, 0); return true;
        case 4: put(p, Op.SubwC, 2, d, d, b, 0); return true;
        case 5: put(p, Op.AddwC, 2, d, d, b, 0); return true;
        default: return false;
      }
    }
  }
}

function quadrant2(p: i32, h: i32): bool {
  const register = (h >> 7) & 31;
  const other = (h >> 2) & 31;
  const loadWord = bits(h, 12, 1, 5) | bits(h, 4, 3, 2) | bits(h, 2, 2, 6);
  const loadDouble = bits(h, 12, 1, 5) | bits(h, 5, 2, 3) | bits(h, 2, 3, 6);
  const storeDouble = bits(h, 10, 3, 3) | bits(h, 7, 3, 6);
  switch (h >> 13) {
    case 0: put(p, Op.SlliC, 2, xd(register), xs(register), 0, bits(h, 12, 1, 5) | other); return true;
    case 1: put(p, Op.LdC, 2, fr(register), xs(2), 0, loadDouble); guard(p, h, 2); return true;
    case 2:
      if (!register) return false;
      put(p, Op.LwC, 2, xd(register), xs(2), 0, loadWord);
      return true;
    case 3:
      if (!register) return false;
      put(p, Op.LdC, 2, xd(register), xs(2), 0, loadDouble);
      return true;
    case 4: return moveOrJump(p, h, register, other);
    case 5: put(p, Op.SdC, 2, 0, xs(2), fr(other), storeDouble); guard(p, h, 2); return true;
    case 6: put(p, Op.SwC, 2, 0, xs(2), xs(other), bits(h, 9, 4, 2) | bits(h, 7, 2, 6)); return true;
    default: put(p, Op.SdC, 2, 0, xs(2), xs(other), storeDouble); return true;
  }
}

function moveOrJump(p: i32, h: i32, register: i32, other: i32): bool {
  const link = (h >> 12) & 1;
  if (other) {
    if (link) put(p, Op.AddC, 2, xd(register), xs(register), xs(other), 0);
    else put(p, Op.MvC, 2, xd(register), xs(other), 0, 0);
    return true;
  }
  if (!register) {
    if (!link) return false;
    put(p, Op.Ebreak, 2, 0, 0, 0, h);
    return true;
  }
  put(p, link ? Op.Jalr : Op.Jr, 2, xd(link), xs(register), 0, 0);
  return true;
}
