/** Sockets: made, named and connected. socket(2), socketpair(2), bind(2), listen(2), accept4(2), connect(2), shutdown(2). */
import { assert } from "../../lib/assert.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyOut } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import { closeDescriptor, fileOf, openTarget, roomProblem } from "../../vfs/descriptors.ts";
import { AccessMode } from "../../vfs/file-ops.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { credentialsOf, socketOf, waitToReceive } from "../../vfs/socket-files.ts";
import {
  connectTo,
  createSocket,
  findSocket,
  getSocket,
  isTaken,
  loopback,
  nameIfNone,
  pairSockets,
  Shut,
  shutDown,
  socketChanged,
  socketQueue,
} from "../../vfs/sockets.ts";
import type { OpenFile, Socket, SocketAddress, SocketFamily, SocketType } from "../../vfs/state.ts";
import { address, choice, fd, flags, inout, int } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import {
  bindSocket,
  destination,
  encodeAddress,
  Family,
  readAddress,
  type Written,
  writeAddress,
} from "./socket-addresses.ts";

const Type = {
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_SEQPACKET: 5,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
} as const;
const typeMask = 0xf;
const types: Readonly<Record<number, SocketType>> = { 1: "stream", 2: "dgram", 5: "seqpacket" };
/** IPPROTO_TCP and IPPROTO_UDP. */
const inetProtocols: Readonly<Record<SocketType, number>> = { stream: 6, dgram: 17, seqpacket: -1 };

export interface FoundSocket {
  file: OpenFile;
  id: number;
  socket: Socket;
}

/** The socket of a descriptor. */
export function socketAt(k: LinuxKernel, task: Task, number: number): FoundSocket | Errno {
  const file = fileOf(k, task, number);
  if (file === null) return "EBADF";
  if (file.target.kind !== "socket") return file.target.kind === "path" ? "EBADF" : "ENOTSOCK";
  const id = socketOf(file);
  return { file, id, socket: getSocket(k, id) };
}

interface Kind {
  family: SocketFamily;
  type: SocketType;
  protocol: number;
}

function kindOf(domain: number, wanted: number, protocol: number): Kind | Errno {
  if (wanted & ~(typeMask | Type.SOCK_NONBLOCK | Type.SOCK_CLOEXEC)) return "EINVAL";
  const type = types[wanted & typeMask];
  if (domain === Family.AF_UNIX) {
    if (protocol !== 0 && protocol !== Family.AF_UNIX) return "EPROTONOSUPPORT";
    return type === undefined ? "ESOCKTNOSUPPORT" : { family: "unix", type, protocol: 0 };
  }
  if (domain !== Family.AF_INET) return "EAFNOSUPPORT";
  if (type === undefined || type === "seqpacket") return "ESOCKTNOSUPPORT";
  const own = inetProtocols[type];
  return protocol === 0 || protocol === own ? { family: "inet", type, protocol: own } : "EPROTONOSUPPORT";
}

/** A descriptor for a socket that nobody has open. */
function open(k: LinuxKernel, task: Task, socket: number, wanted: number): number | Errno {
  const kept = AccessMode.both | (wanted & OpenFlag.O_NONBLOCK);
  return openTarget(k, task, { kind: "socket", socket }, kept, (wanted & OpenFlag.O_CLOEXEC) !== 0);
}

function create(k: LinuxKernel, { task }: Call, domain: number, wanted: number, protocol: number): Outcome {
  const kind = kindOf(domain, wanted, protocol);
  if (typeof kind === "string") return fail(kind);
  const problem = roomProblem(k, task, 1);
  if (problem !== null) return fail(problem);
  const id = createSocket(k, { ...kind, net: task.namespaces.net, credentials: credentialsOf(k, task) });
  if (id === null) return fail("ENFILE");
  const number = open(k, task, id, wanted);
  assert(typeof number === "number", "there was room for a descriptor");
  return done(number);
}

