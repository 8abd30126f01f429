/**
 * Where the bits of an instruction say what its operands are, and how the assembler writes them. The interpreter's decoder
 * and the disassembler are both made from it. Bits are named as the specification does: a number is put together from
 * pieces, each so many bits `from` a place in the instruction `to` a place in the number.
 */
export type Piece = readonly [from: number, width: number, to: number];

export interface Field {
  pieces: readonly Piece[];
  /** Its highest bit is the sign. */
  signed: boolean;
}

export interface RegisterField {
  file: "x" | "f";
  from: number;
  /** Three bits for registers 8 to 15, as most compressed instructions have them, instead of five. */
  short: boolean;
}

/** A register that the instruction names, or one that it implies, by its number in the integer file. */
export type RegisterOperand = RegisterField | number;

export interface Form {
  name: string;
  /**
   * The operands as text. rd, rs1, rs2, rs3 stand for registers; imm for the immediate, upper for its upper 20 bits,
   * target for where it leads; rm for the rounding mode, behind a comma if it is not dynamic (rmExact: nor 0, where every
   * mode gives the same); csr, zimm, pred and succ for those fields.
   */
  text: string;
  rd?: RegisterOperand;
  rs1?: RegisterOperand;
  rs2?: RegisterOperand;
  rs3?: RegisterOperand;
  /** What the record holds as its immediate; by "bits" the instruction itself. */
  imm?: Field | "bits";
  /** What a record is made by that is not put together from these fields alone (assembly/decode.ts). */
  by?: "branch" | "jump" | "indirect" | "relative";
}

const unsigned = (...pieces: Piece[]): Field => ({ pieces, signed: false });
const signed = (...pieces: Piece[]): Field => ({ pieces, signed: true });
const inFile = (file: "x" | "f", from: number, short = false): RegisterField => ({ file, from, short });

const [rd, rs1, rs2] = [inFile("x", 7), inFile("x", 15), inFile("x", 20)];
const [fd, fs1, fs2, fs3] = [inFile("f", 7), inFile("f", 15), inFile("f", 20), inFile("f", 27)];
const I = signed([20, 12, 0]);
const S = signed([7, 5, 0], [25, 7, 5]);
const B = signed([8, 4, 1], [25, 6, 5], [7, 1, 11], [31, 1, 12]);
const U = signed([12, 20, 12]);
const J = signed([21, 10, 1], [20, 1, 11], [12, 8, 12], [31, 1, 20]);

function named<Name extends string>(forms: Record<Name, Omit<Form, "name">>): Record<Name, Form> {
  const out = {} as Record<Name, Form>;
  for (const name in forms) out[name] = { name, ...forms[name] };
  return out;
}

/** Of instructions of 32 bits. */
export const forms = named({
  register: { text: "rd, rs1, rs2", rd, rs1, rs2 },
  immediate: { text: "rd, rs1, imm", rd, rs1, imm: I },
  shift: { text: "rd, rs1, imm", rd, rs1, imm: unsigned([20, 6, 0]) },
  unary: { text: "rd, rs1", rd, rs1 },
  upper: { text: "rd, upper", rd, imm: U },
  upperRelative: { text: "rd, upper", rd, imm: U, by: "relative" },
  load: { text: "rd, imm(rs1)", rd, rs1, imm: I },
  store: { text: "rs2, imm(rs1)", rs1, rs2, imm: S },
  loadFloat: { text: "rd, imm(rs1)", rd: fd, rs1, imm: I },
  storeFloat: { text: "rs2, imm(rs1)", rs1, rs2: fs2, imm: S },
  branch: { text: "rs1, rs2, target", rs1, rs2, imm: B, by: "branch" },
  jump: { text: "rd, target", rd, imm: J, by: "jump" },
  indirect: { text: "rd, imm(rs1)", rd, rs1, imm: I, by: "indirect" },
  atomic: { text: "rd, rs2, (rs1)", rd, rs1, rs2, imm: "bits" },
  reserve: { text: "rd, (rs1)", rd, rs1, imm: "bits" },
  float: { text: "rd, rs1, rs2rm", rd: fd, rs1: fs1, rs2: fs2, imm: "bits" },
  fused: { text: "rd, rs1, rs2, rs3rm", rd: fd, rs1: fs1, rs2: fs2, rs3: fs3, imm: "bits" },
  root: { text: "rd, rs1rm", rd: fd, rs1: fs1, imm: "bits" },
  widen: { text: "rd, rs1rmExact", rd: fd, rs1: fs1, imm: "bits" },
  toInteger: { text: "rd, rs1rm", rd, rs1: fs1, imm: "bits" },
  fromInteger: { text: "rd, rs1rm", rd: fd, rs1, imm: "bits" },
  fromWord: { text: "rd, rs1rmExact", rd: fd, rs1, imm: "bits" },
  pick: { text: "rd, rs1, rs2", rd: fd, rs1: fs1, rs2: fs2, imm: "bits" },
  compare: { text: "rd, rs1, rs2", rd, rs1: fs1, rs2: fs2, imm: "bits" },
  classify: { text: "rd, rs1", rd, rs1: fs1, imm: "bits" },
  moveToInteger: { text: "rd, rs1", rd, rs1: fs1 },
  moveFromInteger: { text: "rd, rs1", rd: fd, rs1 },
  csr: { text: "rd, csr, rs1", rd, rs1, imm: "bits" },
  csrImmediate: { text: "rd, csr, zimm", rd, imm: "bits" },
  order: { text: "pred, succ" },
  fence: { text: "rs1, rs2", rs1, rs2, imm: "bits" },
  nothing: { text: "", imm: "bits" },
  ignored: { text: "" },
});

