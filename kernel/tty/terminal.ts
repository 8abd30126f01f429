/**
 * Terminals: reading, printing, and who may.
 *
 * A terminal's other side is its line: the machine's serial port, or the program that has a pseudo-terminal's master
 * open (pty.ts). Bytes that arrive at the console are taken from the port as they come when something is to be done to
 * them (echo, signals, lines); else they stay there until they are read. A task of the terminal's session that is not
 * in the foreground is stopped when it reads, and, if the terminal is told so, when it prints.
 */

import { must } from "../lib/assert.ts";
import { joinBytes } from "../lib/bytes.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { signals } from "../lib/signals.ts";
import { wakeQueue } from "../thread/blocking.ts";
import { isOrphaned } from "../thread/family.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import { effectOf, fromKernel, sendSignal, signalBit } from "../thread/signals.ts";
import type { Task, Thread } from "../thread/state.ts";
import type { Wait } from "../thread/wait.ts";
import { changeMode, flushTyped, isCanonical, isTransparent, processOutput, receive } from "./discipline.ts";
import {
  Character,
  Local,
  type PseudoTerminal,
  type Terminal,
  type TerminalId,
  type TerminalSettings,
  type TtyState,
} from "./state.ts";

export interface TtyKernel extends ThreadKernel {
  readonly tty: TtyState;
}

export const terminalQueue = (id: TerminalId): string => (id === "console" ? "console" : `terminal ${id}`);

/** What changed about a terminal, whoever waits for it looks again: at both sides of a pseudo-terminal. */
export const terminalChanged = (k: TtyKernel, id: TerminalId): number =>
  wakeQueue(k, terminalQueue(id), Number.POSITIVE_INFINITY);

export const getPair = (k: { readonly tty: TtyState }, id: number): PseudoTerminal =>
  must(k.tty.pairs.get(id), "the pseudo-terminal exists");

export const terminalOf = (k: { readonly tty: TtyState }, id: TerminalId): Terminal =>
  id === "console" ? k.tty.console : getPair(k, id).terminal;

/** The terminal that controls a session, if one does. */
export function controllingTerminal({ tty }: { readonly tty: TtyState }, session: TaskId): TerminalId | null {
  if (tty.console.session === session) return "console";
  for (const [id, { terminal }] of tty.pairs) if (terminal.session === session) return id;
  return null;
}

type Holders = Pick<Terminal, "session" | "foreground">;

/** What a terminal is asked for: a task, or what is left of one. */
export type Member = Pick<Task, "session" | "group">;

/** Nobody has the console, and the session is that of a program that the host started there: each has it for its own. */
const sharesConsole = ({ tty, threads }: Pick<TtyKernel, "tty" | "threads">, { session }: Member): boolean =>
  tty.console.session === null && threads.jobs.has(session) && !tty.hosted.has(session);

/** The terminal that a task calls its own (/dev/tty), if it has one. */
export const ownTerminal = (k: Pick<TtyKernel, "tty" | "threads">, member: Member): TerminalId | null =>
  controllingTerminal(k, member.session) ?? (sharesConsole(k, member) ? "console" : null);

/** The session that has a terminal and the group in its foreground, as who asks is told: each is alone at a shared console. */
export function holdersOf(k: Pick<TtyKernel, "tty" | "threads">, id: TerminalId, member: Member): Holders {
  const { session, group } = member;
  return id === "console" && sharesConsole(k, member) ? { session, foreground: group } : terminalOf(k, id);
}

/** Who asks, and what its wait for the same thing had saved. */
export interface Asker {
  task: Task;
  thread: Thread;
  progress: Wait | null;
}

/** Sends a signal to each task of a group. */
export function signalGroup(k: ThreadKernel, group: TaskId, signal: number): void {
  for (const task of [...k.threads.tasks.values()])
    if (task.group === group && k.threads.tasks.has(task.id)) sendSignal(k, task, fromKernel(signal));
}

/** What a terminal's line has beyond what the terminal took of it, and where what is printed goes. */
interface Line {
  available(): number;
  ended(): boolean;
  peek(most: number): Uint8Array;
  drop(count: number): void;
  put(task: TaskId, bytes: Uint8Array): void;
  /** Bytes that can be printed now. */
  room(): number;
}

