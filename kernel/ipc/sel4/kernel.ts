import type { CapKernel } from "../../cap/kernel.ts";
import type { SchedKernel } from "../../sched/sched.ts";
import type { Thread } from "../../thread/state.ts";
import type { Sel4State } from "./state.ts";

/** The slice of the kernel that seL4's objects need. */
export interface Sel4Kernel extends CapKernel, SchedKernel {
  readonly sel4: Sel4State;
  /** Where RAM begins in physical memory. */
  readonly ramBase: number;
  /** On whose behalf the kernel works; for the trace. */
  subject: Thread | null;
  /** No capability to any device's registers is left: the kernel drives them again. */
  releaseDevices(): void;
}
