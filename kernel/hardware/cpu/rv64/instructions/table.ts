/**
 * Instructions of integers, memory and control flow: name, encoding, operands and meaning, once for all who need to know.
 * From the rows of this folder are made the interpreter's decoder and cases (interpreter.ts and decoder.ts write them,
 * assembly/ has the rest), the translator's code (translate/integer.ts, memory.ts, compile.ts) and the disassembler's
 * text (disassemble.ts). compressed.ts has the encodings of the C extension for what is here.
 *
 * RV64I, M, Zba, Zbb, Zbs: unprivileged specification, chapters 2, 4, 13 and 30.
 */
import { type Encoding, encoding, FUNCT3, FUNCT7 } from "./encoding.ts";
import {
  apply,
  type Code,
  choose,
  constant,
  type Expression,
  extended,
  immediate,
  immediateWord,
  naming,
  next,
  relative,
  rs1,
  rs1Word,
  rs2,
  rs2Word,
  select,
  truth,
  word,
  zeroExtended,
} from "./expression.ts";
import { boxed } from "./float.ts";
import { forms } from "./form.ts";
import type { OpName } from "./operations.ts";

export interface IntegerInstruction extends Encoding {
  /** What rd becomes: an i64. */
  meaning: Expression;
}

export interface Access extends Encoding {
  /** What is loaded, extended to an i64, or the low bytes of an i64 that are stored. */
  code: Code;
  /** In bytes. */
  size: number;
  write: boolean;
}

export interface Branch extends Encoding {
  /** Of two i64: whether it goes to `relative`. */
  condition: Code;
}

export interface Jump extends Encoding {
  /** What rd becomes, and where it leads. */
  link: Expression;
  target: Expression;
}

const OP = 0x33;
const OP_32 = 0x3b;
const OP_IMM = 0x13;
const OP_IMM_32 = 0x1b;

type Row = IntegerInstruction;

/** rd, rs1, rs2. */
const register = (
  op: OpName,
  mnemonic: string,
  opcode: number,
  funct7: number,
  funct3: number,
  meaning: Expression,
): Row => ({
  ...encoding(op, mnemonic, forms.register, FUNCT7 | FUNCT3, (funct7 << 25) | (funct3 << 12) | opcode),
  meaning,
});
/** rd, rs1, a signed immediate of 12 bits. */
const withImmediate = (op: OpName, mnemonic: string, opcode: number, funct3: number, meaning: Expression): Row => ({
  ...encoding(op, mnemonic, forms.immediate, FUNCT3, (funct3 << 12) | opcode),
  meaning,
});
/** rd, rs1, an amount of 6 bits below `above`. */
const shift = (
  op: OpName,
  mnemonic: string,
  opcode: number,
  above: number,
  funct3: number,
  meaning: Expression,
): Row => ({
  ...encoding(op, mnemonic, forms.shift, (0x3f << 26) | FUNCT3, (above << 26) | (funct3 << 12) | opcode),
  meaning,
});
/** rd, rs1, an amount of 5 bits. */
const shiftWord = (op: OpName, mnemonic: string, funct7: number, funct3: number, meaning: Expression): Row => ({
  ...encoding(op, mnemonic, forms.shift, FUNCT7 | FUNCT3, (funct7 << 25) | (funct3 << 12) | OP_IMM_32),
  meaning,
});
/** rd, rs1; all of the upper 12 bits are given. */
const unary = (
  op: OpName,
  mnemonic: string,
  opcode: number,
  upper: number,
  funct3: number,
  meaning: Expression,
): Row => ({
  ...encoding(op, mnemonic, forms.unary, (0xfff << 20) | FUNCT3, (upper << 20) | (funct3 << 12) | opcode),
  meaning,
});

const both = (code: Code): Expression => apply(code, rs1, rs2);
const fixed = (code: Code): Expression => apply(code, rs1, immediate);
const words = (code: Code): Expression => extended(apply(code, rs1Word, rs2Word));
const wordFixed = (code: Code): Expression => extended(apply(code, rs1Word, immediateWord));
const not = (value: Expression): Expression => apply("i64Xor", value, constant(-1));
const unsignedWord = zeroExtended(rs1Word);
const shiftedAdd = (value: Expression, by: number): Expression =>
  apply("i64Add", apply("i64Shl", value, constant(by)), rs2);
