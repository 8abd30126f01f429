/** Capability spaces against a simple model: what is derived from what, what overlaps, what ends when. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copy, relocate, rotate } from "../../kernel/cap/cnode.ts";
import { deleteStep, revokeStep } from "../../kernel/cap/delete.ts";
import type { Result } from "../../kernel/cap/errors.ts";
import type { CapKernel, ObjectType } from "../../kernel/cap/kernel.ts";
import { lookupSlot, targetSlot } from "../../kernel/cap/lookup.ts";
import { extentOf, isParent } from "../../kernel/cap/relations.ts";
import { firstChild, placeRoot } from "../../kernel/cap/slots.ts";
import { type Capability, initCap, slotAt } from "../../kernel/cap/state.ts";
import { retype } from "../../kernel/cap/untyped.ts";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import type { PhysicalAddress, SlotAddress } from "../../kernel/lib/ids.ts";
import { Model } from "./capability-model.ts";

const base = 2 ** 31;
const memoryBits = 20;
const rootRadix = 5;
const rootNode = {
  type: "cnode",
  address: (base - 2 ** 16) as PhysicalAddress,
  radix: rootRadix,
  guard: 0n,
  guardBits: 0,
} as const;
const objectSizes = { tcb: 11, endpoint: 4, notification: 5, pageTable: 12, asidPool: 12 };

interface World {
  k: CapKernel;
  model: Model;
  created: string[];
  ended: string[];
}

function world(state = initCap()): World {
  const created: string[] = [];
  const ended: string[] = [];
  const k: CapKernel = {
    cap: state,
    trace: { on: () => false, watched: () => false, write: () => undefined },
    effort: { spent: 0 },
    objectSizes,
    tcbSlots: 5,
    objects: {
      create: (type, address) => void created.push(`${type} ${address}`),
      finalise(cap, final) {
        if (final && cap.type !== "untyped") ended.push(`${cap.type} ${"address" in cap ? cap.address : -1}`);
      },
    },
  };
  return { k, model: new Model(), created, ended };
}

function start(): World {
  const it = world();
  const untyped: Capability = {
    type: "untyped",
    address: base as PhysicalAddress,
    sizeBits: memoryBits,
    device: false,
    used: 0,
  };
  placeRoot(it.k, slotAt(rootNode.address, 0), untyped);
  placeRoot(it.k, slotAt(rootNode.address, 1), rootNode);
  it.model.add(slotAt(rootNode.address, 0), untyped, null, true);
  it.model.add(slotAt(rootNode.address, 1), rootNode, null, true);
  return it;
}

const slotsOf = ({ k }: World): SlotAddress[] => [...k.cap.slots.keys()];
/** Slots that operations may name: of the root, and of CNodes that were made (their first four). */
function nameable(it: World): SlotAddress[] {
  const nodes = [...it.k.cap.slots.values()].map(({ capability }) => capability).filter((cap) => cap.type === "cnode");
  const addresses = new Set<number>();
  for (const node of nodes) {
    const size = node.address === rootNode.address ? 2 ** rootRadix : Math.min(4, 2 ** node.radix);
    for (let i = 0; i < size; i++) addresses.add(slotAt(node.address, i));
  }
  return [...addresses].sort((a, b) => a - b) as SlotAddress[];
}

/** The nearest one before it in the list of which it is a child. */
function parentInList(k: CapKernel, at: SlotAddress): SlotAddress | null {
  const slot = k.cap.slots.get(at)!;
  for (let before = slot.previous; before !== null; before = k.cap.slots.get(before)!.previous)
    if (isParent(k.cap.slots.get(before)!, slot, objectSizes)) return before;
  return null;
}

