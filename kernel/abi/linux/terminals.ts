/** What ioctl(2) does to a terminal (ioctl_tty(2)). */

import type { Errno } from "../../lib/errno.ts";
import type { TaskId } from "../../lib/ids.ts";
import { signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { idFor, numberFor } from "../../thread/pids.ts";
import { characterCount, type TerminalId, type TerminalSettings } from "../../tty/state.ts";
import {
  changeSettings,
  controllingTerminal,
  flushInput,
  flushOutput,
  getPair,
  holdersOf,
  leaveTerminal,
  mayChange,
  resizeWindow,
  signalGroup,
  suspendOutput,
  takeTerminal,
  terminalOf,
  terminalQueue,
} from "../../tty/terminal.ts";
import { openFile, roomProblem } from "../../vfs/descriptors.ts";
import { AccessMode } from "../../vfs/file-ops.ts";
import { opsOf } from "../../vfs/files.ts";
import { OpenFlag } from "../../vfs/open.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { openSlaveSide, slaveName } from "../../vfs/terminals.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
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
  TIOCGPTN: 0x8004_5430,
  TIOCSPTLCK: 0x4004_5431,
  TIOCSIG: 0x4004_5436,
  TIOCGPTLCK: 0x8004_5439,
  TIOCGPTPEER: 0x5441,
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

/** A request to a terminal. */
interface Asked {
  call: Call;
  id: TerminalId;
  file: OpenFile;
  argument: bigint;
}

/** The call is made again when its task goes on. */
const again = (id: TerminalId): Outcome => ({
  kind: "blocked",
  wait: { kind: "read", queue: terminalQueue(id), deadlineNs: null },
});

/** What signals it sent can have ended who asks. */
const doneUnlessGone = (k: LinuxKernel, { call: { task } }: Asked): Outcome =>
  k.threads.tasks.has(task.id) ? done(0) : { kind: "gone" };

/** What only the foreground changes. */
function change(k: LinuxKernel, asked: Asked, action: () => Errno | null): Outcome {
  const { call, id } = asked;
  const stopped = mayChange(k, id, call);
  if (typeof stopped === "string") return fail(stopped);
  if (stopped) return again(id);
  const errno = action();
  return errno === null ? doneUnlessGone(k, asked) : fail(errno);
}

function get(k: LinuxKernel, { call, argument }: Asked, size: number): DataView | Errno {
  const bytes = copyIn(k, getSpace(k, call.task.space), argument, size);
  return bytes.ok ? viewOf(bytes.value) : bytes.errno;
}

function put(k: LinuxKernel, { call, argument }: Asked, bytes: Uint8Array): Outcome {
  const errno = copyOut(k, getSpace(k, call.task.space), argument, bytes);
  return orError(errno);
}

function setSettings(k: LinuxKernel, asked: Asked, size: number, flush: boolean): Outcome {
  const view = get(k, asked, size);
  if (typeof view === "string") return fail(view);
  const settings = decodeSettings(new Uint8Array(view.buffer, view.byteOffset, size));
  return change(k, asked, () => {
    changeSettings(k, asked.id, settings, flush);
    return null;
  });
}

function setForeground(k: LinuxKernel, asked: Asked): Outcome {
  const view = get(k, asked, 4);
  if (typeof view === "string") return fail(view);
  const { task } = asked.call;
  const terminal = terminalOf(k, asked.id);
  if (terminal.session === null || terminal.session !== task.session) return fail("ENOTTY");
  const number = view.getInt32(0, true);
  if (number < 0) return fail("EINVAL");
  const group = idFor(k, task, number);
  return change(k, asked, () => {
    const members = [...k.threads.tasks.values(), ...k.threads.zombies.values()].filter((each) => each.group === group);
    if (members.length === 0) return "ESRCH";
    if (!members.some(({ session }) => session === task.session)) return "EPERM";
    terminal.foreground = group as TaskId;
    return null;
  });
}

/** A session leader without a terminal gets this one, if it is nobody's, or init's, which has others to look after it. */
function setControlling(k: LinuxKernel, { call: { task }, id, argument: force }: Asked): Outcome {
  const { session } = terminalOf(k, id);
  if (session === task.session && task.session === task.id) return done(0);
  if (task.session !== task.id || controllingTerminal(k, task.session) !== null) return fail("EPERM");
  const isFree = session === null || session === k.threads.init || !k.threads.tasks.has(session);
  if (!isFree && !(force === 1n && hasCapability(task.credentials, Cap.SYS_ADMIN))) return fail("EPERM");
  takeTerminal(k, id, task);
  return done(0);
}

/** Who asks for its own terminal's group has to have it; a master's program may ask in any case. */
function getForeground(k: LinuxKernel, asked: Asked): Outcome {
  const { call, id, file } = asked;
  const { session, foreground } = holdersOf(k, id, call.task);
  if (id === "console")
    return put(k, asked, word(numberFor(k, call.task, session === null ? call.task.group : foreground)));
  if (file.target.kind === "slave" && session !== call.task.session) return fail("ENOTTY");
  return put(k, asked, word(numberFor(k, call.task, foreground)));
}

function getSession(k: LinuxKernel, asked: Asked): Outcome {
  const { session } = holdersOf(k, asked.id, asked.call.task);
  const mayAsk = asked.file.target.kind === "master" || session === asked.call.task.session;
  return session !== null && mayAsk ? put(k, asked, word(numberFor(k, asked.call.task, session))) : fail("ENOTTY");
}

function setWindow(k: LinuxKernel, asked: Asked): Outcome {
  const view = get(k, asked, 8);
  if (typeof view === "string") return fail(view);
  resizeWindow(k, asked.id, view.getUint16(0, true), view.getUint16(2, true));
  return doneUnlessGone(k, asked);
}

function windowBytes(k: LinuxKernel, id: TerminalId): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint16(0, terminalOf(k, id).rows, true);
  viewOf(bytes).setUint16(2, terminalOf(k, id).columns, true);
  return bytes;
}

