/**
 * Snapshots: the whole machine under one hash.
 *
 *     root blob { format, memory pages, page tree root, state hash }      sha256 of it names the snapshot
 *       ├─ state blob: every part of the state but RAM, in the canonical codec
 *       └─ page tree: see page-tree.ts
 *
 * Taking one costs what changed since the last: dirty pages and the nodes above them. Loading fetches the root,
 * the state and the tree's nodes; pages are fetched when they are touched.
 *
 * Must hold: two machines in the same state have the same root, whatever snapshots, restores and page fetches
 * lie behind them.
 */
import { decodePlain, encodePlain } from "../lib/codec.ts";
import type { Machine } from "../machine/face.ts";
import { FAN_OUT, fromHex, HASH_BYTES, isAllZero, levelSizes, PAGE_BYTES, PageTree, readNode, type Sha256, type SnapshotBlob, SnapshotFormatError, toHex } from "./page-tree.ts";

export { PageTree, type SnapshotBlob, SnapshotFormatError } from "./page-tree.ts";

const FORMAT = 1;
const ZERO_ROOT = toHex(new Uint8Array(HASH_BYTES));

interface RootRecord {
  format: number;
  pages: number;
  memory: string;
  state: string;
}

export interface CapturedSnapshot {
  /** Names the snapshot. */
  root: string;
  tree: PageTree;
  /** What the base did not have: pages, nodes, state, root. */
  blobs: SnapshotBlob[];
  stats: { changedPages: number; totalBytes: number };
}

/** `base`: the tree of the machine's last snapshot, or null. Clears the machine's dirty flags. */
export function captureSnapshot(machine: Machine, base: PageTree | null, sha256: Sha256): CapturedSnapshot {
  const { memory } = machine;
  const blobs: SnapshotBlob[] = [];
  const before = base ?? PageTree.empty(memory.pages);
  const changed = new Map<number, Uint8Array>();
  for (let page = 0; page < memory.pages; page++) {
    if (!memory.isPresent(page) || (base !== null && !memory.isDirty(page))) continue;
    const bytes = memory.page(page);
    if (isAllZero(bytes)) {
      if (!before.isZero(page)) changed.set(page, new Uint8Array(HASH_BYTES));
      continue;
    }
    const hash = sha256(bytes);
    const name = toHex(hash);
    if (name === before.pageHash(page)) continue;
    changed.set(page, hash);
    blobs.push({ hash: name, data: bytes.slice() as Uint8Array<ArrayBuffer> });
  }
  const tree = before.update(changed, sha256, (blob) => blobs.push(blob));
  const state = machine.encodeState();
  const stateHash = toHex(sha256(state));
  const record: RootRecord = { format: FORMAT, pages: memory.pages, memory: tree.root, state: stateHash };
  const data = encodePlain(record);
  const root = toHex(sha256(data));
  blobs.push({ hash: stateHash, data: state }, { hash: root, data });
  memory.clearDirty();
  const totalBytes = tree.countStored() * PAGE_BYTES + state.length + data.length;
  return { root, tree, blobs, stats: { changedPages: changed.size, totalBytes } };
}

/** The root that a snapshot taken now would have; `base` as in captureSnapshot. Changes nothing. */
export function stateHash(machine: Machine, base: PageTree | null, sha256: Sha256): string {
  const unchanged = { ...machine, memory: { ...memoryOf(machine), clearDirty() {} }, encodeState: () => machine.encodeState() };
  return captureSnapshot(unchanged as Machine, base, sha256).root;
}

function memoryOf({ memory }: Machine): Machine["memory"] {
  return {
    pages: memory.pages,
    pageBytes: memory.pageBytes,
    isPresent: (page) => memory.isPresent(page),
    isDirty: (page) => memory.isDirty(page),
    page: (page) => memory.page(page),
    clearDirty: () => memory.clearDirty(),
  };
}

/** Loading as steps, since the kernel does no I/O: while `need` names hashes, fetch and `provide` them. */
export interface SnapshotLoading {
  readonly need: readonly string[];
  provide(blobs: ReadonlyMap<string, Uint8Array>): void;
  /** Once nothing is needed. */
  result(): { state: Uint8Array; tree: PageTree };
}

interface Wanted {
  level: number;
  index: number;
}

class Loading implements SnapshotLoading {
  readonly #root: string;
  #record: RootRecord | null = null;
  #state: Uint8Array | null = null;
  #levels: Uint8Array<ArrayBuffer>[] = [];
  /** Nodes by hash; equal subtrees are fetched once and stand in several places. */
  readonly #nodes = new Map<string, Wanted[]>();

  constructor(root: string) {
    this.#root = root;
  }

  get need(): string[] {
    if (this.#record === null) return [this.#root];
    const state = this.#state === null ? [this.#record.state] : [];
    return [...state, ...this.#nodes.keys()];
  }

  provide(blobs: ReadonlyMap<string, Uint8Array>): void {
    if (this.#record === null) {
      const root = blobs.get(this.#root);
      if (root !== undefined) this.#begin(readRoot(root));
      return;
    }
    for (const [hash, data] of blobs) {
      if (hash === this.#record.state) this.#state = data;
      const places = this.#nodes.get(hash);
      this.#nodes.delete(hash);
      for (const { level, index } of places ?? []) this.#place(data, level, index);
    }
  }

  result(): { state: Uint8Array; tree: PageTree } {
    if (this.#record === null || this.#state === null || this.#nodes.size > 0) throw new SnapshotFormatError("the snapshot is not loaded yet");
    return { state: this.#state, tree: PageTree.fromLevels(this.#record.pages, this.#levels) };
  }

  #begin(record: RootRecord): void {
    this.#record = record;
    const sizes = [record.pages, ...levelSizes(record.pages)];
    this.#levels = sizes.map((size) => new Uint8Array(size * HASH_BYTES));
    this.#levels.at(-1)!.set(fromHex(record.memory));
    if (record.memory !== ZERO_ROOT) this.#nodes.set(record.memory, [{ level: sizes.length - 1, index: 0 }]);
  }

  #place(data: Uint8Array, level: number, index: number): void {
    const below = this.#levels[level - 1]!;
    const first = index * FAN_OUT;
    const count = Math.min(FAN_OUT, below.length / HASH_BYTES - first);
    const children = readNode(data, level, count);
    below.set(children, first * HASH_BYTES);
    if (level === 1) return;
    for (let child = 0; child < count; child++) {
      const hash = toHex(children.subarray(child * HASH_BYTES, (child + 1) * HASH_BYTES));
      if (hash === ZERO_ROOT) continue;
      const places = this.#nodes.get(hash) ?? [];
      places.push({ level: level - 1, index: first + child });
      this.#nodes.set(hash, places);
    }
  }
}

export function loadSnapshot(root: string): SnapshotLoading {
  return new Loading(root);
}

function readRoot(data: Uint8Array): RootRecord {
  const record = decodePlain(data) as RootRecord;
  if (record.format > FORMAT) throw new SnapshotFormatError(`the snapshot has format ${record.format}; this release reads up to ${FORMAT}`);
  return record;
}
