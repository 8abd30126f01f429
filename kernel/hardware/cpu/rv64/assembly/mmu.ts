/**
 * Sv39 (privileged specification, section 4.4) as user mode sees it, and what is remembered of it in the banks.
 *
 * Svade: an access through an entry with A clear, or a write with D clear, is a page fault; entries are never written.
 */
import * as L from "./layout";
import {
  currentBank, currentFetch, flushBanks, flushInData, flushInFetch, forgetOtherData, initializeBanks, noteWriter, useDataBank, useFetchBank,
} from "./banks";
import { Stop, stopWith } from "./state";
import { forgetTranslation, forgetTranslations } from "./timing";

export const enum Access { Read = 0, Write = 1, Fetch = 2 }

const PRESENT: i32 = 1;
const DIRTY: i32 = 2;
export const CODE: i32 = 4;
/** What takes a page its write entries: something is derived from its contents. */
export const GUARDED: i32 = CODE;

const V: u64 = 1, R: u64 = 2, W: u64 = 4, X: u64 = 8, U: u64 = 16, A: u64 = 64, D: u64 = 128;

let ramPages: u64 = 0;
let ramBasePpn: u64 = 0;
let ramHost: i32 = 0;
let hasBus: bool = false;
let rootPpn: u64 = ~0;
let asidNow: u64 = 0;
/** Why the last `walk` or `translate` returned 0. */
let refusal: Stop = Stop.None;
/** A leaf above the last level has been met since the banks were emptied: then one page alone cannot be flushed. */
let superpages: bool = false;

// @ts-ignore: decorator
@inline export function refused(): Stop { return refusal; }
// @ts-ignore: decorator
@inline export function pageOfHost(host: i32): i32 { return <i32>(<u32>(host - ramHost) >> 12); }
// @ts-ignore: decorator
@inline export function hostOfPage(page: i32): i32 { return ramHost + (page << 12); }
// @ts-ignore: decorator
@inline export function flagsOf(page: i32): i32 { return load<u8>(L.FLAGS + page); }
// @ts-ignore: decorator
@inline export function setFlags(page: i32, flags: i32): void { store<u8>(L.FLAGS + page, flags); }
/** Address of the record of a page: its code slots (two u16), its write entry (u32). */
// @ts-ignore: decorator
@inline function recordOf(page: i32): i32 { return L.FLAGS + <i32>ramPages + page * L.PAGE_RECORD; }
/** Address of the number of the code slot of a page. */
// @ts-ignore: decorator
@inline export function slotCell(page: i32): i32 { return recordOf(page); }
/** Address of what banks.ts notes about the page's write entries. */
// @ts-ignore: decorator
@inline export function writerCell(page: i32): i32 { return recordOf(page) + 4; }

export function configure(pages: i32, basePpn: u64, host: i32, bus: bool): void {
  ramPages = pages;
  ramBasePpn = basePpn;
  ramHost = host;
  hasBus = bus;
  initializeBanks();
}

function refuse(reason: Stop, va: i64): i32 {
  refusal = stopWith(reason, va);
  return 0;
}

function pageFault(va: i64, access: Access): i32 {
  if (access == Access.Read) return refuse(Stop.LoadPageFault, va);
  return refuse(access == Access.Write ? Stop.StorePageFault : Stop.InstructionPageFault, va);
}

/** Host address of the RAM page with this physical page number, or 0: it may be that of a device, for data. */
function ramPage(ppn: u64, va: i64, access: Access): i32 {
  const page = ppn - ramBasePpn;
  if (page >= ramPages) {
    if (!hasBus || access == Access.Fetch) return refuse(Stop.AccessFault, va);
    store<u64>(L.DEVICE_ADDRESS, ppn << 12 | va & 4095);
    return refuse(Stop.Device, va);
  }
  if (!(flagsOf(<i32>page) & PRESENT)) {
    store<u32>(L.FAULT_PAGE, <u32>page);
    return refuse(Stop.NeedPage, va);
  }
  return hostOfPage(<i32>page);
}

