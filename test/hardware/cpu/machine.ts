/**
 * A machine for tests and benchmarks of the CPU: one core, a page-table builder, and just enough of Linux to run a
 * static program. No kernel is involved.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { compileCpu } from "../../../api/hosting/cpu.ts";
import { type Bus, type Core, CoreStop, PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { type CpuModules, createRv64Core } from "../../../kernel/hardware/cpu/rv64/core.ts";
import { Translations } from "../../../kernel/hardware/cpu/rv64/translate/modules.ts";

export const RAM_BASE = 0x8000_0000;
export const PAGE = 4096;

/** As the server has them, so with the same settings of the engine. */
const { functional, timed } = compileCpu();
export const rv64Modules: CpuModules = { functional, timed };

/** With CPU_TRANSLATE set, whatever a test executes is translated as soon as it is jumped to. */
const everything = process.env["CPU_TRANSLATE"] ? new Translations({ jumps: 1, credit: 1e9 }) : undefined;

/** Bits of a page-table entry. */
export const Pte = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
const USER = Pte.V | Pte.U | Pte.A;
export const RX = USER | Pte.R | Pte.X;
export const RO = USER | Pte.R;
export const RW = USER | Pte.R | Pte.W | Pte.D;
export const RWX = RW | Pte.X;

export class Machine {
  readonly core: Core;
  readonly root: number;
  #next = 0;

  /** `timing`: the area of a timing model. */
  constructor(ramPages = 1024, bus?: Bus, timing: Uint8Array | null = null, translations = everything) {
    this.core = createRv64Core(
      { ...rv64Modules, translations },
      { ramPages, ramBase: RAM_BASE, timing, ...(bus && { bus }) },
    );
    this.core.pageFlags.fill(PageFlag.present);
    this.root = this.allocate();
    this.core.setAddressSpace(RAM_BASE / PAGE + this.root, 1);
  }

  /** The number of a RAM page that nobody uses yet. */
  allocate(): number {
    return this.#next++;
  }

  /** Makes RAM page `page` appear at `va`; `level` 1 or 2 makes a superpage. */
  map(va: bigint, page: number, bits: number, level = 0, root = this.root): void {
    this.mapPhysical(va, RAM_BASE / PAGE + page, bits, level, root);
  }

  /** The same for any physical page. */
  mapPhysical(va: bigint, ppn: number, bits: number, level = 0, root = this.root): void {
    this.core.ramView.setBigUint64(this.entryAddress(va, level, root), (BigInt(ppn) << 10n) | BigInt(bits), true);
  }

  /** Offset in RAM of the entry of `va` at `level`, with the tables above made as needed. */
  entryAddress(va: bigint, level = 0, root = this.root): number {
    let table = root;
    for (let l = 2; ; l--) {
      const at = table * PAGE + Number((va >> BigInt(12 + 9 * l)) & 511n) * 8;
      if (l === level) return at;
      const entry = this.core.ramView.getBigUint64(at, true);
      if (entry & 1n) table = Number(entry >> 10n) - RAM_BASE / PAGE;
      else {
        table = this.allocate();
        this.core.ramView.setBigUint64(at, (BigInt(RAM_BASE / PAGE + table) << 10n) | 1n, true);
      }
    }
  }

  /** Maps `count` fresh pages from `va`; returns the first one's number. */
  mapFresh(va: bigint, count: number, bits: number): number {
    const first = this.#next;
    this.#next += count;
    for (let i = 0; i < count; i++) this.map(va + BigInt(i * PAGE), first + i, bits);
    return first;
  }

  /** Writes instructions (numbers: 32-bit, or 16-bit when their low bits say compressed) to a RAM page. */
  code(page: number, words: number[], offset = 0): void {
    let at = page * PAGE + offset;
    for (const word of words) {
      this.core.ramView.setUint16(at, word & 0xffff, true);
      if ((word & 3) === 3) this.core.ramView.setUint16(at + 2, word >>> 16, true);
      at += (word & 3) === 3 ? 4 : 2;
    }
    this.core.wrote(page);
    if (at > (page + 1) * PAGE) this.core.wrote(page + 1);
  }
}

export interface Segment {
  address: number;
  size: number;
  bytes: Uint8Array;
}

export function readElf(bytes: Uint8Array): { entry: number; segments: Segment[]; phoff: number; phnum: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const phoff = u64(32);
  const phnum = view.getUint16(56, true);
  const segments: Segment[] = [];
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * 56;
    if (view.getUint32(at, true) !== 1) continue;
    segments.push({
      address: u64(at + 16),
      size: u64(at + 40),
      bytes: bytes.subarray(u64(at + 8), u64(at + 8) + u64(at + 32)),
    });
  }
  return { entry: u64(24), segments, phoff, phnum };
}

const STACK_TOP = 0x3f_0000_0000;
const STACK_PAGES = 64;
const BRK_PAGES = 4096;

/** A static Linux program in a machine of its own; single-threaded, output collected. */
export class Program {
  readonly machine: Machine;
  readonly core: Core;
  readonly output: Uint8Array[] = [];
  executed = 0;
  exitCode: number | undefined;
  #pages = new Map<number, number>();
  #brk: number;

