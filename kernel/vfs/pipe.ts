/**
 * Pipes: a bounded queue of bytes between who writes and who reads.
 *
 * The buffer is a list of pages, as in Linux (fs/pipe.c): a write begins in the last page if what is left over of
 * whole pages fits behind it, and goes on in pages of its own. How much fits therefore depends on how it was written,
 * and a write of at most a page either goes in whole or not at all (PIPE_BUF).
 */

import { pageBytes } from "../hal/types.ts";
import { assert, must } from "../lib/assert.ts";
import { joinBytes } from "../lib/bytes.ts";
import type { Errno } from "../lib/errno.ts";
import { wakeQueue } from "../thread/blocking.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import type { Fifo, FilesState, Pipe } from "./state.ts";

/** 64 KiB; and what a process without privileges can make of it. */
const defaultPages = 16;
const mostPages = 256;

type PipeKernel = ThreadKernel & { readonly files: FilesState };

export const pipeQueue = (pipe: number): string => `pipe ${pipe}`;

export const getPipe = (k: { readonly files: FilesState }, id: number): Pipe =>
  must(k.files.pipes.get(id), "the pipe exists");

/** A pipe that nobody has open yet. */
export function createPipe(k: { readonly files: FilesState }, inode: number): number {
  const id = k.files.nextPipe++;
  k.files.pipes.set(id, {
    inode,
    fifo: null,
    pages: [],
    mostPages: defaultPages,
    readers: 0,
    writers: 0,
    arrivals: 0,
    departures: 0,
  });
  return id;
}

/** The pipe of a FIFO, which is there as long as somebody has it open. */
export function findFifo(k: { readonly files: FilesState }, { filesystem, inode }: Fifo): number | null {
  for (const [id, { fifo }] of k.files.pipes) if (fifo?.filesystem === filesystem && fifo.inode === inode) return id;
  return null;
}

export function createFifo(k: { readonly files: FilesState }, fifo: Fifo): number {
  const id = createPipe(k, fifo.inode);
  getPipe(k, id).fifo = { ...fifo };
  return id;
}

const wakeAll = (k: PipeKernel, id: number): number => wakeQueue(k, pipeQueue(id), Number.POSITIVE_INFINITY);

const isFull = (pipe: Pipe): boolean => pipe.pages.length >= pipe.mostPages;

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
  pipe.arrivals += 1;
  pipe.departures += 1;
  if (pipe.readers + pipe.writers === 0) k.files.pipes.delete(id);
  wakeAll(k, id);
}

/** The next bytes, which stay in the pipe; null when there are none yet, nothing at the end. */
export function peekPipe(pipe: Pipe, count: number): Uint8Array | null {
  if (pipe.pages.length === 0) return pipe.writers > 0 && count > 0 ? null : new Uint8Array(0);
  const bytes = new Uint8Array(Math.min(count, pipeLength(pipe)));
  let at = 0;
  for (const page of pipe.pages) {
    if (at >= bytes.length) break;
    const piece = page.bytes.subarray(page.from, page.from + bytes.length - at);
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Takes bytes that were read out of the pipe. */
export function dropFromPipe(k: PipeKernel, id: number, count: number): void {
  const pipe = getPipe(k, id);
  const wasFull = isFull(pipe);
  for (let left = count; left > 0; ) {
    const page = must(pipe.pages[0], "what is dropped was there");
    const taken = Math.min(left, page.bytes.length - page.from);
    page.from += taken;
    left -= taken;
    if (page.from === page.bytes.length) pipe.pages.shift();
  }
  if (!wasFull || isFull(pipe)) return;
  pipe.departures += 1;
  wakeAll(k, id);
}

/** Bytes of a write that go into the last page: what is over of whole pages, if it fits there. */
function append(pipe: Pipe, bytes: Uint8Array): number {
  const count = bytes.length % pageBytes;
  const last = pipe.pages.at(-1);
  if (count === 0 || last === undefined || last.bytes.length + count > pageBytes) return 0;
  last.bytes = joinBytes([last.bytes, bytes.subarray(0, count)]);
  return count;
}

/** Puts in as many bytes as fit; how many, or that nobody will ever read them. */
export function writePipe(k: PipeKernel, id: number, bytes: Uint8Array): number | Errno {
  const pipe = getPipe(k, id);
  if (bytes.length === 0) return 0;
  if (pipe.readers === 0) return "EPIPE";
  let at = append(pipe, bytes);
  while (at < bytes.length && !isFull(pipe)) {
    const piece = bytes.slice(at, at + pageBytes);
    pipe.pages.push({ bytes: piece, from: 0 });
    at += piece.length;
  }
  if (at === 0) return 0;
  pipe.arrivals += 1;
  wakeAll(k, id);
  return at;
}

/** F_SETPIPE_SZ: the size that it has then. */
export function resizePipe(k: PipeKernel, id: number, bytes: number): number | Errno {
  const pipe = getPipe(k, id);
  if (bytes < 0 || bytes > 2 ** 31) return "EINVAL";
  let pages = 1;
  while (pages * pageBytes < bytes) pages *= 2;
  if (pages > mostPages && pages > pipe.mostPages) return "EPERM";
  if (pages < pipe.pages.length) return "EBUSY";
  const wasFull = isFull(pipe);
  pipe.mostPages = pages;
  if (wasFull && !isFull(pipe)) {
    pipe.departures += 1;
    wakeAll(k, id);
  }
  return pages * pageBytes;
}
