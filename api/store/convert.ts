/** Between the records of types.ts and the columns of the database. */
import type { Bytes, Hash, Position } from "./types.ts";

export const hashBytes = (hash: Hash): Bytes => {
  if (!/^[0-9a-f]{64}$/.test(hash))
    throw new TypeError(`not a SHA-256 in lower-case hexadecimal: ${JSON.stringify(hash)}`);
  return new Uint8Array(Buffer.from(hash, "hex"));
};

export const hashText = (bytes: Uint8Array): Hash =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** Infinity and the like become the largest safe integer: a limit that nothing reaches. */
export const boundOf = (value: number): bigint => BigInt(Math.min(value, Number.MAX_SAFE_INTEGER));

export const position = (row: { instructions: bigint; timeNs: bigint }): Position => ({
  instructions: Number(row.instructions),
  timeNs: Number(row.timeNs),
});

export const labelsText = (labels: Record<string, string>): string => JSON.stringify(labels);
export const labelsOf = (text: string): Record<string, string> => JSON.parse(text) as Record<string, string>;
