/** Which pages to fetch along with one that was touched. */
import type { MachineMemory } from "../machine/face.ts";
import { fanOut } from "./page-tree.ts";

/**
 * Absent pages of the same lowest node (512 KiB), nearest after `page` first, then those before it: programs and their
 * data lie in runs. The page itself is not among them.
 */
export function absentNeighbours(
  memory: Pick<MachineMemory, "pages" | "isPresent">,
  page: number,
  most: number,
): number[] {
  const first = page - (page % fanOut);
  const end = Math.min(first + fanOut, memory.pages);
  const found: number[] = [];
  for (let near = page + 1; near < end && found.length < most; near++) if (!memory.isPresent(near)) found.push(near);
  for (let near = page - 1; near >= first && found.length < most; near--) if (!memory.isPresent(near)) found.push(near);
  return found;
}
