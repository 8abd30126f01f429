/**
 * Where the dispatch loop meets translated code (made by ../translate; its contract is in ../translate/translator.ts).
 *
 * Behind the records of a slot there is, for each halfword of the page,
 *   ENTRIES (u16)  below HOT: how often the code that starts here was jumped to (the translator sees to it that it does
 *                  not get there by counting); HOT: it is not to be translated; above:
 *                  the place in the function table of its translation. All places up to HOT hold `stay`, so translated
 *                  code may call whatever it finds here.
 *   JUMPED (u8)    bit 0: an indirect jump that is no return led here; the translator makes the cases of a switch of
 *                  them. Bit 1: the halfword is part of some translation, and a store to it is to be noticed.
 *
 * A translated function takes (page of the entry, instructions left, calls that may still be nested). It executes from
 * the entry on, leaves the registers and PC as the interpreter would have at some instruction further on, and gives what
 * is left. If that is what it got, it has done nothing.
 */
import * as L from "./layout";

/** Asks for a translation of the code at `target`, whose records are in the slot `base`; true when it is there. */
@external("env", "translate")
declare function translate(target: i64, base: i32): bool;
/** The records of this slot are about to be emptied. */
@external("env", "dropped")
declare function dropped(base: i32): void;

/** Every how many jumps to a place its translation is asked for: a power of two, or 0 if nothing is translated. */
let every: i32 = 0;

// @ts-ignore: decorator
@inline export function translating(): bool { return every != 0; }

/** To be called before anything is decoded. */
export function setTranslating(jumps: i32): void {
  every = jumps;
}

/** Stands for code that is not translated. */
export function stay(page: i64, left: i32, nested: i32): i32 {
  return left;
}

/** Executes translated code at `target`, if there is any; gives the instructions left, and the new pc in PC. */
export function enter(target: i64, base: i32, left: i32): i32 {
  const cell = base + L.ENTRIES + (<i32>target & 4095);
  const entry = <i32>load<u16>(cell);
  if (entry <= L.HOT) {
    if (entry == L.HOT) return left;
    store<u16>(cell, entry + 1);
    if ((entry + 1) & (every - 1) || !translate(target, base)) return left;
  }
  return call_indirect<i32>(load<u16>(cell), target & ~4095, left, L.NESTABLE);
}

/** The indirect jump of record `p` leads to `target`, whose page has the slot `base`. Returns are not noted. */
export function noteJump(p: i32, base: i32, target: i64): void {
  const register = <i32>load<u16>(p, 6) >> 3;
  const cell = base + L.JUMPED + ((<i32>target & 4095) >> 1);
  if (register != 1 && register != 5) store<u8>(cell, load<u8>(cell) | 1);
}

/** Whether a translation has been made of the `half`th halfword of a page, among others. */
// @ts-ignore: decorator
@inline export function isTranslated(base: i32, half: i32): bool { return (load<u8>(base + L.JUMPED + half) & 2) != 0; }

/** The slot `base` is about to be emptied. */
export function forgetTranslated(base: i32): void {
  if (load<u8>(base + L.TRANSLATED)) dropped(base);
}
