/** What differs between expected and found output, for people: the first line that does, with its number. */

const SHOWN_CHARACTERS = 300;

export interface Comparison {
  equal: boolean;
  expected: string;
  found: string;
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
/** Compared are bytes, shown are characters. */
const readable = (text: string): string => Buffer.from(text, "latin1").toString("utf8");

export const quoted = (text: string): string => {
  const shown = text.length > SHOWN_CHARACTERS ? text.slice(0, SHOWN_CHARACTERS) : text;
  return (
    JSON.stringify(shown.replace(/\p{Surrogate}/gu, "\ufffd")) +
    (shown === text ? "" : ` and ${text.length - SHOWN_CHARACTERS} more characters`)
  );
};

const LINE_SPACE = " \t\r\f\v";
const SPACE = `${LINE_SPACE}\n`;

/** White space goes at the end of each line, and before the first and after the last character that is none. */
export function trimmed(text: string): string {
  const lines = text.split("\n").map((line) => line.slice(0, endOf(line, LINE_SPACE)));
  const joined = lines.join("\n");
  let start = 0;
  while (start < joined.length && SPACE.includes(joined[start]!)) start += 1;
  return joined.slice(start, Math.max(start, endOf(joined, SPACE)));
}

/** By hand: a regular expression for it takes quadratic time on the output of a malicious program. */
function endOf(text: string, space: string): number {
  let end = text.length;
  while (end > 0 && space.includes(text[end - 1]!)) end -= 1;
  return end;
}

export function compareExact(expected: string, found: Uint8Array): Comparison {
  return compare(latin1(Buffer.from(expected)), latin1(found));
}

export function compareTrimmed(expected: string, found: Uint8Array): Comparison {
  return compare(trimmed(latin1(Buffer.from(expected))), trimmed(latin1(found)));
}

function compare(expected: string, found: string): Comparison {
  if (expected === found) return { equal: true, expected: describe(expected), found: "the same" };
  let at = 0;
  while (at < expected.length && expected[at] === found[at]) at += 1;
  const start = expected.lastIndexOf("\n", at - 1) + 1;
  const line = expected.slice(0, start).split("\n").length;
  const show = (text: string) =>
    start >= text.length ? ending(text, line) : `line ${line}: ${quoted(readable(lineAt(text, start)))}`;
  return { equal: false, expected: show(expected), found: show(found) };
}

/** With its line end: "a" and "a\n" differ. */
function lineAt(text: string, start: number): string {
  const end = text.indexOf("\n", start);
  return text.slice(start, end < 0 ? text.length : end + 1);
}

const ending = (text: string, line: number): string =>
  text === "" ? "no output" : `no line ${line}: the output ends before`;

function describe(text: string): string {
  const shown = readable(text);
  return shown.length <= SHOWN_CHARACTERS
    ? quoted(shown)
    : `${text.length} bytes beginning ${quoted(shown.slice(0, 80))}`;
}
