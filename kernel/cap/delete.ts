/**
 * Deleting and revoking, in steps.
 *
 * A CNode or a TCB that loses its last capability takes what is in its slots with it, and that may be another CNode.
 * So that every step is small, and the stack flat, its capability becomes a zombie: it stays in its slot, with its
 * place in the mapping database, until all slots of the object are empty. Nobody can put anything else there
 * meanwhile, and whoever deletes the slot, or revokes what the zombie was derived from, goes on where another stopped.
 * A zombie that is found in a slot of another moves out to a slot of the kernel's own, a grave, which the other keeps
 * in mind (`graves`) and empties before it goes itself. A zombie in a slot of its own object, or of one that goes with
 * it, has no holder any more who could name it: it is in a grave of nobody's, as what is left of a circle in seL4 is,
 * until the memory is revoked or the world ends.
 *
 * Until a zombie is gone the memory's owner sees a child, so nothing can be made of memory that is still in use.
 *
 * Contract: `deleteSlot`, `deleteStep` and `revokeStep` do bounded work and leave everything consistent. Others may do
 * anything between two steps.
 */
import { spend } from "../lib/effort.ts";
import type { SlotAddress } from "../lib/ids.ts";
import { capDelete } from "../trace/events/capability.ts";
import type { CapKernel } from "./kernel.ts";
import { clear, firstChild, getSlot, isEmpty, isFinal, move, peekSlot } from "./slots.ts";
import { type Capability, type CapabilityOf, slotAt, slotBits } from "./state.ts";

/** Slots of a zombie that one step looks at. */
const slotsPerStep = 256;

/** What is left of an object that has slots. */
function zombieOf(k: CapKernel, cap: Capability): CapabilityOf<"zombie"> | null {
  const { address } = cap as CapabilityOf<"tcb">;
  if (cap.type === "cnode")
    return { type: "zombie", address, sizeBits: cap.radix + slotBits, count: 2 ** cap.radix, graves: [] };
  if (cap.type === "tcb")
    return { type: "zombie", address, sizeBits: k.objectSizes.tcb, count: k.tcbSlots, graves: [] };
  return null;
}

const zombieIn = (k: CapKernel, at: SlotAddress): CapabilityOf<"zombie"> | null => {
  const cap = peekSlot(k, at)?.capability;
  return cap?.type === "zombie" ? cap : null;
};

/** Empties one slot, or makes a zombie of what is in it. Constant work. */
function empty(k: CapKernel, at: SlotAddress): void {
  spend(k.effort, 64, "items");
  const { capability } = getSlot(k, at);
  const final = isFinal(k, at);
  if (k.trace.on(capDelete)) k.trace.write(capDelete, { type: capability.type, slot: BigInt(at), final });
  k.objects.finalise(capability, final);
  // A task that ended with its memory took it along.
  if (isEmpty(k, at)) return;
  const zombie = final ? zombieOf(k, capability) : null;
  if (zombie === null) clear(k, at);
  else getSlot(k, at).capability = zombie;
}

/** Moves a zombie out of a slot that goes. */
function bury(k: CapKernel, at: SlotAddress): SlotAddress {
  const grave = k.cap.nextGrave-- as SlotAddress;
  move(k, at, grave, getSlot(k, at).capability);
  return grave;
}

/** Looks at slots of a zombie, the last ones first, until one is not empty any more; which one, or null. */
function nextFilled(k: CapKernel, at: SlotAddress, zombie: CapabilityOf<"zombie">): SlotAddress | null {
  let { count } = zombie;
  let found: SlotAddress | null = null;
  for (let looked = 0; looked < slotsPerStep && count > 0 && found === null; looked++) {
    count -= 1;
    const slot = slotAt(zombie.address, count);
    if (!isEmpty(k, slot)) found = slot;
  }
  if (found === null) spend(k.effort, slotsPerStep, "items");
  getSlot(k, at).capability = { ...zombie, count };
  return found;
}

/** Empties a slot or so of the zombie in `at`, for the one in `owner`. Where the owner is now: it may be in the way. */
function scrape(k: CapKernel, owner: SlotAddress, at: SlotAddress): SlotAddress {
  const slot = nextFilled(k, at, zombieIn(k, at)!);
  if (slot === null) return owner;
  if (zombieIn(k, slot) === null) empty(k, slot);
  if (zombieIn(k, slot) === null) return owner;
  const grave = bury(k, slot);
  if (slot === owner) return grave;
  zombieIn(k, owner)!.graves.push(grave);
  return owner;
}

/** One step of ending the zombie in a slot. Where what is left of it is; null when it has gone. */
function dig(k: CapKernel, at: SlotAddress): SlotAddress | null {
  const { count, graves } = zombieIn(k, at)!;
  const grave = graves.at(-1);
  if (grave === undefined) {
    if (count > 0) return scrape(k, at, at);
    clear(k, at);
    return null;
  }
  // Who revokes its memory may have emptied it already; and in a circle one comes to oneself.
  const inner = grave === at ? null : zombieIn(k, grave);
  const deeper = inner?.graves.pop();
  if (deeper !== undefined) graves.push(deeper);
  else if (inner !== null && inner.count > 0) return scrape(k, at, grave);
  else {
    graves.pop();
    if (inner !== null) clear(k, grave);
  }
  return at;
}

/** Deletes what a slot holds; a zombie may be left, for `deleteStep`. */
export function deleteSlot(k: CapKernel, at: SlotAddress): void {
  if (!isEmpty(k, at) && zombieIn(k, at) === null) empty(k, at);
}

/** One step of deleting what a slot holds. Where the rest is, in the same slot but for circles; null for none. */
export function deleteStep(k: CapKernel, at: SlotAddress): SlotAddress | null {
  if (zombieIn(k, at) !== null) return dig(k, at);
  deleteSlot(k, at);
  return isEmpty(k, at) ? null : at;
}

/** One step of deleting everything that was derived from what a slot holds. True when nothing is left to do. */
export function revokeStep(k: CapKernel, at: SlotAddress): boolean {
  const child = isEmpty(k, at) ? null : firstChild(k, at);
  if (child === null) return true;
  deleteStep(k, child);
  return false;
}