function createTwo(k: LinuxKernel, { task }: Call, args: readonly [number, number, number], where: bigint): Outcome {
  const kind = kindOf(...args);
  if (typeof kind === "string") return fail(kind);
  if (kind.family !== "unix") return fail("EOPNOTSUPP");
  const problem = roomProblem(k, task, 2);
  if (problem !== null) return fail(problem);
  if (k.files.sockets.size + 2 > limits.sockets) return fail("ENFILE");
  const ids = [0, 1].map(
    () => createSocket(k, { ...kind, net: task.namespaces.net, credentials: credentialsOf(k, task) })!,
  );
  pairSockets(k, ids[0]!, ids[1]!);
  const numbers = ids.map((id) => open(k, task, id, args[1]) as number);
  const errno = copyOut(k, getSpace(k, task.space), where, new Uint8Array(Int32Array.from(numbers).buffer));
  if (errno === null) return done(0);
  for (const number of numbers) closeDescriptor(k, task, number);
  return fail(errno);
}

function bind(k: LinuxKernel, { task }: Call, { socket }: FoundSocket, written: Written): Outcome {
  const errno = bindSocket(k, task, socket, written);
  return orError(errno);
}

function listen(k: LinuxKernel, { task }: Call, { socket }: FoundSocket, backlog: number): Outcome {
  if (socket.type === "dgram") return fail("EOPNOTSUPP");
  if (socket.state === "connected") return fail("EINVAL");
  if (socket.family === "unix" && socket.name === null) return fail("EINVAL");
  const errno = nameIfNone(k, socket, 0);
  if (errno !== null) return fail(errno);
  if (socket.family === "inet" && isTaken(k, socket, socket.name!)) return fail("EADDRINUSE");
  socket.state = "listening";
  socket.mostPending = Math.min(backlog >>> 0, limits.pendingConnections);
  socket.credentials = credentialsOf(k, task);
  return done(0);
}

/** Where the peer's address is to be written, if anywhere. */
interface Place {
  where: bigint;
  lengthAt: bigint;
}

function accept(k: LinuxKernel, call: Call, { file, id, socket }: FoundSocket, place: Place, wanted: number): Outcome {
  const { task } = call;
  if (wanted & ~(Type.SOCK_NONBLOCK | Type.SOCK_CLOEXEC)) return fail("EINVAL");
  if (socket.type === "dgram") return fail("EOPNOTSUPP");
  if (socket.state !== "listening") return fail("EINVAL");
  const problem = roomProblem(k, task, 1);
  if (problem !== null) return fail(problem);
  const [first] = socket.pending;
  if (first === undefined) {
    if (file.flags & OpenFlag.O_NONBLOCK) return fail("EAGAIN");
    const wait = waitToReceive(k, id, call.progress);
    if ("errno" in wait) return fail(wait.errno);
    return { kind: "blocked", wait: { kind: "read", queue: wait.queue, deadlineNs: wait.dueNs } };
  }
  const made = getSocket(k, first);
  if (place.where !== 0n) {
    const errno = writeAddress(k, task, encodeAddress(made, made.peerName), place.where, place.lengthAt);
    if (errno !== null) return fail(errno);
  }
  socket.pending.shift();
  const number = open(k, task, first, wanted);
  assert(typeof number === "number", "there was room for a descriptor");
  // Who waits to connect has room now.
  socketChanged(k, id);
  return done(number);
}

/** A datagram socket's peer is only whom it talks to. */
function connectDatagram(k: LinuxKernel, id: number, socket: Socket, to: SocketAddress): Errno | null {
  const found = findSocket(k, socket, socket.type, to);
  if (socket.family === "unix") {
    if (found === null) return "ECONNREFUSED";
    const target = getSocket(k, found);
    if (target.peer !== null && target.peer !== id) return "EPERM";
    socket.peer = found;
  }
  const errno = nameIfNone(k, socket, loopback);
  if (errno !== null) return errno;
  Object.assign(socket, { state: "connected", peerName: { ...to } });
  return null;
}

function disconnect({ socket }: FoundSocket): Outcome {
  if (socket.type !== "dgram") return fail(socket.family === "unix" ? "EINVAL" : "EAFNOSUPPORT");
  Object.assign(socket, { state: "new", peer: null, peerName: null });
  return done(0);
}

