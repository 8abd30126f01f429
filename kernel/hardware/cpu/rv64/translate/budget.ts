/**
 * Where a translated function looks at what is left of its budget. Each block takes its instructions off, but only some
 * ask first, for what may be executed on any way from there to the next that asks. So there is never less than nothing
 * left, and no way is longer than MOST instructions unless one block is: near the end of its budget a core interprets.
 */
import type { Graph } from "./graph.ts";
import type { Region } from "./region.ts";

/** Several harts take turns of a thousand instructions. */
const MOST = 64;

/** For each node, how many instructions must be left at its start; 0 where it has been asked for. */
export function budgets({ blocks }: Region, { dispatch, isLoop, position, predecessors, successors }: Graph): number[] {
  const order = position.map((_, node) => node).filter((node) => position[node] !== -1);
  order.sort((a, b) => (position[b] as number) - (position[a] as number));
  const needs = successors.map(() => 0);
  /** Of what has to be asked for before a node. */
  const ahead = successors.map(() => 0);
  const isCall = (node: number): boolean => blocks[node]?.ending.kind === "call";
  for (const node of order) {
    // Back edges lead to loops, which ask, and calls to what is behind them, which does, too.
    const onward = isCall(node) ? [] : (successors[node] as number[]).map((to) => ahead[to] as number);
    const need = (blocks[node]?.instructions.length ?? 0) + Math.max(0, ...onward);
    const before = predecessors[node] as number[];
    const isNew = node === 0 || isLoop[node] || before.some((from) => from === dispatch || isCall(from));
    const asks = node !== dispatch && (isNew || need > MOST);
    needs[node] = asks ? need : 0;
    ahead[node] = asks ? 0 : need;
  }
  return needs;
}
