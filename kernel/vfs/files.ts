/** What open files do, by the kind of what is open. */
import { spend } from "../lib/effort.ts";
import { mayStoreBytes } from "../mm/accounting.ts";
import type { StoredFile } from "../mm/state.ts";
import { getStored, newBytes, readStored, writeStored } from "../mm/stored.ts";
import type { Task } from "../thread/state.ts";
import { deviceOf } from "./devices.ts";
import { epollOps } from "./epoll.ts";
import { eventOps, timerOps } from "./events.ts";
import {
  type FileOps,
  inPackets,
  mayRead,
  mayWrite,
  noAccessTime,
  type ReadResult,
  Ready,
  readable,
  type WriteResult,
  writable,
} from "./file-ops.ts";
import { filesystemOf, opsOfFilesystem } from "./filesystem.ts";
import { inotifyOps } from "./inotify.ts";
import type { FileKernel } from "./kernel.ts";
import { notedReadings } from "./mount-flags.ts";
import {
  closePipe,
  dropFromPipe,
  getPipe,
  isFull,
  oneReading,
  peekPipe,
  pipeLength,
  pipeQueue,
  takeFromPipe,
  writePipe,
} from "./pipe.ts";
import { memoryOps, namespaceOps, processOps, signalOps } from "./process-files.ts";
import { unsealedBytes } from "./seals.ts";
import { mostFileBytes, refuseSize } from "./size-limit.ts";
import { socketOps } from "./socket-files.ts";
import type { OpenFile, OpenTarget } from "./state.ts";
import { consoleOps, masterOps, slaveOps } from "./terminals.ts";

const always = (): number => readable | writable;
const noQueues = (): readonly string[] => [];
const readOnly = (): WriteResult => ({ errno: "EBADF" });

function movePosition(_k: FileKernel, file: OpenFile, count: number): void {
  file.position += count;
}

type Of<Kind> = OpenTarget & { kind: Kind };
const pipeOf = (file: OpenFile): number => (file.target as Of<"pipe">).pipe;

const bytesOps: FileOps = {
  read: (_k, file, position, count) => ({
    bytes: (file.target as Of<"bytes">).bytes.slice(position, position + count),
  }),
  advance: movePosition,
  write: readOnly,
  seekable: false,
  size: (_k, file) => (file.target as Of<"bytes">).bytes.length,
  ready: always,
  queues: (_k, file) => [`input ${file.id}`],
  // All of it was there from the beginning.
  edges: () => ({ in: 0, out: 0 }),
};

const storedOf = (k: FileKernel, file: OpenFile): StoredFile => getStored(k, (file.target as Of<"regular">).file);

/** Notes in the inode that what it names was read or written. */
export function touch(k: FileKernel, file: OpenFile, what: "read" | "written"): void {
  if (file.opened === null || (what === "read" && file.flags & noAccessTime)) return;
  const { mount, inode } = file.opened;
  const fs = filesystemOf(k, mount);
  const { change } = opsOfFilesystem(k, fs);
  if (change === null) return;
  const noted = what === "written" ? "each" : notedReadings(k, mount, file.target.kind === "directory");
  if (noted !== "none") change.touch(k, fs, inode, what, noted === "each");
}

function writeRegular(k: FileKernel, task: Task, file: OpenFile, position: number, bytes: Uint8Array): WriteResult {
  if (bytes.length === 0) return { count: 0 };
  const room = mostFileBytes(k, task) - position;
  if (room <= 0) return { errno: refuseSize(k, task) };
  const stored = storedOf(k, file);
  const most = Math.min(room, unsealedBytes(stored, position, bytes.length));
  if (most === 0) return { errno: "EPERM" };
  const wanted = newBytes(k, stored, position, most);
  if (wanted > 0 && !mayStoreBytes(k, wanted)) return { errno: "ENOSPC" };
  const count = writeStored(k, stored, position, bytes.subarray(0, most));
  if (count === 0) return { errno: "ENOSPC" };
  touch(k, file, "written");
  return { count };
}

const regularOps: FileOps = {
  read(k, file, position, count) {
    const bytes = readStored(k, storedOf(k, file), position, count);
    return bytes === null ? { errno: "ENOMEM" } : { bytes };
  },
  advance(k, file, count) {
    file.position += count;
    if (count > 0) touch(k, file, "read");
  },
  write: writeRegular,
  seekable: true,
  size: (k, file) => storedOf(k, file).size,
  available: (k, file) => Math.max(0, storedOf(k, file).size - file.position),
  ready: always,
  queues: noQueues,
};

const none = (): number => 0;

const directoryOps: FileOps = {
  read: () => ({ errno: "EISDIR" }),
  advance: () => undefined,
  write: readOnly,
  seekable: true,
  size: none,
  ready: always,
  queues: noQueues,
};

const pathOps: FileOps = { ...directoryOps, read: () => ({ errno: "EBADF" }), seekable: false };

