/** The platform's physical address map, as QEMU's `virt` board has it. Data; who answers at an address is wired by machine/. */
export const addressMap = {
  uart: { base: 0x1000_0000, bytes: 0x100 },
  ram: { base: 0x8000_0000 },
} as const;
