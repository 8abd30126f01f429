/** What hosts ask about a machine. Nothing here changes it. */

import { pageBytes } from "../hal/types.ts";
import * as clocks from "../hardware/clock/clock.ts";
import { getSpace } from "../mm/space.ts";
import { hartOf, runnable } from "../sched/sched.ts";
import { getThread } from "../thread/blocking.ts";
import type { Task, Thread } from "../thread/state.ts";
import { describeWait } from "../thread/wait.ts";
import type { Bare } from "./bare/bare.ts";
import { canExecute } from "./bare/run.ts";
import type { Kernel } from "./kernel.ts";
import type { MachineSummary, Position, TaskInfo, ThreadInfo } from "./types.ts";

export const positionOf = (k: Kernel): Position => ({
  instructions: k.state.clock.instructions,
  timeNs: clocks.timeNs(k.state.clock),
});

function runOfBare({ state }: Kernel, bare: Bare): { run: MachineSummary["run"]; reason: string } {
  const { power } = bare.state.board;
  if (power.state === "off") return { run: "idle", reason: `switched off with code ${power.code}` };
  const willRun = canExecute(bare) || state.clock.events.length > 0 || state.control.untilTimeNs !== null;
  return willRun ? { run: "running", reason: "" } : { run: "idle", reason: "every hart waits for an interrupt" };
}

function runOf(k: Kernel): { run: MachineSummary["run"]; reason: string } {
  const { control, clock } = k.state;
  if (control.frozen !== null) return { run: "frozen", reason: control.frozen };
  if (control.paused) return { run: "paused", reason: control.reason };
  if (k.bare !== null) return runOfBare(k, k.bare);
  const canRun = runnable(k) > 0;
  const willRun = canRun || clock.events.length > 0 || control.untilTimeNs !== null;
  return willRun ? { run: "running", reason: "" } : { run: "idle", reason: "" };
}

export const summarize = (k: Kernel): MachineSummary => ({
  position: positionOf(k),
  ...runOf(k),
  consoleLength: k.state.hardware.uart.transmitted,
  framesSent: k.bare?.state.board.network.sent ?? 0,
  traceSequence: k.state.trace.sequence,
  taskCount: k.threads.tasks.size,
});

function threadInfo(k: Kernel, thread: Thread): ThreadInfo {
  const blocked = thread.state === "blocked";
  return {
    thread: thread.id,
    state: blocked ? "blocked" : hartOf(k, thread.id) === null ? "ready" : "running",
    wait: blocked && thread.wait !== null ? describeWait(thread.wait) : "",
    pc: k.hal.contexts.getPc(thread.context),
    instructions: thread.instructions,
    call: thread.call?.id ?? null,
  };
}

function taskInfo(k: Kernel, task: Task): TaskInfo {
  const space = getSpace(k, task.space);
  return {
    task: task.id,
    name: task.name,
    kind: task.kind,
    state: "running",
    status: null,
    threads: task.threads.map((id) => threadInfo(k, getThread(k, id))),
    instructions: task.instructions,
    memoryBytes: space.residentFrames * pageBytes,
    peakMemoryBytes: space.peakFrames * pageBytes,
    outputBytes: task.outputBytes,
    systemCalls: task.systemCalls,
    pageFaults: task.pageFaults,
  };
}

export function listTasks(k: Kernel): TaskInfo[] {
  const exited = k.threads.exited.map(
    ({ id, status, ...record }): TaskInfo => ({
      ...record,
      task: id,
      state: "exited",
      status: { ...status },
      threads: [],
      memoryBytes: 0,
    }),
  );
  return [...exited, ...[...k.threads.tasks.values()].map((task) => taskInfo(k, task))].sort((a, b) => a.task - b.task);
}
