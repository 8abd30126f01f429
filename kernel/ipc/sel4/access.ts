/** From addresses to objects. */
import type { LookupFault } from "../../cap/errors.ts";
import { lookupSlot } from "../../cap/lookup.ts";
import { peekSlot } from "../../cap/slots.ts";
import { type Capability, slotAt } from "../../cap/state.ts";
import { must } from "../../lib/assert.ts";
import type { PhysicalAddress, SlotAddress } from "../../lib/ids.ts";
import type { Thread } from "../../thread/state.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { type Notification, type Tcb, TcbSlot, type World } from "./state.ts";

export const tcbSlot = (tcb: PhysicalAddress, slot: keyof typeof TcbSlot): SlotAddress => slotAt(tcb, TcbSlot[slot]);

export const capOf = (k: Sel4Kernel, tcb: PhysicalAddress, slot: keyof typeof TcbSlot): Capability | null =>
  peekSlot(k, tcbSlot(tcb, slot))?.capability ?? null;

export const getTcb = (k: Sel4Kernel, address: PhysicalAddress): Tcb =>
  must(k.sel4.tcbs.get(address), "the TCB exists");

/** The thread of a TCB; null when it has ended by itself (as a thread of its program can). */
export const threadOf = (k: Sel4Kernel, tcb: PhysicalAddress): Thread | null =>
  k.threads.threads.get(getTcb(k, tcb).thread) ?? null;

export const getNotification = (k: Sel4Kernel, address: PhysicalAddress): Notification =>
  must(k.sel4.notifications.get(address), "the notification exists");

/** Who waits at an object is in the queue of its name. In two pieces: large numbers are slow to write out. */
export const queueName = (kind: "endpoint" | "notification", address: PhysicalAddress): string =>
  `${kind} ${Math.floor(address / 2 ** 16).toString(16)}${(address % 2 ** 16).toString(16).padStart(4, "0")}`;

/** The slot that an address means in the capability space of a thread with a TCB. */
export const slotNamed = (
  k: Sel4Kernel,
  thread: Thread,
  address: bigint,
): { slot: SlotAddress } | { fault: LookupFault } => lookupSlot(k, capOf(k, thread.tcb!, "cspace"), address);

/** What is in that slot; null for nothing, whether there is no such slot or an empty one. */
export function capabilityNamed(k: Sel4Kernel, thread: Thread, address: bigint): Capability | null {
  const found = slotNamed(k, thread, address);
  return "fault" in found ? null : (peekSlot(k, found.slot)?.capability ?? null);
}

/** Whether an address is in a world's memory. */
export const isInWorld = ({ ranges }: World, address: number): boolean =>
  ranges.some((range) => address >= range.address && address < range.address + 2 ** range.sizeBits);

/** The program whose memory an address is in. */
export const worldAt = (k: Sel4Kernel, address: number): World =>
  must(
    [...k.sel4.worlds.values()].find((world) => isInWorld(world, address)),
    "memory of capabilities is some program's",
  );

/** A capability to the top of an address space that has a number. */
export function isVspace(k: Sel4Kernel, cap: Capability | null): boolean {
  return cap?.type === "pageTable" && cap.mapped !== null && k.sel4.vspaces.get(cap.mapped.asid) === cap.address;
}
