/** What the checks of invariants have found, in words. */
export type Problems = string[];

/** Sorted ids that differ are shown as lists. */
export function same(what: string, left: Iterable<unknown>, right: Iterable<unknown>, problems: Problems): void {
  const [a, b] = [[...left].map(String).sort().join(" "), [...right].map(String).sort().join(" ")];
  if (a !== b) problems.push(`${what}: [${a}] and [${b}]`);
}
