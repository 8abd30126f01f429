/**
 * What the interpreter's sources in assembly/ have of the table, in their language (AssemblyScript). A line there that
 * says `/* from the table: NAME *\/` is replaced by `sources[NAME]` when the interpreter is built
 * (deploy/setup/interpreter.mjs).
 */
import { decoderSources } from "./decoder.ts";
import type { Code, Expression } from "./expression.ts";
import { firstTerminator, isCompressible, type OpName, recordedNames } from "./operations.ts";
import {
  type Access,
  accessInstructions,
  branchInstructions,
  integerInstructions,
  jumpInstructions,
  otherMeanings,
} from "./table.ts";

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
  i64ExtendI32S: (a) => `<i64>${a}`,
  i64ExtendI32U: (a) => `<i64>${a} & 0xffffffff`,
};

function apply(code: Code, to: readonly string[]): string {
  const say = spoken[code];
  if (say === undefined) throw new Error(`the interpreter has no words for ${code}`);
  return `(${say(...to)})`;
}

/** Operands of the record at p; and those of a function of its own, which has them as parameters. */
const inRecord = { rs1: "rs1(p)", rs2: "rs2(p)", immediate: "immediate(p)" };
const wordInRecord = { rs1: "rs1w(p)", rs2: "rs2w(p)", immediate: "imm(p)" };

/** Of the record at p: its immediate counts from the start of the page. */
const addresses = { relative: "(page + immediate(p))", next: "(page + <i64>((p - base + delta(p)) >> 3))" };

/** An expression as text; what it names is declared in `declared`, before it. */
function textOf(e: Expression, own: boolean, declared: string[]): string {
  const inner = (of: Expression): string => textOf(of, own, declared);
  switch (e.kind) {
    case "operand":
      if (own) return e.word ? `(<i32>${e.from})` : e.from;
      return (e.word ? wordInRecord : inRecord)[e.from];
    case "address":
      return addresses[e.of];
    case "constant":
      return `<${e.word ? "i32" : "i64"}>${e.value < 0n ? `(${e.value})` : e.value}`;
    case "apply":
      return apply(e.code, e.to.map(inner));
    case "either":
      return `(${inner(e.condition)} ? ${inner(e.then)} : ${inner(e.otherwise)})`;
    case "name":
      declared.push(`  const ${e.name}: i64 = ${inner(e.value)};`);
      return inner(e.within);
    case "named":
      return e.name;
  }
}

const functionName = (op: OpName): string => op.charAt(0).toLowerCase() + op.slice(1);

/** An operation with names in it is a function of its own, so that the dispatch loop has fewer locals. */
function spelled(op: OpName, meaning: Expression): { expression: string; outOfLine: string | null } {
  const declared: string[] = [];
  const value = textOf(meaning, true, declared);
  if (declared.length === 0) return { expression: textOf(meaning, false, []), outOfLine: null };
  const outOfLine = [
    `export function ${functionName(op)}(rs1: i64, rs2: i64): i64 {`,
    ...declared,
    `  return ${value};`,
    "}",
  ];
  return { expression: `integer.${functionName(op)}(rs1(p), rs2(p))`, outOfLine: outOfLine.join("\n") };
}

/** The cases of an operation, and of its compressed form if it has one. */
function cases(op: OpName, of: (name: string, step: string) => string): string[] {
  return [of(op, "FULL"), ...(isCompressible(op) ? [of(`${op}C`, "HALF")] : [])];
}

const meanings = [...otherMeanings, ...integerInstructions].map(({ op, meaning }) => ({ op, ...spelled(op, meaning) }));

const integerCases = meanings.flatMap(({ op, expression }) =>
  cases(op, (name, step) => `      case Op.${name}: rd(p, ${expression}); p += ${step}; continue;`),
);

/** What `load<>` and `store<>` take, by the code of the access. */
const memoryTypes: Partial<Record<Code, string>> = {
  i64Load8S: "i8",
  i64Load8U: "u8",
  i64Load16S: "i16",
  i64Load16U: "u16",
  i64Load32S: "i32",
  i64Load32U: "u32",
  i64Load: "i64",
  i64Store8: "i8",
  i64Store16: "i16",
  i64Store32: "i32",
  i64Store: "i64",
};

/** A single in a register of doubles has ones above it. */
const boxed = ({ op }: Access): string => (op === "Flw" ? " | <i64>-4294967296" : "");

/** One comparison for page, permission and alignment; what it does not settle is done out of line. */
function accessCase(access: Access, name: string, step: string): string {
  const { code, size, write } = access;
  const type = memoryTypes[code];
  const table = write ? "L.WRITE_TLB" : "L.READ_TLB";
  const host = `host(at, va, ${table})`;
  return [
    `      case Op.${name}: {`,
    "        const va = rs1(p) + immediate(p), at = entry(bank, va);",
    `        if (TIMED || load<i64>(at, ${table}) != (va & ~(${4096 - size}))) break;`,
    write
      ? `        store<${type}>(${host}, <${type}>rs2(p));`
      : `        rd(p, <i64>load<${type}>(${host})${boxed(access)});`,
    `        p += ${step};`,
    "        continue;",
    "      }",
  ].join("\n");
}

const accessCases = accessInstructions.flatMap((access) =>
  cases(access.op, (name, step) => accessCase(access, name, step)),
);

/** Near: the target is a distance between records. Far: it is looked up. */
const branchCases = branchInstructions.flatMap(({ op, condition }) => {
  const holds = apply(condition, ["rs1(p)", "rs2(p)"]);
  const enter = "if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;";
  const near = (name: string, step: string): string =>
    `      case Op.${name}: if (${holds}) p += imm(p); else p += ${step}; ${enter}`;
  const far = (name: string, step: string): string =>
    `      case Op.${name}: if (${holds}) { target = page + immediate(p); event = Event.Far; break; } p += ${step}; ${enter}`;
  return [...cases(op, near), ...cases(`${op}Far` as OpName, far)];
});

const labels = (op: OpName): string => cases(op, (name) => `case Op.${name}:`).join(" ");
const accessSizes = accessInstructions.map(({ op, size, write }) =>
  write
    ? `    ${labels(op)} return storeFrom(va, rs2(p), ${size});`
    : `    ${labels(op)} return loadInto(p, va, ${size});`,
);
const extensions = accessInstructions
  .filter(({ write }) => !write)
  .map((access) => `    ${labels(access.op)} return <i64><${memoryTypes[access.code]}>value${boxed(access)};`);

export const sources: Readonly<Record<string, string>> = {
  operations: recordedNames.map((name) => `  ${name},`).join("\n"),
  "first terminator": `export const FIRST_TERMINATOR: i32 = Op.${firstTerminator};`,
  "integer cases": integerCases.join("\n"),
  "access cases": accessCases.join("\n"),
  "branch cases": branchCases.join("\n"),
  "functions of integers": meanings.flatMap(({ outOfLine }) => outOfLine ?? []).join("\n\n"),
  ...Object.fromEntries(
    jumpInstructions.flatMap(({ mnemonic, link, target }) => [
      [`link of ${mnemonic}`, `        rd(p, ${textOf(link, false, [])});`],
      [`target of ${mnemonic}`, `        target = ${textOf(target, false, [])};`],
    ]),
  ),
  ...decoderSources,
  "sizes of accesses": accessSizes.join("\n"),
  "extensions of loads": extensions.join("\n"),
};
