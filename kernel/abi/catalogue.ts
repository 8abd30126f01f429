/** The system calls as clients and the documentation see them: names, parameters, support, errors. Nothing that runs. */
import type { IsaName } from "../hal/types.ts";
import { describeRow, type SystemCallInfo } from "./define/syscall.ts";
import { linuxTable } from "./linux/table.ts";

export type { SystemCallInfo, SystemCallParameter } from "./define/syscall.ts";

/** By number. */
export const describeCalls = (isa: IsaName): SystemCallInfo[] =>
  linuxTable.map((row) => describeRow(row, isa)).sort((a, b) => a.number - b.number);
