/**
 * Sv39 page tables (RISC-V Privileged Architecture, chapter "Sv39") in guest RAM.
 *
 * Three levels of 512 eight-byte entries. The kernel itself makes 4 KiB leaves only; larger ones are set by hand
 * (`setEntry`), and whoever set them takes them out. A and D are set when an entry is made,
 * since the hart raises a page fault where they are clear. A frame's entry holds its physical page number, so
 * entries stay below 2^44 and are handled as numbers.
 */

import { assert } from "../../lib/assert.ts";
import type { FrameNumber } from "../../lib/ids.ts";
import {
  type EntryTarget,
  type Mapping,
  type Mmu,
  Permission,
  type Permissions,
  type PhysicalMemory,
  pageBytes,
  type WalkStep,
} from "../types.ts";

const Entry = { valid: 1, read: 2, write: 4, execute: 8, user: 16, accessed: 64, dirty: 128 } as const;
const leafBits = Entry.read | Entry.write | Entry.execute;
const entriesPerTable = 512;
/** Bytes covered by one entry of the tables at depth 0, 1, 2. */
const spans = [2 ** 30, 2 ** 21, 2 ** 12] as const;
const spanBits = [30, 21, 12] as const;
export const userEnd = 2 ** 38;

const indexAt = (address: number, depth: number): number => Math.floor(address / spans[depth]!) % entriesPerTable;

/** A page that may not be touched at all keeps its frame in an entry that user mode cannot use. */
const inaccessible = Entry.valid | Entry.read | Entry.accessed;

function flagsOf(permissions: Permissions): number {
  if (permissions === 0) return inaccessible;
  let flags = Entry.valid | Entry.user | Entry.accessed;
  if (permissions & (Permission.read | Permission.write)) flags |= Entry.read;
  if (permissions & Permission.write) flags |= Entry.write | Entry.dirty;
  if (permissions & Permission.execute) flags |= Entry.execute;
  return flags;
}

const permissionsOf = (flags: number): Permissions =>
  (flags & Entry.user) === 0
    ? 0
    : (flags & Entry.read ? Permission.read : 0) |
      (flags & Entry.write ? Permission.write : 0) |
      (flags & Entry.execute ? Permission.execute : 0);

