/** From addresses to objects. */
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

/** The program whose memory an address is in. */
export const worldAt = (k: Sel4Kernel, address: number): World =>
  must(
    [...k.sel4.worlds.values()].find(({ ranges }) =>
      ranges.some((range) => address >= range.address && address < range.address + 2 ** range.sizeBits),
    ),
    "memory of capabilities is some program's",
  );

/** A capability to the top of an address space that has a number. */
export function isVspace(k: Sel4Kernel, cap: Capability | null): boolean {
  return cap?.type === "pageTable" && cap.mapped !== null && k.sel4.vspaces.get(cap.mapped.asid) === cap.address;
}