const Flush = { input: 0n, output: 1n, both: 2n } as const;

function flush(k: LinuxKernel, asked: Asked): Outcome {
  const what = asked.argument;
  if (what > Flush.both) return fail("EINVAL");
  return change(k, asked, () => {
    if (what !== Flush.output) flushInput(k, asked.id);
    if (what !== Flush.input) flushOutput(k, asked.id);
    return null;
  });
}

function suspend(k: LinuxKernel, asked: Asked): Outcome {
  const what = asked.argument;
  if (what > 3n) return fail("EINVAL");
  return change(k, asked, () => {
    // TCOOFF and TCOON; what goes out to the other side to make it stop would go to nobody.
    if (what < 2n) suspendOutput(k, asked.id, what === 0n);
    return null;
  });
}

/** What can be asked of every terminal, at either side; null: it is something else. */
function settingsIoctl(k: LinuxKernel, asked: Asked, request: number): Outcome | null {
  const { settings } = terminalOf(k, asked.id);
  switch (request) {
    case TerminalRequest.TCGETS:
      return put(k, asked, encodeSettings(settings, settingsBytes));
    case TerminalRequest.TCGETS2:
      return put(k, asked, encodeSettings(settings, settings2Bytes));
    case TerminalRequest.TCSETS:
    case TerminalRequest.TCSETSW:
    case TerminalRequest.TCSETSF:
      return setSettings(k, asked, settingsBytes, request === TerminalRequest.TCSETSF);
    case TerminalRequest.TCSETS2:
    case TerminalRequest.TCSETSW2:
    case TerminalRequest.TCSETSF2:
      return setSettings(k, asked, settings2Bytes, request === TerminalRequest.TCSETSF2);
    case TerminalRequest.TCFLSH:
      return flush(k, asked);
    case TerminalRequest.TCXONC:
      return suspend(k, asked);
    case TerminalRequest.TCSBRK:
    case TerminalRequest.TCSBRKP:
    case TerminalRequest.TIOCEXCL:
    case TerminalRequest.TIOCNXCL:
      return done(0);
    case TerminalRequest.TIOCOUTQ:
      return put(k, asked, word(0));
    case TerminalRequest.TIOCGWINSZ:
      return put(k, asked, windowBytes(k, asked.id));
    case TerminalRequest.TIOCSWINSZ:
      return setWindow(k, asked);
    default:
      return null;
  }
}

