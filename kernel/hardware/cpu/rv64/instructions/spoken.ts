/** Expressions in the interpreter's language (AssemblyScript). */
import type { Code, Expression, Source } from "./expression.ts";

const infix = (sign: string) => (a: string, b: string) => `${a} ${sign} ${b}`;
const unsigned = (type: string, sign: string) => (a: string, b: string) =>
  `<i${type}>(<u${type}>${a} ${sign} <u${type}>${b})`;
const truth = (sign: string) => (a: string, b: string) => `<i32>(${a} ${sign} ${b})`;
const unsignedTruth = (sign: string) => (a: string, b: string) => `<i32>(<u64>${a} ${sign} <u64>${b})`;
const builtin =
  (name: string) =>
  (...to: string[]) =>
    `${name}(${to.join(", ")})`;

/** An instruction of WebAssembly, as AssemblyScript says it of operands with signed types. */
const spoken: Partial<Record<Code, (...to: string[]) => string>> = {
  i64Add: infix("+"),
  i64Sub: infix("-"),
  i64Mul: infix("*"),
  i64DivS: infix("/"),
  i64DivU: unsigned("64", "/"),
  i64RemS: infix("%"),
  i64RemU: unsigned("64", "%"),
  i64And: infix("&"),
  i64Or: infix("|"),
  i64Xor: infix("^"),
  i64Shl: infix("<<"),
  i64ShrS: infix(">>"),
  i64ShrU: infix(">>>"),
  i64Rotl: builtin("rotl<i64>"),
  i64Rotr: builtin("rotr<i64>"),
  i64Clz: builtin("clz<i64>"),
  i64Ctz: builtin("ctz<i64>"),
  i64Popcnt: builtin("popcnt<i64>"),
  i64Extend8S: (a) => `<i64><i8>${a}`,
  i64Extend16S: (a) => `<i64><i16>${a}`,
  i64Eq: truth("=="),
  i64Ne: truth("!="),
  i64LtS: truth("<"),
  i64GtS: truth(">"),
  i64GeS: truth(">="),
  i64LtU: unsignedTruth("<"),
  i64GtU: unsignedTruth(">"),
  i64GeU: unsignedTruth(">="),
  i32Add: infix("+"),
  i32Sub: infix("-"),
  i32Mul: infix("*"),
  i32DivS: infix("/"),
  i32DivU: unsigned("32", "/"),
  i32RemS: infix("%"),
  i32RemU: unsigned("32", "%"),
  i32Shl: infix("<<"),
  i32ShrS: infix(">>"),
  i32ShrU: infix(">>>"),
  i32Rotl: builtin("rotl<i32>"),
  i32Rotr: builtin("rotr<i32>"),
  i32Clz: builtin("clz<i32>"),
  i32Ctz: builtin("ctz<i32>"),
  i32Popcnt: builtin("popcnt<i32>"),
  i32Eq: truth("=="),
  f32Add: infix("+"),
  f32Sub: infix("-"),
  f32Mul: infix("*"),
  f32Div: infix("/"),
  f32Sqrt: builtin("sqrt<f32>"),
  f32DemoteF64: (a) => `<f32>${a}`,
  f64Add: infix("+"),
  f64Sub: infix("-"),
  f64Mul: infix("*"),
  f64Div: infix("/"),
  f64Sqrt: builtin("sqrt<f64>"),
  f64Neg: (a) => `-${a}`,
  f64Copysign: builtin("copysign<f64>"),
  f64Min: builtin("min<f64>"),
  f64Max: builtin("max<f64>"),
  f64Eq: truth("=="),
  f64Lt: truth("<"),
  f64Le: truth("<="),
  f64PromoteF32: (a) => `<f64>${a}`,
  f64ConvertI64S: (a) => `<f64>${a}`,
  i64ExtendI32S: (a) => `<i64>${a}`,
  i64ExtendI32U: (a) => `<i64>${a} & 0xffffffff`,
};

export function applied(code: Code, to: readonly string[]): string {
  const say = spoken[code];
  if (say === undefined) throw new Error(`the interpreter has no words for ${code}`);
  return `(${say(...to)})`;
}

type Operand = Expression & { kind: "operand" };

/** Of the record at p: its immediate counts from the start of the page. */
const addresses = { relative: "(page + immediate(p))", next: "(page + <i64>((p - base + delta(p)) >> 3))" };
const words: Partial<Record<Source, string>> = { rs1: "rs1w(p)", rs2: "rs2w(p)", immediate: "imm(p)" };

/** An operand of the record at p. */
export function inRecord({ from, as }: Operand): string {
  if (as === "i64") return `${from}(p)`;
  if (as === "i32") return words[from] as string;
  return as === "f64" ? `${from}d(p)` : `single(${from}(p))`;
}

/** And one of a function of its own, which has them as parameters. */
export const inParameter = ({ from, as }: Operand): string => (as === "i32" ? `(<i32>${from})` : from);

/** An expression as text; what it names is declared in `declared`, before it. */
export function textOf(e: Expression, operand: (e: Operand) => string, declared: string[] = []): string {
  const inner = (of: Expression): string => textOf(of, operand, declared);
  switch (e.kind) {
    case "operand":
      return operand(e);
    case "address":
      return addresses[e.of];
    case "constant":
      return `<${e.word ? "i32" : "i64"}>${e.value < 0n ? `(${e.value})` : e.value}`;
    case "apply":
      return applied(e.code, e.to.map(inner));
    case "either":
      return `(${inner(e.condition)} ? ${inner(e.then)} : ${inner(e.otherwise)})`;
    case "name":
      declared.push(`  const ${e.name}: i64 = ${inner(e.value)};`);
      return inner(e.within);
    case "named":
      return e.name;
  }
}
