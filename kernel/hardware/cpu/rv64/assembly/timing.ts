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
 *    48 i32 whether global translations are kept as such; in areas that were made before that was modelled they are not
 *    64 u8[8][8] distances between nodes
 *   128 descriptor of the second-level cache, then of each hart: instructions, data, instruction TLB, data TLB
 *       tables of the caches
 *
 * A cache is a table of sets of ways. A set keeps its ways in the order of replacement, the next victim last. A way is
 * key << 2 | dirty << 1 | 1, or 0 when empty; the key is the number of the physical line or, in a TLB, of the virtual
 * page together with its address space. What is bit 1 of a line that has been written to is that of a translation that is
 * global: it is good in every space.
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

/** Bits of a way. */
const VALID: u64 = 1, DIRTY: u64 = 2, GLOBAL: u64 = 2;
const SPACE_SHIFT: u64 = 30;

let area: i32 = 0;
let hart: i32 = 0;
/** Descriptors: of the shared cache, and of those of the hart. */
let shared: i32 = 0, instructions: i32 = 0, data: i32 = 0, instructionTlb: i32 = 0, dataTlb: i32 = 0;

export function setTiming(at: i32): void {
  area = at;
  shared = at + SHARED;
  setTimedHart(0);
}

/** Whose caches the accesses from here on go through. */
export function setTimedHart(index: i32): void {
  hart = index;
  const own = area + HARTS + index * PER_HART;
  instructions = own + INSTRUCTIONS;
  data = own + DATA;
  instructionTlb = own + INSTRUCTION_TLB;
  dataTlb = own + DATA_TLB;
}

/** log2 of the bytes of a line of instructions, and of data. */
export function bitsOfInstructionLine(): i32 { return load<i32>(instructions, 16); }
export function bitsOfDataLine(): i32 { return load<i32>(data, 16); }

// @ts-ignore: decorator
@inline export function stalls(): i64 { return load<i64>(area); }
// @ts-ignore: decorator
@inline function stall(cycles: i64): void { store<i64>(area, load<i64>(area) + cycles); }
// @ts-ignore: decorator
@inline function count(at: i32, times: i32): void { store<i64>(at, load<i64>(at) + times); }
// @ts-ignore: decorator
@inline function countHits(cache: i32, times: i32): void { count(cache + 32, times); }
// @ts-ignore: decorator
@inline function lineBits(cache: i32): u64 { return load<i32>(cache, 16); }
// @ts-ignore: decorator
@inline function isLru(cache: i32): bool { return load<i32>(cache, 12) == Replacement.Lru; }
// @ts-ignore: decorator
@inline function bytesOfSet(cache: i32): i32 { return load<i32>(cache, 8) << 3; }
// @ts-ignore: decorator
@inline function setAt(cache: i32, index: u64): i32 {
  return area + load<i32>(cache) + (<i32>index & load<i32>(cache, 4)) * bytesOfSet(cache);
}
/** The way that a key is looked for as: of a line that is not dirty, or of a translation that is not global. */
// @ts-ignore: decorator
@inline function wayOf(key: u64): u64 { return key << 2 | VALID; }
// @ts-ignore: decorator
@inline function isFirst(set: i32, sought: u64): bool { return (load<u64>(set) & ~DIRTY) == sought; }
/** Whether a way is the one that is looked for: in a TLB, those of global pages are so in any space. */
// @ts-ignore: decorator
@inline function matches(way: u64, sought: u64, tlb: bool): bool {
  return (way & ~DIRTY) == sought || (tlb && (way & GLOBAL) != 0 && ((way ^ sought) & ((<u64>1 << SPACE_SHIFT) - 4)) == 0);
}

function random(cache: i32): u32 {
  let x = load<u32>(cache, 28);
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  store<u32>(cache, x, 28);
  return x;
}

/** What was driven out by the latest search that found nothing. */
let evicted: u64 = 0;

/**
 * Looks for a way in its set; if it is not there, it takes the place of a victim. `changed`: bits that it gets. True if it was
 * there. It comes first, unless it was there and the order is not that of uses.
 */
