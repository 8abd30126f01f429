/** Terminals that the machine's host gives to programs which it starts: a second console, and more. */
import { assert } from "../lib/assert.ts";
import type { Task } from "../thread/state.ts";
import { realtimeNs } from "../time/clock.ts";
import { createHostTerminal, openSlave } from "../tty/pty.ts";
import { takeTerminal } from "../tty/terminal.ts";
import { duplicate, openFile } from "./descriptors.ts";
import { AccessMode } from "./file-ops.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenTarget } from "./state.ts";
import { slaveName, terminalGroup } from "./terminals.ts";

/** Gives a task that was just made a terminal of the host's, as its session's and as its first files. */
export function openHostTerminal(k: FileKernel, task: Task, rows: number, columns: number): void {
  const owner = { uid: task.credentials.fsuid, gid: terminalGroup, nowNs: realtimeNs(k) };
  const pair = createHostTerminal(k, task.id, owner, rows, columns);
  takeTerminal(k, pair, task);
  const target: OpenTarget = { kind: "slave", pair, generation: openSlave(k, pair) };
  const first = openFile(k, task, target, slaveName(k, pair), AccessMode.both, false);
  assert(first === 0, "a new task has no files");
  while (task.descriptors.length < 3) duplicate(k, task, first, 0, false);
}
