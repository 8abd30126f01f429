/** What goes through sockets: into the queue of who will read it, and out of one's own. */
import { assert, must } from "../lib/assert.ts";
import { joinBytes, withoutFirst } from "../lib/bytes.ts";
import { spend } from "../lib/effort.ts";
import { type Errno, errnoNumbers, errnoOf } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import type { FileKernel } from "./kernel.ts";
import {
  copyAddress,
  findSocket,
  getSocket,
  giveBack,
  loopback,
  nameIfNone,
  socketChanged,
  socketQueue,
  takeError,
} from "./sockets.ts";
import type { Socket, SocketAddress, SocketCredentials, SocketMessage } from "./state.ts";

const nameOfError = (number: number): Errno => must(errnoOf(BigInt(-number)), "an error has a name");

/** What is sent; `to`: where, when not to whom the socket is connected. */
export interface Sending {
  bytes: Uint8Array;
  to: SocketAddress | null;
  sender: SocketCredentials;
  /** Takes the files on their way once all is checked; null: too many are. */
  files(): number[] | null;
}

export type Sent = { count: number } | { errno: Errno } | { count: number; queue: string };

/** Room in a queue, of bytes; without any, an empty message does not fit, either. */
export const roomIn = (k: FileKernel, { bytes, queue }: Socket): number =>
  queue.length >= limits.socketMessages
    ? 0
    : Math.max(0, Math.min(limits.socketBytes - bytes, limits.allSocketBytes - k.files.socketBytes));

/** Whether who sends to a socket is told that there is room: not for the least that fits. */
export const hasRoom = (k: FileKernel, socket: Socket): boolean =>
  socket.type === "dgram" ? socket.queue.length < limits.datagrams : roomIn(k, socket) * 3 >= limits.socketBytes;

function put(k: FileKernel, id: number, message: SocketMessage): void {
  const socket = getSocket(k, id);
  socket.bytes += message.bytes.length;
  k.files.socketBytes += message.bytes.length;
  socket.arrivals += 1;
  spend(k.effort, message.bytes.length, "bytes");
  const last = socket.queue.at(-1);
  const joins = socket.type === "stream" && last !== undefined && last.files.length + message.files.length === 0;
  const isSmall = last !== undefined && last.bytes.length + message.bytes.length <= limits.terminalPieceBytes;
  if (joins && isSmall && last.sender.pid === message.sender.pid) {
    last.bytes = joinBytes([last.bytes, message.bytes]);
  } else {
    socket.queue.push(message);
    k.files.socketBytes += limits.messageBytes;
  }
  socketChanged(k, id);
}

const passesCredentials = ({ options }: Socket): boolean => (options.get("1:16") ?? 0) !== 0;
/** Who sent it, where that is not told. */
export const nobody: SocketCredentials = { pid: 0, names: [], uid: 65534, gid: 65534 };

/** Who sent it is told only where one of the two asked for that before. */
function messageOf(
  [own, peer]: readonly [Socket, Socket],
  bytes: Uint8Array,
  sender: SocketCredentials,
  files: number[],
): SocketMessage {
  const told = passesCredentials(own) || passesCredentials(peer) ? sender : nobody;
  return { bytes: bytes.slice(), address: copyAddress(own.name), sender: { ...told }, files };
}

/** Sends over a connection: as much as there is room for, or, of packets, all or nothing. */
function sendStream(k: FileKernel, id: number, { bytes, to, sender, files }: Sending): Sent {
  const own = getSocket(k, id);
  if (own.error !== 0 && !own.noWriting) return { errno: nameOfError(takeError(own)) };
  if (own.state !== "connected") return { errno: own.family === "inet" ? "EPIPE" : "ENOTCONN" };
  if (to !== null && own.family === "unix" && own.type === "stream") return { errno: "EISCONN" };
  if (own.noWriting) return { errno: "EPIPE" };
  if (own.peer === null) {
    // The first bytes that nobody takes are what tells TCP that nobody does.
    own.noWriting = true;
    own.departures += 1;
    socketChanged(k, id);
    return { count: bytes.length };
  }
  const peer = getSocket(k, own.peer);
  if (peer.noReading && own.family === "unix") return { errno: "EPIPE" };
  const room = roomIn(k, peer);
  const whole = own.type === "seqpacket";
  if (whole && bytes.length > limits.socketBytes) return { errno: "EMSGSIZE" };
  const isFull = whole && (room === 0 || bytes.length > room);
  const count = isFull ? 0 : Math.min(room, bytes.length);
  const noRoom = isFull || count < bytes.length;
  if (count === 0 && noRoom) return { count, queue: socketQueue(own.peer) };
  if (bytes.length === 0 && !whole) return { count: 0 };
  const carried = files();
  if (carried === null) return { errno: "ETOOMANYREFS" };
  put(k, own.peer, messageOf([own, peer], bytes.subarray(0, count), sender, carried));
  return noRoom ? { count, queue: socketQueue(own.peer) } : { count };
}

/** Where a datagram goes; null: nowhere, and nobody is told. */
function receiverOf(k: FileKernel, id: number, to: SocketAddress | null): { id: number } | { errno: Errno } | null {
  const own = getSocket(k, id);
  const address = to ?? own.peerName;
  if (to === null && own.state !== "connected") return { errno: own.family === "inet" ? "EDESTADDRREQ" : "ENOTCONN" };
  if (to === null && own.family === "unix") return own.peer === null ? { errno: "ECONNREFUSED" } : { id: own.peer };
  assert(address !== null, "a connected socket of this family knows where to");
  const found = findSocket(k, own, own.type, address);
  if (found !== null) return { id: found };
  if (own.family === "unix") return { errno: "ECONNREFUSED" };
  if (own.state === "connected" && to === null) {
    own.error = errnoNumbers.ECONNREFUSED;
    own.arrivals += 1;
    own.departures += 1;
    socketChanged(k, id);
  }
  return null;
}