/** A listening socket that answers to an address, or why there is none. */
function listenerAt(k: LinuxKernel, socket: Socket, to: SocketAddress): number | Errno {
  const found = findSocket(k, socket, socket.type, to);
  if (found !== null && getSocket(k, found).state === "listening") return found;
  const others = (Object.values(types) as SocketType[]).filter((type) => type !== socket.type);
  const isOther = socket.family === "unix" && others.some((type) => findSocket(k, socket, type, to) !== null);
  return isOther && found === null ? "EPROTOTYPE" : "ECONNREFUSED";
}

function connect(k: LinuxKernel, { task }: Call, found: FoundSocket, written: Written): Outcome {
  const { file, id, socket } = found;
  if (written.kind === "unspecified") return disconnect(found);
  if (socket.state === "connected" && socket.type !== "dgram") return fail("EISCONN");
  if (socket.state === "listening") return fail(socket.family === "unix" ? "EINVAL" : "EISCONN");
  const to = destination(k, task, written);
  if (typeof to === "string") return fail(to);
  if (socket.type === "dgram") {
    const errno = connectDatagram(k, id, socket, to);
    return orError(errno);
  }
  const listener = listenerAt(k, socket, to);
  if (typeof listener === "string") return fail(listener);
  const unnamed = nameIfNone(k, socket, loopback);
  const errno = unnamed ?? connectTo(k, id, listener, to);
  if (errno === null) return done(0);
  if (errno !== "EAGAIN") return fail(errno);
  if (file.flags & OpenFlag.O_NONBLOCK) return fail(socket.family === "unix" ? "EAGAIN" : "EINPROGRESS");
  return { kind: "blocked", wait: { kind: "write", queue: socketQueue(listener), deadlineNs: null, done: 0 } };
}

/** A call about a socket: the errors of finding it come first. */
export function on<T>(
  k: LinuxKernel,
  { task }: Call,
  number: number,
  act: (found: FoundSocket) => Outcome<T>,
): Outcome<T> {
  const found = socketAt(k, task, number);
  return typeof found === "string" ? fail(found) : act(found);
}

/** And about an address. */
const onAddress = (
  k: LinuxKernel,
  call: Call,
  number: number,
  where: bigint,
  length: number,
  act: (found: FoundSocket, written: Written) => Outcome,
): Outcome =>
  on(k, call, number, (found) => {
    const written = readAddress(k, call.task, found.socket, where, length);
    return typeof written === "string" ? fail(written) : act(found, written);
  });

function tellName(
  k: LinuxKernel,
  { task }: Call,
  { socket }: FoundSocket,
  place: Place,
  whose: "own" | "peer",
): Outcome {
  if (whose === "peer" && socket.state !== "connected") return fail("ENOTCONN");
  const bytes = encodeAddress(socket, whose === "own" ? socket.name : socket.peerName);
  const errno = writeAddress(k, task, bytes, place.where, place.lengthAt);
  return orError(errno);
}

