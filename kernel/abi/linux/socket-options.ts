/** Options of sockets: setsockopt(2), getsockopt(2), socket(7), tcp(7). Those that only tune a network are kept, and change nothing. */

import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { namedFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { noId, shownGroup, shownUser } from "../../thread/users.ts";
import { takeError } from "../../vfs/sockets.ts";
import type { Socket } from "../../vfs/state.ts";
import { choice, fd, inout, int } from "../define/arguments.ts";
import { fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { Family } from "./socket-addresses.ts";
import { on } from "./sockets.ts";

const Level = { IPPROTO_IP: 0, SOL_SOCKET: 1, IPPROTO_TCP: 6 } as const;
const Option = {
  SO_REUSEADDR: 2,
  SO_TYPE: 3,
  SO_ERROR: 4,
  SO_DONTROUTE: 5,
  SO_BROADCAST: 6,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_KEEPALIVE: 9,
  SO_OOBINLINE: 10,
  SO_PRIORITY: 12,
  SO_LINGER: 13,
  SO_REUSEPORT: 15,
  SO_PASSCRED: 16,
  SO_PEERCRED: 17,
  SO_RCVLOWAT: 18,
  SO_RCVTIMEO: 20,
  SO_SNDTIMEO: 21,
  SO_ACCEPTCONN: 30,
  SO_PROTOCOL: 38,
  SO_DOMAIN: 39,
} as const;

/** Flags, shown as 0 or 1. */
const switches: readonly number[] = [
  Option.SO_REUSEADDR,
  Option.SO_DONTROUTE,
  Option.SO_BROADCAST,
  Option.SO_KEEPALIVE,
  Option.SO_OOBINLINE,
  Option.SO_REUSEPORT,
  Option.SO_PASSCRED,
];
const typeNumbers = { stream: 1, dgram: 2, seqpacket: 5 } as const;
const leastBuffer = { [Option.SO_SNDBUF]: 4608, [Option.SO_RCVBUF]: 2304 } as const;
/** The most of levels below sockets, whose numbers are only kept. */
const mostOption = 64;

const keyOf = (level: number, option: number): string => `${level}:${option}`;
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const word = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
const nsPerSecond = 1_000_000_000;

/** A struct timeval; none is for ever. */
function timevalOf(ns: number | null): Uint8Array {
  const seconds = Math.floor((ns ?? 0) / nsPerSecond);
  const rest = Math.floor(((ns ?? 0) % nsPerSecond) / 1000);
  return new Uint8Array(BigInt64Array.of(BigInt(seconds), BigInt(rest)).buffer);
}

function timeoutOf(bytes: Uint8Array): number | null | Errno {
  if (bytes.length < 16) return "EINVAL";
  const [seconds, micros] = [viewOf(bytes).getBigInt64(0, true), viewOf(bytes).getBigInt64(8, true)];
  if (micros < 0n || micros >= 1_000_000n) return "EDOM";
  if (seconds < 0n || (seconds === 0n && micros === 0n)) return seconds < 0n ? 1 : null;
  const ns = seconds * BigInt(nsPerSecond) + micros * 1000n;
  return ns > BigInt(limits.timeNs) ? null : Number(ns);
}

function setSocketOption(socket: Socket, option: number, bytes: Uint8Array): Errno | null {
  if (option === Option.SO_RCVTIMEO || option === Option.SO_SNDTIMEO) {
    const timeout = timeoutOf(bytes);
    if (typeof timeout === "string") return timeout;
    if (option === Option.SO_RCVTIMEO) socket.receiveTimeoutNs = timeout;
    else socket.sendTimeoutNs = timeout;
    return null;
  }
  if (bytes.length < 4) return "EINVAL";
  const value = viewOf(bytes).getInt32(0, true);
  const key = keyOf(Level.SOL_SOCKET, option);
  if (option === Option.SO_LINGER) {
    if (bytes.length < 8) return "EINVAL";
    socket.options.set(key, value === 0 ? 0 : 1);
    socket.options.set(`${key}:time`, viewOf(bytes).getInt32(4, true));
  } else if (option === Option.SO_SNDBUF || option === Option.SO_RCVBUF) {
    const most = Math.min(Math.max(0, value), limits.socketBytes);
    socket.options.set(key, Math.max(leastBuffer[option], 2 * most));
  } else if (switches.includes(option)) socket.options.set(key, value === 0 ? 0 : 1);
  else if (option === Option.SO_PRIORITY || option === Option.SO_RCVLOWAT) socket.options.set(key, value);
  else return "ENOPROTOOPT";
  return null;
}

/** What has to be of the socket's family to be an option. */
const hasLevel = ({ family, type }: Socket, level: number): boolean =>
  family === "inet" && (level === Level.IPPROTO_IP || (level === Level.IPPROTO_TCP && type === "stream"));

function setOption(socket: Socket, level: number, option: number, bytes: Uint8Array): Errno | null {
  if (level === Level.SOL_SOCKET) return setSocketOption(socket, option, bytes);
  if (!hasLevel(socket, level)) return socket.family === "unix" ? "EOPNOTSUPP" : "ENOPROTOOPT";
  if (option < 0 || option > mostOption) return "ENOPROTOOPT";
  if (bytes.length < 4) return "EINVAL";
  socket.options.set(keyOf(level, option), viewOf(bytes).getInt32(0, true));
  return null;
}

function socketOption(k: LinuxKernel, task: Task, socket: Socket, option: number): Uint8Array | Errno {
  const key = keyOf(Level.SOL_SOCKET, option);
  const kept = socket.options.get(key);
  switch (option) {
    case Option.SO_TYPE:
      return word(typeNumbers[socket.type]);
    case Option.SO_ERROR:
      return word(takeError(socket));
    case Option.SO_SNDBUF:
    case Option.SO_RCVBUF:
      return word(kept ?? limits.socketBytes);
    case Option.SO_LINGER:
      return new Uint8Array(Int32Array.of(kept ?? 0, socket.options.get(`${key}:time`) ?? 0).buffer);
    case Option.SO_PEERCRED: {
      const none = { pid: 0, names: [], uid: 0xffff_ffff, gid: 0xffff_ffff };
      const { pid, names, uid, gid } = socket.peerCredentials ?? none;
      const [user, group] = uid === noId ? [uid, gid] : [shownUser(k, task, uid), shownGroup(k, task, gid)];
      return new Uint8Array(Uint32Array.of(namedFor(task, pid, names), user, group).buffer);
    }
    case Option.SO_RCVTIMEO:
      return timevalOf(socket.receiveTimeoutNs);
    case Option.SO_SNDTIMEO:
      return timevalOf(socket.sendTimeoutNs);
    case Option.SO_ACCEPTCONN:
      return word(socket.state === "listening" ? 1 : 0);
    case Option.SO_PROTOCOL:
      return word(socket.protocol);
    case Option.SO_DOMAIN:
      return word(socket.family === "unix" ? Family.AF_UNIX : Family.AF_INET);
    case Option.SO_RCVLOWAT:
      return word(kept ?? 1);
    case Option.SO_PRIORITY:
      return word(kept ?? 0);
    default:
      return switches.includes(option) ? word(kept ?? 0) : "ENOPROTOOPT";
  }
}

function getOption(
  k: LinuxKernel,
  task: Task,
  socket: Socket,
  { level, option }: { level: number; option: number },
  { where, lengthAt }: { where: bigint; lengthAt: bigint },
): Outcome {
  const space = getSpace(k, task.space);
  const room = copyIn(k, space, lengthAt, 4);
  if (!room.ok) return fail(room.errno);
  const most = viewOf(room.value).getInt32(0, true);
  if (most < 0) return fail("EINVAL");
  if (level !== Level.SOL_SOCKET && !hasLevel(socket, level))
    return fail(socket.family === "unix" ? "EOPNOTSUPP" : "ENOPROTOOPT");
  const value =
    level === Level.SOL_SOCKET
      ? socketOption(k, task, socket, option)
      : word(socket.options.get(keyOf(level, option)) ?? 0);
  if (typeof value === "string") return fail(value);
  const bytes = value.subarray(0, most);
  const errno = copyOut(k, space, where, bytes) ?? copyOut(k, space, lengthAt, word(bytes.length));
  return orError(errno);
}

const errors = ["EBADF", "EFAULT", "EINVAL", "ENOPROTOOPT", "ENOTSOCK", "EOPNOTSUPP"] as const;

export const socketOptionCalls = [
  syscall({
    name: "setsockopt",
    nr: { rv64: 208 },
    support: "partial",
    note: "Of SOL_SOCKET what socket(7) has that means something within a machine; of IP and TCP values are kept.",
    args: { fd, level: choice(Level), option: int, value: inout("option"), length: int },
    errors: [...errors, "EDOM"],
    run: (k: LinuxKernel, { fd, level, option, value, length }, call) =>
      on(k, call, fd, ({ socket }) => {
        if (length < 0) return fail("EINVAL");
        const bytes = copyIn(k, getSpace(k, call.task.space), value, Math.min(length, 128));
        if (!bytes.ok) return fail(bytes.errno);
        const errno = setOption(socket, level, option, bytes.value);
        return orError(errno);
      }),
  }),
  syscall({
    name: "getsockopt",
    nr: { rv64: 209 },
    support: "partial",
    note: "As setsockopt.",
    args: { fd, level: choice(Level), option: int, value: inout("option"), length: inout("int") },
    errors,
    run: (k: LinuxKernel, { fd, level, option, value, length }, call) =>
      on(k, call, fd, ({ socket }) =>
        getOption(k, call.task, socket, { level, option }, { where: value, lengthAt: length }),
      ),
  }),
] as const;
