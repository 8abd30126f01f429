/** What an input comes to once it has been checked: an error, or something that cannot fail. */
import type { TaskId } from "../lib/ids.ts";
import type { Task } from "../thread/state.ts";
import type { Kernel } from "./kernel.ts";
import type { InputError } from "./types.ts";

/** What an input will do; the id of a task that it creates. */
export type Plan = { perform(): TaskId | undefined } | { error: InputError };

export const refuse = (code: InputError["code"], field: string, message: string): { error: InputError } => ({
  error: { code, field, message },
});
export function liveTask(k: Kernel, id: TaskId): Task | { error: InputError } {
  const task = k.threads.tasks.get(id);
  if (task !== undefined) return task;
  const ended = k.threads.exited.some((record) => record.id === id);
  return ended
    ? refuse("failedPrecondition", "task", `task ${id} has ended`)
    : refuse("notFound", "task", `there is no task ${id}`);
}
