/** Which instructions can be part of a region. */
import { departures } from "../instructions/table.ts";
import { floatRow } from "./float.ts";
import { integerRows } from "./integer.ts";
import { accesses } from "./memory.ts";
import type { Instruction } from "./records.ts";

export function translatable(i: Instruction): boolean {
  if (i.op === "Nop" || departures.has(i.op) || i.op in integerRows || accesses(i)) return true;
  return floatRow(i) !== undefined;
}
