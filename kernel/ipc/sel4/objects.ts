/** What becomes of seL4's objects when they are made and when the last capability to them goes. */
import type { ObjectBehaviour, ObjectType } from "../../cap/kernel.ts";
import type { ObjectSizes } from "../../cap/relations.ts";
import type { Capability } from "../../cap/state.ts";
import { pageBytes } from "../../hal/types.ts";
import { spend } from "../../lib/effort.ts";
import type { FrameNumber, PhysicalAddress } from "../../lib/ids.ts";
import { cancelAll, endpointQueue } from "./endpoint.ts";
import { endHandler } from "./irq.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { notificationQueue, unbind } from "./notification.ts";
import { createTcb, endTcb } from "./tcb.ts";
import { asidPoolBits, asidsPerPool, dropVspace, frameAt, pageBits, unmapFrame, unmapTable } from "./vspace.ts";

/** seL4 13.0.0 on riscv64 with floating point, without MCS. */
export const objectSizes: ObjectSizes = {
  tcb: 11,
  endpoint: 4,
  notification: 5,
  pageTable: pageBits,
  asidPool: asidPoolBits,
};

/** Programs see what they get as zeros. */
function clear(k: Sel4Kernel, address: PhysicalAddress, sizeBits: number): void {
  const first = frameAt(k, address);
  const count = 2 ** (sizeBits - pageBits);
  spend(k.effort, count * pageBytes, "bytes");
  for (let i = 0; i < count; i++) k.hal.memory.clear((first + i) as FrameNumber);
}

function create(k: Sel4Kernel, type: ObjectType, address: PhysicalAddress, sizeBits: number): void {
  if (type === "frame" || type === "pageTable") clear(k, address, sizeBits);
  else if (type === "tcb") createTcb(k, address);
  else if (type === "notification") k.sel4.notifications.set(address, { active: false, word: 0n, bound: null });
}

function endNotification(k: Sel4Kernel, address: PhysicalAddress): void {
  unbind(k, address);
  cancelAll(k, notificationQueue(address));
  k.sel4.notifications.delete(address);
}

function endPool(k: Sel4Kernel, base: number): void {
  k.sel4.asidPools.delete(base);
  for (const asid of [...k.sel4.vspaces.keys()]) if (asid >= base && asid < base + asidsPerPool) dropVspace(k, asid);
}

function finalise(k: Sel4Kernel, cap: Capability, final: boolean): void {
  // Each capability to a frame has a mapping of its own.
  if (cap.type === "frame") unmapFrame(k, cap);
  if (!final) return;
  if (cap.type === "pageTable") unmapTable(k, cap);
  else if (cap.type === "tcb") endTcb(k, cap.address);
  else if (cap.type === "endpoint") cancelAll(k, endpointQueue(cap.address));
  else if (cap.type === "notification") endNotification(k, cap.address);
  else if (cap.type === "asidPool") endPool(k, cap.base);
  else if (cap.type === "irqHandler") endHandler(k, cap.irq);
}

export const objectBehaviour = (k: () => Sel4Kernel): ObjectBehaviour => ({
  create: (type, address, sizeBits) => create(k(), type, address, sizeBits),
  finalise: (cap, final) => finalise(k(), cap, final),
});
