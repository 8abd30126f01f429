/**
 * Pseudo-terminals (pty(7)): a terminal whose line is a program.
 *
 * What is typed is what that program writes to the master's side, and what is printed is what it reads there. The pair
 * ends with the master's side: who has the slave's side open is then hung up on, and reads the end of the file.
 */

import { assert, must } from "../lib/assert.ts";
import { joinBytes } from "../lib/bytes.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { signals } from "../lib/signals.ts";
import { fromKernel, sendSignal } from "../thread/signals.ts";
import type { Task } from "../thread/state.ts";
import { isCanonical, isTransparent } from "./discipline.ts";
import { initTerminal, type PseudoTerminal, type TtyState, usualSettings } from "./state.ts";
import {
  controllingTerminal,
  getPair,
  releaseTerminal,
  type TtyKernel,
  terminalChanged,
  typedBytes,
  typeInto,
} from "./terminal.ts";

export interface PairOwner {
  uid: number;
  gid: number;
  nowNs: bigint;
}

/** A pair whose slave's side is locked: its number, the lowest that is free. */
export function createPair(k: TtyKernel, { uid, gid, nowNs }: PairOwner): number | Errno {
  const { pairs } = k.tty;
  if (pairs.size >= limits.pseudoTerminals) return "ENOSPC";
  let id = 0;
  while (pairs.has(id)) id += 1;
  pairs.set(id, {
    // Not one that is hung up when it is closed (HUPCL), and of no size before somebody says one.
    terminal: { ...initTerminal({ ...usualSettings(), control: 0o277 }), rows: 0, columns: 0 },
    output: [],
    host: null,
    locked: true,
    slaves: 0,
    generation: k.tty.nextGeneration++,
    left: false,
    arrivals: 0,
    departures: 0,
    ...{ mode: 0o620, uid, gid },
    ...{ atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs },
  });
  return id;
}

/** The next bytes that were printed, which stay; null: there are none yet; nothing but an error when nobody prints any more. */
export function peekMaster({ output, left }: PseudoTerminal, count: number): Uint8Array | Errno | null {
  if (output.length === 0) return left ? "EIO" : null;
  const parts: Uint8Array[] = [];
  let room = count;
  for (const part of output) {
    if (room === 0) break;
    parts.push(part.subarray(0, room));
    room -= parts.at(-1)!.length;
  }
  return joinBytes(parts);
}

export function dropFromMaster(k: TtyKernel, id: number, count: number): void {
  const { output, terminal } = getPair(k, id);
  for (let left = count; left > 0; ) {
    const part = must(output[0], "what is dropped was there");
    if (part.length > left) output[0] = part.slice(left);
    else output.shift();
    left -= Math.min(left, part.length);
  }
  terminal.departures += 1;
  terminalChanged(k, id);
}

/** Bytes that can be typed now. A line that is not ended is taken as long as it gets: what is too much is dropped. */
export function roomToType({ terminal }: PseudoTerminal): number {
  if (isCanonical(terminal) && terminal.lines.length === 0) return limits.terminalInputBytes;
  return Math.max(0, limits.terminalInputBytes - typedBytes(terminal));
}

/** The master's program types: how many of the bytes there is room for. */
export function typeAtMaster(k: TtyKernel, id: number, bytes: Uint8Array): number {
  const pair = getPair(k, id);
  let at = 0;
  while (at < bytes.length && k.tty.pairs.get(id) === pair) {
    const part = bytes.subarray(at, at + roomToType(pair));
    if (part.length === 0) break;
    spend(k.effort, part.length * (isTransparent(pair.terminal) ? 1 : limits.terminalInputBytes), "bytes");
    if (isTransparent(pair.terminal)) {
      const typed = new Uint8Array(pair.terminal.typed.length + part.length);
      typed.set(pair.terminal.typed);
      typed.set(part, pair.terminal.typed.length);
      pair.terminal.typed = typed;
      pair.terminal.arrivals += 1;
    } else typeInto(k, id, part);
    at += part.length;
  }
  if (at > 0 && k.tty.pairs.get(id) === pair) terminalChanged(k, id);
  return at;
}

