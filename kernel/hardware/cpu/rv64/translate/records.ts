/**
 * Reading guest code as the interpreter's decoder sees it: decoded records (assembly/state.ts) of the pages around the
 * one that the translation starts in. Only pages that the current fetch TLB holds are read, so reading changes nothing
 * that a guest could notice: no page walk, no accessed bit, no fault.
 */
import {
  COMPRESSED,
  CURRENT_FETCH,
  ENTRIES,
  FETCH_ENTRIES,
  HOT,
  JUMPED,
  PAGE_SIZE,
  SLOT_BYTES,
  SLOT_PAGES,
  SLOTS,
} from "../assembly/layout.ts";
import { type OpName, opNames } from "../instructions/operations.ts";
import { changedBy, type Operands, type Registers, usedBy } from "./registers.ts";

/** What of assembly/index.ts is needed here. */
export interface Decoder {
  decodeLine(start: number, base: number, host: number): void;
  decodeScratch(offset: number, low: number, high: number): number;
}

export interface Instruction extends Operands {
  /** Distance in bytes from the start of the page that the translation starts in. */
  at: number;
  length: number;
  uses: Registers;
  changes: Registers;
  imm: number;
  /** The instruction as it is in memory, with the high half 0 if it is compressed. */
  bits: number;
  /** Where floating point is off, or not known to have been used (mstatus.FS is not Dirty). */
  guarded: boolean;
}

/** How many pages before and behind the first one can be looked at: UNDONE_BITS leaves no room for more (emitter.ts). */
const REACH = 500;

/** Bytes that are compared, or marks of jumps that are looked at, in the time in which an instruction is read. */
const CELLS_FOR_ONE = 512;

export interface CodePage {
  slot: number;
  host: number;
}

export class CodeReader {
  readonly #memory: DataView;
  readonly #decoder: Decoder;
  readonly #page: bigint;
  readonly #used: number;
  readonly #pages = new Map<number, CodePage | undefined>();
  /** What has been looked at so far, as so many instructions that were read. */
  looked = 0;

  /** `page` is the virtual address of the page that the translation starts in, `used` how many jumps to code are many. */
  constructor(memory: DataView, decoder: Decoder, page: bigint, used: number) {
    this.#used = used;
    this.#memory = memory;
    this.#decoder = decoder;
    this.#page = page;
  }

