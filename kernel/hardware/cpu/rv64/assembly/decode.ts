/**
 * Decoding of 32-bit instructions (RV64I, M, A, Zicsr, Zifencei, Zba, Zbb, Zbs; F and D are in decode_float.ts) into
 * records. Where the table in ../instructions has an instruction, it says which operation that is. HINTs come out as
 * ordinary operations on the sink; everything undefined becomes `Illegal` with its bits.
 *
 * `offset` is the instruction's place in its page. Jumps within the page are kept as distances between records, others
 * as distances from the start of the page. `near` is false where the records around `p` are not those of the page.
 */
import { Op } from "./ops";
import { put, xd, xs } from "./state";
import { decodeFloat, decodeFused, guard } from "./decode_float";
import { translating } from "./translated";

// @ts-ignore: decorator
@inline function destination(w: i32): i32 { return xd((w >> 7) & 31); }
// @ts-ignore: decorator
@inline function source1(w: i32): i32 { return xs((w >> 15) & 31); }
// @ts-ignore: decorator
@inline function source2(w: i32): i32 { return xs((w >> 20) & 31); }
// @ts-ignore: decorator
@inline function funct3(w: i32): i32 { return (w >> 12) & 7; }
// @ts-ignore: decorator
@inline function funct7(w: i32): i32 { return w >>> 25; }

export function illegal(p: i32, w: i32, length: i32): void {
  put(p, Op.Illegal, length, 0, 0, 0, w);
}

/** The operation of an instruction that is in the table. */
function tableOp(w: i32): Op {
  switch (w & 0x707f) {
    /* from the table: encodings */
    default:
  }
  return Op.Illegal;
}

/** Among the immediate instructions funct3 1 and 5 are shifts, whose amount has six bits, or five and a zero. */
// @ts-ignore: decorator
@inline function isShift(w: i32): bool { return (funct3(w) & 3) == 1; }

export function decode32(p: i32, w: i32, offset: i32, near: bool): void {
  const op = tableOp(w);
  switch ((w >> 2) & 31) {
    case 0x00:
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), 0, w >> 20);
    case 0x04: case 0x06:
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), 0, isShift(w) ? (w >> 20) & 63 : w >> 20);
    case 0x01: case 0x09: case 0x14:
      if (decodeFloat(p, w)) return guard(p, w, 4);
      break;
    case 0x10: case 0x11: case 0x12: case 0x13:
      if (decodeFused(p, w)) return guard(p, w, 4);
      break;
    case 0x03:
      if (funct3(w) <= 1) return put(p, Op.Nop, 4, 0, 0, 0, 0);
      break;
    case 0x05: return put(p, Op.Auipc, 4, destination(w), 0, 0, (w & ~4095) + offset);
    case 0x08:
      if (op == Op.Illegal) break;
      return put(p, op, 4, 0, source1(w), source2(w), (w >> 25) << 5 | ((w >> 7) & 31));
    case 0x0b:
      if (!isAtomic(w)) break;
      return put(p, Op.Atomic, 4, destination(w), source1(w), source2(w), w);
    case 0x0c: case 0x0e:
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), source2(w), 0);
    case 0x0d: return put(p, Op.Li, 4, destination(w), 0, 0, w & ~4095);
    case 0x18:
      if (op == Op.Illegal) break;
      return branch(p, op, 4, source1(w), source2(w), offset, near,
        (w >> 31) << 12 | ((w << 4) & 0x800) | ((w >> 20) & 0x7e0) | ((w >> 7) & 0x1e));
    case 0x19:
      if (funct3(w)) break;
      return put(p, w & 0xf80 ? Op.Jalr : Op.Jr, 4, destination(w), source1(w), 0, w >> 20);
    case 0x1b:
      return jump(p, 4, (w >> 7) & 31, offset, near, (w >> 31) << 20 | (w & 0xff000) | ((w >> 9) & 0x800) | ((w >> 20) & 0x7fe));
    case 0x1c: {
      const known = systemOp(w);
      if (known == Op.Illegal) break;
      return put(p, known, 4, destination(w), source1(w), 0, w);
    }
    default:
  }
  illegal(p, w, 4);
}

/**
 * A conditional branch; `op` is the near form. With a translator, what goes back or calls takes the far form even
 * within a page, because that is where the dispatch loop looks for translated code.
 */
export function branch(p: i32, op: Op, length: i32, a: i32, b: i32, offset: i32, near: bool, distance: i32): void {
  const target = offset + distance;
  if (near && <u32>target < 4096 && !(distance <= 0 && translating())) put(p, op, length, 0, a, b, distance << 3);
  else put(p, op + (length == 2 ? Op.BeqFarC - Op.BeqC : Op.BeqFar - Op.Beq), length, 0, a, b, target);
}

export function jump(p: i32, length: i32, register: i32, offset: i32, near: bool, distance: i32): void {
  const target = offset + distance;
  if (near && <u32>target < 4096 && !((register || distance <= 0) && translating())) put(p, register ? Op.Jal : Op.Jump, length, xd(register), 0, 0, distance << 3);
  else put(p, Op.JalFar, length, xd(register), 0, 0, target);
}

/** Section "Zalrsc and Zaamo": funct5 and the width. */
function isAtomic(w: i32): bool {
  if (funct3(w) != 2 && funct3(w) != 3) return false;
  const f5 = w >>> 27;
  if (f5 == 2) return ((w >> 20) & 31) == 0;
  return f5 == 0 || f5 == 1 || f5 == 3 || f5 == 4 || f5 == 8 || f5 == 12 || f5 == 16 || f5 == 20 || f5 == 24 || f5 == 28;
}

function systemOp(w: i32): Op {
  if (w == 0x73) return Op.Ecall;
  if (w == 0x100073) return Op.Ebreak;
  if ((funct3(w) & 3) != 0) return Op.Csr;
  if (funct3(w) || w & 0xf80) return Op.Illegal;
  // sret, mret, wfi, sfence.vma.
  return w == 0x10200073 || w == 0x30200073 || w == 0x10500073 || funct7(w) == 0x09 ? Op.System : Op.Illegal;
}
