/**
 * What is translated at a time: a region, the blocks that can be reached from one entry by jumps, branches and falling
 * through, and behind calls when they return. Distances (`at`) count from the start of the entry's page, so a region
 * knows nothing of where in memory it is.
 *
 * A small callee is made once more where it is called (inlined; callee.ts says which). To tell its blocks from those
 * made of the same code elsewhere, blocks go by keys: distances, plus a multiple of COPY for each inlined callee.
 */
import { PAGE_SIZE } from "../assembly/layout.ts";
import { calleeAt, RETURN_ADDRESS } from "./callee.ts";
import { type Ending, endingOf, successorsOf } from "./ending.ts";
import type { CodeReader, Instruction } from "./records.ts";
import { translatable } from "./translatable.ts";

/** More than the distance between any two instructions of a region. */
const COPY = 2 ** 24;

/** Which inlined callee of a region a block belongs to: 0 for none. */
export const copyOf = (key: number): number => Math.round(key / COPY);

export interface Block {
  key: number;
  at: number;
  /** The jump at the end, if there is one, included. */
  instructions: Instruction[];
  ending: Ending;
}

export interface Region {
  /** The first is the entry. */
  blocks: Block[];
  /** Places of the blocks by their keys. */
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
/** Of inlined callees in all. */
const MAX_INLINED = 120;

/** How many pages before and behind its own a region may reach, but for what it inlines. */
const REACH = 4;

/** How far from the code found so far the targets of its indirect jumps are looked for. */
const VICINITY = 2048;

class Discovery {
  readonly #reader: CodeReader;
  /** By key, as the leaders are. */
  readonly seen = new Map<number, Instruction>();
  readonly leaders = new Set<number>();
  /** What is behind the call of each inlined callee. */
  readonly #behind: number[] = [];
  /** Entries of the inlined callees, by the calls. */
  readonly #inlined = new Map<number, number>();
  /** How many more instructions of callees may be inlined. */
  #inlinable = MAX_INLINED;
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
      if (Math.abs(Math.floor(at / PAGE_SIZE)) > REACH) return;
      if (this.#reader.covered(at) && this.#coverable-- <= 0) return;
      const instruction = this.#reader.read(at);
      if (!instruction || !translatable(instruction)) return;
      this.seen.set(at, instruction);
      this.#low = Math.min(this.#low, at);
      this.#high = Math.max(this.#high, at);
      this.#inline(instruction);
      const ending = this.#ending(at);
      if (ending) {
        if (ending.kind === "jump") this.indirect = true;
        for (const to of successorsOf(ending)) this.lead(to);
        return;
      }
      const next = at + instruction.length;
      if (this.#reader.parts(at, next)) {
        this.lead(next);
        return;
      }
      at = next;
    }
  }

  /** Takes in the callee, if this is a call of one that is to be made once more. */
  #inline(call: Instruction): void {
    const ending = endingOf(call);
    if (ending?.kind !== "call" || ending.to === null || call.rd !== RETURN_ADDRESS) return;
    const callee = calleeAt(this.#reader, ending.to);
    if (!callee || callee.instructions.size > this.#inlinable) return;
    if (this.seen.size + callee.instructions.size > MAX_INSTRUCTIONS) return;
    this.#inlinable -= callee.instructions.size;
    this.#behind.push(ending.next);
    const copy = this.#behind.length * COPY;
    this.#inlined.set(call.at, ending.to + copy);
    for (const [at, instruction] of callee.instructions) this.seen.set(at + copy, instruction);
    for (const at of callee.leaders) this.leaders.add(at + copy);
    this.lead(ending.next);
  }

  /** How the instruction of this key ends a block. */
  #ending(key: number): Ending | undefined {
    const instruction = this.seen.get(key) as Instruction;
    const ending = endingOf(instruction);
    const inlined = this.#inlined.get(key);
    if (inlined !== undefined) return { kind: "go", to: inlined };
    const next = this.#behind[copyOf(key) - 1];
    if (next === undefined || !ending) return ending;
    const copy = key - instruction.at;
    switch (ending.kind) {
      case "go":
        return { kind: "go", to: ending.to + copy };
      case "branch":
        return { kind: "branch", to: ending.to + copy, next: ending.next + copy };
      case "tail":
        return { kind: "call", to: null, next };
      default:
        return { kind: "go", to: next };
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
    const { at } = this.seen.get(leader) as Instruction;
    for (let key = leader; ; ) {
      const instruction = this.seen.get(key);
      // Not at hand, not translatable, or too much: the region ends here.
      if (!instruction) return { key: leader, at, instructions, ending: { kind: "go", to: key } };
      instructions.push(instruction);
      const ending = this.#ending(key);
      if (ending) return { key: leader, at, instructions, ending };
      key += instruction.length;
      if (this.leaders.has(key)) return { key: leader, at, instructions, ending: { kind: "go", to: key } };
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
