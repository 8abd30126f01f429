/**
 * Which callees are small enough to be made once more where they are called: those that return by themselves, or end as
 * a stub of a linkage table does, with a jump to what is called. They are in use, call nothing else, and keep the address
 * that they return to.
 */
import { endingOf, successorsOf } from "./ending.ts";
import type { CodeReader, Instruction } from "./records.ts";
import { translatable } from "./translatable.ts";

/** Instructions. */
const MAX_CALLEE = 40;

/** The register that a callee returns by. */
export const RETURN_ADDRESS = 1;

export interface Callee {
  /** By their distances. */
  instructions: Map<number, Instruction>;
  /** Where its blocks start. */
  leaders: Set<number>;
}

/** The callee at `entry`, unless it is not to be made there. */
export function calleeAt(reader: CodeReader, entry: number): Callee | undefined {
  if (!reader.inUse(entry)) return undefined;
  const instructions = new Map<number, Instruction>();
  const leaders = new Set([entry]);
  for (const leader of leaders) {
    for (let at = leader; !instructions.has(at); ) {
      const instruction = reader.read(at);
      if (!instruction || instructions.size === MAX_CALLEE || !fits(instruction)) return undefined;
      instructions.set(at, instruction);
      const ending = endingOf(instruction);
      const next = at + instruction.length;
      if (ending) for (const to of successorsOf(ending)) leaders.add(to);
      else if (reader.parts(at, next)) leaders.add(next);
      if (ending || leaders.has(next)) break;
      at = next;
    }
  }
  return { instructions, leaders };
}

function fits(instruction: Instruction): boolean {
  if (!translatable(instruction) || (instruction.changes.x >>> RETURN_ADDRESS) & 1) return false;
  const kind = endingOf(instruction)?.kind;
  if (kind === "return") return instruction.rs1 === RETURN_ADDRESS;
  return kind !== "call" && kind !== "jump";
}
