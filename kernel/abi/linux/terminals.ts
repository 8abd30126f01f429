/** What ioctl(2) does to a terminal (ioctl_tty(2)). */

import type { Errno } from "../../lib/errno.ts";
import type { TaskId } from "../../lib/ids.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { characterCount, type TerminalSettings } from "../../tty/state.ts";
import {
  changeSettings,
  consoleQueue,
  flushInput,
  leaveTerminal,
  mayChange,
  signalGroup,
  takeTerminal,
} from "../../tty/terminal.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import type { LinuxKernel } from "./kernel.ts";

export const TerminalRequest = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TCSETSW: 0x5403,
  TCSETSF: 0x5404,
  TCSBRK: 0x5409,
  TCXONC: 0x540a,
  TCFLSH: 0x540b,
  TIOCEXCL: 0x540c,
  TIOCNXCL: 0x540d,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCOUTQ: 0x5411,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCNOTTY: 0x5422,
  TCSBRKP: 0x5425,
  TIOCGSID: 0x5429,
  TCGETS2: 0x802c_542a,
  TCSETS2: 0x402c_542b,
  TCSETSW2: 0x402c_542c,
  TCSETSF2: 0x402c_542d,
} as const;

const settingsBytes = 17 + characterCount;
/** termios2 has the two speeds behind it. */
const settings2Bytes = settingsBytes + 8;
const speed = 38400;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function encodeSettings(
  { input, output, control, local, discipline, characters }: TerminalSettings,
  size: number,
): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  for (const [i, flags] of [input, output, control, local].entries()) view.setUint32(4 * i, flags, true);
  bytes[16] = discipline;
  bytes.set(characters, 17);
  if (size === settings2Bytes) for (const at of [36, 40]) view.setUint32(at, speed, true);
  return bytes;
}

function decodeSettings(bytes: Uint8Array): TerminalSettings {
  const view = viewOf(bytes);
  const [input, output, control, local] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  return { input, output, control, local, discipline: bytes[16]!, characters: [...bytes.subarray(17, settingsBytes)] };
}

const word = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** The call is made again when its task goes on. */
const again: Outcome = { kind: "blocked", wait: { kind: "read", queue: consoleQueue, deadlineNs: null } };

/** What only the foreground changes. */
function change(k: LinuxKernel, call: Call, action: () => Errno | null): Outcome {
  const stopped = mayChange(k, call);
  if (typeof stopped === "string") return fail(stopped);
  if (stopped) return again;
  const errno = action();
  return errno === null ? done(0) : fail(errno);
}

function setSettings(k: LinuxKernel, call: Call, where: bigint, size: number, flush: boolean): Outcome {
  const bytes = copyIn(k, getSpace(k, call.task.space), where, size);
  if (!bytes.ok) return fail(bytes.errno);
  return change(k, call, () => {
    changeSettings(k, decodeSettings(bytes.value), flush);
    return null;
  });
}

function setForeground(k: LinuxKernel, call: Call, where: bigint): Outcome {
  const bytes = copyIn(k, getSpace(k, call.task.space), where, 4);
  if (!bytes.ok) return fail(bytes.errno);
  const { task } = call;
  const terminal = k.tty.console;
  if (terminal.session === null || terminal.session !== task.session) return fail("ENOTTY");
  const group = viewOf(bytes.value).getInt32(0, true);
  if (group < 0) return fail("EINVAL");
  return change(k, call, () => {
    const members = [...k.threads.tasks.values(), ...k.threads.zombies.values()].filter((each) => each.group === group);
    if (members.length === 0) return "ESRCH";
    if (!members.some(({ session }) => session === task.session)) return "EPERM";
    terminal.foreground = group as TaskId;
    return null;
  });
}

/** A session leader without a terminal gets this one, if it is nobody's, or init's, which has others to look after it. */
function setControlling(k: LinuxKernel, { task }: Call, force: bigint): Outcome {
  const { session } = k.tty.console;
  if (session === task.session && task.session === task.id) return done(0);
  if (task.session !== task.id) return fail("EPERM");
  const isFree = session === null || session === k.threads.init || !k.threads.tasks.has(session);
  if (!isFree && !(force === 1n && task.credentials.euid === 0)) return fail("EPERM");
  takeTerminal(k, task);
  return done(0);
}

