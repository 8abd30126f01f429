/** Integer instructions without memory: one row each, which leaves the result on the stack as i64. */
import { PAGE_SIZE } from "../assembly/layout.ts";
import { type Emitter, PAGE } from "./emitter.ts";
import type { OpName } from "./ops.ts";
import type { Instruction } from "./records.ts";
import { Type, Wasm } from "./wasm.ts";

type Row = (e: Emitter, i: Instruction) => unknown;

const W = Wasm;

const both =
  (...codes: number[]): Row =>
  (e, i) =>
    e
      .read(i.rs1)
      .read(i.rs2)
      .op(...codes);
const one =
  (...codes: number[]): Row =>
  (e, i) =>
    e.read(i.rs1).op(...codes);
const immediate =
  (...codes: number[]): Row =>
  (e, i) =>
    e
      .read(i.rs1)
      .i64(i.imm)
      .op(...codes);
/** On the low words; the result is sign-extended. */
const words =
  (...codes: number[]): Row =>
  (e, i) =>
    e
      .readWord(i.rs1)
      .readWord(i.rs2)
      .op(...codes, W.i64ExtendI32S);
const word =
  (...codes: number[]): Row =>
  (e, i) =>
    e.readWord(i.rs1).op(...codes, W.i64ExtendI32S);
const wordImmediate =
  (...codes: number[]): Row =>
  (e, i) =>
    e
      .readWord(i.rs1)
      .i32(i.imm)
      .op(...codes, W.i64ExtendI32S);

const unsignedWord = (e: Emitter, i: Instruction): Emitter => e.readWord(i.rs1).op(W.i64ExtendI32U);
const shiftedAdd =
  (shift: number): Row =>
  (e, i) =>
    e.read(i.rs1).i64(shift).op(W.i64Shl).read(i.rs2).op(W.i64Add);
const shiftedAddWord =
  (shift: number): Row =>
  (e, i) =>
    unsignedWord(e, i).i64(shift).op(W.i64Shl).read(i.rs2).op(W.i64Add);
const choose =
  (comparison: number): Row =>
  (e, i) =>
    e.read(i.rs1).read(i.rs2).read(i.rs1).read(i.rs2).op(comparison, W.select);

/** The bit of rs2, or of the immediate. */
const bit = (e: Emitter, i: Instruction): Emitter => e.i64(1).read(i.rs2).op(W.i64Shl);
const constantBit = (e: Emitter, i: Instruction): Emitter => e.i64(1n << BigInt(i.imm));
const NOT = -1;

/** Gives `special` where the divisor is `value`, else what follows in `usual`. */
function unless(
  e: Emitter,
  i: Instruction,
  value: number,
  special: (e: Emitter) => unknown,
  usual: (e: Emitter) => unknown,
) {
  e.read(i.rs2).i64(value).op(W.i64Eq);
  e.open(W.if, Type.i64);
  special(e);
  e.otherwise();
  usual(e);
  e.close();
}

/** Signed division overflows only by -1. */
const signedDivision =
  (code: number, byZero: Row, byMinusOne: Row): Row =>
  (e, i) =>
    unless(
      e,
      i,
      0,
      () => byZero(e, i),
      () =>
        unless(
          e,
          i,
          -1,
          () => byMinusOne(e, i),
          () => e.read(i.rs1).read(i.rs2).op(code),
        ),
    );

function wordDivision(code: number, byZero: (e: Emitter, i: Instruction) => unknown, byMinusOne?: Row): Row {
  const usual: Row = (e, i) => e.readWord(i.rs1).readWord(i.rs2).op(code, W.i64ExtendI32S);
  const unlessWord =
    (value: number, special: Row, rest: Row): Row =>
    (e, i) => {
      e.readWord(i.rs2).i32(value).op(W.i32Eq);
      e.open(W.if, Type.i64);
      special(e, i);
      e.otherwise();
      rest(e, i);
      e.close();
    };
  return unlessWord(0, byZero, byMinusOne ? unlessWord(-1, byMinusOne, usual) : usual);
}