function checkList(k: CapKernel): void {
  const { slots } = k.cap;
  let heads = 0;
  for (const [at, slot] of slots) {
    if (slot.previous === null) heads += 1;
    else expect(slots.get(slot.previous)!.next).toBe(at);
    if (slot.next !== null) expect(slots.get(slot.next)!.previous).toBe(at);
  }
  const seen = new Set<number>();
  for (const [at, slot] of slots) {
    if (slot.previous !== null) continue;
    for (let here: SlotAddress | null = at; here !== null; here = slots.get(here)!.next) seen.add(here);
  }
  expect(seen.size).toBe(slots.size);
  expect(heads).toBeLessThanOrEqual(2);
}

/** Objects lie apart, below what their untyped range has given away, and ranges lie in one another. */
function checkMemory(k: CapKernel): void {
  const extents = [...k.cap.slots.values()]
    .map(({ capability }) => ({ capability, extent: extentOf(capability, objectSizes) }))
    .filter(({ capability }) => capability.type !== "untyped" && capability !== rootNode);
  const objects = new Map(extents.map(({ extent }) => [extent!.address, extent!]));
  const sorted = [...objects.values()].sort((a, b) => a.address - b.address);
  for (let i = 1; i < sorted.length; i++)
    expect(sorted[i - 1]!.address + 2 ** sorted[i - 1]!.sizeBits).toBeLessThanOrEqual(sorted[i]!.address);
  for (const [at, slot] of k.cap.slots) {
    const up = parentInList(k, at);
    const parent = up === null ? null : k.cap.slots.get(up)!.capability;
    if (parent?.type !== "untyped") continue;
    const extent = extentOf(slot.capability, objectSizes)!;
    expect(extent.address % 2 ** extent.sizeBits).toBe(0);
    expect(extent.address + 2 ** extent.sizeBits).toBeLessThanOrEqual(parent.address + parent.used);
  }
}

function checkModel({ k, model, created, ended }: World): void {
  expect(slotsOf({ k } as World).sort()).toEqual([...model.nodes.keys()].sort());
  for (const [at, node] of model.nodes) {
    expect(k.cap.slots.get(at as SlotAddress)!.capability, `slot ${at}`).toEqual(node.capability);
    expect(parentInList(k, at as SlotAddress), `parent of ${at}`).toBe(node.parent?.slot ?? null);
  }
  expect([...ended].sort()).toEqual([...model.ended].sort());
  for (const object of ended.filter((name) => name !== `cnode ${rootNode.address}`)) expect(created).toContain(object);
}

function finish(step: () => boolean): void {
  for (let steps = 0; !step(); steps++) expect(steps).toBeLessThan(10_000);
}

function deleteWhole(k: CapKernel, at: SlotAddress): void {
  let rest: SlotAddress | null = at;
  finish(() => {
    rest = deleteStep(k, rest!);
    return rest === null;
  });
}

/** Any operation on any slots, as if many did it at once: of what takes long only a step. */
function performStep({ k }: World, { what, a, b, c, n }: Operation): void {
  const names = nameable({ k } as World);
  const full = names.filter((at) => k.cap.slots.has(at));
  // The memory and the root stay where they are; what is in them goes anywhere, in circles too.
  const own = full.filter((at) => at > slotAt(rootNode.address, 1));
  const from = full[a % full.length]!;
  const [movable, pivot] = [own[a % own.length], own[c % own.length]];
  const to = names[b % names.length]!;
  const { capability } = k.cap.slots.get(from)!;
  const node = k.cap.slots.get(to)?.capability;
  const [type, sizeBits] = types[n % 5]!;
  if (what === "retype" && capability.type === "untyped" && node?.type === "cnode")
    retype(k, { from, type, sizeBits, node, offset: BigInt(c % 2 ** node.radix), count: 1n });
  else if (what === "copy") copy(k, { to, from, depth: 64n, rights: 15, data: null });
  else if (movable === undefined) return;
  else if (what === "move") relocate(k, { to, from: movable, depth: 64n, data: null });
  else if (what === "rotate")
    rotate(k, { to, pivot: pivot!, pivotDepth: 64n, pivotData: 0n, from: movable, depth: 64n, data: 0n });
  else if (what === "delete") deleteStep(k, movable);
  else if (what === "revoke") revokeStep(k, movable);
}