export class PageTables
  implements
    Pick<Mmu, "initRoot" | "walk" | "setEntry" | "empty" | "lookup" | "map" | "unmap" | "forEach" | "eachTable">
{
  readonly #memory: PhysicalMemory;
  readonly #firstPpn: number;

  constructor(memory: PhysicalMemory, ramBase: number) {
    this.#memory = memory;
    this.#firstPpn = ramBase / pageBytes;
  }

  ppnOf(frame: FrameNumber): number {
    return this.#firstPpn + frame;
  }

  #get(table: FrameNumber, index: number): number {
    return this.#memory.getWord(table, index);
  }

  #set(table: FrameNumber, index: number, frame: FrameNumber, flags: number): void {
    this.#memory.setWord(table, index, flags === 0 ? 0 : this.ppnOf(frame) * 1024 + flags);
  }

  #frameOf(entry: number): FrameNumber {
    return (Math.floor(entry / 1024) - this.#firstPpn) as FrameNumber;
  }

  /** The table that holds the leaf entry of an address, if there is one. */
  #leafTable(root: FrameNumber, address: number): FrameNumber | null {
    let table = root;
    for (let depth = 0; depth < 2; depth++) {
      const entry = this.#get(table, indexAt(address, depth));
      if ((entry & Entry.valid) === 0 || entry & leafBits) return null;
      table = this.#frameOf(entry);
    }
    return table;
  }

  initRoot(root: FrameNumber): void {
    this.#memory.clear(root);
  }

  walk(root: FrameNumber, address: number): WalkStep[] {
    const steps: WalkStep[] = [];
    let table = root;
    for (let depth = 0; depth < spans.length; depth++) {
      const index = indexAt(address, depth);
      const step = this.#stepOf(this.#get(table, index), spanBits[depth]!, index);
      steps.push(step);
      if (step.kind !== "table") break;
      table = step.frame;
    }
    return steps;
  }

  #stepOf(entry: number, bits: number, index: number): WalkStep {
    const none = { bits, kind: "empty", frame: 0 as FrameNumber, permissions: 0, entry, index } as const;
    if ((entry & Entry.valid) === 0) return none;
    const frame = this.#frameOf(entry);
    return entry & leafBits
      ? { ...none, kind: "page", frame, permissions: permissionsOf(entry) }
      : { ...none, kind: "table", frame };
  }

  empty(table: FrameNumber, bits: number, left: (entry: WalkStep) => void): void {
    for (let index = 0; index < entriesPerTable; index++) {
      const entry = this.#get(table, index);
      if ((entry & Entry.valid) === 0) continue;
      const step = this.#stepOf(entry, bits, index);
      if (step.kind === "table") this.empty(step.frame, bits - 9, left);
      this.#set(table, index, 0 as FrameNumber, 0);
      left(step);
    }
  }

  setEntry(root: FrameNumber, address: number, bits: number, to: EntryTarget | null): void {
    let table = root;
    for (let depth = 0; ; depth++) {
      const index = indexAt(address, depth);
      if (spanBits[depth] === bits) {
        if (to === null) this.#set(table, index, 0 as FrameNumber, 0);
        else this.#set(table, index, to.frame, to.kind === "table" ? Entry.valid : flagsOf(to.permissions));
        return;
      }
      const entry = this.#get(table, index);
      assert(depth < 2 && entry & Entry.valid && (entry & leafBits) === 0, "a table on the way to the entry");
      table = this.#frameOf(entry);
    }
  }

  lookup(root: FrameNumber, address: number): Mapping | null {
    let table = root;
    for (let depth = 0; depth < spans.length; depth++) {
      const entry = this.#get(table, indexAt(address, depth));
      if ((entry & Entry.valid) === 0) return null;
      const frame = this.#frameOf(entry);
      if (entry & leafBits) {
        const within = Math.floor((address % spans[depth]!) / pageBytes);
        return { frame: (frame + within) as FrameNumber, permissions: permissionsOf(entry) };
      }
      table = frame;
    }
    return null;
  }

  map(root: FrameNumber, address: number, mapping: Mapping, allocateTable: () => FrameNumber | null): boolean {
    assert(address >= 0 && address < userEnd && address % pageBytes === 0, "a page of user memory");
    let table = root;
    for (let depth = 0; depth < 2; depth++) {
      const index = indexAt(address, depth);
      const entry = this.#get(table, index);
      if (entry & leafBits) return false;
      if (entry & Entry.valid) {
        table = this.#frameOf(entry);
        continue;
      }
      const next = allocateTable();
      if (next === null) return false;
      this.#memory.clear(next);
      this.#set(table, index, next, Entry.valid);
      table = next;
    }
    this.#set(table, indexAt(address, 2), mapping.frame, flagsOf(mapping.permissions));
    return true;
  }

  unmap(root: FrameNumber, address: number): Mapping | null {
    const table = this.#leafTable(root, address);
    if (table === null) return null;
    const index = indexAt(address, 2);
    const entry = this.#get(table, index);
    if ((entry & Entry.valid) === 0) return null;
    this.#set(table, index, 0 as FrameNumber, 0);
    return { frame: this.#frameOf(entry), permissions: permissionsOf(entry) };
  }

  forEach(root: FrameNumber, start: number, end: number, visit: (address: number, mapping: Mapping) => void): void {
    let address = start;
    const topEnd = Math.ceil(end / spans[0]);
    while (address < end) {
      const first = indexAt(address, 0);
      const next = this.#memory.nextWord(root, first, topEnd);
      if (next >= topEnd) return;
      if (next > first) address = next * spans[0];
      const top = this.#get(root, next);
      if ((top & Entry.valid) === 0 || top & leafBits) {
        address = (next + 1) * spans[0];
        continue;
      }
      const middle = this.#get(this.#frameOf(top), indexAt(address, 1));
      const stop = Math.min(end, (Math.floor(address / spans[1]) + 1) * spans[1]);
      if ((middle & Entry.valid) === 0 || middle & leafBits) {
        address = stop;
        continue;
      }
      const table = this.#frameOf(middle);
      const base = address - indexAt(address, 2) * pageBytes;
      const behind = Math.ceil((stop - base) / pageBytes);
      for (let index = indexAt(address, 2); ; index++) {
        index = this.#memory.nextWord(table, index, behind);
        if (index >= behind) break;
        const entry = this.#get(table, index);
        const at = base + index * pageBytes;
        if (entry & Entry.valid) visit(at, { frame: this.#frameOf(entry), permissions: permissionsOf(entry) });
      }
      address = stop;
    }
  }

  /** The tables that a table's entries lead to. */
  #tablesIn(table: FrameNumber, visit: (frame: FrameNumber) => void): void {
    for (let index = 0; ; index++) {
      index = this.#memory.nextWord(table, index, entriesPerTable);
      if (index >= entriesPerTable) return;
      const entry = this.#get(table, index);
      if (entry & Entry.valid && (entry & leafBits) === 0) visit(this.#frameOf(entry));
    }
  }

  eachTable(root: FrameNumber, visit: (frame: FrameNumber) => void): void {
    this.#tablesIn(root, (middle) => {
      this.#tablesIn(middle, visit);
      visit(middle);
    });
    visit(root);
  }
}
