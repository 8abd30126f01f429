/**
 * Decoded pages. A physical page of code owns at most one slot of records; slots are given out lowest first and, once
 * all are taken, round robin. Records are filled in on demand, one straight line at a time.
 *
 * Coherence needs no fence.i: a page that owns a slot has no write-TLB entry, so every store to it comes through
 * `storedTo`, which empties the slot when a decoded instruction was hit. An instruction that straddles two pages is
 * never kept: its record says so, and it is put together afresh in the scratch slot each time.
 */
import * as L from "./layout";
import { FIRST_TERMINATOR, Op } from "./ops";
import { decode16 } from "./decode_c";
import { decode32 } from "./decode";
import { Stop, delta, opOf, put, runOf } from "./state";
import { currentFetch, dropFetchers, dropWriters } from "./banks";
import { Access, CODE, flagsOf, markDirty, pageOfHost, refused, setFlags, slotCell, walk, writerCell } from "./mmu";

let nextSlot: i32 = 0;

// @ts-ignore: decorator
@inline function pageCell(slot: i32): i32 { return L.SLOT_PAGES + (slot << 2); }
// @ts-ignore: decorator
@inline function slotAddress(slot: i32): i32 { return L.SLOTS + slot * L.SLOT_BYTES; }

/** Makes the fetch-TLB entry of the page of `va` valid, or tells why that cannot be. */
export function fetchMiss(va: i64): Stop {
  const host = walk(va, Access.Fetch);
  if (!host) return refused();
  const page = pageOfHost(host);
  const slot = flagsOf(page) & CODE ? <i32>load<u16>(slotCell(page)) : allocate(page, host);
  const entry = currentFetch() + ((<i32>(va >>> 12) & (L.FETCH_ENTRIES - 1)) << 4);
  store<i64>(entry, va & ~4095);
  store<i32>(entry, slotAddress(slot), 8);
  store<i32>(entry, host, 12);
  return Stop.None;
}

function allocate(page: i32, host: i32): i32 {
  let slot = 0;
  while (slot < L.SLOT_COUNT && load<u32>(pageCell(slot))) slot++;
  if (slot == L.SLOT_COUNT) {
    slot = nextSlot;
    nextSlot = (nextSlot + 1) % L.SLOT_COUNT;
    release(<i32>load<u32>(pageCell(slot)) - 1);
  }
  store<u32>(pageCell(slot), page + 1);
  store<u16>(slotCell(page), slot);
  setFlags(page, flagsOf(page) | CODE);
  dropWriters(writerCell(page), host);
  return slot;
}

/** Takes the slot of a page away. */
function release(page: i32): void {
  const slot = <i32>load<u16>(slotCell(page));
  setFlags(page, flagsOf(page) & ~CODE);
  store<u32>(pageCell(slot), 0);
  dropFetchers(slotAddress(slot));
  memory.fill(slotAddress(slot), 0, L.SLOT_RECORDS_BYTES);
}

/** The host wrote a page. */
export function wrote(page: i32): void {
  markDirty(page);
  if (flagsOf(page) & CODE) release(page);
}

/** A store of `size` bytes at `host`, within one page, has been done; true when decoded instructions were lost. */
export function storedTo(host: i32, size: i32): bool {
  const page = pageOfHost(host);
  if (!(flagsOf(page) & CODE)) return false;
  const records = slotAddress(<i32>load<u16>(slotCell(page)));
  const offset = host & 4095;
  const last = records + (((offset + size - 1) >> 1) << 4);
  let p = records + (max((offset >> 1) - 1, 0) << 4);
  for (; p <= last; p += 16) {
    if (opOf(p) != Op.None) {
      memory.fill(records, 0, L.SLOT_RECORDS_BYTES);
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
}

/** The scratch record of the instruction whose halves are at the end of one page and at `high` on the next. */
export function decodeStraddling(low: i32, high: i32): i32 {
  const p = L.SCRATCH_SLOT + L.SLOT_RECORDS_BYTES - 16;
  decode32(p, low | (high << 16), L.PAGE_SIZE - 2, false);
  store<u16>(p, 1, 2);
  return p;
}