type Operation = { what: string; a: number; b: number; c: number; n: number };
const operation: fc.Arbitrary<Operation> = fc.record({
  what: fc.constantFrom(
    "retype",
    "retype",
    "retype",
    "copy",
    "copy",
    "mint",
    "move",
    "mutate",
    "rotate",
    "delete",
    "revoke",
  ),
  a: fc.nat(),
  b: fc.nat(),
  c: fc.nat(),
  n: fc.nat(),
});

const types: readonly (readonly [ObjectType, number])[] = [
  ["untyped", 8],
  ["untyped", 14],
  ["cnode", 2],
  ["cnode", 1],
  ["endpoint", 0],
  ["notification", 0],
  ["frame", 12],
  ["pageTable", 0],
];

/**
 * Does it in both; the model only where the kernel did not refuse. False when a revocation took the very slot away
 * whose children it was deleting: what is left then depends on the order, which is the kernel's own business.
 */
function perform(it: World, { what, a, b, c, n }: Operation): boolean {
  const { k, model } = it;
  const names = nameable(it);
  if (names.length === 0) return true;
  // Mostly what makes sense, so that something comes of it; now and then anything.
  const wild = n % 8 === 0;
  const full = names.filter((at) => wild || k.cap.slots.has(at));
  const free = names.filter((at) => wild || !k.cap.slots.has(at));
  const holding = (type: string): SlotAddress[] => full.filter((at) => k.cap.slots.get(at)?.capability.type === type);
  const pick = (from: SlotAddress[], by: number): SlotAddress =>
    (from.length === 0 ? names : from)[by % (from.length || names.length)]!;
  const retypes = what === "retype";
  const from = pick(retypes ? holding("untyped") : full, a);
  const to = pick(retypes ? holding("cnode") : free, b);
  const pivot = pick(full, c);
  if ((what === "delete" || what === "revoke") && from <= slotAt(rootNode.address, 1) && a % 4 !== 0) return true;
  const before = JSON.stringify([...k.cap.slots], (_key, v) => (typeof v === "bigint" ? `${v}n` : v));
  let result: Result<null> | null = null;
  switch (what) {
    case "retype": {
      const [type, sizeBits] = types[n % types.length]!;
      const source = k.cap.slots.get(from)?.capability;
      const node = k.cap.slots.get(to)?.capability;
      if (source?.type !== "untyped" || node?.type !== "cnode") return true;
      const offset = c % 2 ** node.radix;
      const count = 1 + (n % 3);
      result = retype(k, { from, type, sizeBits, node, offset: BigInt(offset), count: BigInt(count) });
      if (!result.ok) break;
      const parent = model.nodes.get(from)!;
      parent.capability = k.cap.slots.get(from)!.capability;
      for (let i = 0; i < count; i++) {
        const at = slotAt(node.address, offset + i);
        model.add(at, k.cap.slots.get(at)!.capability, parent, true);
      }
      break;
    }
    case "copy":
    case "mint":
      result = copy(k, { to, from, depth: 64n, rights: n % 16, data: what === "mint" ? BigInt(n % 4) : null });
      if (result.ok) model.derive(from, to, k.cap.slots.get(to)!.capability);
      break;
    case "move":
    case "mutate":
      result = relocate(k, { to, from, depth: 64n, data: what === "mutate" ? BigInt(n % 4) : null });
      if (!result.ok) break;
      model.move(from, to);
      model.nodes.get(to)!.capability = k.cap.slots.get(to)!.capability;
      break;
    case "rotate": {
      result = rotate(k, { to, pivot, pivotDepth: 64n, pivotData: 0n, from, depth: 64n, data: 0n });
      if (!result.ok) break;
      model.move(pivot, -1);
      model.move(from, pivot);
      model.move(-1, to);
      for (const at of [pivot, to]) model.nodes.get(at)!.capability = k.cap.slots.get(at)!.capability;
      break;
    }
    case "delete":
      deleteWhole(k, from);
      model.remove(from);
      break;
    default:
      if (!k.cap.slots.has(from)) break;
      finish(() => revokeStep(k, from));
      model.revoke(from);
      if (!model.nodes.has(from)) return false;
  }
  const after = JSON.stringify([...k.cap.slots], (_key, v) => (typeof v === "bigint" ? `${v}n` : v));
  if (result !== null && !result.ok) expect(after).toBe(before);
  return true;
}

