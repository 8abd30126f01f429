/** What open files do, by the kind of what is open. */
import type { Errno } from "../lib/errno.ts";
import { getImage, readImage } from "../mm/images.ts";
import { wakeQueue } from "../thread/blocking.ts";
import type { Task } from "../thread/state.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenFile, OpenTarget } from "./state.ts";

export const consoleQueue = "console";

/** Bytes, an error, or the queue to wait in. An empty read is the end of the file. */
export type ReadResult = { bytes: Uint8Array } | { errno: Errno } | { queue: string };

export interface FileOps {
  /** Reads at a position, and changes nothing. */
  read(k: FileKernel, file: OpenFile, position: number, count: number): ReadResult;
  /** Goes past bytes that were read at the file's own position. */
  advance(k: FileKernel, file: OpenFile, count: number): void;
  /** Writes all of it; an error, or null. */
  write(k: FileKernel, task: Task, bytes: Uint8Array): Errno | null;
  seekable: boolean;
  terminal: boolean;
  size(file: OpenFile): number;
  readable(k: FileKernel): boolean;
}

const always = (): boolean => true;

function writeConsole(k: FileKernel, task: Task, bytes: Uint8Array): null {
  if (bytes.length > 0) k.outlet.console(task.id, k.hal.serial.write(bytes), bytes);
  return null;
}

function movePosition(_k: FileKernel, file: OpenFile, count: number): void {
  file.position += count;
}

type Of<Kind> = OpenTarget & { kind: Kind };

export const fileKinds: Record<OpenTarget["kind"], FileOps> = {
  console: {
    read(k, _file, _position, count) {
      if (count === 0) return { bytes: new Uint8Array(0) };
      if (k.hal.serial.available() === 0 && !k.hal.serial.ended()) return { queue: consoleQueue };
      return { bytes: k.hal.serial.peek(count) };
    },
    advance: (k, _file, count) => k.hal.serial.drop(count),
    write: writeConsole,
    seekable: false,
    terminal: true,
    size: () => 0,
    readable: (k) => k.hal.serial.available() > 0 || k.hal.serial.ended(),
  },
  bytes: {
    read: (_k, file, position, count) => ({
      bytes: (file.target as Of<"bytes">).bytes.slice(position, position + count),
    }),
    advance: movePosition,
    write: () => "EBADF",
    seekable: false,
    terminal: false,
    size: (file) => (file.target as Of<"bytes">).bytes.length,
    readable: always,
  },
  image: {
    read(k, file, position, count) {
      const bytes = readImage(k, getImage(k, (file.target as Of<"image">).image), position, count);
      return bytes === null ? { errno: "ENOMEM" } : { bytes };
    },
    advance: movePosition,
    write: () => "EBADF",
    seekable: true,
    terminal: false,
    size: (file) => (file.target as Of<"image">).size,
    readable: always,
  },
};

export const opsOf = (file: OpenFile): FileOps => fileKinds[file.target.kind];

/** Something arrived on the console's line, or it ended: who waits for it looks again. */
export const consoleChanged = (k: FileKernel): number => wakeQueue(k, consoleQueue, Number.POSITIVE_INFINITY);
