/**
 * RAM as a Merkle tree: 4 KiB pages by their SHA-256, 128 hashes to an inner node, inner nodes by theirs.
 *
 * Must hold:
 * - the tree's root names every byte of RAM; equal RAM of equal size gives equal roots;
 * - pages and subtrees that are all zero have the zero hash and are not stored;
 * - a stored node begins with a header that no page of interest to it can be confused with, since a node is only
 *   ever read where a node is expected and its level and count are checked.
 *
 * A tree is a value: `update` makes a new one and shares nothing that is written to.
 */
export const PAGE_BYTES = 4096;
export const HASH_BYTES = 32;
export const FAN_OUT = 128;
const NODE_MAGIC = 0x4e54534f; // "OSTN", little-endian
const NODE_HEADER_BYTES = 8;

export type Sha256 = (bytes: Uint8Array) => Uint8Array;
export interface SnapshotBlob {
  hash: string;
  data: Uint8Array<ArrayBuffer>;
}

export class SnapshotFormatError extends Error {}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
}

export function isAllZero(bytes: Uint8Array): boolean {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  return true;
}

/** Numbers of nodes on each level above the pages, up to the single root. */
export function levelSizes(pages: number): number[] {
  const sizes: number[] = [];
  let size = pages;
  do {
    size = Math.ceil(size / FAN_OUT);
    sizes.push(size);
  } while (size > 1);
  return sizes;
}

export class PageTree {
  readonly pages: number;
  /** levels[0]: page hashes, one after the other; levels[n]: hashes of the nodes above; the last has one. */
  readonly #levels: readonly Uint8Array<ArrayBuffer>[];

  private constructor(pages: number, levels: readonly Uint8Array<ArrayBuffer>[]) {
    this.pages = pages;
    this.#levels = levels;
  }

  /** All zero. */
  static empty(pages: number): PageTree {
    const sizes = [pages, ...levelSizes(pages)];
    return new PageTree(pages, sizes.map((size) => new Uint8Array(size * HASH_BYTES)));
  }

  /** From the levels that a loader has gathered (see snapshot.ts). */
  static fromLevels(pages: number, levels: readonly Uint8Array<ArrayBuffer>[]): PageTree {
    return new PageTree(pages, levels);
  }

  get root(): string {
    return toHex(this.#levels.at(-1)!);
  }

  pageHash(page: number): string {
    return toHex(this.#hashAt(0, page));
  }

  isZero(page: number): boolean {
    return isAllZero(this.#hashAt(0, page));
  }

  countStored(): number {
    let stored = 0;
    for (let page = 0; page < this.pages; page++) if (!this.isZero(page)) stored++;
    return stored;
  }

  /** Replaces hashes of some pages; `emit` gets the inner nodes that are new. Cost: the paths above these pages. */
  update(changed: ReadonlyMap<number, Uint8Array>, sha256: Sha256, emit: (blob: SnapshotBlob) => void): PageTree {
    if (changed.size === 0) return this;
    const levels = this.#levels.map((level) => level.slice());
    for (const [page, hash] of changed) levels[0]!.set(hash, page * HASH_BYTES);
    let touched = new Set(changed.keys());
    for (let level = 1; level < levels.length; level++) {
      touched = new Set([...touched].map((child) => Math.floor(child / FAN_OUT)));
      for (const node of touched) levels[level]!.set(hashNode(levels[level - 1]!, level, node, sha256, emit), node * HASH_BYTES);
    }
    return new PageTree(this.pages, levels);
  }

  #hashAt(level: number, index: number): Uint8Array {
    return this.#levels[level]!.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }
}

function hashNode(
  below: Uint8Array,
  level: number,
  node: number,
  sha256: Sha256,
  emit: (blob: SnapshotBlob) => void,
): Uint8Array {
  const children = below.subarray(node * FAN_OUT * HASH_BYTES, (node + 1) * FAN_OUT * HASH_BYTES);
  if (isAllZero(children)) return new Uint8Array(HASH_BYTES);
  const data = new Uint8Array(NODE_HEADER_BYTES + children.length);
  const view = new DataView(data.buffer);
  view.setUint32(0, NODE_MAGIC, true);
  view.setUint16(4, level, true);
  view.setUint16(6, children.length / HASH_BYTES, true);
  data.set(children, NODE_HEADER_BYTES);
  const hash = sha256(data);
  emit({ hash: toHex(hash), data });
  return hash;
}

/** Child hashes of a stored node, checked against where it was found. */
export function readNode(data: Uint8Array, level: number, count: number): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const right =
    data.length === NODE_HEADER_BYTES + count * HASH_BYTES &&
    view.getUint32(0, true) === NODE_MAGIC &&
    view.getUint16(4, true) === level &&
    view.getUint16(6, true) === count;
  if (!right) throw new SnapshotFormatError(`not a node of level ${level} with ${count} children`);
  return data.subarray(NODE_HEADER_BYTES);
}
