/**
 * Effort: a rough count of the work that the host does for one machine outside its instructions, so that a run
 * gives the host back in bounded time however its calls are chosen. It is no part of the machine: it only decides
 * where a run is cut, and where it is cut changes nothing.
 *
 * What one call may do is bounded too, by limits.ts; `spend` is said where that work is done, in the unit that it
 * grows by. The weights are about nanoseconds on a slow host.
 */
export interface Effort {
  spent: number;
}

const weights = {
  /** Copied, or made. */
  bytes: 0.5,
  /** Of a path, looked at one by one. */
  characters: 4,
  /** Entries of a list that is gone through. */
  items: 8,
  /** Page-table entries that are visited, or changed. */
  pages: 200,
  /** Ways into the kernel and out of it. */
  entries: 1000,
  /** Of the clock, and what they wake. */
  events: 2000,
  /** Of a device to memory, for a word or a piece. */
  accesses: 100,
  /** As they are. */
  nanoseconds: 1,
} as const;

export function spend(effort: Effort, count: number, unit: keyof typeof weights): void {
  effort.spent += count * weights[unit];
}
