/** What is sent and received: sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), with files and credentials (unix(7)). */

import { saturate } from "../../lib/bits.ts";
import { joinBytes } from "../../lib/bytes.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { ownerOfNamespace } from "../../ns/namespaces.ts";
import { Cap, hasOwnCapability } from "../../thread/capabilities.ts";
import { idFor, namedFor, namesOf, numberFor } from "../../thread/pids.ts";
import { fromSender, SignalCode, sendSignal } from "../../thread/signals.ts";
import type { Task } from "../../thread/state.ts";
import { hasCapabilityIn, idFromUser, shownGroup, shownUser } from "../../thread/users.ts";
import { deadlineAfter } from "../../time/clock.ts";
import { closeDescriptors, fileOf, receiveFile } from "../../vfs/descriptors.ts";
import { forgetFiles, sendFiles } from "../../vfs/in-flight.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { dropFromSocket, nobody, peekSocket, type Received, send } from "../../vfs/socket-data.ts";
import { credentialsOf, waitToReceive } from "../../vfs/socket-files.ts";
import { getSocket } from "../../vfs/sockets.ts";
import type { Socket, SocketAddress, SocketCredentials } from "../../vfs/state.ts";
import {
  bufferIn,
  bufferOut,
  fd,
  flags,
  gather,
  inout,
  int,
  readVector,
  scatter,
  size,
  type VectorEntry,
} from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { destination, encodeAddress, readAddress, writeAddress } from "./socket-addresses.ts";
import { type FoundSocket, on } from "./sockets.ts";

const Message = {
  MSG_OOB: 1,
  MSG_PEEK: 2,
  MSG_CTRUNC: 8,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_EOR: 0x80,
  MSG_WAITALL: 0x100,
  MSG_ERRQUEUE: 0x2000,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x4000_0000,
} as const;

const Control = { SOL_SOCKET: 1, SCM_RIGHTS: 1, SCM_CREDENTIALS: 2 } as const;
const passCredentials = "1:16";
const headerBytes = 16;
const credentialBytes = 12;
const mostControlBytes = 16384;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const aligned = (length: number): number => (length + 7) & ~7;

/** What a message carries beside its bytes. */
interface Ancillary {
  descriptors: number[];
  sender: SocketCredentials | null;
}

function credentialsIn(k: LinuxKernel, task: Task, view: DataView, at: number): SocketCredentials | Errno {
  const [number, user, group] = [view.getInt32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true)];
  const own = task.credentials;
  const [uid, gid] = [idFromUser(k, own.userSpace, "uid", user), idFromUser(k, own.userSpace, "gid", group)];
  if (uid === null || gid === null) return "EINVAL";
  const owner = ownerOfNamespace(k, task.namespaces.pid);
  const mayBe =
    (number === numberFor(k, task, task.id) || hasCapabilityIn(k, own, owner, Cap.SYS_ADMIN)) &&
    ([own.uid, own.euid, own.suid].includes(uid) || hasOwnCapability(own, Cap.SETUID)) &&
    ([own.gid, own.egid, own.sgid].includes(gid) || hasOwnCapability(own, Cap.SETGID));
  if (!mayBe) return "EPERM";
  const pid = idFor(k, task, number);
  return { pid, names: namesOf(k, pid), uid, gid };
}

