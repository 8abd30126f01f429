/**
 * The graph of capabilities, for hosts that look: which slot holds what, from what it was derived, and who reaches it.
 *
 * Contract: nothing here changes the state. Derivation is what the mapping database says: a slot's parent is the
 * nearest one before it of which it is a child. Slots come in the order of their addresses, so pages of a list are
 * the same on every host.
 */

import { pageCache, poolOf } from "../cap/memory.ts";
import { extentOf, isParent } from "../cap/relations.ts";
import { getSlot } from "../cap/slots.ts";
import { type Capability, type CapabilityOf, Right, slotBits } from "../cap/state.ts";
import { pageBytes } from "../hal/types.ts";
import { capOf } from "../ipc/sel4/access.ts";
import { lineOfSlot } from "../ipc/sel4/irq.ts";
import { TcbSlot, tcbSlotCount } from "../ipc/sel4/state.ts";
import type { SlotAddress, TaskId, ThreadId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { descriptorOf } from "../vfs/descriptor-slots.ts";
import { describeObject, mappedInfo } from "./capability-objects.ts";
import type {
  CapabilityFilter,
  CapabilityGraphInfo,
  CapabilitySlotInfo,
  HolderInfo,
  KernelObjectInfo,
  KernelObjectKind,
  SlotPlace,
} from "./graph-types.ts";
import type { Kernel } from "./kernel.ts";

/** Of one slot: threads of one program all reach the same, and there can be many. */
const maxHolders = 16;

/** A run of slots: of a CNode, of a TCB, of what is left of one. */
interface Container {
  kind: "cnode" | "tcb" | "zombie";
  address: number;
  end: number;
  filled: SlotAddress[];
}

/** Capabilities to one object, with one of them to tell what it is. */
interface ObjectUse {
  id: string;
  kind: KernelObjectKind;
  capability: Capability;
  slots: SlotAddress[];
}

interface Graph {
  /** In the order of their addresses. */
  slots: SlotAddress[];
  /** Those that the filter lets through by which somebody asked last. */
  wanted: { filter: CapabilityFilter; slots: SlotAddress[] } | null;
  /** What was found out about objects: one with many capabilities is on many pages. */
  described: Map<string, KernelObjectInfo>;
  containers: Container[];
  parents: Map<SlotAddress, SlotAddress>;
  objects: Map<string, ObjectUse>;
  holders: Map<number, HolderInfo[]>;
}

/**
 * A graph that was made, for as long as the machine stands still: who reads a long list page by page pays for the
 * whole of it once. No part of the machine.
 */
export interface GraphView {
  graph: Graph | null;
}

const at = (address: number): string => `0x${address.toString(16)}`;

const bankName = (task: TaskId): string => (task === pageCache ? "page cache" : `bank of task ${task}`);

/** What an object is called; memory of several sizes can begin at one address. */
function objectId(cap: Capability): string {
  switch (cap.type) {
    case "reply":
      return `tcb@${at(cap.tcb)}`;
    case "untyped":
    case "frame":
      return `${cap.type}@${at(cap.address)}/${cap.sizeBits}`;
    case "asidControl":
    case "irqControl":
    case "domain":
      return cap.type;
    case "irqHandler":
      return `irq ${cap.irq}`;
    case "file":
      return `file ${cap.file}`;
    case "bank":
      return `${bankName(cap.task)} in untyped@${at(cap.address)}/${cap.sizeBits}`;
    default:
      return `${cap.type}@${at(cap.address)}`;
  }
}

function slotId(slot: SlotAddress): string {
  if (slot >= 0) return `slot@${at(slot)}`;
  const descriptor = descriptorOf(slot);
  if (descriptor !== null) return `descriptor ${descriptor.fd} of task ${descriptor.task}`;
  const memory = poolOf(slot);
  if (memory !== null)
    return memory.task === null ? `pool ${memory.pool}` : `${bankName(memory.task)} in pool ${memory.pool}`;
  const line = lineOfSlot(slot);
  return line === null ? `grave ${-slot}` : `notification of irq ${line}`;
}

function containersOf(k: Kernel): Container[] {
  const found = new Map<number, Container>();
  const add = (kind: Container["kind"], address: number, bytes: number): void =>
    void found.set(address, { kind, address, end: address + bytes, filled: [] });
  for (const address of k.sel4.tcbs.keys()) add("tcb", address, tcbSlotCount * 2 ** slotBits);
  for (const { capability: cap } of k.cap.slots.values()) {
    if (cap.type === "cnode") add("cnode", cap.address, 2 ** (cap.radix + slotBits));
    else if (cap.type === "zombie") add("zombie", cap.address, 2 ** cap.sizeBits);
  }
  const containers = [...found.values()].sort((a, b) => a.address - b.address);
  for (const slot of k.cap.slots.keys()) containerAt(containers, slot)?.filled.push(slot);
  return containers;
}

/** The last one that begins at or before an address, if it reaches there. */
function containerAt(containers: readonly Container[], address: number): Container | null {
  let low = 0;
  let high = containers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (containers[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  const found = containers[low - 1];
  return found !== undefined && address < found.end ? found : null;
}

/** Children follow their parent without a gap, so who is no child any more ends a parent's line. */
function derivation(k: Kernel): Map<SlotAddress, SlotAddress> {
  const parents = new Map<SlotAddress, SlotAddress>();
  for (const [head, { previous }] of k.cap.slots) {
    if (previous !== null) continue;
    const line: SlotAddress[] = [];
    for (let slot: SlotAddress | null = head; slot !== null; slot = getSlot(k, slot).next) {
      const content = getSlot(k, slot);
      while (line.length > 0 && !isParent(getSlot(k, line.at(-1)!), content, k.objectSizes)) line.pop();
      if (line.length > 0) parents.set(slot, line.at(-1)!);
      line.push(slot);
    }
  }
  return parents;
}

function objectsOf(k: Kernel): Map<string, ObjectUse> {
  const objects = new Map<string, ObjectUse>();
  for (const [slot, { capability }] of k.cap.slots) {
    const id = objectId(capability);
    const kind = capability.type === "reply" ? "tcb" : capability.type;
    const use = objects.get(id) ?? { id, kind, capability, slots: [] };
    // A reply names its caller's TCB, but is no capability to it.
    if (use.capability.type === "reply") use.capability = capability;
    if (capability.type !== "reply") use.slots.push(slot);
    objects.set(id, use);
  }
  return objects;
}

/** The CNodes that a walk from a root comes to, whatever their guards say, as far as there are looks left. */
function reached(
  k: Kernel,
  byAddress: ReadonlyMap<number, Container>,
  root: CapabilityOf<"cnode">,
  looks: { left: number },
): Set<number> {
  const seen = new Set<number>([root.address]);
  for (const address of seen) {
    for (const slot of byAddress.get(address)?.filled ?? []) {
      if (looks.left-- <= 0) return seen;
      const { capability } = getSlot(k, slot);
      if (capability.type === "cnode") seen.add(capability.address);
    }
  }
  return seen;
}

/** Who reaches which container, as far as not too many do. Threads that share a root are one walk. */
function holdersOf(k: Kernel, containers: readonly Container[]): Map<number, HolderInfo[]> {
  const byAddress = new Map(containers.map((container) => [container.address, container]));
  const walks = new Map<number, Set<number>>();
  const holders = new Map<number, HolderInfo[]>();
  const looks: { left: number } = { left: limits.inspectHolders };
  for (const [address, { thread }] of [...k.sel4.tcbs].sort((a, b) => a[1].thread - b[1].thread)) {
    const task = k.threads.threads.get(thread)?.task;
    if (task === undefined) continue;
    const root = capOf(k, address, "cspace");
    const nodes =
      root?.type === "cnode" ? (walks.get(root.address) ?? reached(k, byAddress, root, looks)) : new Set<number>();
    if (root?.type === "cnode") walks.set(root.address, nodes);
    for (const container of [address, ...nodes]) {
      if (looks.left-- <= 0) return holders;
      const list = holders.get(container);
      if (list === undefined) holders.set(container, [{ task, thread }]);
      else list.push({ task, thread });
    }
  }
  return holders;
}

function graphOf(k: Kernel): Graph {
  const containers = containersOf(k);
  const slots = [...k.cap.slots.keys()].sort((a, b) => a - b);
  const made = { slots, wanted: null, described: new Map<string, KernelObjectInfo>(), containers };
  return { ...made, parents: derivation(k), objects: objectsOf(k), holders: holdersOf(k, containers) };
}

const tcbSlotNames = Object.keys(TcbSlot);

function placeOf({ containers }: Graph, slot: SlotAddress): SlotPlace {
  const container = slot < 0 ? null : containerAt(containers, slot);
  if (container === null) return { kind: "kernel", name: slotId(slot) };
  const address = BigInt(container.address);
  const index = (slot - container.address) / 2 ** slotBits;
  if (container.kind === "tcb") return { kind: "tcb", address, name: tcbSlotNames[index]! };
  return { kind: container.kind, address, index };
}

function rightsText(cap: Capability): string {
  if (!("rights" in cap)) return "";
  const names = [
    ["r", Right.read],
    ["w", Right.write],
    ["g", Right.grant],
    ["p", Right.grantReply],
  ] as const;
  return names.map(([name, bit]) => (cap.rights & bit ? name : "-")).join("");
}

const holdersAt = (graph: Graph, slot: SlotAddress): HolderInfo[] => {
  const descriptor = descriptorOf(slot);
  // All threads of a task have its descriptors; its first one has its number.
  if (descriptor !== null) return [{ task: descriptor.task, thread: Number(descriptor.task) as ThreadId }];
  const task = poolOf(slot)?.task ?? pageCache;
  if (task !== pageCache) return [{ task, thread: Number(task) as ThreadId }];
  const container = containerAt(graph.containers, slot);
  return container === null ? [] : (graph.holders.get(container.address) ?? []);
};

function tcbObject(k: Kernel, thread: ThreadId): string | null {
  const tcb = k.threads.threads.get(thread)?.tcb ?? null;
  return tcb === null ? null : objectId({ type: "tcb", address: tcb });
}

function slotInfo(k: Kernel, graph: Graph, slot: SlotAddress): CapabilitySlotInfo {
  const { capability: cap, revocable, delegatedBy } = getSlot(k, slot);
  const parent = graph.parents.get(slot);
  const holders = holdersAt(graph, slot);
  return {
    id: slotId(slot),
    place: placeOf(graph, slot),
    type: cap.type,
    object: objectId(cap),
    rights: rightsText(cap),
    badge: cap.type === "endpoint" || cap.type === "notification" ? cap.badge : null,
    guard: cap.type === "cnode" ? { value: cap.guard, bits: cap.guardBits } : null,
    mapped: "mapped" in cap && cap.mapped !== null ? mappedInfo(k, cap.mapped) : null,
    bytesUsed: cap.type === "untyped" && cap.pool === undefined ? BigInt(cap.used) : null,
    master: cap.type === "reply" && cap.master,
    parent: parent === undefined ? null : slotId(parent),
    revocable,
    delegatedBy: delegatedBy === undefined ? null : { ...delegatedBy, object: tcbObject(k, delegatedBy.thread) },
    holders: holders.slice(0, maxHolders),
    holderCount: holders.length,
  };
}

function objectInfo(k: Kernel, graph: Graph, use: ObjectUse): KernelObjectInfo {
  let info = graph.described.get(use.id);
  if (info === undefined) {
    info = describe(k, graph, use);
    graph.described.set(use.id, info);
  }
  return info;
}

function describe(k: Kernel, graph: Graph, { id, kind, capability, slots }: ObjectUse): KernelObjectInfo {
  const extent =
    capability.type === "reply"
      ? { address: capability.tcb, sizeBits: k.objectSizes.tcb }
      : extentOf(capability, k.objectSizes);
  const all = slots.map((slot) => getSlot(k, slot).capability);
  const container = extent === null ? null : containerAt(graph.containers, extent.address);
  const detail = describeObject(k, kind, capability, all, container?.filled.length ?? 0);
  const bytes =
    detail.kind === "bank"
      ? (detail.pages + detail.tables) * BigInt(pageBytes)
      : BigInt(extent === null ? 0 : 2 ** extent.sizeBits);
  return { id, address: BigInt(extent?.address ?? 0), bytes, capabilities: slots.length, detail };
}

/** Objects that slots refer to, and that they are in: a page of a list makes sense by itself. */
function objectsFor(k: Kernel, graph: Graph, slots: readonly SlotAddress[]): KernelObjectInfo[] {
  const ids = new Set<string>();
  for (const slot of slots) {
    ids.add(objectId(getSlot(k, slot).capability));
    const container = slot < 0 ? null : containerAt(graph.containers, slot);
    if (container !== null) ids.add(`${container.kind}@${at(container.address)}`);
  }
  const uses = [...ids].map((id) => graph.objects.get(id)).filter((use) => use !== undefined);
  return uses
    .map((use) => objectInfo(k, graph, use))
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.id < b.id ? -1 : 1));
}

function isWanted(k: Kernel, graph: Graph, { task, types, object }: CapabilityFilter, slot: SlotAddress): boolean {
  const { capability } = getSlot(k, slot);
  if (types.length > 0 && !types.includes(capability.type)) return false;
  if (task !== null && !holdersAt(graph, slot).some((holder) => holder.task === task)) return false;
  if (object === null) return true;
  const address = capability.type === "reply" ? capability.tcb : extentOf(capability, k.objectSizes)?.address;
  return address === object;
}

const sameFilter = (a: CapabilityFilter, b: CapabilityFilter): boolean =>
  a.task === b.task && a.object === b.object && a.types.join() === b.types.join();

function wantedSlots(k: Kernel, graph: Graph, filter: CapabilityFilter): SlotAddress[] {
  if (graph.wanted === null || !sameFilter(graph.wanted.filter, filter))
    graph.wanted = { filter, slots: graph.slots.filter((slot) => isWanted(k, graph, filter, slot)) };
  return graph.wanted.slots;
}

/** The index of the first one at or behind an address. */
function firstFrom(slots: readonly SlotAddress[], address: number): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slots[middle]! < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** At most `limit` slots from address `from` on (null: all from the first), with their objects. */
export function capabilityGraph(
  k: Kernel,
  view: GraphView,
  from: number | null,
  limit: number,
  filter: CapabilityFilter,
): CapabilityGraphInfo {
  view.graph ??= graphOf(k);
  const { graph } = view;
  const wanted = wantedSlots(k, graph, filter);
  const start = from === null ? 0 : firstFrom(wanted, from);
  const page = wanted.slice(start, start + limit);
  return {
    slots: page.map((slot) => slotInfo(k, graph, slot)),
    objects: objectsFor(k, graph, page),
    total: wanted.length,
    next: wanted[start + limit] ?? null,
  };
}