const bit = (index: Expression): Expression => apply("i64Shl", constant(1), index);
const bitOf = (index: Expression): Expression => apply("i64And", apply("i64ShrU", rs1, index), constant(1));

// Division by zero and overflow have defined results.
const unlessZero = (byZero: Expression, usual: Expression): Expression =>
  choose(apply("i64Eq", rs2, constant(0)), byZero, usual);
const signed = (code: Code, byZero: Expression, byMinusOne: Expression): Expression =>
  unlessZero(byZero, choose(apply("i64Eq", rs2, constant(-1)), byMinusOne, both(code)));
const unlessZeroWord = (byZero: Expression, usual: Expression): Expression =>
  choose(apply("i32Eq", rs2Word, word(0)), byZero, usual);
const signedWord = (code: Code, byZero: Expression, byMinusOne: Expression): Expression =>
  unlessZeroWord(byZero, choose(apply("i32Eq", rs2Word, word(-1)), byMinusOne, words(code)));

const LOW = constant(0xffffffffn);
const lowHalf = (value: Expression): Expression => apply("i64And", value, LOW);
const highHalf = (value: Expression): Expression => apply("i64ShrU", value, constant(32));

/** The high half of the unsigned product, by halves of the factors. */
const highProduct = naming(
  "cross",
  apply("i64Add", apply("i64Mul", highHalf(rs1), lowHalf(rs2)), highHalf(apply("i64Mul", lowHalf(rs1), lowHalf(rs2)))),
  (cross) =>
    naming("other", apply("i64Add", apply("i64Mul", lowHalf(rs1), highHalf(rs2)), lowHalf(cross)), (other) =>
      apply("i64Add", apply("i64Add", apply("i64Mul", highHalf(rs1), highHalf(rs2)), highHalf(cross)), highHalf(other)),
    ),
);
/** Without what the sign of `a` adds to an unsigned high product with `b`. */
const corrected = (product: Expression, a: Expression, b: Expression): Expression =>
  apply("i64Sub", product, apply("i64And", apply("i64ShrS", a, constant(63)), b));

/** Every byte that is not zero becomes 0xff. */
function bytesCombined(): Expression {
  const low = constant(0x7f7f7f7f7f7f7f7fn);
  const carries = apply("i64Add", apply("i64And", rs1, low), low);
  const tops = apply("i64And", apply("i64Or", carries, rs1), constant(~0x7f7f7f7f7f7f7f7fn));
  return apply("i64Mul", apply("i64ShrU", tops, constant(7)), constant(255));
}

/** Swaps neighbours of 8, 16 and 32 bits. */
function bytesReversed(): Expression {
  const swapped = (value: Expression, by: number, mask: bigint): Expression =>
    apply(
      "i64Or",
      apply("i64Shl", apply("i64And", value, constant(mask)), constant(by)),
      apply("i64And", apply("i64ShrU", value, constant(by)), constant(mask)),
    );
  return naming("bytes", swapped(rs1, 8, 0x00ff00ff00ff00ffn), (bytes) =>
    naming("halves", swapped(bytes, 16, 0x0000ffff0000ffffn), (halves) => apply("i64Rotl", halves, constant(32))),
  );
}

