/**
 * Decoded pages. A physical page of code owns at most one slot of records, and one more where floating point is guarded
 * (privilege.ts). Slots are given out lowest first and, once all are taken, round robin. Records are filled in on demand, one
 * straight line at a time.
 *
 * Coherence needs no fence.i: a page that owns a slot has no write-TLB entry, so every store to it comes through
 * `storedTo`, which empties the slot when a decoded instruction was hit. An instruction that straddles two pages is
 * never kept: its record says so, and it is put together afresh in the scratch slot each time. So is every instruction of
 * a page whose protection is finer than the page, or that is not RAM.
 */
import * as L from "./layout";
import { FIRST_TERMINATOR, Op } from "./ops";
import { decode16, decode32 } from "./decode";
import { Stop, delta, opOf, put, runOf } from "./state";
import { deviceValue, readDevice } from "./bus";
import { currentFetch, dropFetchers, dropWriters, flushBanks } from "./banks";
import {
  Access, CODE, DERIVED, GUARDED_CODE, TABLE, flagsOf, hostOfPage, isWhole, markDirty, notRam, pageOfHost, refused, setFlags, slotCell, walk, writerCell,
} from "./mmu";
import { fuse } from "./fuse";
import { floatIsGuarded } from "./privilege";
import { noteLost } from "./tables";
import { forgetTranslated, isTranslated } from "./translated";
import { EMPTIED_SLOT, isMuchWork, work } from "./work";

let nextSlot: i32 = 0;
/** The record of the scratch slot that is in use. */
let scratch: i32 = L.SCRATCH_SLOT;

// @ts-ignore: decorator
@inline function pageCell(slot: i32): i32 { return L.SLOT_PAGES + (slot << 2); }
// @ts-ignore: decorator
@inline function slotAddress(slot: i32): i32 { return L.SLOTS + slot * L.SLOT_BYTES; }
// @ts-ignore: decorator
@inline function flagOfCode(guarded: bool): i32 { return guarded ? GUARDED_CODE : CODE; }
// @ts-ignore: decorator
@inline function fetchEntryOf(va: i64): i32 { return currentFetch() + ((<i32>(va >>> 12) & (L.FETCH_ENTRIES - 1)) << 4); }

/**
 * Makes the fetch-TLB entry of the page of `va` valid, or decodes just this one instruction, or tells why neither can be.
 * A run that has cost much ends here, before the walk: it may mark entries, which belongs to the instruction.
 */
export function fetchMiss(va: i64): Stop {
  if (isMuchWork()) return Stop.Attention;
  const host = walk(va, Access.Fetch, 2);
  if (!host) return refused() == Stop.Device ? decodeFromDevice(va) : refused();
  if (!isWhole()) return decodeAlone(va, host);
  const page = pageOfHost(host);
  const guarded = floatIsGuarded();
  const slot = flagsOf(page) & flagOfCode(guarded) ? <i32>load<u16>(slotCell(page, guarded)) : allocate(page, guarded);
  const entry = fetchEntryOf(va);
  store<i64>(entry, va & ~4095);
  store<i32>(entry, slotAddress(slot), 8);
  store<i32>(entry, host, 12);
  return Stop.None;
}

/** Host address of the halfword of an instruction at `va`, or 0. */
export function fetchHalf(va: i64): i32 {
  const entry = fetchEntryOf(va);
  const page = load<i64>(entry) == (va & ~4095) ? load<i32>(entry, 12) : walk(va, Access.Fetch, 2);
  if (page) return page + (<i32>va & 4095);
  return refused() == Stop.Device ? notRam(va, Access.Fetch) : 0;
}

function decodeAlone(va: i64, host: i32): Stop {
  const offset = <i32>va & 4095;
  const low = <i32>load<u16>(host + offset);
  let high = 0;
  if ((low & 3) == 3) {
    const second = fetchHalf(va + 2);
    if (!second) return refused();
    high = <i32>load<u16>(second);
  }
  decodeScratch(offset, low, high);
  return Stop.Scratch;
}

/** Instructions of a read-only memory on the bus; DEVICE_ADDRESS says where. */
function decodeFromDevice(va: i64): Stop {
  let low = 0, high = 0;
  let there = readDevice(2);
  if (there) low = <i32>deviceValue() & 0xffff;
  if (there && (low & 3) == 3) {
    there = !walk(va + 2, Access.Fetch, 2) && refused() == Stop.Device && readDevice(2);
    high = <i32>deviceValue() & 0xffff;
  }
  if (!there) {
    notRam(va, Access.Fetch);
    return refused();
  }
  decodeScratch(<i32>va & 4095, low, high);
  return Stop.Scratch;
}

