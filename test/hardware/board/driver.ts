/** A small virtio driver for tests: negotiates, sets up a queue in RAM, and posts chains of descriptors. */
import { addressMap } from "../../../kernel/hardware/bus/map.ts";
import { type Rig, ramBase } from "./rig.ts";

export interface Buffer {
  address: number;
  length: number;
  writable: boolean;
}

const queueSize = 8;

export class Driver {
  readonly #rig: Rig;
  readonly base: number;
  readonly #queue: number;
  readonly #memory: number;
  #posted = 0;
  #seen = 0;

  /** `memory`: offset in RAM of a page that the queue may have. */
  constructor(rig: Rig, slot: number, queue = 0, memory = 0x1000) {
    this.#rig = rig;
    this.base = addressMap.virtio.base + slot * addressMap.virtio.bytes;
    this.#queue = queue;
    this.#memory = memory;
  }

  read = (offset: number): number => this.#rig.read(this.base + offset);
  write = (offset: number, value: number): boolean => this.#rig.write(this.base + offset, value);

  negotiate(low = 0): number {
    this.write(0x70, 0);
    this.write(0x70, 1);
    this.write(0x70, 3);
    this.write(0x24, 0);
    this.write(0x20, low);
    this.write(0x24, 1);
    this.write(0x20, 1);
    this.write(0x70, 11);
    return this.read(0x70);
  }

  get view(): DataView {
    return new DataView(this.#rig.ram.bytes.buffer);
  }

  setUp(): void {
    this.write(0x30, this.#queue);
    this.write(0x38, queueSize);
    const at = ramBase + this.#memory;
    for (const [offset, address] of [
      [0x80, at],
      [0x90, at + 0x400],
      [0xa0, at + 0x800],
    ] as const) {
      this.write(offset, address);
      this.write(offset + 4, 0);
    }
    this.write(0x44, 1);
  }

  start(low = 0): void {
    this.negotiate(low);
    this.setUp();
    this.write(0x70, 15);
  }

  describe(index: number, { address, length, writable }: Buffer, next: number | null, flags = 0): void {
    const at = this.#memory + 16 * index;
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, flags | (writable ? 2 : 0) | (next === null ? 0 : 1), true);
    this.view.setUint16(at + 14, next ?? 0, true);
  }

  /** Makes the chain that begins at a descriptor available. */
  offer(head: number): void {
    const ring = this.#memory + 0x400;
    this.view.setUint16(ring + 4 + 2 * (this.#posted % queueSize), head, true);
    this.#posted += 1;
    this.view.setUint16(ring + 2, this.#posted & 0xffff, true);
    this.write(0x50, this.#queue);
  }

  post(buffers: readonly Buffer[]): void {
    for (const [index, buffer] of buffers.entries())
      this.describe(index, buffer, index + 1 < buffers.length ? index + 1 : null);
    this.offer(0);
  }

  /** What has come back since it was last asked: head and bytes written. */
  returned(): { head: number; written: number }[] {
    const ring = this.#memory + 0x800;
    const index = this.view.getUint16(ring + 2, true);
    const done = [];
    for (; (this.#seen & 0xffff) !== index; this.#seen++) {
      const at = ring + 4 + 8 * (this.#seen % queueSize);
      done.push({ head: this.view.getUint32(at, true), written: this.view.getUint32(at + 4, true) });
    }
    return done;
  }
}
