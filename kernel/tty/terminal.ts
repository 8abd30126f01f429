/**
 * The console as a terminal: reading, printing, and who may.
 *
 * Bytes that arrive are taken from the serial line as they come when something is to be done to them (echo, signals,
 * lines); else they stay there until they are read. A task of the terminal's session that is not in the foreground is
 * stopped when it reads, and, if the terminal is told so, when it prints.
 */
import type { Errno } from "../lib/errno.ts";
import type { TaskId } from "../lib/ids.ts";
import { signals } from "../lib/signals.ts";
import { wakeQueue } from "../thread/blocking.ts";
import { isOrphaned } from "../thread/family.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import { effectOf, fromKernel, sendSignal, signalBit } from "../thread/signals.ts";
import type { Task, Thread } from "../thread/state.ts";
import type { Wait } from "../thread/wait.ts";
import { changeMode, flushTyped, isCanonical, isTransparent, processOutput, receive } from "./discipline.ts";
import { Character, Local, type Terminal, type TerminalSettings, type TtyState } from "./state.ts";

export interface TtyKernel extends ThreadKernel {
  readonly tty: TtyState;
}

/** Who waits for the console waits here. */
export const consoleQueue = "console";

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

function put(k: TtyKernel, task: TaskId, bytes: Uint8Array): void {
  if (bytes.length > 0) k.outlet.console(task, k.hal.serial.write(bytes), bytes);
}

/** Takes what has arrived on the line, if the terminal does something to it; and wakes who waits for it. */
export function consoleArrived(k: TtyKernel): void {
  const terminal = k.tty.console;
  if (!isTransparent(terminal)) {
    const arrived = k.hal.serial.peek(k.hal.serial.available());
    k.hal.serial.drop(arrived.length);
    const { shown, signals } = receive(terminal, arrived);
    put(k, terminal.foreground ?? (0 as TaskId), shown);
    if (terminal.foreground !== null) for (const signal of signals) signalGroup(k, terminal.foreground, signal);
  }
  wakeQueue(k, consoleQueue, Number.POSITIVE_INFINITY);
}

/** Bytes that were typed and not read yet, whose place is not the line's any more. */
export const typedBytes = ({ lines, typed }: Terminal): number =>
  lines.reduce((sum, line) => sum + line.length, typed.length);

/** Bytes that can be read at once. */
export function availableBytes(k: TtyKernel): number {
  const { console: terminal } = k.tty;
  if (isCanonical(terminal)) return terminal.lines.reduce((sum, line) => sum + line.length, 0);
  return terminal.typed.length + k.hal.serial.available();
}

/** The line has ended and nothing is left of it. */
const isOver = (k: TtyKernel): boolean => k.hal.serial.ended() && k.hal.serial.available() === 0;

export function isReadable(k: TtyKernel): boolean {
  const { console: terminal } = k.tty;
  if (isOver(k)) return true;
  if (isCanonical(terminal)) return terminal.lines.length > 0;
  const { characters } = terminal.settings;
  const least = characters[Character.time] === 0 ? characters[Character.least]! : 1;
  return availableBytes(k) >= Math.max(1, least);
}

/** Whether the task is of the terminal's session, but not in its foreground. */
const isInBackground = ({ session, foreground }: Terminal, task: Task): boolean =>
  session !== null && task.session === session && foreground !== null && task.group !== foreground;

/**
 * A task in the background does what only the foreground may: its group is stopped. An error if it cannot be;
 * `true`: the call is to be made again; `false`: it may after all.
 */
function stopBackground(k: TtyKernel, { task, thread }: Asker, signal: number): Errno | boolean {
  if (!isInBackground(k.tty.console, task)) return false;
  const ignored = effectOf(k, task, signal) === "ignore" || (thread.signalMask & signalBit(signal)) !== 0n;
  if (ignored) return signal === signals.SIGTTIN ? "EIO" : false;
  if (isOrphaned(k, task.group)) return "EIO";
  signalGroup(k, task.group, signal);
  return true;
}

export type TerminalRead = { bytes: Uint8Array } | { errno: Errno } | { queue: string; dueNs: number | null };

const wait = (dueNs: number | null = null): TerminalRead => ({ queue: consoleQueue, dueNs });
const tenthNs = 100_000_000;