const minusOne: Row = (e) => e.i64(-1);
const zero: Row = (e) => e.i64(0);
const dividend: Row = (e, i) => e.read(i.rs1);
const dividendWord: Row = (e, i) => e.readWord(i.rs1).op(W.i64ExtendI32S);
const negated: Row = (e, i) => e.i64(0).read(i.rs1).op(W.i64Sub);
const negatedWord: Row = (e, i) => e.i32(0).readWord(i.rs1).op(W.i32Sub, W.i64ExtendI32S);

/** High half of the unsigned product, by halves (assembly/integer.ts). */
function highProduct(e: Emitter, i: Instruction): Emitter {
  const low = 0xffffffff;
  const cross = e.wide(0);
  const other = e.wide(1);
  const half = (register: number, high: boolean): Emitter =>
    high ? e.read(register).i64(32).op(W.i64ShrU) : e.read(register).i64(low).op(W.i64And);
  const product = (a: boolean, b: boolean): Emitter => {
    half(i.rs1, a);
    return half(i.rs2, b).op(W.i64Mul);
  };
  product(true, false);
  product(false, false).i64(32).op(W.i64ShrU, W.i64Add).set(cross);
  product(false, true).get(cross).i64(low).op(W.i64And, W.i64Add).set(other);
  product(true, true).get(cross).i64(32).op(W.i64ShrU, W.i64Add);
  return e.get(other).i64(32).op(W.i64ShrU, W.i64Add);
}

/** Subtracts what the sign of `a` adds to an unsigned high product with `b`. */
const correct = (e: Emitter, a: number, b: number): Emitter =>
  e.read(a).i64(63).op(W.i64ShrS).read(b).op(W.i64And, W.i64Sub);

/** Every byte that is not zero becomes 0xff. */
function orcB(e: Emitter, i: Instruction): void {
  const low = 0x7f7f7f7f7f7f7f7fn;
  e.read(i.rs1).i64(low).op(W.i64And).i64(low).op(W.i64Add);
  e.read(i.rs1).op(W.i64Or).i64(~low).op(W.i64And);
  e.i64(7).op(W.i64ShrU).i64(255).op(W.i64Mul);
}

/** Swaps neighbours of 8, 16 and 32 bits. */
function reverseBytes(e: Emitter, i: Instruction): void {
  const value = e.wide(0);
  e.read(i.rs1).set(value);
  for (const [shift, mask] of [
    [8, 0x00ff00ff00ff00ffn],
    [16, 0x0000ffff0000ffffn],
  ] as const) {
    e.get(value).i64(mask).op(W.i64And).i64(shift).op(W.i64Shl);
    e.get(value).i64(shift).op(W.i64ShrU).i64(mask).op(W.i64And, W.i64Or).set(value);
  }
  e.get(value).i64(32).op(W.i64Rotl);
}

