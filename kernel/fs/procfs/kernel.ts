import type { SysvKernel } from "../../ipc/sysv/objects.ts";
import type { SchedKernel } from "../../sched/sched.ts";
import type { Thread } from "../../thread/state.ts";
import type { FileKernel } from "../../vfs/kernel.ts";

/** What /proc tells of. */
export interface ProcKernel extends FileKernel, SchedKernel, SysvKernel {
  /** On whose behalf the kernel works: who reads. */
  readonly subject: Thread | null;
  readonly config: FileKernel["config"] & SchedKernel["config"] & { readonly hostname: string; readonly seed: bigint };
}