const [d, sp, zero] = [inFile("x", 7), 2, 0];
const [low, high] = [inFile("x", 2, true), inFile("x", 7, true)];
const [lowFloat, other, otherFloat] = [inFile("f", 2, true), inFile("x", 2), inFile("f", 2)];
const SIX = signed([2, 5, 0], [12, 1, 5]);
const AMOUNT = unsigned([2, 5, 0], [12, 1, 5]);
const WORD = unsigned([6, 1, 2], [10, 3, 3], [5, 1, 6]);
const DOUBLE = unsigned([10, 3, 3], [5, 2, 6]);
const DOUBLE_FROM_STACK = unsigned([5, 2, 3], [12, 1, 5], [2, 3, 6]);
const DOUBLE_TO_STACK = unsigned([10, 3, 3], [7, 3, 6]);
const CB = signed([3, 2, 1], [10, 2, 3], [2, 1, 5], [5, 2, 6], [12, 1, 8]);
const CJ = signed([3, 3, 1], [11, 1, 4], [2, 1, 5], [7, 1, 6], [6, 1, 7], [9, 2, 8], [8, 1, 10], [12, 1, 11]);

/** Of compressed instructions. */
export const compressedForms = named({
  addToStack: {
    text: "rd, rs1, imm",
    rd: low,
    rs1: sp,
    imm: unsigned([6, 1, 2], [5, 1, 3], [11, 2, 4], [7, 4, 6]),
  },
  loadWord: { text: "rd, imm(rs1)", rd: low, rs1: high, imm: WORD },
  loadDouble: { text: "rd, imm(rs1)", rd: low, rs1: high, imm: DOUBLE },
  loadDoubleFloat: { text: "rd, imm(rs1)", rd: lowFloat, rs1: high, imm: DOUBLE },
  storeWord: { text: "rs2, imm(rs1)", rs1: high, rs2: low, imm: WORD },
  storeDouble: { text: "rs2, imm(rs1)", rs1: high, rs2: low, imm: DOUBLE },
  storeDoubleFloat: { text: "rs2, imm(rs1)", rs1: high, rs2: lowFloat, imm: DOUBLE },
  nop: { text: "", rd: zero, rs1: zero },
  addImmediate: { text: "rd, imm", rd: d, rs1: d, imm: SIX },
  six: { text: "rd, imm", rd: d, imm: SIX },
  moveStack: {
    text: "rd, imm",
    rd: sp,
    rs1: sp,
    imm: signed([6, 1, 4], [2, 1, 5], [5, 1, 6], [3, 2, 7], [12, 1, 9]),
  },
  upperSix: { text: "rd, upper", rd: d, imm: signed([2, 5, 12], [12, 1, 17]) },
  shiftHigh: { text: "rd, imm", rd: high, rs1: high, imm: AMOUNT },
  andHigh: { text: "rd, imm", rd: high, rs1: high, imm: SIX },
  combineHigh: { text: "rd, rs2", rd: high, rs1: high, rs2: low },
  jumpWithout: { text: "target", rd: zero, imm: CJ, by: "jump" },
  branchOnZero: { text: "rs1, target", rs1: high, rs2: zero, imm: CB, by: "branch" },
  shiftAmount: { text: "rd, imm", rd: d, rs1: d, imm: AMOUNT },
  loadWordStack: { text: "rd, imm(rs1)", rd: d, rs1: sp, imm: unsigned([4, 3, 2], [12, 1, 5], [2, 2, 6]) },
  loadDoubleStack: { text: "rd, imm(rs1)", rd: d, rs1: sp, imm: DOUBLE_FROM_STACK },
  loadDoubleFloatStack: { text: "rd, imm(rs1)", rd: inFile("f", 7), rs1: sp, imm: DOUBLE_FROM_STACK },
  jumpRegister: { text: "rs1", rd: zero, rs1: d, by: "indirect" },
  callRegister: { text: "rs1", rd: 1, rs1: d, by: "indirect" },
  move: { text: "rd, rs1", rd: d, rs1: other },
  combine: { text: "rd, rs2", rd: d, rs1: d, rs2: other },
  break: { text: "", imm: "bits" },
  storeWordStack: { text: "rs2, imm(rs1)", rs1: sp, rs2: other, imm: unsigned([9, 4, 2], [7, 2, 6]) },
  storeDoubleStack: { text: "rs2, imm(rs1)", rs1: sp, rs2: other, imm: DOUBLE_TO_STACK },
  storeDoubleFloatStack: { text: "rs2, imm(rs1)", rs1: sp, rs2: otherFloat, imm: DOUBLE_TO_STACK },
});

/** The rounding mode is a field of it. */
export const hasRounding = ({ text }: Form): boolean => /rm(Exact)?$/.test(text);

/** It names a floating-point register, and so is illegal while floating point is off. */
export const hasFloat = ({ rd: a, rs1: b, rs2: c }: Form): boolean =>
  [a, b, c].some((operand) => typeof operand === "object" && operand.file === "f");

export function numberOf(bits: number, { pieces, signed: isSigned }: Field): number {
  let value = 0;
  let width = 0;
  for (const [from, count, to] of pieces) {
    value |= ((bits >>> from) & (2 ** count - 1)) << to;
    width = Math.max(width, to + count);
  }
  return isSigned ? (value << (32 - width)) >> (32 - width) : value;
}

export function registerOf(bits: number, operand: RegisterOperand): number {
  if (typeof operand === "number") return operand;
  return operand.short ? 8 + ((bits >>> operand.from) & 7) : (bits >>> operand.from) & 31;
}
