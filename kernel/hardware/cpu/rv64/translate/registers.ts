/** Numbers of registers, sets of them, and which an instruction reads and writes. */
import { SINK_OFFSET } from "../assembly/layout.ts";
import { floatInstructions } from "../instructions/float.ts";
import type { OpName } from "../instructions/operations.ts";
import { departures, stores } from "../instructions/table.ts";

/** x0 to x31, then f0 to f31 from here; a result that goes to x0 has rd SINK. */
export const FIRST_FLOAT = 64;
export const SINK = SINK_OFFSET / 8;

/** A set of registers: a bit each. */
export interface Registers {
  x: number;
  f: number;
}

/** The register numbers in a set. */
export function members({ x, f }: Registers): number[] {
  const out: number[] = [];
  for (let n = 0; n < 32; n++) if ((x >>> n) & 1) out.push(n);
  for (let n = 0; n < 32; n++) if ((f >>> n) & 1) out.push(FIRST_FLOAT + n);
  return out;
}

export const union = (a: Registers, b: Registers): Registers => ({ x: a.x | b.x, f: a.f | b.f });
export const without = (a: Registers, b: Registers): Registers => ({ x: a.x & ~b.x, f: a.f & ~b.f });
export const isEmpty = ({ x, f }: Registers): boolean => x === 0 && f === 0;

/** The set of one register; x0 and the sink are in none. */
function only(register: number): Registers {
  if (register >= FIRST_FLOAT) return { x: 0, f: 1 << (register - FIRST_FLOAT) };
  return { x: register === 0 || register === SINK ? 0 : 1 << register, f: 0 };
}

/** With a third operand. */
const fused: ReadonlySet<OpName> = new Set(floatInstructions.filter(({ form }) => form.rs3).map(({ op }) => op));

export interface Operands {
  op: OpName;
  rd: number;
  rs1: number;
  rs2: number;
  rs3: number;
}

/** Fields that an instruction does not use are 0 in its record, and so name x0. */
export function usedBy({ op, rs1, rs2, rs3 }: Operands): Registers {
  const both = union(only(rs1), only(rs2));
  return fused.has(op) ? union(both, only(rs3)) : both;
}

export function changedBy({ op, rd }: Operands): Registers {
  const hasResult = op !== "Nop" && !stores.has(op) && departures.get(op)?.links !== false;
  return hasResult ? only(rd) : { x: 0, f: 0 };
}
