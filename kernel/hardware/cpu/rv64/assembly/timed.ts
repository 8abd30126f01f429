/**
 * Where the accesses of the timed core meet the timing model. In the other core `TIMED` is 0 and nothing here is left.
 *
 * In the timed core the dispatch loop's own probes never match, so that each load and store comes through `access` or
 * `atomic`, which tell of it here once its translation has succeeded.
 */
import * as L from "./layout";
import { currentFetch } from "./banks";
import { Access, currentAsid, isTranslated, offsetInRam, tableEntry } from "./mmu";
import { Op } from "./ops";
import { dispatchOf } from "./state";
import { fetched, isNewLine, missesDataTlb, missesInstructionTlb, touched, walked } from "./timing";

/** Reads the entries that lead to the page of `va`, which is mapped. */
function walks(va: i64): void {
  for (let level = 2; level >= 0; level--) {
    const at = tableEntry(va, level);
    if (!at) return;
    walked(offsetInRam(at));
  }
}

/** `size` bytes of one page. */
export function accesses(va: i64, host: i32, size: i32, write: bool): void {
  if (isTranslated(Access.Read) && missesDataTlb(va, currentAsid())) walks(va);
  touched(va, offsetInRam(host), size, write);
}

/** `size` bytes of which some are at the end of one page and the others at the beginning of the next. */
export function accessesAcross(va: i64, first: i32, second: i32, size: i32, write: bool): void {
  const next = (va & ~4095) + 4096;
  const here = <i32>(next - va);
  accesses(va, first, here, write);
  accesses(next, second, size - here, write);
}

/** In the place of an address space where addresses are physical. */
const PHYSICAL: u64 = 0x10000;

/**
 * The instruction of record `p`, at `va`, is about to be executed. One whose page is in no bank is not fetched through a
 * cache: its page is of a device, or is protected in parts.
 */
export function fetches(p: i32, va: i64): void {
  // Where a Stop is planted, nothing is about to be executed.
  const op = dispatchOf(p);
  if (op == Op.None || op == Op.Stop || op == Op.Straddle) return;
  const entry = currentFetch() + ((<i32>(va >>> 12) & (L.FETCH_ENTRIES - 1)) << 4);
  if (load<i64>(entry) != (va & ~4095)) return;
  const translated = isTranslated(Access.Fetch);
  if (!isNewLine(va, translated ? currentAsid() : PHYSICAL)) return;
  if (translated && missesInstructionTlb(va, currentAsid())) walks(va);
  fetched(va, offsetInRam(load<i32>(entry, 12)) + (va & 4095));
}
