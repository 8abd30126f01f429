import type { SysvKernel } from "../../ipc/sysv/objects.ts";
import type { RandomState } from "../../lib/random.ts";
import type { SchedKernel } from "../../sched/sched.ts";
import type { TimeKernel } from "../../time/clock.ts";
import type { FileKernel } from "../../vfs/kernel.ts";

/** The slice of the kernel that Linux's system calls need. */
export interface LinuxKernel extends FileKernel, SchedKernel, SysvKernel {
  readonly random: RandomState;
  readonly config: FileKernel["config"] & SchedKernel["config"] & TimeKernel["config"] & { readonly hostname: string };
}

export { release } from "../../lib/system.ts";
