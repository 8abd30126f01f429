/** Looks at what a guest has made much of: each is bounded, and goes on from where the last one ended. */
import { expect, test } from "vitest";
import { placeChild, placeRoot } from "../../kernel/cap/slots.ts";
import { initCap, slotAt, slotBits } from "../../kernel/cap/state.ts";
import { objectSizes } from "../../kernel/ipc/sel4/objects.ts";
import { limits } from "../../kernel/lib/limits.ts";
import { addressSpace } from "../../kernel/machine/address-space.ts";
import { capabilityGraph } from "../../kernel/machine/capabilities.ts";
import type { Kernel } from "../../kernel/machine/kernel.ts";

test("of an address space with nothing but empty tables", () => {
  const root = { asid: 1, root: 0 };
  let walks = 0;
  const walk = () => {
    walks += 1;
    return [{ bits: 12, kind: "empty", frame: 0, permissions: 0 }];
  };
  const hal = { mmu: { walk, userEnd: 2 ** 38 } };
  const k = { mm: { spaces: new Map([[1, root]]) }, ramBase: 0, hal } as unknown as Kernel;
  const look = (from: number) => addressSpace(k, { asid: 1 }, { address: null, from, limit: 10 })!;
  const first = look(0);
  expect([walks, first.ranges, first.next]).toEqual([limits.inspectEntries, [], limits.inspectEntries * 4096]);
  expect(look(first.next!).next).toBe(2 * first.next!);
});

const nodes = 1024;
const threads = 1100;
const nodeAt = (index: number): never => (0x100_0000 + index * 2 ** (slotBits + 10)) as never;
const tcbAt = (index: number): never => (0x10_0000 + index * 1024) as never;
const cnode = (index: number) =>
  ({ type: "cnode", address: nodeAt(index), radix: 10, guard: 0n, guardBits: 0 }) as const;

/** A node with a slot for each of `held` and threads, each of which has the node of `roots` that is its own. */
function manyThreads(held: readonly number[], roots: (thread: number) => number): Kernel {
  const k = {
    cap: initCap(),
    objectSizes,
    sel4: { tcbs: new Map() },
    threads: { threads: new Map() },
  } as unknown as Kernel;
  for (const [i, node] of held.entries()) placeRoot(k, slotAt(nodeAt(0), i), cnode(node));
  for (let i = 0; i < threads; i++) {
    k.sel4.tcbs.set(tcbAt(i), { thread: i + 1 } as never);
    k.threads.threads.set((i + 1) as never, { id: i + 1, task: 1 } as never);
    placeChild(k, slotAt(nodeAt(0), 0), slotAt(tcbAt(i), 0), cnode(roots(i)));
  }
  return k;
}

const holdersOfFirst = (k: Kernel): number =>
  capabilityGraph(k, { graph: null }, nodeAt(0), 1, { task: null, types: [], object: null }).slots[0]!.holderCount;

test("of many threads that all reach many nodes", () => {
  const holders = holdersOfFirst(manyThreads([...Array(nodes).keys()], () => 0));
  expect(holders).toBeGreaterThanOrEqual(Math.floor(limits.inspectHolders / (nodes + 1)) - 1);
  expect(holders).toBeLessThan(threads);
});

test("of many threads with nodes of their own, which lead to one that leads nowhere many times", () => {
  const k = manyThreads(Array(nodes).fill(0), (thread) => thread + 1);
  for (let i = 0; i < threads; i++) placeRoot(k, slotAt(nodeAt(i + 1), 0), cnode(0));
  const holders = holdersOfFirst(k);
  expect(holders).toBeGreaterThan(limits.inspectHolders / (nodes + 5));
  expect(holders).toBeLessThan(threads);
});
