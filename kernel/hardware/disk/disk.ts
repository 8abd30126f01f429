/**
 * Reading and writing a disk, copy on write: a page is its image's until it is written.
 *
 * Written pages are to snapshots what pages of RAM are: each has its content's hash, is looked at again only when it is
 * dirty, and may be absent until it is used. Contract as in memory/ram.ts: bringing a page in changes nothing.
 */
import { assert } from "../../lib/assert.ts";
import { type DiskState, diskPageBytes } from "./state.ts";

export interface Disk {
  readonly bytes: number;
  readonly readOnly: boolean;
  readonly serial: string;
  /** The range must lie in the disk. */
  read(offset: number, into: Uint8Array): void;
  write(offset: number, bytes: Uint8Array): void;
  /** Makes a range zero. */
  clear(offset: number, length: number): void;
  readonly pages: DiskPages;
}

/** The written pages, by number, for snapshots. */
export interface DiskPages {
  readonly count: number;
  isPresent(page: number): boolean;
  isDirty(page: number): boolean;
  /** In order. */
  dirtyPages(): number[];
  page(page: number): Uint8Array;
  provide(page: number, bytes: Uint8Array): void;
  /** Those of the absent pages that are known to be zero. */
  provideZeros(isZero: (page: number) => boolean): void;
  clearDirty(): void;
  /** How many of them take memory: those that were written or brought in, but for zeros. */
  readonly held: number;
}

export interface DiskPorts {
  /** A part of an image. */
  content(hash: string, offset: number, length: number): Uint8Array;
  /** A written page's bytes, from the snapshot that the machine was restored from. */
  fetch(page: number): Uint8Array;
}

/** Shared by all pages that were cleared; replaced, never written to. */
const zeros = new Uint8Array(diskPageBytes);

class PagedDisk implements Disk, DiskPages {
  readonly #state: DiskState;
  readonly #ports: DiskPorts;
  readonly #held = new Map<number, Uint8Array>();
  readonly #dirty = new Set<number>();
  #heldInMemory = 0;

  constructor(state: DiskState, ports: DiskPorts) {
    this.#state = state;
    this.#ports = ports;
  }

  get bytes(): number {
    return this.#state.bytes;
  }
  get readOnly(): boolean {
    return this.#state.readOnly;
  }
  get serial(): string {
    return this.#state.serial;
  }
  get pages(): DiskPages {
    return this;
  }
  get count(): number {
    return this.#state.bytes / diskPageBytes;
  }

  get held(): number {
    return this.#heldInMemory;
  }

  #hold(page: number, bytes: Uint8Array): void {
    const before = this.#held.get(page) ?? zeros;
    this.#heldInMemory += Number(bytes !== zeros) - Number(before !== zeros);
    this.#held.set(page, bytes);
  }

  #isWritten(page: number): boolean {
    return ((this.#state.written[page >>> 5]! >>> (page & 31)) & 1) !== 0;
  }

  isPresent(page: number): boolean {
    return !this.#isWritten(page) || this.#held.has(page);
  }
  isDirty(page: number): boolean {
    return this.#dirty.has(page);
  }
  dirtyPages(): number[] {
    return [...this.#dirty].sort((a, b) => a - b);
  }
  clearDirty(): void {
    this.#dirty.clear();
  }
  provide(page: number, bytes: Uint8Array): void {
    assert(bytes.length === diskPageBytes, "a page has 4096 bytes");
    if (!this.isPresent(page)) this.#hold(page, bytes.slice());
  }

  provideZeros(isZero: (page: number) => boolean): void {
    for (let page = 0; page < this.count; page++) if (!this.isPresent(page) && isZero(page)) this.#hold(page, zeros);
  }

  page(page: number): Uint8Array {
    if (!this.#isWritten(page)) return this.#imagePage(page);
    if (!this.#held.has(page)) this.provide(page, this.#ports.fetch(page));
    return this.#held.get(page)!;
  }

  #imagePage(page: number): Uint8Array {
    const { image } = this.#state;
    const at = page * diskPageBytes;
    if (image === null || at >= image.size) return zeros;
    const bytes = this.#ports.content(image.content, at, Math.min(diskPageBytes, image.size - at));
    if (bytes.length === diskPageBytes) return bytes;
    const padded = new Uint8Array(diskPageBytes);
    padded.set(bytes);
    return padded;
  }

  #replace(page: number, bytes: Uint8Array): void {
    this.#hold(page, bytes);
    this.#dirty.add(page);
    this.#state.written[page >>> 5]! |= 1 << (page & 31);
  }

  /** The page's bytes, for writing. */
  #own(page: number): Uint8Array {
    const held = this.#held.get(page);
    const bytes = held !== undefined && held !== zeros ? held : this.page(page).slice();
    this.#replace(page, bytes);
    return bytes;
  }

  /** Calls back with the pieces of a range, page by page. */
  #eachPage(offset: number, length: number, visit: (page: number, from: number, to: number, at: number) => void): void {
    assert(offset >= 0 && offset + length <= this.bytes, "the range lies in the disk");
    for (let at = 0; at < length; ) {
      const page = Math.floor((offset + at) / diskPageBytes);
      const from = offset + at - page * diskPageBytes;
      const to = Math.min(diskPageBytes, from + length - at);
      visit(page, from, to, at);
      at += to - from;
    }
  }

  read(offset: number, into: Uint8Array): void {
    this.#eachPage(offset, into.length, (page, from, to, at) => into.set(this.page(page).subarray(from, to), at));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#eachPage(offset, bytes.length, (page, from, to, at) => {
      if (to - from === diskPageBytes) this.#replace(page, bytes.slice(at, at + diskPageBytes));
      else this.#own(page).set(bytes.subarray(at, at + to - from), from);
    });
  }

  clear(offset: number, length: number): void {
    this.#eachPage(offset, length, (page, from, to) => {
      if (to - from === diskPageBytes) this.#replace(page, zeros);
      else this.#own(page).fill(0, from, to);
    });
  }
}

export const diskOver = (state: DiskState, ports: DiskPorts): Disk => new PagedDisk(state, ports);
