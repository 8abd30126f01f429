/**
 * The window through which devices reach RAM. What a device writes marks pages as written, drops decoded code and ends
 * reservations, as an instruction's store does; a page that has not been fetched is fetched, so a device never sees wrong
 * data.
 *
 * Addresses come from guests: any number, also one that is no RAM. Then nothing is moved.
 */
import { type Effort, spend } from "../../lib/effort.ts";
import type { Ram } from "../memory/ram.ts";

const pageBytes = 4096;

export interface Dma {
  /** Whether the whole range is RAM. */
  contains(address: number, length: number): boolean;
  /** Fills `into` from RAM; false (nothing done) when the range is not RAM. */
  read(address: number, into: Uint8Array): boolean;
  write(address: number, bytes: Uint8Array): boolean;
  /** Little-endian, 2, 4 or 8 bytes; null when it is not RAM. A value from 2^53 on loses its low bits. */
  get(address: number, bytes: 2 | 4 | 8): number | null;
  set(address: number, bytes: 2 | 4 | 8, value: number): boolean;
  /** Pages of the range that have not been fetched yet; for asking before they are needed. */
  absent(address: number, length: number): number[];
}

/** `dropReservations`: of harts, that may be about what is being written. */
export function dmaOver(ram: Ram, effort: Effort, dropReservations: () => void = () => {}): Dma {
  const end = ram.base + ram.pages * pageBytes;
  const contains = (address: number, length: number): boolean =>
    Number.isSafeInteger(address) && length >= 0 && address >= ram.base && address + length <= end;

  /** Calls back for each page of a range of RAM. */
  const eachPage = (
    address: number,
    length: number,
    visit: (page: number, from: number, to: number, at: number) => void,
  ): void => {
    for (let at = 0; at < length; ) {
      const offset = address - ram.base + at;
      const page = Math.floor(offset / pageBytes);
      const from = offset - page * pageBytes;
      const to = Math.min(pageBytes, from + length - at);
      visit(page, from, to, at);
      at += to - from;
    }
  };
  const read = (address: number, into: Uint8Array): boolean => {
    if (!contains(address, into.length)) return false;
    spend(effort, 1, "accesses");
    spend(effort, into.length, "bytes");
    eachPage(address, into.length, (page, from, to, at) => ram.copyOut(page, from, to, into, at));
    return true;
  };
  const write = (address: number, bytes: Uint8Array): boolean => {
    if (!contains(address, bytes.length)) return false;
    spend(effort, 1, "accesses");
    spend(effort, bytes.length, "bytes");
    dropReservations();
    eachPage(address, bytes.length, (page, from, to, at) =>
      ram.write(page).set(bytes.subarray(at, at + to - from), from),
    );
    return true;
  };
  const word = new Uint8Array(8);
  return {
    contains,
    read,
    write,
    get(address, bytes) {
      const part = word.subarray(0, bytes);
      if (!read(address, part)) return null;
      let value = 0;
      for (let i = bytes - 1; i >= 0; i--) value = value * 256 + part[i]!;
      return value;
    },
    set(address, bytes, value) {
      const part = word.subarray(0, bytes);
      for (let i = 0; i < bytes; i++) part[i] = Math.floor(value / 2 ** (8 * i)) % 256;
      return write(address, part);
    },
    absent(address, length) {
      const pages: number[] = [];
      if (!contains(address, length)) return pages;
      spend(effort, 1 + length / pageBytes, "items");
      eachPage(address, length, (page) => {
        if (!ram.isPresent(page)) pages.push(page);
      });
      return pages;
    },
  };
}