/** Reads control messages: files to pass on, and who says to be sending. */
function parseControl(k: LinuxKernel, task: Task, bytes: Uint8Array): Ancillary | Errno {
  const found: Ancillary = { descriptors: [], sender: null };
  const view = viewOf(bytes);
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = saturate(view.getBigUint64(at, true));
    if (length < headerBytes || at + length > bytes.length) return "EINVAL";
    const [level, type] = [view.getInt32(at + 8, true), view.getInt32(at + 12, true)];
    if (level !== Control.SOL_SOCKET) return "EINVAL";
    if (type === Control.SCM_RIGHTS) {
      for (let i = at + headerBytes; i + 4 <= at + length; i += 4) found.descriptors.push(view.getInt32(i, true));
    } else if (type === Control.SCM_CREDENTIALS && length === headerBytes + credentialBytes) {
      const sender = credentialsIn(k, task, view, at + headerBytes);
      if (typeof sender === "string") return sender;
      found.sender = sender;
    } else return "EINVAL";
    at += aligned(length);
  }
  if (found.descriptors.length > limits.messageFiles) return "EINVAL";
  return found.descriptors.some((number) => fileOf(k, task, number) === null) ? "EBADF" : found;
}

interface Sent {
  bytes: Uint8Array;
  to: SocketAddress | null;
  how: number;
  ancillary: Ancillary;
}

function sendBytes(k: LinuxKernel, call: Call, { file, id, socket }: FoundSocket, sent: Sent): Outcome {
  const { task, thread, progress } = call;
  if (sent.how & Message.MSG_OOB) return fail("EOPNOTSUPP");
  const before = progress?.kind === "write" ? progress.done : 0;
  const { descriptors, sender } = sent.ancillary;
  const result = send(k, id, {
    bytes: sent.bytes.subarray(before),
    to: sent.to,
    sender: sender ?? credentialsOf(k, task),
    files: () => (descriptors.length === 0 || before > 0 ? [] : sendFiles(k, task, descriptors)),
  });
  if ("errno" in result) {
    if (before > 0) return done(before);
    if (result.errno === "EPIPE" && !(sent.how & Message.MSG_NOSIGNAL) && socket.type !== "dgram")
      sendSignal(k, task, fromSender(k, signals.SIGPIPE, SignalCode.user, task), thread);
    return k.threads.tasks.has(task.id) ? fail(result.errno) : { kind: "gone" };
  }
  const count = before + result.count;
  if (!("queue" in result)) return done(count);
  if (file.flags & OpenFlag.O_NONBLOCK || sent.how & Message.MSG_DONTWAIT)
    return count > 0 ? done(count) : fail("EAGAIN");
  const { sendTimeoutNs } = socket;
  const untilNs = sendTimeoutNs === null ? null : (progress?.deadlineNs ?? deadlineAfter(k, BigInt(sendTimeoutNs)));
  if (untilNs !== null && untilNs <= k.hal.timer.nowNs()) return count > 0 ? done(count) : fail("EAGAIN");
  return { kind: "blocked", wait: { kind: "write", queue: result.queue, deadlineNs: untilNs, done: count } };
}

/** Where a message is to go, when it says so. */
function destinationOf(
  k: LinuxKernel,
  task: Task,
  socket: Socket,
  where: bigint,
  length: number,
): SocketAddress | null | Errno {
  if (where === 0n) return null;
  const written = readAddress(k, task, socket, where, length);
  if (typeof written === "string") return written;
  if (socket.type !== "dgram" && socket.family === "inet") return null;
  return written.kind === "unspecified" ? "EINVAL" : destination(k, task, written);
}

/** What is wanted of a receive. */
interface Wanted {
  room: number;
  how: number;
}

function receive(
  k: LinuxKernel,
  call: Call,
  { file, id, socket }: FoundSocket,
  wanted: Wanted,
): Received | Outcome<never> {
  const { room, how } = wanted;
  if (how & Message.MSG_OOB) return fail(socket.family === "unix" ? "EOPNOTSUPP" : "EINVAL");
  if (how & Message.MSG_ERRQUEUE) return fail("EAGAIN");
  const waitsForAll = (how & Message.MSG_WAITALL) !== 0 && !(how & Message.MSG_PEEK) && socket.type === "stream";
  const isShort = waitsForAll && socket.bytes < Math.min(room, limits.socketBytes) && !socket.noReading;
  const received = isShort && socket.error === 0 && socket.state === "connected" ? null : peekSocket(socket, room);
  if (typeof received === "string") return fail(received);
  if (received !== null) return received;
  if (file.flags & OpenFlag.O_NONBLOCK || how & Message.MSG_DONTWAIT) {
    const some = isShort && socket.bytes > 0 ? peekSocket(socket, room) : null;
    return some === null || typeof some === "string" ? fail("EAGAIN") : some;
  }
  const wait = waitToReceive(k, id, call.progress);
  if ("errno" in wait) return fail(wait.errno);
  return { kind: "blocked", wait: { kind: "read", queue: wait.queue, deadlineNs: wait.dueNs } };
}

