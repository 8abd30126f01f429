/** SHA-256 as the snapshot code handles it: the host's function, hexadecimal names, the zero hash, verification. */
import { SnapshotFormatError } from "./errors.ts";

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const hashBytes = 32;

/** Stands for a page, or a part of the tree, that is all zero. Nothing is stored under it. */
export const zeroHash: Uint8Array = new Uint8Array(hashBytes);

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += digits[bytes[i]!]!;
  return text;
}

export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export const isHashName = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);

export function isAllZero(bytes: Uint8Array): boolean {
  const aligned = bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0;
  const words = aligned ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : bytes;
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < hashBytes; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Throws unless the data is what its name says. Hosts check every page that they bring the same way. */
export function verifyBlob(hash: string, data: Uint8Array, sha256: Sha256): void {
  const found = toHex(sha256(data));
  if (found !== hash) throw new SnapshotFormatError("corrupt", hash, `content stored as ${hash} has the hash ${found}`);
}
