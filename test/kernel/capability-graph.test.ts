/** The graph of capabilities: derivation as revocation sees it, and looking changes nothing. */
import { describe, expect, it } from "vitest";
import { capabilityDot } from "../../api/drawing/capability-dot.ts";
import type { CapabilityGraphInfo, Machine } from "../../kernel/index.ts";
import { objectSizes } from "../../kernel/ipc/sel4/objects.ts";
import { decodePlain } from "../../kernel/lib/codec.ts";
import { capabilityGraph, type GraphView } from "../../kernel/machine/capabilities.ts";
import type { Kernel } from "../../kernel/machine/kernel.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { sel4Programs } from "../abi/sel4/programs.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, mustApply, startInput, testMachine } from "../support/machine.ts";
import { first, objectType, RootTask } from "../support/root-task.ts";

const all = (machine: Machine): CapabilityGraphInfo =>
  machine.capabilities(null, 100_000, { task: null, types: [], object: null });

/** Slots below one in the tree of derivation. */
function below({ slots }: CapabilityGraphInfo, ancestor: string): Set<string> {
  const parents = new Map(slots.map(({ id, parent }) => [id, parent]));
  const descends = (id: string | null): boolean =>
    id !== null && (id === ancestor || descends(parents.get(id) ?? null));
  return new Set(slots.filter(({ parent }) => descends(parent)).map(({ id }) => id));
}

const slotOf = ({ slots }: CapabilityGraphInfo, index: bigint): string =>
  slots.find(({ place }) => place.kind === "cnode" && place.index === Number(index))!.id;

describe("derivation", () => {
  it("is what a revocation takes: all below a slot, and nothing else", () => {
    const root = new RootTask(testMachine());
    const { machine } = root;
    const untyped = root.make(objectType.untyped, 14n);
    const made = [100n, 101n, 102n];
    root.must("untypedRetype", untyped, [objectType.endpoint, 0n, 0n, 0n, made[0]!, 3n], [first.cnode]);
    const badged = root.mint(made[0]!, 5n);
    const copies = [root.copy(badged), root.copy(badged), root.copy(made[0]!), root.copy(made[1]!)];
    root.must("cnodeMove", first.cnode, [400n, 64n, copies[0]!, 64n], [first.cnode]);
    for (const slot of [badged, made[0]!, untyped]) {
      const before = all(machine);
      const gone = below(before, slotOf(before, slot));
      expect(gone.size).toBeGreaterThan(0);
      root.revoke(slot);
      const left = before.slots.map(({ id }) => id).filter((id) => !gone.has(id));
      expect(all(machine).slots.map(({ id }) => id)).toEqual(left);
    }
  });
});

describe.skipIf(!hasCompiler)("delegation (needs riscv64-linux-gnu-gcc)", () => {
  it("says which thread passed a capability on, and draws it from that one's TCB", () => {
    const machine = testMachine({ files: [fileOf("/bin/ipc", guest("sel4/ipc"))] });
    mustApply(machine, startInput("/bin/ipc"));
    const passed = new Map<string, CapabilityGraphInfo["slots"][number]>();
    let drawn = "";
    for (let at = 20_000; machine.tasks()[0]?.state !== "exited" && at < 3_000_000; at += 5000) {
      machine.run({ instructions: at, timeNs: Number.MAX_SAFE_INTEGER });
      const graph = all(machine);
      for (const slot of graph.slots) {
        if (slot.delegatedBy === null) continue;
        passed.set(slot.id, slot);
        if (slot.delegatedBy.object !== null && drawn === "") drawn = capabilityDot(graph);
      }
      // Nobody passes on what it has from the beginning.
      expect(graph.slots.filter(({ parent, delegatedBy }) => parent === null && delegatedBy !== null)).toEqual([]);
    }
    expect(passed.size).toBeGreaterThan(0);
    for (const { parent, delegatedBy } of passed.values()) {
      expect(parent).not.toBeNull();
      expect(delegatedBy!.thread).toBeGreaterThanOrEqual(delegatedBy!.task);
    }
    expect(drawn).toMatch(/"tcb@0x[0-9a-f]+" -> "slot@0x[0-9a-f]+" \[style=dotted/);
  });
});

/** Whatever is looked up in it, and however often all of it is gone through, is counted. */
class CountedMap<K, V> extends Map<K, V> {
  looks = 0;
  override get(key: K): V | undefined {
    this.looks += 1;
    return super.get(key);
  }
  override *[Symbol.iterator](): MapIterator<[K, V]> {
    this.looks += this.size;
    yield* super[Symbol.iterator]();
  }
  override keys(): MapIterator<K> {
    this.looks += this.size;
    return super.keys();
  }
  override values(): MapIterator<V> {
    this.looks += this.size;
    return super.values();
  }
}

it("costs for a page what is on it, but for the first one of a machine that stands still", () => {
  const root = new RootTask(testMachine());
  const endpoint = root.make(objectType.endpoint);
  for (let badge = 1n; badge <= 2000n; badge++) root.mint(endpoint, badge);
  const view: GraphView = { graph: null };
  const { kernel } = decodePlain(root.machine.encodeState()) as MachineState;
  const slots = new CountedMap(kernel.cap.slots);
  const k = { ...kernel, objectSizes, cap: { ...kernel.cap, slots } } as unknown as Kernel;
  const filter = { task: null, types: ["endpoint" as const], object: null };
  let { next, total } = capabilityGraph(k, view, null, 100, filter);
  expect(total).toBe(2001);
  let seen = 100;
  while (next !== null) {
    slots.looks = 0;
    const page = capabilityGraph(k, view, next, 100, filter);
    expect(slots.looks).toBeLessThan(1000);
    seen += page.slots.length;
    next = page.next;
  }
  expect(seen).toBe(total);
});

describe.skipIf(!hasCompiler)("looking (needs riscv64-linux-gnu-gcc)", () => {
  it.each(sel4Programs.map(({ name }) => name))("at %s while it runs changes nothing, and hangs together", (name) => {
    const machine = testMachine({ files: [fileOf("/bin/program", guest(`sel4/${name}`))] });
    const task = mustApply(machine, startInput("/bin/program"))!;
    // Ever more seldom, so that a long program takes not much longer than a short one.
    const after = (instructions: number): number => instructions + Math.max(30_000, Math.floor(instructions / 16));
    for (let instructions = 30_000; machine.tasks()[0]?.state === "running"; instructions = after(instructions)) {
      const stop = machine.run({ instructions, timeNs: Number.MAX_SAFE_INTEGER });
      // It waits for what nobody types here.
      if (stop.kind === "idle") break;
      const before = machine.encodeState();
      const { slots, objects } = all(machine);
      for (const { thread } of machine.tasks()[0]?.threads ?? [])
        machine.addressSpace({ thread }, { address: 0x10_0000_0000, from: 0, limit: 1000 });
      machine.addressSpace({ task }, { address: 0x10_0000_0000, from: 0, limit: 1000 });
      expect(machine.encodeState()).toEqual(before);
      const ids = new Set(slots.map(({ id }) => id));
      expect(ids.size).toBe(slots.length);
      const objectIds = new Set(objects.map(({ id }) => id));
      const hangs = ({ parent, object }: (typeof slots)[number]): boolean =>
        (parent === null || ids.has(parent)) && objectIds.has(object);
      expect(slots.filter((slot) => !hangs(slot))).toEqual([]);
    }
  });
});
