/**
 * Floating point by the host's own instructions, under the conditions of assembly/float/hardware.ts, where the reasons
 * are: a result is taken only when it and the flags are provably those of the exact path; else the interpreter does the
 * instruction. What rounds or may be inexact needs NEAREST: dynamic mode to nearest, which does not change within
 * translated code, so a block checks it once. While the inexact flag is clear, each result is asked whether it was
 * rounded (assembly/float/rounded.ts), and the first that was sets the flag. What is called may clear it again.
 */
import { FCSR } from "../assembly/layout.ts";
import { type Encoding, find, treeOf } from "../instructions/encoding.ts";
import { type FloatInstruction, floatInstructions, type Host } from "../instructions/float.ts";
import { type Form, hasRounding, type RegisterOperand } from "../instructions/form.ts";
import type { OpName } from "../instructions/operations.ts";
import { type Emitter, ENTRY, INEXACT } from "./emitter.ts";
import { type Operand, type Row, rowOf } from "./meaning.ts";
import type { Instruction } from "./records.ts";
import { statusAccess } from "./status.ts";
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

const promoted = (e: Emitter, register: number): Emitter => e.readSingle(register).op(W.f64PromoteF32);

/** Writes the f32 on the stack. */
const giveSingle = (e: Emitter, rd: number): void =>
  void e.op(W.i32ReinterpretF32, W.i64ExtendI32U).i64(BOX).op(W.i64Or).write(rd);

/** Leaves if one of two doubles is a NaN. */
function ordered(e: Emitter, a: number, b: number): void {
  e.get(a).get(a).op(W.f64Ne).get(b).get(b).op(W.f64Ne, W.i32Or).leaveIf();
}

const isFloat = (operand: RegisterOperand | undefined): boolean => typeof operand === "object" && operand.file === "f";
/** Which of rs1 and rs2 are floating-point registers. */
const sources = ({ rs1, rs2 }: Form, i: Instruction): number[] => [
  ...(isFloat(rs1) ? [i.rs1] : []),
  ...(isFloat(rs2) ? [i.rs2] : []),
];

/** Operands that must not be NaNs are kept, widened, in double(0) and double(1). */
const kept =
  ({ from }: Operand): Row =>
  (e) =>
    e.get(e.double(from === "rs1" ? 0 : 1));

const checks = {
  f64: { finite, normal },
  f32: { finite: finiteSingle, normal: normalSingle },
};

/** By the host's instructions, as the row says. */
function hostRow(row: FloatInstruction, host: Host): FloatRow {
  const value = host.ordered ? rowOf(host.value, new Map(), kept) : rowOf(host.value);
  const { gives, source, result } = host;
  const read = (e: Emitter, register: number): Emitter =>
    source === "f64" ? e.readDouble(register) : promoted(e, register);
  const emit: FloatRow["emit"] = (e, i) => {
    const registers = sources(row.form, i);
    if (source === "f32" && registers.length > 0) boxed(e, registers);
    if (host.ordered) {
      registers.forEach((register, index) => {
        read(e, register).set(e.double(index));
      });
      ordered(e, e.double(0), e.double(1));
    }
    value(e, i);
    if (result !== "any" && gives !== "i64") {
      const local = gives === "f64" ? e.double(0) : e.single(0);
      e.set(local);
      checks[gives][result](e, local);
      if (host.rounded !== null) noteRounding(e, () => tellRounding(e, host, registers, read, local));
      e.get(local);
    }
    if (gives === "f64") e.writeDouble(i.rd);
    else if (gives === "f32") giveSingle(e, i.rd);
    else e.write(i.rd);
  };
  return { nearest: host.rounded !== null, emit };
}

function tellRounding(
  e: Emitter,
  { value, gives, rounded }: Host,
  registers: readonly number[],
  read: (e: Emitter, register: number) => Emitter,
  local: number,
): void {
  const result = (): Emitter => (gives === "f64" ? e.get(local) : e.get(local).op(W.f64PromoteF32));
  const [first, second] = registers as [number, number | undefined];
  if (rounded === "narrowed" || rounded === null) {
    read(e, first);
    result().op(W.f64Ne);
    return;
  }
  read(e.i32(Kind[rounded]), first);
  if (second === undefined) e.f64(0);
  else read(e, second);
  if (value.kind === "apply" && /Sub$/.test(value.code)) e.op(W.f64Neg);
  result().callRounded();
}

