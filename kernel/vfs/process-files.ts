/**
 * Open files that stand for what becomes of processes: signals that are pending for who reads them (signalfd(2)), and
 * the end of one process (pidfd_open(2)), its memory (/proc/<pid>/mem). None keeps anything: what they tell is looked up
 * when they are asked.
 */
import { pageBytes } from "../hal/types.ts";
import type { TaskId } from "../lib/ids.ts";
import type { Space } from "../mm/state.ts";
import { copyIn, copyOutTraced } from "../mm/user.ts";
import { dropNamespaces } from "../ns/namespaces.ts";
import { endQueue } from "../thread/family.ts";
import { pendingIn, signalQueue, takeSignal } from "../thread/signals.ts";
import type { SignalInfo } from "../thread/state.ts";
import { type FileOps, Ready, readable, writable } from "./file-ops.ts";
import type { FileKernel } from "./kernel.ts";
import { endNamespaces } from "./mounts.ts";
import type { OpenFile, OpenTarget } from "./state.ts";

type Of<Kind> = OpenTarget & { kind: Kind };
const setOf = (file: OpenFile): bigint => (file.target as Of<"signals">).set;
export const processOf = (file: OpenFile): TaskId => (file.target as Of<"process">).task;

/** struct signalfd_siginfo */
const infoBytes = 128;

function encodeInfo({ signal, code, detail }: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(infoBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signal, true);
  view.setInt32(8, code, true);
  if (detail.kind === "sender" || detail.kind === "child") {
    view.setUint32(12, detail.pid, true);
    view.setUint32(16, detail.uid, true);
  }
  if (detail.kind === "sender" || detail.kind === "timer") {
    view.setInt32(44, Number(BigInt.asIntN(32, detail.value)), true);
    view.setBigUint64(48, BigInt.asUintN(64, detail.value), true);
  }
  if (detail.kind === "child") {
    view.setInt32(40, detail.status, true);
    view.setBigUint64(56, BigInt(Math.floor(detail.userNs / 10_000_000)), true);
  } else if (detail.kind === "timer") {
    view.setUint32(24, detail.timer, true);
    view.setUint32(32, detail.overrun, true);
  } else if (detail.kind === "fault") view.setBigUint64(72, detail.address, true);
  return bytes;
}

export const signalOps: FileOps = {
  read(k, file, _position, room, by) {
    const most = Math.floor(room / infoBytes);
    if (most === 0 || by === undefined) return { errno: "EINVAL" };
    const infos = pendingIn(k, by.task, by.thread, setOf(file), most);
    if (infos.length === 0) return { queue: signalQueue(by.task.id) };
    const bytes = new Uint8Array(infos.length * infoBytes);
    for (const [i, info] of infos.entries()) bytes.set(encodeInfo(info), i * infoBytes);
    return { bytes };
  },
  advance(k, file, count, by) {
    if (by === undefined) return;
    for (let taken = 0; taken < count; taken += infoBytes) takeSignal(k, by.task, by.thread, setOf(file));
  },
  write: () => ({ errno: "EINVAL" }),
  seekable: false,
  size: () => 0,
  ready: (k, file, by) =>
    by !== undefined && pendingIn(k, by.task, by.thread, setOf(file), 1).length > 0 ? Ready.in : 0,
  queues: (_k, file, by) => [by === undefined ? `signals for ${file.id}` : signalQueue(by.task.id)],
  edges: (_k, _file, by) => ({ in: by?.task.signalsSent ?? 0, out: 0 }),
};

export const processOps: FileOps = {
  read: () => ({ errno: "EINVAL" }),
  advance: () => undefined,
  write: () => ({ errno: "EINVAL" }),
  seekable: false,
  size: () => 0,
  ready(k, file) {
    const id = processOf(file);
    if (k.threads.tasks.has(id)) return 0;
    return k.threads.zombies.has(id) ? readable : readable | Ready.hangUp;
  },
  queues: (_k, file) => [endQueue(processOf(file))],
  // Its end, and that somebody waited for it.
  edges(k, file) {
    const id = processOf(file);
    return { in: k.threads.tasks.has(id) ? 0 : k.threads.zombies.has(id) ? 1 : 2, out: 0 };
  },
};

/** The memory that a file was opened to show; null: its program has ended, or executes another one. */
function spaceOf(k: FileKernel, file: OpenFile): Space | null {
  const { space } = file.target as Of<"memory">;
  return space === null ? null : (k.mm.spaces.get(space) ?? null);
}

/** Goes through a range page by page, up to the first that is not there: how many bytes it was. */
function eachPiece(position: number, count: number, move: (at: number, from: number, to: number) => boolean): number {
  let done = 0;
  while (done < count) {
    const at = position + done;
    const end = Math.min(count, done + pageBytes - (at % pageBytes));
    if (!move(at, done, end)) break;
    done = end;
  }
  return done;
}

/** As a debugger's: whatever the mappings permit, as far as it is nobody else's. */
export const memoryOps: FileOps = {
  read(k, file, position, count) {
    const space = spaceOf(k, file);
    if (space === null) return { bytes: new Uint8Array(0) };
    const bytes = new Uint8Array(count);
    const done = eachPiece(position, count, (at, from, to) => {
      const piece = copyIn(k, space, BigInt(at), to - from, true);
      if (piece.ok) bytes.set(piece.value, from);
      return piece.ok;
    });
    return done === 0 && count > 0 ? { errno: "EIO" } : { bytes: bytes.subarray(0, done) };
  },
  advance(_k, file, count) {
    file.position += count;
  },
  write(k, _task, file, position, bytes) {
    const space = spaceOf(k, file);
    if (space === null) return { count: 0 };
    const store = (at: number, from: number, to: number): boolean =>
      copyOutTraced(k, space, BigInt(at), bytes.subarray(from, to)) === null;
    const done = eachPiece(position, bytes.length, store);
    return done === 0 && bytes.length > 0 ? { errno: "EIO" } : { count: done };
  },
  seekable: true,
  size: () => 0,
  ready: () => readable | writable,
  queues: () => [],
};

/** It only stands for what it stands for. */
export const namespaceOps: FileOps = {
  read: () => ({ errno: "EINVAL" }),
  advance: () => undefined,
  write: () => ({ errno: "EINVAL" }),
  seekable: false,
  size: () => 0,
  ready: () => readable | writable,
  queues: () => [],
  release(k) {
    dropNamespaces(k);
    endNamespaces(k);
  },
};
