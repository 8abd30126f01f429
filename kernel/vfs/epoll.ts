/**
 * epoll(7): a set of open files that is asked which of them are ready.
 *
 * Nothing is kept of what happened: a file's level is what it says now, and an edge is a count of arrivals or departures
 * other than the one that was told last. So an instance is plain data, and looking at it changes nothing.
 */
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import { wakeQueue } from "../thread/blocking.ts";
import type { Asker } from "../tty/terminal.ts";
import { type FileOps, Ready } from "./file-ops.ts";
import { opsOf } from "./files.ts";
import type { FileKernel } from "./kernel.ts";
import type { EpollItem, OpenFile, OpenTarget } from "./state.ts";

export const EpollFlag = {
  EPOLLEXCLUSIVE: 1 << 28,
  EPOLLWAKEUP: 1 << 29,
  EPOLLONESHOT: 1 << 30,
  EPOLLET: 0x8000_0000,
} as const;
const allFlags = 0xf000_0000;
/** Always told. */
const unasked = Ready.error | Ready.hangUp;
/** How deep instances may watch one another. */
const deepest = 5;

type Epoll = OpenTarget & { kind: "epoll" };
const epollOf = (file: OpenFile): Epoll => file.target as Epoll;
const watched = (k: FileKernel, { file }: EpollItem): OpenFile =>
  must(k.files.open.get(file), "an item goes with its file");

export const epollQueue = ({ id }: Pick<OpenFile, "id">): string => `epoll ${id}`;
const changed = (k: FileKernel, file: OpenFile): number => wakeQueue(k, epollQueue(file), Number.POSITIVE_INFINITY);

/** A file that does not count its edges is always new: it is told as long as it is ready. */
const uncounted = { in: -2, out: -2 };
const edgesOf = (k: FileKernel, file: OpenFile): { in: number; out: number } =>
  opsOf(file).edges?.(k, file) ?? uncounted;

/** What is to be told of an item now. */
function toTell(k: FileKernel, item: EpollItem, by: Asker | undefined): number {
  if (item.disabled) return 0;
  const file = watched(k, item);
  const ready = opsOf(file).ready(k, file, by) & ((item.events & ~allFlags) | unasked);
  if (ready === 0 || (item.events & EpollFlag.EPOLLET) === 0) return ready;
  const edges = edgesOf(k, file);
  if (edges === uncounted) return ready;
  const outgoing = Ready.out | Ready.writeNormal;
  const isNew = { in: edges.in !== item.seenIn, out: edges.out !== item.seenOut };
  return ready & ((isNew.in ? ~outgoing : 0) | (isNew.out ? outgoing | unasked : 0));
}

export interface Told {
  key: string;
  events: number;
  data: bigint;
}

/** What is ready, at most so many. */
export function readyItems(k: FileKernel, file: OpenFile, most: number, by: Asker): Told[] {
  const { items } = epollOf(file);
  const told: Told[] = [];
  spend(k.effort, 16 * items.size, "items");
  for (const [key, item] of items) {
    if (told.length >= most) break;
    const events = toTell(k, item, by);
    if (events !== 0) told.push({ key, events, data: item.data });
  }
  return told;
}

/** These were told, and go to the end, so that each has its turn. */
export function noteTold(k: FileKernel, file: OpenFile, told: readonly Told[]): void {
  const { items } = epollOf(file);
  for (const { key } of told) {
    const item = must(items.get(key), "what was told is watched");
    const edges = edgesOf(k, watched(k, item));
    item.seenIn = edges.in;
    item.seenOut = edges.out;
    if (item.events & EpollFlag.EPOLLONESHOT) item.disabled = true;
    items.delete(key);
    items.set(key, item);
  }
}

/** Whether an instance is watched, over any number of others, by what it watches. */
function depthOf(k: FileKernel, file: OpenFile, sought: number, depth: number): number {
  if (file.id === sought || depth > deepest) return deepest + 1;
  if (file.target.kind !== "epoll") return depth;
  let most = depth;
  for (const item of file.target.items.values())
    if (watched(k, item).target.kind === "epoll")
      most = Math.max(most, depthOf(k, watched(k, item), sought, depth + 1));
  return most;
}

const keyOf = (fd: number, file: OpenFile): string => `${fd}:${file.id}`;

export interface Wanted {
  events: number;
  data: bigint;
}

export function addItem(k: FileKernel, epoll: OpenFile, fd: number, file: OpenFile, wanted: Wanted): Errno | null {
  const { items } = epollOf(epoll);
  const ops = opsOf(file);
  if (ops.queues(k, file).length === 0 || file.target.kind === "path") return "EPERM";
  if (file.id === epoll.id) return "EINVAL";
  if (items.has(keyOf(fd, file))) return "EEXIST";
  if (file.target.kind === "epoll" && depthOf(k, file, epoll.id, 1) > deepest) return "ELOOP";
  if (items.size >= limits.epollItems) return "ENOSPC";
  items.set(keyOf(fd, file), { file: file.id, fd, ...wanted, disabled: false, seenIn: -1, seenOut: -1 });
  changed(k, epoll);
  return null;
}

export function changeItem(k: FileKernel, epoll: OpenFile, fd: number, file: OpenFile, wanted: Wanted): Errno | null {
  const item = epollOf(epoll).items.get(keyOf(fd, file));
  if (item === undefined) return "ENOENT";
  Object.assign(item, wanted, { disabled: false, seenIn: -1, seenOut: -1 });
  changed(k, epoll);
  return null;
}

export const removeItem = (epoll: OpenFile, fd: number, file: OpenFile): Errno | null =>
  epollOf(epoll).items.delete(keyOf(fd, file)) ? null : "ENOENT";

/** An open file ended: nobody watches it any more. */
export function unwatch(k: FileKernel, ended: OpenFile): void {
  spend(k.effort, k.files.open.size, "items");
  for (const { target } of k.files.open.values()) {
    if (target.kind !== "epoll") continue;
    for (const [key, item] of target.items) if (item.file === ended.id) target.items.delete(key);
  }
}

export const epollOps: FileOps = {
  read: () => ({ errno: "EINVAL" }),
  advance: () => undefined,
  write: () => ({ errno: "EINVAL" }),
  seekable: false,
  size: () => 0,
  ready(k, file, by) {
    for (const item of epollOf(file).items.values()) if (toTell(k, item, by) !== 0) return Ready.in | Ready.readNormal;
    return 0;
  },
  queues(k, file, by) {
    const queues = new Set([epollQueue(file)]);
    for (const item of epollOf(file).items.values())
      for (const queue of opsOf(watched(k, item)).queues(k, watched(k, item), by)) queues.add(queue);
    return [...queues];
  },
  dueNs(k, file) {
    let due: number | null = null;
    for (const item of epollOf(file).items.values()) {
      const next = opsOf(watched(k, item)).dueNs?.(k, watched(k, item)) ?? null;
      if (next !== null && (due === null || next < due)) due = next;
    }
    return due;
  },
  edges(k, file) {
    let count = 0;
    for (const item of epollOf(file).items.values()) count += edgesOf(k, watched(k, item)).in;
    return { in: count, out: 0 };
  },
};