// @ts-ignore: decorator
@inline function search(cache: i32, set: i32, sought: u64, changed: u64, tlb: bool): bool {
  if (!isLru(cache)) return searchInPlace(cache, set, sought, changed, tlb);
  const end = set + bytesOfSet(cache);
  let found: u64 = 0;
  // Those in front of it, or all of them, move one back.
  let before: u64 = 0;
  for (let at = set; at < end; at += 8) {
    const way = load<u64>(at);
    store<u64>(at, before);
    if (matches(way, sought, tlb)) {
      found = way;
      break;
    }
    before = way;
  }
  store<u64>(set, (found ? found : sought) | changed);
  if (found) countHits(cache, 1);
  else missed(cache, before);
  return found != 0;
}

function missed(cache: i32, victim: u64): void {
  evicted = victim;
  count(cache + 40, 1);
}

function searchInPlace(cache: i32, set: i32, sought: u64, changed: u64, tlb: bool): bool {
  const last = set + bytesOfSet(cache) - 8;
  for (let at = set; at <= last; at += 8) {
    const way = load<u64>(at);
    if (!matches(way, sought, tlb)) continue;
    store<u64>(at, way | changed);
    countHits(cache, 1);
    return true;
  }
  // An empty way is taken before anybody is driven out: they are all at the end, or were never filled.
  let at = last;
  if (load<i32>(cache, 12) == Replacement.Random && load<u64>(last) & VALID) at = set + (<i32>(random(cache) % <u32>load<i32>(cache, 8)) << 3);
  missed(cache, load<u64>(at));
  for (; at > set; at -= 8) store<u64>(at, load<u64>(at - 8));
  store<u64>(set, sought | changed);
  return false;
}

function searchLine(cache: i32, set: i32, sought: u64, changed: u64): bool {
  return search(cache, set, sought, changed, false);
}

function searchTranslation(tlb: i32, set: i32, sought: u64): bool {
  return search(tlb, set, sought, 0, true);
}

/** A line that leaves a first-level cache changed is changed in the second, too, if that has it. */
function writeBack(cache: i32, line: u64): void {
  count(cache + 48, 1);
  const key = line << lineBits(cache) >> lineBits(shared);
  const set = setAt(shared, key), end = set + bytesOfSet(shared);
  for (let at = set; at < end; at += 8) {
    if (!isFirst(at, wayOf(key))) continue;
    store<u64>(at, load<u64>(at) | DIRTY);
    return;
  }
}

/** One line through a first-level cache; `physical` is an offset in RAM. */
function through(cache: i32, virtual: u64, physical: u64, changed: u64): void {
  const bits = lineBits(cache);
  const set = setAt(cache, (load<i32>(cache, 24) ? virtual : physical) >> bits);
  const sought = wayOf(physical >> bits);
  stall(load<i32>(cache, 20));
  // Most of what is looked up comes first in its set.
  if (isFirst(set, sought)) {
    if (changed) store<u64>(set, load<u64>(set) | changed);
    countHits(cache, 1);
  } else if (!searchLine(cache, set, sought, changed)) fill(cache, physical);
}

/** A first-level cache has not had this line. */
function fill(cache: i32, physical: u64): void {
  if (evicted & DIRTY) writeBack(cache, evicted >> 2);
  stall(load<i32>(shared, 20));
  const key = physical >> lineBits(shared);
  if (searchLine(shared, setAt(shared, key), wayOf(key), 0)) return;
  if (evicted & DIRTY) count(shared + 48, 1);
  fromMemory(physical);
}

function fromMemory(physical: u64): void {
  const nodes = load<i32>(area, 40);
  const own = nodes > 1 ? hart % nodes : 0;
  const node = nodes > 1 ? min(<i32>(physical >> 12) / load<i32>(area, 36), nodes - 1) : 0;
  count(area + (node == own ? 8 : 16), 1);
  stall(load<i32>(area, 32) * <i32>load<u8>(area + 64 + own * 8 + node) / 10);
}

/** Whether the TLB had the page of this space; its caller walks if not. */
function translates(tlb: i32, va: u64, asid: u64): bool {
  const page = pageOf(va);
  const set = setAt(tlb, page);
  const sought = wayOf(page) | asid << SPACE_SHIFT;
  if (!isFirst(set, sought)) return searchTranslation(tlb, set, sought);
  countHits(tlb, 1);
  return true;
}