  constructor(path: string, ramPages = 16384, timing: Uint8Array | null = null, translations = everything) {
    this.machine = new Machine(ramPages, undefined, timing, translations);
    this.core = this.machine.core;
    const bytes = readFileSync(path);
    const elf = readElf(bytes);
    let end = 0;
    for (const segment of elf.segments) {
      const first = Math.floor(segment.address / PAGE);
      const last = Math.floor((segment.address + segment.size - 1) / PAGE);
      for (let page = first; page <= last; page++) this.#page(page);
      this.copyIn(segment.address, segment.bytes);
      end = Math.max(end, (last + 1) * PAGE);
    }
    this.#brk = end;
    for (let i = 1; i <= STACK_PAGES; i++) this.#page(STACK_TOP / PAGE - i);
    this.#stack(elf);
    this.core.setPc(BigInt(elf.entry));
  }

  #page(virtualPage: number): number {
    const known = this.#pages.get(virtualPage);
    if (known !== undefined) return known;
    const page = this.machine.mapFresh(BigInt(virtualPage) * 4096n, 1, RWX);
    this.#pages.set(virtualPage, page);
    return page;
  }

  copyIn(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = address + done;
      const count = Math.min(PAGE - (at % PAGE), bytes.length - done);
      const page = this.#page(Math.floor(at / PAGE));
      this.core.ram.set(bytes.subarray(done, done + count), page * PAGE + (at % PAGE));
      this.core.wrote(page);
      done += count;
    }
  }

  copyOut(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = address + done;
      const count = Math.min(PAGE - (at % PAGE), length - done);
      const page = this.#page(Math.floor(at / PAGE)) * PAGE + (at % PAGE);
      out.set(this.core.ram.subarray(page, page + count), done);
      done += count;
    }
    return out;
  }

  /** argc, argv, envp and the auxiliary vector that a static glibc looks at. */
  #stack(elf: ReturnType<typeof readElf>): void {
    const top = STACK_TOP - 256;
    this.copyIn(top, new TextEncoder().encode("program\0"));
    this.copyIn(top + 64, new Uint8Array(16).fill(42));
    const headers = (elf.segments[0]?.address ?? 0) + elf.phoff;
    const auxiliary = [
      3,
      headers,
      4,
      56,
      5,
      elf.phnum,
      6,
      PAGE,
      9,
      elf.entry,
      11,
      0,
      12,
      0,
      13,
      0,
      14,
      0,
      23,
      0,
      25,
      top + 64,
      0,
      0,
    ];
    const words = new BigUint64Array([1, top, 0, 0, ...auxiliary].map(BigInt));
    const sp = top - 512;
    this.copyIn(sp, new Uint8Array(words.buffer));
    this.core.x[2] = BigInt(sp);
  }

  /** Runs to the exit, or until `limit` instructions; throws on a stop that no program should cause. */
  run(limit = Number.MAX_SAFE_INTEGER, slice = 1_000_000): void {
    while (this.exitCode === undefined && this.executed < limit) {
      const stop = this.core.run(Math.min(slice, limit - this.executed));
      this.executed += this.core.executed();
      if (stop === CoreStop.ecall) this.#call();
      else if (stop !== CoreStop.budget) {
        const where = `pc ${this.core.getPc().toString(16)}, value ${this.core.faultValue().toString(16)}`;
        throw new Error(`stop ${stop} at ${where} after ${this.executed}`);
      }
    }
  }

  get text(): string {
    return this.output.map((bytes) => new TextDecoder().decode(bytes)).join("");
  }

  #call(): void {
    const x = this.core.x;
    const [a0, a1, a2] = [x[10], x[11], x[12]].map(Number) as [number, number, number];
    let result = -38;
    switch (Number(x[17])) {
      case 64:
        this.output.push(this.copyOut(a1, a2));
        result = a2;
        break;
      case 66: {
        result = 0;
        const vectors = new BigUint64Array(this.copyOut(a1, a2 * 16).buffer);
        for (let i = 0; i < a2; i++) {
          this.output.push(this.copyOut(Number(vectors[2 * i]), Number(vectors[2 * i + 1])));
          result += Number(vectors[2 * i + 1]);
        }
        break;
      }
      case 93:
      case 94:
        this.exitCode = a0;
        return;
      case 214:
        if (a0 > this.#brk && a0 < this.#brk + BRK_PAGES * PAGE) {
          for (let page = Math.floor(this.#brk / PAGE); page <= Math.floor(a0 / PAGE); page++) this.#page(page);
          this.#brk = a0;
        }
        result = this.#brk;
        break;
      case 80: // fstat: not a terminal
      case 79:
        result = -22;
        break;
      case 96: // set_tid_address
        result = 1;
        break;
      case 226: // mprotect
      case 99: // set_robust_list
        result = 0;
        break;
      default:
    }
    x[10] = BigInt.asUintN(64, BigInt(result));
    this.core.setPc(this.core.getPc() + 4n);
  }
}
