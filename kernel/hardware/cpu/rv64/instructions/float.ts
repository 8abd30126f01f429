/**
 * F and D: unprivileged specification, chapters 21 and 22. A row says by which function of the exact path (assembly/float)
 * an instruction is executed, and, where there is such a thing, which of the host's instructions give the same under
 * conditions that are checked: the interpreter's fast path and the translator's code are both made from that. Loads and
 * moves of 64 bits do what those of integers do.
 */
import { type Encoding, encoding, FUNCT3, FUNCT7, RS2 } from "./encoding.ts";
import {
  apply,
  constant,
  type Expression,
  extended,
  rs1,
  rs1Double,
  rs1Single,
  rs1Word,
  rs2,
  rs2Double,
  rs2Single,
  rs3,
  truth,
  zeroExtended,
} from "./expression.ts";
import { type Form, forms } from "./form.ts";
import type { OpName } from "./operations.ts";

/** By the host's own instructions. Why that is right is said in assembly/float/hardware.ts. */
export interface Host {
  value: Expression;
  gives: "f64" | "f32" | "i64";
  /** What the operands in floating-point registers are; singles have to be boxed. */
  source: "f64" | "f32";
  /** None of the operands may be a NaN. */
  ordered: boolean;
  /** The value must be finite, or also above the least normal number; anything else is the exact path's. */
  result: "any" | "finite" | "normal";
  /** As what it may have been rounded, which raises a flag; null if it is never inexact. */
  rounded: "sum" | "product" | "quotient" | "root" | "narrowed" | null;
}

export interface FloatInstruction extends Encoding {
  /** Binary64, not binary32. */
  double: boolean;
  /** Behind the arguments it takes the rounding mode, if the form has one, and whether it is of doubles. */
  exact: { name: string; arguments: readonly (Expression | boolean | number)[] };
  host?: Host;
  /** The integer that is converted to or from. */
  integer?: { width: 32 | 64; signed: boolean };
  /** Of a fused one: what is negated. */
  negated?: { product: boolean; addend: boolean };
}

const OP_FP = 0x53;

interface Format {
  double: boolean;
  /** In mnemonics. */
  letter: "s" | "d";
  type: "f32" | "f64";
}

const SINGLE: Format = { double: false, letter: "s", type: "f32" };
const DOUBLE: Format = { double: true, letter: "d", type: "f64" };

/** Of the encoding, what distinguishes within OP-FP besides funct5 and format: funct3, rs2, both or neither. */
interface Distinction {
  funct3?: number;
  rs2?: number;
}

function operation(
  { double, letter }: Format,
  op: OpName,
  mnemonic: string,
  form: Form,
  funct5: number,
  { funct3, rs2: second }: Distinction,
  exact: FloatInstruction["exact"],
): FloatInstruction {
  const mask = FUNCT7 | (funct3 === undefined ? 0 : FUNCT3) | (second === undefined ? 0 : RS2);
  const rest = ((funct3 ?? 0) << 12) | ((second ?? 0) << 20) | OP_FP;
  const match = (funct5 << 27) | (Number(double) << 25) | rest;
  return { ...encoding(op, mnemonic.replace("@", letter), form, mask, match), double, exact };
}

const call = (name: string, ...of: (Expression | boolean | number)[]): FloatInstruction["exact"] => ({
  name,
  arguments: of,
});

const host = (f: Format, value: Expression, more: Partial<Host> = {}): Host => ({
  value,
  gives: f.type,
  source: f.type,
  ordered: false,
  result: "any",
  rounded: null,
  ...more,
});

type Verb = "Add" | "Sub" | "Mul" | "Div";
const both = ({ double }: Format, verb: Verb): Expression =>
  double ? apply(`f64${verb}`, rs1Double, rs2Double) : apply(`f32${verb}`, rs1Single, rs2Single);

/** The fast operation of a double is another than that of a single. */
const either = ({ double }: Format, single: OpName, other: OpName): OpName => (double ? other : single);

