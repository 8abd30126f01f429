/**
 * RAM as a set of 4 KiB pages that may still have to be fetched.
 *
 * A page whose PRESENT flag is clear has content that is fixed elsewhere (a snapshot's page store). Bringing it
 * in changes no state: it is as if it had always been there.
 */
import { assert, KernelBug } from "../../lib/assert.ts";
import { type Core, PageFlag } from "../cpu/core.ts";

const pageBytes = 4096;
const smallCopy = 64;

export interface Ram {
  readonly pages: number;
  readonly base: number;
  isPresent(page: number): boolean;
  /** The page's bytes, fetched first if need be. For reading. */
  read(page: number): Uint8Array;
  /** The page's bytes, for writing: marked dirty, decoded code dropped. */
  write(page: number): Uint8Array;
  /** One of the page's 512 words (64 bits, below 2^53), little-endian. */
  getWord(page: number, index: number): number;
  setWord(page: number, index: number, value: number): void;
  /** The first of the words [from, to) that is not zero; `to` when all are. */
  nextWord(page: number, from: number, to: number): number;
  /** Copies bytes [from, to) of the page to `target` at `at`. */
  copyOut(page: number, from: number, to: number, target: Uint8Array, at: number): void;
  /** Copies `count` bytes of `source` from `at` on to the page, at byte `to`. */
  copyIn(page: number, to: number, source: Uint8Array, at: number, count: number): void;
  /** Fills with zeros; what was there need not be fetched. */
  clear(page: number): void;
  /** Bytes that were asked for; a page that is already present is left alone. */
  provide(page: number, bytes: Uint8Array): void;
}

/** Fetches bytes of pages that the kernel cannot go on without. */
export type PageSource = (pages: readonly number[]) => Uint8Array[];

/** Making views costs more than copying a few bytes one by one. */
function copyBytes(from: Uint8Array, at: number, target: Uint8Array, to: number, count: number): void {
  if (count > smallCopy) target.set(from.length === count ? from : from.subarray(at, at + count), to);
  else for (let i = 0; i < count; i++) target[to + i] = from[at + i]!;
}

export function createRam(core: Core, fetchPages: PageSource): Ram {
  const { ram, pageFlags } = core;
  const words = new Uint32Array(ram.buffer, ram.byteOffset, ram.length / 4);
  const pages = Math.min(pageFlags.length, ram.length / pageBytes);
  const isPresent = (page: number): boolean => (pageFlags[page]! & PageFlag.present) !== 0;
  const view = (page: number): Uint8Array => ram.subarray(page * pageBytes, (page + 1) * pageBytes);

  const provide = (page: number, bytes: Uint8Array): void => {
    assert(bytes.length === pageBytes, "a page has 4096 bytes");
    if (isPresent(page)) return;
    view(page).set(bytes);
    pageFlags[page]! |= PageFlag.present;
  };
  const bringIn = (page: number): void => {
    if (!(page >= 0 && page < pages)) throw new KernelBug(`page ${page} is outside RAM`);
    if (!isPresent(page)) provide(page, fetchPages([page])[0]!);
  };
  const read = (page: number): Uint8Array => {
    bringIn(page);
    return view(page);
  };

  return {
    pages,
    base: core.ramBase,
    isPresent,
    read,
    write(page) {
      const bytes = read(page);
      core.wrote(page);
      return bytes;
    },
    getWord(page, index) {
      bringIn(page);
      const at = page * pageBytes + index * 8;
      return core.ramView.getUint32(at, true) + core.ramView.getUint32(at + 4, true) * 2 ** 32;
    },
    setWord(page, index, value) {
      bringIn(page);
      const at = page * pageBytes + index * 8;
      core.ramView.setUint32(at, value % 2 ** 32, true);
      core.ramView.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
      core.wrote(page);
    },
    nextWord(page, from, to) {
      bringIn(page);
      const first = (page * pageBytes) / 4;
      let index = from;
      while (index < to && (words[first + 2 * index]! | words[first + 2 * index + 1]!) === 0) index++;
      return index;
    },
    copyOut(page, from, to, target, at) {
      bringIn(page);
      copyBytes(ram, page * pageBytes + from, target, at, to - from);
    },
    copyIn(page, to, source, at, count) {
      bringIn(page);
      copyBytes(source, at, ram, page * pageBytes + to, count);
      core.wrote(page);
    },
    clear(page) {
      assert(page >= 0 && page < pages, `page ${page} is outside RAM`);
      pageFlags[page]! |= PageFlag.present;
      ram.fill(0, page * pageBytes, (page + 1) * pageBytes);
      core.wrote(page);
    },
    provide,
  };
}
