/** The small blob whose hash names a snapshot: where the rest is, and which release can read it. */
import { decodePlain, encodePlain } from "../lib/codec.ts";
import { SnapshotFormatError } from "./errors.ts";
import { isHashName } from "./hash.ts";
import { pageBytes } from "./page-tree.ts";

/** Of the root blob and the page tree. The state has a version of its own (migrations.ts). */
export const snapshotFormat = 1;

/** RAM that a snapshot may claim: more than any host gives a machine, little enough to count. */
const mostMemoryBytes = 64 * 1024 ** 3;

export interface SnapshotRoot {
  kind: "ostler.snapshot";
  format: number;
  memoryBytes: number;
  /** Root hash of the page tree; the zero hash for RAM that is all zero. */
  memory: string;
  /** Hash of the state blob: everything but RAM, in the canonical codec. */
  state: string;
}

export const encodeRoot = (memoryBytes: number, memory: string, state: string): Uint8Array<ArrayBuffer> =>
  encodePlain({ kind: "ostler.snapshot", format: snapshotFormat, memoryBytes, memory, state } satisfies SnapshotRoot);

export function decodeRoot(hash: string, data: Uint8Array): SnapshotRoot {
  const root = decoded(hash, data) as Partial<SnapshotRoot> | null;
  if (typeof root !== "object" || root === null || root.kind !== "ostler.snapshot") {
    throw new SnapshotFormatError("corrupt", hash, `blob ${hash} is not the root of a snapshot`);
  }
  const { format, memoryBytes, memory, state } = root;
  if (typeof format === "number" && format > snapshotFormat) {
    const message = `snapshot ${hash} has format ${format}; this release reads formats up to ${snapshotFormat}`;
    throw new SnapshotFormatError("incompatible", hash, message);
  }
  const right =
    format === snapshotFormat &&
    Number.isSafeInteger(memoryBytes) &&
    memoryBytes! > 0 &&
    memoryBytes! <= mostMemoryBytes &&
    memoryBytes! % pageBytes === 0 &&
    typeof memory === "string" &&
    isHashName(memory) &&
    typeof state === "string" &&
    isHashName(state);
  if (!right) throw new SnapshotFormatError("corrupt", hash, `the root of snapshot ${hash} is damaged`);
  return root as SnapshotRoot;
}

/** Plain data of a blob whose content matched its hash: if it does not decode, it was never what we look for. */
export function decoded(hash: string, data: Uint8Array): unknown {
  try {
    return decodePlain(data);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SnapshotFormatError("corrupt", hash, `blob ${hash} does not decode: ${reason}`);
  }
}
