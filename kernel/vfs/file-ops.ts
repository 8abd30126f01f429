/** What every kind of open file can be asked. */
import type { Errno } from "../lib/errno.ts";
import type { Task } from "../thread/state.ts";
import type { TerminalId } from "../tty/state.ts";
import type { Asker } from "../tty/terminal.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenFile } from "./state.ts";

/** Bits of `flags` that say what an open file is for. */
export const AccessMode = { mask: 3, read: 0, write: 1, both: 2 } as const;
const isName = (file: OpenFile): boolean => file.target.kind === "path";
export const mayRead = (file: OpenFile): boolean =>
  (file.flags & AccessMode.mask) !== AccessMode.write && !isName(file);
export const mayWrite = (file: OpenFile): boolean =>
  (file.flags & AccessMode.mask) !== AccessMode.read && !isName(file);
export const noAccessTime = 0o1000000;
/** Of a pipe's end: each write is a packet (O_DIRECT). */
export const inPackets = 0o40000;

/** What poll(2) tells of a file. */
export const Ready = {
  in: 1,
  urgent: 2,
  out: 4,
  error: 8,
  hangUp: 0x10,
  invalid: 0x20,
  readNormal: 0x40,
  readBand: 0x80,
  writeNormal: 0x100,
  writeBand: 0x200,
  readHangUp: 0x2000,
} as const;
export const readable = Ready.in | Ready.readNormal;
export const writable = Ready.out | Ready.writeNormal;

/** Bytes, an error, or the queue to wait in. An empty read is the end of the file. */
export type ReadResult = { bytes: Uint8Array } | { errno: Errno } | { queue: string; dueNs?: number | null };
/** How many bytes were taken, an error, or the queue in which to wait for room for the rest. */
export type WriteResult = { count: number; queue?: string } | { errno: Errno };

/** How often something came to be read, and how often room came to write; an end counts as both. */
export interface Edges {
  in: number;
  out: number;
}

export interface FileOps {
  /** Reads at a position, and changes nothing. `by`: who reads, where that matters. */
  read(k: FileKernel, file: OpenFile, position: number, count: number, by?: Asker): ReadResult;
  /** Goes past bytes that were read at the file's own position. */
  advance(k: FileKernel, file: OpenFile, count: number, by?: Asker): void;
  /** At the position, which it does not change. */
  /** `mine`: nobody else has the bytes, and they may be kept as they are. */
  write(k: FileKernel, task: Task, file: OpenFile, position: number, bytes: Uint8Array, mine?: boolean): WriteResult;
  seekable: boolean;
  /** Which terminal it is, for ioctl; null: none, or none any more. */
  terminal?(k: FileKernel, file: OpenFile): TerminalId | null;
  size(k: FileKernel, file: OpenFile): number;
  /** Bytes that can be read at once (FIONREAD), for what is not a stored file. */
  available?(k: FileKernel, file: OpenFile): number;
  /** `by`: who asks, where that matters. */
  ready(k: FileKernel, file: OpenFile, by?: Asker): number;
  /** Where changes of `ready` are announced; none: it never changes, and epoll does not take it. */
  queues(k: FileKernel, file: OpenFile, by?: Asker): readonly string[];
  /** When `ready` changes by itself. */
  dueNs?(k: FileKernel, file: OpenFile): number | null;
  /** What tells edges from levels; what has queues has it. `by`: who asks, where that matters. */
  edges?(k: FileKernel, file: OpenFile, by?: Asker): Edges;
  /** The last capability to the open file went. */
  release?(k: FileKernel, file: OpenFile): void;
}