describe("capability spaces", () => {
  it("are what a tree of derivations would be", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60, size: "max" }), (operations) => {
        const it = start();
        for (const next of operations) {
          const determined = perform(it, next);
          checkList(it.k);
          checkMemory(it.k);
          if (!determined) return;
          checkModel(it);
        }
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });

  it("are the same after they were written down and read again", () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), fc.nat(60), (operations, cut) => {
        const whole = start();
        const broken = start();
        let { k } = broken;
        for (const [i, next] of operations.entries()) {
          const determined = perform(whole, next);
          if (i === cut) k = { ...k, cap: decodePlain(encodePlain(k.cap)) as typeof k.cap };
          perform({ ...broken, k }, next);
          // From here on the model does not know what there is.
          if (!determined) break;
        }
        expect(encodePlain(k.cap)).toEqual(encodePlain(whole.k.cap));
      }),
      { numRuns: 60 },
    );
  });

  it("stay in order, and leave nothing, when deletions are left half done and others meet them", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 150, size: "max" }), (operations) => {
        const it = start();
        for (const next of operations) {
          performStep(it, next);
          checkList(it.k);
          checkMemory(it.k);
        }
        const untyped = slotAt(rootNode.address, 0);
        finish(() => revokeStep(it.k, untyped));
        const left = [...it.k.cap.slots.values()].map(({ capability }) => capability);
        const isRoot = (cap: Capability): boolean => "address" in cap && cap.address === rootNode.address;
        expect(left.filter((cap) => cap.type !== "untyped" && !isRoot(cap))).toEqual([]);
        expect([...it.ended].sort()).toEqual([...it.created].filter((name) => !name.startsWith("untyped")).sort());
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });

  it("hold what is being deleted in its slot until it has gone, for whoever goes on with it", () => {
    const { k, ended } = start();
    const [untyped, at, other] = [0, 2, 3].map((index) => slotAt(rootNode.address, index)) as [
      SlotAddress,
      SlotAddress,
      SlotAddress,
    ];
    retype(k, { from: untyped, type: "cnode", sizeBits: 4, node: rootNode, offset: 2n, count: 2n });
    const inner = k.cap.slots.get(at)!.capability as typeof rootNode;
    retype(k, { from: untyped, type: "endpoint", sizeBits: 0, node: inner, offset: 0n, count: 16n });
    deleteStep(k, at);
    deleteStep(k, at);
    expect(k.cap.slots.get(at)!.capability).toMatchObject({ type: "zombie", count: 15 });
    expect(copy(k, { to: at, from: untyped, depth: 64n, rights: 15, data: null })).toMatchObject({
      error: { kind: "deleteFirst" },
    });
    expect(copy(k, { to: slotAt(rootNode.address, 9), from: at, depth: 64n, rights: 15, data: null })).toMatchObject({
      error: { kind: "illegalOperation" },
    });
    // Another deletion is no business of the first one.
    deleteWhole(k, other);
    expect(k.cap.slots.get(at)!.capability).toMatchObject({ type: "zombie", count: 15 });
    deleteWhole(k, at);
    expect(k.cap.slots.has(at)).toBe(false);
    expect(ended).toHaveLength(18);
  });

  it("keep everything in order between the steps of a revocation, and give memory back only at its end", () => {
    const it = start();
    const { k } = it;
    const untyped = slotAt(rootNode.address, 0);
    const put = (type: ObjectType, sizeBits: number, node: typeof rootNode, offset: number, count: number): void =>
      expect(retype(k, { from: untyped, type, sizeBits, node, offset: BigInt(offset), count: BigInt(count) })).toEqual({
        ok: true,
        value: null,
      });
    put("cnode", 6, rootNode, 2, 1);
    let node = k.cap.slots.get(slotAt(rootNode.address, 2))!.capability as typeof rootNode;
    // A chain of CNodes, each only in the one before.
    for (let depth = 0; depth < 20; depth++) {
      put("cnode", 6, node, 63, 1);
      put("endpoint", 0, node, 0, 10);
      node = k.cap.slots.get(slotAt(node.address, 63))!.capability as typeof rootNode;
    }
    let steps = 0;
    for (let finished = false; !finished; steps++) {
      k.effort.spent = 0;
      finished = revokeStep(k, untyped);
      expect(k.effort.spent).toBeLessThan(10_000);
      checkList(k);
      if (firstChild(k, untyped) !== null)
        expect(
          retype(k, { from: untyped, type: "frame", sizeBits: 20, node: rootNode, offset: 9n, count: 1n }).ok,
        ).toBe(false);
      else expect(finished || steps > 200).toBe(true);
    }
    expect(steps).toBeGreaterThan(200);
    expect(it.ended).toHaveLength(it.created.length);
  });
});

