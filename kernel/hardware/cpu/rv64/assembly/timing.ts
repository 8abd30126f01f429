/**
 * The timing model: first-level caches and translation look-aside buffers of each hart, one second-level cache that all
 * share, memory in nodes. The hart is in order and waits for every access: an instruction takes one cycle, and what
 * its accesses stall is added.
 *
 * Must hold: the model decides nothing but cycles, and depends on nothing but the accesses that were made and their
 * order. So an access is counted once, when its translation has succeeded: an instruction that is begun again because
 * the host had to fetch a page counts as if it had been begun once.
 *
 * The area (offsets from its start; written by ../timing.ts, saved with the machine):
 *     0 i64 stall cycles | 8 i64 accesses to memory of the hart's own node | 16 i64 of other nodes
 *    24 i64 line of the latest instruction | 32 i32 stall of memory at distance 10 | 36 i32 pages of a node | 40 i32 nodes | 44 i32 harts
 *    64 u8[8][8] distances between nodes
 *   128 descriptor of the second-level cache, then of each hart: instructions, data, instruction TLB, data TLB
 *       tables of the caches
 *
 * A cache is a table of sets of ways. A set keeps its ways in the order of replacement, the next victim last. A way is
 * key << 2 | dirty << 1 | 1, or 0 when empty; the key is the number of the physical line or, in a TLB, of the virtual
 * page together with its address space.
 *
 * Descriptor (64 bytes):
 *     0 i32 table, from the start of the area | 4 i32 sets - 1 | 8 i32 ways | 12 i32 replacement
 *    16 i32 log2 of a line's bytes | 20 i32 stall of an access | 24 i32 indexed by the virtual address | 28 u32 random state
 *    32 i64 hits | 40 i64 misses | 48 i64 lines written back
 */
const enum Replacement { Lru = 0, Fifo = 1, Random = 2 }

const DESCRIPTOR: i32 = 64;
const SHARED: i32 = 128;
const HARTS: i32 = SHARED + DESCRIPTOR;
const PER_HART: i32 = 4 * DESCRIPTOR;
const INSTRUCTIONS: i32 = 0, DATA: i32 = DESCRIPTOR, INSTRUCTION_TLB: i32 = 2 * DESCRIPTOR, DATA_TLB: i32 = 3 * DESCRIPTOR;

let area: i32 = 0;
let hart: i32 = 0;

export function setTiming(at: i32): void {
  area = at;
}

export function bitsOfDataLine(): i64 { return lineBits(ofHart(DATA)); }
export function bitsOfInstructionLine(): i64 { return lineBits(ofHart(INSTRUCTIONS)); }

/** Whose caches the accesses from here on go through. */
export function setTimedHart(index: i32): void {
  hart = index;
}

// @ts-ignore: decorator
@inline export function stalls(): i64 { return load<i64>(area); }
// @ts-ignore: decorator
@inline function count(at: i32): void { store<i64>(at, load<i64>(at) + 1); }
// @ts-ignore: decorator
@inline function stall(cycles: i32): void { store<i64>(area, load<i64>(area) + cycles); }
// @ts-ignore: decorator
@inline function ofHart(which: i32): i32 { return area + HARTS + hart * PER_HART + which; }
// @ts-ignore: decorator
@inline function lineBits(cache: i32): i64 { return load<i32>(cache, 16); }
// @ts-ignore: decorator
@inline function setAt(cache: i32, index: u64): i32 {
  return area + load<i32>(cache) + (<i32>index & load<i32>(cache, 4)) * load<i32>(cache, 8) * 8;
}

/** The ways before number `i` move one back, over it; `way` comes first. */
function toFront(set: i32, i: i32, way: u64): void {
  for (; i > 0; i--) store<u64>(set + (i << 3), load<u64>(set + ((i - 1) << 3)));
  store<u64>(set, way);
}

/** Number of the way of a set that has the key, or -1. */
function find(set: i32, ways: i32, key: u64): i32 {
  for (let i = 0; i < ways; i++) {
    const way = load<u64>(set + (i << 3));
    if (way >> 2 == key && way & 1) return i;
  }
  return -1;
}

function random(cache: i32): u32 {
  let x = load<u32>(cache, 28);
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  store<u32>(cache, x, 28);
  return x;
}

/** What was evicted by `access`, when that was a miss. */
let evicted: u64 = 0;

/** `times` accesses to the line of data, and to its page if there are any, that were accessed last. */
export function repeated(times: i32, translated: bool): void {
  const cache = ofHart(DATA);
  store<i64>(cache, load<i64>(cache, 32) + times, 32);
  stall(load<i32>(cache, 20) * times);
  const tlb = ofHart(DATA_TLB);
  if (translated) store<i64>(tlb, load<i64>(tlb, 32) + times, 32);
}

/** Looks a key up and, if it is not there, puts it in place of a victim; true if it was there. */
function access(cache: i32, key: u64, index: u64, write: bool): bool {
  const set = setAt(cache, index);
  // Most of what is looked up comes first in its set.
  if (load<u64>(set) >> 2 == key && load<u8>(set) & 1) {
    count(cache + 32);
    if (write) store<u8>(set, load<u8>(set) | 2);
    return true;
  }
  const ways = load<i32>(cache, 8);
  const i = find(set, ways, key);
  if (i >= 0) {
    count(cache + 32);
    const at = set + (i << 3);
    const way = load<u64>(at) | (write ? 2 : 0);
    if (load<i32>(cache, 12) == Replacement.Lru) toFront(set, i, way);
    else store<u64>(at, way);
    return true;
  }
  count(cache + 40);
  let victim = ways - 1;
  // An empty way is taken before anybody is driven out: they are all at the end, or were never filled.
  if (load<i32>(cache, 12) == Replacement.Random && load<u64>(set + (victim << 3)) & 1) victim = <i32>(random(cache) % <u32>ways);
  evicted = load<u64>(set + (victim << 3));
  toFront(set, victim, key << 2 | (write ? 2 : 0) | 1);
  return false;
}

