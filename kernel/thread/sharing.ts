/**
 * What tasks have in common that were made to (CLONE_FILES, CLONE_FS, CLONE_SIGHAND): descriptors, directories and file
 * mode mask, or actions of signals. Each has it itself; who changes it changes it for all who bear the same number.
 *
 * Must hold: tasks with the same number for something are equal in it.
 */
import { spend } from "../lib/effort.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Sharing, Task } from "./state.ts";

export const sharesNothing = (): Sharing => ({ files: null, directories: null, actions: null });

/** The others who have it, too. */
export function sharers(k: Pick<ThreadKernel, "threads" | "effort">, task: Task, what: keyof Sharing): Task[] {
  const number = task.sharing[what];
  if (number === null) return [];
  spend(k.effort, k.threads.tasks.size, "items");
  return [...k.threads.tasks.values()].filter((other) => other !== task && other.sharing[what] === number);
}

/** A child that has just been made has this in common with its parent. */
export function share(k: ThreadKernel, parent: Task, child: Task, what: keyof Sharing): void {
  parent.sharing[what] ??= k.threads.nextSharing++;
  child.sharing[what] = parent.sharing[what];
}
