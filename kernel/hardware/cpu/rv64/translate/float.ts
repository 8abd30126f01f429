/**
 * Floating point by the host's own instructions, under the conditions of assembly/float/hardware.ts, where the reasons
 * are: a result is taken only when it and the flags are provably those of the exact path; else the interpreter does the
 * instruction. What rounds or may be inexact needs NEAREST: dynamic mode to nearest, which does not change within
 * translated code, so a block checks it once. While the inexact flag is clear, each result is asked whether it was
 * rounded (assembly/float/rounded.ts), and the first that was sets the flag. What is called may clear it again.
 */
import { FCSR } from "../assembly/layout.ts";
import { type Emitter, ENTRY, INEXACT } from "./emitter.ts";
import type { Instruction } from "./records.ts";
import { Wasm } from "./wasm.ts";

const W = Wasm;
const BOX = -0x100000000;
const GREATEST = Number.MAX_VALUE;
const GREATEST_SINGLE = 3.4028234663852886e38;

export interface FloatRow {
  nearest: boolean;
  emit: (e: Emitter, i: Instruction) => void;
}

const inexact = (emit: FloatRow["emit"]): FloatRow => ({ nearest: true, emit });
const exact = (emit: FloatRow["emit"]): FloatRow => ({ nearest: false, emit });

/** Of the function that tells whether a result was rounded: kind, operands, result. */
export const roundedType = { parameters: ["i32", "f64", "f64", "f64"], result: "i32" } as const;
const Kind = { sum: 0, product: 1, quotient: 2, root: 3 } as const;

/**
 * The result is settled, and `tell` puts on the stack whether it was rounded: 1, or 2 (and 3) if that cannot be told
 * here. Sets the flag, or leaves.
 */
function noteRounding(e: Emitter, tell: () => void): void {
  e.get(INEXACT).op(W.i32Eqz);
  e.open(W.if);
  tell();
  e.tee(ENTRY);
  e.open(W.if);
  e.get(ENTRY).i32(2).op(W.i32And).leaveIf();
  e.i32(0).i32(0).memory(W.i32Load, FCSR).i32(1).op(W.i32Or).memory(W.i32Store, FCSR);
  e.i32(1).set(INEXACT);
  e.close();
  e.close();
}

const unless = (e: Emitter): void => void e.op(W.i32Eqz).leaveIf();

function finite(e: Emitter, value: number): void {
  e.get(value).op(W.f64Abs).f64(GREATEST).op(W.f64Le);
  unless(e);
}

/** Leaves unless the exponent's field is above 1 and below that of infinity: finite, and above the least normal number. */
function normal(e: Emitter, value: number): void {
  e.get(value).op(W.i64ReinterpretF64).i64(52).op(W.i64ShrU, W.i32WrapI64).i32(0x7ff).op(W.i32And);
  e.i32(2).op(W.i32Sub).i32(0x7fd).op(W.i32GeU).leaveIf();
}

function finiteSingle(e: Emitter, value: number): void {
  e.get(value).op(W.f32Abs).f32(GREATEST_SINGLE).op(W.f32Le);
  unless(e);
}

function normalSingle(e: Emitter, value: number): void {
  e.get(value).op(W.i32ReinterpretF32).i32(23).op(W.i32ShrU).i32(0xff).op(W.i32And);
  e.i32(2).op(W.i32Sub).i32(0xfd).op(W.i32GeU).leaveIf();
}

/** Leaves unless the NaN boxes of all registers are intact. */
function boxed(e: Emitter, registers: readonly number[]): void {
  registers.forEach((register, index) => {
    e.read(register);
    if (index) e.op(W.i64And);
  });
  e.i64(32).op(W.i64ShrS).i64(-1).op(W.i64Ne).leaveIf();
}

/** A register's value as binary32, whose box has been checked. */
const single = (e: Emitter, register: number): Emitter => e.readWord(register).op(W.f32ReinterpretI32);
const promoted = (e: Emitter, register: number): Emitter => single(e, register).op(W.f64PromoteF32);

/** Writes the f32 on the stack. */
const giveSingle = (e: Emitter, rd: number): void =>
  void e.op(W.i32ReinterpretF32, W.i64ExtendI32U).i64(BOX).op(W.i64Or).write(rd);

type Check = (e: Emitter, value: number) => void;

