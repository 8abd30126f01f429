/**
 * The RV64GC core: what `../core.ts` calls. The contract is that of ../../core.ts; the map of the memory is in layout.ts.
 * Reading order: state, ops, decode, cache, banks, mmu, run, then the out-of-line parts; for machines whose guest has all
 * privileges: privilege, trap, csr, pmp, tables, privileged.
 */
import * as L from "./layout";
import { configure } from "./mmu";
import { initializePrivileged } from "./privileged";

export { run } from "./run";
export { hartChanged, runPrivileged, selectHart, settle } from "./privileged";
export { clearDirty, flushPage, flushTlb, setAddressSpace } from "./mmu";
export { decodeLine, decodeScratch, wrote } from "./cache";
export { setTimedHart, setTiming } from "./timing";
export { rounded } from "./float/rounded";
export { setTranslating, stay } from "./translated";

export function initialize(ramPages: i32, basePpn: u64, ramHost: i32, hasBus: bool, privileged: bool): void {
  configure(ramPages, basePpn, ramHost, hasBus);
  store<i64>(L.RESERVATION, -1);
  if (privileged) initializePrivileged();
}

/** Bases of the user-visible counters; `run` advances them. */
export function setCounters(instret: f64, timeNs: f64): void {
  store<i64>(L.INSTRET_BASE, <i64>instret);
  store<i64>(L.TIME_BASE, <i64>timeNs);
}