  /** The page `distance` pages from the first. */
  page(distance: number): CodePage | undefined {
    if (distance < -REACH || distance > REACH) return undefined;
    if (!this.#pages.has(distance)) this.#pages.set(distance, this.#lookUp(distance));
    return this.#pages.get(distance);
  }

  #lookUp(distance: number): CodePage | undefined {
    const page = BigInt.asIntN(64, this.#page + BigInt(distance * PAGE_SIZE));
    const index = Number((page >> 12n) & BigInt(FETCH_ENTRIES - 1));
    const entry = this.#memory.getInt32(CURRENT_FETCH, true) + index * 16;
    if (this.#memory.getBigInt64(entry, true) !== page) return undefined;
    return { slot: this.#memory.getInt32(entry + 8, true), host: this.#memory.getInt32(entry + 12, true) };
  }

  /**
   * What tells the code at `at`, which is in the first page, from most other code: its offset, its first halfword, and
   * whether its floating point is decoded as guarded.
   */
  place(at: number): number {
    const { slot, host } = this.page(0) as CodePage;
    return (at >> 1) | (this.#guarded(slot) << 11) | (this.#memory.getUint16(host + at, true) << 12);
  }

  #guarded(slot: number): number {
    return (this.#memory.getUint32(SLOT_PAGES + ((slot - SLOTS) / SLOT_BYTES) * 4, true) - 1) & 1;
  }

  /** The code from `from` up to `end`, on one page. */
  bytes(from: number, end: number): Uint8Array {
    const { host } = this.page(Math.floor(from / PAGE_SIZE)) as CodePage;
    return new Uint8Array(this.#memory.buffer, host + (from & (PAGE_SIZE - 1)), end - from).slice();
  }

  /** Whether the page is at hand and holds these bytes. */
  holds(distance: number, offset: number, bytes: Uint8Array): boolean {
    const page = this.page(distance);
    if (!page) return false;
    const at = page.host + offset;
    let same = 0;
    while (same < bytes.length && this.#memory.getUint8(at + same) === bytes[same]) same++;
    this.looked += same / CELLS_FOR_ONE;
    return same === bytes.length;
  }

  /** Undefined where the page is not at hand. */
  read(at: number): Instruction | undefined {
    const page = this.page(Math.floor(at / PAGE_SIZE));
    if (!page) return undefined;
    this.looked++;
    const record = page.slot + (at & (PAGE_SIZE - 1)) * 8;
    if (this.#op(record) === "None") this.#decoder.decodeLine(record, page.slot, page.host);
    const op = this.#op(record);
    if (op === undefined) return undefined;
    const code = page.host + (at & (PAGE_SIZE - 1));
    const guarded = this.#guarded(page.slot) === 1;
    if (op !== "Straddle") return this.#instruction(record, at, op, code, guarded);
    const next = this.page(Math.floor(at / PAGE_SIZE) + 1);
    if (!next) return undefined;
    const low = this.#memory.getUint16(code, true);
    const high = this.#memory.getUint16(next.host, true);
    const whole = this.#decoder.decodeScratch(PAGE_SIZE - 2, low, high);
    const straddling = this.#op(whole);
    return straddling && { ...this.#instruction(whole, at, straddling, code, guarded), bits: low | (high << 16) };
  }

  #op(record: number): OpName | undefined {
    return opNames[this.#memory.getUint8(record + 11)];
  }

  #instruction(record: number, at: number, op: OpName, code: number, guarded: boolean): Instruction {
    const length = this.#memory.getUint8(record + 10) & COMPRESSED ? 2 : 4;
    const register = (offset: number): number => this.#memory.getUint16(record + offset, true) >> 3;
    const operands = {
      op,
      rd: register(4),
      rs1: register(6),
      rs2: register(8),
      rs3: this.#memory.getUint8(record + 10),
    };
    return {
      ...operands,
      at,
      length,
      guarded,
      uses: usedBy(operands),
      changes: changedBy(operands),
      imm: this.#memory.getInt32(record + 12, true),
      bits:
        length === 2 || (at & (PAGE_SIZE - 1)) === PAGE_SIZE - 2
          ? this.#memory.getUint16(code, true)
          : this.#memory.getInt32(code, true),
    };
  }

  #mark(at: number): number {
    const page = this.page(Math.floor(at / PAGE_SIZE));
    return page ? this.#memory.getUint8(page.slot + JUMPED + ((at & (PAGE_SIZE - 1)) >> 1)) : 0;
  }

  /** Whether an indirect jump led here. */
  jumped(at: number): boolean {
    return (this.#mark(at) & 1) !== 0;
  }

  /** Whether the instruction here is part of a translation already. */
  covered(at: number): boolean {
    return (this.#mark(at) & 2) !== 0;
  }

  /** So many bytes of code of a page are part of a translation. */
  cover(distance: number, offset: number, length: number): void {
    const page = this.page(distance);
    if (!page) return;
    const first = page.slot + JUMPED + (offset >> 1);
    for (let cell = first; cell < first + (length >> 1); cell++)
      this.#memory.setUint8(cell, this.#memory.getUint8(cell) | 2);
  }

  /**
   * Whether blocks are to be parted between the instruction at `at` and the next: an instruction is checked together with
   * the pages that it is on, at the start of a block.
   */
  parts(at: number, next: number): boolean {
    if (Math.floor(next / PAGE_SIZE) !== Math.floor(at / PAGE_SIZE)) return true;
    return (next & (PAGE_SIZE - 1)) === PAGE_SIZE - 2 && this.read(next)?.length === 4;
  }

  /** Whether what starts here is jumped to often, or is translated. */
  inUse(at: number): boolean {
    const entry = this.#entry(at);
    return entry >= this.#used && entry !== HOT;
  }

  /** Whether a translation starts here. */
  entered(at: number): boolean {
    return this.#entry(at) > HOT;
  }

  #entry(at: number): number {
    const page = this.page(Math.floor(at / PAGE_SIZE));
    return page ? this.#memory.getUint16(page.slot + ENTRIES + (at & (PAGE_SIZE - 1)), true) : 0;
  }

  /** Places from `low` up to `high` that indirect jumps led to. */
  jumpedBetween(low: number, high: number): number[] {
    const out: number[] = [];
    for (let distance = Math.floor(low / PAGE_SIZE); distance * PAGE_SIZE < high; distance++) {
      const page = this.page(distance);
      if (!page) continue;
      const from = Math.max(low - distance * PAGE_SIZE, 0) >> 1;
      const to = Math.min(high - distance * PAGE_SIZE, PAGE_SIZE) >> 1;
      this.looked += (to - from) / CELLS_FOR_ONE;
      for (let half = from; half < to; half++) {
        if (this.#memory.getUint8(page.slot + JUMPED + half) & 1) out.push(distance * PAGE_SIZE + 2 * half);
      }
    }
    return out;
  }
}
