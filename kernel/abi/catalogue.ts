/** The system calls as clients and the documentation see them: names, parameters, support, errors. Nothing that runs. */
import type { IsaName } from "../hal/types.ts";
import { describeRow, type SystemCallInfo } from "./define/syscall.ts";
import { linuxTable } from "./linux/table.ts";
import { sel4Table } from "./sel4/calls.ts";

export type { SystemCallInfo, SystemCallParameter } from "./define/syscall.ts";

/** seL4's, whose numbers are below zero: from -1 downwards. */
export const describeSel4Calls = (isa: IsaName): SystemCallInfo[] =>
  sel4Table.map((row) => describeRow(row, isa)).sort((a, b) => b.number - a.number);

/** Linux's, by number. */
export const describeCalls = (isa: IsaName): SystemCallInfo[] =>
  linuxTable.map((row) => describeRow(row, isa)).sort((a, b) => a.number - b.number);
