/**
 * What ends of tasks consist of, in order, without recursion.
 *
 * The end of a task can be the end of another one (its child is to die with it, who traces it takes it along, a group is
 * hung up on, a parent is killed by what it is told), that of a third, and so on, as long as there are tasks. So an end is a
 * list of steps, and what a step ends as the last thing it does is not gone through inside of it: its steps are put
 * before those that are left. The order is that of calls within each other.
 *
 * Must hold: nothing is left to be done when `inOrder` returns to whoever is not a step itself.
 */

export interface Step {
  run(): void;
  /** Ends at most one other task, or puts more steps before the rest, and does nothing behind that. */
  readonly isLast: boolean;
}

/** No part of the machine: between two calls of the kernel there is nothing in it. */
export interface Endings {
  /** What is left to be done, the next one at the end. */
  readonly steps: Step[];
  /** A step is being done that comes to its end with what it does next. */
  isLast: boolean;
}

export const noEndings = (): Endings => ({ steps: [], isLast: false });

/** A step that does several things, and may end tasks in between: what that is made of is gone through inside of it. */
export const step = (run: () => void): Step => ({ run, isLast: false });
export const lastStep = (run: () => void): Step => ({ run, isLast: true });

export function inOrder({ endings }: { readonly endings: Endings }, steps: readonly Step[]): void {
  const { steps: left } = endings;
  const before = left.length;
  for (let at = steps.length - 1; at >= 0; at--) left.push(steps[at]!);
  if (endings.isLast) return;
  while (left.length > before) {
    const next = left.pop()!;
    endings.isLast = next.isLast;
    next.run();
    endings.isLast = false;
  }
}