/** Sums in the range of subnormal numbers are exact, products and quotients may not be. */
function arithmetic(f: Format): FloatInstruction[] {
  const rounded = (value: Expression, result: Host["result"], as: Host["rounded"]): Host =>
    host(f, value, { result, rounded: as });
  const root = f.double ? apply("f64Sqrt", rs1Double) : apply("f32Sqrt", rs1Single);
  return [
    {
      ...operation(f, either(f, "FaddS", "FaddD"), "fadd.@", forms.float, 0x00, {}, call("add", rs1, rs2, false)),
      host: rounded(both(f, "Add"), "finite", "sum"),
    },
    {
      ...operation(f, either(f, "FsubS", "FsubD"), "fsub.@", forms.float, 0x01, {}, call("add", rs1, rs2, true)),
      host: rounded(both(f, "Sub"), "finite", "sum"),
    },
    {
      ...operation(f, either(f, "FmulS", "FmulD"), "fmul.@", forms.float, 0x02, {}, call("multiply", rs1, rs2)),
      host: rounded(both(f, "Mul"), "normal", "product"),
    },
    {
      ...operation(f, "Float", "fdiv.@", forms.float, 0x03, {}, call("divide", rs1, rs2)),
      host: rounded(both(f, "Div"), "normal", "quotient"),
    },
    {
      ...operation(f, "Float", "fsqrt.@", forms.root, 0x0b, { rs2: 0 }, call("squareRoot", rs1)),
      host: rounded(root, "normal", "root"),
    },
  ];
}

/** Of boxed singles the upper halves are equal, and stay. */
function signInjections(f: Format): FloatInstruction[] {
  const sign = f.double ? -(2n ** 63n) : 2n ** 31n;
  const signOf = (value: Expression): Expression => apply("i64And", value, constant(sign));
  const signed = (by: Expression): Expression => apply("i64Or", apply("i64And", rs1, constant(~sign)), by);
  const bits = (value: Expression): Host => host(f, value, { gives: "i64" });
  const row = (op: OpName, mnemonic: string, how: number, by: Host): FloatInstruction => ({
    ...operation(f, op, mnemonic, forms.pick, 0x04, { funct3: how }, call("injectSign", rs1, rs2, how)),
    host: by,
  });
  const negative = apply("f64Neg", rs2Double);
  return [
    row(
      either(f, "Float", "FsgnjD"),
      "fsgnj.@",
      0,
      f.double ? host(f, apply("f64Copysign", rs1Double, rs2Double)) : bits(signed(signOf(rs2))),
    ),
    row(
      either(f, "Float", "FsgnjnD"),
      "fsgnjn.@",
      1,
      f.double
        ? host(f, apply("f64Copysign", rs1Double, negative))
        : bits(signed(signOf(apply("i64Xor", rs2, constant(-1))))),
    ),
    row(either(f, "Float", "FsgnjxD"), "fsgnjx.@", 2, bits(apply("i64Xor", rs1, signOf(rs2)))),
  ];
}

/** WebAssembly's minimum and maximum differ from RISC-V's for NaNs only. Singles are compared as doubles. */
function comparisons(f: Format): FloatInstruction[] {
  const pick = (mnemonic: string, funct3: number, code: "f64Min" | "f64Max"): FloatInstruction => {
    const value = apply(code, rs1Double, rs2Double);
    return {
      ...operation(f, "Float", mnemonic, forms.pick, 0x05, { funct3 }, call("pick", rs1, rs2, funct3 === 1)),
      host: host(f, f.double ? value : apply("f32DemoteF64", value), { ordered: true }),
    };
  };
  const compare = (
    op: OpName,
    mnemonic: string,
    funct3: number,
    code: "f64Le" | "f64Lt" | "f64Eq",
  ): FloatInstruction => ({
    ...operation(
      f,
      either(f, "Float", op),
      mnemonic,
      forms.compare,
      0x14,
      { funct3 },
      call("compare", rs1, rs2, funct3),
    ),
    host: host(f, truth(apply(code, rs1Double, rs2Double)), { gives: "i64", ordered: true }),
  });
  return [
    pick("fmin.@", 0, "f64Min"),
    pick("fmax.@", 1, "f64Max"),
    compare("FleD", "fle.@", 0, "f64Le"),
    compare("FltD", "flt.@", 1, "f64Lt"),
    compare("FeqD", "feq.@", 2, "f64Eq"),
  ];
}

const INTEGERS = [
  { name: "w", width: 32, signed: true, value: extended(rs1Word) },
  { name: "wu", width: 32, signed: false, value: zeroExtended(rs1Word) },
  { name: "l", width: 64, signed: true, value: rs1 },
  { name: "lu", width: 64, signed: false, value: rs1 },
] as const;

