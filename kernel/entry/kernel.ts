import type { SystemCall } from "../abi/define/syscall.ts";
import type { LinuxKernel } from "../abi/linux/kernel.ts";
import type { Sel4Kernel } from "../ipc/sel4/kernel.ts";

/** The kernel as system calls see it. */
export interface PersonalityKernel extends LinuxKernel, Sel4Kernel {
  readonly config: LinuxKernel["config"];
}

/** What kernel entry needs: that, and the table of calls. */
export interface EntryKernel extends PersonalityKernel {
  /** By number: from 0 on Linux's, below 0 seL4's. */
  readonly systemCalls: ReadonlyMap<number, SystemCall<PersonalityKernel>>;
}
