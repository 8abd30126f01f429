/**
 * Where everything lives in the machine's one WebAssembly memory. Shared by the AssemblyScript core and by
 * `../core.ts`, so it is written in the common subset of both languages: plain numeric constants.
 *
 *   0x0000   (nothing: static data would go here, and there is none)
 *   0x1000   control block: first what belongs to the hart, then the reason of the last stop and the current banks
 *   0x3000   which physical page each code slot holds; what each bank stands for
 *   0x8000   the harts that are not executing: copies of their part of the control block
 *   0x10000  fetch banks, then data banks (read TLB, write TLB): one for each recently used meaning of an address
 *   SLOTS    decoded pages, plus one scratch slot for instructions that straddle two pages
 *   FLAGS    one byte of PageFlag per RAM page, then a record of PAGE_RECORD bytes for each
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
/** Instructions that this hart has retired, up to the last stop. */
export const INSTRET_BASE = 0x1318;

/** What belongs to a hart: from REGS on. */
export const HART_BYTES = 0x800;

// The privileged state of a hart: 64 bits each. Counters are offsets from INSTRET_BASE, unless they are inhibited.
export const MODE = 0x1320;
export const MSTATUS = 0x1328;
export const MEDELEG = 0x1330;
export const MIDELEG = 0x1338;
export const MIE = 0x1340;
/** The bits of mip that software sets. */
export const MIP = 0x1348;
/** The bits of mip that lines from outside the hart set. */
export const LINES = 0x1350;
export const MTVEC = 0x1358;
export const MSCRATCH = 0x1360;
export const MEPC = 0x1368;
export const MCAUSE = 0x1370;
export const MTVAL = 0x1378;
export const MCOUNTEREN = 0x1380;
export const MCOUNTINHIBIT = 0x1388;
export const MENVCFG = 0x1390;
export const MCYCLE = 0x1398;
export const MINSTRET = 0x13a0;
export const MHARTID = 0x13a8;
export const STVEC = 0x13b0;
export const SSCRATCH = 0x13b8;
export const SEPC = 0x13c0;
export const SCAUSE = 0x13c8;
export const STVAL = 0x13d0;
export const SCOUNTEREN = 0x13d8;
export const SENVCFG = 0x13e0;
export const SATP = 0x13e8;
export const STIMECMP = 0x13f0;
/** pmpcfg0 and pmpcfg2, then pmpaddr0 to pmpaddr15. */
export const PMPCFG = 0x1400;
export const PMPADDR = 0x1410;
export const PMP_ENTRIES = 16;
/** Derived from the two: where each entry begins and ends. */
export const PMP_RANGES = 0x1500;

// The reason of the last stop, and what a run works with.
export const FAULT_VALUE = 0x1800;
export const FAULT_PAGE = 0x1808;
export const EXECUTED = 0x1810;
export const TIME_BASE = 0x1818;
/** Address of the data bank in force, and of the fetch bank. They change with the meaning of addresses only. */
export const CURRENT_BANK = 0x1820;
export const CURRENT_FETCH = 0x1824;
/** Physical address of the device register that was refused as RAM. */
export const DEVICE_ADDRESS = 0x1828;
/** Set by the host during an access to a device: nobody answers there; the run has to stop behind the instruction. */
export const BUS_FAULT = 0x1830;
export const ATTENTION = 0x1834;
/** Instructions that this run has executed before the present stretch of it; EXECUTED counts in the stretch. */
export const DONE = 0x1838;
/** What the present instruction has changed in page-table entries: how many, whose, and what they were. */
export const UPDATES = 0x1840;
export const UPDATE_STAMP = 0x1848;
export const UPDATE_LOG = 0x1850;
/** What mtime is ahead of virtual time, in its own units and modulo 2^64: somebody has written it. */
export const TIME_OFFSET = 0x1900;
/** What was done besides executing since the last run ended (work.ts). */
export const WORK = 0x1908;

export const SLOT_PAGES = 0x3000;
export const BANK_KEYS = 0x3800;
export const FETCH_KEYS = 0x3a00;

export const PARKED_HARTS = 0x8000;
export const MAX_HARTS = 8;

// Translation banks.
export const FETCH_BANKS = 0x10000;
export const FETCH_BANK_COUNT = 16;
export const FETCH_ENTRIES = 512;
export const FETCH_BYTES = 0x2000;
export const BANKS = 0x30000;
export const BANK_COUNT = 16;
export const TLB_ENTRIES = 4096;
export const TLB_BYTES = 0x10000;
export const READ_TLB = 0;
export const WRITE_TLB = 0x10000;
export const BANK_BYTES = 0x20000;

// Decoded pages: 2048 records of 16 bytes, then two that stay empty: running off the page ends on one of them. Behind
// them is what the translator keeps for each halfword (translated.ts says what it means).
export const SLOTS = 0x230000;
export const SLOT_COUNT = 512;
export const SLOT_BYTES = 0x9830;
export const SLOT_RECORDS_BYTES = 0x8000;
export const ENTRIES = 0x8020;
export const JUMPED = 0x9020;
export const TRANSLATED = 0x9820;
export const SCRATCH_SLOT = 0x1536000;

/** In a record: its instruction has two bytes. */
export const COMPRESSED = 0x80;

/** An entry below this counts how often its code was jumped to; one above is a function's place in the table. */
export const HOT = 2048;

/** Calls that translated functions may nest in one another; each takes a frame on the host's stack. */
export const NESTABLE = 64;

export const FLAGS = 0x1540000;
/**
 * Per RAM page, behind the flags: the code slots that it owns (two u16), where it is entered as writable (u32), and
 * which addresses it translates as a page table (u32).
 */
export const PAGE_RECORD = 12;

/** Offset of guest RAM in the WebAssembly memory. */
export function ramOffset(ramPages: number): number {
  return Math.ceil((FLAGS + (1 + PAGE_RECORD) * ramPages) / 0x10000) * 0x10000;
}
