/** How control leaves a straight line of code. */
import { PAGE_SIZE } from "../assembly/layout.ts";
import { departures } from "../instructions/table.ts";
import type { Instruction } from "./records.ts";
import { SINK } from "./registers.ts";

/** Where it leads to, and what is behind a call (`next`), are distances; in a block they are keys of blocks (region.ts). */
export type Ending =
  /** On to `to`, by a jump or because another block starts there. */
  | { kind: "go"; to: number }
  | { kind: "branch"; to: number; next: number }
  /** `to` is null for an indirect call. */
  | { kind: "call"; to: number | null; next: number }
  | { kind: "return" }
  /** An indirect jump that keeps its place in no register for returns: from a table of linkage to what is called. */
  | { kind: "tail" }
  /** An indirect jump that is no return. */
  | { kind: "jump" };

const isLink = (register: number): boolean => register === 1 || register === 5;

/** How a line ends with this instruction; undefined when it does not end. */
export function endingOf({ op, at, length, rd, rs1, imm }: Instruction): Ending | undefined {
  const departure = departures.get(op);
  if (departure === undefined) return undefined;
  const next = at + length;
  const { kind, where, links } = departure;
  if (where === "computed") {
    if (links) return isLink(rd) ? { kind: "call", to: null, next } : { kind: "tail" };
    return { kind: isLink(rs1) && imm === 0 ? "return" : "jump" };
  }
  const to = where === "near" ? at + (imm >> 3) : Math.floor(at / PAGE_SIZE) * PAGE_SIZE + imm;
  if (kind === "branch") return { kind, to, next };
  return links && rd !== SINK ? { kind: "call", to, next } : { kind: "go", to };
}

export function successorsOf(ending: Ending): number[] {
  switch (ending.kind) {
    case "go":
      return [ending.to];
    case "branch":
      return [ending.next, ending.to];
    case "call":
      return [ending.next];
    default:
      return [];
  }
}