export const outputBytes = ({ output }: { readonly output: readonly Uint8Array[] }): number =>
  output.reduce((sum, part) => sum + part.length, 0);

/** Puts bytes behind those that were printed before; small ones in one piece. */
function appendOutput(to: { output: Uint8Array[] }, bytes: Uint8Array): void {
  const last = to.output.at(-1);
  if (last === undefined || last.length + bytes.length > limits.terminalPieceBytes) {
    to.output.push(bytes.slice());
    return;
  }
  to.output[to.output.length - 1] = joinBytes([last, bytes]);
}

/** The host's master has no end of room: what is old goes. */
function showHost(k: TtyKernel, task: TaskId, bytes: Uint8Array): void {
  const shown = must(k.tty.hosted.get(task), "the host has a terminal for the task");
  appendOutput(shown, bytes);
  shown.length += bytes.length;
  for (let kept = outputBytes(shown); kept - shown.output[0]!.length >= limits.terminalOutputBytes; )
    kept -= shown.output.shift()!.length;
  k.outlet.terminal(task, shown.length, false);
}

const nothing = new Uint8Array(0);

function lineOf(k: TtyKernel, id: TerminalId): Line {
  if (id === "console") {
    const { serial } = k.hal;
    return {
      available: () => serial.available(),
      ended: () => serial.ended(),
      peek: (most) => serial.peek(most),
      drop: (count) => serial.drop(count),
      // It has gone out at once.
      put(task, bytes) {
        k.outlet.console(task, serial.write(bytes), bytes);
        k.tty.console.departures += 1;
      },
      room: () => Number.POSITIVE_INFINITY,
    };
  }
  const pair = getPair(k, id);
  return {
    available: () => 0,
    ended: () => false,
    peek: () => nothing,
    drop: () => undefined,
    put(_task, bytes) {
      spend(k.effort, limits.terminalPieceBytes + bytes.length, "bytes");
      if (pair.host !== null) {
        showHost(k, pair.host, bytes);
        pair.terminal.departures += 1;
        return;
      }
      appendOutput(pair, bytes);
      pair.arrivals += 1;
      terminalChanged(k, id);
    },
    room: () =>
      pair.host === null ? Math.max(0, limits.terminalOutputBytes - outputBytes(pair)) : Number.POSITIVE_INFINITY,
  };
}

function put(k: TtyKernel, id: TerminalId, task: TaskId, bytes: Uint8Array): void {
  if (bytes.length > 0) lineOf(k, id).put(task, bytes);
}

/** Takes typed bytes: what is to be seen of them goes out (as far as there is room), and keys send their signals. */
export function typeInto(k: TtyKernel, id: TerminalId, bytes: Uint8Array): void {
  const terminal = terminalOf(k, id);
  const before = terminal.lines.length;
  const { shown, signals } = receive(terminal, bytes);
  if (isCanonical(terminal) ? terminal.lines.length > before : bytes.length > 0) terminal.arrivals += 1;
  put(k, id, terminal.foreground ?? (0 as TaskId), shown.subarray(0, lineOf(k, id).room()));
  if (terminal.foreground !== null) for (const signal of signals) signalGroup(k, terminal.foreground, signal);
}

/** Takes what has arrived on the line, if the terminal does something to it; and wakes who waits for it. */
export function consoleArrived(k: TtyKernel): void {
  if (!isTransparent(k.tty.console)) {
    const arrived = k.hal.serial.peek(k.hal.serial.available());
    k.hal.serial.drop(arrived.length);
    typeInto(k, "console", arrived);
  } else k.tty.console.arrivals += 1;
  terminalChanged(k, "console");
}

/** Bytes that were typed and not read yet, whose place is not the line's any more; an end of file takes one, too. */
export const typedBytes = ({ lines, typed }: Terminal): number =>
  lines.reduce((sum, line) => sum + Math.max(1, line.length), typed.length);

/** Bytes that can be read at once. */
export function availableBytes(k: TtyKernel, id: TerminalId): number {
  const terminal = terminalOf(k, id);
  if (isCanonical(terminal)) return terminal.lines.reduce((sum, line) => sum + line.length, 0);
  return terminal.typed.length + lineOf(k, id).available();
}

