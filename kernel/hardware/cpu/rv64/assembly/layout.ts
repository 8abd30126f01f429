/**
 * Where everything lives in the machine's one WebAssembly memory. Shared by the AssemblyScript core and by
 * `../core.ts`, so it is written in the common subset of both languages: plain numeric constants.
 *
 *   0x0000   (nothing: static data would go here, and there is none)
 *   0x1000   control block: registers, counters, the reason of the last stop
 *   0x3000   which physical page each code slot holds
 *   0x10000  translation banks, one per recently used address space: read TLB, write TLB, fetch TLB
 *   SLOTS    decoded pages, plus one scratch slot for instructions that straddle two pages
 *   FLAGS    one byte of PageFlag per RAM page, then the code slot of each RAM page (u16)
 *   RAM      guest RAM, at a multiple of 64 KiB that depends on its size
 *
 * Memory that is never touched is never committed by the host, so the generous tables cost a small machine nothing.
 */

export const PAGE_SIZE = 4096;

// Registers. An operand of a decoded instruction is a byte offset from REGS, so that integer registers, the sink for
// writes to x0 and floating-point registers are reached by the same load or store.
export const REGS = 0x1000;
export const SINK_OFFSET = 0x100;
export const F_OFFSET = 0x200;
export const F_REGS = 0x1200;

export const PC = 0x1300;
export const FCSR = 0x1308;
export const RESERVATION = 0x1310;
export const FAULT_VALUE = 0x1318;
export const FAULT_PAGE = 0x1320;
export const EXECUTED = 0x1328;
export const INSTRET_BASE = 0x1330;
export const TIME_BASE = 0x1338;

export const SLOT_PAGES = 0x3000;

// Translation banks.
export const BANKS = 0x10000;
export const BANK_COUNT = 8;
export const TLB_ENTRIES = 4096;
export const TLB_BYTES = 0x10000;
export const READ_TLB = 0;
export const WRITE_TLB = 0x10000;
export const FETCH_TLB = 0x20000;
export const FETCH_ENTRIES = 256;
export const FETCH_BYTES = 0x1000;
export const BANK_BYTES = 0x21000;

// Decoded pages: 2048 records of 16 bytes, then two that stay empty: running off the page ends on one of them.
export const SLOTS = 0x120000;
export const SLOT_COUNT = 512;
export const SLOT_BYTES = 0x8020;
export const SLOT_RECORDS_BYTES = 0x8000;
export const SCRATCH_SLOT = 0x1124000;

export const FLAGS = 0x1140000;

/** Offset of guest RAM in the WebAssembly memory. */
export function ramOffset(ramPages: number): number {
  return Math.ceil((FLAGS + 3 * ramPages) / 0x10000) * 0x10000;
}