export const integerInstructions: readonly IntegerInstruction[] = [
  { ...encoding("Li", "lui", forms.upper, 0, 0x37), meaning: immediate },
  { ...encoding("Auipc", "auipc", forms.upperRelative, 0, 0x17), meaning: relative },
  withImmediate("Addi", "addi", OP_IMM, 0, fixed("i64Add")),
  withImmediate("Slti", "slti", OP_IMM, 2, truth(fixed("i64LtS"))),
  withImmediate("Sltiu", "sltiu", OP_IMM, 3, truth(fixed("i64LtU"))),
  withImmediate("Xori", "xori", OP_IMM, 4, fixed("i64Xor")),
  withImmediate("Ori", "ori", OP_IMM, 6, fixed("i64Or")),
  withImmediate("Andi", "andi", OP_IMM, 7, fixed("i64And")),
  shift("Slli", "slli", OP_IMM, 0, 1, fixed("i64Shl")),
  shift("Srli", "srli", OP_IMM, 0, 5, fixed("i64ShrU")),
  shift("Srai", "srai", OP_IMM, 0x10, 5, fixed("i64ShrS")),
  withImmediate("Addiw", "addiw", OP_IMM_32, 0, wordFixed("i32Add")),
  shiftWord("Slliw", "slliw", 0, 1, wordFixed("i32Shl")),
  shiftWord("Srliw", "srliw", 0, 5, wordFixed("i32ShrU")),
  shiftWord("Sraiw", "sraiw", 0x20, 5, wordFixed("i32ShrS")),
  register("Add", "add", OP, 0, 0, both("i64Add")),
  register("Sub", "sub", OP, 0x20, 0, both("i64Sub")),
  register("Sll", "sll", OP, 0, 1, both("i64Shl")),
  register("Slt", "slt", OP, 0, 2, truth(both("i64LtS"))),
  register("Sltu", "sltu", OP, 0, 3, truth(both("i64LtU"))),
  register("Xor", "xor", OP, 0, 4, both("i64Xor")),
  register("Srl", "srl", OP, 0, 5, both("i64ShrU")),
  register("Sra", "sra", OP, 0x20, 5, both("i64ShrS")),
  register("Or", "or", OP, 0, 6, both("i64Or")),
  register("And", "and", OP, 0, 7, both("i64And")),
  register("Addw", "addw", OP_32, 0, 0, words("i32Add")),
  register("Subw", "subw", OP_32, 0x20, 0, words("i32Sub")),
  register("Sllw", "sllw", OP_32, 0, 1, words("i32Shl")),
  register("Srlw", "srlw", OP_32, 0, 5, words("i32ShrU")),
  register("Sraw", "sraw", OP_32, 0x20, 5, words("i32ShrS")),

  register("Mul", "mul", OP, 1, 0, both("i64Mul")),
  register("Mulh", "mulh", OP, 1, 1, corrected(corrected(highProduct, rs1, rs2), rs2, rs1)),
  register("Mulhsu", "mulhsu", OP, 1, 2, corrected(highProduct, rs1, rs2)),
  register("Mulhu", "mulhu", OP, 1, 3, highProduct),
  register("Div", "div", OP, 1, 4, signed("i64DivS", constant(-1), apply("i64Sub", constant(0), rs1))),
  register("Divu", "divu", OP, 1, 5, unlessZero(constant(-1), both("i64DivU"))),
  register("Rem", "rem", OP, 1, 6, signed("i64RemS", rs1, constant(0))),
  register("Remu", "remu", OP, 1, 7, unlessZero(rs1, both("i64RemU"))),
  register("Mulw", "mulw", OP_32, 1, 0, words("i32Mul")),
  register(
    "Divw",
    "divw",
    OP_32,
    1,
    4,
    signedWord("i32DivS", constant(-1), extended(apply("i32Sub", word(0), rs1Word))),
  ),
  register("Divuw", "divuw", OP_32, 1, 5, unlessZeroWord(constant(-1), words("i32DivU"))),
  register("Remw", "remw", OP_32, 1, 6, signedWord("i32RemS", extended(rs1Word), constant(0))),
  register("Remuw", "remuw", OP_32, 1, 7, unlessZeroWord(extended(rs1Word), words("i32RemU"))),

  register("Sh1add", "sh1add", OP, 0x10, 2, shiftedAdd(rs1, 1)),
  register("Sh2add", "sh2add", OP, 0x10, 4, shiftedAdd(rs1, 2)),
  register("Sh3add", "sh3add", OP, 0x10, 6, shiftedAdd(rs1, 3)),
  register("AddUw", "add.uw", OP_32, 4, 0, apply("i64Add", unsignedWord, rs2)),
  register("Sh1addUw", "sh1add.uw", OP_32, 0x10, 2, shiftedAdd(unsignedWord, 1)),
  register("Sh2addUw", "sh2add.uw", OP_32, 0x10, 4, shiftedAdd(unsignedWord, 2)),
  register("Sh3addUw", "sh3add.uw", OP_32, 0x10, 6, shiftedAdd(unsignedWord, 3)),
  shift("SlliUw", "slli.uw", OP_IMM_32, 2, 1, apply("i64Shl", unsignedWord, immediate)),

  register("Andn", "andn", OP, 0x20, 7, apply("i64And", rs1, not(rs2))),
  register("Orn", "orn", OP, 0x20, 6, apply("i64Or", rs1, not(rs2))),
  register("Xnor", "xnor", OP, 0x20, 4, not(both("i64Xor"))),
  unary("Clz", "clz", OP_IMM, 0x600, 1, apply("i64Clz", rs1)),
  unary("Ctz", "ctz", OP_IMM, 0x601, 1, apply("i64Ctz", rs1)),
  unary("Cpop", "cpop", OP_IMM, 0x602, 1, apply("i64Popcnt", rs1)),
  unary("Clzw", "clzw", OP_IMM_32, 0x600, 1, extended(apply("i32Clz", rs1Word))),
  unary("Ctzw", "ctzw", OP_IMM_32, 0x601, 1, extended(apply("i32Ctz", rs1Word))),
  unary("Cpopw", "cpopw", OP_IMM_32, 0x602, 1, extended(apply("i32Popcnt", rs1Word))),
  register("Max", "max", OP, 5, 6, select(both("i64GtS"), rs1, rs2)),
  register("Maxu", "maxu", OP, 5, 7, select(both("i64GtU"), rs1, rs2)),
  register("Min", "min", OP, 5, 4, select(both("i64LtS"), rs1, rs2)),
  register("Minu", "minu", OP, 5, 5, select(both("i64LtU"), rs1, rs2)),
  unary("SextB", "sext.b", OP_IMM, 0x604, 1, apply("i64Extend8S", rs1)),
  unary("SextH", "sext.h", OP_IMM, 0x605, 1, apply("i64Extend16S", rs1)),
  unary("ZextH", "zext.h", OP_32, 0x080, 4, apply("i64And", rs1, constant(0xffff))),
  register("Rol", "rol", OP, 0x30, 1, both("i64Rotl")),
  register("Ror", "ror", OP, 0x30, 5, both("i64Rotr")),
  shift("Rori", "rori", OP_IMM, 0x18, 5, fixed("i64Rotr")),
  register("Rolw", "rolw", OP_32, 0x30, 1, words("i32Rotl")),
  register("Rorw", "rorw", OP_32, 0x30, 5, words("i32Rotr")),
  shiftWord("Roriw", "roriw", 0x30, 5, wordFixed("i32Rotr")),
  unary("OrcB", "orc.b", OP_IMM, 0x287, 5, bytesCombined()),
  unary("Rev8", "rev8", OP_IMM, 0x6b8, 5, bytesReversed()),

  register("Bclr", "bclr", OP, 0x24, 1, apply("i64And", rs1, not(bit(rs2)))),
  register("Bext", "bext", OP, 0x24, 5, bitOf(rs2)),
  register("Binv", "binv", OP, 0x34, 1, apply("i64Xor", rs1, bit(rs2))),
  register("Bset", "bset", OP, 0x14, 1, apply("i64Or", rs1, bit(rs2))),
  shift("Bclri", "bclri", OP_IMM, 0x12, 1, apply("i64And", rs1, not(bit(immediate)))),
  shift("Bexti", "bexti", OP_IMM, 0x12, 5, bitOf(immediate)),
  shift("Binvi", "binvi", OP_IMM, 0x1a, 1, apply("i64Xor", rs1, bit(immediate))),
  shift("Bseti", "bseti", OP_IMM, 0x0a, 1, apply("i64Or", rs1, bit(immediate))),
];

