/**
 * virtio over MMIO, version 2 (virtio 1.2, 4.2): registers, feature negotiation, queues and interrupts, the same for
 * every kind of device.
 *
 * A device looks into a queue some time after it was notified, takes one request, serves it at once, and is then busy
 * for as long as the request takes; so the answer to a request that finds the device idle comes after `latencyNs`, and
 * a device under load is as slow as its kind says. All of it is virtual time.
 *
 * A driver that breaks the rules gets what the specification has for that: the status DEVICE_NEEDS_RESET, and no more
 * service until it resets the device.
 */
import type { Device, Wiring } from "../bus/device.ts";
import type { Register } from "../bus/registers.ts";
import * as clocks from "../clock/clock.ts";
import { absentAhead } from "./ahead.ts";
import type { VirtioDevice } from "./device.ts";
import { type Chain, giveBack, mostEntries, peekAvailable, readChain, take } from "./queue.ts";
import { initQueue, initVirtio, type QueueState, type VirtioState } from "./state.ts";

export interface Transport extends Device {
  /** Something has come that a request may be waiting for. */
  kick(queue: number): void;
  /** The configuration space has changed. */
  configChanged(): void;
  /** Absent pages that requests which are about to be served will touch. */
  absentAhead(): number[];
}

const magic = 0x7472_6976;
const version = 2;
/** "OSTL". */
const vendor = 0x4c54_534f;
const Status = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const;
const Interrupt = { usedRing: 1, configuration: 2 } as const;
/** Of the low word: descriptors in a table of their own. */
const indirectDescriptors = 1 << 28;
/** Of the high word: this version of the specification. */
const version1 = 1;
const configAt = 0x100;
/** From a notification to when the device looks. */
const latencyNs = 5000;
/** Subjects of clock events: a slot's queues are numbers of their own. */
export const queuesPerSlot = 16;

const offered = (device: VirtioDevice): [number, number] => [(device.features | indirectDescriptors) >>> 0, version1];

/** What the transport of one slot does; registers are below. */
class Machinery {
  readonly state: VirtioState;
  readonly device: VirtioDevice;
  readonly #slot: number;
  readonly #irq: number;
  readonly #wiring: Wiring;

  constructor(state: VirtioState, device: VirtioDevice, slot: number, irq: number, wiring: Wiring) {
    this.state = state;
    this.device = device;
    this.#slot = slot;
    this.#irq = irq;
    this.#wiring = wiring;
  }

  /** The queue that the driver has selected, if there is one. */
  get selected(): QueueState | undefined {
    return this.state.queues[this.state.selectedQueue];
  }

