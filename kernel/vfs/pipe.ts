/**
 * Pipes: a bounded queue of bytes between who writes and who reads.
 *
 * The buffer is a list of pages, as in Linux (fs/pipe.c): a write begins in the last page if what is left over of
 * whole pages fits behind it, and goes on in pages of its own. How much fits therefore depends on how it was written,
 * and a write of at most a page either goes in whole or not at all (PIPE_BUF). Whole pages of one write are kept in one
 * piece: they are counted as pages, but moved at once.
 *
 * What is written in packets (O_DIRECT) is not gone on with by a later write, nor read together with what follows.
 */

import { pageBytes } from "../hal/types.ts";
import { assert, must } from "../lib/assert.ts";
import { joinBytes } from "../lib/bytes.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import { wakeQueue } from "../thread/blocking.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import type { Fifo, FilesState, Pipe } from "./state.ts";

/** 64 KiB; what there always is; and what a process without privileges can make of it. */
const defaultPages = 16;
const leastPages = 2;
const mostPages = 256;

type PipeKernel = ThreadKernel & { readonly files: FilesState };

export const pipeQueue = (pipe: number): string => `pipe ${pipe}`;

export const getPipe = (k: { readonly files: FilesState }, id: number): Pipe =>
  must(k.files.pipes.get(id), "the pipe exists");

/** Whether pipes that may hold two pages, whatever there is, may hold so many more. */
function hasRoomForPages({ files, effort }: PipeKernel, count: number): boolean {
  spend(effort, files.pipes.size, "items");
  let all = count;
  for (const { mostPages } of files.pipes.values()) all += Math.max(0, mostPages - leastPages);
  return all <= limits.pipePages;
}

/** A pipe that nobody has open yet. */
export function createPipe(k: PipeKernel, inode: number): number {
  const id = k.files.nextPipe++;
  const mostPages = hasRoomForPages(k, defaultPages - leastPages) ? defaultPages : leastPages;
  k.files.pipes.set(id, {
    inode,
    fifo: null,
    pages: [],
    mostPages,
    readers: 0,
    writers: 0,
    arrivals: 0,
    departures: 0,
  });
  return id;
}

/** The pipe of a FIFO, which is there as long as somebody has it open. */
export function findFifo(k: PipeKernel, { filesystem, inode }: Fifo): number | null {
  spend(k.effort, k.files.pipes.size, "items");
  for (const [id, { fifo }] of k.files.pipes) if (fifo?.filesystem === filesystem && fifo.inode === inode) return id;
  return null;
}

export function createFifo(k: PipeKernel, fifo: Fifo): number {
  const id = createPipe(k, fifo.inode);
  getPipe(k, id).fifo = { ...fifo };
  return id;
}

const wakeAll = (k: PipeKernel, id: number): number => wakeQueue(k, pipeQueue(id), Number.POSITIVE_INFINITY);

/** Pages that hold something that is still to be read. */
const usedPages = ({ pages }: Pipe): number =>
  pages.reduce((sum, { bytes, from }) => sum + Math.ceil(bytes.length / pageBytes) - Math.floor(from / pageBytes), 0);

export const isFull = (pipe: Pipe): boolean => usedPages(pipe) >= pipe.mostPages;

export const pipeLength = (pipe: Pipe): number =>
  pipe.pages.reduce((sum, { bytes, from }) => sum + bytes.length - from, 0);

export function openPipe(k: PipeKernel, id: number, reads: boolean, writes: boolean): void {
  const pipe = getPipe(k, id);
  if (reads) pipe.readers += 1;
  if (writes) pipe.writers += 1;
  wakeAll(k, id);
}

/** An open file of the pipe ends; the pipe itself with the last one. */
export function closePipe(k: PipeKernel, id: number, reads: boolean, writes: boolean): void {
  const pipe = getPipe(k, id);
  if (reads) pipe.readers -= 1;
  if (writes) pipe.writers -= 1;
  assert(pipe.readers >= 0 && pipe.writers >= 0, "who closes a pipe had it open");
  if ((pipe.readers === 0) !== (pipe.writers === 0)) {
    pipe.arrivals += 1;
    pipe.departures += 1;
  }
  if (pipe.readers + pipe.writers === 0) k.files.pipes.delete(id);
  wakeAll(k, id);
}

