/**
 * What an instruction means, as an expression over its operands: WebAssembly's own instructions, by their names in
 * translate/wasm.ts, applied to each other. Interpreter and translator are both made from it. An expression has no
 * effects, so it may be computed whenever, as long as what is `lazy` is computed only where it is wanted.
 */
import type { Wasm } from "../translate/wasm.ts";

export type Code = keyof typeof Wasm;

export type Source = "rs1" | "rs2" | "rs3" | "immediate";

export type Expression =
  /**
   * A source register or the immediate: 64 bits, the immediate sign-extended, or the low 32 bits, or the value of a
   * floating-point register. Where that is a single, its low half is an f32, and an f64 the same widened.
   */
  | { kind: "operand"; from: Source; as: "i64" | "i32" | "f64" | "f32" }
  /** An address: that of the instruction plus the immediate, or that of the instruction behind it. */
  | { kind: "address"; of: "relative" | "next" }
  | { kind: "constant"; value: bigint; word: boolean }
  | { kind: "apply"; code: Code; to: readonly Expression[] }
  /** An i64. Where it is `lazy`, the side that is not wanted must not be computed: it could trap. */
  | { kind: "either"; condition: Expression; then: Expression; otherwise: Expression; lazy: boolean }
  /** An i64 that is used several times in `within`. */
  | { kind: "name"; name: string; value: Expression; within: Expression }
  | { kind: "named"; name: string };

const operand = (from: Source, as: "i64" | "i32" | "f64" | "f32"): Expression => ({ kind: "operand", from, as });

export const rs1 = operand("rs1", "i64");
export const rs2 = operand("rs2", "i64");
export const rs3 = operand("rs3", "i64");
export const immediate = operand("immediate", "i64");
export const rs1Word = operand("rs1", "i32");
export const rs2Word = operand("rs2", "i32");
export const immediateWord = operand("immediate", "i32");
export const rs1Double = operand("rs1", "f64");
export const rs2Double = operand("rs2", "f64");
export const rs1Single = operand("rs1", "f32");
export const rs2Single = operand("rs2", "f32");

export const relative: Expression = { kind: "address", of: "relative" };
export const next: Expression = { kind: "address", of: "next" };

export const constant = (value: number | bigint): Expression => ({
  kind: "constant",
  value: BigInt(value),
  word: false,
});
export const word = (value: number): Expression => ({ kind: "constant", value: BigInt(value), word: true });

export const apply = (code: Code, ...to: Expression[]): Expression => ({ kind: "apply", code, to });

export const extended = (value: Expression): Expression => apply("i64ExtendI32S", value);
export const zeroExtended = (value: Expression): Expression => apply("i64ExtendI32U", value);
/** A comparison's result as an i64. */
export const truth = zeroExtended;

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
