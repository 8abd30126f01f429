/** The table of the board's devices: what there is, over which part of the state, and at which addresses. */

import type { Block } from "../bus/bus.ts";
import type { Device, Wiring } from "../bus/device.ts";
import { addressMap } from "../bus/map.ts";
import { clintOver } from "../clint/clint.ts";
import type { Disk } from "../disk/disk.ts";
import { plicOver } from "../plic/plic.ts";
import { type SerialLine, type Uart16550, uart16550Over } from "../uart16550/uart16550.ts";
import { blockDevice } from "../virtio/block.ts";
import { consoleDevice } from "../virtio/console.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { entropyDevice } from "../virtio/entropy.ts";
import { netDevice, netQueue } from "../virtio/net.ts";
import { emptySlot, type Transport, transportOver } from "../virtio/transport.ts";
import { type ResetVector, resetRom } from "./rom.ts";
import { type Placed, standalonesOver } from "./standalone.ts";
import type { BoardState, VirtioKind } from "./state.ts";

export interface BoardDevices {
  readonly uart: Uart16550;
  readonly standalones: readonly Placed[];
  /** By slot. */
  readonly virtio: readonly Transport[];
  /** In the order in which they are reset. */
  readonly all: readonly Device[];
  readonly blocks: readonly Block[];
}

/** What is behind the devices. */
export interface Backing {
  disks: readonly Disk[];
  /** The number that snapshots have for each disk's first page. */
  firstPages: readonly number[];
  line: SerialLine;
  /** mtime is so many ticks ahead of virtual time from now on. */
  timeSet(offsetTicks: bigint): void;
  /** A frame leaves the network device for outside. */
  frameLeft(frame: Uint8Array, sequence: number): void;
}

/** Its bytes are made when somebody reads them, which is once. */
const romOver = (vector: ResetVector): Device => ({
  registers: [
    {
      name: "rom",
      offset: 0,
      bytes: 1,
      count: addressMap.rom.bytes,
      widths: [1, 2, 4, 8],
      read: (index) => resetRom(vector)[index]!,
    },
  ],
  reset() {},
});

/** The line for a device that does not get what comes over it. */
const deaf = (line: SerialLine): SerialLine => ({ ...line, available: () => 0, take: () => new Uint8Array(0) });

interface Slot {
  state: BoardState;
  wiring: Wiring;
  backing: Backing;
  disk: number;
  kick(queue: number): void;
}

const kinds: Readonly<Record<VirtioKind, (slot: Slot) => VirtioDevice>> = {
  block: ({ backing, disk }) => blockDevice(backing.disks[disk]!, backing.firstPages[disk]!),
  net: ({ state, wiring, backing, kick }) =>
    netDevice(state.network, {
      trace: wiring.trace,
      arrived: () => kick(netQueue.receive),
      leave: backing.frameLeft,
    }),
  console: ({ state, backing }) => consoleDevice(backing.line, state.console === "virtio"),
  entropy: ({ wiring }) => entropyDevice(wiring.random),
};

function slotsOf(state: BoardState, wiring: Wiring, backing: Backing): Transport[] {
  const { irq } = addressMap.virtio;
  return state.virtio.map(({ kind, disk, transport }, slot) => {
    const device = kinds[kind]({ state, wiring, backing, disk, kick: (queue) => made.kick(queue) });
    const made = transportOver(transport, device, slot, irq + slot, wiring);
    return made;
  });
}

function place(name: string, at: { base: number; bytes: number }, device: Device): Block {
  return { name, base: at.base, bytes: at.bytes, device };
}

export function devicesOf(state: BoardState, wiring: Wiring, backing: Backing): BoardDevices {
  const { rom, clint, plic, uart, virtio } = addressMap;
  const line = state.console === "uart" ? backing.line : deaf(backing.line);
  const serial = uart16550Over(state.uart, line, uart.irq, wiring);
  const standalones = standalonesOver(state, wiring);
  const slots = slotsOf(state, wiring, backing);
  const blocks = [
    place("rom", rom, romOver(state.reset)),
    ...standalones.map(({ row, device }) => place(row.name, row.place, device)),
    place("clint", clint, clintOver(state.clint, wiring, backing.timeSet)),
    place("plic", plic, plicOver(state.plic)),
    place("uart", uart, serial),
    ...Array.from({ length: virtio.count }, (_, slot) =>
      place(
        `virtio${slot}`,
        { base: virtio.base + slot * virtio.bytes, bytes: virtio.bytes },
        slots[slot] ?? emptySlot,
      ),
    ),
  ];
  return { uart: serial, standalones, virtio: slots, all: blocks.map(({ device }) => device), blocks };
}