const double2 = (code: number, check: Check, kind: number): FloatRow =>
  inexact((e, i) => {
    const value = e.double(0);
    e.readDouble(i.rs1).readDouble(i.rs2).op(code).set(value);
    check(e, value);
    noteRounding(e, () => {
      e.i32(kind).readDouble(i.rs1).readDouble(i.rs2);
      if (code === W.f64Sub) e.op(W.f64Neg);
      e.get(value).callRounded();
    });
    e.get(value).writeDouble(i.rd);
  });

const single2 = (code: number, check: Check, kind: number): FloatRow =>
  inexact((e, i) => {
    const value = e.single(0);
    boxed(e, [i.rs1, i.rs2]);
    single(e, i.rs1);
    single(e, i.rs2).op(code).set(value);
    check(e, value);
    noteRounding(e, () => {
      promoted(e.i32(kind), i.rs1);
      promoted(e, i.rs2);
      if (code === W.f32Sub) e.op(W.f64Neg);
      e.get(value).op(W.f64PromoteF32).callRounded();
    });
    giveSingle(e.get(value), i.rd);
  });

/** Leaves if one of two doubles on the stack is a NaN. */
function ordered(e: Emitter, a: number, b: number): void {
  e.get(a).get(a).op(W.f64Ne).get(b).get(b).op(W.f64Ne, W.i32Or).leaveIf();
}

/** Both operands as doubles in double(0) and double(1), neither a NaN. */
function operands(e: Emitter, i: Instruction, isDouble: boolean): void {
  const [a, b] = [e.double(0), e.double(1)];
  if (isDouble) {
    e.readDouble(i.rs1).set(a).readDouble(i.rs2).set(b);
  } else {
    boxed(e, [i.rs1, i.rs2]);
    promoted(e, i.rs1).set(a);
    promoted(e, i.rs2).set(b);
  }
  ordered(e, a, b);
}

const compare = (code: number, isDouble: boolean): FloatRow =>
  exact((e, i) => {
    operands(e, i, isDouble);
    e.get(e.double(0)).get(e.double(1)).op(code, W.i64ExtendI32U).write(i.rd);
  });

/** WebAssembly's minimum and maximum differ from RISC-V's for NaNs only. */
const pick = (code: number, isDouble: boolean): FloatRow =>
  exact((e, i) => {
    operands(e, i, isDouble);
    e.get(e.double(0)).get(e.double(1)).op(code);
    if (isDouble) e.writeDouble(i.rd);
    else giveSingle(e.op(W.f32DemoteF64), i.rd);
  });

/** Sign injection: funct3 0 copies, 1 inverts, 2 multiplies. */
function injectSign(how: number, isDouble: boolean): FloatRow {
  if (isDouble && how < 2) {
    return exact((e, i) => {
      e.readDouble(i.rs1).readDouble(i.rs2);
      e.op(...(how ? [W.f64Neg] : []), W.f64Copysign).writeDouble(i.rd);
    });
  }
  const sign = isDouble ? -(2 ** 63) : 2 ** 31;
  return exact((e, i) => {
    if (!isDouble) boxed(e, [i.rs1, i.rs2]);
    e.read(i.rs1);
    if (how < 2) e.i64(sign).i64(-1).op(W.i64Xor, W.i64And);
    e.read(i.rs2);
    if (how === 1) e.i64(-1).op(W.i64Xor);
    e.i64(sign)
      .op(W.i64And, how < 2 ? W.i64Or : W.i64Xor)
      .write(i.rd);
  });
}

const squareRoot = (isDouble: boolean): FloatRow =>
  inexact((e, i) => {
    if (isDouble) {
      e.readDouble(i.rs1).op(W.f64Sqrt).set(e.double(0));
      normal(e, e.double(0));
      noteRounding(e, () => {
        e.i32(Kind.root).readDouble(i.rs1).f64(0).get(e.double(0)).callRounded();
      });
      e.get(e.double(0)).writeDouble(i.rd);
      return;
    }
    boxed(e, [i.rs1]);
    single(e, i.rs1).op(W.f32Sqrt).set(e.single(0));
    normalSingle(e, e.single(0));
    noteRounding(e, () => {
      promoted(e.i32(Kind.root), i.rs1).f64(0).get(e.single(0)).op(W.f64PromoteF32).callRounded();
    });
    giveSingle(e.get(e.single(0)), i.rd);
  });