/** Operations that no instruction of 32 bits has to itself: what `c.mv` and moves between register files are decoded to. */
export const otherMeanings: readonly { op: OpName; meaning: Expression }[] = [
  { op: "Mv", meaning: rs1 },
  { op: "FmvWX", meaning: boxed },
];

const loadRow = (op: OpName, mnemonic: string, funct3: number, code: Code, size: number): Access => ({
  ...encoding(op, mnemonic, forms.load, FUNCT3, (funct3 << 12) | 0x03),
  code,
  size,
  write: false,
});
const storeRow = (op: OpName, mnemonic: string, funct3: number, code: Code, size: number): Access => ({
  ...encoding(op, mnemonic, forms.store, FUNCT3, (funct3 << 12) | 0x23),
  code,
  size,
  write: true,
});

/** Loads and stores of integer registers; and `flw`, whose result is boxed in ones. */
export const accessInstructions: readonly Access[] = [
  loadRow("Lb", "lb", 0, "i64Load8S", 1),
  loadRow("Lh", "lh", 1, "i64Load16S", 2),
  loadRow("Lw", "lw", 2, "i64Load32S", 4),
  loadRow("Ld", "ld", 3, "i64Load", 8),
  loadRow("Lbu", "lbu", 4, "i64Load8U", 1),
  loadRow("Lhu", "lhu", 5, "i64Load16U", 2),
  loadRow("Lwu", "lwu", 6, "i64Load32U", 4),
  {
    ...encoding("Flw", "flw", forms.loadFloat, FUNCT3, (2 << 12) | 0x07),
    code: "i64Load32U",
    size: 4,
    write: false,
  },
  storeRow("Sb", "sb", 0, "i64Store8", 1),
  storeRow("Sh", "sh", 1, "i64Store16", 2),
  storeRow("Sw", "sw", 2, "i64Store32", 4),
  storeRow("Sd", "sd", 3, "i64Store", 8),
];

