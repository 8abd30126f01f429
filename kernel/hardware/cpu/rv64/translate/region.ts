/**
 * What is translated at a time: a region, the blocks that can be reached from one entry by jumps, branches and falling
 * through, and behind calls when they return. Distances (`at`) count from the start of the entry's page, so a region
 * knows nothing of where in memory it is.
 */
import { PAGE_SIZE } from "../assembly/layout.ts";
import { departures } from "../instructions/table.ts";
import type { CodeReader, Instruction } from "./records.ts";
import { SINK } from "./registers.ts";
import { translatable } from "./translatable.ts";

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

export interface Block {
  at: number;
  /** The jump at the end, if there is one, included. */
  instructions: Instruction[];
  ending: Ending;
}

export interface Region {
  /** The first is the entry. */
  blocks: Block[];
  /** Places of the blocks by their `at`. */
  places: Map<number, number>;
  /** Where indirect jumps within the region are known to lead. */
  targets: number[];
  /** How many pages before and behind the entry's page the code is on; the entry's page is the first. */
  pages: number[];
  /** Instructions. */
  size: number;
}

/** More would take an optimising compiler too long. */
const MAX_INSTRUCTIONS = 400;
/** Of them, how many may be part of another translation already. */
const MAX_COVERED = 80;
const MAX_TARGETS = 300;

/** How far from the code found so far the targets of its indirect jumps are looked for. */
const VICINITY = 2048;

const isLink = (register: number): boolean => register === 1 || register === 5;

/** How a block ends with this instruction; undefined when it does not end. */
function endingOf({ op, at, length, rd, rs1, imm }: Instruction): Ending | undefined {
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

class Discovery {
  readonly #reader: CodeReader;
  readonly seen = new Map<number, Instruction>();
  readonly leaders = new Set<number>();
  readonly targets = new Set<number>();
  indirect = false;
  #pending: number[] = [];
  #low: number;
  #high: number;
  /** How many more instructions of other translations may be made once more. */
  #coverable: number;

  constructor(reader: CodeReader, entry: number, coverable: number) {
    this.#reader = reader;
    this.#coverable = coverable;
    this.#low = entry;
    this.#high = entry;
    this.lead(entry);
  }

  lead(at: number): void {
    if (this.leaders.has(at)) return;
    this.leaders.add(at);
    this.#pending.push(at);
  }

  /** Breadth first, so that what is near the entry is in when the region gets too large. */
  follow(): void {
    for (let i = 0; i < this.#pending.length; i++) this.#line(this.#pending[i] as number);
    this.#pending = [];
  }

  #line(from: number): void {
    for (let at = from; this.seen.size < MAX_INSTRUCTIONS; ) {
      if (this.seen.has(at)) {
        if (at !== from) this.leaders.add(at);
        return;
      }
      // What is an entry of its own is jumped to, not made once more, unless it is a case of a switch.
      if (at === from && this.seen.size > 0 && !this.targets.has(at) && this.#reader.entered(at)) return;
      if (this.#reader.covered(at) && this.#coverable-- <= 0) return;
      const instruction = this.#reader.read(at);
      if (!instruction || !translatable(instruction)) return;
      this.seen.set(at, instruction);
      this.#low = Math.min(this.#low, at);
      this.#high = Math.max(this.#high, at);
      const ending = endingOf(instruction);
      if (ending) {
        if (ending.kind === "jump") this.indirect = true;
        for (const to of successorsOf(ending)) this.lead(to);
        return;
      }
      const next = at + instruction.length;
      // An instruction is checked together with the pages that it is on, at the start of a block.
      const leaves = Math.floor(next / PAGE_SIZE) !== Math.floor(at / PAGE_SIZE);
      const straddles = (next & (PAGE_SIZE - 1)) === PAGE_SIZE - 2 && this.#reader.read(next)?.length === 4;
      if (leaves || straddles) {
        this.lead(next);
        return;
      }
      at = next;
    }
  }

  /** Takes in where indirect jumps have led so far, as long as that finds more. */
  followJumps(): void {
    for (let before = -1; this.indirect && this.targets.size !== before; ) {
      before = this.targets.size;
      for (const at of this.#reader.jumpedBetween(this.#low - VICINITY, this.#high + VICINITY)) {
        if (this.targets.size === MAX_TARGETS) break;
        this.targets.add(at);
        this.lead(at);
      }
      this.follow();
    }
  }

  block(leader: number): Block {
    const instructions: Instruction[] = [];
    for (let at = leader; ; ) {
      const instruction = this.seen.get(at);
      // Not at hand, not translatable, or too much: the region ends here.
      if (!instruction) return { at: leader, instructions, ending: { kind: "go", to: at } };
      instructions.push(instruction);
      const ending = endingOf(instruction);
      if (ending) return { at: leader, instructions, ending };
      at += instruction.length;
      if (this.leaders.has(at)) return { at: leader, instructions, ending: { kind: "go", to: at } };
    }
  }
}

/**
 * The region that starts at `entry`, or undefined when there is nothing to translate there. `again`: it takes the place of
 * one, so what it may have in common with others is not bounded.
 */
export function discover(reader: CodeReader, entry: number, again = false): Region | undefined {
  const discovery = new Discovery(reader, entry, again ? MAX_INSTRUCTIONS : MAX_COVERED);
  discovery.follow();
  if (!discovery.seen.has(entry)) return undefined;
  discovery.followJumps();
  const blocks: Block[] = [];
  const places = new Map<number, number>();
  const pages = new Set<number>([0]);
  for (const leader of discovery.leaders) {
    if (!discovery.seen.has(leader)) continue;
    places.set(leader, blocks.length);
    blocks.push(discovery.block(leader));
  }
  for (const { at, length } of discovery.seen.values()) {
    pages.add(Math.floor(at / PAGE_SIZE));
    pages.add(Math.floor((at + length - 1) / PAGE_SIZE));
  }
  const targets = [...discovery.targets].filter((at) => places.has(at));
  // The entry's page first; the rest in an order that follows from the set.
  const others = [...pages].filter((page) => page !== 0).sort((a, b) => a - b);
  return { blocks, places, targets, pages: [0, ...others], size: discovery.seen.size };
}
