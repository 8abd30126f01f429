/** Which pieces a part of some content lies in. */
import type { Pieces } from "../store/types.ts";

export interface Span {
  /** Where in the content the first of the pieces begins. */
  start: number;
  hashes: string[];
}

/** Those that have bytes of [offset, offset + length); none where the content has ended. */
export function spanOf({ size, pieceBytes, hashes }: Pieces, offset: number, length: number): Span {
  const first = Math.floor(offset / pieceBytes);
  const end = Math.min(size, offset + length);
  return { start: first * pieceBytes, hashes: end <= offset ? [] : hashes.slice(first, Math.ceil(end / pieceBytes)) };
}

/** The pieces one after the other; one alone is not copied. */
export function joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first = new Uint8Array(0)] = parts;
  if (parts.length <= 1) return first;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
