/** Instructions of integers without memory, by their meanings in ../instructions/table.ts; and jumps. */
import type { OpName } from "../instructions/operations.ts";
import { integerInstructions, jumpInstructions, otherMeanings } from "../instructions/table.ts";
import { type Row, rowOf } from "./meaning.ts";

/** Each leaves the result on the stack as i64. */
export const integerRows: Partial<Record<OpName, Row>> = Object.fromEntries(
  [...otherMeanings, ...integerInstructions].map(({ op, meaning }) => [op, rowOf(meaning)]),
);

interface JumpRows {
  link: Row;
  target: Row;
}

/** What a jump leaves in rd, and where it leads. */
export const [jal, jalr] = jumpInstructions.map(({ link, target }) => ({
  link: rowOf(link),
  target: rowOf(target),
})) as [JumpRows, JumpRows];
