/**
 * Slots, and the mapping database that threads through them.
 *
 * Must hold: the list is one line; a slot's children follow it without a gap; a slot in the table is in the list.
 * Everything here is constant work.
 */
import { assert, must } from "../lib/assert.ts";
import type { SlotAddress } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { CapKernel } from "./kernel.ts";
import { becomesRevocable, isParent, sameObject } from "./relations.ts";
import type { Capability, Delegator, Slot } from "./state.ts";

type Kernel = Pick<CapKernel, "cap" | "objectSizes">;

/** The slot's content; null when it is empty. */
export const peekSlot = (k: Kernel, address: SlotAddress): Slot | null => k.cap.slots.get(address) ?? null;
export const getSlot = (k: Kernel, address: SlotAddress): Slot =>
  must(k.cap.slots.get(address), "the slot holds a capability");
export const isEmpty = (k: Kernel, address: SlotAddress): boolean => !k.cap.slots.has(address);

/** Whether there may be so many capabilities more; of those that the kernel makes for itself nobody asks. */
export const hasRoomForCapabilities = ({ cap }: Pick<CapKernel, "cap">, count: number): boolean =>
  cap.slots.size + count <= limits.capabilities;

function link(k: Kernel, from: SlotAddress | null, to: SlotAddress | null): void {
  if (from !== null) getSlot(k, from).next = to;
  if (to !== null) getSlot(k, to).previous = from;
}

/** Puts a capability into an empty slot, right behind another one in the list (or at the start of a list). */
function place(
  k: Kernel,
  at: SlotAddress,
  capability: Capability,
  behind: SlotAddress | null,
  marks: Pick<Slot, "revocable" | "firstBadged" | "delegatedBy">,
): void {
  assert(isEmpty(k, at), "a capability goes into an empty slot");
  const next = behind === null ? null : getSlot(k, behind).next;
  k.cap.slots.set(at, { capability, previous: null, next: null, ...marks });
  link(k, behind, at);
  link(k, at, next);
}

/** The first capability of something that was there before all capabilities. */
export const placeRoot = (k: Kernel, at: SlotAddress, capability: Capability): void =>
  place(k, at, capability, null, { revocable: true, firstBadged: true });

/** The first capability of an object that was made of what `parent` holds. */
export const placeChild = (k: Kernel, parent: SlotAddress, at: SlotAddress, capability: Capability): void =>
  place(k, at, capability, parent, { revocable: true, firstBadged: true });

/** A capability that was derived from that in `source`; `by`: who passed it on, where it came in a message. */
export function placeDerived(
  k: Kernel,
  source: SlotAddress,
  at: SlotAddress,
  capability: Capability,
  by?: Delegator,
): void {
  const from = getSlot(k, source);
  const revocable = becomesRevocable(capability, from.capability);
  // Two that hold the same memory untyped must not both give it away.
  if (from.capability.type === "untyped" && capability.type === "untyped")
    from.capability = { ...from.capability, used: 2 ** from.capability.sizeBits };
  place(k, at, capability, source, { revocable, firstBadged: revocable, ...(by && { delegatedBy: by }) });
}

/** Takes a capability, changed perhaps, to an empty slot; its place in the list stays. */
export function move(k: Kernel, from: SlotAddress, to: SlotAddress, capability: Capability): void {
  const slot = getSlot(k, from);
  assert(isEmpty(k, to), "a capability moves to an empty slot");
  k.cap.slots.delete(from);
  k.cap.slots.set(to, { ...slot, capability });
  link(k, slot.previous, to);
  link(k, to, slot.next);
}

/** Exchanges two capabilities, changed perhaps: `first` and `second` are what they become. */
export function swap(k: Kernel, a: SlotAddress, first: Capability, b: SlotAddress, second: Capability): void {
  const aside = k.cap.nextGrave as SlotAddress;
  move(k, a, aside, first);
  move(k, b, a, second);
  move(k, aside, b, first);
}

/** Empties a slot. What was a child of it goes on as a child of its parent. */
export function clear(k: Kernel, at: SlotAddress): void {
  const { previous, next, firstBadged } = getSlot(k, at);
  k.cap.slots.delete(at);
  link(k, previous, next);
  if (next !== null && firstBadged) getSlot(k, next).firstBadged = true;
}

/** The next one in the list, if it was derived from this one. */
export function firstChild(k: Kernel, at: SlotAddress): SlotAddress | null {
  const slot = getSlot(k, at);
  if (slot.next === null || !isParent(slot, getSlot(k, slot.next), k.objectSizes)) return null;
  return slot.next;
}

/** Whether it is the last capability of its object. Those of one object stand side by side. */
export function isFinal(k: Kernel, at: SlotAddress): boolean {
  const { capability, previous, next } = getSlot(k, at);
  const before = previous === null ? null : getSlot(k, previous).capability;
  const after = next === null ? null : getSlot(k, next).capability;
  return !(
    (before !== null && sameObject(before, capability, k.objectSizes)) ||
    (after !== null && sameObject(capability, after, k.objectSizes))
  );
}
