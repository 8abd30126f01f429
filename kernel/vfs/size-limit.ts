/** How long a task may make files (RLIMIT_FSIZE). */
import { limits } from "../lib/limits.ts";
import { signals } from "../lib/signals.ts";
import { Resource, softLimit } from "../thread/rlimits.ts";
import { fromSender, SignalCode, sendSignal } from "../thread/signals.ts";
import type { Task } from "../thread/state.ts";
import type { FileKernel } from "./kernel.ts";

/** The first byte that it may not write. */
export const mostFileBytes = (k: FileKernel, task: Task): number =>
  Math.min(limits.fileBytes, softLimit(k, task, Resource.RLIMIT_FSIZE));

/** A file was to become too long. Who has a limit of its own is sent SIGXFSZ, which may end it. */
export function refuseSize(k: FileKernel, task: Task): "EFBIG" {
  const isOwn = mostFileBytes(k, task) < limits.fileBytes;
  if (isOwn) sendSignal(k, task, fromSender(k, signals.SIGXFSZ, SignalCode.user, task));
  return "EFBIG";
}
