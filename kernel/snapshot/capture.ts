/** Taking a snapshot: costs what changed since the base. */
import { assert } from "../lib/assert.ts";
import type { Machine, MachineMemory } from "../machine/face.ts";
import { isAllZero, type Sha256, sameHash, toHex, zeroHash } from "./hash.ts";
import { PageTree, pageBytes, type SnapshotBlob } from "./page-tree.ts";
import { encodeRoot } from "./root.ts";

export interface CapturedSnapshot {
  /** Names the snapshot, and with it the machine's whole state. */
  root: string;
  /** The next capture's base. */
  tree: PageTree;
  /**
   * What the base does not have, each once: pages, nodes, state, root. The dirty flags are gone, so a host that
   * fails to store these cannot go on with this tree: it has to load the machine from what it did store.
   */
  blobs: SnapshotBlob[];
  stats: SnapshotStats;
}

export interface SnapshotStats {
  /** Pages that were looked at. */
  examinedPages: number;
  /** Pages that differ from the base. */
  changedPages: number;
  newBytes: number;
  /** Everything that the snapshot stands on; content that occurs twice is counted twice. */
  totalBytes: number;
}

/**
 * Clears the machine's dirty flags. `base` is the tree of the last capture, or of the snapshot that the machine was
 * restored from; null only for a machine that was created here and never captured. Absent pages stand in the base,
 * and are not fetched.
 */
export function captureSnapshot(machine: Machine, base: PageTree | null, sha256: Sha256): CapturedSnapshot {
  const collected = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = (hash: Uint8Array, data: Uint8Array<ArrayBuffer>): void => {
    collected.set(toHex(hash), data);
  };
  const whole = hashMachine(machine, base, sha256, add);
  machine.memory.clearDirty();
  const blobs = [...collected].map(([hash, data]) => ({ hash, data }));
  const newBytes = blobs.reduce((sum, { data }) => sum + data.length, 0);
  const totalBytes = whole.tree.storedBytes + whole.otherBytes;
  const { root, tree, examinedPages, changedPages } = whole;
  return { root, tree, blobs, stats: { examinedPages, changedPages, newBytes, totalBytes } };
}

/** The name that a snapshot taken now would have. Changes nothing; `base` as in captureSnapshot. */
export function stateHash(machine: Machine, base: PageTree | null, sha256: Sha256): string {
  return hashMachine(machine, base, sha256, () => {}).root;
}

type Add = (hash: Uint8Array, data: Uint8Array<ArrayBuffer>) => void;

function hashMachine(machine: Machine, base: PageTree | null, sha256: Sha256, add: Add) {
  const { memory } = machine;
  // First of all: encoding may have to look into RAM, and what it touches must be hashed as it leaves it.
  const state = machine.encodeState();
  assert(base !== null || !memory.needsBase, "a machine that was captured or restored is told from a base");
  const before = base ?? PageTree.empty(memory.pages);
  assert(before.pages === memory.pages, "the base is of a machine with another amount of RAM");
  const { changed, examinedPages } = changedPages(memory, before, sha256, add);
  const tree = before.update(changed, sha256, add);
  const stateName = sha256(state);
  add(stateName, state);
  const root = encodeRoot(memory.pages * pageBytes, tree.root, toHex(stateName));
  const rootName = sha256(root);
  add(rootName, root);
  const otherBytes = state.length + root.length;
  return { root: toHex(rootName), tree, examinedPages, changedPages: changed.size, otherBytes };
}

/** New hashes of the pages that differ from the base, and their bytes to `add`. */
function changedPages(memory: MachineMemory, before: PageTree, sha256: Sha256, add: Add) {
  const changed = new Map<number, Uint8Array>();
  // A machine begins with all of its RAM zero and clean: without a base, too, only what was written can differ.
  const dirty = memory.dirtyPages();
  for (const page of dirty) {
    assert(memory.isPresent(page), `page ${page} is dirty but absent`);
    const bytes = memory.page(page);
    const zero = isAllZero(bytes);
    const hash = zero ? zeroHash : sha256(bytes);
    if (sameHash(hash, before.hashOf(page))) continue;
    changed.set(page, hash);
    if (!zero) add(hash, bytes.slice() as Uint8Array<ArrayBuffer>);
  }
  return { changed, examinedPages: dirty.length };
}
