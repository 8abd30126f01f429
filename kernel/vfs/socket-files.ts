/** Sockets as open files: read(2), write(2), poll(2), close(2). */

import { limits } from "../lib/limits.ts";
import { namesOf } from "../thread/pids.ts";
import type { Task } from "../thread/state.ts";
import type { Wait } from "../thread/wait.ts";
import { deadlineAfter } from "../time/clock.ts";
import { type FileOps, Ready, readable, writable } from "./file-ops.ts";
import { forgetFiles } from "./in-flight.ts";
import type { FileKernel } from "./kernel.ts";
import { dropFromSocket, hasRoom, peekSocket, send } from "./socket-data.ts";
import { closeSocket, getSocket, socketQueue } from "./sockets.ts";
import type { OpenFile, OpenTarget, Socket, SocketCredentials } from "./state.ts";

export const socketOf = ({ target }: OpenFile): number => (target as OpenTarget & { kind: "socket" }).socket;

export const credentialsOf = (k: FileKernel, { id, credentials }: Task): SocketCredentials => ({
  pid: id,
  names: namesOf(k, id),
  uid: credentials.euid,
  gid: credentials.egid,
});

/** The other side, as far as one can write to it. */
const peerOf = (k: FileKernel, { peer }: Socket): Socket | null =>
  peer === null ? null : (k.files.sockets.get(peer) ?? null);

/** Whether a write would be taken, or refused at once. */
function canWrite(k: FileKernel, socket: Socket): boolean {
  const peer = peerOf(k, socket);
  if (socket.state === "listening") return false;
  if (peer === null || socket.noWriting) return true;
  return hasRoom(k, peer);
}

function socketReady(k: FileKernel, file: OpenFile): number {
  const socket = getSocket(k, socketOf(file));
  const hasPeer = socket.state === "connected" || socket.type === "dgram";
  const isDown = socket.noReading && socket.noWriting;
  let ready = 0;
  if (socket.queue.length > 0 || socket.pending.length > 0 || socket.noReading) ready |= readable;
  if (socket.error !== 0) ready |= Ready.error | readable;
  if (socket.noReading) ready |= Ready.readHangUp;
  if (isDown || (!hasPeer && socket.state !== "listening")) ready |= Ready.hangUp;
  if (canWrite(k, socket)) ready |= writable;
  return ready;
}

/** Where to wait for something to receive, and until when; too late is an error. */
export function waitToReceive(
  k: FileKernel,
  id: number,
  progress: Wait | null,
): { queue: string; dueNs: number | null } | { errno: "EAGAIN" } {
  const { receiveTimeoutNs } = getSocket(k, id);
  const now = k.hal.timer.nowNs();
  if (receiveTimeoutNs === null) return { queue: socketQueue(id), dueNs: null };
  const dueNs = progress?.deadlineNs ?? deadlineAfter(k, BigInt(receiveTimeoutNs)) ?? limits.timeNs;
  return dueNs <= now ? { errno: "EAGAIN" } : { queue: socketQueue(id), dueNs };
}

export const socketOps: FileOps = {
  read(k, file, _position, count, by) {
    const id = socketOf(file);
    if (count === 0) return { bytes: new Uint8Array(0) };
    const received = peekSocket(getSocket(k, id), count);
    if (received === null) return waitToReceive(k, id, by?.progress ?? null);
    return typeof received === "string" ? { errno: received } : { bytes: received.bytes };
  },
  advance(k, file, count) {
    const socket = getSocket(k, socketOf(file));
    const [message] = socket.queue;
    if (message === undefined || (count === 0 && message.bytes.length > 0)) return;
    const { files } = message;
    dropFromSocket(k, socketOf(file), count);
    forgetFiles(k, files);
  },
  write(k, task, file, _position, bytes) {
    return send(k, socketOf(file), { bytes, to: null, sender: credentialsOf(k, task), files: () => [] });
  },
  seekable: false,
  size: () => 0,
  available(k, file) {
    const { type, queue, bytes } = getSocket(k, socketOf(file));
    return type === "dgram" ? (queue[0]?.bytes.length ?? 0) : bytes;
  },
  ready: socketReady,
  queues(k, file) {
    const { peer } = getSocket(k, socketOf(file));
    // Room is the other's to announce.
    const own = socketQueue(socketOf(file));
    return peer === null ? [own] : [own, socketQueue(peer)];
  },
  edges(k, file) {
    const { arrivals, departures } = getSocket(k, socketOf(file));
    return { in: arrivals, out: departures };
  },
  release: (k, file) => closeSocket(k, socketOf(file)),
};
