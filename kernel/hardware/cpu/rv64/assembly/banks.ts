/**
 * The translation banks. A data bank holds a read and a write TLB, a fetch bank a fetch TLB. Each belongs to one meaning
 * of addresses, (space, context): the same address may be used only under the same key as it was entered. Which
 * keys there are is mmu.ts's matter. Several banks of each kind make it cheap to go back and forth.
 *
 * - A write entry exists only for pages that are marked dirty and whose contents nothing is derived from
 *   (`GUARDED`): so every store to such a page comes through `storedTo` of cache.ts.
 * - Data entries are {i64 page address, i32 host address - page address}, fetch entries {i64 page address, i32 code slot,
 *   i32 host address}. An empty fetch entry has the page address -1. An empty data entry has that of a page that is not
 *   looked for there: 0, or 4096 in the first entry. So `address - page address` is below 4096 for the bytes of the page
 *   that the entry is of, and for nothing else that is looked for there.
 * - A bank without a key is empty or holds anything: it is emptied when it gets one.
 */
import * as L from "./layout";
import { EMPTIED_BANK, SEARCHED_FETCH, SEARCHED_WRITES, work } from "./work";

let nextBank: i32 = 0;
let nextFetch: i32 = 0;

const KEY_BYTES: i32 = 16;
/** In the place of a write entry's address: there may be several. */
const MANY: u32 = 1;

// @ts-ignore: decorator
@inline export function currentBank(): i32 { return load<i32>(L.CURRENT_BANK); }
// @ts-ignore: decorator
@inline export function currentFetch(): i32 { return load<i32>(L.CURRENT_FETCH); }
// @ts-ignore: decorator
@inline function bankAt(index: i32): i32 { return L.BANKS + index * L.BANK_BYTES; }
// @ts-ignore: decorator
@inline function fetchAt(index: i32): i32 { return L.FETCH_BANKS + index * L.FETCH_BYTES; }
/** Whether a bank may be used again without being emptied. */
// @ts-ignore: decorator
@inline function isLiveData(index: i32): bool {
  return load<u32>(L.BANK_KEYS + index * KEY_BYTES, 8) != 0 || bankAt(index) == currentBank();
}
// @ts-ignore: decorator
@inline function isLiveFetch(index: i32): bool {
  return load<u32>(L.FETCH_KEYS + index * KEY_BYTES, 8) != 0 || fetchAt(index) == currentFetch();
}

export function initializeBanks(): void {
  store<i32>(L.CURRENT_BANK, L.BANKS);
  store<i32>(L.CURRENT_FETCH, L.FETCH_BANKS);
  emptyBank(L.BANKS);
  memory.fill(L.FETCH_BANKS, 0xff, L.FETCH_BYTES);
}

/** Takes everything out of a read or write TLB. */
export function empty(tlb: i32): void {
  memory.fill(tlb, 0, L.TLB_BYTES);
  emptyEntry(tlb);
}

/** Of a data bank. The tables are at multiples of their size. */
// @ts-ignore: decorator
@inline function emptyEntry(at: i32): void { store<i64>(at, at & (L.TLB_BYTES - 1) ? 0 : L.PAGE_SIZE); }

function emptyBank(bank: i32): void {
  empty(bank + L.READ_TLB);
  empty(bank + L.WRITE_TLB);
}

/** The bank with this key, or -1. A context is never 0: that is what no key has. */
function find(keys: i32, count: i32, space: u64, context: u32): i32 {
  for (let i = 0; i < count; i++) {
    const key = keys + i * KEY_BYTES;
    if (load<u64>(key) == space && load<u32>(key, 8) == context) return i;
  }
  return -1;
}

function claim(keys: i32, index: i32, space: u64, context: u32): void {
  store<u64>(keys + index * KEY_BYTES, space);
  store<u32>(keys + index * KEY_BYTES, context, 8);
}

export function useDataBank(space: u64, context: u32): void {
  let index = find(L.BANK_KEYS, L.BANK_COUNT, space, context);
  if (index < 0) {
    index = nextBank;
    nextBank = (nextBank + 1) % L.BANK_COUNT;
    claim(L.BANK_KEYS, index, space, context);
    emptyBank(bankAt(index));
    work(EMPTIED_BANK);
  }
  store<i32>(L.CURRENT_BANK, bankAt(index));
}

