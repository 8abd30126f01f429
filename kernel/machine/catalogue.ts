/** The only file that names concrete things: instruction set, tables of system calls, what tasks hold. */
import type { SystemCall } from "../abi/define/syscall.ts";
import type { LinuxKernel } from "../abi/linux/kernel.ts";
import { linuxTable } from "../abi/linux/table.ts";
import type { TaskResource } from "../thread/kernel.ts";
import { closeAll } from "../vfs/descriptors.ts";
import type { FileKernel } from "../vfs/kernel.ts";

export { createHal } from "../hal/rv64/hal.ts";
export { addressMap } from "../hardware/bus/map.ts";

/** System calls by number. */
export const systemCalls: ReadonlyMap<number, SystemCall<LinuxKernel>> = new Map(
  linuxTable.map((row) => [row.nr.rv64, row]),
);

export const taskResources = (k: () => FileKernel): readonly TaskResource[] => [
  { release: (task) => closeAll(k(), task) },
];
