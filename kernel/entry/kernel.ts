import type { SystemCall } from "../abi/define/syscall.ts";
import type { LinuxKernel } from "../abi/linux/kernel.ts";

/** What kernel entry needs: the kernel as system calls see it, and the table of calls. */
export interface EntryKernel extends LinuxKernel {
  /** By number. */
  readonly systemCalls: ReadonlyMap<number, SystemCall<LinuxKernel>>;
}
