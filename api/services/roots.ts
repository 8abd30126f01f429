/** Archives that machines' roots begin as: whether one is a tree of files. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { ArchiveLoading, ArchiveProblem } from "../../kernel/catalogue.ts";
import { joined, spanOf } from "../hosting/pieces.ts";
import type { Hash, Store } from "../store/types.ts";

/** Archives that were looked through: what is wrong with them, or null. The same bytes have the same faults for ever. */
const KNOWN_ARCHIVES = 256;
const known = new Map<Hash, string | null>();

/** What is wrong with an archive that is to be a root, or null. Of one in pieces, those are read that have headers. */
export async function rootProblem(store: Pick<Store, "blobs">, hash: Hash): Promise<string | null> {
  const before = known.get(hash);
  if (before !== undefined) return before;
  const loading = await loadingOf(store, hash);
  if (loading === null) return "its content is gone";
  const read = loading.result();
  const problem = read instanceof ArchiveProblem ? read.message : null;
  if (known.size >= KNOWN_ARCHIVES) known.delete(known.keys().next().value!);
  known.set(hash, problem);
  return problem;
}

async function loadingOf({ blobs }: Pick<Store, "blobs">, hash: Hash): Promise<ArchiveLoading | null> {
  const stored = (await blobs.look([hash])).get(hash);
  if (stored === undefined) return null;
  const isWhole = stored instanceof Uint8Array;
  const loading = new ArchiveLoading(isWhole ? stored.length : stored.size);
  if (isWhole) loading.provide(0, stored);
  while (!isWhole && loading.need !== null) {
    await nextTurn();
    const { start, hashes } = spanOf(stored, loading.need.offset, loading.need.length);
    const found = await blobs.get(hashes);
    if (hashes.some((piece) => !found.has(piece))) return null;
    loading.provide(start, joined(hashes.map((piece) => found.get(piece)!)));
  }
  return loading;
}
