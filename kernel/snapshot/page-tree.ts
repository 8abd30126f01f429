/**
 * RAM as a Merkle tree: 4 KiB pages by their SHA-256, up to 128 hashes to a node, nodes by theirs.
 *
 * A stored node is 0x4e, its level (1: children are pages), then always 128 hashes. Nodes are thus longer than pages
 * and say where they belong, so none can pass for a page or for a node of another level.
 *
 * Must hold:
 * - equal RAM of equal size has equal roots, by whatever way it came about;
 * - what is all zero has the zero hash and is not stored;
 * - a tree never changes: `update` makes new nodes above the changed pages and shares all the others.
 */
import { assert } from "../lib/assert.ts";
import { SnapshotFormatError } from "./errors.ts";
import { hashBytes, isAllZero, type Sha256, sameHash, toHex, zeroHash } from "./hash.ts";

export const pageBytes = 4096;
export const fanOut = 128;
export const nodeTag = 0x4e;
const nodeHeaderBytes = 2;
export const nodeBytes = nodeHeaderBytes + fanOut * hashBytes;

export interface SnapshotBlob {
  hash: string;
  data: Uint8Array<ArrayBuffer>;
}

export type EmitBlob = (hash: Uint8Array, data: Uint8Array<ArrayBuffer>) => void;

export interface PageNode {
  /** As stored; never written to once the node exists. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hash: Uint8Array;
  /** By slot; null where the part is all zero. The lowest level has none. */
  readonly children: readonly (PageNode | null)[] | null;
  /** Pages below that are not all zero, and nodes with this one. */
  readonly storedPages: number;
  readonly storedNodes: number;
}

/** Levels of nodes above so many pages; at least one. */
export function levelsFor(pages: number): number {
  let levels = 1;
  for (let reach = fanOut; reach < pages; reach *= fanOut) levels += 1;
  return levels;
}

/** Pages below one child of a node of this level. */
export const childSpan = (level: number): number => fanOut ** (level - 1);

export const slotHash = (bytes: Uint8Array, slot: number): Uint8Array =>
  bytes.subarray(nodeHeaderBytes + slot * hashBytes, nodeHeaderBytes + (slot + 1) * hashBytes);

export class PageTree {
  readonly pages: number;
  readonly top: PageNode | null;
  readonly #levels: number;

  /** Trees come from `empty`, `update` and the loader. */
  constructor(pages: number, top: PageNode | null) {
    this.pages = pages;
    this.top = top;
    this.#levels = levelsFor(pages);
  }

  static empty(pages: number): PageTree {
    return new PageTree(pages, null);
  }

  get root(): string {
    return toHex(this.rootHash);
  }

  get rootHash(): Uint8Array {
    return this.top?.hash ?? zeroHash;
  }

  get storedPages(): number {
    return this.top?.storedPages ?? 0;
  }

  /** Bytes that the tree stands on: pages and nodes, equal ones counted each time. */
  get storedBytes(): number {
    return this.storedPages * pageBytes + (this.top?.storedNodes ?? 0) * nodeBytes;
  }

  hashOf(page: number): Uint8Array {
    assert(page >= 0 && page < this.pages, `page ${page} is outside the tree`);
    let node = this.top;
    for (let level = this.#levels; node !== null; level--) {
      const slot = Math.floor(page / childSpan(level)) % fanOut;
      if (node.children === null) return slotHash(node.bytes, slot);
      node = node.children[slot]!;
    }
    return zeroHash;
  }

  pageHash(page: number): string {
    return toHex(this.hashOf(page));
  }

  isZero(page: number): boolean {
    return isAllZero(this.hashOf(page));
  }

  /** A tree with other hashes for some pages. `emit` gets every node that the result has and this tree has not there. */
  update(changed: ReadonlyMap<number, Uint8Array>, sha256: Sha256, emit: EmitBlob): PageTree {
    if (changed.size === 0) return this;
    const pages = [...changed.keys()].sort((a, b) => a - b);
    assert(pages[0]! >= 0 && pages.at(-1)! < this.pages, "a changed page is outside the tree");
    const top = updateNode({ pages, changed, sha256, emit }, this.top, this.#levels, 0, pages.length);
    return new PageTree(this.pages, top);
  }
}

interface Update {
  /** Changed pages, ascending. */
  readonly pages: readonly number[];
  readonly changed: ReadonlyMap<number, Uint8Array>;
  readonly sha256: Sha256;
  readonly emit: EmitBlob;
}

/** The node that stands for `node` (null: all zero) once pages[from, to), which are all below it, have changed. */
function updateNode(update: Update, node: PageNode | null, level: number, from: number, to: number): PageNode | null {
  const bytes = node === null ? emptyNode(level) : node.bytes.slice();
  const children = level === 1 ? null : (node?.children?.slice() ?? new Array<PageNode | null>(fanOut).fill(null));
  const span = childSpan(level);
  for (let i = from; i < to; ) {
    const child = Math.floor(update.pages[i]! / span);
    const first = i;
    do i += 1;
    while (i < to && Math.floor(update.pages[i]! / span) === child);
    const slot = child % fanOut;
    let hash = update.changed.get(update.pages[first]!)!;
    if (children !== null) {
      const below = updateNode(update, children[slot]!, level - 1, first, i);
      children[slot] = below;
      hash = below?.hash ?? zeroHash;
    }
    slotHash(bytes, slot).set(hash);
  }
  if (isAllZero(bytes.subarray(nodeHeaderBytes))) return null;
  const made = makeNode(bytes, update.sha256(bytes), children);
  if (node === null || !sameHash(node.hash, made.hash)) update.emit(made.hash, bytes);
  return made;
}

function emptyNode(level: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(nodeBytes);
  bytes[0] = nodeTag;
  bytes[1] = level;
  return bytes;
}

export function makeNode(
  bytes: Uint8Array<ArrayBuffer>,
  hash: Uint8Array,
  children: readonly (PageNode | null)[] | null,
): PageNode {
  let storedPages = 0;
  let storedNodes = 1;
  for (let slot = 0; slot < fanOut; slot++) {
    const child = children?.[slot];
    if (children === null) storedPages += isAllZero(slotHash(bytes, slot)) ? 0 : 1;
    else if (child) {
      storedPages += child.storedPages;
      storedNodes += child.storedNodes;
    }
  }
  return { bytes, hash, children, storedPages, storedNodes };
}

/** Checks that stored bytes are a node of this level with nothing but zero from slot `slots` on. */
export function checkNode(hash: string, bytes: Uint8Array, level: number, slots: number): void {
  const right = bytes.length === nodeBytes && bytes[0] === nodeTag && bytes[1] === level;
  const beyond = nodeHeaderBytes + Math.min(slots, fanOut) * hashBytes;
  if (!right || !isAllZero(bytes.subarray(beyond)) || isAllZero(bytes.subarray(nodeHeaderBytes))) {
    throw new SnapshotFormatError("corrupt", hash, `blob ${hash} is not a node of level ${level} of a page tree`);
  }
}