function ownershipIoctl(k: LinuxKernel, asked: Asked, request: number): Outcome {
  const { task } = asked.call;
  switch (request) {
    case TerminalRequest.TIOCSCTTY:
      return asked.file.target.kind === "master" ? fail("ENOTTY") : setControlling(k, asked);
    case TerminalRequest.TIOCNOTTY:
      if (controllingTerminal(k, task.session) !== asked.id) return fail("ENOTTY");
      leaveTerminal(k, task);
      return doneUnlessGone(k, asked);
    case TerminalRequest.TIOCGPGRP:
      return getForeground(k, asked);
    case TerminalRequest.TIOCSPGRP:
      return setForeground(k, asked);
    case TerminalRequest.TIOCGSID:
      return getSession(k, asked);
    default:
      return fail("ENOTTY");
  }
}

/** Opens the slave's side of a master that was opened, whatever is mounted where its name would be looked for. */
function openPeer(k: LinuxKernel, { call: { task }, argument }: Asked, pair: number): Outcome {
  const flags = Number(argument & 0xffff_ffffn);
  const room = roomProblem(k, task, 1);
  const opened = slaveName(k, pair);
  if (opened === null || room !== null) return fail(room ?? "EIO");
  const target = openSlaveSide(k, task, pair, { reads: true, controls: !(flags & OpenFlag.O_NOCTTY) });
  if (typeof target === "string") return fail(target);
  const kept = flags & (AccessMode.mask | OpenFlag.O_NONBLOCK);
  const fd = openFile(k, task, target, opened, kept, (flags & OpenFlag.O_CLOEXEC) !== 0);
  return typeof fd === "number" ? done(fd) : fail(fd);
}

/** What only the master's side knows. */
function masterIoctl(k: LinuxKernel, asked: Asked, request: number, id: number): Outcome | null {
  const pair = getPair(k, id);
  switch (request) {
    case TerminalRequest.TIOCGPTN:
      return put(k, asked, word(id));
    case TerminalRequest.TIOCGPTLCK:
      return put(k, asked, word(pair.locked ? 1 : 0));
    case TerminalRequest.TIOCSPTLCK: {
      const view = get(k, asked, 4);
      if (typeof view === "string") return fail(view);
      pair.locked = view.getInt32(0, true) !== 0;
      return done(0);
    }
    case TerminalRequest.TIOCSIG: {
      const signal = Number(asked.argument & 0xffff_ffffn);
      if (![signals.SIGINT, signals.SIGQUIT, signals.SIGTSTP].some((each) => each === signal)) return fail("EINVAL");
      if (pair.terminal.foreground !== null) signalGroup(k, pair.terminal.foreground, signal);
      return doneUnlessGone(k, asked);
    }
    case TerminalRequest.TIOCGPTPEER:
      return openPeer(k, asked, id);
    default:
      return null;
  }
}

export function terminalIoctl(k: LinuxKernel, call: Call, file: OpenFile, request: number, argument: bigint): Outcome {
  const id = opsOf(file).terminal?.(k, file);
  if (id === undefined) return fail("ENOTTY");
  if (id === null) return fail("EIO");
  const asked = { call, id, file, argument };
  const outcome = file.target.kind === "master" && id !== "console" ? masterIoctl(k, asked, request, id) : null;
  return outcome ?? settingsIoctl(k, asked, request) ?? ownershipIoctl(k, asked, request);
}
