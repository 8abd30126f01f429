/**
 * What a run costs its host besides executing, in about nanoseconds of a slow one. A guest can choose instructions that are
 * thousands of times as dear as others: so a run that has done much of it comes back early, with `Stop.Attention`, and the
 * host decides whether it goes on. Where it is cut changes nothing, as it is with budgets: only where an instruction is
 * done, and before anything is done for the next.
 */
import * as L from "./layout";

/** Far more than what a turn of ordinary code does. */
const MUCH: u32 = 20_000_000;

/** A translation bank has been emptied. */
export const EMPTIED_BANK: u32 = 6_000;
/** Every fetch entry, or every write entry, of all banks has been looked at. */
export const SEARCHED_FETCH: u32 = 8_000;
export const SEARCHED_WRITES: u32 = 60_000;
/** What was decoded of a page has been forgotten. */
export const EMPTIED_SLOT: u32 = 2_000;
/** Translations of the timing model have been forgotten, which may be thousands for each hart. */
export const FENCED_TLBS: u32 = 30_000;

// @ts-ignore: decorator
@inline export function work(ns: u32): void { store<u32>(L.WORK, load<u32>(L.WORK) + ns); }
// @ts-ignore: decorator
@inline export function isMuchWork(): bool { return load<u32>(L.WORK) > MUCH; }