const narrow = inexact((e, i) => {
  e.readDouble(i.rs1).op(W.f32DemoteF64).set(e.single(0));
  normalSingle(e, e.single(0));
  noteRounding(e, () => {
    e.readDouble(i.rs1).get(e.single(0)).op(W.f64PromoteF32, W.f64Ne);
  });
  giveSingle(e.get(e.single(0)), i.rd);
});

const widen = exact((e, i) => {
  boxed(e, [i.rs1]);
  single(e, i.rs1).set(e.single(0));
  finiteSingle(e, e.single(0));
  e.get(e.single(0)).op(W.f64PromoteF32).writeDouble(i.rd);
});

/** By rounding mode; to nearest with ties away has no instruction. */
const roundings: Record<number, number> = {
  0: W.f64Nearest,
  1: W.f64Trunc,
  2: W.f64Floor,
  3: W.f64Ceil,
  7: W.f64Nearest,
};

/** Least value, what is above all values, and the conversion: of w, wu, l, lu. */
const integers = [
  [-(2 ** 31), 2 ** 31, [W.i32TruncSatF64S, W.i64ExtendI32S]],
  [0, 2 ** 32, [W.i32TruncSatF64U, W.i64ExtendI32S]],
  [-(2 ** 63), 2 ** 63, [W.i64TruncSatF64S]],
  [0, 2 ** 64, [W.i64TruncSatF64U]],
] as const;

function toInteger(kind: number, mode: number, isDouble: boolean): FloatRow | undefined {
  const rounding = roundings[mode];
  const row = integers[kind];
  if (rounding === undefined || row === undefined) return undefined;
  const [least, above, codes] = row;
  return inexact((e, i) => {
    const value = e.double(0);
    const source = (): Emitter => (isDouble ? e.readDouble(i.rs1) : promoted(e, i.rs1));
    if (!isDouble) boxed(e, [i.rs1]);
    source().op(rounding).set(value);
    e.get(value).f64(least).op(W.f64Ge);
    e.get(value).f64(above).op(W.f64Lt, W.i32And);
    unless(e);
    noteRounding(e, () => {
      source().get(value).op(W.f64Ne);
    });
    e.get(value)
      .op(...codes)
      .write(i.rd);
  });
}

function fromInteger(kind: number, mode: number, isDouble: boolean): FloatRow | undefined {
  const toNearest = mode === 0 || mode === 7;
  const source = (e: Emitter, i: Instruction): Emitter => {
    if (kind >= 2) return e.read(i.rs1);
    return e.readWord(i.rs1).op(kind ? W.i64ExtendI32U : W.i64ExtendI32S);
  };
  if (isDouble && kind < 2) return exact((e, i) => source(e, i).op(W.f64ConvertI64S).writeDouble(i.rd));
  if (!toNearest) return undefined;
  const isUnsigned = (kind & 1) === 1;
  return inexact((e, i) => {
    const value = e.double(0);
    const double = isUnsigned ? W.f64ConvertI64U : W.f64ConvertI64S;
    const float = isUnsigned ? W.f32ConvertI64U : W.f32ConvertI64S;
    source(e, i)
      .op(...(isDouble ? [double] : [float, W.f64PromoteF32]))
      .set(value);
    noteRounding(e, () => {
      // Converted back; what is so large that this may saturate is not told here.
      e.get(value).op(isUnsigned ? W.i64TruncSatF64U : W.i64TruncSatF64S);
      source(e, i).op(W.i64Ne);
      e.get(value)
        .f64(2 ** 62)
        .op(W.f64Ge)
        .i32(1)
        .op(W.i32Shl, W.i32Or);
    });
    if (isDouble) e.get(value).writeDouble(i.rd);
    else giveSingle(e.get(value).op(W.f32DemoteF64), i.rd);
  });
}

/** Which of the product and the addend are negated, by the opcode. */
const signs = (i: Instruction): { product: boolean; addend: boolean } => {
  const opcode = (i.imm >> 2) & 31;
  return { product: (opcode & 2) !== 0, addend: opcode === 0x11 || opcode === 0x13 };
};

/**
 * A value is known to a relative error of 2^-53. If the ends of an interval that is a little wider are rounded to the same
 * number, so is the value.
 */
const WIDER = [1 + 2 ** -50, 1 - 2 ** -50] as const;

