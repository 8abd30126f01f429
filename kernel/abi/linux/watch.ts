/** What calls have in common that wait for any of several files: until when, in which queues, with which signal mask. */
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import type { MmKernel } from "../../mm/kernel.ts";
import { getSpace } from "../../mm/space.ts";
import { copyOut } from "../../mm/user.ts";
import { holdSignalMask } from "../../thread/signals.ts";
import type { Task } from "../../thread/state.ts";
import { deadlineAfter } from "../../time/clock.ts";
import { opsOf } from "../../vfs/files.ts";
import type { OpenFile } from "../../vfs/state.ts";
import type { Call, Outcome } from "../define/outcome.ts";
import type { LinuxKernel } from "./kernel.ts";
import { encodeTimespec, fromTimespec, type Timespec } from "./layouts.ts";

/** Where and until when to wait for what is not ready. */
export interface Watch {
  queues: Set<string>;
  /** When one of the files gets ready by itself. */
  dueNs: number | null;
}

export const newWatch = (): Watch => ({ queues: new Set(), dueNs: null });

const earlier = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

export function watchFile(k: LinuxKernel, call: Call, watch: Watch, file: OpenFile): void {
  const ops = opsOf(file);
  for (const queue of ops.queues(k, file, call)) watch.queues.add(queue);
  watch.dueNs = earlier(watch.dueNs, ops.dueNs?.(k, file) ?? null);
}

/** Until when a call that may wait does so: what its first dispatch decided. */
export function endOf({ progress }: Call, first: () => number | null): number | null {
  return progress?.kind === "poll" ? progress.untilNs : first();
}

export function endOfTimeout(k: LinuxKernel, call: Call, timeout: Timespec | null): { ns: number | null } | Errno {
  const ns = timeout === null ? null : fromTimespec(timeout);
  if (timeout !== null && ns === null) return "EINVAL";
  return { ns: endOf(call, () => (ns === null ? null : deadlineAfter(k, ns))) };
}

export const isOver = (k: LinuxKernel, untilNs: number | null): boolean =>
  untilNs !== null && untilNs <= k.hal.timer.nowNs();

/** Stores how much is left until then of what was cut short (null: as good as for ever); an error if there is no memory for it. */
export function storeRemaining(k: MmKernel, task: Task, where: bigint, untilNs: number | null): Errno | null {
  const left = untilNs === null ? limits.timeNs : Math.max(0, untilNs - k.hal.timer.nowNs());
  return copyOut(k, getSpace(k, task.space), where, encodeTimespec(BigInt(left)));
}

export const waitFor = ({ queues, dueNs }: Watch, untilNs: number | null, remaining = 0n): Outcome<never> => ({
  kind: "blocked",
  wait: { kind: "poll", queue: null, queues: [...queues], untilNs, remaining, deadlineNs: earlier(dueNs, untilNs) },
});

/** For as long as the call takes, the thread has this mask; false when a signal that it held back ended the task. */
export function withMask(k: LinuxKernel, { task, thread, progress }: Call, mask: bigint | null): boolean {
  if (mask !== null && progress === null) holdSignalMask(k, task, thread, mask);
  return k.threads.tasks.has(task.id);
}