const deviceOps: FileOps = {
  read(k, file, _position, count) {
    const { major, minor } = file.target as Of<"device">;
    const device = deviceOf(major, minor);
    return device === undefined ? { errno: "ENXIO" } : { bytes: device.read(k, count) };
  },
  advance: () => undefined,
  write(_k, _task, file, _position, bytes) {
    const { major, minor } = file.target as Of<"device">;
    const taken = deviceOf(major, minor)?.write(bytes.length) ?? "ENXIO";
    return typeof taken === "number" ? { count: taken } : { errno: taken };
  },
  seekable: true,
  size: none,
  ready: always,
  queues: noQueues,
};

/** The text is made anew when it is read from its start, and stays the same while it is read on. */
function readGenerated(k: FileKernel, file: OpenFile, position: number, count: number): ReadResult {
  const target = file.target as Of<"generated">;
  if (position === 0 && file.opened !== null) {
    const fs = filesystemOf(k, file.opened.mount);
    const text = opsOfFilesystem(k, fs).generate?.(k, fs, file.opened.inode, target) ?? "EINVAL";
    if (typeof text === "string") return { errno: text };
    spend(k.effort, 8 * text.length, "bytes");
    target.text = text;
  }
  return { bytes: target.text.slice(position, position + count) };
}

function writeGenerated(k: FileKernel, by: Task, file: OpenFile, position: number, bytes: Uint8Array): WriteResult {
  if (file.opened === null) return { errno: "EINVAL" };
  const fs = filesystemOf(k, file.opened.mount);
  const { store } = opsOfFilesystem(k, fs);
  if (store === undefined) return { errno: "EINVAL" };
  const errno = store(k, fs, file.opened.inode, file.target as Of<"generated">, by, bytes, position);
  return errno === null ? { count: bytes.length } : { errno };
}

const generatedOps: FileOps = {
  read: readGenerated,
  advance: movePosition,
  write: writeGenerated,
  seekable: true,
  size: none,
  ready: always,
  queues: noQueues,
};

/** As in Linux: an end tells of the other one's absence, and there is room when a page is free. */
function pipeReady(k: FileKernel, file: OpenFile): number {
  const pipe = getPipe(k, pipeOf(file));
  let ready = 0;
  if (mayRead(file)) {
    if (pipe.pages.length > 0) ready |= readable;
    if (pipe.writers === 0) ready |= Ready.hangUp;
  }
  if (mayWrite(file)) {
    if (!isFull(pipe)) ready |= writable;
    if (pipe.readers === 0) ready |= Ready.error;
  }
  return ready;
}

function readPipe(k: FileKernel, file: OpenFile, count: number): ReadResult {
  const bytes = peekPipe(getPipe(k, pipeOf(file)), count);
  return bytes === null ? { queue: pipeQueue(pipeOf(file)) } : { bytes };
}

/** A pipe for who takes bytes out of it that nobody reads: packets or not (splice). */
export const bytesOfPipe: Pick<FileOps, "read" | "advance" | "seekable"> = {
  read: (k, file, _position, count) => readPipe(k, file, count),
  advance: (k, file, count) => dropFromPipe(k, pipeOf(file), count),
  seekable: false,
};

const pipeOps: FileOps = {
  read(k, file, _position, count) {
    const { pages } = getPipe(k, pipeOf(file));
    return readPipe(k, file, pages.length > 0 ? oneReading(getPipe(k, pipeOf(file)), count) : count);
  },
  advance: (k, file, count) => takeFromPipe(k, pipeOf(file), count),
  write(k, _task, file, _position, bytes, mine = false) {
    const count = writePipe(k, pipeOf(file), bytes, { packets: (file.flags & inPackets) !== 0, mine });
    if (typeof count !== "number") return { errno: count };
    return count < bytes.length ? { count, queue: pipeQueue(pipeOf(file)) } : { count };
  },
  seekable: false,
  size: () => 0,
  available: (k, file) => pipeLength(getPipe(k, pipeOf(file))),
  ready: pipeReady,
  queues: (_k, file) => [pipeQueue(pipeOf(file))],
  edges(k, file) {
    const { arrivals, departures } = getPipe(k, pipeOf(file));
    return { in: arrivals, out: departures };
  },
  release: (k, file) => closePipe(k, pipeOf(file), mayRead(file), mayWrite(file)),
};

export const fileKinds: Record<OpenTarget["kind"], FileOps> = {
  console: consoleOps,
  master: masterOps,
  slave: slaveOps,
  bytes: bytesOps,
  pipe: pipeOps,
  regular: regularOps,
  directory: directoryOps,
  device: deviceOps,
  generated: generatedOps,
  path: pathOps,
  socket: socketOps,
  event: eventOps,
  inotify: inotifyOps,
  timer: timerOps,
  signals: signalOps,
  process: processOps,
  memory: memoryOps,
  namespace: namespaceOps,
  // Looked at late: epoll asks other files, and so needs this table.
  get epoll() {
    return epollOps;
  },
};

export const opsOf = (file: OpenFile): FileOps => fileKinds[file.target.kind];
