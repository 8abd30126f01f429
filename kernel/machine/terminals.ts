/** Terminals of the host's: what it types there, and what it sees. */
import { joinBytes } from "../lib/bytes.ts";
import type { TaskId } from "../lib/ids.ts";
import { closeHostTerminal, roomToType, typeAtMaster } from "../tty/pty.ts";
import { getPair, outputBytes, resizeWindow } from "../tty/terminal.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import type { Input, InputError, TerminalInfo, TerminalOutput } from "./types.ts";

type Of<Kind extends Input["kind"]> = Extract<Input, { kind: Kind }>;
type Refusal = { error: InputError };

/** The most that the two numbers of a window's size hold. */
const mostCells = 65535;

export function windowProblem(field: string, size: { rows: number; columns: number }): Refusal | null {
  for (const name of ["rows", "columns"] as const)
    if (!Number.isInteger(size[name]) || size[name] < 1 || size[name] > mostCells)
      return refuse("invalid", `${field}${name}`, `must be 1 to ${mostCells}`);
  return null;
}

/** The pair of a task's terminal that has not ended. */
function pairOf(k: Kernel, task: TaskId): number | Refusal {
  const shown = k.tty.hosted.get(task);
  if (shown === undefined) return refuse("notFound", "task", `task ${task} was not started on a terminal`);
  return shown.pair ?? refuse("failedPrecondition", "task", `the terminal of task ${task} has ended`);
}

const perform = (action: () => void): Plan => ({
  perform() {
    action();
    return undefined;
  },
});

export function planTerminalInput(k: Kernel, { task, bytes }: Of<"terminalInput">): Plan {
  const pair = pairOf(k, task);
  if (typeof pair !== "number") return pair;
  const room = roomToType(getPair(k, pair));
  if (bytes.length > room)
    return refuse("exhausted", "bytes", `${bytes.length} bytes do not fit: ${room} can wait unread now`);
  return perform(() => typeAtMaster(k, pair, bytes));
}

export function planTerminalWindow(k: Kernel, { task, rows, columns }: Of<"terminalWindow">): Plan {
  const pair = pairOf(k, task);
  if (typeof pair !== "number") return pair;
  return windowProblem("", { rows, columns }) ?? perform(() => resizeWindow(k, pair, rows, columns));
}

export function planTerminalClose(k: Kernel, { task }: Of<"terminalClose">): Plan {
  const pair = pairOf(k, task);
  return typeof pair === "number" ? perform(() => closeHostTerminal(k, task, pair)) : pair;
}

export const listTerminals = (k: Kernel): TerminalInfo[] =>
  [...k.tty.hosted].map(([task, { pair, length }]) => {
    const { rows, columns } = pair === null ? { rows: 0, columns: 0 } : getPair(k, pair).terminal;
    return { task, number: pair, rows, columns, length };
  });

/** What was printed from an offset on, as far as it is kept; null: there is no such terminal. */
export function terminalOutput(k: Kernel, task: TaskId, from: number): TerminalOutput | null {
  const shown = k.tty.hosted.get(task);
  if (shown === undefined) return null;
  const kept = outputBytes(shown);
  const offset = Math.min(Math.max(from, shown.length - kept), shown.length);
  const bytes = joinBytes(shown.output).slice(kept - (shown.length - offset));
  return { offset, bytes, length: shown.length, ended: shown.pair === null };
}