/** The line has ended and nothing is left of it. */
function isOver(k: TtyKernel, id: TerminalId): boolean {
  const line = lineOf(k, id);
  return line.ended() && line.available() === 0;
}

export function isReadable(k: TtyKernel, id: TerminalId): boolean {
  const terminal = terminalOf(k, id);
  if (isOver(k, id)) return true;
  if (isCanonical(terminal)) return terminal.lines.length > 0;
  const { characters } = terminal.settings;
  const least = characters[Character.time] === 0 ? characters[Character.least]! : 1;
  return availableBytes(k, id) >= Math.max(1, least);
}

export const isWritable = (k: TtyKernel, id: TerminalId): boolean => lineOf(k, id).room() > 0;

/** Whether the task is of the terminal's session, but not in its foreground. */
const isInBackground = ({ session, foreground }: Terminal, task: Task): boolean =>
  session !== null && task.session === session && foreground !== null && task.group !== foreground;

/**
 * A task in the background does what only the foreground may: its group is stopped. An error if it cannot be;
 * `true`: the call is to be made again; `false`: it may after all.
 */
function stopBackground(k: TtyKernel, id: TerminalId, { task, thread }: Asker, signal: number): Errno | boolean {
  if (!isInBackground(terminalOf(k, id), task)) return false;
  const ignored = effectOf(k, task, signal) === "ignore" || (thread.signalMask & signalBit(signal)) !== 0n;
  if (ignored) return signal === signals.SIGTTIN ? "EIO" : false;
  if (isOrphaned(k, task.group)) return "EIO";
  signalGroup(k, task.group, signal);
  return true;
}

export type TerminalRead = { bytes: Uint8Array } | { errno: Errno } | { queue: string; dueNs: number | null };

const wait = (id: TerminalId, dueNs: number | null = null): TerminalRead => ({ queue: terminalQueue(id), dueNs });
const tenthNs = 100_000_000;

/** What a read gets now; nothing is taken away. */
export function readTerminal(k: TtyKernel, id: TerminalId, asker: Asker | null, count: number): TerminalRead {
  const terminal = terminalOf(k, id);
  if (count === 0) return { bytes: new Uint8Array(0) };
  const stopped = asker === null ? false : stopBackground(k, id, asker, signals.SIGTTIN);
  if (typeof stopped === "string") return { errno: stopped };
  if (stopped) return wait(id);
  if (isCanonical(terminal)) {
    const line = terminal.lines[0] ?? (isOver(k, id) ? terminal.typed : undefined);
    return line === undefined ? wait(id) : { bytes: line.slice(0, count) };
  }
  return readRaw(k, id, asker, count);
}

/** Without lines: as many bytes as VMIN says, or what there is when VTIME is over. */
function readRaw(k: TtyKernel, id: TerminalId, asker: Asker | null, count: number): TerminalRead {
  const { settings, typed } = terminalOf(k, id);
  const least = settings.characters[Character.least]!;
  const time = settings.characters[Character.time]! * tenthNs;
  const available = availableBytes(k, id);
  const progress = asker?.progress?.kind === "read" ? asker.progress : null;
  const now = k.hal.timer.nowNs();
  const isLate = progress !== null && progress.deadlineNs !== null && progress.deadlineNs <= now;
  const enough = time > 0 && least === 0 ? 1 : Math.min(least, count);
  if (available >= enough || isOver(k, id) || isLate) {
    const own = typed.slice(0, count);
    const rest = lineOf(k, id).peek(count - own.length);
    return { bytes: joinBytes([own, rest]) };
  }
  // With both, the time is that between two bytes, and begins with the first.
  if (time === 0 || (least > 0 && available === 0)) return wait(id);
  return wait(id, least === 0 ? (progress?.deadlineNs ?? now + time) : now + time);
}

/** There is room for who types: on a serial line that is the host, who does not wait here. */
function tellTyping(k: TtyKernel, id: TerminalId): void {
  if (id === "console") return;
  getPair(k, id).departures += 1;
  terminalChanged(k, id);
}

/** Something has happened to a terminal that is for all to look at. */
function tellAll(k: TtyKernel, id: TerminalId): void {
  const terminal = terminalOf(k, id);
  terminal.arrivals += 1;
  terminal.departures += 1;
  terminalChanged(k, id);
}