describe("looking up", () => {
  const { k } = start();
  const put = (at: number, capability: Capability): void => {
    k.cap.slots.delete(slotAt(rootNode.address, at));
    placeRoot(k, slotAt(rootNode.address, at), capability);
  };
  put(3, { type: "cnode", address: (base + 4096) as PhysicalAddress, radix: 4, guard: 0x5n, guardBits: 3 });
  const root: Capability = { ...rootNode, guard: 0n, guardBits: 64 - rootRadix };
  const two: Capability = { ...rootNode };

  it("takes guard and radix off the top", () => {
    expect(lookupSlot(k, root, 3n)).toEqual({ slot: slotAt(rootNode.address, 3) });
    expect(targetSlot(k, two, (3n << 7n) | (5n << 4n) | 9n, 12n)).toEqual({
      ok: true,
      value: slotAt((base + 4096) as PhysicalAddress, 9),
    });
  });

  it("says what went wrong, as seL4 does", () => {
    const failed = (fault: object): object => ({ ok: false, error: { kind: "failedLookup", source: false, fault } });
    expect(targetSlot(k, null, 0n, 5n)).toEqual(failed({ kind: "invalidRoot" }));
    expect(targetSlot(k, two, 0n, 0n)).toEqual({ ok: false, error: { kind: "rangeError", min: 1n, max: 64n } });
    expect(targetSlot(k, two, 0n, 65n)).toEqual({ ok: false, error: { kind: "rangeError", min: 1n, max: 64n } });
    expect(targetSlot(k, two, 0n, 4n)).toEqual(failed({ kind: "depthMismatch", bitsFound: 5, bitsLeft: 4 }));
    expect(targetSlot(k, two, 0n, 6n)).toEqual(failed({ kind: "depthMismatch", bitsFound: 0, bitsLeft: 1 }));
    expect(targetSlot(k, two, (3n << 7n) | (4n << 4n), 12n)).toEqual(
      failed({ kind: "guardMismatch", guard: 5n, bitsLeft: 7, guardBits: 3 }),
    );
    expect(targetSlot(k, two, 3n << 2n, 7n)).toEqual(
      failed({ kind: "guardMismatch", guard: 5n, bitsLeft: 2, guardBits: 3 }),
    );
    expect(lookupSlot(k, root, 1n << 20n)).toEqual({
      fault: { kind: "guardMismatch", guard: 0n, bitsLeft: 64, guardBits: 59 },
    });
  });

  it("ends in a circle of nodes", () => {
    put(4, { ...rootNode });
    let index = 0n;
    for (let level = 0; level < 12; level++) index = (index << 5n) | 4n;
    expect(targetSlot(k, two, index, 60n)).toEqual({ ok: true, value: slotAt(rootNode.address, 4) });
  });
});