function allocate(page: i32, guarded: bool): i32 {
  let slot = 0;
  while (slot < L.SLOT_COUNT && load<u32>(pageCell(slot))) slot++;
  if (slot == L.SLOT_COUNT) {
    slot = nextSlot;
    nextSlot = (nextSlot + 1) % L.SLOT_COUNT;
    const holder = <i32>load<u32>(pageCell(slot)) - 1;
    release(holder >> 1, <bool>(holder & 1));
  }
  store<u32>(pageCell(slot), (page << 1 | <i32>guarded) + 1);
  store<u16>(slotCell(page, guarded), slot);
  setFlags(page, flagsOf(page) | flagOfCode(guarded));
  dropWriters(writerCell(page), hostOfPage(page));
  return slot;
}

/** Takes a slot of a page away. */
function release(page: i32, guarded: bool): void {
  const slot = <i32>load<u16>(slotCell(page, guarded));
  setFlags(page, flagsOf(page) & ~flagOfCode(guarded));
  store<u32>(pageCell(slot), 0);
  dropFetchers(slotAddress(slot));
  empty(slotAddress(slot));
}

/** Forgets what was decoded and translated of a slot's page. */
function empty(records: i32): void {
  forgetTranslated(records);
  work(EMPTIED_SLOT);
  memory.fill(records, 0, L.SLOT_BYTES);
}

/** The host wrote a page. A device may do so during an access, and then what comes next has to be looked up again. */
export function wrote(page: i32): void {
  markDirty(page);
  const flags = flagsOf(page);
  if (flags & DERIVED) noteLost();
  if (flags & CODE) release(page, false);
  if (flags & GUARDED_CODE) release(page, true);
  if (flags & TABLE) flushBanks();
}

/** A store of `size` bytes at `host`, within one page, has been done; true when decoded instructions were lost. */
export function storedTo(host: i32, size: i32): bool {
  const page = pageOfHost(host);
  const flags = flagsOf(page);
  const lost = (flags & CODE) != 0 && emptyIfDecoded(<i32>load<u16>(slotCell(page, false)), host & 4095, size);
  return ((flags & GUARDED_CODE) != 0 && emptyIfDecoded(<i32>load<u16>(slotCell(page, true)), host & 4095, size)) || lost;
}

/** Empties a slot if an instruction has been decoded from any of these bytes of its page, or translated. */
function emptyIfDecoded(slot: i32, offset: i32, size: i32): bool {
  const records = slotAddress(slot);
  const last = (offset + size - 1) >> 1;
  for (let half = max((offset >> 1) - 1, 0); half <= last; half++) {
    // What was translated elsewhere, and the end of an instruction that straddles pages, need not have been decoded here.
    if (opOf(records + (half << 4)) != Op.None || isTranslated(records, half)) {
      empty(records);
      return true;
    }
  }
  return false;
}

/** Decodes the straight line that starts at record `start` of a slot whose page is at `host`. */
export function decodeLine(start: i32, base: i32, host: i32): void {
  let p = start;
  let count = 0;
  for (;;) {
    const offset = (p - base) >> 3;
    if (offset >= L.PAGE_SIZE) break;
    if (opOf(p) != Op.None) {
      count += runOf(p);
      break;
    }
    count++;
    const low = <i32>load<u16>(host + offset);
    if ((low & 3) != 3) decode16(p, low, offset);
    else if (offset == L.PAGE_SIZE - 2) put(p, Op.Straddle, 4, 0, 0, 0, 0);
    else decode32(p, <i32>load<u32>(host + offset), offset, true);
    const op = opOf(p);
    p += delta(p);
    if (op >= FIRST_TERMINATOR) break;
  }
  const end = p;
  for (p = start; p < end; p += delta(p)) store<u16>(p, count--, 2);
  fuse(start, end);
}

/** The scratch record of the instruction of these halves, `offset` from the start of a page. The rest of the slot is empty. */
export function decodeScratch(offset: i32, low: i32, high: i32): i32 {
  memory.fill(scratch, 0, 16);
  scratch = L.SCRATCH_SLOT + (offset << 3);
  if ((low & 3) == 3) decode32(scratch, low | high << 16, offset, false);
  else decode16(scratch, low, offset);
  store<u16>(scratch, 1, 2);
  return scratch;
}