/** The product of two binary32 is exact in binary64. */
const fusedSingle = inexact((e, i) => {
  const { product, addend } = signs(i);
  const [sum, x, c] = [e.double(0), e.double(1), e.double(2)];
  boxed(e, [i.rs1, i.rs2, i.rs3]);
  promoted(e, i.rs1);
  promoted(e, i.rs2)
    .op(W.f64Mul, ...(product ? [W.f64Neg] : []))
    .set(x);
  promoted(e, i.rs3)
    .op(...(addend ? [W.f64Neg] : []))
    .set(c);
  e.get(x).get(c).op(W.f64Add).set(sum);
  for (const factor of WIDER) e.get(sum).f64(factor).op(W.f64Mul, W.f32DemoteF64);
  e.op(W.f32Ne).leaveIf();
  e.get(sum).op(W.f32DemoteF64).set(e.single(0));
  normalSingle(e, e.single(0));
  noteRounding(e, () => {
    e.i32(Kind.sum).get(x).get(c).get(e.single(0)).op(W.f64PromoteF32).callRounded();
  });
  giveSingle(e.get(e.single(0)), i.rd);
});

/** Dekker's splitting: the upper half of `value`'s significand into `high`, the rest into `low`. */
function split(e: Emitter, value: number, high: number, low: number): void {
  e.get(value).f64(134217729).op(W.f64Mul).tee(high).get(high).get(value).op(W.f64Sub, W.f64Sub).set(high);
  e.get(value).get(high).op(W.f64Sub).set(low);
}

/** The sum of two doubles into `sum`, its error on the stack. */
function twoSum(e: Emitter, a: number, b: number, sum: number, part: number): void {
  e.get(a).get(b).op(W.f64Add).tee(sum).get(a).op(W.f64Sub).set(part);
  e.get(a).get(sum).get(part).op(W.f64Sub, W.f64Sub).get(b).get(part).op(W.f64Sub, W.f64Add);
}

/**
 * The product is the sum of `high` and `low`, and that with the addend of `sum` and `rest`, exactly: where a step overflows,
 * the result is a NaN or infinite, and a product above 1e-200 has no part that underflows. What has to be rounded is then
 * `sum` plus a value that is known as `WIDER` asks.
 */
const fusedDouble = inexact((e, i) => {
  const { product, addend } = signs(i);
  const [a, b, c, high, low] = [e.double(0), e.double(1), e.double(2), e.double(3), e.double(4)];
  const [ah, al, bh, bl] = [e.double(5), e.double(6), e.double(7), e.double(8)];
  const [sum, rest, value] = [e.double(9), e.double(10), e.double(11)];
  e.readDouble(i.rs1)
    .op(...(product ? [W.f64Neg] : []))
    .set(a);
  e.readDouble(i.rs2).set(b);
  e.readDouble(i.rs3)
    .op(...(addend ? [W.f64Neg] : []))
    .set(c);
  e.get(a).get(b).op(W.f64Mul).tee(high).op(W.f64Abs).f64(1e-200).op(W.f64Gt);
  unless(e);
  split(e, a, ah, al);
  split(e, b, bh, bl);
  e.get(al).get(bl).op(W.f64Mul);
  e.get(high).get(ah).get(bh).op(W.f64Mul, W.f64Sub);
  e.get(al).get(bh).op(W.f64Mul, W.f64Sub);
  e.get(ah).get(bl).op(W.f64Mul, W.f64Sub, W.f64Sub).set(low);
  twoSum(e, high, c, sum, value);
  e.get(low).op(W.f64Add).tee(rest).get(sum).op(W.f64Add).set(value);
  for (const factor of WIDER) e.get(sum).get(rest).f64(factor).op(W.f64Mul, W.f64Add);
  e.op(W.f64Ne).leaveIf();
  normal(e, value);
  // Without a rest the sum is exact; with one it may be, or not.
  noteRounding(e, () => {
    e.get(rest).f64(0).op(W.f64Ne).i32(1).op(W.i32Shl);
  });
  e.get(value).writeDouble(i.rd);
});