const isOutcome = (value: Received | Outcome<never>): value is Outcome<never> => "kind" in value;

/** Goes past what was received; what came with it and nobody took is dropped. */
function takeReceived(k: LinuxKernel, id: number, { bytes, message }: Received): void {
  if (message === null) return;
  const { files } = message;
  dropFromSocket(k, id, bytes.length);
  forgetFiles(k, files);
}

const lengthOf = ({ bytes, length }: Received, { type }: Socket, how: number): number =>
  how & Message.MSG_TRUNC && type !== "stream" ? length : bytes.length;

/** What a receiver is told of where something came from: of a connection nothing, for it knows. */
function addressOf(socket: Socket, { message }: Received): Uint8Array {
  if (socket.type === "dgram")
    return message?.address == null ? new Uint8Array(0) : encodeAddress(socket, message.address);
  return new Uint8Array(0);
}

function receiveFrom(
  k: LinuxKernel,
  call: Call,
  found: FoundSocket,
  wanted: Wanted,
  place: { where: bigint; lengthAt: bigint },
): Outcome<{ buffer: Uint8Array }> {
  const received = receive(k, call, found, wanted);
  if (isOutcome(received)) return received;
  if (place.where !== 0n) {
    const errno = writeAddress(k, call.task, addressOf(found.socket, received), place.where, place.lengthAt);
    if (errno !== null) return fail(errno);
  }
  return {
    kind: "done",
    value: lengthOf(received, found.socket, wanted.how),
    out: { buffer: received.bytes },
    commit: () => (wanted.how & Message.MSG_PEEK ? undefined : takeReceived(k, found.id, received)),
  };
}

/** struct msghdr, read from memory. */
interface Header {
  at: bigint;
  name: bigint;
  nameLength: number;
  vector: readonly VectorEntry[];
  control: bigint;
  controlLength: number;
}

const headerSize = 56;

function readHeader(k: LinuxKernel, task: Task, at: bigint): Header | Errno {
  const space = getSpace(k, task.space);
  const bytes = copyIn(k, space, at, headerSize);
  if (!bytes.ok) return bytes.errno;
  const view = viewOf(bytes.value);
  const count = view.getBigUint64(24, true);
  if (count > BigInt(limits.vectorEntries)) return "EMSGSIZE";
  const vector = readVector({ k, space }, view.getBigUint64(16, true), count);
  if ("errno" in vector) return vector.errno;
  return {
    at,
    name: view.getBigUint64(0, true),
    nameLength: view.getInt32(8, true),
    vector: vector.value,
    control: view.getBigUint64(32, true),
    controlLength: saturate(view.getBigUint64(40, true)),
  };
}

function sendMessage(k: LinuxKernel, call: Call, found: FoundSocket, where: bigint, how: number): Outcome {
  const { task } = call;
  const header = readHeader(k, task, where);
  if (typeof header === "string") return fail(header);
  if (header.controlLength > mostControlBytes) return fail("ENOBUFS");
  const space = getSpace(k, task.space);
  const gathered = gather({ k, space }, header.vector);
  if ("errno" in gathered) return fail(gathered.errno);
  const bytes = gathered.value;
  const control = copyIn(k, space, header.control, header.controlLength);
  if (!control.ok) return fail(control.errno);
  const isUnix = found.socket.family === "unix";
  const ancillary = isUnix ? parseControl(k, task, control.value) : { descriptors: [], sender: null };
  if (typeof ancillary === "string") return fail(ancillary);
  const to = destinationOf(k, task, found.socket, header.name, header.nameLength);
  if (typeof to === "string") return fail(to);
  return sendBytes(k, call, found, { bytes, to, how, ancillary });
}

