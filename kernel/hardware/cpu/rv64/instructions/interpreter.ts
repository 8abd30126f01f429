/**
 * What the interpreter's sources in assembly/ have of the table, in their language (AssemblyScript). A line there that
 * says `/* from the table: NAME *\/` is replaced by `sources[NAME]` when the interpreter is built
 * (deploy/setup/interpreter.mjs).
 */
import { atomicInstructions } from "./atomic.ts";
import { decoderSources } from "./decoder.ts";
import type { Code, Expression } from "./expression.ts";
import { floatSources } from "./float_interpreter.ts";
import { firstTerminator, isCompressible, type OpName, recordedNames } from "./operations.ts";
import { fusedCases, fusedNames, sequenceFinder } from "./sequences.ts";
import { applied, inParameter, inRecord, textOf } from "./spoken.ts";
import {
  type Access,
  accessInstructions,
  branchInstructions,
  integerInstructions,
  jumpInstructions,
  otherMeanings,
} from "./table.ts";

const functionName = (op: OpName): string => op.charAt(0).toLowerCase() + op.slice(1);

/** An operation with names in it is a function of its own, so that the dispatch loop has fewer locals. */
function spelled(op: OpName, meaning: Expression): { expression: string; outOfLine: string | null } {
  const declared: string[] = [];
  const value = textOf(meaning, inParameter, declared);
  if (declared.length === 0) return { expression: textOf(meaning, inRecord), outOfLine: null };
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

/**
 * One comparison of the distance from the page that the entry is of settles that all bytes are on it (assembly/banks.ts). In the
 * timed core one settles that the access is aligned, too, and so in one line of the cache. The rest is done out of line.
 */
function accessCase(access: Access, name: string, step: string): string {
  const { code, size, write } = access;
  const type = memoryTypes[code];
  const table = write ? "L.WRITE_TLB" : "L.READ_TLB";
  const host = `host(at, va, ${table})`;
  return [
    `      case Op.${name}: {`,
    "        const va = rs1(p) + immediate(p), at = entry(bank, va);",
    `        if (TIMED ? (va & ~(${4096 - size})) != load<i64>(at, ${table}) : <u64>(va - load<i64>(at, ${table})) > ${4096 - size}) break;`,
    `        if (TIMED) ${write ? "stores" : "loads"}(va, ${host});`,
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
  const holds = applied(condition, ["rs1(p)", "rs2(p)"]);
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

/** A record holds an operation as a byte, and what the dispatch loop does as a halfword. */
if (recordedNames.length > 256) throw new Error(`${recordedNames.length} operations do not fit in a byte`);
const operations = [...recordedNames, ...fusedNames];

export const sources: Readonly<Record<string, string>> = {
  operations: operations.map((name) => `  ${name},`).join("\n"),
  "first terminator": `export const FIRST_TERMINATOR: i32 = Op.${firstTerminator};`,
  "integer cases": integerCases.join("\n"),
  "access cases": accessCases.join("\n"),
  "branch cases": branchCases.join("\n"),
  "functions of integers": meanings.flatMap(({ outOfLine }) => outOfLine ?? []).join("\n\n"),
  ...Object.fromEntries(
    jumpInstructions.flatMap(({ mnemonic, link, target }) => [
      [`link of ${mnemonic}`, `        rd(p, ${textOf(link, inRecord)});`],
      [`target of ${mnemonic}`, `        target = ${textOf(target, inRecord)};`],
    ]),
  ),
  "atomic combinations": atomicInstructions
    .filter(({ kind, size }) => kind === "combine" && size === 8)
    .map(({ match, combination }) => `    case ${match >>> 27}: return ${textOf(combination, inRecord)};`)
    .join("\n"),
  ...decoderSources,
  ...floatSources,
  sequences: sequenceFinder,
  "sizes of accesses": accessSizes.join("\n"),
  "extensions of loads": extensions.join("\n"),
};

/** What is made of all the rest of a file. */
export const derived: Readonly<Record<string, (text: string) => string>> = { "fused cases": fusedCases };