/** Translates; returns the host address of the page, or 0 with `refused()` telling why. Fills no TLB. */
export function walk(va: i64, access: Access): i32 {
  if ((va << 25) >> 25 != va) return pageFault(va, access);
  let table = rootPpn;
  for (let shift: i64 = 30; shift >= 12; shift -= 9) {
    const host = ramPage(table, va, Access.Fetch);
    if (!host) return 0;
    const pte = load<u64>(host + ((<i32>(va >> shift) & 511) << 3));
    const ppn = (pte >> 10) & 0xfffffffffff;
    // Bits 54..63 are reserved, or belong to extensions that this core does not have.
    if (!(pte & V) || (pte & (R | W)) == W || pte >> 54) return pageFault(va, access);
    if (pte & (R | X)) return leaf(va, access, pte, ppn, (<u64>1 << (shift - 12)) - 1);
    if (pte & (U | A | D)) return pageFault(va, access);
    table = ppn;
  }
  return pageFault(va, access);
}

function leaf(va: i64, access: Access, pte: u64, ppn: u64, superpage: u64): i32 {
  let need = U | A;
  if (access == Access.Read) need |= R;
  else if (access == Access.Write) need |= W | D;
  else need |= X;
  if ((pte & need) != need || ppn & superpage) return pageFault(va, access);
  if (superpage) superpages = true;
  return ramPage(ppn | ((<u64>va >> 12) & superpage), va, access);
}

/** Host address of the table entry at which the walk for `va` arrives at a level, or 0 if it ends before. */
export function tableEntry(va: i64, level: i32): i32 {
  let table = rootPpn;
  for (let i = 2; i >= level; i--) {
    const at = hostOfPage(<i32>(table - ramBasePpn)) + ((<i32>(va >> (12 + 9 * i)) & 511) << 3);
    if (i == level) return at;
    const pte = load<u64>(at);
    if (pte & (R | X)) return 0;
    table = (pte >> 10) & 0xfffffffffff;
  }
  return 0;
}

// @ts-ignore: decorator
@inline export function offsetInRam(host: i32): u64 { return <u64><u32>(host - ramHost); }
// @ts-ignore: decorator
@inline export function currentAsid(): u64 { return asidNow; }

/** Host address of the byte at `va`, or 0; enters the translation in the TLB. */
export function translate(va: i64, access: Access): i32 {
  const page = va & ~4095;
  const entry = currentBank() + ((<i32>(va >>> 12) & (L.TLB_ENTRIES - 1)) << 4) + (access == Access.Write ? L.WRITE_TLB : L.READ_TLB);
  if (load<i64>(entry) == page) return <i32>va + load<i32>(entry, 8);
  const host = walk(va, access);
  if (!host) return 0;
  let grant = true;
  if (access == Access.Write) {
    const index = pageOfHost(host);
    const flags = flagsOf(index);
    setFlags(index, flags | DIRTY);
    grant = !(flags & GUARDED);
    if (grant) noteWriter(writerCell(index), entry, host);
  }
  if (grant) {
    store<i64>(entry, page);
    store<i32>(entry, host - <i32>page, 8);
  }
  return host + (<i32>va & 4095);
}

export function setAddressSpace(root: u64, asid: u64): void {
  rootPpn = root;
  asidNow = asid;
  useDataBank(root << 16 | asid, 1);
  useFetchBank(root << 16 | asid, 1);
}

function flushAll(): void {
  superpages = false;
  flushBanks();
}

export function flushTlb(): void {
  if (TIMED) forgetTranslations();
  flushAll();
}

export function flushPage(va: i64): void {
  if (TIMED) forgetTranslation(va, asidNow);
  if (superpages) return flushAll();
  flushInData(currentBank(), va);
  flushInFetch(currentFetch(), va);
}

export function clearDirty(): void {
  const end = L.FLAGS + <i32>ramPages;
  for (let at = L.FLAGS; at < end; at++) {
    const flags = load<u8>(at);
    if (flags & DIRTY) store<u8>(at, flags & ~DIRTY);
  }
  forgetOtherData();
  memory.fill(currentBank() + L.WRITE_TLB, 0xff, L.TLB_BYTES);
}

export function markDirty(page: i32): void {
  setFlags(page, flagsOf(page) | DIRTY);
}
