/**
 * Sockets within the machine: AF_UNIX, and AF_INET over the loopback.
 *
 * Two that are connected know one another; what one sends is in the other's queue at once, and is refused when there is
 * no room. A connection is made when it is asked for: the new socket waits with the listening one until it is accepted.
 * A socket is there for as long as its file is open, or until its listener goes that has not accepted it.
 */
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import { type Errno, errnoNumbers } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import { dropNamespaces } from "../ns/namespaces.ts";
import { wakeQueue } from "../thread/blocking.ts";
import { dropFiles } from "./in-flight.ts";
import type { FileKernel } from "./kernel.ts";
import type { FilesState, Socket, SocketAddress, SocketCredentials, SocketFamily, SocketType } from "./state.ts";

export const socketQueue = (id: number): string => `socket ${id}`;
export const socketChanged = (k: FileKernel, id: number): number =>
  wakeQueue(k, socketQueue(id), Number.POSITIVE_INFINITY);

export const getSocket = (k: { readonly files: FilesState }, id: number): Socket =>
  must(k.files.sockets.get(id), "the socket exists");

export const loopback = 0x7f00_0001;
const anyHost = 0;
const firstEphemeral = 32768;
const lastEphemeral = 60999;

export interface NewSocket {
  family: SocketFamily;
  type: SocketType;
  protocol: number;
  net: number;
  credentials: SocketCredentials;
}

/** Its number; null when there are too many. */
export function createSocket(k: FileKernel, wanted: NewSocket): number | null {
  if (k.files.sockets.size >= limits.sockets) return null;
  const id = k.files.nextSocket++;
  k.files.sockets.set(id, {
    ...wanted,
    credentials: { ...wanted.credentials },
    inode: k.files.nextInode++,
    state: "new",
    name: null,
    peerName: null,
    peer: null,
    peerCredentials: null,
    queue: [],
    bytes: 0,
    pending: [],
    mostPending: 0,
    noReading: false,
    noWriting: false,
    error: 0,
    options: new Map(),
    receiveTimeoutNs: null,
    sendTimeoutNs: null,
    arrivals: 0,
    departures: 0,
  });
  return id;
}

export const sameAddress = (a: SocketAddress, b: SocketAddress): boolean => {
  if (a.kind === "path") return b.kind === "path" && a.filesystem === b.filesystem && a.inode === b.inode;
  if (a.kind === "abstract") return b.kind === "abstract" && a.name === b.name;
  return b.kind === "inet" && a.host === b.host && a.port === b.port;
};

/** Whether who has `name` is reached by `address`: any of the machine's hosts, if it did not choose one. */
const isReachedBy = (name: SocketAddress, address: SocketAddress): boolean =>
  name.kind === "inet" && address.kind === "inet"
    ? name.port === address.port && (name.host === anyHost || name.host === address.host)
    : sameAddress(name, address);

/** Whether two sockets can be called the same only if they are: files are in no name space of the network. */
const sharesNames = (one: Pick<Socket, "net">, other: Socket, at: SocketAddress): boolean =>
  at.kind === "path" || one.net === other.net;

/** The socket of a type that one knows by this name, and is no connection's: the one that listens before others. */
export function findSocket(
  k: FileKernel,
  own: Pick<Socket, "family" | "net">,
  type: SocketType,
  at: SocketAddress,
): number | null {
  let found: number | null = null;
  spend(k.effort, 4 * k.files.sockets.size, "items");
  for (const [id, socket] of k.files.sockets) {
    if (socket.family !== own.family || socket.type !== type || socket.name === null) continue;
    if (!sharesNames(own, socket, at)) continue;
    if (type !== "dgram" && socket.state === "connected") continue;
    if (!isReachedBy(socket.name, at)) continue;
    if (socket.state === "listening") return id;
    found ??= id;
  }
  return found;
}

const reuses = (socket: Socket): boolean => (socket.options.get("1:2") ?? 0) !== 0;

/** Whether a name that is asked for is somebody's already. */
export function isTaken(k: FileKernel, own: Socket, at: SocketAddress): boolean {
  spend(k.effort, 4 * k.files.sockets.size, "items");
  for (const socket of k.files.sockets.values()) {
    if (socket === own || socket.family !== own.family || socket.name === null) continue;
    if (!sharesNames(own, socket, at)) continue;
    if (at.kind !== "inet") {
      if (sameAddress(socket.name, at)) return true;
      continue;
    }
    if (socket.name.kind !== "inet" || socket.type !== own.type || socket.name.port !== at.port) continue;
    if (socket.name.host !== at.host && socket.name.host !== anyHost && at.host !== anyHost) continue;
    if (!reuses(own) || !reuses(socket) || (own.type === "stream" && socket.state === "listening")) return true;
  }
  return false;
}

/** The lowest free port that nobody asked for. */
export function freePort(k: FileKernel, own: Socket): number | null {
  const used = new Set<number>();
  spend(k.effort, 4 * k.files.sockets.size, "items");
  for (const { name, type, net } of k.files.sockets.values())
    if (name?.kind === "inet" && type === own.type && net === own.net) used.add(name.port);
  for (let port = firstEphemeral; port <= lastEphemeral; port++) if (!used.has(port)) return port;
  return null;
}

/** Names the socket when it has to have a name to be answered. */
export function nameIfNone(k: FileKernel, socket: Socket, host: number): Errno | null {
  if (socket.family !== "inet" || socket.name !== null) return null;
  const port = freePort(k, socket);
  if (port === null) return "EADDRNOTAVAIL";
  socket.name = { kind: "inet", host, port };
  return null;
}