/** What the latest look-up has put into the TLB for this page is global. */
function keepGlobal(tlb: i32, va: u64): void {
  if (!load<i32>(area, 48)) return;
  const set = setAt(tlb, pageOf(va));
  store<u64>(set, load<u64>(set) | GLOBAL);
}

// @ts-ignore: decorator
@inline export function pageOf(va: u64): u64 { return va >> 12 & 0xfffffff; }

/** A step of a page walk: reads the entry at this offset in RAM. */
export function walked(physical: u64): void {
  through(data, physical, physical, 0);
}

/** True if the translation of an access to data has to be walked for. */
export function missesDataTlb(va: u64, asid: u64): bool {
  return !translates(dataTlb, va, asid);
}

export function missesInstructionTlb(va: u64, asid: u64): bool {
  return !translates(instructionTlb, va, asid);
}

/** The page that was walked for last is mapped in all spaces. */
export function keepGlobalData(va: u64): void {
  keepGlobal(dataTlb, va);
}

export function keepGlobalInstruction(va: u64): void {
  keepGlobal(instructionTlb, va);
}

/** `size` bytes of one page were read or written. */
export function touched(va: u64, physical: u64, size: i32, write: bool): void {
  const changed: u64 = write ? DIRTY : 0;
  through(data, va, physical, changed);
  const last = physical + size - 1;
  if (physical >> lineBits(data) != last >> lineBits(data)) through(data, va + size - 1, last, changed);
}

/** True if the line of data comes first in its set, and would be found at once: then it is changed, but not counted. */
export function touchesFirst(va: u64, physical: u64, write: bool): bool {
  const bits = lineBits(data);
  const set = setAt(data, (load<i32>(data, 24) ? va : physical) >> bits);
  if (!isFirst(set, wayOf(physical >> bits))) return false;
  if (write) store<u64>(set, load<u64>(set) | DIRTY);
  return true;
}

/** The same of instructions. */
export function fetchesFirst(va: u64, physical: u64): bool {
  const bits = lineBits(instructions);
  return isFirst(setAt(instructions, (load<i32>(instructions, 24) ? va : physical) >> bits), wayOf(physical >> bits));
}

/** So many accesses to data, or to instructions, found their line, and their page's translation if they needed any. */
export function countFound(ofData: i32, ofInstructions: i32, dataIsTranslated: bool, fetchIsTranslated: bool): void {
  countHits(data, ofData);
  countHits(instructions, ofInstructions);
  stall(<i64>load<i32>(data, 20) * ofData + <i64>load<i32>(instructions, 20) * ofInstructions);
  if (dataIsTranslated) countHits(dataTlb, ofData);
  if (fetchIsTranslated) countHits(instructionTlb, ofInstructions);
}

/** True if the instruction at `va` lies in another line than the one before: then it is to be fetched. */
// @ts-ignore: decorator
@inline export function isNewLine(va: u64, asid: u64): bool {
  const line = va >> lineBits(instructions) ^ asid << 44 ^ <u64>hart << 61;
  if (load<u64>(area, 24) == line) return false;
  store<u64>(area, line, 24);
  return true;
}

export function fetched(va: u64, physical: u64): void {
  through(instructions, va, physical, 0);
}

/** In the place of a page or of an address space. */
export const ANY: i64 = -1;

/** The translations of a page in a space are forgotten, by every hart. Those of global pages are in no space. */
export function forget(page: i64, asid: i64): void {
  for (let i = 0; i < load<i32>(area, 44); i++) {
    forgetIn(area + HARTS + i * PER_HART + INSTRUCTION_TLB, page, asid);
    forgetIn(area + HARTS + i * PER_HART + DATA_TLB, page, asid);
  }
  store<i64>(area, -1, 24);
}

function forgetIn(tlb: i32, page: i64, asid: i64): void {
  const bytes = bytesOfSet(tlb);
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
    const isOfSpace = asid == ANY || (way >> SPACE_SHIFT == asid && !(way & GLOBAL));
    if (isOfSpace && (page == ANY || pageOf(way >> 2 << 12) == page)) continue;
    store<u64>(kept, way);
    kept += 8;
  }
  memory.fill(kept, 0, set + bytes - kept);
}