/** The next bytes, which stay in the pipe; null when there are none yet, nothing at the end. */
export function peekPipe(pipe: Pipe, count: number): Uint8Array | null {
  const first = pipe.pages[0];
  if (first === undefined) return pipe.writers > 0 && count > 0 ? null : new Uint8Array(0);
  // Pieces are never written to once they are there, so that what is of one needs no copy; and few bytes have no
  // buffer outside the heap, which a view would make.
  if (first.from === 0 && count >= first.bytes.length && (pipe.pages.length === 1 || count === first.bytes.length))
    return first.bytes;
  if (pipe.pages.length === 1 || count <= first.bytes.length - first.from)
    return first.bytes.subarray(first.from, first.from + count);
  const bytes = new Uint8Array(Math.min(count, pipeLength(pipe)));
  let at = 0;
  for (const piece of pipe.pages) {
    if (at >= bytes.length) break;
    const part = piece.bytes.subarray(piece.from, piece.from + bytes.length - at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** How many of the next bytes one read takes: it ends with the first packet. */
export function oneReading(pipe: Pipe, count: number): number {
  let bytes = 0;
  for (const piece of pipe.pages) {
    bytes += piece.bytes.length - piece.from;
    if (piece.packet || bytes >= count) break;
  }
  return Math.min(bytes, count);
}

/** Takes bytes of one reading out of the pipe; of a packet that was read in part the rest goes, too. */
export function takeFromPipe(k: PipeKernel, id: number, count: number): void {
  let end = 0;
  for (const piece of getPipe(k, id).pages) {
    if (end >= count) break;
    const bytes = piece.bytes.length - piece.from;
    end += piece.packet ? bytes : Math.min(bytes, count - end);
  }
  dropFromPipe(k, id, end);
}

/** Takes bytes out of the pipe; what is left of a packet is one. */
export function dropFromPipe(k: PipeKernel, id: number, count: number): void {
  const pipe = getPipe(k, id);
  const wasFull = isFull(pipe);
  for (let left = count; left > 0; ) {
    const piece = must(pipe.pages[0], "what is dropped was there");
    const taken = Math.min(left, piece.bytes.length - piece.from);
    piece.from += taken;
    left -= taken;
    if (piece.from === piece.bytes.length) pipe.pages.shift();
  }
  if (!wasFull || isFull(pipe)) return;
  pipe.departures += 1;
  wakeAll(k, id);
}

/** Bytes of a write that go into the last page: what is over of whole pages, if it fits there. */
function append(pipe: Pipe, bytes: Uint8Array): number {
  const count = bytes.length % pageBytes;
  const last = pipe.pages.at(-1);
  if (count === 0 || last === undefined || last.packet || last.bytes.length + count > pageBytes) return 0;
  last.bytes = joinBytes([last.bytes, bytes.subarray(0, count)]);
  return count;
}

/** A part of what is written, to be kept: what is the writer's own and is kept whole needs no copy. */
const keep = (bytes: Uint8Array, from: number, to: number, mine: boolean): Uint8Array =>
  mine && from === 0 && to === bytes.length ? bytes : bytes.slice(from, to);

/** Puts bytes behind all others as pieces of their own, as many as there are pages left for; how many. */
function putPages(pipe: Pipe, bytes: Uint8Array, from: number, mine: boolean): number {
  const room = Math.max(0, pipe.mostPages - usedPages(pipe));
  const whole = Math.min(room, Math.floor((bytes.length - from) / pageBytes));
  // What is over of whole pages is a piece of its own, which the next write may go on in.
  const ends = [from + whole * pageBytes, whole < room ? bytes.length : 0];
  let at = from;
  for (const end of ends) {
    if (end <= at) continue;
    pipe.pages.push({ bytes: keep(bytes, at, end, mine), from: 0 });
    at = end;
  }
  return at - from;
}

/** Puts bytes behind all others as packets of a page, and one of what is over. */
function putPackets(pipe: Pipe, bytes: Uint8Array, from: number): number {
  const end = Math.min(bytes.length, from + Math.max(0, pipe.mostPages - usedPages(pipe)) * pageBytes);
  for (let at = from; at < end; at += pageBytes)
    pipe.pages.push({ bytes: bytes.slice(at, Math.min(end, at + pageBytes)), from: 0, packet: true });
  return Math.max(0, end - from);
}

/** How bytes are written: as packets; and whether nobody else has them or their buffer, so that they may be kept as they are. */
export interface PipeWriting {
  packets?: boolean;
  mine?: boolean;
}

/** Puts in as many bytes as fit; how many, or that nobody will ever read them. */
export function writePipe(
  k: PipeKernel,
  id: number,
  bytes: Uint8Array,
  { packets = false, mine = false }: PipeWriting = {},
): number | Errno {
  const pipe = getPipe(k, id);
  if (bytes.length === 0) return 0;
  if (pipe.readers === 0) return "EPIPE";
  const appended = append(pipe, bytes);
  const at = appended + (packets ? putPackets(pipe, bytes, appended) : putPages(pipe, bytes, appended, mine));
  if (at === 0) return 0;
  pipe.arrivals += 1;
  wakeAll(k, id);
  return at;
}

/** Puts what comes next in one pipe into another one, packets as packets (splice, tee), and leaves it where it was. */
export function passOn(k: PipeKernel, from: number, to: number, most: number): number | Errno {
  let passed = 0;
  for (const { bytes, from: at, packet = false } of [...getPipe(k, from).pages]) {
    const part = bytes.subarray(at, at + most - passed);
    if (part.length === 0) break;
    const count = writePipe(k, to, part, { packets: packet });
    if (typeof count !== "number") return count;
    passed += count;
    if (count < part.length) break;
  }
  return passed;
}

/** F_SETPIPE_SZ: the size that it has then. */
export function resizePipe(k: PipeKernel, id: number, bytes: number): number | Errno {
  const pipe = getPipe(k, id);
  if (bytes < 0 || bytes > 2 ** 31) return "EINVAL";
  let pages = 1;
  while (pages * pageBytes < bytes) pages *= 2;
  if (pages > mostPages && pages > pipe.mostPages) return "EPERM";
  if (pages > pipe.mostPages && !hasRoomForPages(k, pages - pipe.mostPages)) return "EPERM";
  if (pages < usedPages(pipe)) return "EBUSY";
  const wasFull = isFull(pipe);
  pipe.mostPages = pages;
  if (wasFull && !isFull(pipe)) {
    pipe.departures += 1;
    wakeAll(k, id);
  }
  return pages * pageBytes;
}
