/** The only file that names concrete things: instruction set, tables of system calls, what tasks hold. */
import { describeCalls } from "../abi/catalogue.ts";
import type { SystemCall, SystemCallInfo } from "../abi/define/syscall.ts";
import type { LinuxKernel } from "../abi/linux/kernel.ts";
import { linuxTable } from "../abi/linux/table.ts";
import type { IsaName } from "../hal/types.ts";
import type { TaskResource } from "../thread/kernel.ts";
import { closeAll } from "../vfs/descriptors.ts";
import type { FileKernel } from "../vfs/kernel.ts";

export { createHal } from "../hal/rv64/hal.ts";
export { addressMap } from "../hardware/bus/map.ts";

const isa: IsaName = "rv64";

/** System calls by number. */
export const systemCalls: ReadonlyMap<number, SystemCall<LinuxKernel>> = new Map(
  linuxTable.map((row) => [row.nr[isa], row]),
);

export const systemCallCatalogue = (): SystemCallInfo[] => describeCalls(isa);

export const taskResources = (k: () => FileKernel): readonly TaskResource[] => [
  { release: (task) => closeAll(k(), task) },
];