const opsOf = (write: boolean): ReadonlySet<OpName> =>
  new Set(accessInstructions.filter((each) => each.write === write).map(({ op }) => op));
export const loads = opsOf(false);
export const stores = opsOf(true);

const branch = (op: OpName, mnemonic: string, funct3: number, condition: Code): Branch => ({
  ...encoding(op, mnemonic, forms.branch, FUNCT3, (funct3 << 12) | 0x63),
  condition,
});

export const branchInstructions: readonly Branch[] = [
  branch("Beq", "beq", 0, "i64Eq"),
  branch("Bne", "bne", 1, "i64Ne"),
  branch("Blt", "blt", 4, "i64LtS"),
  branch("Bge", "bge", 5, "i64GeS"),
  branch("Bltu", "bltu", 6, "i64LtU"),
  branch("Bgeu", "bgeu", 7, "i64GeU"),
];

export const jumpInstructions: readonly Jump[] = [
  { ...encoding("Jal", "jal", forms.jump, 0, 0x6f), link: next, target: relative },
  {
    ...encoding("Jalr", "jalr", forms.indirect, FUNCT3, 0x67),
    link: next,
    target: apply("i64And", apply("i64Add", rs1, immediate), constant(-2)),
  },
];

/**
 * How a record goes on that a branch or jump is decoded to. Where it leads is near (its immediate is the distance to
 * another record of the page), far (it counts from the start of the page), or computed.
 */
export interface Departure {
  kind: "branch" | "jump";
  where: "near" | "far" | "computed";
  /** The address of the next instruction goes to rd, which may be the sink. */
  links: boolean;
}

export const departures: ReadonlyMap<OpName, Departure> = new Map<OpName, Departure>([
  ["Jump", { kind: "jump", where: "near", links: false }],
  ["Jal", { kind: "jump", where: "near", links: true }],
  ["JalFar", { kind: "jump", where: "far", links: true }],
  ["Jr", { kind: "jump", where: "computed", links: false }],
  ["Jalr", { kind: "jump", where: "computed", links: true }],
  ...branchInstructions.flatMap(({ op }): [OpName, Departure][] => [
    [op, { kind: "branch", where: "near", links: false }],
    [`${op}Far` as OpName, { kind: "branch", where: "far", links: false }],
  ]),
]);
