/**
 * From virtual addresses to bytes: Sv39 (privileged specification, section 4.4), physical memory protection, RAM.
 *
 * - In a core for user mode only, an access through an entry with A clear, or a write with D clear, is a page fault
 *   (Svade), and entries are never written. With all privileges, A and D are set as hardware does it (Svadu).
 * - A walk first finds out everything that can be wrong, and that the page is there, and only then updates an entry.
 * - What may be found again without a walk is entered in the bank in force; see banks.ts and tables.ts.
 */
import * as L from "./layout";
import {
  currentBank, currentFetch, empty, flushBanks, flushInData, flushInFetch, forgetOtherData, initializeBanks, noteWriter, useDataBank, useFetchBank,
} from "./banks";
import { Protection, protection } from "./pmp";
import { MXR, Mode, SUM, isPaged, isPrivileged, mode, modeOfData, rootOfSatp, status } from "./privilege";
import { Stop, stopWith } from "./state";
import { guardTable, updateEntry } from "./tables";
import { ANY, forget, pageOf } from "./timing";

export const enum Access { Read = 0, Write = 1, Fetch = 2 }

const PRESENT: i32 = 1;
const DIRTY: i32 = 2;
/** The page owns a code slot: decoded with floating point as it is, and as it is where that is guarded. */
export const CODE: i32 = 4;
export const GUARDED_CODE: i32 = 16;
/** The page has been walked as a page table. */
export const TABLE: i32 = 8;
/** What takes a page its write entries: something is derived from its contents. */
export const DERIVED: i32 = CODE | GUARDED_CODE | TABLE;

const V: u64 = 1, W: u64 = 4, U: u64 = 16, A: u64 = 64, D: u64 = 128;
export const R: u64 = 2, X: u64 = 8, G: u64 = 32;

let ramPages: u64 = 0;
let ramBasePpn: u64 = 0;
let ramHost: i32 = 0;
let hasBus: bool = false;
/** Of a core for user mode only; otherwise it is in satp. */
let rootPpn: u64 = ~0;
let asidNow: u64 = 0;
/** Why the last `walk` or `translate` returned 0. */
let refusal: Stop = Stop.None;
let refusedAccess: Access = Access.Read;
/** The last walk is good for the whole page; protection may be finer. */
let whole: bool = true;
/** A leaf above the last level has been met since the banks were emptied: then one page alone cannot be flushed. */
let superpages: bool = false;

// @ts-ignore: decorator
@inline export function refused(): Stop { return refusal; }
// @ts-ignore: decorator
@inline export function isWhole(): bool { return whole; }
/** What the access was that `refused` speaks of. */
// @ts-ignore: decorator
@inline export function accessRefused(): Access { return refusedAccess; }
// @ts-ignore: decorator
@inline export function pageOfHost(host: i32): i32 { return <i32>(<u32>(host - ramHost) >> 12); }
// @ts-ignore: decorator
@inline export function hostOfPage(page: i32): i32 { return ramHost + (page << 12); }
// @ts-ignore: decorator
@inline export function flagsOf(page: i32): i32 { return load<u8>(L.FLAGS + page); }
// @ts-ignore: decorator
@inline export function setFlags(page: i32, flags: i32): void { store<u8>(L.FLAGS + page, flags); }
// @ts-ignore: decorator
@inline export function pageCount(): i32 { return <i32>ramPages; }
/** Address of the record of a page: its code slots (two u16), its write entry, what it translates (u32 each). */
// @ts-ignore: decorator
@inline function recordOf(page: i32): i32 { return L.FLAGS + <i32>ramPages + page * L.PAGE_RECORD; }
/** Address of the number of the code slot of a page; `guarded`: of that for guarded floating point. */
// @ts-ignore: decorator
@inline export function slotCell(page: i32, guarded: bool): i32 { return recordOf(page) + (guarded ? 2 : 0); }
/** Address of what banks.ts notes about the page's write entries. */
// @ts-ignore: decorator
@inline export function writerCell(page: i32): i32 { return recordOf(page) + 4; }

