/**
 * Capability spaces as one would first think of them: a tree of derivations with a node for each capability, and
 * deletion by recursion. Slow and simple; the kernel's list of marks has to come to the same.
 */
import type { CapabilityOf } from "../../kernel/cap/kernel.ts";
import type { Capability } from "../../kernel/cap/state.ts";

export interface Node {
  slot: number;
  capability: Capability;
  parent: Node | null;
  children: Set<Node>;
  /** Made by retype, or the first with its badge: others can be its children. */
  original: boolean;
}

const address = (cap: Capability): number => ("address" in cap ? cap.address : -1);
const badge = (cap: Capability): bigint => ("badge" in cap ? cap.badge : 0n);
const sameObject = (a: Capability, b: Capability): boolean =>
  a.type === b.type && a.type !== "untyped" && address(a) === address(b);

export class Model {
  readonly nodes = new Map<number, Node>();
  /** Objects that ended, in no order. */
  readonly ended: string[] = [];

  add(slot: number, capability: Capability, parent: Node | null, original: boolean): Node {
    const node = { slot, capability, parent, children: new Set<Node>(), original };
    this.nodes.set(slot, node);
    parent?.children.add(node);
    return node;
  }

  /** Whether a capability derived from `source` is its child, or stands beside it. */
  derive(from: number, to: number, capability: Capability): void {
    const source = this.nodes.get(from)!;
    const newBadge = badge(capability) !== badge(source.capability);
    const original = capability.type === "untyped" || newBadge;
    // A first-badged one has only those of its own badge below it, and none of those that start anew.
    const child = source.original && (badge(source.capability) === 0n || !newBadge);
    if (source.capability.type === "untyped")
      source.capability = { ...source.capability, used: 2 ** source.capability.sizeBits };
    this.add(to, capability, child ? source : source.parent, original);
  }

  move(from: number, to: number): void {
    const node = this.nodes.get(from)!;
    this.nodes.delete(from);
    node.slot = to;
    this.nodes.set(to, node);
  }

  remove(slot: number): void {
    const node = this.nodes.get(slot);
    if (node === undefined) return;
    const last = ![...this.nodes.values()].some(
      (other) => other !== node && sameObject(other.capability, node.capability),
    );
    this.nodes.delete(slot);
    node.parent?.children.delete(node);
    for (const child of node.children) {
      child.parent = node.parent;
      node.parent?.children.add(child);
    }
    if (last && node.capability.type !== "untyped") this.end(node.capability);
  }

  private end(cap: Capability): void {
    this.ended.push(`${cap.type} ${address(cap)}`);
    if (cap.type !== "cnode") return;
    const { radix } = cap as CapabilityOf<"cnode">;
    const end = cap.address + 32 * 2 ** radix;
    for (const slot of [...this.nodes.keys()]) if (slot >= cap.address && slot < end) this.remove(slot);
  }

  revoke(slot: number): void {
    const node = this.nodes.get(slot);
    while (node !== undefined && this.nodes.get(slot) === node && node.children.size > 0) {
      const [child] = node.children;
      this.remove(child!.slot);
    }
  }
}
