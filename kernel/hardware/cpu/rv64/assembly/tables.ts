/**
 * Keeps the banks true to the page tables, for a core with all privileges.
 *
 * A guest that changes an entry and forgets sfence.vma may, by the specification, see the old or the new translation
 * for a while. Which one must not depend on what the host did to the banks meanwhile. So the banks never hold anything
 * that the tables in memory do not say: a page that was walked as a table has no write-TLB entries, and what a store
 * to it replaces is dropped. sfence.vma then has nothing left to do.
 *
 * Entries of the last level are dropped one by one, by the addresses that their table translates; where a table is of
 * a higher level, or stands for several ranges of addresses, everything is dropped. Invalid entries are never remembered, so
 * replacing one costs nothing. Pages are released from being tables all at once, after many stores to them.
 */
import * as L from "./layout";
import { dropWriters, flushBanks, flushEverywhere } from "./banks";
import { storedTo } from "./cache";
import { Stop } from "./state";
import { TABLE, flagsOf, hostOfPage, pageCount, pageOfHost, setFlags, tableCell, writerCell } from "./mmu";
import { isMuchWork, work } from "./work";

/** In the place of a range of addresses: it is not one range of the last level. */
const ANYTHING: u32 = 1;
const RELEASE_AFTER: i32 = 4096;
const TABLE_FLAGS: u64 = 0x0808080808080808;

let stores: i32 = 0;

/** The page at `host` is being read as a table of the level with this shift on the way to `va`. */
export function guardTable(host: i32, va: i64, shift: i64): void {
  const page = pageOfHost(host);
  const range: u32 = shift == 12 ? <u32>((va >> 21) & 0x3ffff) + 2 : ANYTHING;
  const flags = flagsOf(page);
  if (!(flags & TABLE)) {
    setFlags(page, flags | TABLE);
    dropWriters(writerCell(page), hostOfPage(page));
    store<u32>(tableCell(page), range);
  } else if (load<u32>(tableCell(page)) != range) store<u32>(tableCell(page), ANYTHING);
}

/**
 * `size` bytes at `host`, within one page, are about to be stored to. True when translations were dropped, maybe that of the
 * instruction that is being executed.
 */
// @ts-ignore: decorator
@inline export function beforeStore(host: i32, size: i32): bool {
  return (flagsOf(pageOfHost(host)) & TABLE) != 0 && dropReplaced(host, size);
}

function dropReplaced(host: i32, size: i32): bool {
  if (++stores >= RELEASE_AFTER) {
    releaseTables();
    return true;
  }
  let dropped = false;
  const page = pageOfHost(host);
  const range = load<u32>(tableCell(page));
  const last = host + size - 1;
  for (let at = host & ~7; at <= last; at += 8) {
    if (!(load<u8>(at) & 1)) continue;
    dropped = true;
    if (range == ANYTHING) {
      flushBanks();
      return true;
    }
    flushEverywhere(<i64>(<u64>(range - 2) << 46) >> 25 | <i64>((at & 4095) >> 3) << 12);
  }
  return dropped;
}

/** No page is a table any more, until it is walked again. */
export function releaseTables(): void {
  stores = 0;
  flushBanks();
  work(<u32>pageCount());
  const end = L.FLAGS + pageCount();
  let at = L.FLAGS;
  for (; at + 8 <= end; at += 8) {
    const flags = load<u64>(at);
    if (flags & TABLE_FLAGS) store<u64>(at, flags & ~TABLE_FLAGS);
  }
  for (; at < end; at++) store<u8>(at, load<u8>(at) & ~TABLE);
}

/** True when decoded instructions have been lost to an update of an entry, or to a device. */
let lost: bool = false;

export function noteLost(): void {
  lost = true;
}

/** A and D bits are set in the entry at `host`. What was there is noted, in case the instruction has to be begun again. */
export function updateEntry(host: i32, bits: u64): void {
  const stamp = load<i64>(L.DONE) + load<i64>(L.EXECUTED);
  let count = load<i64>(L.UPDATE_STAMP) == stamp ? load<u32>(L.UPDATES) : 0;
  const old = load<u64>(host);
  store<i64>(L.UPDATE_STAMP, stamp);
  store<u32>(L.UPDATE_LOG + (count << 4), host);
  store<u64>(L.UPDATE_LOG + (count << 4), old, 8);
  store<u32>(L.UPDATES, ++count);
  writeEntry(host, old | bits);
}

function writeEntry(host: i32, entry: u64): void {
  const page = pageOfHost(host);
  store<u64>(host, entry);
  setFlags(page, flagsOf(page) | 2);
  if (storedTo(host, 8)) lost = true;
}

/** How an instruction ends that has accessed memory; `moved`: the records around it may not be what they were. */
export function accessDone(moved: bool): Stop {
  if (!moved && !lost) return Stop.None;
  lost = false;
  return isMuchWork() ? Stop.Attention : Stop.Refetch;
}

/** A new run begins: nothing that was noted belongs to it. */
export function forgetUpdates(): void {
  lost = false;
  store<i64>(L.UPDATE_STAMP, -1);
}

/**
 * The instruction could not go on for want of a page and will be begun again: its updates are taken back, so that the
 * state does not depend on which pages were there.
 */
export function undoUpdates(): void {
  const stamp = load<i64>(L.DONE) + load<i64>(L.EXECUTED);
  if (load<i64>(L.UPDATE_STAMP) != stamp) return;
  for (let i = load<i32>(L.UPDATES) - 1; i >= 0; i--) {
    writeEntry(<i32>load<u32>(L.UPDATE_LOG + (i << 4)), load<u64>(L.UPDATE_LOG + (i << 4), 8));
  }
  flushBanks();
  forgetUpdates();
}
