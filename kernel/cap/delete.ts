/**
 * Deleting and revoking, in steps.
 *
 * A CNode or a TCB that loses its last capability takes what is in its slots with it, and that may be another CNode.
 * To keep every step small, and the stack flat, what is left of such an object (a zombie) moves into a slot of the
 * kernel's own, a grave, with its place in the mapping database. Graves are emptied a slot at a time. Until its grave
 * is gone the memory's owner sees a child, so nothing can be made of memory that is still in use.
 *
 * Contract: `deleteSlot`, `tidy` and `revokeStep` do bounded work and leave everything consistent. The last two say
 * whether they are finished; if not, call again. Others may do anything in between.
 */
import { spend } from "../lib/effort.ts";
import type { SlotAddress } from "../lib/ids.ts";
import { capDelete } from "../trace/events/capability.ts";
import type { CapKernel } from "./kernel.ts";
import { clear, firstChild, getSlot, isEmpty, isFinal, move } from "./slots.ts";
import { type Capability, type CapabilityOf, slotAt, slotBits } from "./state.ts";

/** Slots of a zombie that one step looks at. */
const slotsPerStep = 256;

/** What is left of an object that has slots. */
function zombieOf(k: CapKernel, cap: Capability): CapabilityOf<"zombie"> | null {
  const { address } = cap as CapabilityOf<"tcb">;
  if (cap.type === "cnode") return { type: "zombie", address, sizeBits: cap.radix + slotBits, count: 2 ** cap.radix };
  if (cap.type === "tcb") return { type: "zombie", address, sizeBits: k.objectSizes.tcb, count: k.tcbSlots };
  return null;
}

/** Empties one slot. Constant work: what the object had in slots of its own goes to a grave. */
function empty(k: CapKernel, at: SlotAddress): void {
  spend(k.effort, 64, "items");
  const { capability } = getSlot(k, at);
  const final = isFinal(k, at);
  if (k.trace.on(capDelete)) k.trace.write(capDelete, { type: capability.type, slot: BigInt(at), final });
  k.objects.finalise(capability, final);
  // A task that ended with its memory took it along.
  if (isEmpty(k, at)) return;
  const zombie = final ? zombieOf(k, capability) : null;
  if (zombie === null) {
    clear(k, at);
    return;
  }
  const grave = k.cap.nextGrave-- as SlotAddress;
  move(k, at, grave, zombie);
  k.cap.graves.push(grave);
}

/** Empties a slot or so of the newest grave; false when there is none. */
function dig(k: CapKernel): boolean {
  const grave = k.cap.graves.at(-1);
  if (grave === undefined) return false;
  const zombie = getSlot(k, grave).capability as CapabilityOf<"zombie">;
  let { count } = zombie;
  for (let looked = 0; looked < slotsPerStep && count > 0; looked++) {
    count -= 1;
    const slot = slotAt(zombie.address, count);
    if (isEmpty(k, slot)) continue;
    getSlot(k, grave).capability = { ...zombie, count };
    empty(k, slot);
    return true;
  }
  spend(k.effort, slotsPerStep, "items");
  getSlot(k, grave).capability = { ...zombie, count };
  if (count > 0) return true;
  k.cap.graves.pop();
  clear(k, grave);
  return true;
}

/** Deletes what a slot holds. What goes with it is in graves, for `tidy`. */
export function deleteSlot(k: CapKernel, at: SlotAddress): void {
  if (!isEmpty(k, at)) empty(k, at);
}

/** One step of emptying graves. True when there are none. */
export function tidy(k: CapKernel): boolean {
  dig(k);
  return k.cap.graves.length === 0;
}

/** One step of deleting everything that was derived from what a slot holds. True when nothing is left to do. */
export function revokeStep(k: CapKernel, at: SlotAddress): boolean {
  // Graves first: what is in one can be a child, and is not to be emptied as if it were whole.
  if (dig(k)) return false;
  const child = isEmpty(k, at) ? null : firstChild(k, at);
  if (child === null) return true;
  empty(k, child);
  return false;
}