/** One more open file of the slave's side: what it is known by, until it is hung up on. */
export function openSlave(k: TtyKernel, id: number): number {
  const pair = getPair(k, id);
  pair.slaves += 1;
  pair.left = false;
  return pair.generation;
}

export const isHungUp = (k: TtyKernel, id: number, generation: number): boolean =>
  k.tty.pairs.get(id)?.generation !== generation;

export function closeSlave(k: TtyKernel, id: number, generation: number): void {
  if (isHungUp(k, id, generation)) return;
  const pair = getPair(k, id);
  pair.slaves -= 1;
  if (pair.slaves > 0) return;
  pair.left = true;
  pair.arrivals += 1;
  pair.departures += 1;
  terminalChanged(k, id);
  if (pair.host !== null) endHostTerminal(k, pair.host, id);
}

/** Nobody who has the slave's side open has a terminal any more. */
function hangUp(k: TtyKernel, id: number): void {
  const pair = getPair(k, id);
  if (pair.slaves > 0) pair.left = true;
  pair.slaves = 0;
  pair.generation = k.tty.nextGeneration++;
  pair.arrivals += 1;
  pair.departures += 1;
  terminalChanged(k, id);
}

/** The master's side is closed. Who leads the session that the terminal controls is told, and tells the others. */
export function closePair(k: TtyKernel, id: number): void {
  hangUp(k, id);
  const { session } = getPair(k, id).terminal;
  k.tty.pairs.delete(id);
  const leader = session === null ? undefined : k.threads.tasks.get(session);
  for (const signal of [signals.SIGHUP, signals.SIGCONT])
    if (leader !== undefined && k.threads.tasks.has(leader.id)) sendSignal(k, leader, fromKernel(signal));
}

/** A task that ends: if it led a session, its terminal hangs up on whoever is left. */
export function endSession(k: TtyKernel, task: Task): void {
  if (task.session !== task.id) return;
  const id = controllingTerminal(k, task.session);
  if (id === null) return;
  if (id !== "console") hangUp(k, id);
  releaseTerminal(k, id);
  if (id === "console") return;
  // The last who had the master's side open may have been in the foreground, and the pair has ended with it.
  const host = k.tty.pairs.get(id)?.host ?? null;
  if (host !== null) endHostTerminal(k, host, id);
}

/** A terminal for a program that the host starts, unlocked; of those that have ended the oldest is forgotten. */
export function createHostTerminal(
  k: TtyKernel,
  task: TaskId,
  owner: PairOwner,
  rows: number,
  columns: number,
): number {
  const { hosted } = k.tty;
  const oldest = [...hosted].find(([, { pair }]) => pair === null);
  if (hosted.size >= limits.hostTerminals && oldest !== undefined) hosted.delete(oldest[0]);
  const id = createPair(k, owner);
  assert(typeof id === "number", "there was room for a terminal");
  const pair = getPair(k, id);
  Object.assign(pair, { locked: false, host: task });
  Object.assign(pair.terminal, { rows, columns });
  hosted.set(task, { pair: id, output: [], length: 0 });
  return id;
}

/** Whether the host may have one more terminal. */
export const hasRoomForHost = ({ tty: { hosted, pairs } }: { readonly tty: TtyState }): boolean =>
  pairs.size < limits.pseudoTerminals &&
  [...hosted.values()].filter(({ pair }) => pair !== null).length < limits.hostTerminals;

/** Nobody prints there any more. */
function endHostTerminal(k: TtyKernel, task: TaskId, id: number): void {
  const shown = must(k.tty.hosted.get(task), "the host has a terminal for the task");
  shown.pair = null;
  k.tty.pairs.delete(id);
  k.outlet.terminal(task, shown.length, true);
}

/** The host goes away from a terminal: whoever is there is hung up on. */
export function closeHostTerminal(k: TtyKernel, task: TaskId, id: number): void {
  closePair(k, id);
  endHostTerminal(k, task, id);
}
