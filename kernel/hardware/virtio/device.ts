/** What a kind of virtio device is to its transport (transport.ts): numbers, configuration, and how requests are served. */
import type { Dma } from "../bus/dma.ts";
import type { Chain } from "./queue.ts";

export interface VirtioDevice {
  /** Device ID of the virtio specification. */
  readonly id: number;
  readonly queues: number;
  /** Bits 0 to 31 of the features that it offers; those above are the transport's. */
  readonly features: number;
  /** Its configuration space. */
  config(): Uint8Array;
  /** Whether a request in this queue could be served now: a queue for receiving waits for something to receive. */
  canServe(queue: number): boolean;
  /** Carries a request out; how many bytes it wrote, and how long the device is busy with it. */
  serve(queue: number, chain: Chain, dma: Dma): Served;
  /** Pages that a request is going to need and that are absent, by the numbers that snapshots have for them. */
  absentFor?(chain: Chain, dma: Dma): number[];
  /** The driver, or the machine, has reset the device. */
  reset?(): void;
}

export interface Served {
  written: number;
  busyNs: number;
}
