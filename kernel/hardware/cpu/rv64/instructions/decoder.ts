/** The interpreter's decoder, in its language: a function for each form of operands, and the trees of rows. */
import { compressedTree, tree } from "./all.ts";
import type { Encoding, Tree } from "./encoding.ts";
import { compressedForms, type Field, type Form, forms, hasFloat, hasRounding, type RegisterOperand } from "./form.ts";
import { isCompressible } from "./operations.ts";

const hex = (bits: number): string => ((bits | 0) < 0 ? `${bits | 0}` : `0x${bits.toString(16)}`);

const functionName = ({ name }: Form): string => `decode${name.charAt(0).toUpperCase()}${name.slice(1)}`;

/** A register's number. */
function numberText(operand: RegisterOperand): string {
  if (typeof operand === "number") return `${operand}`;
  return operand.short ? `8 + ((w >> ${operand.from}) & 7)` : `(w >> ${operand.from}) & 31`;
}

/** A register's offset in a record; x0 as a destination is the sink. */
function offsetText(operand: RegisterOperand | undefined, integer: "xd" | "xs"): string {
  if (operand === undefined) return "0";
  const isFloat = typeof operand === "object" && operand.file === "f";
  return `${isFloat ? "fr" : integer}(${numberText(operand)})`;
}

function fieldText({ pieces, signed }: Field): string {
  const width = Math.max(...pieces.map(([, count, to]) => to + count));
  // A sign at the top of the instruction is extended by the shift that brings it to its place.
  const atTop = signed && pieces.some(([from, count, to]) => from + count === 32 && to + count === width);
  const texts = pieces.map(([from, count, to]) => {
    const bits = from + count === 32 && atTop ? `(w >> ${from})` : `((w >> ${from}) & ${hex(2 ** count - 1)})`;
    return to === 0 ? bits : `(${bits} << ${to})`;
  });
  const value = texts.join(" | ");
  return signed && !atTop && width < 32 ? `((${value}) << ${32 - width}) >> ${32 - width}` : value;
}

function immediateText({ imm }: Form): string {
  return imm === undefined ? "0" : imm === "bits" ? "w" : fieldText(imm);
}

/** What fills the record at p from the instruction w. */
function filling(form: Form, length: number): string[] {
  const [rs1, rs2] = [offsetText(form.rs1, "xs"), offsetText(form.rs2, "xs")];
  const imm = immediateText(form);
  switch (form.by) {
    case "branch":
      return [`branch(p, op, ${length}, ${rs1}, ${rs2}, offset, near, ${imm});`];
    case "jump":
      return [`jump(p, ${length}, ${numberText(form.rd ?? 0)}, offset, near, ${imm});`];
    case "indirect":
      return [`indirect(p, ${length}, ${numberText(form.rd ?? 0)}, ${rs1}, ${imm});`];
    default:
  }
  const rounds = hasRounding(form);
  const fast = rounds && /rmExact$/.test(form.text) ? "isNearest(w)" : "mayBeNearest(w)";
  const op = rounds ? `${fast} ? op : Op.Float` : "op";
  const value = form.by === "relative" ? `offset + (${imm})` : imm;
  return [
    ...(rounds ? [`if (isReservedMode(w)) return illegal(p, w, ${length});`] : []),
    `put(p, ${op}, ${length}, ${offsetText(form.rd, "xd")}, ${rs1}, ${rs2}, ${value});`,
    ...(form.rs3 === undefined ? [] : [`store<u8>(p, ${offsetText(form.rs3, "xs")} >> 3, 10);`]),
    ...(hasFloat(form) ? [`guard(p, w, ${length});`] : []),
  ];
}

const formFunction = (form: Form, length: number): string =>
  [
    `function ${functionName(form)}(p: i32, op: Op, w: i32, offset: i32, near: bool): void {`,
    ...filling(form, length).map((line) => `  ${line}`),
    "}",
  ].join("\n");

/** What is done about a row that has been found; the conditions that are left are `if`s around it. */
type Leaf = (row: Encoding) => string;

function rowText(row: Encoding, tested: number, leaf: Leaf): string {
  const mask = row.mask & ~tested;
  const conditions = [
    ...(mask === 0 ? [] : [`(w & ${hex(mask)}) == ${hex(row.match & mask)}`]),
    ...(row.nonzero === undefined ? [] : [`(w & ${hex(row.nonzero)}) != 0`]),
  ];
  return `${conditions.length === 0 ? "" : `if (${conditions.join(" && ")}) `}${leaf(row)}`;
}

/** The tree as nested switches over the instruction w; what is no row goes on behind them. */
export function treeText(of: Tree, tested: number, leaf: Leaf, indent = "  "): string[] {
  if (of.kind === "rows") return of.rows.map((row) => `${indent}${rowText(row, tested, leaf)}`);
  const { from, width, cases } = of;
  const bits = 2 ** width - 1;
  const now = tested | (bits << from);
  return [
    `${indent}switch ((w >>> ${from}) & ${hex(bits)}) {`,
    ...[...cases]
      .sort(([a], [b]) => a - b)
      .flatMap(([value, within]) => [
        `${indent}  case ${value}:`,
        ...treeText(within, now, leaf, `${indent}    `),
        `${indent}    break;`,
      ]),
    `${indent}  default:`,
    `${indent}}`,
  ];
}

const recordedAs = ({ op }: Encoding): string => (isCompressible(op) ? `${op}C` : op);
const decoded =
  (nameOf: (row: Encoding) => string): Leaf =>
  (row) =>
    `return ${functionName(row.form)}(p, Op.${nameOf(row)}, w, offset, near);`;

export const decoderSources: Readonly<Record<string, string>> = {
  "forms of operands": [
    ...Object.values<Form>(forms).map((form) => formFunction(form, 4)),
    ...Object.values<Form>(compressedForms).map((form) => formFunction(form, 2)),
  ].join("\n\n"),
  encodings: treeText(
    tree,
    3,
    decoded(({ op }) => op),
  ).join("\n"),
  "compressed encodings": treeText(compressedTree, 0, decoded(recordedAs)).join("\n"),
};
