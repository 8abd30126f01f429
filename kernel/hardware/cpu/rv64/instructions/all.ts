/** All instructions, and which one some bits are. */
import { atomicInstructions } from "./atomic.ts";
import { compressedInstructions } from "./compressed.ts";
import { type Encoding, find, treeOf } from "./encoding.ts";
import { floatInstructions, floatMoves } from "./float.ts";
import { systemInstructions } from "./system.ts";
import { accessInstructions, branchInstructions, integerInstructions, jumpInstructions } from "./table.ts";

export const instructions: readonly Encoding[] = [
  ...integerInstructions,
  ...accessInstructions,
  ...branchInstructions,
  ...jumpInstructions,
  ...atomicInstructions,
  ...floatMoves,
  ...floatInstructions,
  ...systemInstructions,
];

/** The two lowest bits of an instruction of 32 bits are set. */
export const tree = treeOf(instructions, 3);
export const compressedTree = treeOf(compressedInstructions, 0);

/** The row of an instruction, if it is one; of a compressed one, the low 16 bits alone. */
export function encodingOf(bits: number): Encoding | undefined {
  return find((bits & 3) === 3 ? tree : compressedTree, bits);
}