const doubleRows = [
  double2(W.f64Add, finite, Kind.sum),
  double2(W.f64Sub, finite, Kind.sum),
  double2(W.f64Mul, normal, Kind.product),
  double2(W.f64Div, normal, Kind.quotient),
];
const singleRows = [
  single2(W.f32Add, finiteSingle, Kind.sum),
  single2(W.f32Sub, finiteSingle, Kind.sum),
  single2(W.f32Mul, normalSingle, Kind.product),
  single2(W.f32Div, normalSingle, Kind.quotient),
];
const comparisons = [W.f64Le, W.f64Lt, W.f64Eq];

/** Instructions of OP-FP, by funct5. */
function operation(w: number): FloatRow | undefined {
  const isDouble = ((w >> 25) & 1) === 1;
  const f3 = (w >> 12) & 7;
  const kind = (w >> 20) & 3;
  const toNearest = f3 === 0 || f3 === 7;
  switch (w >>> 27) {
    case 0x00:
    case 0x01:
    case 0x02:
    case 0x03:
      return toNearest ? (isDouble ? doubleRows : singleRows)[w >>> 27] : undefined;
    case 0x04:
      return injectSign(f3, isDouble);
    case 0x05:
      return pick(f3 ? W.f64Max : W.f64Min, isDouble);
    case 0x08:
      return isDouble ? widen : toNearest ? narrow : undefined;
    case 0x0b:
      return toNearest ? squareRoot(isDouble) : undefined;
    case 0x14:
      return compare(comparisons[f3] as number, isDouble);
    case 0x18:
      return toInteger(kind, f3, isDouble);
    case 0x1a:
      return fromInteger(kind, f3, isDouble);
    default:
      return undefined;
  }
}

/** What csrr of fflags, frm and fcsr shows of FCSR: how far to the right, and which bits. */
const views: Record<number, readonly [shift: number, mask: number]> = { 1: [0, 31], 2: [5, 7], 3: [0, 255] };

/**
 * Reads of the floating-point CSRs, and writes to fflags: a comparison that must raise nothing saves the flags and restores
 * them. Writes that may change the rounding mode are left to the interpreter.
 */
function statusAccess({ imm, guarded }: Instruction): FloatRow | undefined {
  const number = imm >>> 20;
  const view = views[number];
  const field = (imm >> 15) & 31;
  const operation = (imm >> 12) & 3;
  const writes = operation === 1 || field !== 0;
  if (guarded || view === undefined || (writes && number !== 1)) return undefined;
  return exact((e, i) => {
    e.i32(0).memory(W.i32Load, FCSR).set(ENTRY);
    if (writes) {
      e.i32(0);
      newFlags(e, i, operation);
      e.i32(31).op(W.i32And).tee(INEXACT).get(ENTRY).i32(0xe0).op(W.i32And, W.i32Or).memory(W.i32Store, FCSR);
      e.get(INEXACT).i32(1).op(W.i32And).set(INEXACT);
    }
    const [shift, mask] = view;
    e.get(ENTRY).i32(shift).op(W.i32ShrU).i32(mask).op(W.i32And, W.i64ExtendI32U).write(i.rd);
  });
}

/** Puts on the stack what csrrw, csrrs or csrrc makes of the flags, which are in the low bits of ENTRY. */
function newFlags(e: Emitter, { imm, rs1 }: Instruction, operation: number): void {
  const operand = (): Emitter => (imm & 0x4000 ? e.i32((imm >> 15) & 31) : e.readWord(rs1));
  if (operation === 3) {
    e.get(ENTRY);
    operand().get(ENTRY).op(W.i32And, W.i32Sub);
    return;
  }
  operand();
  if (operation === 2) e.get(ENTRY).op(W.i32Or);
}

/** How a floating-point instruction is translated; undefined when it is not. */
export function floatRow(i: Instruction): FloatRow | undefined {
  switch (i.op) {
    case "FmaddD":
      return fusedDouble;
    case "FmaddS":
      return fusedSingle;
    case "Csr":
      return statusAccess(i);
    case "FmvWX":
      return exact((e) => e.read(i.rs1).i64(BOX).op(W.i64Or).write(i.rd));
    case "Float":
    case "FaddD":
    case "FsubD":
    case "FmulD":
    case "FaddS":
    case "FsubS":
    case "FmulS":
    case "FsgnjD":
    case "FsgnjnD":
    case "FsgnjxD":
    case "FeqD":
    case "FltD":
    case "FleD":
    case "FcvtDW":
      return ((i.imm >> 2) & 31) === 0x14 ? operation(i.imm) : undefined;
    default:
      return undefined;
  }
}
