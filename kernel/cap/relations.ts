/**
 * What capabilities are to each other, and what becomes of one when it is derived: one row for each type.
 *
 * Contract: pure. `covers` says that `b` names what `a` names or a part of it; with the marks of a slot it decides
 * who is whose child (`isParent`), and with the neighbours in the mapping database who is the last of an object
 * (`isFinal`), which is what an object's life hangs on.
 */
import type { PhysicalAddress } from "../lib/ids.ts";
import {
  type Capability,
  type CapabilityOf,
  type CapabilityType,
  Right,
  type Rights,
  type Slot,
  slotBits,
} from "./state.ts";

/** Memory that a capability stands for. */
export interface Extent {
  address: PhysicalAddress;
  sizeBits: number;
}

interface Relations<C extends Capability> {
  /** null for what is in no untyped memory. */
  extent(cap: C, sizes: ObjectSizes): Extent | null;
  covers(a: C, b: Capability): boolean;
  /** With fewer rights. */
  restrict(cap: C, rights: Rights): C;
  /** With a badge or a guard; null where that cannot be. `keep`: a badge is not changed (mutate, rotate). */
  withData(cap: C, data: bigint, keep: boolean): C | null;
}

/** log2 of the bytes that an object of fixed size takes; they differ between kernels, so they come from the ABI. */
export interface ObjectSizes {
  readonly tcb: number;
  readonly endpoint: number;
  readonly notification: number;
  readonly pageTable: number;
  readonly asidPool: number;
}

const row = <T extends CapabilityType>(own: Partial<Relations<CapabilityOf<T>>>): Relations<CapabilityOf<T>> => ({
  extent: () => null,
  covers: (a, b) => a.type === b.type,
  restrict: (cap) => cap,
  withData: (cap) => cap,
  ...own,
});

const sameAddress = (a: { type: string; address: PhysicalAddress }, b: Capability): boolean =>
  b.type === a.type && "address" in b && b.address === a.address;

const within = (outer: Extent, inner: Extent): boolean =>
  inner.address >= outer.address && inner.address + 2 ** inner.sizeBits <= outer.address + 2 ** outer.sizeBits;

type Badged = { address: PhysicalAddress; badge: bigint; rights: Rights };
const badged = {
  covers: sameAddress,
  restrict: <C extends Badged>(cap: C, rights: Rights): C => ({ ...cap, rights: cap.rights & rights }),
  withData: <C extends Badged>(cap: C, badge: bigint, keep: boolean): C | null =>
    keep || cap.badge !== 0n ? null : { ...cap, badge },
};

/** The data word of a CNode: the guard's size in the low 6 bits, the guard above it. */
export function guardOf(data: bigint): { guard: bigint; guardBits: number } {
  const guardBits = Number(data & 63n);
  return { guardBits, guard: (data >> 6n) & ((1n << BigInt(guardBits)) - 1n) };
}

/** Write without read is no right to memory that hardware knows. */
const frameRights = (rights: Rights): Rights => (rights & Right.read ? rights & (Right.read | Right.write) : 0);

