/** The platform's physical address map, as QEMU's `virt` board has it. Data; who answers at an address is board/devices.ts. */
export const addressMap = {
  rom: { base: 0x1000, bytes: 0x1000 },
  finisher: { base: 0x10_0000, bytes: 0x1000 },
  rtc: { base: 0x10_1000, bytes: 0x1000, irq: 11 },
  clint: { base: 0x200_0000, bytes: 0x1_0000 },
  plic: { base: 0xc00_0000, bytes: 0x60_0000 },
  uart: { base: 0x1000_0000, bytes: 0x100, irq: 10 },
  /** The first of `count` transports, one after the other, with interrupts from `irq` on. */
  virtio: { base: 0x1000_1000, bytes: 0x1000, irq: 1, count: 8 },
  ram: { base: 0x8000_0000 },
} as const;
