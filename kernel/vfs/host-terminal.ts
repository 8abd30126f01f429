/** Terminals that the machine's host gives to programs which it starts: the console, a second console, and more. */
import { assert } from "../lib/assert.ts";
import type { Task } from "../thread/state.ts";
import { realtimeNs } from "../time/clock.ts";
import { createHostTerminal, openSlave } from "../tty/pty.ts";
import { takeTerminal } from "../tty/terminal.ts";
import { duplicate, openFile } from "./descriptors.ts";
import { isConsole } from "./devices.ts";
import { AccessMode } from "./file-ops.ts";
import { attributesOf, FileType, isType, openedAt } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import type { Opened, OpenTarget } from "./state.ts";
import { slaveName, terminalGroup } from "./terminals.ts";
import { findPlace } from "./walk.ts";

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

/** The console's device; null where there is no such file. */
function consoleName(k: FileKernel, task: Task): Opened | null {
  const found = findPlace(k, task, task.root, "/dev/console");
  if ("errno" in found) return null;
  const { place, directory, name } = found;
  const attributes = attributesOf(k, place);
  const { device } = attributes;
  if (device === null || !isType(attributes, FileType.character) || !isConsole(device.major, device.minor)) return null;
  return openedAt(k, place, directory, name);
}

/**
 * Gives a task that was just made the console, at all of its first three descriptors that are free. That is
 * /dev/console opened, as whoever logs a user in does it, so that the task can find out what its terminal is called
 * (ttyname(3)). Whether it could open that by itself is another question: with a first program it is root's.
 */
export function openHostConsole(k: FileKernel, task: Task): void {
  const first = openFile(k, task, { kind: "console" }, consoleName(k, task), AccessMode.both, false) as number;
  while (task.descriptors.length < 3) duplicate(k, task, first, 0, false);
}
