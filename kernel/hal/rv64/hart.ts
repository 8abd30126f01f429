/** Trap causes of the core in the kernel's words. */
import { type Core, CoreStop } from "../../hardware/cpu/core.ts";
import { unreachable } from "../../lib/assert.ts";
import type { Hart, Trap } from "../types.ts";

/** Traps that say nothing more are made once. */
const budget: Trap = { kind: "budget" };
const systemCall: Trap = { kind: "systemCall" };
const breakpoint: Trap = { kind: "breakpoint" };

function trapOf(core: Core, stop: CoreStop): Trap {
  const value = (): bigint => BigInt.asUintN(64, core.faultValue());
  switch (stop) {
    // A device has something to tell: the machine looks at what is due whenever the hart comes back.
    case CoreStop.budget:
    case CoreStop.attention:
      return budget;
    case CoreStop.ecall:
      return systemCall;
    case CoreStop.breakpoint:
      return breakpoint;
    case CoreStop.illegalInstruction:
    case CoreStop.waitForInterrupt:
      return { kind: "illegalInstruction", bits: value() };
    case CoreStop.instructionPageFault:
      return { kind: "pageFault", address: value(), access: "execute" };
    case CoreStop.loadPageFault:
      return { kind: "pageFault", address: value(), access: "read" };
    case CoreStop.storePageFault:
      return { kind: "pageFault", address: value(), access: "write" };
    case CoreStop.needPage:
      return { kind: "needPage", page: core.faultPage() };
    case CoreStop.accessFault:
      return { kind: "busError", address: value(), description: "no memory at this address", misaligned: false };
    case CoreStop.misalignedAtomic:
      return { kind: "busError", address: value(), description: "misaligned atomic access", misaligned: true };
    default:
      return unreachable(stop);
  }
}

export const hartOver = (core: Core): Hart => ({
  run(budget, counters) {
    core.setCounters(counters.instructions, counters.timeNs);
    core.setTimedHart(counters.hart);
    const stop = core.run(budget);
    return { trap: trapOf(core, stop), executed: core.executed(), workNs: core.workNs() };
  },
  dropReservation: () => core.clearReservation(),
});
