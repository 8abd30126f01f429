/**
 * What an instruction means, as an expression over its operands: WebAssembly's own instructions, by their names in
 * translate/wasm.ts, applied to each other. Interpreter and translator are both made from it. An expression has no
 * effects, so it may be computed whenever, as long as what is `lazy` is computed only where it is wanted.
 */
import type { Wasm } from "../translate/wasm.ts";

export type Code = keyof typeof Wasm;

export type Expression =
  /** A source register or the immediate: 64 bits, the immediate sign-extended, or (`word`) the low 32 bits. */
  | { kind: "operand"; from: "rs1" | "rs2" | "immediate"; word: boolean }
  /** An address: that of the instruction plus the immediate, or that of the instruction behind it. */
  | { kind: "address"; of: "relative" | "next" }
  | { kind: "constant"; value: bigint; word: boolean }
  | { kind: "apply"; code: Code; to: readonly Expression[] }
  /** An i64. Where it is `lazy`, the side that is not wanted must not be computed: it could trap. */
  | { kind: "either"; condition: Expression; then: Expression; otherwise: Expression; lazy: boolean }
  /** An i64 that is used several times in `within`. */
  | { kind: "name"; name: string; value: Expression; within: Expression }
  | { kind: "named"; name: string };

const operand = (from: "rs1" | "rs2" | "immediate", word: boolean): Expression => ({ kind: "operand", from, word });

export const rs1 = operand("rs1", false);
export const rs2 = operand("rs2", false);
export const immediate = operand("immediate", false);
export const rs1Word = operand("rs1", true);
export const rs2Word = operand("rs2", true);
export const immediateWord = operand("immediate", true);

export const relative: Expression = { kind: "address", of: "relative" };
export const next: Expression = { kind: "address", of: "next" };

export const constant = (value: number | bigint): Expression => ({
  kind: "constant",
  value: BigInt(value),
  word: false,
});
export const word = (value: number): Expression => ({ kind: "constant", value: BigInt(value), word: true });

export const apply = (code: Code, ...to: Expression[]): Expression => ({ kind: "apply", code, to });

export const select = (condition: Expression, then: Expression, otherwise: Expression): Expression => ({
  kind: "either",
  condition,
  then,
  otherwise,
  lazy: false,
});
export const choose = (condition: Expression, then: Expression, otherwise: Expression): Expression => ({
  kind: "either",
  condition,
  then,
  otherwise,
  lazy: true,
});

/** Names are unique within the meaning of an instruction. */
export function naming(name: string, value: Expression, within: (named: Expression) => Expression): Expression {
  return { kind: "name", name, value, within: within({ kind: "named", name }) };
}