/** A line that leaves a first-level cache changed is changed in the second, too, if that has it. */
function writeBack(cache: i32, line: u64): void {
  count(cache + 48);
  const shared = area + SHARED;
  const key = line << lineBits(cache) >> lineBits(shared);
  const set = setAt(shared, key);
  const i = find(set, load<i32>(shared, 8), key);
  if (i >= 0) store<u64>(set + (i << 3), load<u64>(set + (i << 3)) | 2);
}

/** One line through a first-level cache; `physical` is an offset in RAM. */
function through(cache: i32, virtual: u64, physical: u64, write: bool): void {
  stall(load<i32>(cache, 20));
  const bits = lineBits(cache);
  if (access(cache, physical >> bits, (load<i32>(cache, 24) ? virtual : physical) >> bits, write)) return;
  if (evicted & 2) writeBack(cache, evicted >> 2);
  const shared = area + SHARED;
  stall(load<i32>(shared, 20));
  const key = physical >> lineBits(shared);
  if (access(shared, key, key, false)) return;
  if (evicted & 2) count(shared + 48);
  fromMemory(physical);
}

function fromMemory(physical: u64): void {
  const nodes = load<i32>(area, 40);
  const own = hart % nodes;
  const node = min(<i32>(physical >> 12) / load<i32>(area, 36), nodes - 1);
  count(area + (node == own ? 8 : 16));
  stall(load<i32>(area, 32) * <i32>load<u8>(area + 64 + own * 8 + node) / 10);
}

/** Whether the TLB had the page of this space; its caller walks if not. */
function translated(tlb: i32, va: u64, asid: u64): bool {
  stall(load<i32>(tlb, 20));
  return access(tlb, keyOf(va, asid), pageOf(va), false);
}

// @ts-ignore: decorator
@inline export function pageOf(va: u64): u64 { return va >> 12 & 0xfffffff; }
// @ts-ignore: decorator
@inline function keyOf(va: u64, asid: u64): u64 { return pageOf(va) | asid << 28; }

/** A step of a page walk: reads the entry at this offset in RAM. */
export function walked(physical: u64): void {
  through(ofHart(DATA), physical, physical, false);
}

/** True if the translation of an access to data has to be walked for. */
export function missesDataTlb(va: u64, asid: u64): bool {
  return !translated(ofHart(DATA_TLB), va, asid);
}

/** `size` bytes of one page were read or written. */
export function touched(va: u64, physical: u64, size: i32, write: bool): void {
  const cache = ofHart(DATA);
  through(cache, va, physical, write);
  const last = physical + size - 1;
  if (physical >> lineBits(cache) != last >> lineBits(cache)) through(cache, va + size - 1, last, write);
}

/** True if the instruction at `va` lies in another line than the one before: then `fetched` is to be told. */
export function isNewLine(va: u64, asid: u64): bool {
  const line = va >> lineBits(ofHart(INSTRUCTIONS)) ^ asid << 44 ^ <u64>hart << 61;
  if (load<u64>(area, 24) == line) return false;
  store<u64>(area, line, 24);
  return true;
}

export function missesInstructionTlb(va: u64, asid: u64): bool {
  return !translated(ofHart(INSTRUCTION_TLB), va, asid);
}

export function fetched(va: u64, physical: u64): void {
  through(ofHart(INSTRUCTIONS), va, physical, false);
}

/** In the place of a page or of an address space. */
export const ANY: i64 = -1;

/** The translations of a page in a space are forgotten, by every hart. */
export function forget(page: i64, asid: i64): void {
  for (let i = 0; i < load<i32>(area, 44); i++) {
    forgetIn(area + HARTS + i * PER_HART + INSTRUCTION_TLB, page, asid);
    forgetIn(area + HARTS + i * PER_HART + DATA_TLB, page, asid);
  }
  store<i64>(area, -1, 24);
}

function forgetIn(tlb: i32, page: i64, asid: i64): void {
  const bytes = load<i32>(tlb, 8) * 8;
  if (page != ANY) return forgetInSet(setAt(tlb, page), bytes, page, asid);
  const from = setAt(tlb, 0), end = from + (load<i32>(tlb, 4) + 1) * bytes;
  if (asid == ANY) memory.fill(from, 0, end - from);
  else for (let set = from; set < end; set += bytes) forgetInSet(set, bytes, page, asid);
}

/** The ways behind a forgotten one move up: empty ones stay last. */
function forgetInSet(set: i32, bytes: i32, page: i64, asid: i64): void {
  let kept = set;
  for (let at = set; at < set + bytes; at += 8) {
    const way = load<u64>(at);
    if ((page == ANY || pageOf(way >> 2 << 12) == page) && (asid == ANY || way >> 30 == asid)) continue;
    store<u64>(kept, way);
    kept += 8;
  }
  memory.fill(kept, 0, set + bytes - kept);
}
