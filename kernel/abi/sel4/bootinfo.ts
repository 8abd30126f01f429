/**
 * What a root task is told at its start: seL4_BootInfo, a page (seL4 Reference Manual 13.0.0, section 9.1), and where
 * it is, in the auxiliary vector under the numbers of seL4's runtime.
 */
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import { bootInfoAddress, ipcBufferAddress, type NewWorld, rootRadix, rootSlots } from "../../ipc/sel4/world.ts";

/** Entries of the auxiliary vector: AT_SEL4_BOOT_INFO and AT_SEL4_IPC_BUFFER_PTR. */
export const sel4Auxiliary: readonly (readonly [number, number])[] = [
  [64, bootInfoAddress],
  [67, ipcBufferAddress],
];

/** Offsets in bytes; a region is the first slot and the one behind the last. */
const Offset = {
  numNodes: 16,
  ipcBuffer: 32,
  empty: 40,
  rootSizeBits: 136,
  untyped: 152,
  untypedList: 168,
} as const;
const untypedBytes = 16;

export function writeBootInfo(k: Sel4Kernel, { untyped, firstEmpty, bootInfo }: NewWorld): void {
  const page = k.hal.memory.write(bootInfo);
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const put = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(value), true);
  put(Offset.numNodes, k.sched.parked.length);
  put(Offset.ipcBuffer, ipcBufferAddress);
  put(Offset.empty, firstEmpty);
  put(Offset.empty + 8, 2 ** rootRadix);
  put(Offset.rootSizeBits, rootRadix);
  put(Offset.untyped, rootSlots.firstUntyped);
  put(Offset.untyped + 8, rootSlots.firstUntyped + untyped.length);
  for (const [i, { address, sizeBits, device }] of untyped.entries()) {
    put(Offset.untypedList + i * untypedBytes, address);
    view.setUint8(Offset.untypedList + i * untypedBytes + 8, sizeBits);
    view.setUint8(Offset.untypedList + i * untypedBytes + 9, device ? 1 : 0);
  }
}