/** The control messages of what was received, with descriptors that were made for its files. */
interface Controls {
  bytes: Uint8Array;
  descriptors: number[];
  flags: number;
}

const controlMessage = (type: number, data: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(aligned(headerBytes + data.length));
  viewOf(bytes).setBigUint64(0, BigInt(headerBytes + data.length), true);
  viewOf(bytes).setInt32(8, Control.SOL_SOCKET, true);
  viewOf(bytes).setInt32(12, type, true);
  bytes.set(data, headerBytes);
  return bytes;
};

function controlsOf(
  k: LinuxKernel,
  task: Task,
  socket: Socket,
  received: Received,
  room: number,
  how: number,
): Controls {
  const parts: Uint8Array[] = [];
  const descriptors: number[] = [];
  let left = room;
  let flags = 0;
  const { message } = received;
  if ((socket.options.get(passCredentials) ?? 0) !== 0) {
    const { pid, names, uid, gid } = message?.sender ?? nobody;
    const told = Uint32Array.of(namedFor(task, pid, names), shownUser(k, task, uid), shownGroup(k, task, gid));
    const part = controlMessage(Control.SCM_CREDENTIALS, new Uint8Array(told.buffer));
    if (left < headerBytes + credentialBytes) flags |= Message.MSG_CTRUNC;
    else parts.push(part);
    left = Math.max(0, left - part.length);
  }
  const files = message?.files ?? [];
  const fitting = Math.max(0, Math.min(files.length, Math.floor((left - headerBytes) / 4)));
  for (const number of files.slice(0, fitting)) {
    const made = receiveFile(k, task, number, (how & Message.MSG_CMSG_CLOEXEC) !== 0);
    if (typeof made !== "number") break;
    descriptors.push(made);
  }
  if (descriptors.length < files.length) flags |= Message.MSG_CTRUNC;
  if (descriptors.length > 0)
    parts.push(controlMessage(Control.SCM_RIGHTS, new Uint8Array(Int32Array.from(descriptors).buffer)));
  const bytes = joinBytes(parts);
  return { bytes: bytes.subarray(0, room), descriptors, flags };
}

/** Puts what was received where the header says. */
function deliver(k: LinuxKernel, task: Task, header: Header, received: Received, socket: Socket, controls: Controls) {
  const space = getSpace(k, task.space);
  const errno = scatter({ k, space }, header.vector, received.bytes);
  if (errno !== null) return errno;
  const address = addressOf(socket, received);
  const truncated = received.length > received.bytes.length && socket.type !== "stream" ? Message.MSG_TRUNC : 0;
  const named = header.name === 0n ? null : copyOut(k, space, header.name, address.subarray(0, header.nameLength));
  return (
    named ??
    copyOut(k, space, header.control, controls.bytes) ??
    copyOut(k, space, header.at + 8n, new Uint8Array(Int32Array.of(header.name === 0n ? 0 : address.length).buffer)) ??
    copyOut(k, space, header.at + 40n, new Uint8Array(BigUint64Array.of(BigInt(controls.bytes.length)).buffer)) ??
    copyOut(k, space, header.at + 48n, new Uint8Array(Int32Array.of(truncated | controls.flags).buffer))
  );
}