/** By rounding mode; to nearest with ties away has no instruction. */
const roundings: Record<number, number> = {
  0: W.f64Nearest,
  1: W.f64Trunc,
  2: W.f64Floor,
  3: W.f64Ceil,
  7: W.f64Nearest,
};

type Integer = NonNullable<FloatInstruction["integer"]>;

/** Least value, what is above all values, and the conversion. */
function rangeOf({ width, signed }: Integer): [least: number, above: number, codes: readonly number[]] {
  if (width === 64) return signed ? [-(2 ** 63), 2 ** 63, [W.i64TruncSatF64S]] : [0, 2 ** 64, [W.i64TruncSatF64U]];
  return signed
    ? [-(2 ** 31), 2 ** 31, [W.i32TruncSatF64S, W.i64ExtendI32S]]
    : [0, 2 ** 32, [W.i32TruncSatF64U, W.i64ExtendI32S]];
}

function toInteger(to: Integer, mode: number, isDouble: boolean): FloatRow | undefined {
  const rounding = roundings[mode];
  if (rounding === undefined) return undefined;
  const [least, above, codes] = rangeOf(to);
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

function fromInteger({ width, signed }: Integer, isDouble: boolean): FloatRow {
  const source = (e: Emitter, i: Instruction): Emitter => {
    if (width === 64) return e.read(i.rs1);
    return e.readWord(i.rs1).op(signed ? W.i64ExtendI32S : W.i64ExtendI32U);
  };
  return inexact((e, i) => {
    const value = e.double(0);
    const double = signed ? W.f64ConvertI64S : W.f64ConvertI64U;
    const float = signed ? W.f32ConvertI64S : W.f32ConvertI64U;
    source(e, i)
      .op(...(isDouble ? [double] : [float, W.f64PromoteF32]))
      .set(value);
    noteRounding(e, () => {
      // Converted back; what is so large that this may saturate is not told here.
      e.get(value).op(signed ? W.i64TruncSatF64S : W.i64TruncSatF64U);
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

type Negated = NonNullable<FloatInstruction["negated"]>;

/**
 * A value is known to a relative error of 2^-53. If the ends of an interval that is a little wider are rounded to the same
 * number, so is the value.
 */
const WIDER = [1 + 2 ** -50, 1 - 2 ** -50] as const;

/** The product of two binary32 is exact in binary64. */
const fusedSingle = ({ product, addend }: Negated): FloatRow =>
  inexact((e, i) => {
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
const fusedDouble = ({ product, addend }: Negated): FloatRow =>
  inexact((e, i) => {
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

/** By rounding mode, where it is one that the host has for this. */
type Translation = (mode: number) => FloatRow | undefined;

const whereNearest =
  (row: FloatRow): Translation =>
  (mode) =>
    mode === 0 || mode === 7 ? row : undefined;

function translationOf(row: FloatInstruction): Translation {
  const { host, integer, negated, double, form } = row;
  if (negated) return whereNearest((double ? fusedDouble : fusedSingle)(negated));
  if (host?.rounded === null) {
    const always = hostRow(row, host);
    // Exact in every mode, but the dynamic one may be reserved.
    return hasRounding(form) ? (mode) => ({ ...always, nearest: mode === 7 }) : () => always;
  }
  if (host) return whereNearest(hostRow(row, host));
  if (integer === undefined) return () => undefined;
  if (isFloat(form.rd)) return whereNearest(fromInteger(integer, double));
  return (mode) => toInteger(integer, mode, double);
}

const tree = treeOf(floatInstructions, 3);
const translations = new Map<Encoding, Translation>(floatInstructions.map((row) => [row, translationOf(row)]));
const operations: ReadonlySet<OpName> = new Set(floatInstructions.map(({ op }) => op));

/** How a floating-point instruction is translated; undefined when it is not. */
export function floatRow(i: Instruction): FloatRow | undefined {
  const { op, imm } = i;
  if (op === "Csr") return statusAccess(i);
  const row = operations.has(op) ? find(tree, imm) : undefined;
  return row && translations.get(row)?.((imm >> 12) & 7);
}
