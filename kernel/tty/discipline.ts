/**
 * The line discipline: what becomes of typed bytes (lines to be read, signals, echo) and of printed ones. It changes
 * the terminal and nothing else; whoever calls it sends the signals and writes the echo.
 */
import { joinBytes } from "../lib/bytes.ts";
import { signals } from "../lib/signals.ts";
import { Character, Input, Local, Output, type Terminal } from "./state.ts";

/** Bytes of a line that is being typed; more are not taken (N_TTY_BUF_SIZE). */
const lineBytes = 4095;
const tabColumns = 8;
const code = { backspace: 8, tab: 9, newline: 10, return: 13, space: 32, caret: 0x5e, delete: 0x7f } as const;

interface Received {
  /** What is to be written for people to see. */
  echo: number[];
  signals: number[];
}

const has = (terminal: Terminal, flag: number): boolean => (terminal.settings.local & flag) !== 0;
const hasInput = (terminal: Terminal, flag: number): boolean => (terminal.settings.input & flag) !== 0;
export const isCanonical = (terminal: Terminal): boolean => has(terminal, Local.ICANON);

/** Typed bytes need nothing done to them: they can stay where they arrive. */
export const isTransparent = ({ settings: { input, local } }: Terminal): boolean =>
  (input & (Input.ISTRIP | Input.INLCR | Input.IGNCR | Input.ICRNL | Input.IXON)) === 0 &&
  (local & (Local.ISIG | Local.ICANON | Local.ECHO)) === 0;

function is(terminal: Terminal, byte: number, which: keyof typeof Character): boolean {
  const character = terminal.settings.characters[Character[which]]!;
  return character !== 0 && character === byte;
}

function append(terminal: Terminal, byte: number): void {
  const typed = new Uint8Array(terminal.typed.length + 1);
  typed.set(terminal.typed);
  typed[terminal.typed.length] = byte;
  terminal.typed = typed;
}

const isControl = (byte: number): boolean => byte < code.space || byte === code.delete;

/** How a byte is shown: control characters as ^X. */
function shown(terminal: Terminal, byte: number): number[] {
  const plain = !isControl(byte) || byte === code.tab || byte === code.newline;
  return plain || !has(terminal, Local.ECHOCTL) ? [byte] : [code.caret, byte ^ 0x40];
}

/** Takes what was typed. `shown`: what goes out for people to see; each byte of it where the one before left the cursor. */
export function receive(terminal: Terminal, bytes: Uint8Array): { shown: Uint8Array; signals: number[] } {
  const shown: number[] = [];
  const signals: number[] = [];
  for (const byte of bytes) {
    const received: Received = { echo: [], signals };
    receiveByte(terminal, byte, received);
    for (const each of processOutput(terminal, Uint8Array.from(received.echo))) shown.push(each);
  }
  return { shown: Uint8Array.from(shown), signals };
}

function receiveByte(terminal: Terminal, typed: number, received: Received): void {
  let byte = hasInput(terminal, Input.ISTRIP) ? typed & 0x7f : typed;
  if (terminal.literal) {
    terminal.literal = false;
    insert(terminal, byte, received);
    return;
  }
  if (hasInput(terminal, Input.IXON) && controlsFlow(terminal, byte)) return;
  if (has(terminal, Local.ISIG) && raises(terminal, byte, received)) return;
  if (byte === code.return) {
    if (hasInput(terminal, Input.IGNCR)) return;
    if (hasInput(terminal, Input.ICRNL)) byte = code.newline;
  } else if (byte === code.newline && hasInput(terminal, Input.INLCR)) byte = code.return;
  if (isCanonical(terminal)) edit(terminal, byte, received);
  else insert(terminal, byte, received);
}

function controlsFlow(terminal: Terminal, byte: number): boolean {
  if (is(terminal, byte, "stop")) terminal.suspended = true;
  else if (is(terminal, byte, "start")) terminal.suspended = false;
  else {
    if (hasInput(terminal, Input.IXANY)) terminal.suspended = false;
    return false;
  }
  return true;
}

const signalCharacters = [
  ["interrupt", signals.SIGINT],
  ["quit", signals.SIGQUIT],
  ["suspend", signals.SIGTSTP],
] as const;

function raises(terminal: Terminal, byte: number, { echo, signals }: Received): boolean {
  const found = signalCharacters.find(([which]) => is(terminal, byte, which));
  if (found === undefined) return false;
  if (!has(terminal, Local.NOFLSH)) flushTyped(terminal);
  if (has(terminal, Local.ECHO)) echo.push(...shown(terminal, byte));
  signals.push(found[1]);
  return true;
}

/** Forgets what was typed and not read. */
export function flushTyped(terminal: Terminal): void {
  terminal.lines = [];
  terminal.typed = new Uint8Array(0);
}

function insert(terminal: Terminal, byte: number, { echo }: Received): void {
  if (isCanonical(terminal) && terminal.typed.length >= lineBytes) return;
  if (terminal.typed.length === 0) terminal.lineColumn = terminal.column;
  append(terminal, byte);
  if (has(terminal, Local.ECHO)) echo.push(...shown(terminal, byte));
}

function endLine(terminal: Terminal): void {
  terminal.lines.push(terminal.typed);
  terminal.typed = new Uint8Array(0);
}

