/**
 * Interrupts as signals: who has the handler capability of a line says which notification it signals (seL4 Reference
 * Manual 13.0.0, section 8.1). A line that has signalled is quiet until it is acknowledged.
 *
 * The notification's capability is kept in a slot of the kernel's own, so that it goes when the notification goes.
 */
import { deleteSlot } from "../../cap/delete.ts";
import { isEmpty, peekSlot, placeDerived } from "../../cap/slots.ts";
import type { SlotAddress } from "../../lib/ids.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { signal } from "./notification.ts";

/** Lines of the board's interrupt controller. */
export const maxIrq = 127;
/** The console's line on the board (QEMU's virt). */
export const consoleIrq = 10;

/** Far from the graves. */
const firstIrqSlot = -(2 ** 40);
const irqSlot = (irq: number): SlotAddress => (firstIrqSlot - irq) as SlotAddress;
/** The line whose notification a slot of the kernel's own holds; null for another slot. */
export const lineOfSlot = (slot: SlotAddress): number | null => (slot < firstIrqSlot ? firstIrqSlot - slot : null);

export function setHandler(k: Sel4Kernel, irq: number, from: SlotAddress): void {
  clearHandler(k, irq);
  placeDerived(k, from, irqSlot(irq), peekSlot(k, from)!.capability);
}

export const clearHandler = (k: Sel4Kernel, irq: number): void => deleteSlot(k, irqSlot(irq));

/** A device has something to say. Until somebody hears it, the line stays up. */
export function interrupt(k: Sel4Kernel, irq: number): void {
  const line = k.sel4.irqs.get(irq);
  if (line === undefined) return;
  line.pending = true;
  pass(k, irq);
}

export function acknowledge(k: Sel4Kernel, irq: number): void {
  const line = k.sel4.irqs.get(irq);
  if (line === undefined) return;
  line.masked = false;
  pass(k, irq);
}

function pass(k: Sel4Kernel, irq: number): void {
  const line = k.sel4.irqs.get(irq)!;
  if (line.masked || !line.pending || isEmpty(k, irqSlot(irq))) return;
  const { capability } = peekSlot(k, irqSlot(irq))!;
  if (capability.type !== "notification") return;
  line.pending = false;
  line.masked = true;
  signal(k, capability.address, capability.badge);
}

/** The last handler capability has gone. */
export function endHandler(k: Sel4Kernel, irq: number): void {
  clearHandler(k, irq);
  k.sel4.irqs.delete(irq);
}
