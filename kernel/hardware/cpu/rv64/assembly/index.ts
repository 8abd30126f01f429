/**
 * The RV64GC user-mode core: what `../core.ts` calls. The contract is that of ../../core.ts; the map of the memory is in
 * layout.ts. Reading order: state, ops, decode, cache, mmu, run, then the out-of-line parts.
 */
import * as L from "./layout";
import { configure } from "./mmu";

export { run } from "./run";
export { clearDirty, flushPage, flushTlb, setAddressSpace } from "./mmu";
export { wrote } from "./cache";
export { setTimedHart, setTiming } from "./timing";

export function initialize(ramPages: i32, basePpn: u64, ramHost: i32, hasBus: bool): void {
  configure(ramPages, basePpn, ramHost, hasBus);
  store<i64>(L.RESERVATION, -1);
}

/** Bases of the user-visible counters; `run` advances them. */
export function setCounters(instret: f64, timeNs: f64): void {
  store<i64>(L.INSTRET_BASE, <i64>instret);
  store<i64>(L.TIME_BASE, <i64>timeNs);
}
