/**
 * Open files that stand for what becomes of processes: signals that are pending for who reads them (signalfd(2)), and
 * the end of one process (pidfd_open(2)). Neither keeps anything: what they tell is looked up when they are asked.
 */
import type { TaskId } from "../lib/ids.ts";
import { endQueue } from "../thread/family.ts";
import { pendingIn, signalQueue, takeSignal } from "../thread/signals.ts";
import type { SignalInfo } from "../thread/state.ts";
import { type FileOps, Ready, readable } from "./file-ops.ts";
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
  read(_k, file, _position, room, by) {
    const most = Math.floor(room / infoBytes);
    if (most === 0 || by === undefined) return { errno: "EINVAL" };
    const infos = pendingIn(by.task, by.thread, setOf(file), most);
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
  ready: (_k, file, by) =>
    by !== undefined && pendingIn(by.task, by.thread, setOf(file), 1).length > 0 ? Ready.in : 0,
  queues: (_k, file, by) => [by === undefined ? `signals for ${file.id}` : signalQueue(by.task.id)],
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
};
