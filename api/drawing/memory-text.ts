/** Words for memory in pictures: its ranges, who has what of it, and what the tables of an address space say. */
import type {
  AddressSpaceInfo,
  FrameOwnerName,
  MappedRangeInfo,
  MemoryMapInfo,
  PoolInfo,
  WalkStepInfo,
} from "../../kernel/index.ts";

/** Ranges of an address space, or holders of pools, in a picture: more of them nobody can look at. */
export const MAX_DRAWN = 2000;

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];
const ENTRY_BYTES = 8n;
const TABLE_BYTES = 4096n;

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Exactly, in the largest unit that does that. */
export function sizeText(bytes: bigint | number): string {
  let value = BigInt(bytes);
  let unit = 0;
  for (; value > 0n && value % 1024n === 0n && unit < UNITS.length - 1; unit++) value /= 1024n;
  return `${value} ${UNITS[unit]}`;
}

/** From the first address to the one behind the last. */
export const spanText = (start: bigint | number, bytes: bigint | number): string =>
  `${hex(start)} to ${hex(BigInt(start) + BigInt(bytes))}`;

export const shareText = (part: number, whole: number): string =>
  `${whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1)} %`;

export const ownerText: Record<FrameOwnerName, string> = {
  free: "free",
  kernel: "kernel",
  table: "page tables",
  anonymous: "memory of tasks",
  image: "page cache",
  untyped: "untyped memory",
  firmware: "firmware",
  reserved: "reserved",
  file: "pages of files",
};

export const mapTitle = ({ frames, frameBytes, allocator, free }: MemoryMapInfo): string =>
  `${frames} frames of ${sizeText(frameBytes)}, ${free.frames} free for general use; allocator ${allocator.replaceAll("_", " ")}`;

export const poolText = ({ start, bytes, general }: PoolInfo): string =>
  `pool ${spanText(start, bytes)}${general ? "" : ", by name"}`;

export interface PoolHolder {
  who: string;
  frames: number;
  /** Of the pages that several have those that this one sees. */
  shared: number;
}

/** Who has something of a pool. Their frames add up to the pool's. */
export function poolHolders({ free, cached, untyped, shared, banks }: PoolInfo): PoolHolder[] {
  return [
    { who: "free", frames: free, shared: 0 },
    { who: "page cache", frames: cached, shared: 0 },
    { who: "root tasks", frames: untyped, shared: 0 },
    { who: "several tasks", frames: shared, shared: 0 },
    ...banks.map((bank) => ({ who: `task ${bank.task}`, frames: bank.pages + bank.tables, shared: bank.shared })),
  ].filter((holder) => holder.frames + holder.shared > 0);
}

/** The pools with as many holders as a picture may have, and how many were left out. */
export function drawnHolders(pools: readonly PoolInfo[]): {
  drawn: { pool: PoolInfo; holders: PoolHolder[] }[];
  left: number;
} {
  let room = MAX_DRAWN;
  let left = 0;
  const drawn = pools.map((pool) => {
    const all = poolHolders(pool);
    const holders = all.slice(0, room);
    room -= holders.length;
    left += all.length - holders.length;
    return { pool, holders };
  });
  return { drawn, left };
}

export const spaceTitle = ({ asid, task, root }: AddressSpaceInfo): string =>
  `address space ${asid} ${task === null ? "made by hand" : `of task ${task}`}, top table at ${hex(root)}`;

/** The table that a step of a walk looks into, and the index of the entry that it finds there. */
export const tableOf = ({ entryAddress }: WalkStepInfo): bigint => entryAddress - (entryAddress % TABLE_BYTES);
export const indexOf = ({ entryAddress }: WalkStepInfo): bigint => (entryAddress % TABLE_BYTES) / ENTRY_BYTES;

/** Where a walk ends, in two lines. */
export function endText({ walk }: AddressSpaceInfo): [string, string] {
  const last = walk?.steps.at(-1);
  if (last === undefined || last.kind !== "page") return ["nothing is mapped", ""];
  const page = `${sizeText(2n ** BigInt(last.coversBits))} page at ${hex(last.address)}`;
  return [page, `${last.permissions}, the address is ${hex(walk!.physical!)}`];
}

export const bytesOf = ({ pages, pageBits }: MappedRangeInfo): bigint => BigInt(pages) << BigInt(pageBits);

export const pagesText = ({ pages, pageBits, permissions }: MappedRangeInfo): string =>
  `${permissions} ${pages} ${pages === 1 ? "page" : "pages"} of ${sizeText(2n ** BigInt(pageBits))}`;

/** What follows when not all ranges are in the picture. */
export const restText = ({ next }: AddressSpaceInfo): string => (next === null ? "" : `more from ${hex(next)} on`);
