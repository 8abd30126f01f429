/** What nodes of the device tree have in common: how they are called, where their registers are, whose interrupts they raise. */
import { cells64, type PropertyValue, type TreeNode } from "../devicetree/fdt.ts";

/** What nodes call each other by. */
export const phandle = { plic: 1, finisher: 2, intc: (hart: number): number => 3 + hart } as const;

export const at = (name: string, base: number): string => `${name}@${base.toString(16)}`;
export const reg = ({ base, bytes }: { base: number; bytes: number }): number[] => [
  ...cells64(base),
  ...cells64(bytes),
];
const interrupt = (irq: number) => ({ "interrupt-parent": [phandle.plic], interrupts: [irq] });

/** Of a device with registers, and an interrupt if it has one. */
export const deviceNode = (
  name: string,
  place: { base: number; bytes: number; irq?: number },
  compatible: PropertyValue,
  properties: Readonly<Record<string, PropertyValue>> = {},
): TreeNode => ({
  name: at(name, place.base),
  properties: { compatible, reg: reg(place), ...properties, ...(place.irq !== undefined && interrupt(place.irq)) },
});
