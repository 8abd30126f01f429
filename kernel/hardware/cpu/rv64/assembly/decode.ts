/**
 * Decoding of 32-bit instructions (RV64I, M, A, Zicsr, Zifencei, Zba, Zbb, Zbs; F and D are in decode_float.ts) into
 * records. HINTs come out as ordinary operations on the sink; everything undefined becomes `Illegal` with its bits.
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

/** One of eight operations by index. */
function pick(index: i32, a: Op, b: Op, c: Op, d: Op, e: Op, f: Op, g: Op, h: Op): Op {
  switch (index) {
    case 0: return a;
    case 1: return b;
    case 2: return c;
    case 3: return d;
    case 4: return e;
    case 5: return f;
    case 6: return g;
    default: return h;
  }
}

export function decode32(p: i32, w: i32, offset: i32, near: bool): void {
  const immediate = w >> 20;
  switch ((w >> 2) & 31) {
    case 0x00: {
      const op = pick(funct3(w), Op.Lb, Op.Lh, Op.Lw, Op.Ld, Op.Lbu, Op.Lhu, Op.Lwu, Op.Illegal);
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), 0, immediate);
    }
    case 0x01: case 0x09: case 0x14:
      if (decodeFloat(p, w)) return guard(p, w, 4);
      break;
    case 0x10: case 0x11: case 0x12: case 0x13:
      if (decodeFused(p, w)) return guard(p, w, 4);
      break;
    case 0x03:
      if (funct3(w) <= 1) return put(p, Op.Nop, 4, 0, 0, 0, 0);
      break;
    case 0x04: {
      const op = immediateOp(w);
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), 0, isShift(w) ? immediate & 63 : immediate);
    }
    case 0x05: return put(p, Op.Auipc, 4, destination(w), 0, 0, (w & ~4095) + offset);
    case 0x06: {
      const op = immediateWordOp(w);
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), 0, isShift(w) ? immediate & (op == Op.SlliUw ? 63 : 31) : immediate);
    }
    case 0x08: {
      const op = pick(funct3(w), Op.Sb, Op.Sh, Op.Sw, Op.Sd, Op.Illegal, Op.Illegal, Op.Illegal, Op.Illegal);
      if (op == Op.Illegal) break;
      return put(p, op, 4, 0, source1(w), source2(w), (w >> 25) << 5 | ((w >> 7) & 31));
    }
    case 0x0b:
      if (!isAtomic(w)) break;
      return put(p, Op.Atomic, 4, destination(w), source1(w), source2(w), w);
    case 0x0c: {
      const op = registerOp(w);
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), source2(w), 0);
    }
    case 0x0d: return put(p, Op.Li, 4, destination(w), 0, 0, w & ~4095);
    case 0x0e: {
      const op = registerWordOp(w);
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), source2(w), 0);
    }
    case 0x18: {
      const op = pick(funct3(w), Op.Beq, Op.Bne, Op.Illegal, Op.Illegal, Op.Blt, Op.Bge, Op.Bltu, Op.Bgeu);
      if (op == Op.Illegal) break;
      return branch(p, op, 4, source1(w), source2(w), offset, near,
        (w >> 31) << 12 | ((w << 4) & 0x800) | ((w >> 20) & 0x7e0) | ((w >> 7) & 0x1e));
    }
    case 0x19:
      if (funct3(w)) break;
      return put(p, w & 0xf80 ? Op.Jalr : Op.Jr, 4, destination(w), source1(w), 0, immediate);
    case 0x1b:
      return jump(p, 4, (w >> 7) & 31, offset, near, (w >> 31) << 20 | (w & 0xff000) | ((w >> 9) & 0x800) | ((w >> 20) & 0x7fe));
    case 0x1c: {
      const op = systemOp(w);
      if (op == Op.Illegal) break;
      return put(p, op, 4, destination(w), source1(w), 0, w);
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

/** In both immediate groups funct3 1 and 5 are shifts, except for the unary operations of Zbb. */
function isShift(w: i32): bool {
  return (funct3(w) & 3) == 1;
}

function immediateOp(w: i32): Op {
  const f3 = funct3(w);
  if ((f3 & 3) != 1) return pick(f3, Op.Addi, Op.Illegal, Op.Slti, Op.Sltiu, Op.Xori, Op.Illegal, Op.Ori, Op.Andi);
  const kind = w >>> 26;
  if (f3 == 1) {
    switch (kind) {
      case 0x00: return Op.Slli;
      case 0x0a: return Op.Bseti;
      case 0x12: return Op.Bclri;
      case 0x1a: return Op.Binvi;
      case 0x18: {
        const unary = (w >> 20) & 63;
        if (unary > 5 || unary == 3) return Op.Illegal;
        return pick(unary, Op.Clz, Op.Ctz, Op.Cpop, Op.Illegal, Op.SextB, Op.SextH, Op.Illegal, Op.Illegal);
      }
      default: return Op.Illegal;
    }
  }
  switch (kind) {
    case 0x00: return Op.Srli;
    case 0x10: return Op.Srai;
    case 0x12: return Op.Bexti;
    case 0x18: return Op.Rori;
    case 0x0a: return ((w >> 20) & 63) == 7 ? Op.OrcB : Op.Illegal;
    case 0x1a: return ((w >> 20) & 63) == 0x38 ? Op.Rev8 : Op.Illegal;
    default: return Op.Illegal;
  }
}

function immediateWordOp(w: i32): Op {
  const f3 = funct3(w), f7 = funct7(w);
  if (f3 == 0) return Op.Addiw;
  if (f3 == 1) {
    if (f7 == 0) return Op.Slliw;
    if (f7 >> 1 == 2) return Op.SlliUw;
    if (f7 != 0x30 || ((w >> 20) & 31) > 2) return Op.Illegal;
    return pick((w >> 20) & 31, Op.Clzw, Op.Ctzw, Op.Cpopw, Op.Illegal, Op.Illegal, Op.Illegal, Op.Illegal, Op.Illegal);
  }
  if (f3 != 5) return Op.Illegal;
  if (f7 == 0) return Op.Srliw;
  if (f7 == 0x20) return Op.Sraiw;
  return f7 == 0x30 ? Op.Roriw : Op.Illegal;
}

function registerOp(w: i32): Op {
  const f3 = funct3(w);
  switch (funct7(w)) {
    case 0x00: return pick(f3, Op.Add, Op.Sll, Op.Slt, Op.Sltu, Op.Xor, Op.Srl, Op.Or, Op.And);
    case 0x01: return pick(f3, Op.Mul, Op.Mulh, Op.Mulhsu, Op.Mulhu, Op.Div, Op.Divu, Op.Rem, Op.Remu);
    case 0x05: return pick(f3, Op.Illegal, Op.Illegal, Op.Illegal, Op.Illegal, Op.Min, Op.Minu, Op.Max, Op.Maxu);
    case 0x10: return pick(f3, Op.Illegal, Op.Illegal, Op.Sh1add, Op.Illegal, Op.Sh2add, Op.Illegal, Op.Sh3add, Op.Illegal);
    case 0x14: return f3 == 1 ? Op.Bset : Op.Illegal;
    case 0x20: return pick(f3, Op.Sub, Op.Illegal, Op.Illegal, Op.Illegal, Op.Xnor, Op.Sra, Op.Orn, Op.Andn);
    case 0x24: return pick(f3, Op.Illegal, Op.Bclr, Op.Illegal, Op.Illegal, Op.Illegal, Op.Bext, Op.Illegal, Op.Illegal);
    case 0x30: return pick(f3, Op.Illegal, Op.Rol, Op.Illegal, Op.Illegal, Op.Illegal, Op.Ror, Op.Illegal, Op.Illegal);
    case 0x34: return f3 == 1 ? Op.Binv : Op.Illegal;
    default: return Op.Illegal;
  }
}

function registerWordOp(w: i32): Op {
  const f3 = funct3(w);
  switch (funct7(w)) {
    case 0x00: return pick(f3, Op.Addw, Op.Sllw, Op.Illegal, Op.Illegal, Op.Illegal, Op.Srlw, Op.Illegal, Op.Illegal);
    case 0x01: return pick(f3, Op.Mulw, Op.Illegal, Op.Illegal, Op.Illegal, Op.Divw, Op.Divuw, Op.Remw, Op.Remuw);
    case 0x04:
      if (f3 == 0) return Op.AddUw;
      return f3 == 4 && ((w >> 20) & 31) == 0 ? Op.ZextH : Op.Illegal;
    case 0x10: return pick(f3, Op.Illegal, Op.Illegal, Op.Sh1addUw, Op.Illegal, Op.Sh2addUw, Op.Illegal, Op.Sh3addUw, Op.Illegal);
    case 0x20: return pick(f3, Op.Subw, Op.Illegal, Op.Illegal, Op.Illegal, Op.Illegal, Op.Sraw, Op.Illegal, Op.Illegal);
    case 0x30: return pick(f3, Op.Illegal, Op.Rolw, Op.Illegal, Op.Illegal, Op.Illegal, Op.Rorw, Op.Illegal, Op.Illegal);
    default: return Op.Illegal;
  }
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
