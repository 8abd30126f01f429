/** Pieces of bytes: put together, and taken from the front. */

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/**
 * What is left behind the first `count` bytes, for a holder that takes the front off again and again. It is a view as
 * long as it is at least half of what it keeps in memory, and a copy then: so taking single bytes costs in proportion
 * to what is taken, and what is held is at most twice what is counted. The given bytes must not be written afterwards.
 */
export function withoutFirst(bytes: Uint8Array, count: number): Uint8Array {
  const rest = bytes.subarray(count);
  return 2 * rest.length >= rest.buffer.byteLength ? rest : rest.slice();
}
