/**
 * Loading a snapshot as steps, since the kernel does no I/O: while `need` names hashes, the host fetches some of
 * them and calls `provide`. Fetched are the root, the state and the page tree's nodes; pages only when touched.
 *
 * Every blob is checked against its hash, and every node against its place, before anything is made of it.
 */
import { SnapshotFormatError } from "./errors.ts";
import { fromHex, isAllZero, isHashName, type Sha256, toHex, verifyBlob } from "./hash.ts";
import { migrateState } from "./migrations.ts";
import {
  checkNode,
  childSpan,
  fanOut,
  levelsFor,
  makeNode,
  type PageNode,
  PageTree,
  pageBytes,
  slotHash,
} from "./page-tree.ts";
import { decodeRoot, type SnapshotRoot } from "./root.ts";

export interface SnapshotLoading {
  /** Hashes to fetch next; empty when the result is ready. */
  readonly need: string[];
  /** Takes blobs by hash, as many as the host likes; those that nobody needs are ignored. */
  provide(blobs: ReadonlyMap<string, Uint8Array>): void;
  result(): LoadedSnapshot;
}

export interface LoadedSnapshot {
  /** The state, current whatever version was stored; for restoreMachine. */
  state: Uint8Array;
  tree: PageTree;
}

/** A node that is still to come: the part of RAM that it covers. Equal parts share one, at its first place. */
interface Wanted {
  level: number;
  firstPage: number;
}

export function loadSnapshot(root: string, sha256: Sha256): SnapshotLoading {
  if (!isHashName(root)) throw new SnapshotFormatError("corrupt", root, `"${root}" is not the name of a snapshot`);
  return new Loading(root, sha256);
}

class Loading implements SnapshotLoading {
  readonly #name: string;
  readonly #sha256: Sha256;
  #root: SnapshotRoot | null = null;
  #state: Uint8Array | null = null;
  readonly #wanted = new Map<string, Wanted>();
  readonly #nodes = new Map<string, Uint8Array<ArrayBuffer>>();

  constructor(name: string, sha256: Sha256) {
    this.#name = name;
    this.#sha256 = sha256;
  }

  get need(): string[] {
    if (this.#root === null) return [this.#name];
    const state = this.#state === null ? [this.#root.state] : [];
    return [...state, ...this.#wanted.keys()];
  }

  provide(blobs: ReadonlyMap<string, Uint8Array>): void {
    if (this.#root === null) this.#takeRoot(blobs.get(this.#name));
    const root = this.#root as SnapshotRoot | null;
    if (root === null) return;
    for (const [hash, data] of blobs) {
      const wanted = this.#wanted.get(hash);
      const isState = this.#state === null && hash === root.state;
      if (wanted === undefined && !isState) continue;
      verifyBlob(hash, data, this.#sha256);
      if (isState) this.#state = data;
      if (wanted !== undefined) this.#takeNode(root, hash, data, wanted);
    }
  }

  result(): LoadedSnapshot {
    if (this.#root === null || this.#state === null || this.#wanted.size > 0) {
      throw new SnapshotFormatError("incomplete", this.#name, `snapshot ${this.#name} has not been fetched completely`);
    }
    const pages = this.#root.memoryBytes / pageBytes;
    const top = this.#build(this.#root.memory, levelsFor(pages), new Map());
    return { state: migrateState(this.#root.state, this.#state), tree: new PageTree(pages, top) };
  }

  #takeRoot(data: Uint8Array | undefined): void {
    if (data === undefined) return;
    verifyBlob(this.#name, data, this.#sha256);
    this.#root = decodeRoot(this.#name, data);
    const pages = this.#root.memoryBytes / pageBytes;
    this.#want(this.#root.memory, { level: levelsFor(pages), firstPage: 0 });
  }

  #want(hash: string, wanted: Wanted): void {
    const isZero = isAllZero(fromHex(hash));
    if (!isZero && !this.#nodes.has(hash) && !this.#wanted.has(hash)) this.#wanted.set(hash, wanted);
  }

  #takeNode(root: SnapshotRoot, hash: string, data: Uint8Array, { level, firstPage }: Wanted): void {
    const span = childSpan(level);
    checkNode(hash, data, level, Math.ceil((root.memoryBytes / pageBytes - firstPage) / span));
    this.#wanted.delete(hash);
    this.#nodes.set(hash, data.slice() as Uint8Array<ArrayBuffer>);
    if (level === 1) return;
    for (let slot = 0; slot < fanOut; slot++) {
      this.#want(toHex(slotHash(data, slot)), { level: level - 1, firstPage: firstPage + slot * span });
    }
  }

  /** All nodes are here; equal ones become one. */
  #build(hash: string, level: number, built: Map<string, PageNode>): PageNode | null {
    const done = built.get(hash);
    if (done !== undefined) return done;
    const bytes = this.#nodes.get(hash);
    if (bytes === undefined) return null;
    // A node that was checked for one level may be named as a child on another.
    checkNode(hash, bytes, level, fanOut);
    const below = (_: unknown, slot: number) => this.#build(toHex(slotHash(bytes, slot)), level - 1, built);
    const children = level === 1 ? null : Array.from({ length: fanOut }, below);
    const node = makeNode(bytes, fromHex(hash), children);
    built.set(hash, node);
    return node;
  }
}
