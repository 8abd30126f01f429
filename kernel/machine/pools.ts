/** Who has what of the machine's memory: pools, and the banks of tasks and of the page cache; for hosts that look. */
import { type Pool, pageCache, poolsOf } from "../cap/memory.ts";
import { pageBytes } from "../hal/types.ts";
import type { TaskId } from "../lib/ids.ts";
import { type FrameRange, type Holding, holdingOf, useOf } from "../mm/holdings.ts";
import { getSpace } from "../mm/space.ts";
import type { Kernel } from "./kernel.ts";
import type { PoolInfo } from "./types.ts";

export function rangeOf(k: Kernel, { address, sizeBits }: { address: number; sizeBits: number }): FrameRange {
  const first = (address - k.ram.base) / pageBytes;
  return { first, end: first + 2 ** sizeBits / pageBytes };
}

const nothing: Holding = { pages: 0, tables: 0, shared: 0 };

/** What a task has of a range. A space that several tasks run in is the first one's. */
export function holdingOfTask(k: Kernel, id: TaskId, range: FrameRange): Holding {
  const space = k.threads.tasks.get(id)?.space;
  for (const task of k.threads.tasks.values())
    if (task.space === space) return task.id === id ? holdingOf(k, getSpace(k, space), range) : nothing;
  if (id === pageCache) return { ...nothing, pages: useOf(k, range).cached };
  return nothing;
}

function poolInfo(k: Kernel, pool: Pool): PoolInfo {
  const range = rangeOf(k, pool);
  const use = useOf(k, range);
  const banks = [...k.threads.tasks.keys()].map((task) => ({ task, ...holdingOfTask(k, task, range) }));
  return {
    start: pool.address,
    bytes: 2 ** pool.sizeBits,
    general: pool.pool === "general",
    frames: range.end - range.first,
    ...use,
    banks: banks.filter(({ pages, tables, shared }) => pages + tables + shared > 0),
  };
}

export const poolInfos = (k: Kernel): PoolInfo[] => poolsOf(k).map((pool) => poolInfo(k, pool));
