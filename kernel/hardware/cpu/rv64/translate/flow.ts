/**
 * Which registers have to be loaded from the control block, and which stored to it. A translated function finds all
 * registers there and leaves them there; in between it keeps them in locals. A set of registers is two words of bits,
 * integer and floating-point, and the equations are solved for each by itself.
 */
import type { Graph } from "./graph.ts";
import type { Block, Region } from "./region.ts";
import { type Registers, union, without } from "./registers.ts";

export interface Flow {
  /** Registers that may differ from the control block at the start of a node, and at its end. */
  changed: Registers[];
  changedAtEnd: Registers[];
  /** Registers whose locals must be right at the start of a node. */
  live: Registers[];
}

const isCall = (block: Block | undefined): boolean => block?.ending.kind === "call";

export function analyse({ blocks }: Region, graph: Graph): Flow {
  const nodes = graph.successors.length;
  const used: Registers[] = [];
  const defined: Registers[] = [];
  for (let node = 0; node < nodes; node++) {
    let before: Registers = { x: 0, f: 0 };
    let set: Registers = { x: 0, f: 0 };
    for (const { uses, changes } of blocks[node]?.instructions ?? []) {
      before = union(before, without(uses, set));
      set = union(set, changes);
    }
    used.push(before);
    defined.push(set);
  }
  const calls = graph.successors.map((_, node) => isCall(blocks[node]));
  const solve = (half: "x" | "f") =>
    solveWord(
      graph,
      calls,
      used.map((set) => set[half]),
      defined.map((set) => set[half]),
    );
  const [x, f] = [solve("x"), solve("f")];
  const join = (kind: "changed" | "live"): Registers[] =>
    x[kind].map((word, node) => ({ x: word, f: f[kind][node] as number }));
  const changed = join("changed");
  return {
    changed,
    changedAtEnd: changed.map((set, node) => union(set, defined[node] as Registers)),
    live: join("live"),
  };
}

/** What may have changed flows forward until a call, which stores it; what is live flows back until a call. */
function solveWord(
  { successors, position }: Graph,
  calls: readonly boolean[],
  used: readonly number[],
  defined: readonly number[],
): { changed: number[]; live: number[] } {
  const order = position.map((_, node) => node).filter((node) => position[node] !== -1);
  order.sort((a, b) => (position[a] as number) - (position[b] as number));
  const changed = successors.map(() => 0);
  const live = successors.map(() => 0);
  for (let again = true; again; ) {
    again = false;
    for (const node of order) {
      if (calls[node]) continue;
      const out = (changed[node] as number) | (defined[node] as number);
      for (const to of successors[node] as number[]) {
        const all = (changed[to] as number) | out;
        if (all !== changed[to]) again = true;
        changed[to] = all;
      }
    }
  }
  order.reverse();
  for (let again = true; again; ) {
    again = false;
    for (const node of order) {
      let out = 0;
      if (!calls[node]) for (const to of successors[node] as number[]) out |= live[to] as number;
      // A block may be left before its first instruction; what has changed is stored then.
      const all = (used[node] as number) | (changed[node] as number) | (out & ~(defined[node] as number));
      if (all !== live[node]) again = true;
      live[node] = all;
    }
  }
  return { changed, live };
}
