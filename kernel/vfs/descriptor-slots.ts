/** Where capabilities to open files are: a slot for each number of each task. */
import type { SlotAddress, TaskId } from "../lib/ids.ts";

/** Far from the kernel's other slots; room for more numbers than a task may have. Both are in snapshots. */
const firstSlot = -(2 ** 41);
const slotsPerTask = 2 ** 20;

export const descriptorSlot = (task: TaskId, fd: number): SlotAddress =>
  (firstSlot - task * slotsPerTask - fd) as SlotAddress;

/** Whose descriptor a slot of the kernel's own is, if it is one. */
export function descriptorOf(slot: SlotAddress): { task: TaskId; fd: number } | null {
  const number = firstSlot - slot;
  if (number < slotsPerTask) return null;
  return { task: Math.floor(number / slotsPerTask) as TaskId, fd: number % slotsPerTask };
}