export const integerRows: Partial<Record<OpName, Row>> = {
  Li: (e, i) => e.i64(i.imm),
  // The immediate counts from the start of the instruction's page.
  Auipc: (e, i) =>
    e
      .get(PAGE)
      .i64(Math.floor(i.at / PAGE_SIZE) * PAGE_SIZE + i.imm)
      .op(W.i64Add),
  Mv: (e, i) => e.read(i.rs1),
  Addi: immediate(W.i64Add),
  Slti: immediate(W.i64LtS, W.i64ExtendI32U),
  Sltiu: immediate(W.i64LtU, W.i64ExtendI32U),
  Xori: immediate(W.i64Xor),
  Ori: immediate(W.i64Or),
  Andi: immediate(W.i64And),
  Slli: immediate(W.i64Shl),
  Srli: immediate(W.i64ShrU),
  Srai: immediate(W.i64ShrS),
  Addiw: wordImmediate(W.i32Add),
  Slliw: wordImmediate(W.i32Shl),
  Srliw: wordImmediate(W.i32ShrU),
  Sraiw: wordImmediate(W.i32ShrS),
  Add: both(W.i64Add),
  Sub: both(W.i64Sub),
  Sll: both(W.i64Shl),
  Slt: both(W.i64LtS, W.i64ExtendI32U),
  Sltu: both(W.i64LtU, W.i64ExtendI32U),
  Xor: both(W.i64Xor),
  Srl: both(W.i64ShrU),
  Sra: both(W.i64ShrS),
  Or: both(W.i64Or),
  And: both(W.i64And),
  Addw: words(W.i32Add),
  Subw: words(W.i32Sub),
  Sllw: words(W.i32Shl),
  Srlw: words(W.i32ShrU),
  Sraw: words(W.i32ShrS),
  Mul: both(W.i64Mul),
  Mulh: (e, i) => {
    highProduct(e, i);
    correct(e, i.rs1, i.rs2);
    correct(e, i.rs2, i.rs1);
  },
  Mulhsu: (e, i) => {
    highProduct(e, i);
    correct(e, i.rs1, i.rs2);
  },
  Mulhu: highProduct,
  Div: signedDivision(W.i64DivS, minusOne, negated),
  Divu: (e, i) =>
    unless(
      e,
      i,
      0,
      () => e.i64(-1),
      () => e.read(i.rs1).read(i.rs2).op(W.i64DivU),
    ),
  Rem: signedDivision(W.i64RemS, dividend, zero),
  Remu: (e, i) =>
    unless(
      e,
      i,
      0,
      () => dividend(e, i),
      () => e.read(i.rs1).read(i.rs2).op(W.i64RemU),
    ),
  Mulw: words(W.i32Mul),
  Divw: wordDivision(W.i32DivS, minusOne, negatedWord),
  Divuw: wordDivision(W.i32DivU, minusOne),
  Remw: wordDivision(W.i32RemS, dividendWord, zero),
  Remuw: wordDivision(W.i32RemU, dividendWord),
  Sh1add: shiftedAdd(1),
  Sh2add: shiftedAdd(2),
  Sh3add: shiftedAdd(3),
  AddUw: (e, i) => unsignedWord(e, i).read(i.rs2).op(W.i64Add),
  Sh1addUw: shiftedAddWord(1),
  Sh2addUw: shiftedAddWord(2),
  Sh3addUw: shiftedAddWord(3),
  SlliUw: (e, i) => unsignedWord(e, i).i64(i.imm).op(W.i64Shl),
  Andn: (e, i) => e.read(i.rs1).read(i.rs2).i64(NOT).op(W.i64Xor, W.i64And),
  Orn: (e, i) => e.read(i.rs1).read(i.rs2).i64(NOT).op(W.i64Xor, W.i64Or),
  Xnor: (e, i) => e.read(i.rs1).read(i.rs2).op(W.i64Xor).i64(NOT).op(W.i64Xor),
  Clz: one(W.i64Clz),
  Ctz: one(W.i64Ctz),
  Cpop: one(W.i64Popcnt),
  Clzw: word(W.i32Clz),
  Ctzw: word(W.i32Ctz),
  Cpopw: word(W.i32Popcnt),
  Max: choose(W.i64GtS),
  Maxu: choose(W.i64GtU),
  Min: choose(W.i64LtS),
  Minu: choose(W.i64LtU),
  SextB: one(W.i64Extend8S),
  SextH: one(W.i64Extend16S),
  ZextH: (e, i) => e.read(i.rs1).i64(0xffff).op(W.i64And),
  Rol: both(W.i64Rotl),
  Ror: both(W.i64Rotr),
  Rori: immediate(W.i64Rotr),
  Rolw: words(W.i32Rotl),
  Rorw: words(W.i32Rotr),
  Roriw: wordImmediate(W.i32Rotr),
  OrcB: orcB,
  Rev8: reverseBytes,
  Bclr: (e, i) => bit(e.read(i.rs1), i).i64(NOT).op(W.i64Xor, W.i64And),
  Bext: (e, i) => e.read(i.rs1).read(i.rs2).op(W.i64ShrU).i64(1).op(W.i64And),
  Binv: (e, i) => bit(e.read(i.rs1), i).op(W.i64Xor),
  Bset: (e, i) => bit(e.read(i.rs1), i).op(W.i64Or),
  Bclri: (e, i) => constantBit(e.read(i.rs1), i).i64(NOT).op(W.i64Xor, W.i64And),
  Bexti: (e, i) => e.read(i.rs1).i64(i.imm).op(W.i64ShrU).i64(1).op(W.i64And),
  Binvi: (e, i) => constantBit(e.read(i.rs1), i).op(W.i64Xor),
  Bseti: (e, i) => constantBit(e.read(i.rs1), i).op(W.i64Or),
};
