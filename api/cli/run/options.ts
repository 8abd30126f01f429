/** Options of `ostler run`, and how its end is told. */
import { CommandError, ExitCode } from "../failure.ts";
import type { Session } from "../session.ts";
import type { LimitOptions } from "../shared.ts";
import { formatCount, formatSize } from "../units.ts";

export const DEFAULT_TRACE = "default";
/** What a bare --trace shows: calls, signals, faults that were not resolved, ends of tasks. */
export const DEFAULT_TRACE_FILTER = {
  categories: ["syscall", "signal", "fault", "task"],
  tasks: [] as number[],
  expression: 'category == "syscall" || category == "signal" || event == "fault.fatal" || event == "task.exit"',
};

export interface RunOptions extends LimitOptions {
  machine?: string;
  memory?: number;
  seed?: number;
  file?: string[];
  name?: string;
  label?: Record<string, string>;
  keep?: boolean;
  local?: boolean;
  trace?: string;
  stdin?: string;
  env?: string[];
  timeout?: number;
  stats?: boolean;
}

/** A program that can never go on; the grader says the same. */
export const stuckError = (): CommandError =>
  new CommandError(
    "the program did not end: every thread waits for something that never comes",
    "its input has ended, and no timer is set; --trace shows what it waits for",
  );

export interface Ending {
  machineId?: string;
  task: number;
  /** Exit code or signal. */
  status: { case: "code" | "signal"; value: number };
  description: string;
  timedOut: boolean;
  instructions: bigint;
  peakMemoryBytes: bigint;
  systemCalls?: bigint;
}

/** Says how the program ended where that is not plain, and gives the status for the shell. */
export function tellEnding(session: Session, ending: Ending, options: RunOptions): number {
  const { out } = session;
  const { status, description } = ending;
  if (out.json) {
    const { machineId, task, timedOut } = ending;
    const counts = { instructions: String(ending.instructions), peakMemoryBytes: String(ending.peakMemoryBytes) };
    out.record({
      event: "exited",
      ...(machineId !== undefined && { machineId }),
      task,
      [status.case]: status.value,
      description,
      timedOut,
      ...counts,
    });
  } else {
    if (status.case === "signal")
      out.note(ending.timedOut ? `killed after ${(options.timeout ?? 0) / 1000} s (--timeout)` : description);
    if (options.stats) out.note(statsText(ending));
  }
  if (ending.timedOut) return ExitCode.timeout;
  return status.case === "signal" ? ExitCode.signalBase + status.value : status.value;
}

function statsText(ending: Ending): string {
  const calls = ending.systemCalls === undefined ? "" : `, ${ending.systemCalls} system calls`;
  return `${ending.instructions} instructions (${formatCount(ending.instructions)}), at most ${formatSize(ending.peakMemoryBytes)} of memory${calls}`;
}