const relations: { [T in CapabilityType]: Relations<CapabilityOf<T>> } = {
  untyped: row<"untyped">({
    extent: ({ address, sizeBits }) => ({ address, sizeBits }),
    // Whatever is made of its memory; decided with the sizes of objects, below.
    covers: () => false,
  }),
  cnode: row<"cnode">({
    extent: ({ address, radix }) => ({ address, sizeBits: radix + slotBits }),
    covers: (a, b) => sameAddress(a, b) && b.type === "cnode" && b.radix === a.radix,
    withData(cap, data) {
      const { guard, guardBits } = guardOf(data);
      return guardBits + cap.radix > 64 ? null : { ...cap, guard, guardBits };
    },
  }),
  tcb: row<"tcb">({ extent: ({ address }, sizes) => ({ address, sizeBits: sizes.tcb }), covers: sameAddress }),
  endpoint: row<"endpoint">({ ...badged, extent: ({ address }, sizes) => ({ address, sizeBits: sizes.endpoint }) }),
  notification: row<"notification">({
    ...badged,
    extent: ({ address }, sizes) => ({ address, sizeBits: sizes.notification }),
  }),
  reply: row<"reply">({
    covers: (a, b) => b.type === "reply" && b.tcb === a.tcb,
    restrict: (cap, rights) => ({ ...cap, rights: cap.rights & rights }),
  }),
  frame: row<"frame">({
    extent: ({ address, sizeBits }) => ({ address, sizeBits }),
    covers: (a, b) => b.type === "frame" && within(a, b),
    restrict: (cap, rights) => ({ ...cap, rights: frameRights(cap.rights & rights) }),
  }),
  pageTable: row<"pageTable">({
    extent: ({ address }, sizes) => ({ address, sizeBits: sizes.pageTable }),
    covers: sameAddress,
  }),
  asidControl: row<"asidControl">({}),
  asidPool: row<"asidPool">({
    extent: ({ address }, sizes) => ({ address, sizeBits: sizes.asidPool }),
    covers: sameAddress,
  }),
  irqControl: row<"irqControl">({ covers: (_a, b) => b.type === "irqControl" || b.type === "irqHandler" }),
  irqHandler: row<"irqHandler">({ covers: (a, b) => b.type === "irqHandler" && b.irq === a.irq }),
  domain: row<"domain">({}),
  // In a pool, but no part of it in particular: it is nobody's but the pool's (see below).
  bank: row<"bank">({ covers: (a, b) => sameAddress(a, b) && b.type === "bank" && b.task === a.task }),
  file: row<"file">({ covers: (a, b) => b.type === "file" && b.file === a.file }),
  zombie: row<"zombie">({ extent: ({ address, sizeBits }) => ({ address, sizeBits }), covers: sameAddress }),
};

const rowOf = <C extends Capability>(cap: C): Relations<C> => relations[cap.type] as unknown as Relations<C>;

export const extentOf = (cap: Capability, sizes: ObjectSizes): Extent | null => rowOf(cap).extent(cap, sizes);
export const restrict = (cap: Capability, rights: Rights): Capability => rowOf(cap).restrict(cap, rights);
export const withData = (cap: Capability, data: bigint, keep: boolean): Capability | null =>
  rowOf(cap).withData(cap, data, keep);

/** `b` is about what `a` is about, or about a part of it. */
export function covers(a: Capability, b: Capability, sizes: ObjectSizes): boolean {
  if (a.type !== "untyped") return rowOf(a).covers(a, b);
  if (b.type === "bank") return a.pool !== undefined && b.address === a.address;
  const extent = extentOf(b, sizes);
  return extent !== null && within(a, extent);
}

/** The very same object: as `covers`, but memory is not its parts. */
export function sameObject(a: Capability, b: Capability, sizes: ObjectSizes): boolean {
  if (a.type === "untyped" || a.type === "irqControl") return false;
  if (a.type === "frame" && b.type === "frame") return a.address === b.address && a.sizeBits === b.sizeBits;
  return covers(a, b, sizes);
}

const badgeOf = (cap: Capability): bigint | null =>
  cap.type === "endpoint" || cap.type === "notification" ? cap.badge : null;

/** Whether the capability of `child`, which follows in the mapping database, was derived from that of `parent`. */
export function isParent(parent: Slot, child: Slot, sizes: ObjectSizes): boolean {
  if (!parent.revocable || !covers(parent.capability, child.capability, sizes)) return false;
  const badge = badgeOf(parent.capability);
  if (badge === null || badge === 0n) return true;
  return badgeOf(child.capability) === badge && !child.firstBadged;
}

/** Whether a capability that is derived from `source` may have children of its own. */
export function becomesRevocable(derived: Capability, source: Capability): boolean {
  if (derived.type === "untyped") return true;
  if (derived.type === "irqHandler") return source.type === "irqControl";
  const badge = badgeOf(derived);
  return badge !== null && badge !== badgeOf(source);
}
