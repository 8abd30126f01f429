/**
 * Rotations of words, which RV64GC makes of two shifts and an `or`. Done with words instead of what they are extended to,
 * an optimising compiler finds them.
 */
import type { Emitter } from "./emitter.ts";
import type { Instruction } from "./records.ts";
import { Wasm } from "./wasm.ts";

/** Of one straight line of code, in its order. */
export class Rotations {
  /** How far to the left what is in a register was shifted as a word, and how far from 32 to the right. */
  readonly #left = new Map<number, number>();
  readonly #right = new Map<number, number>();

  /** Emits the instruction with words and leaves its result on the stack, if it puts the halves of a rotation together. */
  emit(e: Emitter, { op, rs1, rs2 }: Instruction): boolean {
    if (op !== "Or" || !(this.#complete(rs1, rs2) || this.#complete(rs2, rs1))) return false;
    e.readWord(rs1).readWord(rs2).op(Wasm.i32Or, Wasm.i64ExtendI32S);
    return true;
  }

  #complete(left: number, right: number): boolean {
    const distance = this.#left.get(left);
    return distance !== undefined && distance === this.#right.get(right);
  }

  note({ op, rd, imm }: Instruction): void {
    this.#left.delete(rd);
    this.#right.delete(rd);
    if (op === "Slliw") this.#left.set(rd, imm);
    if (op === "Srliw") this.#right.set(rd, 32 - imm);
  }
}
