import type { SchedKernel } from "../../sched/sched.ts";
import type { FileKernel } from "../../vfs/kernel.ts";

/** What /proc tells of. */
export interface ProcKernel extends FileKernel, SchedKernel {
  readonly config: FileKernel["config"] & SchedKernel["config"] & { readonly hostname: string; readonly seed: bigint };
}
