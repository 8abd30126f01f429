/** Address spaces as the MMU's tables have them, for hosts that look: a walk, and what is mapped. Changes nothing. */
import { capOf, isVspace } from "../ipc/sel4/access.ts";
import { addressOf, frameAt } from "../ipc/sel4/vspace.ts";
import type { FrameNumber, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { getSpace, permissionText } from "../mm/space.ts";
import type { AddressSpaceInfo, MappedRangeInfo, SpaceSelector, WalkInfo } from "./graph-types.ts";
import type { Kernel } from "./kernel.ts";

/** Sv39 has three levels of tables. */
const topLevel = 2;
const entryBytes = 8;

interface Found {
  asid: number;
  root: FrameNumber;
}

const physicalOf = (k: Kernel, frame: FrameNumber): bigint => BigInt(addressOf(k, frame));

/** Tables by number: a program's own, or made by hand. */
function byNumber(k: Kernel, asid: number): Found | null {
  for (const space of k.mm.spaces.values()) if (space.asid === asid) return { asid, root: space.root };
  const root = k.sel4.vspaces.get(asid);
  return root === undefined ? null : { asid, root: frameAt(k, root) };
}

function find(k: Kernel, which: SpaceSelector): Found | null {
  if ("asid" in which) return byNumber(k, which.asid);
  const thread = "thread" in which ? k.threads.threads.get(which.thread) : undefined;
  const task = k.threads.tasks.get("task" in which ? which.task : (thread?.task ?? (0 as TaskId)));
  if (task === undefined) return null;
  if (thread === undefined || thread.tcb === null) return getSpace(k, task.space);
  const cap = capOf(k, thread.tcb, "vspace");
  return cap?.type === "pageTable" && cap.mapped !== null && isVspace(k, cap) ? byNumber(k, cap.mapped.asid) : null;
}

function walkOf(k: Kernel, root: FrameNumber, address: number): WalkInfo {
  const steps = k.hal.mmu.walk(root, address);
  const last = steps.at(-1)!;
  return {
    steps: steps.map(({ bits, kind, frame, permissions, entry, index }, depth) => ({
      level: topLevel - depth,
      coversBits: bits,
      entryAddress: physicalOf(k, depth === 0 ? root : steps[depth - 1]!.frame) + BigInt(index * entryBytes),
      entry: BigInt(entry),
      kind,
      address: kind === "empty" ? 0n : physicalOf(k, frame),
      permissions: kind === "page" ? permissionText(permissions) : "",
    })),
    physical: last.kind === "page" ? physicalOf(k, last.frame) + BigInt(address % 2 ** last.bits) : null,
  };
}

/** Whether a page goes on where a range ends, the same in all. */
function continues(range: MappedRangeInfo, next: MappedRangeInfo): boolean {
  const bytes = BigInt(range.pages) << BigInt(range.pageBits);
  return (
    range.pageBits === next.pageBits &&
    range.permissions === next.permissions &&
    range.start + bytes === next.start &&
    range.physical + bytes === next.physical
  );
}

/** Ranges of pages from an address on, or from where too many entries were looked at; what has no table is stepped over whole. */
function rangesFrom(
  k: Kernel,
  root: FrameNumber,
  from: number,
  limit: number,
): { ranges: MappedRangeInfo[]; next: number | null } {
  const ranges: MappedRangeInfo[] = [];
  let looks = 0;
  for (let address = from; address < k.hal.mmu.userEnd; ) {
    if (looks++ >= limits.inspectEntries) return { ranges, next: address };
    const { bits, kind, frame, permissions } = k.hal.mmu.walk(root, address).at(-1)!;
    const start = address - (address % 2 ** bits);
    address = start + 2 ** bits;
    if (kind !== "page") continue;
    const physical = physicalOf(k, frame);
    const page = { start: BigInt(start), pages: 1, pageBits: bits, physical, permissions: permissionText(permissions) };
    const last = ranges.at(-1);
    if (last !== undefined && continues(last, page)) last.pages += 1;
    else if (ranges.length === limit) return { ranges, next: start };
    else ranges.push(page);
  }
  return { ranges, next: null };
}

/** null: there is no such space, or the thread has none. `address`: walk there; `from`, `limit`: of the ranges. */
export function addressSpace(
  k: Kernel,
  which: SpaceSelector,
  { address, from, limit }: { address: number | null; from: number; limit: number },
): AddressSpaceInfo | null {
  const found = find(k, which);
  if (found === null) return null;
  const owner = [...k.mm.spaces.values()].find(({ root }) => root === found.root);
  return {
    asid: found.asid,
    root: physicalOf(k, found.root),
    task: owner?.task ?? null,
    walk: address === null || address >= k.hal.mmu.userEnd ? null : walkOf(k, found.root, address),
    ...rangesFrom(k, found.root, from, limit),
  };
}