/** Goes past bytes that were read. */
export function advanceTerminal(k: TtyKernel, id: TerminalId, count: number): void {
  const terminal = terminalOf(k, id);
  const [line] = terminal.lines;
  if (isCanonical(terminal)) {
    if (line === undefined) terminal.typed = terminal.typed.slice(count);
    else if (count >= line.length) terminal.lines.shift();
    else terminal.lines[0] = line.slice(count);
  } else {
    const own = Math.min(count, terminal.typed.length);
    if (own > 0) terminal.typed = terminal.typed.slice(own);
    if (count > own) lineOf(k, id).drop(count - own);
  }
  tellTyping(k, id);
}

/** Prints: how many of the bytes; none: it has to wait. */
export function writeTerminal(k: TtyKernel, id: TerminalId, asker: Asker, bytes: Uint8Array): number | Errno {
  const terminal = terminalOf(k, id);
  if (terminal.settings.local & Local.TOSTOP) {
    const stopped = stopBackground(k, id, asker, signals.SIGTTOU);
    if (typeof stopped === "string") return stopped;
    if (stopped) return 0;
  }
  if (terminal.suspended) return 0;
  const part = bytes.subarray(0, lineOf(k, id).room());
  put(k, id, asker.task.id, processOutput(terminal, part));
  return part.length;
}

/** Others than the foreground are stopped when they change the terminal; the result as that of `stopBackground`. */
export const mayChange = (k: TtyKernel, id: TerminalId, asker: Asker): Errno | boolean =>
  stopBackground(k, id, asker, signals.SIGTTOU);

export function changeSettings(k: TtyKernel, id: TerminalId, settings: TerminalSettings, flush: boolean): void {
  const terminal = terminalOf(k, id);
  const wasCanonical = isCanonical(terminal);
  terminal.settings = settings;
  terminal.suspended = false;
  changeMode(terminal, wasCanonical);
  if (flush) flushInput(k, id);
  // What is on the line already is now treated as the terminal is told.
  if (id === "console") consoleArrived(k);
  tellAll(k, id);
}

export function flushInput(k: TtyKernel, id: TerminalId): void {
  const line = lineOf(k, id);
  flushTyped(terminalOf(k, id));
  line.drop(line.available());
  tellTyping(k, id);
}

/** Forgets what was printed and did not go out: a serial line takes everything at once. */
export function flushOutput(k: TtyKernel, id: TerminalId): void {
  if (id === "console") return;
  getPair(k, id).output = [];
  terminalOf(k, id).departures += 1;
  terminalChanged(k, id);
}

/** ^S and ^Q by a call. */
export function suspendOutput(k: TtyKernel, id: TerminalId, suspended: boolean): void {
  const terminal = terminalOf(k, id);
  terminal.suspended = suspended;
  if (suspended) return;
  terminal.departures += 1;
  terminalChanged(k, id);
}

/** The window has another size: the foreground is told. */
export function resizeWindow(k: TtyKernel, id: TerminalId, rows: number, columns: number): void {
  const terminal = terminalOf(k, id);
  if (rows === terminal.rows && columns === terminal.columns) return;
  Object.assign(terminal, { rows, columns });
  if (terminal.foreground !== null) signalGroup(k, terminal.foreground, signals.SIGWINCH);
}

/** A session gets the terminal: its leader's group is in the foreground. */
export function takeTerminal(k: TtyKernel, id: TerminalId, leader: Task): void {
  const terminal = terminalOf(k, id);
  terminal.session = leader.session;
  terminal.foreground = leader.group;
}

/** A terminal that a session loses: who was in the foreground is told. */
export function releaseTerminal(k: TtyKernel, id: TerminalId): void {
  const terminal = terminalOf(k, id);
  const { foreground } = terminal;
  terminal.session = null;
  terminal.foreground = null;
  if (foreground === null) return;
  signalGroup(k, foreground, signals.SIGHUP);
  signalGroup(k, foreground, signals.SIGCONT);
}

/** A leader gives its session's terminal up, or ends. */
export function leaveTerminal(k: TtyKernel, task: Task): void {
  if (task.session !== task.id) return;
  const id = controllingTerminal(k, task.session);
  if (id !== null) releaseTerminal(k, id);
}
