/** Bytes as hexadecimal text, both ways. */
import { UsageError } from "./failure.ts";

const ROW_BYTES = 16;

export function hexBytes(text: string): Uint8Array<ArrayBuffer> {
  if (!/^([0-9a-f]{2})*$/i.test(text))
    throw new UsageError(`${text}: not pairs of hexadecimal digits`, "give for example 0a0bff");
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** Address, bytes and text, sixteen a line. */
export function hexDump(bytes: Uint8Array, start = 0n): string {
  const digits = Math.max(4, (start + BigInt(bytes.length)).toString(16).length);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += ROW_BYTES) {
    const row = [...bytes.subarray(at, at + ROW_BYTES)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${(start + BigInt(at)).toString(16).padStart(digits, "0")}  ${hex.padEnd(ROW_BYTES * 3 - 1)}  ${text}`);
  }
  return lines.join("\n");
}