export const copyAddress = (address: SocketAddress | null): SocketAddress | null =>
  address === null ? null : { ...address };

/** Makes two sockets each other's. */
export function pairSockets(k: FileKernel, one: number, other: number): void {
  const [a, b] = [getSocket(k, one), getSocket(k, other)];
  for (const [socket, peer, id] of [
    [a, b, other],
    [b, a, one],
  ] as const) {
    socket.state = "connected";
    socket.peer = id;
    socket.peerName = copyAddress(peer.name);
    socket.peerCredentials = { ...peer.credentials };
  }
}

/** Connects to a listening socket, by the name that was asked for: done, or EAGAIN when too many wait there. */
export function connectTo(k: FileKernel, id: number, listener: number, asked: SocketAddress): Errno | null {
  const server = getSocket(k, listener);
  if (server.pending.length > server.mostPending) return "EAGAIN";
  const { family, type, protocol, net, credentials } = server;
  const accepted = createSocket(k, { family, type, protocol, net, credentials });
  if (accepted === null) return "ENOMEM";
  const made = getSocket(k, accepted);
  made.name = copyAddress(family === "unix" ? server.name : asked);
  made.options = new Map(server.options);
  pairSockets(k, id, accepted);
  server.pending.push(accepted);
  server.arrivals += 1;
  if (family === "inet") {
    getSocket(k, id).arrivals += 1;
    getSocket(k, id).departures += 1;
  }
  socketChanged(k, listener);
  socketChanged(k, id);
  return null;
}

/** Something has left a queue: who waited because all queues together were nearly full, looks again. */
export function giveBack(k: FileKernel, bytes: number): void {
  const wasShort = limits.allSocketBytes - k.files.socketBytes < limits.socketBytes;
  k.files.socketBytes -= bytes;
  if (!wasShort || bytes === 0) return;
  spend(k.effort, 4 * k.files.sockets.size, "items");
  for (const [id, socket] of k.files.sockets) {
    socket.departures += 1;
    socketChanged(k, id);
  }
}

/** Forgets what is in the queue. */
function forgetQueue(k: FileKernel, socket: Socket): void {
  giveBack(k, socket.bytes + socket.queue.length * limits.messageBytes);
  for (const { files } of socket.queue) dropFiles(k, files);
  socket.queue = [];
  socket.bytes = 0;
}

/** Nothing comes from, or goes to, a socket any more; `peer` learns of it. */
function leavePeer(k: FileKernel, id: number, socket: Socket, lost: boolean): void {
  if (socket.peer === null || socket.type === "dgram") return;
  const peer = k.files.sockets.get(socket.peer);
  if (peer === undefined || peer.peer !== id) return;
  peer.peer = null;
  peer.noReading = true;
  // TCP learns that nobody is there when it sends.
  if (peer.family === "unix") peer.noWriting = true;
  if (lost) peer.error = errnoNumbers.ECONNRESET;
  peer.arrivals += 1;
  peer.departures += 1;
  socketChanged(k, socket.peer);
}

/** The socket's file is closed, or it will not be accepted. */
export function closeSocket(k: FileKernel, id: number): void {
  const socket = getSocket(k, id);
  const lost = socket.queue.length > 0;
  k.files.sockets.delete(id);
  forgetQueue(k, socket);
  leavePeer(k, id, socket, lost);
  for (const pending of socket.pending) {
    const waiting = getSocket(k, pending);
    k.files.sockets.delete(pending);
    forgetQueue(k, waiting);
    leavePeer(k, pending, waiting, true);
  }
  for (const [other, each] of k.files.sockets) {
    if (each.peer !== id || each.type !== "dgram") continue;
    each.peer = null;
    each.departures += 1;
    socketChanged(k, other);
  }
  spend(k.effort, 4 * k.files.sockets.size, "items");
  socketChanged(k, id);
  if (socket.net !== 0) dropNamespaces(k);
}

export const Shut = { reading: 0, writing: 1, both: 2 } as const;

export function shutDown(k: FileKernel, id: number, how: number): Errno | null {
  const socket = getSocket(k, id);
  if (socket.state === "listening" && socket.family === "inet" && how !== Shut.writing) return stopListening(k, id);
  if (socket.state !== "connected" && (socket.family === "inet" || socket.type !== "dgram")) return "ENOTCONN";
  const [reading, writing] = [how !== Shut.writing, how !== Shut.reading];
  if (reading) socket.noReading = true;
  if (writing) socket.noWriting = true;
  const peer = socket.peer === null ? undefined : k.files.sockets.get(socket.peer);
  if (peer !== undefined && socket.type !== "dgram") {
    if (writing) peer.noReading = true;
    if (reading && socket.family === "unix") peer.noWriting = true;
    peer.arrivals += 1;
    peer.departures += 1;
    socketChanged(k, socket.peer!);
  }
  socket.arrivals += 1;
  socket.departures += 1;
  socketChanged(k, id);
  return null;
}

function stopListening(k: FileKernel, id: number): null {
  const socket = getSocket(k, id);
  for (const pending of socket.pending.splice(0)) closeSocket(k, pending);
  socket.state = "new";
  socket.arrivals += 1;
  socket.departures += 1;
  socketChanged(k, id);
  return null;
}

/** The error that is told once. */
export function takeError(socket: Socket): number {
  const { error } = socket;
  socket.error = 0;
  return error;
}
