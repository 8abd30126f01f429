/** Which instructions can be part of a region. */

import type { OpName } from "../instructions/operations.ts";
import { floatRow } from "./float.ts";
import { integerRows } from "./integer.ts";
import { accesses } from "./memory.ts";
import type { Instruction } from "./records.ts";

const jumps: ReadonlySet<OpName> = new Set<OpName>([
  ...(["Jump", "Jal", "JalFar", "Jr", "Jalr"] as const),
  ...(["Beq", "Bne", "Blt", "Bge", "Bltu", "Bgeu"] as const),
  ...(["BeqFar", "BneFar", "BltFar", "BgeFar", "BltuFar", "BgeuFar"] as const),
]);

export function translatable(i: Instruction): boolean {
  if (i.op === "Nop" || jumps.has(i.op) || i.op in integerRows || accesses(i)) return true;
  return floatRow(i) !== undefined;
}