/** Address of what tables.ts notes about the page as a table. */
// @ts-ignore: decorator
@inline export function tableCell(page: i32): i32 { return recordOf(page) + 8; }

export function configure(pages: i32, basePpn: u64, host: i32, bus: bool): void {
  ramPages = pages;
  ramBasePpn = basePpn;
  ramHost = host;
  hasBus = bus;
  initializeBanks();
}

function refuse(reason: Stop, va: i64, access: Access): i32 {
  refusedAccess = access;
  refusal = stopWith(reason, va);
  return 0;
}

/** A device has been met, or nothing, where only RAM will do. */
export function notRam(va: i64, access: Access): i32 {
  return refuse(Stop.AccessFault, va, access);
}

export function misaligned(va: i64, access: Access): Stop {
  refuse(Stop.MisalignedAtomic, va, access);
  return refusal;
}

function pageFault(va: i64, access: Access): i32 {
  if (access == Access.Read) return refuse(Stop.LoadPageFault, va, access);
  return refuse(access == Access.Write ? Stop.StorePageFault : Stop.InstructionPageFault, va, access);
}

// @ts-ignore: decorator
@inline function modeOf(access: Access): Mode { return access == Access.Fetch ? mode() : modeOfData(); }

/** Host address of the page of RAM with this number, or 0. */
function ramPage(ppn: u64, va: i64, access: Access): i32 {
  const page = ppn - ramBasePpn;
  if (page >= ramPages) return refuse(Stop.AccessFault, va, access);
  if (!(flagsOf(<i32>page) & PRESENT)) {
    store<u32>(L.FAULT_PAGE, <u32>page);
    return refuse(Stop.NeedPage, va, access);
  }
  return hostOfPage(<i32>page);
}

/** The end of every walk: host address of the page of `physical`, or 0, which may be because of a device. */
function place(physical: u64, va: i64, access: Access, size: i32): i32 {
  whole = true;
  if (isPrivileged()) {
    const verdict = protection(physical, size, access, modeOf(access));
    if (verdict == Protection.Denied) return refuse(Stop.AccessFault, va, access);
    whole = verdict == Protection.Page;
  }
  const ppn = physical >> 12;
  if (!hasBus || (access == Access.Fetch && !isPrivileged()) || ppn - ramBasePpn < ramPages) return ramPage(ppn, va, access);
  store<u64>(L.DEVICE_ADDRESS, physical);
  return refuse(Stop.Device, va, access);
}

/**
 * Translates `va` for an access to `size` bytes that does not leave the page. Host address of the page, or 0 with
 * `refused()` telling why. Enters nothing in a bank.
 */
export function walk(va: i64, access: Access, size: i32): i32 {
  if (isPrivileged() && (modeOf(access) == Mode.Machine || !isPaged())) {
    return <u64>va >> 56 ? refuse(Stop.AccessFault, va, access) : place(<u64>va, va, access, size);
  }
  if ((va << 25) >> 25 != va) return pageFault(va, access);
  let table = rootInForce();
  for (let shift: i64 = 30; shift >= 12; shift -= 9) {
    const at = entryIn(table, va, shift, access);
    if (!at) return 0;
    const pte = load<u64>(at);
    // Bits 54..63 are reserved, or belong to extensions that this core does not have.
    if (!(pte & V) || (pte & (R | W)) == W || pte >> 54) return pageFault(va, access);
    if (pte & (R | X)) return leaf(va, access, size, at, (<u64>1 << (shift - 12)) - 1);
    if (pte & (U | A | D)) return pageFault(va, access);
    table = ppnOf(pte);
  }
  return pageFault(va, access);
}

/** Host address of the entry of `va` in a table, or 0. */
function entryIn(table: u64, va: i64, shift: i64, access: Access): i32 {
  const offset = (<i32>(va >> shift) & 511) << 3;
  if (isPrivileged() && protection(table << 12 | offset, 8, Access.Read, Mode.Supervisor) == Protection.Denied) {
    return refuse(Stop.AccessFault, va, access);
  }
  const host = ramPage(table, va, access);
  if (!host) return 0;
  if (isPrivileged()) guardTable(host, va, shift);
  return host + offset;
}

