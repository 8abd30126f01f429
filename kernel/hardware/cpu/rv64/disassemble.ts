/**
 * RV64GC (and Zba, Zbb, Zbs) instructions as text, for excerpts in traces: the standard mnemonic of the instruction
 * itself, without pseudo-instructions, with ABI register names and absolute targets. Names, encodings and operands are the
 * table's (instructions/). What is not an instruction comes out as `.insn` with its bits.
 */
import { encodingOf } from "./instructions/all.ts";
import { type Form, hasRounding, numberOf, type RegisterOperand, registerOf } from "./instructions/form.ts";

const X = "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(
  " ",
);
const F = (
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 " +
  "ft8 ft9 ft10 ft11"
).split(" ");

const CSRS: Record<number, string> = { 1: "fflags", 2: "frm", 3: "fcsr", 3072: "cycle", 3073: "time", 3074: "instret" };
const ROUNDING = ["rne", "rtz", "rdn", "rup", "rmm"];
const ORDER = ["", ".rl", ".aq", ".aqrl"];

/** An instruction, its form, and where it is. */
interface Shown {
  bits: number;
  form: Form;
  pc: bigint;
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const immediateOf = ({ bits, form: { imm } }: Shown): number => (typeof imm === "object" ? numberOf(bits, imm) : 0);

function register(bits: number, operand: RegisterOperand | undefined): string {
  if (operand === undefined) throw new RangeError("the form has no such register");
  const names = typeof operand === "object" && operand.file === "f" ? F : X;
  return names[registerOf(bits, operand)] as string;
}

/** Dynamic rounding is what assemblers write by saying nothing. */
function rounding(bits: number): string {
  const mode = (bits >>> 12) & 7;
  return mode === 7 ? "" : `, ${ROUNDING[mode]}`;
}

function accesses(bits: number): string {
  return ["i", "o", "r", "w"].filter((_, i) => bits & (8 >> i)).join("") || "0";
}

/** The words of a form's text. */
const words: Record<string, (shown: Shown) => string> = {
  rd: ({ bits, form }) => register(bits, form.rd),
  rs1: ({ bits, form }) => register(bits, form.rs1),
  rs2: ({ bits, form }) => register(bits, form.rs2),
  rs3: ({ bits, form }) => register(bits, form.rs3),
  imm: (shown) => `${immediateOf(shown)}`,
  upper: (shown) => hex((immediateOf(shown) >>> 12) & 0xfffff),
  target: (shown) => hex(BigInt.asUintN(64, shown.pc + BigInt(immediateOf(shown)))),
  rm: ({ bits }) => rounding(bits),
  rmExact: ({ bits }) => ((bits >>> 12) & 7 ? rounding(bits) : ""),
  csr: ({ bits }) => CSRS[bits >>> 20] ?? hex(bits >>> 20),
  zimm: ({ bits }) => `${(bits >>> 15) & 31}`,
  pred: ({ bits }) => accesses((bits >>> 24) & 15),
  succ: ({ bits }) => accesses((bits >>> 20) & 15),
};
const WORD = /rs[123]|rd|zimm|imm|upper|target|rmExact|rm|csr|pred|succ/g;

/** `bits` is the instruction (the low 16 bits alone if it is compressed); `pc` is where it is, for the targets. */
export function disassemble(bits: number, pc: bigint): string {
  const isCompressed = (bits & 3) !== 3;
  const known = isCompressed ? bits & 0xffff : bits | 0;
  const row = encodingOf(known);
  if (row === undefined || isReserved(known, row.form))
    return `.insn 0x${(known >>> 0).toString(16).padStart(isCompressed ? 4 : 8, "0")}`;
  const order = row.op === "Atomic" ? ORDER[(known >>> 25) & 3] : "";
  const operands = row.form.text.replaceAll(WORD, (word) => words[word]?.({ bits: known, form: row.form, pc }) ?? word);
  return `${row.mnemonic}${order} ${operands}`.trimEnd();
}

/** A rounding mode that is none. */
const isReserved = (bits: number, form: Form): boolean =>
  hasRounding(form) && ((bits >>> 12) & 7) > 4 && ((bits >>> 12) & 7) !== 7;
