/**
 * epoll(7): a set of open files that is asked which of them are ready.
 *
 * Nothing is kept of what happened: a file's level is what it says now, and an edge is a count of arrivals or departures
 * other than the one when it was told last. An edge of what is of interest tells all that is ready then (`isNew`). So an
 * instance is plain data, and looking at it changes nothing.
 *
 * Instances may watch instances, and many ways may lead to one of them: whatever is asked goes to each once (`Look`),
 * so that it takes as long as there is watched, not as there are ways.
 */
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import { wakeQueue } from "../thread/blocking.ts";
import type { Asker } from "../tty/terminal.ts";
import { type Edges, type FileOps, Ready, readable, writable } from "./file-ops.ts";
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
const allIn = readable | Ready.urgent | Ready.readBand;
const allOut = writable | Ready.writeBand;
/** Always told. */
const unasked = Ready.error | Ready.hangUp;
/** Links of a chain of instances that watch one another (Linux's EP_MAX_NESTS). */
const longestChain = 4;

type Epoll = OpenTarget & { kind: "epoll" };
const epollOf = (file: OpenFile): Epoll => file.target as Epoll;
const watched = (k: FileKernel, { file }: EpollItem): OpenFile =>
  must(k.files.open.get(file), "an item goes with its file");

export const epollQueue = ({ id }: Pick<OpenFile, "id">): string => `epoll ${id}`;

/** What instances said already, by their files. */
interface Look {
  readonly ready: Map<number, number>;
  readonly edges: Map<number, Edges>;
}
const newLook = (): Look => ({ ready: new Map(), edges: new Map() });

function readyOf(k: FileKernel, file: OpenFile, by: Asker | undefined, look: Look): number {
  if (file.target.kind !== "epoll") return opsOf(file).ready(k, file, by);
  let ready = look.ready.get(file.id);
  if (ready !== undefined) return ready;
  const { items } = file.target;
  spend(k.effort, 16 * items.size, "items");
  ready = 0;
  for (const item of items.values()) {
    if (toTell(k, item, by, look) === 0) continue;
    ready = Ready.in | Ready.readNormal;
    break;
  }
  look.ready.set(file.id, ready);
  return ready;
}

/** Of an instance: what its items count of what they are to tell, and what came by items that were added. */
function edgesOf(k: FileKernel, file: OpenFile, by: Asker | undefined, look: Look): Edges {
  if (file.target.kind !== "epoll") return must(opsOf(file).edges, "what can be watched has edges")(k, file, by);
  const known = look.edges.get(file.id);
  if (known !== undefined) return known;
  const { items, changes } = file.target;
  spend(k.effort, 16 * items.size, "items");
  const edges = { in: changes, out: 0 };
  for (const item of items.values()) {
    edges.in += countOf(k, item, by, look);
  }
  look.edges.set(file.id, edges);
  return edges;
}

/** How many edges there were for an item. */
function countOf(k: FileKernel, item: EpollItem, by: Asker | undefined, look: Look): number {
  const edges = edgesOf(k, watched(k, item), by, look);
  return (item.events & allIn ? edges.in : 0) + (item.events & allOut ? edges.out : 0);
}

/** As Linux's wake-ups: those of one direction are for who asks for it, those of both, as at an end, for all. */
function isNew(k: FileKernel, item: EpollItem, by: Asker | undefined, look: Look): boolean {
  const edges = edgesOf(k, watched(k, item), by, look);
  const [hasCome, hasGone] = [edges.in !== item.seenIn, edges.out !== item.seenOut];
  const [wantsIn, wantsOut] = [(item.events & allIn) !== 0, (item.events & allOut) !== 0];
  return (hasCome && (wantsIn || hasGone)) || (hasGone && wantsOut);
}

/** What is to be told of an item now. */
function toTell(k: FileKernel, item: EpollItem, by: Asker | undefined, look: Look): number {
  if (item.disabled) return 0;
  const file = watched(k, item);
  const ready = readyOf(k, file, by, look) & ((item.events & ~allFlags) | unasked);
  if (ready === 0 || (item.events & EpollFlag.EPOLLET) === 0) return ready;
  return isNew(k, item, by, look) ? ready : 0;
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
  const look = newLook();
  spend(k.effort, 16 * items.size, "items");
  for (const [key, item] of items) {
    if (told.length >= most) break;
    const events = toTell(k, item, by, look);
    if (events !== 0) told.push({ key, events, data: item.data });
  }
  return told;
}

/** These were told, and go to the end, so that each has its turn. */
export function noteTold(k: FileKernel, file: OpenFile, told: readonly Told[], by: Asker): void {
  const { items } = epollOf(file);
  const look = newLook();
  for (const { key } of told) {
    const item = must(items.get(key), "what was told is watched");
    const edges = edgesOf(k, watched(k, item), by, look);
    item.seenIn = edges.in;
    item.seenOut = edges.out;
    if (item.events & EpollFlag.EPOLLONESHOT) item.disabled = true;
    items.delete(key);
    items.set(key, item);
  }
}

/** Links of the longest chain below an instance; more than there may be where one leads to what is sought. */
function linksBelow(k: FileKernel, file: OpenFile, sought: number, known = new Map<number, number>()): number {
  let most = known.get(file.id);
  if (most !== undefined) return most;
  const { items } = epollOf(file);
  spend(k.effort, 16 * items.size, "items");
  most = 0;
  for (const item of items.values()) {
    const next = watched(k, item);
    if (next.target.kind !== "epoll") continue;
    most = Math.max(most, next.id === sought ? longestChain + 1 : linksBelow(k, next, sought, known) + 1);
  }
  known.set(file.id, most);
  return most;
}

