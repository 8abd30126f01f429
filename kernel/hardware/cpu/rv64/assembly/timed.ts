/**
 * Where the accesses of the timed core meet the timing model. In the other core `TIMED` is 0 and nothing here is left.
 *
 * Every access is told of once its translation has succeeded: by the dispatch loop where its own probe matched, and by the
 * code out of line. What would change nothing in the model but a count is noticed here, without asking it: an instruction
 * in the line of the one before, and an access to the line of data that was accessed last. That line and its page come
 * first in their sets, and stay there whatever is replaced how.
 */
import * as L from "./layout";
import { currentFetch } from "./banks";
import { Access, G, R, X, currentAsid, entryOf, isTranslated, offsetInRam, ppnOf, rootInForce } from "./mmu";
import { Op } from "./ops";
import { dispatchOf } from "./state";
import {
  bitsOfDataLine, bitsOfInstructionLine, countFound, fetched, fetchesFirst, isNewLine, keepGlobalData, keepGlobalInstruction,
  missesDataTlb, missesInstructionTlb, touched, touchesFirst, walked,
} from "./timing";

/** In the place of an address space where addresses are physical. */
const PHYSICAL: u64 = 0x10000;
/** No address of an access, nor its page's. */
const NOWHERE: i64 = 1 << 62;

/** Whose addresses those of data and of instructions are, in this run. */
let dataSpace: u64 = PHYSICAL;
let fetchSpace: u64 = PHYSICAL;
let instructionLine: i32 = 64;
let dataLine: u64 = 64;
/** The latest access to data; and the same if its line has been written to. */
let latest: i64 = NOWHERE;
let latestWritten: i64 = NOWHERE;
/** The page of the latest instruction that was fetched. */
let latestFetched: i64 = NOWHERE;
/** Accesses to data and to instructions that changed nothing else, and have not been counted yet. */
let found: i32 = 0;
let foundInstructions: i32 = 0;

/** Whether two records of a slot are instructions of the same line. */
export function isSameLine(p: i32, other: i32): bool {
  const offset = (<u32>(p - L.SLOTS) % L.SLOT_BYTES) >> 3;
  return (offset ^ offset + ((other - p) >> 3)) < <u32>1 << bitsOfInstructionLine();
}

/** A run of the dispatch loop begins; gives the size of a line of instructions, as one of records. */
export function beginTimed(): i32 {
  dataSpace = isTranslated(Access.Read) ? currentAsid() : PHYSICAL;
  fetchSpace = isTranslated(Access.Fetch) ? currentAsid() : PHYSICAL;
  dataLine = 1 << bitsOfDataLine();
  instructionLine = 1 << bitsOfInstructionLine();
  forgetLatest();
  return instructionLine << 3;
}

/** Counts what has been noticed here only. */
export function countTimed(): void {
  countFound(found, foundInstructions, dataSpace != PHYSICAL, fetchSpace != PHYSICAL);
  found = 0;
  foundInstructions = 0;
}

/** What was accessed last need not come first any more. */
export function forgetLatest(): void {
  latest = NOWHERE;
  latestWritten = NOWHERE;
  latestFetched = NOWHERE;
}

// @ts-ignore: decorator
@inline export function loads(va: i64, host: i32): void {
  if (<u64>(va ^ latest) < dataLine) found++;
  else reads(va, host);
}

// @ts-ignore: decorator
@inline export function stores(va: i64, host: i32): void {
  if (<u64>(va ^ latestWritten) < dataLine) found++;
  else writes(va, host);
}

/** The page of the latest access to data comes first in the TLB. */
// @ts-ignore: decorator
@inline function isOfLatestPage(va: i64): bool { return <u64>(va ^ latest) < <u64>L.PAGE_SIZE; }

function reads(va: i64, host: i32): void {
  if (!isOfLatestPage(va) || !touchesFirst(va, offsetInRam(host), false)) return accesses(va, host, 1, false);
  found++;
  latest = va;
  latestWritten = NOWHERE;
}

function writes(va: i64, host: i32): void {
  if (!isOfLatestPage(va) || !touchesFirst(va, offsetInRam(host), true)) return accesses(va, host, 1, true);
  found++;
  latest = va;
  latestWritten = va;
}

/** Reads the entries that lead to the page of `va`, which is mapped; true if it is in all spaces. */
function walks(va: i64): bool {
  let table = rootInForce();
  let global = false;
  for (let shift: i64 = 30; shift >= 12; shift -= 9) {
    const at = entryOf(table, va, shift);
    if (!at) break;
    walked(offsetInRam(at));
    const pte = load<u64>(at);
    global = global || (pte & G) != 0;
    if (pte & (R | X)) break;
    table = ppnOf(pte);
  }
  return global;
}

/** `size` bytes of one page. */
export function accesses(va: i64, host: i32, size: i32, write: bool): void {
  if (dataSpace != PHYSICAL && missesDataTlb(va, dataSpace) && walks(va)) keepGlobalData(va);
  touched(va, offsetInRam(host), size, write);
  // The last byte's line is the one that was accessed last.
  latest = va + size - 1;
  latestWritten = write ? latest : NOWHERE;
}

/** `size` bytes of which some are at the end of one page and the others at the beginning of the next. */
export function accessesAcross(va: i64, first: i32, second: i32, size: i32, write: bool): void {
  const next = (va & ~4095) + 4096;
  const here = <i32>(next - va);
  accesses(va, first, here, write);
  accesses(next, second, size - here, write);
}

/**
 * The instruction of record `p` is about to be executed, and is not known to be in the line of the one before. Gives where
 * the records of its line begin, or 0. One whose page is in no bank is not fetched through a cache: its page is of a device,
 * or is protected in parts.
 */
export function fetches(p: i32, base: i32, page: i64): i32 {
  // Where a Stop is planted, nothing is about to be executed.
  const op = dispatchOf(p);
  if (op == Op.None || op == Op.Stop || op == Op.Straddle) return 0;
  const offset = (p - base) >> 3;
  const entry = currentFetch() + ((<i32>(page >>> 12) & (L.FETCH_ENTRIES - 1)) << 4);
  if (load<i64>(entry) != page) return 0;
  if (isNewLine(page + offset, fetchSpace)) {
    const physical = offsetInRam(load<i32>(entry, 12)) + offset;
    if (page == latestFetched && fetchesFirst(page + offset, physical)) foundInstructions++;
    else fetchesLine(page + offset, physical);
    latestFetched = page;
  }
  return base + ((offset & -instructionLine) << 3);
}

function fetchesLine(va: i64, physical: u64): void {
  if (fetchSpace != PHYSICAL && missesInstructionTlb(va, fetchSpace)) {
    if (walks(va)) keepGlobalInstruction(va);
    // The walk went through the cache of data.
    latest = NOWHERE;
    latestWritten = NOWHERE;
  }
  fetched(va, physical);
}