/** What a read gets now; nothing is taken away. */
export function readTerminal(k: TtyKernel, asker: Asker | null, count: number): TerminalRead {
  const terminal = k.tty.console;
  if (count === 0) return { bytes: new Uint8Array(0) };
  const stopped = asker === null ? false : stopBackground(k, asker, signals.SIGTTIN);
  if (typeof stopped === "string") return { errno: stopped };
  if (stopped) return wait();
  if (isCanonical(terminal)) {
    const line = terminal.lines[0] ?? (isOver(k) ? terminal.typed : undefined);
    return line === undefined ? wait() : { bytes: line.slice(0, count) };
  }
  return readRaw(k, asker, count);
}

/** Without lines: as many bytes as VMIN says, or what there is when VTIME is over. */
function readRaw(k: TtyKernel, asker: Asker | null, count: number): TerminalRead {
  const { settings, typed } = k.tty.console;
  const least = settings.characters[Character.least]!;
  const time = settings.characters[Character.time]! * tenthNs;
  const available = availableBytes(k);
  const progress = asker?.progress?.kind === "read" ? asker.progress : null;
  const now = k.hal.timer.nowNs();
  const isLate = progress !== null && progress.deadlineNs !== null && progress.deadlineNs <= now;
  const enough = time > 0 && least === 0 ? 1 : Math.min(least, count);
  if (available >= enough || isOver(k) || isLate) {
    const own = typed.slice(0, count);
    const rest = k.hal.serial.peek(count - own.length);
    const bytes = new Uint8Array(own.length + rest.length);
    bytes.set(own);
    bytes.set(rest, own.length);
    return { bytes };
  }
  // With both, the time is that between two bytes, and begins with the first.
  if (time === 0 || (least > 0 && available === 0)) return wait();
  return wait(least === 0 ? (progress?.deadlineNs ?? now + time) : now + time);
}

/** Goes past bytes that were read. */
export function advanceTerminal(k: TtyKernel, count: number): void {
  const terminal = k.tty.console;
  const [line] = terminal.lines;
  if (isCanonical(terminal)) {
    if (line === undefined) terminal.typed = terminal.typed.slice(count);
    else if (count >= line.length) terminal.lines.shift();
    else terminal.lines[0] = line.slice(count);
    return;
  }
  const own = Math.min(count, terminal.typed.length);
  if (own > 0) terminal.typed = terminal.typed.slice(own);
  if (count > own) k.hal.serial.drop(count - own);
}

/** Prints; an error, or that it has to wait. */
export function writeTerminal(k: TtyKernel, asker: Asker, bytes: Uint8Array): Errno | "wait" | null {
  const terminal = k.tty.console;
  if (terminal.settings.local & Local.TOSTOP) {
    const stopped = stopBackground(k, asker, signals.SIGTTOU);
    if (typeof stopped === "string") return stopped;
    if (stopped) return "wait";
  }
  if (terminal.suspended) return "wait";
  put(k, asker.task.id, processOutput(terminal, bytes));
  return null;
}

/** Others than the foreground are stopped when they change the terminal; the result as that of `stopBackground`. */
export const mayChange = (k: TtyKernel, asker: Asker): Errno | boolean => stopBackground(k, asker, signals.SIGTTOU);

export function changeSettings(k: TtyKernel, settings: TerminalSettings, flush: boolean): void {
  const terminal = k.tty.console;
  const wasCanonical = isCanonical(terminal);
  terminal.settings = settings;
  terminal.suspended = false;
  changeMode(terminal, wasCanonical);
  if (flush) flushInput(k);
  // What is on the line already is now treated as the terminal is told.
  consoleArrived(k);
}

export function flushInput(k: TtyKernel): void {
  flushTyped(k.tty.console);
  k.hal.serial.drop(k.hal.serial.available());
}

/** A session gets the terminal: its leader's group is in the foreground. */
export function takeTerminal(k: TtyKernel, leader: Task): void {
  k.tty.console.session = leader.session;
  k.tty.console.foreground = leader.group;
}

/** The terminal is nobody's any more; who was in the foreground is told. */
export function leaveTerminal(k: TtyKernel, task: Task): void {
  const terminal = k.tty.console;
  if (terminal.session !== task.session || task.session !== task.id) return;
  const { foreground } = terminal;
  terminal.session = null;
  terminal.foreground = null;
  if (foreground === null) return;
  signalGroup(k, foreground, signals.SIGHUP);
  signalGroup(k, foreground, signals.SIGCONT);
}