function edit(terminal: Terminal, byte: number, received: Received): void {
  const extended = has(terminal, Local.IEXTEN);
  if (is(terminal, byte, "erase")) erase(terminal, "character", received);
  else if (is(terminal, byte, "kill")) kill(terminal, byte, received);
  else if (extended && is(terminal, byte, "wordErase")) erase(terminal, "word", received);
  else if (extended && is(terminal, byte, "literalNext")) {
    terminal.literal = true;
    if (has(terminal, Local.ECHO) && has(terminal, Local.ECHOCTL)) received.echo.push(code.caret, code.backspace);
  } else if (extended && has(terminal, Local.ECHO) && is(terminal, byte, "reprint")) {
    const line = [...terminal.typed].flatMap((each) => shown(terminal, each));
    received.echo.push(...shown(terminal, byte), code.newline, ...line);
  } else if (byte === code.newline) {
    if (has(terminal, Local.ECHO) || has(terminal, Local.ECHONL)) received.echo.push(code.newline);
    append(terminal, byte);
    endLine(terminal);
  } else if (is(terminal, byte, "endOfFile")) endLine(terminal);
  else if (is(terminal, byte, "endOfLine") || (extended && is(terminal, byte, "endOfLine2"))) {
    insert(terminal, byte, received);
    endLine(terminal);
  } else insert(terminal, byte, received);
}

/** Columns that a line takes from where it was begun: tabs depend on what is before them. */
function columnsOf(terminal: Terminal, typed: Uint8Array): number {
  let column = terminal.lineColumn;
  for (const byte of typed) {
    if (byte === code.tab) column += tabColumns - (column % tabColumns);
    else if (isControl(byte)) column += has(terminal, Local.ECHOCTL) ? 2 : 0;
    else if (!continues(terminal, byte)) column += 1;
  }
  return column - terminal.lineColumn;
}

/** A byte of a character that another one has begun. */
const continues = (terminal: Terminal, byte: number): boolean =>
  hasInput(terminal, Input.IUTF8) && (byte & 0xc0) === 0x80;

const isWord = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) ||
  (byte >= 0x41 && byte <= 0x5a) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x5f ||
  byte >= 0x80;

/** How much of the line is left when its last character is taken away, or its last word. */
function lengthWithout(terminal: Terminal, what: "character" | "word"): number {
  const { typed } = terminal;
  let length = typed.length;
  if (what === "character") {
    do length -= 1;
    while (length > 0 && continues(terminal, typed[length]!));
    return length;
  }
  while (length > 0 && !isWord(typed[length - 1]!)) length -= 1;
  while (length > 0 && isWord(typed[length - 1]!)) length -= 1;
  return length;
}

function erase(terminal: Terminal, what: "character" | "word", { echo }: Received): void {
  if (terminal.typed.length === 0) return;
  const before = columnsOf(terminal, terminal.typed);
  terminal.typed = terminal.typed.slice(0, lengthWithout(terminal, what));
  if (!has(terminal, Local.ECHO)) return;
  if (!has(terminal, Local.ECHOE)) echo.push(...shown(terminal, terminal.settings.characters[Character.erase]!));
  else wipe(before - columnsOf(terminal, terminal.typed), echo);
}

function wipe(columns: number, echo: number[]): void {
  for (let i = 0; i < columns; i++) echo.push(code.backspace, code.space, code.backspace);
}

function kill(terminal: Terminal, byte: number, { echo }: Received): void {
  const columns = columnsOf(terminal, terminal.typed);
  terminal.typed = new Uint8Array(0);
  if (!has(terminal, Local.ECHO)) return;
  if (has(terminal, Local.ECHOKE) && has(terminal, Local.ECHOE)) {
    wipe(columns, echo);
    return;
  }
  echo.push(...shown(terminal, byte));
  if (has(terminal, Local.ECHOK)) echo.push(code.newline);
}

/** What printed bytes become on their way out. */
export function processOutput(terminal: Terminal, bytes: Uint8Array): Uint8Array {
  const { output } = terminal.settings;
  if ((output & Output.OPOST) === 0) return bytes;
  const out: number[] = [];
  for (const byte of bytes) printByte(terminal, output, byte, out);
  return Uint8Array.from(out);
}

function printByte(terminal: Terminal, output: number, byte: number, out: number[]): void {
  switch (byte) {
    case code.newline:
      if (output & Output.ONLCR) out.push(code.return);
      if (output & (Output.ONLCR | Output.ONLRET)) terminal.column = 0;
      out.push(byte);
      return;
    case code.return:
      if (output & Output.ONOCR && terminal.column === 0) return;
      out.push(output & Output.OCRNL ? code.newline : byte);
      if (!(output & Output.OCRNL) || output & Output.ONLRET) terminal.column = 0;
      return;
    case code.tab: {
      const columns = tabColumns - (terminal.column % tabColumns);
      terminal.column += columns;
      if ((output & Output.XTABS) === Output.XTABS) for (let i = 0; i < columns; i++) out.push(code.space);
      else out.push(byte);
      return;
    }
    case code.backspace:
      terminal.column = Math.max(0, terminal.column - 1);
      out.push(byte);
      return;
    default:
      if (!isControl(byte) && !continues(terminal, byte)) terminal.column += 1;
      out.push(byte);
  }
}

/** The terminal begins or ends to make lines of what is typed: what is there already can be read either way. */
export function changeMode(terminal: Terminal, wasCanonical: boolean): void {
  if (wasCanonical === isCanonical(terminal)) return;
  const all = joinBytes([...terminal.lines, terminal.typed]);
  const becomesLine = isCanonical(terminal) && all.length > 0;
  terminal.lines = becomesLine ? [all] : [];
  terminal.typed = becomesLine ? new Uint8Array(0) : all;
}
