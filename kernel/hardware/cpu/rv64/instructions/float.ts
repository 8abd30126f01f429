/** F and D: unprivileged specification, chapters 21 and 22. Loads and moves of 64 bits do what those of integers do. */
import { type Encoding, encoding, FUNCT3, FUNCT7, RS2 } from "./encoding.ts";
import { type Form, forms } from "./form.ts";
import type { OpName } from "./operations.ts";

export interface FloatInstruction extends Encoding {
  /** Binary64, not binary32. */
  double: boolean;
}

const OP_FP = 0x53;

interface Format {
  double: boolean;
  /** In mnemonics, and that of moves. */
  letter: "s" | "d";
  width: "w" | "d";
}

const SINGLE: Format = { double: false, letter: "s", width: "w" };
const DOUBLE: Format = { double: true, letter: "d", width: "d" };

const operation = (
  { double }: Format,
  op: OpName,
  mnemonic: string,
  form: Form,
  funct5: number,
  mask: number,
  rest: number,
): FloatInstruction => ({
  ...encoding(op, mnemonic, form, FUNCT7 | mask, (funct5 << 27) | (Number(double) << 25) | rest | OP_FP),
  double,
});

/** With a rounding mode in the place of funct3; what is told apart by rs2 has no second operand. */
const rounding = (f: Format, op: OpName, mnemonic: string, funct5: number): FloatInstruction =>
  operation(f, op, `${mnemonic}.${f.letter}`, forms.float, funct5, 0, 0);
const conversion = (
  f: Format,
  op: OpName,
  mnemonic: string,
  form: Form,
  funct5: number,
  rs2: number,
): FloatInstruction => operation(f, op, mnemonic, form, funct5, RS2, rs2 << 20);
/** Without one: funct3 tells them apart. */
const plain = (f: Format, op: OpName, mnemonic: string, form: Form, funct5: number, funct3: number): FloatInstruction =>
  operation(f, op, mnemonic, form, funct5, FUNCT3, funct3 << 12);
const move = (f: Format, op: OpName, mnemonic: string, form: Form, funct5: number, funct3: number): FloatInstruction =>
  operation(f, op, mnemonic, form, funct5, FUNCT3 | RS2, funct3 << 12);

/** The fast operation of a double is another than that of a single. */
const either = ({ double }: Format, single: OpName, other: OpName): OpName => (double ? other : single);

const INTEGERS = ["w", "wu", "l", "lu"] as const;

function operations(f: Format): FloatInstruction[] {
  const other = f.double ? SINGLE : DOUBLE;
  return [
    rounding(f, either(f, "FaddS", "FaddD"), "fadd", 0x00),
    rounding(f, either(f, "FsubS", "FsubD"), "fsub", 0x01),
    rounding(f, either(f, "FmulS", "FmulD"), "fmul", 0x02),
    rounding(f, "Float", "fdiv", 0x03),
    conversion(f, "Float", `fsqrt.${f.letter}`, forms.root, 0x0b, 0),
    plain(f, either(f, "Float", "FsgnjD"), `fsgnj.${f.letter}`, forms.pick, 0x04, 0),
    plain(f, either(f, "Float", "FsgnjnD"), `fsgnjn.${f.letter}`, forms.pick, 0x04, 1),
    plain(f, either(f, "Float", "FsgnjxD"), `fsgnjx.${f.letter}`, forms.pick, 0x04, 2),
    plain(f, "Float", `fmin.${f.letter}`, forms.pick, 0x05, 0),
    plain(f, "Float", `fmax.${f.letter}`, forms.pick, 0x05, 1),
    plain(f, either(f, "Float", "FleD"), `fle.${f.letter}`, forms.compare, 0x14, 0),
    plain(f, either(f, "Float", "FltD"), `flt.${f.letter}`, forms.compare, 0x14, 1),
    plain(f, either(f, "Float", "FeqD"), `feq.${f.letter}`, forms.compare, 0x14, 2),
    conversion(
      f,
      "Float",
      `fcvt.${f.letter}.${other.letter}`,
      f.double ? forms.widen : forms.root,
      0x08,
      Number(other.double),
    ),
    ...INTEGERS.map((name, kind) => conversion(f, "Float", `fcvt.${name}.${f.letter}`, forms.toInteger, 0x18, kind)),
    ...INTEGERS.map((name, kind) => fromInteger(f, name, kind)),
    move(f, either(f, "Addiw", "Mv"), `fmv.x.${f.width}`, forms.moveToInteger, 0x1c, 0),
    move(f, "Float", `fclass.${f.letter}`, forms.classify, 0x1c, 1),
    move(f, either(f, "FmvWX", "Mv"), `fmv.${f.width}.x`, forms.moveFromInteger, 0x1e, 0),
  ];
}

function fromInteger(f: Format, name: string, kind: number): FloatInstruction {
  const exact = f.double && kind < 2;
  return conversion(f, "Float", `fcvt.${f.letter}.${name}`, exact ? forms.fromWord : forms.fromInteger, 0x1a, kind);
}

/** By opcode. */
const FUSED = [
  ["fmadd", 0x43],
  ["fmsub", 0x47],
  ["fnmsub", 0x4b],
  ["fnmadd", 0x4f],
] as const;

const fused = (f: Format): FloatInstruction[] =>
  FUSED.map(([mnemonic, opcode]) => ({
    ...encoding(
      either(f, "FmaddS", "FmaddD"),
      `${mnemonic}.${f.letter}`,
      forms.fused,
      3 << 25,
      (Number(f.double) << 25) | opcode,
    ),
    double: f.double,
  }));

export const floatInstructions: readonly FloatInstruction[] = [SINGLE, DOUBLE].flatMap((f) => [
  ...operations(f),
  ...fused(f),
]);

/** What accesses memory as an instruction of integers does, but for the file of its register. */
export const floatAccesses: readonly Encoding[] = [
  encoding("Ld", "fld", forms.loadFloat, FUNCT3, (3 << 12) | 0x07),
  encoding("Sw", "fsw", forms.storeFloat, FUNCT3, (2 << 12) | 0x27),
  encoding("Sd", "fsd", forms.storeFloat, FUNCT3, (3 << 12) | 0x27),
];