const mostDatagramBytes = 65507;

function sendDatagram(k: FileKernel, id: number, { bytes, to, sender, files }: Sending): Sent {
  const own = getSocket(k, id);
  if (own.error !== 0) return { errno: nameOfError(takeError(own)) };
  if (own.noWriting) return { errno: "EPIPE" };
  if (bytes.length > (own.family === "inet" ? mostDatagramBytes : limits.socketBytes)) return { errno: "EMSGSIZE" };
  const receiver = receiverOf(k, id, to);
  if (receiver !== null && "errno" in receiver) return receiver;
  const unnamed = nameIfNone(k, own, loopback);
  if (unnamed !== null) return { errno: unnamed };
  if (receiver === null) return { count: bytes.length };
  const peer = getSocket(k, receiver.id);
  const isOthers = peer.state === "connected" && !isPeerOf(peer, id, own);
  if (isOthers) return own.family === "unix" ? { errno: "EPERM" } : { count: bytes.length };
  if (peer.noReading) return own.family === "unix" ? { errno: "EPIPE" } : { count: bytes.length };
  const room = roomIn(k, peer);
  const hasMost = own.family === "unix" && peer.queue.length >= limits.datagrams;
  const isFull = room === 0 || bytes.length > room || hasMost;
  if (isFull) return own.family === "unix" ? { count: 0, queue: socketQueue(receiver.id) } : { count: bytes.length };
  const carried = files();
  if (carried === null) return { errno: "ETOOMANYREFS" };
  put(k, receiver.id, messageOf([own, peer], bytes, sender, carried));
  return { count: bytes.length };
}

/** Whether a connected datagram socket hears another one. */
function isPeerOf(peer: Socket, id: number, own: Socket): boolean {
  if (peer.family === "unix") return peer.peer === id;
  const [a, b] = [peer.peerName, own.name];
  return a?.kind === "inet" && b?.kind === "inet" && a.port === b.port && (b.host === 0 || a.host === b.host);
}

export function send(k: FileKernel, id: number, sending: Sending): Sent {
  const { type } = getSocket(k, id);
  return type === "dgram" ? sendDatagram(k, id, sending) : sendStream(k, id, sending);
}

/** What is received: bytes with what came with the first of them. */
export interface Received {
  bytes: Uint8Array;
  /** Of what was sent, for packets. */
  length: number;
  message: SocketMessage | null;
}

/** Of a stream: bytes of messages up to the next one that brings files, or comes from somebody else. */
function gather(queue: readonly SocketMessage[], room: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let left = room;
  for (const [i, { bytes, files, sender }] of queue.entries()) {
    if (
      left === 0 ||
      (i > 0 && (files.length > 0 || queue[0]!.files.length > 0 || sender.pid !== queue[0]!.sender.pid))
    )
      break;
    parts.push(bytes.subarray(0, left));
    left -= parts.at(-1)!.length;
  }
  return joinBytes(parts);
}

/** What can be received now: nothing at the end, null when there is nothing yet. */
export function peekSocket(socket: Socket, room: number): Received | Errno | null {
  const [message] = socket.queue;
  if (message !== undefined) {
    if (socket.type === "stream") {
      const bytes = gather(socket.queue, room);
      return { bytes, length: bytes.length, message };
    }
    return { bytes: message.bytes.slice(0, room), length: message.bytes.length, message };
  }
  if (socket.error !== 0) return nameOfError(takeError(socket));
  if (socket.type !== "dgram" && socket.state !== "connected")
    return socket.family === "unix" && socket.type === "stream" ? "EINVAL" : "ENOTCONN";
  return socket.noReading ? { bytes: new Uint8Array(0), length: 0, message: null } : null;
}

/** Something has left a socket's queue: an edge for who sends to it, of TCP only where there was no room. */
function tellSenders(k: FileKernel, id: number, hadRoom: boolean): void {
  const socket = getSocket(k, id);
  const peer = socket.peer === null ? undefined : k.files.sockets.get(socket.peer);
  if (peer?.peer === id) {
    if (socket.family === "unix" || (!hadRoom && hasRoom(k, socket))) peer.departures += 1;
  } else if (socket.family === "unix" && socket.type === "dgram") {
    // Whatever room there is, a larger datagram may have found too little.
    spend(k.effort, 4 * k.files.sockets.size, "items");
    for (const sender of k.files.sockets.values()) if (sender.peer === id) sender.departures += 1;
  }
}

/** Takes what was received out of the queue: bytes of a stream, a packet as a whole. Files that nobody wanted are dropped by who asks. */
export function dropFromSocket(k: FileKernel, id: number, count: number): void {
  const socket = getSocket(k, id);
  const taken = socket.type === "stream" ? count : (socket.queue[0]?.bytes.length ?? 0);
  const before = socket.queue.length;
  const hadRoom = hasRoom(k, socket);
  if (socket.queue.length === 0) return;
  for (let left = taken, first = true; (left > 0 || first) && socket.queue.length > 0; first = false) {
    const [message] = socket.queue;
    const part = message!.bytes;
    if (socket.type === "stream" && part.length > left) {
      message!.bytes = withoutFirst(part, left);
      message!.files = [];
      left = 0;
    } else {
      socket.queue.shift();
      left -= part.length;
    }
  }
  socket.bytes -= taken;
  giveBack(k, taken + (before - socket.queue.length) * limits.messageBytes);
  tellSenders(k, id, hadRoom);
  socketChanged(k, id);
}
