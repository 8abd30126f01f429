/**
 * Sv39 (privileged specification, section 4.4) as user mode sees it, and the translation banks.
 *
 * - Svade: an access through an entry with A clear, or a write with D clear, is a page fault; entries are never written.
 * - A bank belongs to one (root, asid) pair, so that switching between a few address spaces keeps their entries.
 * - A write entry exists only for pages that are marked dirty and hold no decoded code.
 * - Entries are {i64 page address, i32 host address - page address}. Page address -1 marks an empty entry: a probe
 *   never has bits 3..11 set.
 */
import * as L from "./layout";
import { Stop, stopWith } from "./state";

export const enum Access { Read = 0, Write = 1, Fetch = 2 }

const PRESENT: i32 = 1;
const DIRTY: i32 = 2;
export const CODE: i32 = 4;

const V: u64 = 1, R: u64 = 2, W: u64 = 4, X: u64 = 8, U: u64 = 16, A: u64 = 64, D: u64 = 128;

let ramPages: u64 = 0;
let ramBasePpn: u64 = 0;
let ramHost: i32 = 0;
let rootPpn: u64 = ~0;
let bank: i32 = L.BANKS;
let nextBank: i32 = 0;
/** Why the last `walk` or `translate` returned 0. */
let refusal: Stop = Stop.None;

const BANK_KEYS: i32 = L.SLOT_PAGES + 0x800;
const BANK_SUPERPAGES: i32 = BANK_KEYS + 8 * L.BANK_COUNT;

// @ts-ignore: decorator
@inline export function currentBank(): i32 { return bank; }
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
/** Address of the number of the code slot of a page. */
// @ts-ignore: decorator
@inline export function slotCell(page: i32): i32 { return L.FLAGS + <i32>ramPages + (page << 1); }
// @ts-ignore: decorator
@inline export function pageCount(): i32 { return <i32>ramPages; }

export function configure(pages: i32, basePpn: u64, host: i32): void {
  ramPages = pages;
  ramBasePpn = basePpn;
  ramHost = host;
  memory.fill(bank, 0xff, L.BANK_BYTES);
}

function refuse(reason: Stop, va: i64): i32 {
  refusal = stopWith(reason, va);
  return 0;
}

function pageFault(va: i64, access: Access): i32 {
  if (access == Access.Read) return refuse(Stop.LoadPageFault, va);
  return refuse(access == Access.Write ? Stop.StorePageFault : Stop.InstructionPageFault, va);
}

/** Host address of the RAM page with this physical page number, or 0. */
function ramPage(ppn: u64, va: i64): i32 {
  const page = ppn - ramBasePpn;
  if (page >= ramPages) return refuse(Stop.AccessFault, va);
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
    const host = ramPage(table, va);
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
  if (superpage) store<u8>(BANK_SUPERPAGES + bankIndex(bank), 1);
  return ramPage(ppn | ((<u64>va >> 12) & superpage), va);
}

/** Host address of the byte at `va`, or 0; enters the translation in the TLB. */
export function translate(va: i64, access: Access): i32 {
  const page = va & ~4095;
  const entry = bank + ((<i32>(va >>> 12) & (L.TLB_ENTRIES - 1)) << 4) + (access == Access.Write ? L.WRITE_TLB : L.READ_TLB);
  if (load<i64>(entry) == page) return <i32>va + load<i32>(entry, 8);
  const host = walk(va, access);
  if (!host) return 0;
  let grant = true;
  if (access == Access.Write) {
    const index = pageOfHost(host);
    const flags = flagsOf(index);
    setFlags(index, flags | DIRTY);
    grant = !(flags & CODE);
  }
  if (grant) {
    store<i64>(entry, page);
    store<i32>(entry, host - <i32>page, 8);
  }
  return host + (<i32>va & 4095);
}

function bankIndex(at: i32): i32 {
  return (at - L.BANKS) / L.BANK_BYTES;
}

export function setAddressSpace(root: u64, asid: u64): void {
  const key = ((root << 16) | asid) + 1;
  rootPpn = root;
  for (let i = 0; i < L.BANK_COUNT; i++) {
    if (load<u64>(BANK_KEYS + (i << 3)) == key) {
      bank = L.BANKS + i * L.BANK_BYTES;
      return;
    }
  }
  const victim = nextBank;
  nextBank = (nextBank + 1) % L.BANK_COUNT;
  bank = L.BANKS + victim * L.BANK_BYTES;
  store<u64>(BANK_KEYS + (victim << 3), key);
  clearBank();
}

function clearBank(): void {
  store<u8>(BANK_SUPERPAGES + bankIndex(bank), 0);
  memory.fill(bank, 0xff, L.BANK_BYTES);
}

/** Forgets every bank but the current one: cheaper than emptying them. */
function forgetOthers(): void {
  for (let i = 0; i < L.BANK_COUNT; i++) {
    if (L.BANKS + i * L.BANK_BYTES != bank) store<u64>(BANK_KEYS + (i << 3), 0);
  }
}

export function flushTlb(): void {
  forgetOthers();
  clearBank();
}

export function flushPage(va: i64): void {
  if (load<u8>(BANK_SUPERPAGES + bankIndex(bank))) return clearBank();
  const page = va & ~4095;
  const at = bank + ((<i32>(va >>> 12) & (L.TLB_ENTRIES - 1)) << 4);
  if (load<i64>(at, L.READ_TLB) == page) store<i64>(at, -1, L.READ_TLB);
  if (load<i64>(at, L.WRITE_TLB) == page) store<i64>(at, -1, L.WRITE_TLB);
  const fetch = bank + ((<i32>(va >>> 12) & (L.FETCH_ENTRIES - 1)) << 4);
  if (load<i64>(fetch, L.FETCH_TLB) == page) store<i64>(fetch, -1, L.FETCH_TLB);
}

export function clearDirty(): void {
  const end = L.FLAGS + <i32>ramPages;
  for (let at = L.FLAGS; at < end; at++) {
    const flags = load<u8>(at);
    if (flags & DIRTY) store<u8>(at, flags & ~DIRTY);
  }
  forgetOthers();
  memory.fill(bank + L.WRITE_TLB, 0xff, L.TLB_BYTES);
}

export function markDirty(page: i32): void {
  setFlags(page, flagsOf(page) | DIRTY);
}

/** Takes the write entries of a page away, in every bank: it is about to hold decoded code. */
export function dropWriters(host: i32): void {
  if (!(flagsOf(pageOfHost(host)) & DIRTY)) return;
  for (let i = 0; i < L.BANK_COUNT; i++) {
    const base = L.BANKS + i * L.BANK_BYTES;
    if (base != bank && !load<u64>(BANK_KEYS + (i << 3))) continue;
    const end = base + L.WRITE_TLB + L.TLB_BYTES;
    for (let entry = base + L.WRITE_TLB; entry < end; entry += 16) {
      if (<i32>load<i64>(entry) + load<i32>(entry, 8) == host) store<i64>(entry, -1);
    }
  }
}

/** Takes the fetch entries that lead to a code slot away, in every bank. */
export function dropFetchers(slot: i32): void {
  for (let i = 0; i < L.BANK_COUNT; i++) {
    const base = L.BANKS + i * L.BANK_BYTES;
    if (base != bank && !load<u64>(BANK_KEYS + (i << 3))) continue;
    const end = base + L.FETCH_TLB + L.FETCH_BYTES;
    for (let entry = base + L.FETCH_TLB; entry < end; entry += 16) {
      if (load<i32>(entry, 8) == slot) store<i64>(entry, -1);
    }
  }
}
