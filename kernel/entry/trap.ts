/** The only way from user mode into the kernel: a trap, to the one who handles it. */
import { fastCall } from "../abi/sel4/fast.ts";
import type { Trap } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import type { Thread } from "../thread/state.ts";
import { handleFault } from "./fault.ts";
import type { EntryKernel } from "./kernel.ts";
import { dispatch } from "./syscall.ts";

/** Handles a trap of the thread on the hart. Costs it no instructions. */
export function handleTrap(k: EntryKernel, thread: Thread, trap: Exclude<Trap, { kind: "budget" | "needPage" }>): void {
  assert(thread.context === null, "the trap is of the thread on the hart");
  k.hal.hart.dropReservation();
  if (trap.kind === "systemCall") {
    if (!fastCall(k, thread)) dispatch(k, thread);
  } else handleFault(k, thread, trap);
}