/** Links of the longest chain of instances that watch this one. */
function linksAbove(k: FileKernel, epoll: OpenFile): number {
  spend(k.effort, k.files.open.size, "items");
  const watchers = new Map<number, number[]>();
  for (const { id, target } of k.files.open.values()) {
    if (target.kind !== "epoll") continue;
    spend(k.effort, 16 * target.items.size, "items");
    for (const { file } of target.items.values()) {
      const all = watchers.get(file) ?? [];
      watchers.set(file, all);
      all.push(id);
    }
  }
  const known = new Map<number, number>();
  const above = (id: number): number => {
    let most = known.get(id);
    if (most === undefined) {
      most = 0;
      for (const watcher of watchers.get(id) ?? []) most = Math.max(most, above(watcher) + 1);
      known.set(id, most);
    }
    return most;
  };
  return above(epoll.id);
}

const isTooLong = (k: FileKernel, epoll: OpenFile, file: OpenFile): boolean => {
  const below = linksBelow(k, file, epoll.id);
  return below > longestChain || below + 1 + linksAbove(k, epoll) > longestChain;
};

/** What never changes cannot be watched. */
export const canBeWatched = (k: FileKernel, file: OpenFile): boolean => opsOf(file).queues(k, file).length > 0;

const keyOf = (fd: number, file: OpenFile): string => `${fd}:${file.id}`;

export interface Wanted {
  events: number;
  data: bigint;
}

/** An item's edges of before do not count for who watches the instance, but it is one if it is ready from the beginning. */
function begins(k: FileKernel, epoll: OpenFile, item: EpollItem): void {
  const look = newLook();
  epollOf(epoll).changes += (toTell(k, item, undefined, look) === 0 ? 0 : 1) - countOf(k, item, undefined, look);
  wakeQueue(k, epollQueue(epoll), Number.POSITIVE_INFINITY);
}

/** What was counted of an item stays counted. */
function ends(k: FileKernel, epoll: OpenFile, item: EpollItem, look = newLook()): void {
  epollOf(epoll).changes += countOf(k, item, undefined, look);
}

/** What all instances watch. */
function allItems(k: FileKernel): number {
  let count = 0;
  spend(k.effort, k.files.open.size, "items");
  for (const { target } of k.files.open.values()) if (target.kind === "epoll") count += target.items.size;
  return count;
}

export function addItem(k: FileKernel, epoll: OpenFile, fd: number, file: OpenFile, wanted: Wanted): Errno | null {
  const { items } = epollOf(epoll);
  if (items.has(keyOf(fd, file))) return "EEXIST";
  if (file.target.kind === "epoll" && isTooLong(k, epoll, file)) return "ELOOP";
  if (items.size >= limits.epollItems || allItems(k) >= limits.allEpollItems) return "ENOSPC";
  const item = { file: file.id, fd, ...wanted, disabled: false, seenIn: -1, seenOut: -1 };
  items.set(keyOf(fd, file), item);
  begins(k, epoll, item);
  return null;
}

export function changeItem(k: FileKernel, epoll: OpenFile, fd: number, file: OpenFile, wanted: Wanted): Errno | null {
  const item = epollOf(epoll).items.get(keyOf(fd, file));
  if (item === undefined) return "ENOENT";
  if (item.events & EpollFlag.EPOLLEXCLUSIVE) return "EINVAL";
  ends(k, epoll, item);
  Object.assign(item, wanted, { disabled: false, seenIn: -1, seenOut: -1 });
  begins(k, epoll, item);
  return null;
}

export function removeItem(k: FileKernel, epoll: OpenFile, fd: number, file: OpenFile): Errno | null {
  const { items } = epollOf(epoll);
  const item = items.get(keyOf(fd, file));
  if (item === undefined) return "ENOENT";
  ends(k, epoll, item);
  items.delete(keyOf(fd, file));
  return null;
}

/** An open file is about to end: nobody watches it any more. */
export function unwatch(k: FileKernel, ended: OpenFile): void {
  const look = newLook();
  spend(k.effort, k.files.open.size, "items");
  for (const epoll of k.files.open.values()) {
    if (epoll.target.kind !== "epoll") continue;
    spend(k.effort, epoll.target.items.size, "items");
    for (const [key, item] of epoll.target.items) {
      if (item.file !== ended.id) continue;
      ends(k, epoll, item, look);
      epoll.target.items.delete(key);
    }
  }
}

/** An instance with all that it watches, and what these watch: each once. */
function everyWatched(k: FileKernel, file: OpenFile): { instances: OpenFile[]; others: Set<OpenFile> } {
  const instances = new Set([file]);
  const others = new Set<OpenFile>();
  for (const instance of instances) {
    const { items } = epollOf(instance);
    spend(k.effort, 16 * items.size, "items");
    for (const item of items.values()) {
      const next = watched(k, item);
      (next.target.kind === "epoll" ? instances : others).add(next);
    }
  }
  return { instances: [...instances], others };
}

export const epollOps: FileOps = {
  read: () => ({ errno: "EINVAL" }),
  advance: () => undefined,
  write: () => ({ errno: "EINVAL" }),
  seekable: false,
  size: () => 0,
  ready: (k, file, by) => readyOf(k, file, by, newLook()),
  edges: (k, file, by) => edgesOf(k, file, by, newLook()),
  queues(k, file, by) {
    const { instances, others } = everyWatched(k, file);
    const queues = new Set(instances.map(epollQueue));
    for (const other of others) for (const queue of opsOf(other).queues(k, other, by)) queues.add(queue);
    return [...queues];
  },
  dueNs(k, file) {
    let due: number | null = null;
    for (const other of everyWatched(k, file).others) {
      const next = opsOf(other).dueNs?.(k, other) ?? null;
      if (next !== null && (due === null || next < due)) due = next;
    }
    return due;
  },
};
