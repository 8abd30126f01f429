/**
 * UTF-8 written into and read from a larger buffer, without the host's TextEncoder.
 *
 * Strings of the state may hold lone surrogates (JavaScript's strings are 16-bit units), and what is saved must
 * come back: `keep` writes one as its own three bytes (WTF-8). What leaves for people and protobuf is `clean`: a
 * lone surrogate becomes U+FFFD.
 */
export type LoneSurrogates = "keep" | "clean";

/** Most bytes that a string of this many 16-bit units can take. */
export const utf8Bound = (units: number): number => units * 3;

/** Writes the text at `at`, where room for `utf8Bound(text.length)` is, and returns where it ended. */
export function writeUtf8(target: Uint8Array, at: number, text: string, lone: LoneSurrogates): number {
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return writeWide(target, at, text, i, lone);
    target[at++] = unit;
  }
  return at;
}

function writeWide(target: Uint8Array, at: number, text: string, from: number, lone: LoneSurrogates): number {
  for (let i = from; i < text.length; i++) {
    let code = text.codePointAt(i)!;
    if (code >= 0x10000) i += 1;
    else if (code >= 0xd800 && code <= 0xdfff && lone === "clean") code = 0xfffd;
    if (code < 0x80) target[at++] = code;
    else if (code < 0x800) {
      target[at++] = 0xc0 | (code >> 6);
      target[at++] = 0x80 | (code & 63);
    } else if (code < 0x10000) {
      target[at++] = 0xe0 | (code >> 12);
      target[at++] = 0x80 | ((code >> 6) & 63);
      target[at++] = 0x80 | (code & 63);
    } else {
      target[at++] = 0xf0 | (code >> 18);
      target[at++] = 0x80 | ((code >> 12) & 63);
      target[at++] = 0x80 | ((code >> 6) & 63);
      target[at++] = 0x80 | (code & 63);
    }
  }
  return at;
}

const smallest = [0, 0, 0x80, 0x800, 0x10000];

/** Length of the sequence that a byte starts, or 0. */
const sequenceLength = (lead: number): number =>
  lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

/** Code point of the sequence at `at`, or -1 when it is cut short, overlong or outside Unicode. */
function codePointAt(bytes: Uint8Array, at: number, end: number): number {
  const length = sequenceLength(bytes[at]!);
  if (length === 0 || at + length > end) return -1;
  if (length === 1) return bytes[at]!;
  let code = bytes[at]! & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i]!;
    if (byte >> 6 !== 2) return -1;
    code = (code << 6) | (byte & 63);
  }
  return code >= smallest[length]! && code <= 0x10ffff ? code : -1;
}

/** Units turned into a string at once: String.fromCharCode takes them as arguments. */
const piece = 4096;

/**
 * The text of bytes[start, end), or null if it is not what `writeUtf8` writes. So no two byte sequences give the
 * same string: in `keep`, two surrogates that make a pair must have been written as one code point.
 */
export function readUtf8(bytes: Uint8Array, start: number, end: number, lone: LoneSurrogates): string | null {
  let text = "";
  const units: number[] = [];
  let last = 0;
  for (let at = start; at < end; ) {
    const code = bytes[at]! < 0x80 ? bytes[at]! : codePointAt(bytes, at, end);
    if (code < 0) return null;
    if (code >= 0xd800 && code <= 0xdfff && (lone === "clean" || (code >= 0xdc00 && last >= 0xd800 && last < 0xdc00))) {
      return null;
    }
    if (code < 0x10000) units.push(code);
    else units.push(0xd7c0 + (code >> 10), 0xdc00 | (code & 0x3ff));
    // A pair that came as one code point does not combine with what follows it.
    last = code;
    at += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (units.length >= piece) {
      text += String.fromCharCode(...units);
      units.length = 0;
    }
  }
  return text + String.fromCharCode(...units);
}