/** Number of the page that an entry leads to. */
// @ts-ignore: decorator
@inline export function ppnOf(pte: u64): u64 { return (pte >> 10) & 0xfffffffffff; }

function leaf(va: i64, access: Access, size: i32, at: i32, superpage: u64): i32 {
  const pte = load<u64>(at);
  const ppn = ppnOf(pte);
  if (!isPermitted(pte, access) || ppn & superpage) return pageFault(va, access);
  const marks = access == Access.Write ? A | D : A;
  const marked = (pte & marks) == marks;
  if (!marked && !isPrivileged()) return pageFault(va, access);
  if (!marked && !mayMark(at)) return refuse(Stop.AccessFault, va, access);
  if (superpage) superpages = true;
  const physical = (ppn | ((<u64>va >> 12) & superpage)) << 12 | va & 4095;
  const host = place(physical, va, access, size);
  if (!marked && (host || refusal == Stop.Device)) updateEntry(at, marks);
  return host;
}

/** Marking an entry is a store of S mode's, which protection may refuse. */
function mayMark(at: i32): bool {
  return protection((ramBasePpn << 12) + offsetInRam(at), 8, Access.Write, Mode.Supervisor) != Protection.Denied;
}

function isPermitted(pte: u64, access: Access): bool {
  const from = isPrivileged() ? modeOf(access) : Mode.User;
  if (from == Mode.User ? !(pte & U) : pte & U && (access == Access.Fetch || !(status() & SUM))) return false;
  if (access == Access.Fetch) return (pte & X) != 0;
  if (access == Access.Write) return (pte & W) != 0;
  return (pte & R) != 0 || (isPrivileged() && (status() & MXR) != 0 && (pte & X) != 0);
}

/** Number of the page of the root table. */
// @ts-ignore: decorator
@inline export function rootInForce(): u64 { return isPrivileged() ? rootOfSatp() : rootPpn; }

/** Host address of the entry of `va` in a table of the level with this shift, or 0 if that is not in RAM. */
export function entryOf(table: u64, va: i64, shift: i64): i32 {
  if (table - ramBasePpn >= ramPages) return 0;
  return hostOfPage(<i32>(table - ramBasePpn)) + ((<i32>(va >> shift) & 511) << 3);
}

// @ts-ignore: decorator
@inline export function offsetInRam(host: i32): u64 { return <u64><u32>(host - ramHost); }
// @ts-ignore: decorator
@inline export function currentAsid(): u64 { return isPrivileged() ? load<u64>(L.SATP) >> 44 & 0xffff : asidNow; }
/** Whether addresses of such accesses go through page tables. */
// @ts-ignore: decorator
@inline export function isTranslated(access: Access): bool {
  return !isPrivileged() || (modeOf(access) != Mode.Machine && isPaged());
}

/** Host address of the byte at `va`, or 0; as `walk`, and enters the translation in the bank. */
export function translate(va: i64, access: Access, size: i32): i32 {
  const page = va & ~4095;
  const entry = currentBank() + ((<i32>(va >>> 12) & (L.TLB_ENTRIES - 1)) << 4) + (access == Access.Write ? L.WRITE_TLB : L.READ_TLB);
  if (load<i64>(entry) == page) return <i32>va + load<i32>(entry, 8);
  const host = walk(va, access, size);
  if (!host) return 0;
  let grant = whole;
  if (access == Access.Write) {
    const index = pageOfHost(host);
    const flags = flagsOf(index);
    setFlags(index, flags | DIRTY);
    if (flags & DERIVED) grant = false;
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
  if (TIMED) forget(ANY, ANY);
  flushAll();
}

export function flushPage(va: i64): void {
  if (TIMED) forget(<i64>pageOf(va), <i64>asidNow);
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
  empty(currentBank() + L.WRITE_TLB);
}

export function markDirty(page: i32): void {
  setFlags(page, flagsOf(page) | DIRTY);
}
