/** Text as guests have it: UTF-8 that may be malformed (then U+FFFD, as the Encoding standard has it), C strings. */
import { readUtf8, utf8Bound, writeUtf8 } from "./utf8.ts";

export function encodeText(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Bound(text.length));
  return bytes.slice(0, writeUtf8(bytes, 0, text, "clean"));
}

const smallest = [0, 0, 0x80, 0x800, 0x10000];

/** Length of the sequence that starts with this byte, or 0. */
const sequenceLength = (lead: number): number =>
  lead < 0x80
    ? 1
    : lead >= 0xc2 && lead < 0xe0
      ? 2
      : lead >= 0xe0 && lead < 0xf0
        ? 3
        : lead >= 0xf0 && lead < 0xf5
          ? 4
          : 0;

export function decodeText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!;
    const length = sequenceLength(lead);
    if (length === 1) {
      text += String.fromCharCode(lead);
      at += 1;
      continue;
    }
    let code = length === 0 ? -1 : lead & (0xff >> (length + 1));
    let used = 1;
    while (used < length && (bytes[at + used] ?? 0) >> 6 === 2) code = (code << 6) | (bytes[at + used++]! & 63);
    const valid =
      length > 0 &&
      used === length &&
      code >= smallest[length]! &&
      code <= 0x10ffff &&
      !(code >= 0xd800 && code <= 0xdfff);
    text += valid ? String.fromCodePoint(code) : "\ufffd";
    at += valid ? length : Math.max(1, Math.min(used, 1));
  }
  return text;
}

/**
 * File names are bytes, and two that differ are two names. What is not UTF-8 becomes lone surrogates, U+DC80 to U+DCFF,
 * a byte each, which no valid sequence gives; `encodeName` turns them back (PEP 383 calls it surrogateescape).
 */
export function decodeName(bytes: Uint8Array): string {
  const whole = readUtf8(bytes, 0, bytes.length, "clean");
  if (whole !== null) return whole;
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at]!);
    const valid = length === 0 || at + length > bytes.length ? null : readUtf8(bytes, at, at + length, "clean");
    text += valid ?? String.fromCharCode(0xdc00 + bytes[at]!);
    at += valid === null ? 1 : length;
  }
  return text;
}

const isEscaped = (unit: number): boolean => unit >= 0xdc80 && unit <= 0xdcff;

export function encodeName(name: string): Uint8Array {
  const bytes = new Uint8Array(utf8Bound(name.length));
  let at = 0;
  for (let i = 0; i < name.length; i++) {
    const pair = String.fromCodePoint(name.codePointAt(i)!);
    if (pair.length === 2) i += 1;
    if (pair.length === 1 && isEscaped(pair.charCodeAt(0))) bytes[at++] = pair.charCodeAt(0) - 0xdc00;
    else at = writeUtf8(bytes, at, pair, "clean");
  }
  return bytes.slice(0, at);
}

/** What is said instead of a path that is longer than any that a call could take, or than there is room for. */
export const tooLongPath = "//toolong";

const escapes: Readonly<Record<number, string>> = {
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/** Bytes as a quoted C string, cut like strace cuts them. */
export function quoteBytes(bytes: Uint8Array, most = 32): string {
  let text = '"';
  const shown = Math.min(bytes.length, most);
  for (let i = 0; i < shown; i++) {
    const byte = bytes[i]!;
    const next = bytes[i + 1];
    if (escapes[byte] !== undefined) text += escapes[byte];
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else if (i + 1 < shown && next !== undefined && next >= 48 && next <= 57)
      text += `\\${byte.toString(8).padStart(3, "0")}`;
    else text += `\\${byte.toString(8)}`;
  }
  return bytes.length > most ? `${text}"...` : `${text}"`;
}