function receiveMessage(k: LinuxKernel, call: Call, found: FoundSocket, where: bigint, how: number): Outcome {
  const { task } = call;
  const header = readHeader(k, task, where);
  if (typeof header === "string") return fail(header);
  if (header.nameLength < 0) return fail("EINVAL");
  const wanted = header.vector.reduce((sum, { length }) => sum + length, 0);
  const received = receive(k, call, found, { room: Math.min(wanted, limits.transferBytes), how });
  if (isOutcome(received)) return received;
  const room = header.control === 0n ? 0 : Math.min(header.controlLength, mostControlBytes);
  const controls = controlsOf(k, task, found.socket, received, room, how);
  const errno = deliver(k, task, header, received, getSocket(k, found.id), controls);
  if (errno !== null) {
    closeDescriptors(k, task, controls.descriptors);
    return fail(errno);
  }
  if (!(how & Message.MSG_PEEK)) takeReceived(k, found.id, received);
  return done(lengthOf(received, found.socket, how));
}

const none: Ancillary = { descriptors: [], sender: null };
const found = ["EBADF", "ENOTSOCK"] as const;
const sendErrors: readonly Errno[] = [
  ...[...found, "EACCES", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EAGAIN", "ECONNREFUSED", "ECONNRESET", "EDESTADDRREQ"],
  ...["EFAULT", "EINTR", "EINVAL", "EISCONN", "ELOOP", "EMSGSIZE", "ENAMETOOLONG", "ENETUNREACH", "ENFILE", "ENOBUFS"],
  ...["ENOENT", "ENOTCONN", "ENOTDIR", "EOPNOTSUPP", "EPERM", "EPIPE", "ETOOMANYREFS"],
] as Errno[];
const receiveErrors: readonly Errno[] = [
  ...[...found, "EAGAIN", "ECONNREFUSED", "ECONNRESET", "EFAULT", "EINTR", "EINVAL", "EMSGSIZE", "ENOTCONN"],
  ...["EOPNOTSUPP", "EPIPE"],
] as Errno[];
const how = flags(Message);

export const socketMessageCalls = [
  syscall({
    name: "sendto",
    nr: { rv64: 206 },
    support: "full",
    args: { fd, buffer: bufferIn("count"), count: size, flags: how, address: inout("sockaddr"), length: int },
    errors: sendErrors,
    run: (k: LinuxKernel, { fd, buffer, flags, address, length }, call) =>
      on(k, call, fd, (socket) => {
        const to = destinationOf(k, call.task, socket.socket, address, length);
        if (typeof to === "string") return fail(to);
        return sendBytes(k, call, socket, { bytes: buffer, to, how: flags, ancillary: none });
      }),
  }),
  syscall({
    name: "recvfrom",
    nr: { rv64: 207 },
    support: "full",
    args: {
      ...{ fd, buffer: bufferOut("count"), count: size, flags: how },
      ...{ address: inout("sockaddr"), length: inout("int") },
    },
    errors: receiveErrors,
    run: (k: LinuxKernel, { fd, buffer, flags, address, length }, call) =>
      on(k, call, fd, (socket) =>
        receiveFrom(k, call, socket, { room: buffer, how: flags }, { where: address, lengthAt: length }),
      ),
  }),
  syscall({
    name: "sendmsg",
    nr: { rv64: 211 },
    support: "partial",
    note: "Of control messages SCM_RIGHTS and SCM_CREDENTIALS.",
    args: { fd, message: inout("msghdr"), flags: how },
    errors: sendErrors,
    run: (k: LinuxKernel, { fd, message, flags }, call) =>
      on(k, call, fd, (socket) => sendMessage(k, call, socket, message, flags)),
  }),
  syscall({
    name: "recvmsg",
    nr: { rv64: 212 },
    support: "partial",
    note: "Of control messages SCM_RIGHTS and SCM_CREDENTIALS.",
    args: { fd, message: inout("msghdr"), flags: how },
    errors: receiveErrors,
    run: (k: LinuxKernel, { fd, message, flags }, call) =>
      on(k, call, fd, (socket) => receiveMessage(k, call, socket, message, flags)),
  }),
] as const;
