/**
 * Jobs: a task that the host started, with all that it forked. What the host's limits bound is used by all of them
 * together.
 *
 * Must hold: there is a job exactly as long as a task of it lives.
 */
import { must } from "../lib/assert.ts";
import type { TaskId } from "../lib/ids.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Job, Task, TaskLimits } from "./state.ts";

type Kernel = Pick<ThreadKernel, "threads">;

export const jobOf = (k: Kernel, task: Task): Job => must(k.threads.jobs.get(task.job), "the job of a task exists");

export function beginJob(k: Kernel, id: TaskId, limits: TaskLimits): void {
  k.threads.jobs.set(id, { limits: { ...limits }, instructions: 0, outputBytes: 0 });
}

/** A task of the job has ended. */
export function endJob(k: Kernel, id: TaskId): void {
  for (const { job } of k.threads.tasks.values()) if (job === id) return;
  k.threads.jobs.delete(id);
}

export function countInstructions(k: Kernel, task: Task, executed: number): void {
  task.instructions += executed;
  jobOf(k, task).instructions += executed;
}

/** How many more instructions the task may execute. */
export function instructionsLeft(k: Kernel, task: Task): number {
  const { limits, instructions } = jobOf(k, task);
  return limits.instructions === 0 ? Number.POSITIVE_INFINITY : limits.instructions - instructions;
}

export function countOutput(k: Kernel, task: Task, bytes: number): void {
  task.outputBytes += bytes;
  jobOf(k, task).outputBytes += bytes;
}

/** How many more bytes the task may write to the console. */
export function outputLeft(k: Kernel, task: Task): number {
  const { limits, outputBytes } = jobOf(k, task);
  return limits.outputBytes === 0 ? Number.POSITIVE_INFINITY : limits.outputBytes - outputBytes;
}
