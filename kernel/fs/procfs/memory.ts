/** /proc about a task's memory: maps, smaps, statm, and what its program found when it began. */
import { pageBytes } from "../../hal/types.ts";
import { spend } from "../../lib/effort.ts";
import { limits } from "../../lib/limits.ts";
import { FrameOwner } from "../../mm/frames.ts";
import { lockedBytes } from "../../mm/residency.ts";
import { getSpace } from "../../mm/space.ts";
import type { Region, Space } from "../../mm/state.ts";
import { isShared } from "../../mm/tally.ts";
import { peek } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import type { ProcKernel } from "./kernel.ts";

const hex = (value: number): string => value.toString(16).padStart(8, "0");
const kib = (bytes: number): number => Math.floor(bytes / 1024);

/** Bytes of an address space by what they are for, and of those that have frames, whose these are. */
export interface Sizes {
  total: number;
  data: number;
  stack: number;
  text: number;
  libraries: number;
  locked: number;
  tables: number;
  resident: number;
  peak: number;
}

const write = 2;
const execute = 4;

export function sizesOf(k: ProcKernel, task: Task): Sizes {
  const space = getSpace(k, task.space);
  const { residentFrames, tableFrames, peakFrames } = space;
  const resident = (residentFrames - tableFrames) * pageBytes;
  const [tables, peak] = [tableFrames * pageBytes, peakFrames * pageBytes];
  const sizes = {
    total: 0,
    data: 0,
    stack: 0,
    text: 0,
    libraries: 0,
    locked: lockedBytes(space),
    tables,
    resident,
    peak,
  };
  spend(k.effort, space.regions.length, "items");
  for (const region of space.regions) {
    const bytes = region.end - region.start;
    sizes.total += bytes;
    if (region.growsDown) sizes.stack += bytes;
    else if (region.permissions & write && !isShared(region)) sizes.data += bytes;
    else if (region.permissions & execute && region.backing.kind === "file")
      sizes[region.name === task.executable ? "text" : "libraries"] += bytes;
  }
  return sizes;
}

/** Of the pages that have a frame, how many are whose. */
export function residentBy(k: ProcKernel, space: Space, from = 0, to = k.hal.mmu.userEnd) {
  const { owner, references } = k.mm.frames;
  const counts = { anonymous: 0, file: 0, own: 0, shared: 0 };
  k.hal.mmu.forEach(space.root, from, to, (_address, { frame }) => {
    counts[owner[frame] === FrameOwner.anonymous ? "anonymous" : "file"] += pageBytes;
    counts[references[frame] === 1 ? "own" : "shared"] += pageBytes;
  });
  spend(k.effort, 16 + (counts.anonymous + counts.file) / pageBytes, "pages");
  return counts;
}

export function statm(k: ProcKernel, task: Task): string {
  const { total, resident, text, data, stack } = sizesOf(k, task);
  const { file } = residentBy(k, getSpace(k, task.space));
  const pages = [total, resident, file, text, 0, data + stack, 0].map((bytes) => bytes / pageBytes);
  return `${pages.join(" ")}\n`;
}

function mapLine(k: ProcKernel, { start, end, permissions, backing, name }: Region): string {
  const shared = backing.kind === "file" && backing.shared ? "s" : "p";
  const letters = ["r", "w", "x"].map((letter, bit) => (permissions & (1 << bit) ? letter : "-")).join("");
  const offset = backing.kind === "file" ? backing.offset : 0;
  const isFile = backing.kind === "file" && k.mm.stored.has(backing.file);
  const where = `${hex(start)}-${hex(end)} ${letters}${shared} ${hex(offset)} 00:00 ${isFile ? backing.file : 0}`;
  return name === "" ? `${where}\n` : `${where.padEnd(72)} ${name}\n`;
}

export const maps = (k: ProcKernel, task: Task): string =>
  getSpace(k, task.space)
    .regions.map((region) => mapLine(k, region))
    .join("");

const flagsOf = ({ permissions, locked, growsDown, atFork }: Region): string =>
  [
    ...["rd", "wr", "ex"].filter((_flag, bit) => permissions & (1 << bit)),
    ...["mr", "mw", "me"],
    ...(growsDown ? ["gd"] : []),
    ...(locked ? ["lo"] : []),
    ...(atFork === "nothing" ? ["dc"] : []),
    ...(atFork === "zeros" ? ["wf"] : []),
  ].join(" ");

/** What a mapping has frames of: what nobody else has is its own, and of what several have it has its share. */
function details(k: ProcKernel, space: Space, region: Region): string {
  const { anonymous, file, own, shared } = residentBy(k, space, region.start, region.end);
  const rows: [string, number][] = [
    ["Size", region.end - region.start],
    ["KernelPageSize", pageBytes],
    ["MMUPageSize", pageBytes],
    ["Rss", anonymous + file],
    ["Pss", own + shared / 2],
    ["Shared_Clean", shared],
    ["Shared_Dirty", 0],
    ["Private_Clean", 0],
    ["Private_Dirty", own],
    ["Referenced", anonymous + file],
    ["Anonymous", anonymous],
    ["AnonHugePages", 0],
    ["Swap", 0],
    ["Locked", region.locked ? anonymous + file : 0],
  ];
  const lines = rows.map(([name, bytes]) => `${`${name}:`.padEnd(16)}${String(kib(bytes)).padStart(8)} kB\n`);
  return `${lines.join("")}VmFlags: ${flagsOf(region)}\n`;
}

export function smaps(k: ProcKernel, task: Task): string {
  const space = getSpace(k, task.space);
  return space.regions.map((region) => mapLine(k, region) + details(k, space, region)).join("");
}

/** Of a task's memory what lies between two addresses; nothing where it is not there. */
const textAt = (k: ProcKernel, space: Space, start: number, end: number): Uint8Array =>
  peek(k, space, start, Math.max(0, Math.min(end - start, limits.execBytes))) ?? new Uint8Array(0);

export function commandLine(k: ProcKernel, task: Task): Uint8Array {
  const space = getSpace(k, task.space);
  return textAt(k, space, space.argumentsStart, space.argumentsEnd);
}

export function environment(k: ProcKernel, task: Task): Uint8Array {
  const space = getSpace(k, task.space);
  return textAt(k, space, space.argumentsEnd, space.environmentEnd);
}

export const auxiliary = (k: ProcKernel, task: Task): Uint8Array => getSpace(k, task.space).auxiliary.slice();
