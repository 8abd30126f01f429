/** Terminals as open files: the console, and both sides of a pseudo-terminal (pty(7)). */
import type { Errno } from "../lib/errno.ts";
import type { InodeNumber } from "../lib/ids.ts";
import { getThread } from "../thread/blocking.ts";
import type { Task } from "../thread/state.ts";
import { realtimeNs } from "../time/clock.ts";
import {
  closePair,
  closeSlave,
  createPair,
  dropFromMaster,
  isHungUp,
  openSlave,
  peekMaster,
  roomToType,
  typeAtMaster,
} from "../tty/pty.ts";
import type { TerminalId } from "../tty/state.ts";
import {
  advanceTerminal,
  availableBytes,
  controllingTerminal,
  getPair,
  isReadable,
  isWritable,
  outputBytes,
  ownTerminal,
  readTerminal,
  takeTerminal,
  terminalOf,
  terminalQueue,
  writeTerminal,
} from "../tty/terminal.ts";
import { isConsole, isOwnTerminal, ptmx, slaveMajor } from "./devices.ts";
import { type FileOps, Ready, readable, writable } from "./file-ops.ts";
import { filesystemOf } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import type { Opened, OpenFile, OpenTarget } from "./state.ts";

type Of<Kind> = OpenTarget & { kind: Kind };

/** Which terminal an open file is the user's side of; null when it was hung up on. */
function userSide(k: FileKernel, { target }: OpenFile): TerminalId | null {
  if (target.kind === "console") return "console";
  const { pair, generation } = target as Of<"slave">;
  return isHungUp(k, pair, generation) ? null : pair;
}

const queueOf = ({ target }: OpenFile): string =>
  terminalQueue(target.kind === "console" ? "console" : (target as Of<"slave">).pair);

/** No count of a terminal that is there. */
const atHangUp = { in: -2, out: -2 };
const hungUp = readable | writable | Ready.error | Ready.hangUp;

/** What programs read from and print to; after a hang-up there is nothing to read, and printing is an error. */
const userOps: FileOps = {
  read(k, file, _position, count, by) {
    const id = userSide(k, file);
    return id === null ? { bytes: new Uint8Array(0) } : readTerminal(k, id, by ?? null, count);
  },
  advance(k, file, count) {
    const id = userSide(k, file);
    if (id !== null) advanceTerminal(k, id, count);
  },
  write(k, task, file, _at, bytes) {
    const id = userSide(k, file);
    if (id === null) return { errno: "EIO" };
    const count = writeTerminal(k, id, { task, thread: getThread(k, task.threads[0]!), progress: null }, bytes);
    if (typeof count !== "number") return { errno: count };
    return count < bytes.length ? { count, queue: queueOf(file) } : { count };
  },
  seekable: false,
  terminal: userSide,
  size: () => 0,
  available(k, file) {
    const id = userSide(k, file);
    return id === null ? 0 : availableBytes(k, id);
  },
  ready(k, file) {
    const id = userSide(k, file);
    if (id === null) return hungUp;
    return (isReadable(k, id) ? readable : 0) | (isWritable(k, id) ? writable : 0);
  },
  queues: (_k, file) => [queueOf(file)],
  edges(k, file) {
    const id = userSide(k, file);
    if (id === null) return atHangUp;
    const { arrivals, departures } = terminalOf(k, id);
    return { in: arrivals, out: departures };
  },
};

export const consoleOps: FileOps = userOps;

export const slaveOps: FileOps = {
  ...userOps,
  release(k, { target }) {
    const { pair, generation } = target as Of<"slave">;
    closeSlave(k, pair, generation);
  },
};

const pairOf = ({ target }: OpenFile): number => (target as Of<"master">).pair;

export const masterOps: FileOps = {
  read(k, file, _position, count) {
    const bytes = peekMaster(getPair(k, pairOf(file)), count);
    if (bytes === null) return { queue: terminalQueue(pairOf(file)) };
    return typeof bytes === "string" ? { errno: bytes } : { bytes };
  },
  advance: (k, file, count) => dropFromMaster(k, pairOf(file), count),
  write(k, _task, file, _at, bytes) {
    const count = typeAtMaster(k, pairOf(file), bytes);
    return count < bytes.length ? { count, queue: terminalQueue(pairOf(file)) } : { count };
  },
  seekable: false,
  terminal: (_k, file) => pairOf(file),
  size: () => 0,
  available: (k, file) => outputBytes(getPair(k, pairOf(file))),
  ready(k, file) {
    const pair = getPair(k, pairOf(file));
    const out = roomToType(pair) > 0 ? writable : 0;
    return (pair.output.length > 0 ? readable : 0) | out | (pair.left ? Ready.hangUp : 0);
  },
  queues: (_k, file) => [terminalQueue(pairOf(file))],
  edges(k, file) {
    const { arrivals, departures } = getPair(k, pairOf(file));
    return { in: arrivals, out: departures };
  },
  release: (k, file) => closePair(k, pairOf(file)),
};

/** Who opens a terminal's device, and how. */
interface Opening {
  reads: boolean;
  /** It may become the terminal that controls the session. */
  controls: boolean;
}

/** Inodes of the slaves' sides in /dev/pts, by number. */
export const firstSlaveInode = 3;

/** The group that terminals are of (tty, in Debian). */
export const terminalGroup = 5;

/** What opening a terminal's device gives; null: it is none. */
export function openTerminal(
  k: FileKernel,
  task: Task,
  { major, minor }: { major: number; minor: number },
  how: Opening,
): OpenTarget | Errno | null {
  if (isOwnTerminal(major, minor)) return openOwn(k, task);
  if (isConsole(major, minor)) return { kind: "console" };
  if (major === slaveMajor) return openSlaveSide(k, task, minor, how);
  if (major !== ptmx.major || minor !== ptmx.minor) return null;
  const owner = { uid: task.credentials.fsuid, gid: terminalGroup, nowNs: realtimeNs(k) };
  const pair = createPair(k, owner);
  return typeof pair === "number" ? { kind: "master", pair } : pair;
}

/** /dev/tty. */
function openOwn(k: FileKernel, task: Task): OpenTarget | Errno {
  const id = ownTerminal(k, task);
  if (id === null) return "ENXIO";
  return id === "console" ? { kind: "console" } : { kind: "slave", pair: id, generation: openSlave(k, id) };
}

/** The name of a slave's side in /dev/pts, wherever that is mounted; null where it is not. */
export function slaveName(k: FileKernel, pair: number): Opened | null {
  const mount = [...k.files.mounts.values()].find(({ id }) => filesystemOf(k, id).kind === "devpts");
  if (mount === undefined) return null;
  const directory = filesystemOf(k, mount.id).root;
  return { mount: mount.id, inode: (firstSlaveInode + pair) as InodeNumber, directory, name: String(pair) };
}

export function openSlaveSide(k: FileKernel, task: Task, pair: number, how: Opening): OpenTarget | Errno {
  const found = k.tty.pairs.get(pair);
  if (found === undefined || found.locked) return "EIO";
  const generation = openSlave(k, pair);
  const isFree = found.terminal.session === null && controllingTerminal(k, task.session) === null;
  if (how.controls && how.reads && isFree && task.session === task.id) takeTerminal(k, pair, task);
  return { kind: "slave", pair, generation };
}
