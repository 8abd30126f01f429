/** Terminals as data (termios(3)): how one treats what is typed and printed, what was typed, and whose it is. */
import type { TaskId } from "../lib/ids.ts";

export interface TerminalSettings {
  /** c_iflag, c_oflag, c_cflag, c_lflag. */
  input: number;
  output: number;
  control: number;
  local: number;
  /** The line discipline's number, which means nothing here. */
  discipline: number;
  /** c_cc: the characters that do something, and VMIN and VTIME. */
  characters: number[];
}

export interface Terminal {
  settings: TerminalSettings;
  rows: number;
  columns: number;
  /** The session whose controlling terminal it is, and the group of it that may read. */
  session: TaskId | null;
  foreground: TaskId | null;
  /** Lines that were ended and not read yet; an empty one is an end of file. */
  lines: Uint8Array[];
  /** What was typed since, or, without lines, all that was not read yet. */
  typed: Uint8Array;
  /** The next character is to be taken as it is. */
  literal: boolean;
  /** Output waits (^S). */
  suspended: boolean;
  /** Where the cursor is, and where it was when the line was begun that is being typed. */
  column: number;
  lineColumn: number;
  /** How often there was more to read, and more room to print: both at a hang-up and when settings change. */
  arrivals: number;
  departures: number;
}

/** A terminal: the machine's console, or the slave's side of a pseudo-terminal. */
export type TerminalId = "console" | number;

/** A terminal whose line is a program: it is there for as long as that has the master's side open (pty(7)). */
export interface PseudoTerminal {
  terminal: Terminal;
  /** What was printed, and what echoes, as far as the master has not read it. */
  output: Uint8Array[];
  /** The machine's host has the master's side, for the program that it started there. */
  host: TaskId | null;
  /** The slave's side cannot be opened before the master's program has unlocked it. */
  locked: boolean;
  /** Open files of the slave's side that were not hung up on: those of this generation. */
  slaves: number;
  generation: number;
  /** The slave's side was open, and is not any more: the master reads an error until it is opened again. */
  left: boolean;
  /** How often the master's side got something to read, and room to type; both when the slave's side is left. */
  arrivals: number;
  departures: number;
  mode: number;
  uid: number;
  gid: number;
  /** Real time. */
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

/** A terminal that the machine's host has given to a program: what people see of it. */
export interface HostTerminal {
  /** null: it has ended. */
  pair: number | null;
  /** The last of what was printed, and how much was in all. */
  output: Uint8Array[];
  length: number;
}

export interface TtyState {
  console: Terminal;
  /** By the number that the slave's side is called by in /dev/pts. */
  pairs: Map<number, PseudoTerminal>;
  /** By the task that was started on them, oldest first. */
  hosted: Map<TaskId, HostTerminal>;
  /** No two generations of any pseudo-terminals are the same. */
  nextGeneration: number;
}

export const Input = {
  ISTRIP: 0o40,
  INLCR: 0o100,
  IGNCR: 0o200,
  ICRNL: 0o400,
  IXON: 0o2000,
  IXANY: 0o4000,
  IUTF8: 0o40000,
} as const;
export const Output = { OPOST: 1, ONLCR: 4, OCRNL: 0o10, ONOCR: 0o20, ONLRET: 0o40, XTABS: 0o14000 } as const;
export const Local = {
  ISIG: 1,
  ICANON: 2,
  ECHO: 0o10,
  ECHOE: 0o20,
  ECHOK: 0o40,
  ECHONL: 0o100,
  NOFLSH: 0o200,
  TOSTOP: 0o400,
  ECHOCTL: 0o1000,
  ECHOKE: 0o4000,
  IEXTEN: 0o100000,
} as const;
/** Indices of `characters`. */
export const Character = {
  interrupt: 0,
  quit: 1,
  erase: 2,
  kill: 3,
  endOfFile: 4,
  time: 5,
  least: 6,
  start: 8,
  stop: 9,
  suspend: 10,
  endOfLine: 11,
  reprint: 12,
  wordErase: 14,
  literalNext: 15,
  endOfLine2: 16,
} as const;

export const characterCount = 19;
const usual = [3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0x0f, 0x17, 0x16, 0, 0, 0];

/** A line of bytes that nothing is done to: what programs have that run without an init. */
export const rawSettings = (): TerminalSettings => ({
  input: 0,
  output: 0,
  control: 0o277,
  local: 0,
  discipline: 0,
  characters: [...usual],
});

/** What a terminal is like for people (Linux's tty_std_termios, and UTF-8). */
export const usualSettings = (): TerminalSettings => ({
  input: Input.ICRNL | Input.IXON | Input.IUTF8,
  output: Output.OPOST | Output.ONLCR,
  control: 0o2277,
  local:
    Local.ISIG | Local.ICANON | Local.ECHO | Local.ECHOE | Local.ECHOK | Local.ECHOCTL | Local.ECHOKE | Local.IEXTEN,
  discipline: 0,
  characters: [...usual],
});

export const initTerminal = (settings: TerminalSettings): Terminal => ({
  settings,
  rows: 24,
  columns: 80,
  session: null,
  foreground: null,
  lines: [],
  typed: new Uint8Array(0),
  literal: false,
  suspended: false,
  column: 0,
  lineColumn: 0,
  arrivals: 0,
  departures: 0,
});

/** A machine that boots has a terminal for people; one that only runs programs, a line of bytes. */
export const initTty = (boots: boolean): TtyState => ({
  console: initTerminal(boots ? usualSettings() : rawSettings()),
  pairs: new Map(),
  hosted: new Map(),
  nextGeneration: 1,
});
