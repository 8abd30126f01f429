/**
 * The board: devices wired to each other, to RAM and to the harts' interrupts.
 *
 * It is behaviour over BoardState and keeps nothing of its own but what it last told its host. The host asks for
 * interrupt lines before harts run; when an access changes one of them, brings a due time forward or switches the
 * machine off, the board asks for `attention`, and the host is to come back after that very instruction.
 */
import { assert } from "../../lib/assert.ts";
import { type Effort, spend } from "../../lib/effort.ts";
import type { RandomState } from "../../lib/random.ts";
import type { Trace } from "../../trace/define.ts";
import { interruptLine } from "../../trace/events/device.ts";
import { createBus } from "../bus/bus.ts";
import type { Wiring } from "../bus/device.ts";
import { dmaOver } from "../bus/dma.ts";
import { clintLines } from "../clint/clint.ts";
import * as clocks from "../clock/clock.ts";
import type { ClockEvent, ClockState, DeviceEventKind } from "../clock/state.ts";
import type { Bus } from "../cpu/core.ts";
import { type Disk, diskOver } from "../disk/disk.ts";
import { diskPageBytes } from "../disk/state.ts";
import type { Ram } from "../memory/ram.ts";
import { plicLines, setSource } from "../plic/plic.ts";
import type { SerialLine } from "../uart16550/uart16550.ts";
import { consoleQueue } from "../virtio/console.ts";
import { deliver, netQueue } from "../virtio/net.ts";
import { queuesPerSlot, type Transport } from "../virtio/transport.ts";
import { type BoardDevices, devicesOf } from "./devices.ts";
import type { StandaloneEvent } from "./standalone.ts";
import type { BoardState, VirtioKind } from "./state.ts";

export interface BoardParts {
  ram: Ram;
  clock: ClockState;
  trace: Trace;
  effort: Effort;
  random: RandomState;
  /** The console's serial line. */
  line: SerialLine;
  /** A frame leaves the network device, whose cable leads outside. */
  frameLeft(frame: Uint8Array, sequence: number): void;
  /** The harts' time is so many ticks ahead of virtual time from now on. */
  timeSet(offsetTicks: bigint): void;
  /** Virtual time, also while an instruction executes. */
  now(): number;
  /** What harts have reserved may be among what a device writes. */
  dropReservations(): void;
  /** The core is to leave its run after the instruction that is executing. */
  attention(): void;
  /** The host has done so much in this run that it should come back. */
  exhausted(): boolean;
  content(hash: string, offset: number, length: number): Uint8Array;
  /** A written page of a disk, by its number behind RAM's, which the host has in a snapshot. */
  fetchPage(page: number): Uint8Array;
}

export interface Board {
  readonly bus: Bus;
  readonly disks: readonly Disk[];
  /** Bits of mip that the board drives, by hart: software, timer and external interrupts. */
  interruptLines(): readonly number[];
  /** One of the board's events has come due. */
  fire(event: ClockEvent): void;
  /** Bytes have come over the console's line. */
  consoleArrived(): void;
  /** A frame has come over the network's cable. */
  frameArrived(frame: Uint8Array): void;
  /** Absent pages that devices are about to touch: a hint, for bringing them in time. Each once. */
  absentAhead(): number[];
  /** Every device as after power-on; disks, the console's line and the clock stay as they are. */
  reset(): void;
}

/** Pages of disks are numbered behind those of RAM, one disk after the other. */
function firstPagesOf({ disks }: BoardState, ramPages: number): number[] {
  let first = ramPages;
  return disks.map(({ bytes }) => {
    const own = first;
    first += bytes / diskPageBytes;
    return own;
  });
}

/** What each kind of event on the clock means, but for those of devices that stand alone. */
type Due = Readonly<Record<Exclude<DeviceEventKind, StandaloneEvent>, (subject: number) => void>>;

const dueOf = (devices: BoardDevices): Due => ({
  // It is due; whoever asks for the lines sees it.
  clintTimer: () => {},
  uartTimeout: (subject) => devices.uart.due?.(subject),
  virtioQueue: (subject) => devices.virtio[Math.floor(subject / queuesPerSlot)]?.due?.(subject % queuesPerSlot),
});

function disksOf(state: BoardState, { content, fetchPage, ram }: BoardParts): Disk[] {
  const first = firstPagesOf(state, ram.pages);
  return state.disks.map((disk, index) =>
    diskOver(disk, { content, fetch: (page) => fetchPage(first[index]! + page) }),
  );
}

function wiringOf(state: BoardState, parts: BoardParts): Wiring {
  const { now, clock, trace, random, ram, effort, dropReservations } = parts;
  return {
    now,
    clock,
    trace,
    random,
    dma: dmaOver(ram, effort, dropReservations),
    setInterrupt(irq, raised) {
      if (setSource(state.plic, irq, raised) && trace.on(interruptLine)) trace.write(interruptLine, { irq, raised });
    },
  };
}

export function createBoard(state: BoardState, parts: BoardParts): Board {
  const { clock, frameLeft, line, now, timeSet } = parts;
  const disks = disksOf(state, parts);
  const firstPages = firstPagesOf(state, parts.ram.pages);
  const devices = devicesOf(state, wiringOf(state, parts), { disks, firstPages, line, frameLeft, timeSet });
  const harts = state.clint.msip.length;
  const lines = (): number[] =>
    Array.from({ length: harts }, (_, hart) => clintLines(state.clint, hart, now()) | plicLines(state.plic, hart));
  /** What the host knows. */
  let told = lines();
  let toldDueNs = clocks.nextDueNs(clock);
  const touched = (): void => {
    const { power } = state;
    spend(parts.effort, 1, "entries");
    const isNews =
      parts.exhausted() ||
      power.state !== "on" ||
      clocks.nextDueNs(clock) < toldDueNs ||
      lines().some((line, hart) => line !== told[hart]);
    if (isNews) parts.attention();
  };
  const due = dueOf(devices);
  const isOfOther = (kind: DeviceEventKind): kind is keyof Due => Object.hasOwn(due, kind);
  const slotOf = (kind: VirtioKind): Transport | undefined =>
    devices.virtio[state.virtio.findIndex((slot) => slot.kind === kind)];
  return {
    bus: createBus(devices.blocks, { touched, trace: parts.trace }),
    disks,
    interruptLines() {
      toldDueNs = clocks.nextDueNs(clock);
      return (told = lines());
    },
    fire({ kind, subject }) {
      assert(kind !== "threadTimeout" && kind !== "timer", "a board has no threads");
      if (isOfOther(kind)) due[kind](subject);
      else devices.standalones.find(({ row }) => row.event === kind)?.device.due?.(subject);
    },
    consoleArrived() {
      if (state.console === "uart") devices.uart.lineChanged();
      else slotOf("console")?.kick(consoleQueue.receive);
    },
    frameArrived(frame) {
      deliver(state.network, frame);
      slotOf("net")?.kick(netQueue.receive);
    },
    absentAhead: () => [...new Set(devices.virtio.flatMap((transport) => transport.absentAhead()))],
    reset() {
      for (const device of devices.all) device.reset();
    },
  };
}
