/**
 * A run of a core with all privileges: the dispatch loop, as often as something leaves it that is the guest's own matter.
 *
 * A trapped instruction counts, although it does not retire: so a guest whose handler traps uses its budget up, and what
 * is before and behind a trap differs in the count. minstret does not see it.
 */
import * as L from "./layout";
import { flushBanks } from "./banks";
import { readProtection } from "./pmp";
import { enablePrivileges, enterContext, Mode } from "./privilege";
import { run } from "./run";
import { Stop } from "./state";
import { forgetUpdates, undoUpdates } from "./tables";
import { setTimedHart } from "./timing";
import { takeException, takeInterrupt } from "./trap";
import { isMuchWork } from "./work";

export function initializePrivileged(): void {
  enablePrivileges();
  store<i32>(L.MODE, Mode.Machine);
  readProtection();
  enterContext();
}

export function runPrivileged(total: i32): Stop {
  let left = total;
  let stop = Stop.None;
  forgetUpdates();
  for (;;) {
    takeInterrupt();
    if (!left) break;
    store<i64>(L.DONE, <i64>(total - left));
    stop = run(left);
    if (stop == Stop.NeedPage) undoUpdates();
    left -= load<i32>(L.EXECUTED);
    store<i64>(L.EXECUTED, 0);
    if (stop == Stop.Switch && isMuchWork()) stop = Stop.Attention;
    if (stop <= 0) continue;
    if (stop >= Stop.Wait || stop == Stop.NeedPage) break;
    if (stop != Stop.Ecall && stop != Stop.Breakpoint) {
      left--;
      store<i64>(L.INSTRET_BASE, load<i64>(L.INSTRET_BASE) + 1);
      store<i64>(L.TIME_BASE, load<i64>(L.TIME_BASE) + 1);
    }
    if (!(load<u64>(L.MCOUNTINHIBIT) & 4)) store<u64>(L.MINSTRET, load<u64>(L.MINSTRET) - 1);
    takeException(stop);
    stop = Stop.None;
  }
  store<i64>(L.DONE, 0);
  store<i64>(L.EXECUTED, <i64>(total - left));
  return stop < 0 ? Stop.None : stop;
}

/** Takes the interrupt that may be taken now, so that nothing that costs no instruction is left for the next run. */
export function settle(): void {
  store<i64>(L.EXECUTED, 0);
  takeInterrupt();
}

/** What was derived from the registers of the hart is derived again: they are another's now, or set from outside. */
export function hartChanged(protectionToo: bool): void {
  if (protectionToo) {
    readProtection();
    flushBanks();
  }
  enterContext();
}

/** Parks the executing hart and takes up another. */
export function selectHart(from: i32, to: i32): void {
  const park = L.PARKED_HARTS + from * L.HART_BYTES;
  const next = L.PARKED_HARTS + to * L.HART_BYTES;
  store<i64>(L.RESERVATION, -1);
  memory.copy(park, L.REGS, L.HART_BYTES);
  const same = memory.compare(park + (L.PMPCFG - L.REGS), next + (L.PMPCFG - L.REGS), L.PMP_RANGES - L.PMPCFG) == 0;
  memory.copy(L.REGS, next, L.HART_BYTES);
  hartChanged(!same);
  if (TIMED) setTimedHart(to);
}
