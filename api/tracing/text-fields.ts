/** Field values for people: `address=0x1000 access=write bytes="hi\n"`. */
import type { DecodedEvent, FieldValue } from "../../kernel/trace/index.ts";

/** Numbers that people read in hexadecimal. */
const addresses: readonly string[] = ["address", "pc", "start", "end", "base", "entry"];
/** And these where they are words, not small numbers. */
const words: readonly string[] = ["object", "slot", "badge", "from", "to"];

export function describeFields({ values }: DecodedEvent): string[] {
  return Object.entries(values).map(([name, value]) => `${name}=${describeValue(name, value)}`);
}

export function describeValue(name: string, value: FieldValue): string {
  if (value instanceof Uint8Array) return quote(value);
  if (typeof value === "string") return /^[\w.:+/-]+$/.test(value) ? value : JSON.stringify(value);
  const inHex = addresses.includes(name) || (typeof value === "bigint" && words.includes(name));
  if (typeof value !== "boolean" && inHex) return `0x${value.toString(16)}`;
  return String(value);
}

const shownBytes = 32;
const escapes = new Map([
  [9, "\\t"],
  [10, "\\n"],
  [13, "\\r"],
  [34, '\\"'],
  [92, "\\\\"],
]);

function quote(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, shownBytes)) {
    const plain = byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
    text += escapes.get(byte) ?? plain;
  }
  return bytes.length > shownBytes ? `"${text}"...` : `"${text}"`;
}
