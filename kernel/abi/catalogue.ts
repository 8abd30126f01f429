/** The system calls as clients and the documentation see them: names, parameters, support, errors. Nothing that runs. */
import { describeRow, type SystemCallInfo } from "./define/syscall.ts";
import { linuxTable } from "./linux/table.ts";

export type { SystemCallInfo, SystemCallParameter } from "./define/syscall.ts";

/** By number. */
export const systemCallCatalogue = (): SystemCallInfo[] =>
  linuxTable.map(describeRow).sort((a, b) => a.number - b.number);