export function useFetchBank(space: u64, context: u32): void {
  let index = find(L.FETCH_KEYS, L.FETCH_BANK_COUNT, space, context);
  if (index < 0) {
    index = nextFetch;
    nextFetch = (nextFetch + 1) % L.FETCH_BANK_COUNT;
    claim(L.FETCH_KEYS, index, space, context);
    memory.fill(fetchAt(index), 0xff, L.FETCH_BYTES);
  }
  store<i32>(L.CURRENT_FETCH, fetchAt(index));
}

/** Forgets every data bank but the current one: cheaper than emptying them. */
export function forgetOtherData(): void {
  for (let i = 0; i < L.BANK_COUNT; i++) {
    if (bankAt(i) != currentBank()) store<u32>(L.BANK_KEYS + i * KEY_BYTES, 0, 8);
  }
}

export function flushBanks(): void {
  work(EMPTIED_BANK);
  forgetOtherData();
  emptyBank(currentBank());
  for (let i = 0; i < L.FETCH_BANK_COUNT; i++) {
    if (fetchAt(i) != currentFetch()) store<u32>(L.FETCH_KEYS + i * KEY_BYTES, 0, 8);
  }
  memory.fill(currentFetch(), 0xff, L.FETCH_BYTES);
}

/** Takes the entries of a page out of one data bank. */
export function flushInData(bank: i32, va: i64): void {
  const page = va & ~4095;
  const at = bank + ((<i32>(va >>> 12) & (L.TLB_ENTRIES - 1)) << 4);
  if (load<i64>(at, L.READ_TLB) == page) emptyEntry(at + L.READ_TLB);
  if (load<i64>(at, L.WRITE_TLB) == page) emptyEntry(at + L.WRITE_TLB);
}

export function flushInFetch(fetch: i32, va: i64): void {
  const at = fetch + ((<i32>(va >>> 12) & (L.FETCH_ENTRIES - 1)) << 4);
  if (load<i64>(at) == (va & ~4095)) store<i64>(at, -1);
}

/** Takes the entries of a page out of every bank. */
export function flushEverywhere(va: i64): void {
  for (let i = 0; i < L.BANK_COUNT; i++) if (isLiveData(i)) flushInData(bankAt(i), va);
  for (let i = 0; i < L.FETCH_BANK_COUNT; i++) if (isLiveFetch(i)) flushInFetch(fetchAt(i), va);
}

/** True when this write entry leads to the page at `host`; maybe when it is empty, too. */
// @ts-ignore: decorator
@inline function leadsTo(entry: i32, host: i32): bool { return <i32>load<i64>(entry) + load<i32>(entry, 8) == host; }

/** Notes in `cell` that the write entry at `entry` is going to lead to the page at `host`. */
export function noteWriter(cell: i32, entry: i32, host: i32): void {
  const known = load<u32>(cell);
  if (known == <u32>entry || known == MANY) return;
  store<u32>(cell, known && leadsTo(<i32>known, host) ? MANY : <u32>entry);
}

/** Takes the write entries of the page at `host` away, in every bank; `cell` is what `noteWriter` has noted. */
export function dropWriters(cell: i32, host: i32): void {
  const known = load<u32>(cell);
  store<u32>(cell, 0);
  if (known != MANY) {
    if (known && leadsTo(<i32>known, host)) emptyEntry(<i32>known);
    return;
  }
  work(SEARCHED_WRITES);
  for (let i = 0; i < L.BANK_COUNT; i++) {
    if (!isLiveData(i)) continue;
    const end = bankAt(i) + L.WRITE_TLB + L.TLB_BYTES;
    for (let entry = bankAt(i) + L.WRITE_TLB; entry < end; entry += 16) {
      if (leadsTo(entry, host)) emptyEntry(entry);
    }
  }
}

/** Takes the fetch entries that lead to a code slot away, in every bank. */
export function dropFetchers(slot: i32): void {
  work(SEARCHED_FETCH);
  for (let i = 0; i < L.FETCH_BANK_COUNT; i++) {
    if (!isLiveFetch(i)) continue;
    const end = fetchAt(i) + L.FETCH_BYTES;
    for (let entry = fetchAt(i); entry < end; entry += 16) {
      if (load<i32>(entry, 8) == slot) store<i64>(entry, -1);
    }
  }
}