const found = ["EBADF", "ENOTSOCK"] as const;
const addressErrors = [...found, "EAFNOSUPPORT", "EFAULT", "EINVAL"] as const;
const pathErrors = ["EACCES", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOTDIR"] as const;
const makeErrors = ["EAFNOSUPPORT", "EINVAL", "EMFILE", "ENFILE", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"] as const;
const acceptFlags = flags({ SOCK_NONBLOCK: Type.SOCK_NONBLOCK, SOCK_CLOEXEC: Type.SOCK_CLOEXEC });
const acceptErrors = [...found, "EAGAIN", "EFAULT", "EINTR", "EINVAL", "EMFILE", "ENFILE", "EOPNOTSUPP"] as const;
const named = { fd, address: inout("sockaddr"), length: inout("int") } as const;

export const socketCalls = [
  syscall({
    name: "socket",
    nr: { rv64: 198 },
    support: "partial",
    note: "AF_UNIX, and AF_INET for TCP and UDP within the machine (127.0.0.0/8).",
    args: { domain: choice(Family), type: flags(Type), protocol: int },
    errors: makeErrors,
    run: (k: LinuxKernel, { domain, type, protocol }, call) => create(k, call, domain, type, protocol),
  }),
  syscall({
    name: "socketpair",
    nr: { rv64: 199 },
    support: "full",
    args: { domain: choice(Family), type: flags(Type), protocol: int, sockets: inout("int[2]") },
    errors: [...makeErrors, "EFAULT", "EOPNOTSUPP"],
    run: (k: LinuxKernel, { domain, type, protocol, sockets }, call) =>
      createTwo(k, call, [domain, type, protocol], sockets),
  }),
  syscall({
    name: "bind",
    nr: { rv64: 200 },
    support: "full",
    args: { fd, address, length: int },
    errors: [...addressErrors, ...pathErrors, "EADDRINUSE", "EADDRNOTAVAIL", "ENOSPC", "EOVERFLOW", "EROFS"],
    run: (k: LinuxKernel, { fd, address, length }, call) =>
      onAddress(k, call, fd, address, length, (socket, written) => bind(k, call, socket, written)),
  }),
  syscall({
    name: "listen",
    nr: { rv64: 201 },
    support: "full",
    args: { fd, backlog: int },
    errors: [...found, "EADDRINUSE", "EADDRNOTAVAIL", "EINVAL", "EOPNOTSUPP"],
    run: (k: LinuxKernel, { fd, backlog }, call) => on(k, call, fd, (socket) => listen(k, call, socket, backlog)),
  }),
  syscall({
    name: "accept",
    nr: { rv64: 202 },
    support: "full",
    args: named,
    errors: acceptErrors,
    run: (k: LinuxKernel, { fd, address, length }, call) =>
      on(k, call, fd, (socket) => accept(k, call, socket, { where: address, lengthAt: length }, 0)),
  }),
  syscall({
    name: "accept4",
    nr: { rv64: 242 },
    support: "full",
    args: { ...named, flags: acceptFlags },
    errors: acceptErrors,
    run: (k: LinuxKernel, { fd, address, length, flags }, call) =>
      on(k, call, fd, (socket) => accept(k, call, socket, { where: address, lengthAt: length }, flags)),
  }),
  syscall({
    name: "connect",
    nr: { rv64: 203 },
    support: "partial",
    note: "A connection is made at once, or waits for room at the listener; a stream cannot be disconnected.",
    args: { fd, address, length: int },
    errors: [
      ...[...addressErrors, ...pathErrors, "EADDRNOTAVAIL", "EAGAIN", "ECONNREFUSED", "EINPROGRESS", "EINTR"],
      ...["EISCONN", "ENETUNREACH", "ENOMEM", "EPERM", "EPROTOTYPE"],
    ] as Errno[],
    run: (k: LinuxKernel, { fd, address, length }, call) =>
      onAddress(k, call, fd, address, length, (socket, written) => connect(k, call, socket, written)),
  }),
  syscall({
    name: "getsockname",
    nr: { rv64: 204 },
    support: "full",
    args: named,
    errors: [...found, "EFAULT", "EINVAL"],
    run: (k: LinuxKernel, { fd, address, length }, call) =>
      on(k, call, fd, (socket) => tellName(k, call, socket, { where: address, lengthAt: length }, "own")),
  }),
  syscall({
    name: "getpeername",
    nr: { rv64: 205 },
    support: "full",
    args: named,
    errors: [...found, "EFAULT", "EINVAL", "ENOTCONN"],
    run: (k: LinuxKernel, { fd, address, length }, call) =>
      on(k, call, fd, (socket) => tellName(k, call, socket, { where: address, lengthAt: length }, "peer")),
  }),
  syscall({
    name: "shutdown",
    nr: { rv64: 210 },
    support: "full",
    args: { fd, how: choice({ SHUT_RD: Shut.reading, SHUT_WR: Shut.writing, SHUT_RDWR: Shut.both }) },
    errors: [...found, "EINVAL", "ENOTCONN"],
    run(k: LinuxKernel, { fd, how }, call) {
      return on(k, call, fd, ({ id }) => {
        const errno = how > Shut.both ? "EINVAL" : shutDown(k, id, how);
        return orError(errno);
      });
    },
  }),
] as const;