function conversions(f: Format): FloatInstruction[] {
  const toInteger = INTEGERS.map(({ name, width, signed }, kind) => ({
    ...operation(
      f,
      "Float",
      `fcvt.${name}.@`,
      forms.toInteger,
      0x18,
      { rs2: kind },
      call("toInteger", rs1, signed, width),
    ),
    integer: { width, signed },
  }));
  const fromInteger = INTEGERS.map(({ name, width, signed, value }, kind) => {
    const isExact = f.double && width === 32;
    const form = isExact ? forms.fromWord : forms.fromInteger;
    const op = isExact && signed ? "FcvtDW" : "Float";
    return {
      ...operation(f, op, `fcvt.@.${name}`, form, 0x1a, { rs2: kind }, call("fromInteger", value, signed)),
      integer: { width, signed },
      ...(isExact && { host: host(f, apply("f64ConvertI64S", value)) }),
    };
  });
  return [between(f), ...toInteger, ...fromInteger];
}

/** From the other format, which rs2 names. */
function between(f: Format): FloatInstruction {
  const exact = call("convertFormat", rs1);
  if (f.double) {
    const value = apply("f64PromoteF32", rs1Single);
    const row = operation(f, "Float", "fcvt.d.s", forms.widen, 0x08, { rs2: 0 }, exact);
    return { ...row, host: host(f, value, { source: "f32", result: "finite" }) };
  }
  const value = apply("f32DemoteF64", rs1Double);
  const row = operation(f, "Float", "fcvt.s.d", forms.root, 0x08, { rs2: 1 }, exact);
  return { ...row, host: host(f, value, { source: "f64", result: "normal", rounded: "narrowed" }) };
}

/** By opcode. */
const FUSED = [
  { mnemonic: "fmadd.@", opcode: 0x43, product: false, addend: false },
  { mnemonic: "fmsub.@", opcode: 0x47, product: false, addend: true },
  { mnemonic: "fnmsub.@", opcode: 0x4b, product: true, addend: false },
  { mnemonic: "fnmadd.@", opcode: 0x4f, product: true, addend: true },
] as const;

const fused = (f: Format): FloatInstruction[] =>
  FUSED.map(({ mnemonic, opcode, product, addend }) => ({
    ...encoding(
      either(f, "FmaddS", "FmaddD"),
      mnemonic.replace("@", f.letter),
      forms.fused,
      3 << 25,
      (Number(f.double) << 25) | opcode,
    ),
    double: f.double,
    exact: call("fused", rs1, rs2, rs3, product, addend),
    negated: { product, addend },
  }));

const classify = (f: Format): FloatInstruction =>
  operation(f, "Float", "fclass.@", forms.classify, 0x1c, { funct3: 1, rs2: 0 }, call("classify", rs1));

/** All but what moves bits. */
export const floatInstructions: readonly FloatInstruction[] = [SINGLE, DOUBLE].flatMap((f) => [
  ...arithmetic(f),
  ...signInjections(f),
  ...comparisons(f),
  ...conversions(f),
  ...fused(f),
  classify(f),
]);

/** A single in a register of doubles has ones above it. */
const BOX = constant(-(2n ** 32n));
const TO_X = FUNCT7 | FUNCT3 | RS2;

/** What an operation of integers does, but for the file of a register: moves, and accesses to memory. */
export const floatMoves: readonly Encoding[] = [
  encoding("Addiw", "fmv.x.w", forms.moveToInteger, TO_X, (0x70 << 25) | OP_FP),
  encoding("Mv", "fmv.x.d", forms.moveToInteger, TO_X, (0x71 << 25) | OP_FP),
  encoding("FmvWX", "fmv.w.x", forms.moveFromInteger, TO_X, (0x78 << 25) | OP_FP),
  encoding("Mv", "fmv.d.x", forms.moveFromInteger, TO_X, (0x79 << 25) | OP_FP),
  encoding("Ld", "fld", forms.loadFloat, FUNCT3, (3 << 12) | 0x07),
  encoding("Sw", "fsw", forms.storeFloat, FUNCT3, (2 << 12) | 0x27),
  encoding("Sd", "fsd", forms.storeFloat, FUNCT3, (3 << 12) | 0x27),
];

export const boxed: Expression = apply("i64Or", rs1, BOX);
