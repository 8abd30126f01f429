/** The device tree of the board: what firmware and kernels are told about the machine. Names and layout as QEMU's `virt`. */
import { addressMap } from "../bus/map.ts";
import { timebaseHz } from "../clint/clint.ts";
import { isaText, userExtensions } from "../cpu/extensions.ts";
import { cells64, type TreeNode } from "../devicetree/fdt.ts";
import { sourceCount } from "../plic/state.ts";
import { uartClockHz } from "../uart16550/uart16550.ts";
import { standaloneRows } from "./standalone.ts";
import { at, deviceNode, phandle, reg } from "./tree-parts.ts";

export interface TreeFacts {
  harts: number;
  memoryBytes: number;
  /** Virtio slots that have a device. */
  virtioSlots: number;
  commandLine: string;
  initrd: { start: number; end: number } | null;
  /** A kernel's first randomness. */
  seed: Uint8Array;
  console: "uart" | "virtio";
}

const extensions = [...userExtensions, "sstc"];

/** Causes of interrupts at a hart. */
const cause = { machineSoftware: 3, machineTimer: 7, supervisorExternal: 9, machineExternal: 11 } as const;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const hartNode = (hart: number): TreeNode => ({
  name: `cpu@${hart.toString(16)}`,
  properties: {
    device_type: "cpu",
    reg: [hart],
    status: "okay",
    compatible: "riscv",
    "riscv,isa": isaText(extensions),
    "riscv,isa-base": "rv64i",
    "riscv,isa-extensions": extensions,
    "mmu-type": "riscv,sv39",
  },
  children: [
    {
      name: "interrupt-controller",
      properties: {
        "#interrupt-cells": [1],
        "#address-cells": [0],
        "interrupt-controller": true,
        compatible: "riscv,cpu-intc",
        phandle: [phandle.intc(hart)],
      },
    },
  ],
});

const cpusNode = (harts: number): TreeNode => ({
  name: "cpus",
  properties: { "#address-cells": [1], "#size-cells": [0], "timebase-frequency": [timebaseHz] },
  children: upTo(harts).map(hartNode),
});

function chosenNode({ commandLine, initrd, seed, console }: TreeFacts): TreeNode {
  return {
    name: "chosen",
    properties: {
      bootargs: commandLine,
      ...(initrd !== null && {
        "linux,initrd-start": cells64(initrd.start),
        "linux,initrd-end": cells64(initrd.end),
      }),
      ...(console === "uart" && { "stdout-path": `/soc/${at("serial", addressMap.uart.base)}` }),
      "rng-seed": seed,
    },
  };
}

const controllers = (harts: number): TreeNode[] => [
  {
    name: at("clint", addressMap.clint.base),
    properties: {
      compatible: ["sifive,clint0", "riscv,clint0"],
      reg: reg(addressMap.clint),
      "interrupts-extended": upTo(harts).flatMap((hart) => [
        phandle.intc(hart),
        cause.machineSoftware,
        phandle.intc(hart),
        cause.machineTimer,
      ]),
    },
  },
  {
    name: at("plic", addressMap.plic.base),
    properties: {
      compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
      reg: reg(addressMap.plic),
      "interrupt-controller": true,
      "#interrupt-cells": [1],
      "#address-cells": [0],
      "riscv,ndev": [sourceCount - 1],
      "interrupts-extended": upTo(harts).flatMap((hart) => [
        phandle.intc(hart),
        cause.machineExternal,
        phandle.intc(hart),
        cause.supervisorExternal,
      ]),
      phandle: [phandle.plic],
    },
  },
];

const devices = (virtioSlots: number): TreeNode[] => [
  ...standaloneRows.map(({ place, node }) => deviceNode(node.name, place, node.compatible, node.properties)),
  deviceNode("serial", addressMap.uart, "ns16550a", { "clock-frequency": [uartClockHz] }),
  ...upTo(virtioSlots).map((slot): TreeNode => {
    const { base, bytes, irq } = addressMap.virtio;
    return deviceNode("virtio_mmio", { base: base + slot * bytes, bytes, irq: irq + slot }, "virtio,mmio");
  }),
];

const powerNode = (name: string, value: number): TreeNode => ({
  name,
  properties: { compatible: `syscon-${name}`, regmap: [phandle.finisher], offset: [0], value: [value] },
});

export const boardTree = (facts: TreeFacts): TreeNode => ({
  name: "",
  properties: {
    "#address-cells": [2],
    "#size-cells": [2],
    compatible: "riscv-virtio",
    model: "riscv-virtio,ostler",
  },
  children: [
    chosenNode(facts),
    {
      name: at("memory", addressMap.ram.base),
      properties: { device_type: "memory", reg: reg({ base: addressMap.ram.base, bytes: facts.memoryBytes }) },
    },
    cpusNode(facts.harts),
    powerNode("poweroff", 0x5555),
    powerNode("reboot", 0x7777),
    {
      name: "soc",
      properties: { "#address-cells": [2], "#size-cells": [2], compatible: "simple-bus", ranges: true },
      children: [...controllers(facts.harts), ...devices(facts.virtioSlots)],
    },
  ],
});
