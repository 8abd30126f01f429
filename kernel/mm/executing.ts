/**
 * Which files are programs that run, and which are open for writing: what a guest asks for makes none both (ETXTBSY).
 *
 * Must hold: `executions` of a file is the number of address spaces that it is the program of, `writers` the number of open
 * files that say so of themselves. A program that was unlinked and unmapped while it runs is no file any more.
 */
import { must } from "../lib/assert.ts";
import type { StoredId } from "../lib/ids.ts";
import type { MmKernel } from "./kernel.ts";
import type { Space } from "./state.ts";

type ExecutingKernel = Pick<MmKernel, "mm">;

/** A new space runs a file: not the dynamic linker's, which may be written to. */
export function beginExecution(k: ExecutingKernel, space: Space, file: StoredId | null): void {
  const stored = file === null ? undefined : k.mm.stored.get(file);
  space.executable = stored?.id ?? null;
  if (stored !== undefined) stored.executions += 1;
}

/** The space ends. */
export function endExecution(k: ExecutingKernel, { executable }: Space): void {
  const stored = executable === null ? undefined : k.mm.stored.get(executable);
  if (stored !== undefined) stored.executions -= 1;
}

export const isExecuted = (k: ExecutingKernel, file: StoredId): boolean => k.mm.stored.get(file)!.executions > 0;

export const isWrittenTo = (k: ExecutingKernel, file: StoredId): boolean => k.mm.stored.get(file)!.writers > 0;

export function countWriter(k: ExecutingKernel, file: StoredId, change: 1 | -1): void {
  must(k.mm.stored.get(file), "what is open is stored").writers += change;
}