  #interrupt(bit: number): void {
    this.state.interruptStatus |= bit;
    this.#wiring.setInterrupt(this.#irq, true);
  }

  acknowledge(bits: number): void {
    this.state.interruptStatus &= ~bits;
    this.#wiring.setInterrupt(this.#irq, this.state.interruptStatus !== 0);
  }

  configChanged(): void {
    this.state.generation = (this.state.generation + 1) >>> 0;
    if ((this.state.status & Status.driverOk) !== 0) this.#interrupt(Interrupt.configuration);
  }

  #fail(): void {
    this.state.status |= Status.needsReset;
    if ((this.state.status & Status.driverOk) !== 0) this.#interrupt(Interrupt.configuration);
  }

  #serves(queue: QueueState | undefined): queue is QueueState {
    const { status } = this.state;
    return (status & Status.driverOk) !== 0 && (status & Status.needsReset) === 0 && queue?.ready === true;
  }

  /** Sees to it that the device will look into a queue that may have something for it. */
  kick(index: number): void {
    const queue = this.state.queues[index];
    if (!this.#serves(queue) || queue.scheduled || !this.device.canServe(index)) return;
    queue.scheduled = true;
    const { clock, now } = this.#wiring;
    const dueNs = Math.max(now() + latencyNs, queue.busyUntilNs);
    clocks.schedule(clock, dueNs, "virtioQueue", this.#slot * queuesPerSlot + index);
  }

  absentAhead(): number[] {
    const { dma } = this.#wiring;
    const ofDevice = (chain: Chain): number[] => this.device.absentFor?.(chain, dma) ?? [];
    return this.state.queues.flatMap((queue) =>
      queue.scheduled && this.#serves(queue) ? absentAhead(queue, dma, ofDevice) : [],
    );
  }

  /** The device looks into a queue. */
  look(index: number): void {
    const queue = this.state.queues[index]!;
    queue.scheduled = false;
    if (!this.#serves(queue) || !this.device.canServe(index)) return;
    const { dma, now } = this.#wiring;
    const head = peekAvailable(queue, dma);
    if (head === "empty") return;
    const chain = head === null ? null : readChain(queue, dma, head);
    if (chain === null) {
      this.#fail();
      return;
    }
    take(queue);
    const { written, busyNs } = this.device.serve(index, chain, dma);
    queue.busyUntilNs = now() + busyNs;
    const wantsInterrupt = giveBack(queue, dma, chain.head, written);
    if (wantsInterrupt === null) this.#fail();
    else if (wantsInterrupt) this.#interrupt(Interrupt.usedRing);
    if (peekAvailable(queue, dma) !== "empty") this.kick(index);
  }

  setStatus(value: number): void {
    if (value === 0) this.reset();
    else this.#advance(value);
  }

  #advance(value: number): void {
    const { state } = this;
    const [low, high] = state.driverFeatures;
    const [mayLow, mayHigh] = offered(this.device);
    const acceptable = (low & ~mayLow) === 0 && high === version1 && mayHigh === version1;
    // The driver reads back whether its choice of features was taken.
    const refused = (value & Status.featuresOk) !== 0 && !acceptable ? Status.featuresOk : 0;
    state.status = (value & 0xff & ~refused) | (state.status & Status.needsReset);
    if ((state.status & Status.driverOk) !== 0) for (const index of state.queues.keys()) this.kick(index);
  }

  setReady(ready: boolean): void {
    const queue = this.selected;
    if (queue === undefined) return;
    if (!ready) Object.assign(queue, { ...initQueue(), size: queue.size, scheduled: queue.scheduled });
    queue.ready = ready && queue.size > 0;
  }

  reset(): void {
    const { state } = this;
    for (const index of state.queues.keys())
      clocks.cancel(this.#wiring.clock, "virtioQueue", this.#slot * queuesPerSlot + index);
    Object.assign(state, { ...initVirtio(state.queues.length), generation: state.generation });
    this.#wiring.setInterrupt(this.#irq, false);
    this.device.reset?.();
  }
}

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

function negotiationRegisters(machinery: Machinery): Register[] {
  const { state, device } = machinery;
  const word = (words: readonly [number, number], page: number): number => words[page] ?? 0;
  return [
    { name: "MagicValue", offset: 0, bytes: 4, read: () => magic },
    { name: "Version", offset: 4, bytes: 4, read: () => version },
    { name: "DeviceID", offset: 8, bytes: 4, read: () => device.id },
    { name: "VendorID", offset: 0xc, bytes: 4, read: () => vendor },
    { name: "DeviceFeatures", offset: 0x10, bytes: 4, read: () => word(offered(device), state.deviceFeaturesPage) },
    {
      name: "DeviceFeaturesSel",
      offset: 0x14,
      bytes: 4,
      write: (_, value) => void (state.deviceFeaturesPage = value),
    },
    {
      name: "DriverFeatures",
      offset: 0x20,
      bytes: 4,
      write(_, value) {
        if (state.driverFeaturesPage < 2) state.driverFeatures[state.driverFeaturesPage] = value;
      },
    },
    {
      name: "DriverFeaturesSel",
      offset: 0x24,
      bytes: 4,
      write: (_, value) => void (state.driverFeaturesPage = value),
    },
    { name: "InterruptStatus", offset: 0x60, bytes: 4, read: () => state.interruptStatus },
    { name: "InterruptACK", offset: 0x64, bytes: 4, write: (_, value) => machinery.acknowledge(value) },
    {
      name: "Status",
      offset: 0x70,
      bytes: 4,
      read: () => state.status,
      write: (_, value) => machinery.setStatus(value),
    },
    // No shared memory: every region is of length -1.
    { name: "SHMLenLow", offset: 0xb0, bytes: 4, read: () => 0xffff_ffff },
    { name: "SHMLenHigh", offset: 0xb4, bytes: 4, read: () => 0xffff_ffff },
    { name: "SHMBaseLow", offset: 0xb8, bytes: 4, read: () => 0xffff_ffff },
    { name: "SHMBaseHigh", offset: 0xbc, bytes: 4, read: () => 0xffff_ffff },
    { name: "ConfigGeneration", offset: 0xfc, bytes: 4, read: () => state.generation },
  ];
}

function queueRegisters(machinery: Machinery): Register[] {
  const { state } = machinery;
  /** Low and high word of an address; what a queue that is in use has cannot be changed. */
  const address = (name: string, offset: number, field: "descriptors" | "available" | "used"): Register => ({
    name,
    offset,
    bytes: 4,
    count: 2,
    write(word, value) {
      const queue = machinery.selected;
      if (queue !== undefined && !queue.ready) queue[field][word as 0 | 1] = value;
    },
  });
  return [
    { name: "QueueSel", offset: 0x30, bytes: 4, write: (_, value) => void (state.selectedQueue = value) },
    {
      name: "QueueNumMax",
      offset: 0x34,
      bytes: 4,
      read: () => (machinery.selected === undefined ? 0 : mostEntries),
    },
    {
      name: "QueueNum",
      offset: 0x38,
      bytes: 4,
      write(_, value) {
        const queue = machinery.selected;
        if (queue !== undefined && !queue.ready && isPowerOfTwo(value) && value <= mostEntries) queue.size = value;
      },
    },
    {
      name: "QueueReady",
      offset: 0x44,
      bytes: 4,
      read: () => Number(machinery.selected?.ready ?? false),
      write: (_, value) => machinery.setReady((value & 1) !== 0),
    },
    { name: "QueueNotify", offset: 0x50, bytes: 4, write: (_, index) => machinery.kick(index) },
    address("QueueDesc", 0x80, "descriptors"),
    address("QueueDriver", 0x90, "available"),
    address("QueueDevice", 0xa0, "used"),
  ];
}

export function transportOver(
  state: VirtioState,
  device: VirtioDevice,
  slot: number,
  irq: number,
  wiring: Wiring,
): Transport {
  const machinery = new Machinery(state, device, slot, irq, wiring);
  const config: Register = {
    name: "Config",
    offset: configAt,
    bytes: 1,
    count: 0x100,
    widths: [1, 2, 4],
    read: (index) => device.config()[index] ?? 0,
  };
  return {
    registers: [...negotiationRegisters(machinery), ...queueRegisters(machinery), config],
    due: (queue) => machinery.look(queue),
    kick: (queue) => machinery.kick(queue),
    configChanged: () => machinery.configChanged(),
    absentAhead: () => machinery.absentAhead(),
    reset: () => machinery.reset(),
  };
}

/** A slot that nobody has plugged anything into: a driver sees device 0, and goes on. */
export const emptySlot: Device = {
  registers: [
    { name: "MagicValue", offset: 0, bytes: 4, read: () => magic },
    { name: "Version", offset: 4, bytes: 4, read: () => version },
    { name: "DeviceID", offset: 8, bytes: 4 },
    { name: "VendorID", offset: 0xc, bytes: 4, read: () => vendor },
  ],
  reset() {},
};
