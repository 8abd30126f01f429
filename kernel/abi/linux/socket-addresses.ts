/** Names of sockets as programs write them (unix(7), ip(7)), and what they lead to. */

import type { Errno } from "../../lib/errno.ts";
import { decodeName, encodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { ownerOfNamespace } from "../../ns/namespaces.ts";
import { Cap } from "../../thread/capabilities.ts";
import type { Task } from "../../thread/state.ts";
import { hasCapabilityIn } from "../../thread/users.ts";
import { attributesOf, FileType, filesystemOf, isType } from "../../vfs/filesystem.ts";
import { makeFile } from "../../vfs/names.ts";
import { Access, permits, subjectOf } from "../../vfs/permissions.ts";
import { freePort, isTaken } from "../../vfs/sockets.ts";
import type { Fifo, Socket, SocketAddress } from "../../vfs/state.ts";
import { findPlace } from "../../vfs/walk.ts";
import type { LinuxKernel } from "./kernel.ts";

export const Family = { AF_UNSPEC: 0, AF_UNIX: 1, AF_INET: 2 } as const;

const mostBytes = 128;
const unixBytes = 110;
const inetBytes = 16;
const firstOrdinaryPort = 1024;
const anyHost = 0;
const loopbackNet = 0x7f;

/** An address as it was written; a path has not been looked up yet. */
export type Written =
  | { kind: "unspecified" }
  | { kind: "unnamed" }
  | { kind: "path"; path: string }
  | { kind: "abstract"; name: string }
  | { kind: "inet"; host: number; port: number };

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function parseUnix(bytes: Uint8Array): Written | Errno {
  if (bytes.length > unixBytes) return "EINVAL";
  const name = bytes.subarray(2);
  if (name.length === 0) return { kind: "unnamed" };
  if (name[0] === 0) return { kind: "abstract", name: decodeName(name.subarray(1)) };
  const end = name.indexOf(0);
  return { kind: "path", path: decodeName(end < 0 ? name : name.subarray(0, end)) };
}

/** Reads an address of a socket's family from a program's memory. */
export function readAddress(
  k: LinuxKernel,
  task: Task,
  { family }: Pick<Socket, "family">,
  where: bigint,
  length: number,
): Written | Errno {
  if (length < 0 || length > mostBytes) return "EINVAL";
  const copied = copyIn(k, getSpace(k, task.space), where, length);
  if (!copied.ok) return copied.errno;
  const bytes = copied.value;
  if (bytes.length < 2) return "EINVAL";
  const given = viewOf(bytes).getUint16(0, true);
  if (given === Family.AF_UNSPEC) return { kind: "unspecified" };
  if (family === "unix") return given === Family.AF_UNIX ? parseUnix(bytes) : "EINVAL";
  if (given !== Family.AF_INET) return "EAFNOSUPPORT";
  if (bytes.length < inetBytes) return "EINVAL";
  return { kind: "inet", port: viewOf(bytes).getUint16(2), host: viewOf(bytes).getUint32(4) };
}

/** An address as programs read it; of an unnamed socket only the family. */
export function encodeAddress({ family }: Pick<Socket, "family">, address: SocketAddress | null): Uint8Array {
  if (family === "inet") {
    const bytes = new Uint8Array(inetBytes);
    const { host, port } = address?.kind === "inet" ? address : { host: anyHost, port: 0 };
    viewOf(bytes).setUint16(0, Family.AF_INET, true);
    viewOf(bytes).setUint16(2, port);
    viewOf(bytes).setUint32(4, host);
    return bytes;
  }
  const name =
    address?.kind === "path"
      ? encodeName(`${address.path}\0`)
      : address?.kind === "abstract"
        ? encodeName(`\0${address.name}`)
        : new Uint8Array(0);
  const bytes = new Uint8Array(2 + name.length);
  bytes[0] = Family.AF_UNIX;
  bytes.set(name, 2);
  return bytes;
}

/** Writes an address where a program wants it, as far as there is room, and how long it is. */
export function writeAddress(
  k: LinuxKernel,
  task: Task,
  bytes: Uint8Array,
  where: bigint,
  lengthAt: bigint,
): Errno | null {
  const space = getSpace(k, task.space);
  const room = copyIn(k, space, lengthAt, 4);
  if (!room.ok) return room.errno;
  const most = viewOf(room.value).getInt32(0, true);
  if (most < 0) return "EINVAL";
  const length = new Uint8Array(Int32Array.of(bytes.length).buffer);
  return copyOut(k, space, where, bytes.subarray(0, most)) ?? copyOut(k, space, lengthAt, length);
}

const isLocal = (host: number): boolean => host === anyHost || host >>> 24 === loopbackNet;

/** The socket file that a path leads to, which the task may write to. */
function socketFile(k: LinuxKernel, task: Task, path: string): Fifo | Errno {
  const found = findPlace(k, task, task.directory, path);
  if ("errno" in found) return found.errno;
  const attributes = attributesOf(k, found.place);
  if (!permits(subjectOf(k, task), attributes, Access.write)) return "EACCES";
  if (!isType(attributes, FileType.socket)) return "ECONNREFUSED";
  return { filesystem: filesystemOf(k, found.place.mount).id, inode: found.place.inode };
}

/** Whom an address names that something is sent or connected to. */
export function destination(
  k: LinuxKernel,
  task: Task,
  written: Exclude<Written, { kind: "unspecified" }>,
): SocketAddress | Errno {
  switch (written.kind) {
    case "unnamed":
      return "EINVAL";
    case "abstract":
      return written;
    case "path": {
      const file = socketFile(k, task, written.path);
      return typeof file === "string" ? file : { ...written, ...file };
    }
    case "inet":
      if (!isLocal(written.host)) return "ENETUNREACH";
      return { ...written, host: written.host === anyHost ? 0x7f00_0001 : written.host };
  }
}

/** A name like those that Linux gives to who does not care. */
function anyName(k: LinuxKernel, socket: Socket): SocketAddress | Errno {
  for (let number = 0; number <= k.files.sockets.size; number++) {
    const address: SocketAddress = { kind: "abstract", name: number.toString(16).padStart(5, "0") };
    if (!isTaken(k, socket, address)) return address;
  }
  return "ENOSPC";
}

function bindPath(k: LinuxKernel, task: Task, path: string): SocketAddress | Errno {
  const from = { start: task.directory, path };
  const inode = makeFile(k, task, from, FileType.socket | 0o777, { kind: "socket" });
  if (typeof inode === "string") return inode === "EEXIST" ? "EADDRINUSE" : inode;
  const found = findPlace(k, task, task.directory, path, "keep");
  if ("errno" in found) return found.errno;
  return { kind: "path", path, filesystem: filesystemOf(k, found.place.mount).id, inode };
}

function bindPort(k: LinuxKernel, task: Task, socket: Socket, host: number, port: number): SocketAddress | Errno {
  if (!isLocal(host)) return "EADDRNOTAVAIL";
  if (
    port !== 0 &&
    port < firstOrdinaryPort &&
    !hasCapabilityIn(k, task.credentials, ownerOfNamespace(k, task.namespaces.net), Cap.NET_BIND_SERVICE)
  )
    return "EACCES";
  const chosen = port === 0 ? freePort(k, socket) : port;
  if (chosen === null) return "EADDRINUSE";
  const address: SocketAddress = { kind: "inet", host, port: chosen };
  return isTaken(k, socket, address) ? "EADDRINUSE" : address;
}

/** Gives a socket the name that was asked for. */
export function bindSocket(k: LinuxKernel, task: Task, socket: Socket, written: Written): Errno | null {
  if (written.kind === "unspecified") return socket.family === "inet" ? "EAFNOSUPPORT" : "EINVAL";
  if (socket.name !== null) return "EINVAL";
  const address =
    written.kind === "unnamed"
      ? anyName(k, socket)
      : written.kind === "path"
        ? bindPath(k, task, written.path)
        : written.kind === "inet"
          ? bindPort(k, task, socket, written.host, written.port)
          : isTaken(k, socket, written)
            ? "EADDRINUSE"
            : written;
  if (typeof address === "string") return address;
  socket.name = { ...address };
  return null;
}