function setWindow(k: LinuxKernel, call: Call, where: bigint): Outcome {
  const bytes = copyIn(k, getSpace(k, call.task.space), where, 8);
  if (!bytes.ok) return fail(bytes.errno);
  const terminal = k.tty.console;
  const [rows, columns] = [viewOf(bytes.value).getUint16(0, true), viewOf(bytes.value).getUint16(2, true)];
  if (rows === terminal.rows && columns === terminal.columns) return done(0);
  Object.assign(terminal, { rows, columns });
  if (terminal.foreground !== null) signalGroup(k, terminal.foreground, signals.SIGWINCH);
  return k.threads.tasks.has(call.task.id) ? done(0) : { kind: "gone" };
}

function windowBytes(k: LinuxKernel): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint16(0, k.tty.console.rows, true);
  viewOf(bytes).setUint16(2, k.tty.console.columns, true);
  return bytes;
}

const Flush = { input: 0n, output: 1n, both: 2n } as const;

function flush(k: LinuxKernel, call: Call, what: bigint): Outcome {
  if (what > Flush.both) return fail("EINVAL");
  return change(k, call, () => {
    if (what !== Flush.output) flushInput(k);
    return null;
  });
}

function suspend(k: LinuxKernel, call: Call, what: bigint): Outcome {
  if (what > 3n) return fail("EINVAL");
  return change(k, call, () => {
    // TCOOFF and TCOON; what goes out to the other side to make it stop would go to nobody.
    if (what < 2n) k.tty.console.suspended = what === 0n;
    return null;
  });
}

export function terminalIoctl(k: LinuxKernel, call: Call, request: number, argument: bigint): Outcome {
  const { task } = call;
  const terminal = k.tty.console;
  const put = (bytes: Uint8Array): Outcome => {
    const errno = copyOut(k, getSpace(k, task.space), argument, bytes);
    return errno === null ? done(0) : fail(errno);
  };
  switch (request) {
    case TerminalRequest.TCGETS:
      return put(encodeSettings(terminal.settings, settingsBytes));
    case TerminalRequest.TCGETS2:
      return put(encodeSettings(terminal.settings, settings2Bytes));
    case TerminalRequest.TCSETS:
    case TerminalRequest.TCSETSW:
    case TerminalRequest.TCSETSF:
      return setSettings(k, call, argument, settingsBytes, request === TerminalRequest.TCSETSF);
    case TerminalRequest.TCSETS2:
    case TerminalRequest.TCSETSW2:
    case TerminalRequest.TCSETSF2:
      return setSettings(k, call, argument, settings2Bytes, request === TerminalRequest.TCSETSF2);
    case TerminalRequest.TCFLSH:
      return flush(k, call, argument);
    case TerminalRequest.TCXONC:
      return suspend(k, call, argument);
    case TerminalRequest.TCSBRK:
    case TerminalRequest.TCSBRKP:
    case TerminalRequest.TIOCEXCL:
    case TerminalRequest.TIOCNXCL:
      return done(0);
    default:
      return ownershipIoctl(k, call, request, argument, put);
  }
}

function ownershipIoctl(
  k: LinuxKernel,
  call: Call,
  request: number,
  argument: bigint,
  put: (bytes: Uint8Array) => Outcome,
): Outcome {
  const { task } = call;
  const { session, foreground } = k.tty.console;
  switch (request) {
    case TerminalRequest.TIOCSCTTY:
      return setControlling(k, call, argument);
    case TerminalRequest.TIOCNOTTY:
      if (session !== task.session) return fail("ENOTTY");
      leaveTerminal(k, task);
      return k.threads.tasks.has(task.id) ? done(0) : { kind: "gone" };
    case TerminalRequest.TIOCGPGRP:
      // Without sessions that have it, a program that asks is by itself.
      return put(word(session === null ? task.group : (foreground ?? 0)));
    case TerminalRequest.TIOCSPGRP:
      return setForeground(k, call, argument);
    case TerminalRequest.TIOCGSID:
      return session !== null && session === task.session ? put(word(session)) : fail("ENOTTY");
    case TerminalRequest.TIOCOUTQ:
      return put(word(0));
    case TerminalRequest.TIOCGWINSZ:
      return put(windowBytes(k));
    case TerminalRequest.TIOCSWINSZ:
      return setWindow(k, call, argument);
    default:
      return fail("ENOTTY");
  }
}
